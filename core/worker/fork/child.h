/* SPDX-License-Identifier: MIT
 *
 * A child of the zygote, as the zygote sees it: forked, given its step, heard, stopped, ended.
 */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include "worker/fork/zygote.h"

/* A child that waits for its step; NULL: the system has no more to give. */
struct child *child_fork(struct zygote *z);
/* In a fresh child, `arg` being the zygote: closes what is of others. */
void child_forget_others(void *arg);
/* Gives a child the STEP, the spare one where there is one. */
void child_start(struct zygote *z, const struct wire_frame *f, const struct wire_step *step);
/* It ends with this class (enum wire_class). */
void child_cancel(struct zygote *z, uint64_t token, int class);
/* There is something on its socket. */
void child_read(struct zygote *z, struct child *c);
/* Its pidfd says so: reaps and frees it, and tells the daemon what it did not. */
void child_ended(struct zygote *z, struct child *c);
/* The end of a step that no child has. */
void zygote_send_done(struct zygote *z, uint64_t token, enum wire_class class, const char *message,
                      bool folder);
void child_kill(struct child *c);
/* Its guard, its folder, BEGAN. */
void child_began(struct zygote *z, struct child *c, int64_t input_bytes);

#endif
