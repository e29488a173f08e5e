/* SPDX-License-Identifier: MIT
 *
 * The INI file as typed values.  One table (keys.c) names every key with its type, default, range
 * and help; loading, printing, comparing and the reference in docs/configuration.md come from it.
 *
 *   file -> sections of texts -> environment over it -> typed values, checked -> struct config
 *
 * A struct config never changes once it is loaded.  To reload: config_reload, take the new one,
 * free the old one.  Loop thread only (inih keeps its settings in globals).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config_list {  /* of a comma-separated value */
  const char **items; /* ends with NULL; never NULL itself */
  size_t count;
};

struct config_server {
  char *listen, *host; /* as written; the numeric address in it */
  int port;            /* 0: the system chooses */
  char *data_dir;      /* absolute */
  char *public_url;    /* "" for none */
  struct config_list cors_origins, allowed_hosts, trusted_proxies;
  struct config_list plugin_path, kinds_path; /* absolute folders */
  struct config_list worker_env;              /* names of variables, or PREFIX* */
  int64_t max_upload;
  char *token_file; /* absolute; "" for none */
  int64_t shutdown_grace_ms;
};

struct config_limits { /* sizes in bytes */
  int queue_max, queue_max_per_client, connections;
  int64_t body_max, bodies_max, streams_max, wait_max_ms; /* bodies_max 0: eight times body_max */
  int batch_max;
  int attempts;
  int64_t backoff_base_ms, backoff_max_ms;
  int64_t job_timeout_ms, job_cpu_ms; /* job_cpu_ms 0: job_timeout times the threads of the job */
  int64_t job_memory, job_output, log_bytes;
  int64_t idempotency_ttl_ms, max_wait_ms, ageing_ms;
  int64_t memory; /* resolved: never 0 */
  int cpus;       /* resolved: never 0 */
};

struct config_retention { /* 0: without limit */
  int64_t jobs_age_ms;
  int jobs_max;
  int64_t bytes_max, events_age_ms, blobs_age_ms, audit_age_ms;
  int audit_max;
  int64_t interval_ms;
};

struct config_cache {
  int enabled;
  int64_t max_age_ms; /* 0: without limit */
  int max_entries;    /* likewise */
};

struct config_log {
  int level;  /* 0 debug, 1 info, 2 warn, 3 error: as enum log_level */
  int format; /* 0 text, 1 json */
};

struct config_storage {
  int sync;
};

struct config_cost {
  char *currency;  /* "": none */
  char *time_zone; /* in the database of them */
  int64_t keep_ms; /* 0: for ever */
};

struct config_option { /* of a plugin; the core does not know it */
  char *key, *value, *where;
  const char *near; /* a key of the core that differs by one slip, or NULL */
};

struct config_backend {
  char *name;
  char *plugin, *plugin_path; /* as written; absolute (NULL: not found) */
  char *plugin_missing;       /* why it was not found; NULL when it was */
  int enabled;
  int workers;                                                /* resolved: never 0 */
  int threads;                                                /* 0: no budget of its own */
  int64_t memory;                                             /* 0: no budget of its own */
  int64_t job_memory, job_output, job_cpu_ms, job_timeout_ms; /* 0: as in [limits] */
  int job_processes;                                          /* 0: no limit */
  int64_t park_memory, park_ms;                               /* 0: nothing is parked */
  int park_share; /* 0 client, 1 all: as enum backend_park_share */
  int jail;       /* 0 auto, 1 required, 2 off: as enum backend_jail */
  int nice;
  int64_t ready_timeout_ms, heartbeat_timeout_ms, restart_backoff_ms, restart_backoff_max_ms;
  int64_t cancel_grace_ms;
  int64_t cost_per_second, cost_per_job; /* MONEY_UNKNOWN: not set */
  int64_t budget_month, budget_job;      /* likewise */
  char *currency;                        /* resolved: "" for none */
  char *limit_group;                     /* empty: none */
  int64_t health_interval_ms;            /* 0: health() is asked only while it is not well */
  struct config_option *options;         /* in the order of the file */
  size_t option_count;
};

