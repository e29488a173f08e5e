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
#include "observe/log.h"
#include "routing/routing.h"
#include "workers/workers.h"

/* Before anything else, so that none of them ends the process while it starts: SIGHUP waits until
 * the loop runs; SIGUSR1, SIGUSR2 and SIGPIPE mean nothing to the daemon. */
void daemon_hold_signals(void);
/* Runs until a signal ends it.  Takes the configuration.  Returns the exit code.  accept_empty: see
 * struct store_options. */
int daemon_run(struct config *config, bool accept_empty);

/* Copies the data folder, which a daemon may be using, to a new folder `to`, which appears whole or
 * not at all.  Returns the exit code: 1 also where files that the database names are gone. */
int daemon_backup(const struct config *config, const char *dir);
/* Checks a data folder that no daemon uses, or a backup: the database, each file's size and hash,
 * and files that no job names.  Prints what is wrong.  Returns the exit code. */
int daemon_verify(const char *dir);

/* What was switched by hand over the configuration, as comments; nothing where there is no data
 * folder. */
void daemon_print_switches(const struct config *c, FILE *out);

/* What the plugins say of their backends' options: a line for each fault. */
struct daemon_complaints {
  struct buf options; /* options that the admin has to mend */
  struct buf plugins; /* plugins that do not load, crash or hang while they are loaded */
  bool missing;       /* some are not there; reading the file said so, with its line */
};
/* Asks each backend's plugin.  Blocks, some seconds at most for each; any thread. */
void daemon_check_plugins(const struct config *config, struct daemon_complaints *out);
void daemon_complaints_free(struct daemon_complaints *c);
/* The log's level and format. */
void daemon_configure_log(const struct config_log *log);
/* Writes each to the log. */
void daemon_log_problems(const struct config_problems *problems);
/* Writes each line to the log, and empties `lines`. */
void daemon_log_lines(enum log_level level, const char *what, struct buf *lines);

/* ---- what each room wants to know of the configuration (daemon_options.c) ---- */
/* Points into the configuration, but for budgets, which is the caller's to free. */
struct jobs_options daemon_jobs_options(const struct config *c,
                                        struct jobs_backend_budget **budgets);
struct backend_options daemon_backend_options(const struct config_backend *b,
                                              struct backend_option **options);
void daemon_configure_routes(const struct config *c, struct routing *routing);
struct http_options daemon_http_options(const struct config *c);
/* The kinds of all folders that the configuration makes known.  Reads files; any thread. */
struct kinds *daemon_load_kinds(const struct config *c);
/* A line for each route of a kind that no file declares: it is misspelt, or its plugin is gone. */
void daemon_check_routes(const struct config *c, const struct kinds *kinds, struct buf *out);
void daemon_log_routes(const struct config *c,
                       const struct kinds *kinds); /* the same, as warnings */
/* Absolute path of lathe-worker; the caller frees. */
char *daemon_worker_program(void);

#endif
