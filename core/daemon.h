/* SPDX-License-Identifier: MIT
 *
 * The program lathed: one configuration, the rooms that it makes, and their order.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/buf.h"
#include "config/config.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "routing/routing.h"
#include "workers/workers.h"

/* Runs until a signal ends it.  Takes the configuration.  Returns the exit code. */
int daemon_run(struct config *config);

/* Asks each backend's plugin about its options; adds a line for each that is wrong.  Returns how
 * many backends are.  Blocks; any thread. */
int daemon_check_plugins(const struct config *config, struct buf *complaints);

/* ---- what each room wants to know of the configuration (daemon_options.c) ---- */
/* Points into the configuration, but for budgets, which is the caller's to free. */
struct jobs_options daemon_jobs_options(const struct config *c,
                                        struct jobs_backend_budget **budgets);
struct backend_options daemon_backend_options(const struct config_backend *b,
                                              struct backend_option **options);
void daemon_configure_routes(const struct config *c, struct routing *routing);
struct http_options daemon_http_options(const struct config *c);
/* NULL-terminated; the caller frees with daemon_folders_free. */
char **daemon_kind_folders(const struct config *c);
void daemon_folders_free(char **folders);
/* Absolute path of lathe-worker; the caller frees. */
char *daemon_worker_program(void);

#endif
