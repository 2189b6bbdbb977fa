/* Requests to the kernel's rtnetlink, one at a time, each with its answer. */
#pragma once
#include "lib/error.h"
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* A request and room for its attributes. */
struct message
{
  struct nlmsghdr header;
  union
  {
    struct ifinfomsg link;
    struct ifaddrmsg address;
    struct rtmsg route;
    uint8_t bytes[512];
  } body;
};

int netlink_open (struct error *err);
/* `size`: of the part of the body that every such message has. */
void message_begin (struct message *message, uint16_t type, uint16_t flags, size_t size);
/* Attributes are few and short: they fit. */
void message_add (struct message *message, uint16_t type, const void *data, size_t length);
/* Returns 0, or -1 with the kernel's errno. */
int message_send (int socket, struct message *message);
/* Sends a request for a list, and hands each of its messages to `each`. Returns 0, or -1 with errno. */
int message_dump (int socket, struct message *message, void (*each) (const struct nlmsghdr *, void *), void *context);
/* The attribute `type` of a message whose own part has `size` bytes, or NULL. */
const struct rtattr *message_attribute (const struct nlmsghdr *header, size_t size, uint16_t type);
