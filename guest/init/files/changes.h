/* CHANGES: what a container's layer has over its image, as dockerd tells it. */
#pragma once
#include "files/read.h"

/* `upper` is the layer's root, `lower` the image's. */
int changes_read (int upper, int lower, const struct mount_points *points, struct sink *sink, struct error *err);
