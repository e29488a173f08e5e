/* SPDX-License-Identifier: MIT
 *
 * Lathe-Via of a submit: the ids of the daemons that the job has passed, so that none sends it in a
 * circle.
 *
 *   client --> A --"Lathe-Via: a"--> B --"Lathe-Via: a, b"--> A: 508
 */
#ifndef API_VIA_H
#define API_VIA_H

#include "api/refusal.h"
#include "http/http.h"

enum { VIA_MAX = 4 }; /* daemons that a job may have passed */

/* *out: the header with one space after each comma, to be freed; NULL where there is none.  Refuses one
 * that names this daemon (own) or too many, and one that is no list of ids. */
int via_take(const struct http_request *r, const char *own, char **out, struct refusal *no);
/* The same of the header's text. */
int via_parse(const char *header, const char *own, char **out, struct refusal *no);

#endif
