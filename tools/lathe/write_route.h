/* SPDX-License-Identifier: MIT
 *
 * The order of a route, written into a server's configuration file.
 */
#ifndef WRITE_ROUTE_H
#define WRITE_ROUTE_H

#include "cli.h"

/* Puts `backend` first in `backends` of [route KIND], in FILE or in the file of conf.d beside it that
 * has that section; where none has, it is added to FILE with the backends of `route` (the server's
 * answer).  All else in the file stays.  CLI_OK or CLI_USAGE (said). */
int write_route(const char *file, const char *kind, const char *backend, const json_t *route);

#endif
