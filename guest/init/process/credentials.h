/* What a process may do: limits, user, groups, capabilities. */
#pragma once
#include "process/user.h"
#include "wire/request.h"

int credentials_apply (const struct start_spec *spec, const struct identity *identity, struct error *err);
