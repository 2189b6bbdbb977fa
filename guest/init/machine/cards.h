/* The network cards by slot. One that is not in use is kept in a network namespace of its own: containers see those that their
   networks have, and no others. */
#pragma once
#include "lib/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Numbers the cards in the order of the devices, and puts away all but the first, which is used from the start. */
int cards_boot (struct error *err);
size_t cards_count (void);
/* The number of the interface, which is fetched and named `name` when it was put away; 0 and an error when it cannot be. */
unsigned card_take (size_t slot, const char *name, struct error *err);
/* Whether the interface is a card in use. */
bool card_in_use (unsigned index);
int card_put_away (unsigned index, struct error *err);
