#include "machine/netlink.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define REPLY_WAIT_S 2
/* As large as the kernel makes a piece of a list. */
#define PIECE_BYTES 16384

int
netlink_open (struct error *err)
{
  struct timeval wait = { .tv_sec = REPLY_WAIT_S };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0)
    return error_errno (err, "netlink socket");
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  return fd;
}

void
message_begin (struct message *message, uint16_t type, uint16_t flags, size_t size)
{
  memset (message, 0, sizeof *message);
  message->header.nlmsg_type = type;
  message->header.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
  message->header.nlmsg_len = (uint32_t) NLMSG_LENGTH (size);
}

void
message_add (struct message *message, uint16_t type, const void *data, size_t length)
{
  struct rtattr *attribute = (struct rtattr *) ((char *) message + NLMSG_ALIGN (message->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short) RTA_LENGTH (length);
  memcpy (RTA_DATA (attribute), data, length);
  message->header.nlmsg_len = (uint32_t) (NLMSG_ALIGN (message->header.nlmsg_len) + RTA_ALIGN (RTA_LENGTH (length)));
}

int
message_send (int socket, struct message *message)
{
  struct
  {
    struct nlmsghdr header;
    struct nlmsgerr error;
    uint8_t rest[1024];
  } reply;
  if (send (socket, message, message->header.nlmsg_len, 0) < 0 || recv (socket, &reply, sizeof reply, 0) < 0)
    return -1;
  if (reply.header.nlmsg_type != NLMSG_ERROR)
    {
      errno = EPROTO;
      return -1;
    }
  errno = -reply.error.error;
  return reply.error.error ? -1 : 0;
}

/* Returns 1 when it was the last piece, 0 when more come, -1 with errno. */
static int
take_piece (const void *piece, size_t length, void (*each) (const struct nlmsghdr *, void *), void *context)
{
  for (const struct nlmsghdr *header = piece; NLMSG_OK (header, length); header = NLMSG_NEXT (header, length))
    {
      if (header->nlmsg_type == NLMSG_DONE)
        return 1;
      if (header->nlmsg_type == NLMSG_ERROR)
        {
          errno = -((const struct nlmsgerr *) NLMSG_DATA (header))->error;
          return errno ? -1 : 1;
        }
      each (header, context);
    }
  return 0;
}

int
message_dump (int socket, struct message *message, void (*each) (const struct nlmsghdr *, void *), void *context)
{
  static _Alignas (struct nlmsghdr) uint8_t piece[PIECE_BYTES];
  message->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (send (socket, message, message->header.nlmsg_len, 0) < 0)
    return -1;
  int done = 0;
  while (done == 0)
    {
      ssize_t length = recv (socket, piece, sizeof piece, 0);
      if (length < 0)
        return -1;
      done = take_piece (piece, (size_t) length, each, context);
    }
  return done < 0 ? -1 : 0;
}

const struct rtattr *
message_attribute (const struct nlmsghdr *header, size_t size, uint16_t type)
{
  size_t length = header->nlmsg_len - NLMSG_LENGTH (size);
  const struct rtattr *attribute = (const void *) ((const char *) NLMSG_DATA (header) + NLMSG_ALIGN (size));
  for (; RTA_OK (attribute, length); attribute = RTA_NEXT (attribute, length))
    if (attribute->rta_type == type)
      return attribute;
  return NULL;
}
