#include "machine/netconf.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "machine/cards.h"
#include "machine/netaddress.h"
#include "machine/netlink.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>

#define MTU_MIN 68u
#define MTU_MAX 65535u

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
  if (spec && spec->name)
    message_add (&message, IFLA_IFNAME, spec->name, strlen (spec->name) + 1);
  if (message_send (socket, &message) < 0)
    return error_errno (err, "set up interface %s", spec && spec->name ? spec->name : "by its number");
  return 0;
}

/* What the kernel says of an interface, without the newline. */
static void
read_attribute (const char *name, const char *attribute, char *text, size_t size)
{
  char path[96];
  snprintf (path, sizeof path, "/sys/class/net/%s/%s", name, attribute);
  if (file_read (AT_FDCWD, path, text, size) < 0)
    text[0] = 0;
  text[strcspn (text, "\n")] = 0;
}

static bool
is_up (const char *name)
{
  char flags[24];
  unsigned value = 0;
  read_attribute (name, "flags", flags, sizeof flags);
  return sscanf (flags, "%x", &value) == 1 && (value & IFF_UP);
}

static bool
has_mac (const char *name, struct bytes mac)
{
  char text[32], wanted[32] = "";
  for (size_t i = 0; i < mac.length; i++)
    snprintf (wanted + strlen (wanted), sizeof wanted - strlen (wanted), i ? ":%02x" : "%02x", mac.data[i]);
  read_attribute (name, "address", text, sizeof text);
  return mac.length == 0 || strcmp (text, wanted) == 0;
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

static void
set_ipv6_option (const char *name, const char *option, const char *value)
{
  char path[96];
  struct error ignored; /* a kernel without IPv6 */
  snprintf (path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", name, option);
  file_write (AT_FDCWD, path, value, &ignored);
}

/* As Docker: no IPv6 on an interface without such an address; else only what was said, not what routers announce. */
static void
set_ipv6 (const struct interface_spec *spec)
{
  bool wanted = has_ipv6 (spec);
  set_ipv6_option (spec->name, "disable_ipv6", wanted ? "0" : "1");
  if (wanted)
    set_ipv6_option (spec->name, "accept_ra", "0");
}

static int
check_name (const char *name, struct error *err)
{
  size_t length = strlen (name);
  if (length == 0 || length >= IF_NAMESIZE || name[0] == '.' || strpbrk (name, "/: \t\n"))
    return error_set (err, EINVAL, "%.32s is no name of an interface", name);
  return 0;
}

static int
check (const struct interface_spec *spec, struct error *err)
{
  if (check_name (spec->name, err) < 0)
    return -1;
  if (spec->mac.length != 0 && spec->mac.length != 6)
    return error_set (err, EINVAL, "a MAC address of %zu bytes is none", spec->mac.length);
  if (spec->mtu && (spec->mtu < MTU_MIN || spec->mtu > MTU_MAX))
    return error_set (err, EINVAL, "an MTU of %u is not between %u and %u", spec->mtu, MTU_MIN, MTU_MAX);
  return 0;
}

/* A link that is up, and has its name and MAC address already, is not touched: what goes through it goes on. */
static int
bring_up (int socket, unsigned index, const struct interface_spec *spec, bool *was_up, struct error *err)
{
  char name[IF_NAMESIZE] = "";
  if_indextoname (index, name);
  *was_up = strcmp (name, spec->name) == 0 && is_up (name) && has_mac (name, spec->mac);
  if (!*was_up && set_link (socket, index, spec, false, err) < 0)
    return -1;
  set_ipv6 (spec);
  struct interface_spec rest = { .mtu = spec->mtu };
  return set_link (socket, index, &rest, true, err);
}

static int
configure (int socket, const struct interface_spec *spec, struct error *err)
{
  if (check (spec, err) < 0)
    return -1;
  unsigned index = card_take (spec->slot, spec->name, err);
  bool was_up;
  if (!index)
    return -1;
  if (bring_up (socket, index, spec, &was_up, err) < 0)
    return -1;
  /* One that was down has nothing to be taken away. */
  return addresses_set (socket, index, &spec->addresses, was_up, err) < 0
             || gateways_set (socket, index, &spec->gateways, was_up, err) < 0
           ? -1
           : 0;
}

int
netconf_loopback_up (struct error *err)
{
  cleanup_close int socket = netlink_open (err);
  return socket < 0 ? -1 : set_link (socket, 1, NULL, true, err);
}

int
netconf_apply (const struct list *interfaces, struct error *err)
{
  const struct interface_spec *specs = interfaces->items;
  if (interfaces->count == 0)
    return 0;
  cleanup_close int socket = netlink_open (err);
  if (socket < 0)
    return -1;
  for (size_t i = 0; i < interfaces->count; i++)
    if (configure (socket, &specs[i], err) < 0)
      return -1;
  return 0;
}

static int
take_down (int socket, unsigned index, struct error *err)
{
  struct list none = { NULL, 0 };
  return addresses_set (socket, index, &none, true, err) < 0 ? -1 : set_link (socket, index, NULL, false, err);
}

int
netconf_remove (const char *name, struct error *err)
{
  if (check_name (name, err) < 0)
    return -1;
  unsigned index = if_nametoindex (name);
  if (!index)
    return 0; /* it was removed before */
  if (!card_in_use (index))
    return error_set (err, EINVAL, "%s is no network card", name);
  return card_put_away (index, err);
}

int
netconf_undo (const struct list *interfaces, struct error *err)
{
  const struct interface_spec *specs = interfaces->items;
  cleanup_close int socket = netlink_open (err);
  if (socket < 0)
    return -1;
  for (size_t i = 0; i < interfaces->count; i++)
    {
      unsigned index = card_take (specs[i].slot, specs[i].name, err);
      if (!index || take_down (socket, index, err) < 0)
        return -1;
    }
  return 0;
}

bool
netconf_has_card (void)
{
  return cards_count () > 0;
}
