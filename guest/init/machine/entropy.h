/* Clones share the template's random state: nothing may be drawn from it before this. */
#pragma once
#include "wire/bytes.h"
#include "lib/error.h"

/* Adds `bytes`, credited in full, and makes the kernel's generator begin anew with them. */
int entropy_add (struct bytes bytes, struct error *err);
