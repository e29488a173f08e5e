/* SPDX-License-Identifier: MIT */
#ifndef JOBS_LANES_H
#define JOBS_LANES_H

#include "jobs/types.h"

struct lane *lane_find(struct jobs *j, const char *kind_name, const char *pin,
                       const struct kind *kind);              /* made if new */
struct client *client_find(struct jobs *j, const char *name); /* made if new */
void client_put(struct jobs *j, struct client *c);            /* one live job less */
void lanes_free(struct jobs *j);

#endif
