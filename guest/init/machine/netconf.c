#include "machine/netconf.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#define MTU_MIN 68u
#define MTU_MAX 65535u
/* As high as the numbers of cards can get: each sandbox has few. */
#define INDEX_MAX 64u
#define REPLY_WAIT_S 2

/* A request to the kernel's rtnetlink, and room for its attributes. */
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

static void
message_begin (struct message *message, uint16_t type, uint16_t flags, size_t size)
{
  memset (message, 0, sizeof *message);
  message->header.nlmsg_type = type;
  message->header.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
  message->header.nlmsg_len = (uint32_t) NLMSG_LENGTH (size);
}

/* Attributes are few and short: they fit. */
static void
message_add (struct message *message, uint16_t type, const void *data, size_t length)
{
  struct rtattr *attribute = (struct rtattr *) ((char *) message + NLMSG_ALIGN (message->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short) RTA_LENGTH (length);
  memcpy (RTA_DATA (attribute), data, length);
  message->header.nlmsg_len = (uint32_t) (NLMSG_ALIGN (message->header.nlmsg_len) + RTA_ALIGN (RTA_LENGTH (length)));
}

/* Returns 0, or -1 with the kernel's errno. */
static int
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

static int
open_netlink (struct error *err)
{
  struct timeval wait = { .tv_sec = REPLY_WAIT_S };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0)
    return error_errno (err, "netlink socket");
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  return fd;
}

/* Sets what is given; a name can only change while the link is down. */
static int
set_link (int socket, unsigned index, const struct interface_spec *spec, bool up, struct error *err)
{
  struct message message;
  message_begin (&message, RTM_NEWLINK, 0, sizeof message.body.link);
  message.body.link.ifi_index = (int) index;
  message.body.link.ifi_flags = up ? IFF_UP : 0;
  message.body.link.ifi_change = IFF_UP;
  if (spec && spec->mac.length)
    message_add (&message, IFLA_ADDRESS, spec->mac.data, spec->mac.length);
  if (spec && spec->mtu)
    message_add (&message, IFLA_MTU, &spec->mtu, 4);
  if (spec)
    message_add (&message, IFLA_IFNAME, spec->name, strlen (spec->name) + 1);
  if (message_send (socket, &message) < 0)
    return error_errno (err, "set up interface %s", spec ? spec->name : "lo");
  return 0;
}

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
  if (message_send (socket, &message) < 0)
    return error_errno (err, "%s an address", type == RTM_NEWADDR ? "add" : "take away");
  return 0;
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
      message_begin (&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof message.body.route);
      message.body.route = (struct rtmsg){ .rtm_family = gateway.length == 4 ? AF_INET : AF_INET6,
                                           .rtm_table = RT_TABLE_MAIN,
                                           .rtm_protocol = RTPROT_BOOT,
                                           .rtm_scope = RT_SCOPE_UNIVERSE,
                                           .rtm_type = RTN_UNICAST,
                                           .rtm_flags = onlink ? RTNH_F_ONLINK : 0 };
      message_add (&message, RTA_GATEWAY, gateway.data, gateway.length);
      message_add (&message, RTA_OIF, &index, 4);
      if (message_send (socket, &message) == 0)
        return 0;
    }
  return error_errno (err, "add a default route");
}

/* The card in the place `ordinal`, 0 when there are not so many. */
static unsigned
find_card (size_t ordinal)
{
  for (unsigned index = 1; index <= INDEX_MAX; index++)
    {
      char name[IF_NAMESIZE], path[64];
      if (!if_indextoname (index, name))
        continue;
      snprintf (path, sizeof path, "/sys/class/net/%s/device", name);
      if (access (path, F_OK) == 0 && ordinal-- == 0)
        return index;
    }
  return 0;
}

static bool
has_ipv6 (const struct interface_spec *spec)
{
  const struct bytes *addresses = spec->addresses.items;
  for (size_t i = 0; i < spec->addresses.count; i++)
    if (addresses[i].length == 17)
      return true;
  return false;
}

