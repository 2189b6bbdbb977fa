/* What each request does. */
#pragma once
#include "guest.h"

/* Returns 1 when `fields` is the answer, 0 when it comes later (guest->pending), -1 after a failure. */
int ops_serve (struct guest *guest, uint32_t request_id, struct request *request, struct writer *fields,
               struct error *err);
/* Registers a process's descriptors and its report with the loop. */
int ops_watch_process (struct guest *guest, struct process *process, struct error *err);
/* Makes the request one whose answer comes later. */
void ops_wait_for (struct guest *guest, enum pending_kind kind, uint32_t request_id, uint64_t deadline_ns);

/* machine/…: requests that stand alone. */
/* By how much the host's clock is ahead: steps a clock that is far off, slews one that is near. */
int clock_adjust (uint64_t ahead_ns, struct error *err);
int configure_serve (struct guest *guest, const struct configure_spec *spec, struct error *err);
int stats_serve (const struct container *container, struct writer *fields, struct error *err);
int tasks_serve (const struct container *container, uint32_t skip, struct writer *fields, struct error *err);
int warm_serve (struct guest *guest, struct error *err);
/* Unmounts everything and syncs. */
void shutdown_prepare (struct guest *guest);
_Noreturn void shutdown_now (struct guest *guest);
