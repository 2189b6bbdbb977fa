/* The addresses of a card, and its default routes. */
#pragma once
#include "wire/request.h"

/* Gives a card the `addresses` (struct bytes: prefix length, then 4 or 16 bytes), and with `instead` takes all others away;
   what is the same stays untouched, and link-local ones of the kernel's own are left alone. */
int addresses_set (int socket, unsigned index, const struct list *addresses, bool instead, struct error *err);
/* The same for the default routes through this card. A gateway replaces the one that another card had. */
int gateways_set (int socket, unsigned index, const struct list *gateways, bool instead, struct error *err);