/* As Docker: no IPv6 on an interface without such an address; else only what was said, not what routers announce. */
static void
set_ipv6 (const struct interface_spec *spec)
{
  char path[96];
  struct error ignored; /* a kernel without IPv6 */
  snprintf (path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", spec->name, has_ipv6 (spec) ? "accept_ra" : "disable_ipv6");
  file_write (AT_FDCWD, path, has_ipv6 (spec) ? "0" : "1", &ignored);
}

static int
check (const struct interface_spec *spec, struct error *err)
{
  size_t length = strlen (spec->name);
  if (length == 0 || length >= IF_NAMESIZE || spec->name[0] == '.' || strpbrk (spec->name, "/: \t\n"))
    return error_set (err, EINVAL, "%.32s is no name of an interface", spec->name);
  if (spec->mac.length != 0 && spec->mac.length != 6)
    return error_set (err, EINVAL, "a MAC address of %zu bytes is none", spec->mac.length);
  if (spec->mtu && (spec->mtu < MTU_MIN || spec->mtu > MTU_MAX))
    return error_set (err, EINVAL, "an MTU of %u is not between %u and %u", spec->mtu, MTU_MIN, MTU_MAX);
  return 0;
}

/* Another card may have the name now, and will get its own when its turn comes. */
static int
free_name (int socket, unsigned index, const char *name, struct error *err)
{
  char other_name[IF_NAMESIZE];
  unsigned other = if_nametoindex (name);
  if (other == 0 || other == index)
    return 0;
  snprintf (other_name, sizeof other_name, "card%u", other);
  struct interface_spec spec = { .name = other_name };
  return set_link (socket, other, &spec, false, err);
}

static int
configure (int socket, size_t ordinal, const struct interface_spec *spec, struct error *err)
{
  if (check (spec, err) < 0)
    return -1;
  unsigned index = find_card (ordinal);
  if (!index)
    return error_set (err, ENODEV, "there is no network card for %s", spec->name);
  if (free_name (socket, index, spec->name, err) < 0 || set_link (socket, index, spec, false, err) < 0)
    return -1;
  set_ipv6 (spec);
  const struct bytes *addresses = spec->addresses.items, *gateways = spec->gateways.items;
  if (set_link (socket, index, spec, true, err) < 0)
    return -1;
  for (size_t i = 0; i < spec->addresses.count; i++)
    if (change_address (socket, index, RTM_NEWADDR, addresses[i], err) < 0)
      return -1;
  for (size_t i = 0; i < spec->gateways.count; i++)
    if (add_gateway (socket, index, gateways[i], err) < 0)
      return -1;
  return 0;
}

int
netconf_loopback_up (struct error *err)
{
  cleanup_close int socket = open_netlink (err);
  return socket < 0 ? -1 : set_link (socket, 1, NULL, true, err);
}

int
netconf_apply (const struct list *interfaces, struct error *err)
{
  const struct interface_spec *specs = interfaces->items;
  if (interfaces->count == 0)
    return 0;
  cleanup_close int socket = open_netlink (err);
  if (socket < 0)
    return -1;
  for (size_t i = 0; i < interfaces->count; i++)
    if (configure (socket, i, &specs[i], err) < 0)
      return -1;
  return 0;
}

int
netconf_undo (const struct list *interfaces, struct error *err)
{
  const struct interface_spec *specs = interfaces->items;
  cleanup_close int socket = open_netlink (err);
  if (socket < 0)
    return -1;
  for (size_t i = 0; i < interfaces->count; i++)
    {
      unsigned index = find_card (i);
      const struct bytes *addresses = specs[i].addresses.items;
      for (size_t j = 0; index && j < specs[i].addresses.count; j++)
        if (change_address (socket, index, RTM_DELADDR, addresses[j], err) < 0)
          return -1;
      if (index && set_link (socket, index, NULL, false, err) < 0)
        return -1;
    }
  return 0;
}

bool
netconf_has_card (void)
{
  return find_card (0) != 0;
}