struct config_route {
  char *kind;
  struct config_list backends;
  int policy; /* enum route_policy */
  int fallback;
  int sticky;                      /* enum route_sticky */
  char *canary;                    /* "b 10%"; empty: none */
  char canary_backend[64];         /* of that; "": none */
  int canary_share;                /* of DRAW_OF */
  int attempts;                    /* 0: as in [limits] */
  int64_t timeout_ms, max_wait_ms; /* 0: not set here */
  int min_backends;                /* that are tried again soon, though all breakers are open */
};

struct config_section; /* the texts and where each came from */

struct config {
  char *path; /* of the file; NULL: none */
  struct config_server server;
  struct config_limits limits;
  struct config_retention retention;
  struct config_cache cache;
  struct config_log log;
  struct config_storage storage;
  struct config_cost cost;
  struct config_backend *backends; /* in the order of the file */
  size_t backend_count;
  struct config_route *routes;
  size_t route_count;
  struct config_section *sections;
  size_t section_count;
};

/* ---- what is wrong with a configuration ---- */
struct config_problem {
  char *where; /* "conf/lathe.ini:12", "environment LATHE_LOG__LEVEL" or the file */
  char *text;
  int line;     /* for the order: counted over the file and its conf.d; 0: of no line */
  bool warning; /* does not keep the configuration from loading */
};
struct config_problems {        /* zeroed: none */
  struct config_problem *items; /* in the order of the lines */
  size_t count, errors;
  struct config_log log; /* how to log them: as the file says, as far as that can be known */
};
/* One line each: "conf/lathe.ini:12: error: ...". */
void config_problems_print(const struct config_problems *p, FILE *out);
void config_problems_free(struct config_problems *p);

/* ---- loading ---- */
/* Reads the file and conf.d/NAME.ini beside it (NULL: none, only defaults and the environment) and
 * gathers everything that is wrong. Returns 0 and *out, which may come with warnings; or negative
 * with at least one error and *out NULL. Paths in it are absolute: data_dir by the working
 * directory, token_file by the file's folder. */
int config_load(const char *path, struct config **out, struct config_problems *problems);
void config_free(struct config *c);

/* The file to load when none was named: $LATHE_CONFIG, ../etc/lathe/lathe.ini from the program,
 * /etc/lathe/lathe.ini, or conf/lathe.ini beside the program (../conf, ../../conf).  NULL when
 * there is none.  The caller frees. */
char *config_find_file(void);

/* The plugin's absolute path: itself when absolute; else "NAME" or "NAME.so" in each folder of
 * $LATHE_PLUGIN_PATH, then of `folders` ([server] plugin_path; NULL-terminated), then of
 * LATHE_PLUGIN_FOLDERS (relative to the program: a build tree's, then an installation's).  The
 * caller frees. */
int config_find_plugin(const char *plugin, const char *const *folders, char **path,
                       struct err *err);

/* ---- showing ---- */
/* The effective configuration as an INI file that loads, with where each value came from. */
void config_print(const struct config *c, FILE *out);
/* Each value that the file or the environment gives, as it was written; not the defaults.  secret: it
 * looks like a credential and is for nobody's eyes. */
typedef void config_given_seen(void *ctx, const char *section, const char *key, const char *text,
                               bool secret);
void config_given(const struct config *c, config_given_seen *seen, void *ctx);
/* docs/configuration.md */
void config_print_reference(FILE *out);

/* ---- comparing ---- */
struct config_change {
  char *section, *key; /* "limits", "queue_max"; key NULL: the section came or went */
  enum { CONFIG_CHANGED, CONFIG_ADDED, CONFIG_REMOVED } what;
  bool needs_restart; /* the running daemon keeps the old value */
};
struct config_changes {
  struct config_change *items;
  size_t count;
  bool needs_restart; /* one of them does */
};
/* The caller frees with config_changes_free. */
void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *out);
void config_changes_free(struct config_changes *c);

/* Loads the running configuration's file again.  Returns 0, *out and what changed; keys that need a
 * restart keep their running values in *out, so that it always says what is in effect.  Otherwise
 * negative with errors (also: tokens may not go while the running address can be reached from other
 * machines), *out NULL, and no changes to free. */
int config_reload(const struct config *running, struct config **out, struct config_changes *changes,
                  struct config_problems *problems);

#endif
