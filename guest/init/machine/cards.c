#include "machine/cards.h"
#include "lib/cleanup.h"
#include "machine/netlink.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CARDS_MAX 8
/* As high as the numbers of interfaces get before there is a container. */
#define INDEX_MAX 64u

static struct
{
  unsigned index;
  bool away;
} cards[CARDS_MAX];
static size_t count;
/* The namespaces, and a socket in the one where cards lie that are not in use. */
static int home = -1, away = -1, away_socket = -1;

static bool
is_card (const char *name)
{
  char path[64];
  snprintf (path, sizeof path, "/sys/class/net/%s/device", name);
  return access (path, F_OK) == 0;
}

static int
move (int socket, unsigned index, int namespace, const char *name, struct error *err)
{
  struct message message;
  uint32_t fd = (uint32_t) namespace;
  message_begin (&message, RTM_NEWLINK, 0, sizeof message.body.link);
  message.body.link.ifi_index = (int) index;
  message_add (&message, IFLA_NET_NS_FD, &fd, sizeof fd);
  message_add (&message, IFLA_IFNAME, name, strlen (name) + 1);
  if (message_send (socket, &message) < 0)
    return error_errno (err, "move the network card %s", name);
  return 0;
}

static int
put_away (int socket, size_t slot, struct error *err)
{
  char name[IF_NAMESIZE];
  snprintf (name, sizeof name, "card%zu", slot);
  if (move (socket, cards[slot].index, away, name, err) < 0)
    return -1;
  cards[slot].away = true;
  return 0;
}

/* Opens the second namespace, from inside. */
static int
make_away (struct error *err)
{
  home = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0 || unshare (CLONE_NEWNET) < 0)
    return error_errno (err, "a network namespace");
  away = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  away_socket = away < 0 ? -1 : netlink_open (err);
  if (setns (home, CLONE_NEWNET) < 0)
    return error_errno (err, "return to the first network namespace");
  return away_socket < 0 ? error_errno (err, "open a network namespace") : 0;
}

int
cards_boot (struct error *err)
{
  for (unsigned index = 1; index <= INDEX_MAX && count < CARDS_MAX; index++)
    {
      char name[IF_NAMESIZE];
      if (if_indextoname (index, name) && is_card (name))
        cards[count++].index = index;
    }
  if (count == 0)
    return 0;
  cleanup_close int socket = netlink_open (err);
  if (socket < 0 || make_away (err) < 0)
    return -1;
  for (size_t slot = 1; slot < count; slot++)
    if (put_away (socket, slot, err) < 0)
      return -1;
  return 0;
}

size_t
cards_count (void)
{
  return count;
}

unsigned
card_take (size_t slot, const char *name, struct error *err)
{
  if (slot >= count)
    return error_set (err, ENODEV, "there is no network card in slot %zu for %s", slot, name), 0;
  if (!cards[slot].away)
    return cards[slot].index;
  if (move (away_socket, cards[slot].index, home, name, err) < 0)
    return 0;
  /* It gets another number when its own was taken meanwhile. */
  cards[slot].index = if_nametoindex (name);
  cards[slot].away = false;
  return cards[slot].index;
}

static size_t
slot_of (unsigned index)
{
  size_t slot = 0;
  while (slot < count && (cards[slot].away || cards[slot].index != index))
    slot++;
  return slot;
}

bool
card_in_use (unsigned index)
{
  return slot_of (index) < count;
}

int
card_put_away (unsigned index, struct error *err)
{
  size_t slot = slot_of (index);
  cleanup_close int socket = netlink_open (err);
  if (socket < 0)
    return -1;
  return slot < count ? put_away (socket, slot, err) : error_set (err, EINVAL, "interface %u is no network card", index);
}
