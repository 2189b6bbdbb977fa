/* How containers come and go. */
#pragma once
#include "guest.h"

/* CREATE_CONTAINER, as ops_serve. */
int containers_create (struct guest *guest, uint32_t request_id, struct request *request, struct error *err);
/* Kills and forgets what a container still runs; true when nothing is left and it has been deleted. */
bool container_gone (struct guest *guest, struct container *container, struct error *err);
/* PENDING_CREATE, PENDING_DELETE and PENDING_SHUTDOWN, as far as they can go on. */
void containers_serve_created (struct guest *guest);
void containers_serve_deleted (struct guest *guest);
void containers_serve_shut_down (struct guest *guest);
