/* The state of the guest init, one for the whole program, handed to whoever needs it. */
#pragma once
#include "container/container.h"
#include "machine/disks.h"
#include "process/process.h"
#include "wire/port.h"
#include "wire/request.h"

/* A request whose answer waits for something; the next frame is not read before it is given. */
enum pending_kind
{
  PENDING_NONE,
  PENDING_CREATE,   /* for the container's volumes to be there, and to be filled */
  PENDING_START,    /* for the child's report */
  PENDING_DELETE,   /* for the container's processes to be gone */
  PENDING_SHUTDOWN, /* for all of them */
  PENDING_GROW,     /* for the kernel to know how long a device is */
  PENDING_FREEZE,   /* for the container's processes to stand still */
};

struct pending
{
  enum pending_kind kind;
  uint32_t request_id;
  uint64_t deadline_ns;
  struct container *container;
  struct process *process;
  int report;
  char disk[DISK_SERIAL_BYTES_MAX + 1];
  uint64_t bytes;
  struct request request;
  bool host_gone; /* who asked is no more */
};

struct guest
{
  int epoll, signals, self;
  struct home home;
  struct port port;
  struct disks disks;
  struct container *containers[HB_CONTAINERS_MAX];
  struct processes processes;
  struct pending pending;
  bool holds;        /* `held` is a request that came while another was pending */
  struct frame held; /* in the port's decoder */
  bool configured;
  bool connected; /* a host has said HELLO and has not gone */
  bool warming;   /* WARM is at work and turns the loop itself: no frames are served */
  size_t next_sender; /* whose turn it is to send */
  uint8_t answer[HB_FRAME_TO_HOST_BYTES_MAX]; /* an answer is made here and copied into the port's outbox */
};

struct container *guest_container (const struct guest *guest, const char *id, struct error *err);
/* Watches `fd`, edge-triggered. `kind` and `id` come back with the event. */
enum watch_kind { WATCH_PORT, WATCH_SIGNALS, WATCH_REPORT, WATCH_STDIN, WATCH_STDOUT, WATCH_STDERR, WATCH_MEMORY, WATCH_PRESSURE };
int guest_watch (struct guest *guest, int fd, uint32_t events, enum watch_kind kind, uint32_t id, struct error *err);

/* serve.c: one HELLO, REQUEST, DATA or WINDOW. */
void serve_frame (struct guest *guest, const struct frame *frame);
/* An empty answer to be filled; there is one at a time. */
struct writer answer_writer (struct guest *guest);
/* Queues an answer. `fields`: what is behind the status, or NULL. After a failure: `err`. */
void serve_answer (struct guest *guest, uint32_t request_id, const struct writer *fields);
void serve_failure (struct guest *guest, uint32_t request_id, uint16_t op, const struct error *err);
/* Goes on with the pending request, as far as it can. */
void serve_pending (struct guest *guest);
/* transmit.c: sends what there is to send and the port takes. */
void transmit (struct guest *guest);
/* loop.c: one turn, waiting at most `wait_ms` for something to happen; true when the next should not wait. */
bool loop_turn (struct guest *guest, int wait_ms);
/* Serves until the sandbox ends. */
_Noreturn void loop_run (struct guest *guest);
