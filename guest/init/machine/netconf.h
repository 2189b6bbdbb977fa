/* Network cards: names, addresses and routes, over rtnetlink. */
#pragma once
#include "wire/request.h"

bool netconf_has_card (void);
int netconf_loopback_up (struct error *err);
/* Makes each card what its entry of `interfaces` (struct interface_spec) says. Doing it again changes nothing. */
int netconf_apply (const struct list *interfaces, struct error *err);
/* Puts a card away, and its addresses and routes with it; its slot is free for another interface. */
int netconf_remove (const char *name, struct error *err);
/* Takes back what netconf_apply did; the cards keep their names. */
int netconf_undo (const struct list *interfaces, struct error *err);
