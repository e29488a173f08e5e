/* SPDX-License-Identifier: MIT
 *
 * What a child says at its end, or what follows when it said nothing.
 */
#ifndef WORKER_VERIFY_RESULT_H
#define WORKER_VERIFY_RESULT_H

#include "worker/fork/zygote.h"

#include <sys/resource.h>

/* Its DONE, with the calls that the jail refused behind the plugin's own reason. */
void child_put_done(const struct child *c, struct buf *out);
/* It speaks of the backend: passed on, but that one that is locked in has nothing to say of it. False:
 * it broke the protocol. */
bool child_speaks(struct zygote *z, const struct wire_frame *f);
/* The class and the sentence for one that ended without a result. */
enum wire_class child_judge(const struct child *c, int status, const struct rusage *used,
                            char *text, size_t size);
/* What the kernel counted of one that could not say so itself. */
void child_put_usage(const struct child *c, const struct rusage *used, struct buf *out);

#endif
