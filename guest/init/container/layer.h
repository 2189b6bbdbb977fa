/* Where a container keeps what it writes: the upper and work directories of its overlay, on a disk or on tmpfs; and
   the files the host gave it, on tmpfs. */
#pragma once
#include "machine/disks.h"
#include "wire/request.h"

struct layer
{
  char path[160]; /* holds `upper` and `work` */
  int files;      /* directory */
};

/* On the disk spec->scratch_disk: kept if it is there, made if not. */
int layer_make (struct layer *layer, const struct container_spec *spec, struct disks *disks, struct error *err);
/* Removes what is on tmpfs; a disk is left as it is. */
void layer_drop (const char *id, bool upper_on_tmpfs);
/* Makes the directories of a layer ahead on a mounted disk: the next new one there only has to be named. */
void layer_prepare (const char *base);
