/* SPDX-License-Identifier: MIT
 *
 * Work that would hold the loop for more than some milliseconds.
 *
 *   offload --light--> work(arg), done(arg), at once
 *      \-----heavy---> in line --its turn--> work(arg) on another thread --> done(arg) on the loop
 *
 * Heavy pieces run one at a time, so that what a piece needs of memory meanwhile is needed once.
 */
#ifndef API_OFFLOAD_H
#define API_OFFLOAD_H

#include "api/internal.h"

enum { OFFLOAD_HEAVY = 32 << 10 }; /* bytes of JSON that are parsed well within a millisecond */

/* work must touch nothing of the loop's; call and arg must live until done was called.  When the
 * client is gone before its turn comes (call->r is NULL), work is left out. */
void offload(const struct call *call, size_t bytes, void (*work)(void *arg),
             void (*done)(void *arg), void *arg);
/* Calls done from a later turn of the loop, so that others come in between. */
void offload_yield(const struct call *call, void (*done)(void *arg), void *arg);

#endif
