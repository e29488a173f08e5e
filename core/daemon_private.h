/* SPDX-License-Identifier: MIT
 *
 * The daemon's own state, for the files that open its rooms (daemon.c) and that give them a new
 * configuration (daemon_reload.c).
 */
#ifndef DAEMON_PRIVATE_H
#define DAEMON_PRIVATE_H

#include "api/api.h"
#include "daemon.h"
#include "jobs/switches.h"

#include <uv.h>

struct token_set { /* one token file as it was read; requests hold names of older ones */
  struct tokens *tokens;
  struct token_set *older;
};

struct daemon {
  struct config *config;
  struct token_set *tokens;
  uv_loop_t loop;
  uv_signal_t term, interrupt, hangup;
  uv_timer_t linger, tidy;
  bool draining, accept_empty;
  bool reloading, reload_again; /* again: SIGHUP came meanwhile */
  int exit_code;
  struct metrics *metrics;
  struct metric *reload_fine, *reload_at; /* of the last reload, or the start */
  struct storage *storage;
  struct store *store;
  struct kinds *kinds;
  struct routing *routing;
  struct jobs *jobs;
  struct workers *workers;
  struct api *api;
  struct http *http;
  char *audited; /* the configuration that the audit log knows, as JSON; NULL: none */
};

/* ---- daemon.c: what a start and a reload both do ---- */
/* Puts the tokens of c's token file in front; the older ones stay for the requests that name them.
 */
int daemon_read_tokens(struct daemon *d, const struct config *c, struct err *err);
/* Points into the configuration in effect. */
struct api_options daemon_api_options(struct daemon *d);
void daemon_log_kind_problems(const struct kinds *kinds);
/* What the plugins of all backends declare goes beside the kinds of files. */
void daemon_declare_kinds(void *daemon);
/* Starts the backend, or gives the one of this name its new options. */
void daemon_start_backend(struct daemon *d, const struct config_backend *b);

/* ---- daemon_audit.c ---- */
/* Before the loop runs, with all rooms open: a line where the configuration is not that of before. */
int daemon_audit_start(struct daemon *d, struct err *err);
/* After a reload: a line where it changed something. */
void daemon_audit_reload(struct daemon *d, const struct config_changes *changes);

/* ---- daemon_reload.c ---- */
/* What the metrics say of the last reload; the start counts as one. */
void daemon_count_reload(struct daemon *d, bool fine);
/* Of SIGHUP; handle->data is the daemon. */
void daemon_on_hangup(uv_signal_t *handle, int number);

#endif
