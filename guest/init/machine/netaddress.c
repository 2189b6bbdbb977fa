#include "machine/netaddress.h"
#include "machine/netlink.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

/* More on one card is nobody's wish. */
#define STALE_MAX 64

/* One of the kernel's list, as the host writes them: prefix length, then the bytes. */
struct stale
{
  uint8_t bytes[17];
  size_t length;
};

struct survey
{
  unsigned index;
  const struct list *wanted; /* struct bytes */
  struct stale stale[STALE_MAX];
  size_t count;
};

static uint32_t
broadcast_of (const uint8_t *address, unsigned prefix)
{
  uint32_t host = prefix >= 31 ? 0 : 0xffffffffu >> prefix;
  uint32_t value;
  memcpy (&value, address, 4);
  return value | htonl (host);
}

/* RTM_NEWADDR or RTM_DELADDR */
static int
change_address (int socket, unsigned index, uint16_t type, struct bytes address, struct error *err)
{
  struct message message;
  size_t length = address.length ? address.length - 1 : 0;
  if ((length != 4 && length != 16) || address.data[0] > 8 * length)
    return error_set (err, EINVAL, "an address of %zu bytes is none", address.length);
  message_begin (&message, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof message.body.address);
  message.body.address = (struct ifaddrmsg){ .ifa_family = length == 4 ? AF_INET : AF_INET6,
                                             .ifa_prefixlen = address.data[0],
                                             /* The host hands out each address once: it is usable at once. */
                                             .ifa_flags = length == 4 ? 0 : IFA_F_NODAD,
                                             .ifa_index = index };
  message_add (&message, IFA_LOCAL, address.data + 1, length);
  message_add (&message, IFA_ADDRESS, address.data + 1, length);
  if (length == 4 && address.data[0] < 31)
    {
      uint32_t broadcast = broadcast_of (address.data + 1, address.data[0]);
      message_add (&message, IFA_BROADCAST, &broadcast, 4);
    }
  /* With its last address an interface may have lost others of the same network. */
  if (message_send (socket, &message) < 0 && (type == RTM_NEWADDR || errno != EADDRNOTAVAIL))
    return error_errno (err, "%s an address", type == RTM_NEWADDR ? "add" : "take away");
  return 0;
}

static bool
is_wanted (const struct list *wanted, const struct stale *address)
{
  const struct bytes *items = wanted->items;
  for (size_t i = 0; i < wanted->count; i++)
    if (items[i].length == address->length && memcmp (items[i].data, address->bytes, address->length) == 0)
      return true;
  return false;
}

static void
note_address (const struct nlmsghdr *header, void *context)
{
  struct survey *survey = context;
  const struct ifaddrmsg *of = NLMSG_DATA (header);
  const struct rtattr *local = message_attribute (header, sizeof *of, IFA_LOCAL);
  if (!local)
    local = message_attribute (header, sizeof *of, IFA_ADDRESS);
  if (header->nlmsg_type != RTM_NEWADDR || of->ifa_index != survey->index || of->ifa_scope == RT_SCOPE_LINK || !local
      || RTA_PAYLOAD (local) > 16 || survey->count == STALE_MAX)
    return;
  struct stale *stale = &survey->stale[survey->count];
  stale->length = 1 + RTA_PAYLOAD (local);
  stale->bytes[0] = of->ifa_prefixlen;
  memcpy (stale->bytes + 1, RTA_DATA (local), RTA_PAYLOAD (local));
  survey->count += !is_wanted (survey->wanted, stale);
}

static int
drop_others (int socket, unsigned index, const struct list *addresses, struct error *err)
{
  struct message message;
  struct survey survey = { .index = index, .wanted = addresses };
  message_begin (&message, RTM_GETADDR, 0, sizeof message.body.address);
  if (message_dump (socket, &message, note_address, &survey) < 0)
    return error_errno (err, "list the addresses");
  for (size_t i = 0; i < survey.count; i++)
    {
      struct bytes stale = { survey.stale[i].bytes, survey.stale[i].length };
      if (change_address (socket, index, RTM_DELADDR, stale, err) < 0)
        return -1;
    }
  return 0;
}

int
addresses_set (int socket, unsigned index, const struct list *addresses, bool instead, struct error *err)
{
  const struct bytes *wanted = addresses->items;
  if (instead && drop_others (socket, index, addresses, err) < 0)
    return -1;
  for (size_t i = 0; i < addresses->count; i++)
    if (change_address (socket, index, RTM_NEWADDR, wanted[i], err) < 0)
      return -1;
  return 0;
}

static void
begin_route (struct message *message, uint16_t type, uint16_t flags, unsigned index, int family)
{
  message_begin (message, type, flags, sizeof message->body.route);
  message->body.route = (struct rtmsg){ .rtm_family = (unsigned char) family,
                                        .rtm_table = RT_TABLE_MAIN,
                                        .rtm_protocol = RTPROT_BOOT,
                                        .rtm_scope = RT_SCOPE_UNIVERSE,
                                        .rtm_type = RTN_UNICAST };
  message_add (message, RTA_OIF, &index, 4);
}

static int
add_gateway (int socket, unsigned index, struct bytes gateway, struct error *err)
{
  if (gateway.length != 4 && gateway.length != 16)
    return error_set (err, EINVAL, "a gateway of %zu bytes is none", gateway.length);
  /* A gateway outside of the interface's own networks is believed to be on the link. */
  for (int onlink = 0; onlink < 2; onlink++)
    {
      struct message message;
      begin_route (&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, index, gateway.length == 4 ? AF_INET : AF_INET6);
      message.body.route.rtm_flags = onlink ? RTNH_F_ONLINK : 0;
      message_add (&message, RTA_GATEWAY, gateway.data, gateway.length);
      if (message_send (socket, &message) == 0)
        return 0;
    }
  return error_errno (err, "add a default route");
}

/* There may be several, of several metrics. */
static int
drop_default_route (int socket, unsigned index, int family, struct error *err)
{
  struct message message;
  for (int i = 0; i < STALE_MAX; i++)
    {
      begin_route (&message, RTM_DELROUTE, 0, index, family);
      message.body.route.rtm_scope = RT_SCOPE_NOWHERE;
      message.body.route.rtm_protocol = RTPROT_UNSPEC;
      if (message_send (socket, &message) < 0)
        return errno == ESRCH || errno == EAFNOSUPPORT || errno == EOPNOTSUPP
                 ? 0
                 : error_errno (err, "take away a default route");
    }
  return 0;
}

int
gateways_set (int socket, unsigned index, const struct list *gateways, bool instead, struct error *err)
{
  const struct bytes *items = gateways->items;
  bool v4 = false, v6 = false;
  for (size_t i = 0; i < gateways->count; i++)
    {
      v4 = v4 || items[i].length == 4;
      v6 = v6 || items[i].length == 16;
      if (add_gateway (socket, index, items[i], err) < 0)
        return -1;
    }
  if (!instead)
    return 0;
  return (!v4 && drop_default_route (socket, index, AF_INET, err) < 0)
             || (!v6 && drop_default_route (socket, index, AF_INET6, err) < 0)
           ? -1
           : 0;
}
