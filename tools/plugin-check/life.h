/* SPDX-License-Identifier: MIT
 *
 * A job from its beginning to its end on the simulated host.
 */
#ifndef CHECK_LIFE_H
#define CHECK_LIFE_H

#include "sim.h"

/* Polls until it is no longer pending; false after fail(), when that takes too long. */
bool life_poll(struct tool *t, const struct example *e, struct record *r);
/* run(), or submit to fetch.  True: it completed.  False: it did not, and record says why, or
 * fail() was called (a crash). */
bool life_whole(struct tool *t, const struct example *e, struct record *r);
/* life_whole, with fail() for a job that does not complete. */
bool life_must(struct tool *t, const struct example *e, struct record *r);
/* fail() for what the record holds against the plugin: breaches, and artifacts that are not
 * declared. */
void life_judge(struct tool *t, const struct example *e, const struct record *r);

#endif
