/* SPDX-License-Identifier: MIT
 *
 * All that is wrong with a client's parameters, each with its place.
 */
#ifndef KINDS_FAULTS_H
#define KINDS_FAULTS_H

#include "kinds/kinds.h"

/* As many as an answer lists: the words of another one are not seen, it only counts. */
bool faults_full(const struct kind_faults *f);

/* slug: of http/problem.h; the first counts.  pointer: RFC 6901, within the parameters. */
void faults_add(struct kind_faults *f, const char *slug, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* After the last one. */
void faults_end(struct kind_faults *f);

/* Adds "/key" to the pointer; returns the length to cut it back to with pointer_leave. */
size_t pointer_enter(struct buf *pointer, const char *key);
size_t pointer_enter_index(struct buf *pointer, size_t index);
void pointer_leave(struct buf *pointer, size_t len);

#endif
