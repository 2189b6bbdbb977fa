/* Addresses and routes, over rtnetlink. */
#pragma once
#include "wire/request.h"

bool netconf_has_card (void);
int netconf_loopback_up (struct error *err);
/* The first virtio network card gets the first of `interfaces` (struct interface_spec), and so on. */
int netconf_apply (const struct list *interfaces, struct error *err);
/* Takes back what that did; the cards keep their names. */
int netconf_undo (const struct list *interfaces, struct error *err);
