/* SPDX-License-Identifier: MIT
 *
 * Configuration in, options of the rooms out.  No decisions.
 */
#include "base/mem.h"
#include "base/path.h"
#include "daemon.h"
#include "daemon_private.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct jobs_options daemon_jobs_options(const struct config *c,
                                        struct jobs_backend_budget **budgets) {
  const struct config_limits *l = &c->limits;
  const struct config_retention *r = &c->retention;
  const struct config_cache *cache = &c->cache;
  *budgets = mem_array(c->backend_count + 1, sizeof **budgets);
  for (size_t i = 0; i < c->backend_count; i++) {
    const struct config_backend *b = &c->backends[i];
    (*budgets)[i] = (struct jobs_backend_budget){
        .backend = b->name,
        .memory = b->memory,
        .threads = b->threads,
        .limits = {.wall_ms = b->job_timeout_ms,
                   .cpu_ms = b->job_cpu_ms,
                   .memory = b->job_memory,
                   .output_bytes = b->job_output},
        .budget_month = b->budget_month,
        .budget_job = b->budget_job,
        .price = {.per_second = b->cost_per_second, .per_job = b->cost_per_job},
    };
    snprintf((*budgets)[i].price.currency, MONEY_CURRENCY_SIZE, "%s", b->currency);
  }
  return (struct jobs_options){
      .queue_max = l->queue_max,
      .queue_max_per_client = l->queue_max_per_client,
      .attempts = l->attempts,
      .backoff_base_ms = l->backoff_base_ms,
      .backoff_max_ms = l->backoff_max_ms,
      .max_wait_ms = l->max_wait_ms,
      .ageing_ms = l->ageing_ms,
      .idempotency_ttl_ms = l->idempotency_ttl_ms,
      .limits = {.wall_ms = l->job_timeout_ms,
                 .cpu_ms = l->job_cpu_ms,
                 .memory = l->job_memory,
                 .output_bytes = l->job_output,
                 .log_bytes = l->log_bytes},
      .memory = l->memory,
      .cpus = l->cpus,
      .budgets = *budgets,
      .budget_count = c->backend_count,
      .time_zone = c->cost.time_zone,
      .retention_age = {.jobs_before_us = r->jobs_age_ms * 1000,
                        .jobs_max = r->jobs_max,
                        .bytes_max = r->bytes_max,
                        .events_before_us = r->events_age_ms * 1000,
                        .cache_before_us = cache->max_age_ms * 1000,
                        .cache_max = cache->max_entries,
                        .ledger_before_us = c->cost.keep_ms * 1000,
                        .audit_before_us = r->audit_age_ms * 1000,
                        .audit_max = r->audit_max},
      .cache = cache->enabled != 0,
      .cache_age_us = cache->max_age_ms * 1000,
      .blobs_age_us = r->blobs_age_ms * 1000,
      .retention_interval_ms = r->interval_ms,
  };
}

struct backend_options daemon_backend_options(const struct config_backend *b,
                                              struct backend_option **options) {
  *options = mem_array(b->option_count + 1, sizeof **options);
  for (size_t i = 0; i < b->option_count; i++)
    (*options)[i] = (struct backend_option){
        .key = b->options[i].key, .value = b->options[i].value, .where = b->options[i].where};
  return (struct backend_options){
      .name = b->name,
      .plugin_path = b->plugin_path ? b->plugin_path : b->plugin,
      .missing = b->plugin_missing,
      .slots = b->workers,
      .nice = b->nice,
      .jail = (enum backend_jail)b->jail,
      .job_processes = b->job_processes,
      .park_memory = b->park_memory,
      .park_ms = b->park_ms,
      .park_share = (enum backend_park_share)b->park_share,
      .ready_timeout_ms = b->ready_timeout_ms,
      .heartbeat_timeout_ms = b->heartbeat_timeout_ms,
      .cancel_grace_ms = b->cancel_grace_ms,
      .limit_group = b->limit_group,
      .health_ms = b->health_interval_ms,
      .restart_backoff_ms = b->restart_backoff_ms,
      .restart_backoff_max_ms = b->restart_backoff_max_ms,
      .options = *options,
      .option_count = b->option_count,
  };
}

void daemon_configure_routes(const struct config *c, struct routing *routing) {
  struct route_options *routes = mem_array(c->route_count + 1, sizeof *routes);
  for (size_t i = 0; i < c->route_count; i++) {
    const struct config_route *r = &c->routes[i];
    routes[i] = (struct route_options){.kind = r->kind,
                                       .backends = r->backends.items,
                                       .policy = (enum route_policy)r->policy,
                                       .canary = *r->canary ? r->canary_backend : NULL,
                                       .canary_share = r->canary_share,
                                       .attempts = r->attempts,
                                       .timeout_ms = r->timeout_ms,
                                       .max_wait_ms = r->max_wait_ms,
                                       .sticky = (enum route_sticky)r->sticky,
                                       .min_backends = r->min_backends,
                                       .no_fallback = !r->fallback};
  }
  routing_configure(routing, routes, c->route_count);
  free(routes);
}

struct http_options daemon_http_options(const struct config *c) {
  return (struct http_options){
      .host = c->server.host,
      .port = c->server.port,
      .body_max = c->limits.body_max,
      .bodies_max = c->limits.bodies_max,
      .streams_max = c->limits.streams_max,
      .upload_max = c->server.max_upload,
      .connections_max = c->limits.connections,
      .allowed_hosts = c->server.allowed_hosts.items,
      .cors_origins = c->server.cors_origins.items,
      .public_url = c->server.public_url,
      .trusted_proxies = c->server.trusted_proxies.items,
  };
}

char *daemon_worker_program(void) {
  char *dir = path_program_dir();
  char *beside = path_join(dir, "lathe-worker");
  if (access(beside, X_OK) != 0) {
    char *installed = path_join(dir, "../libexec/lathe/lathe-worker");
    if (access(installed, X_OK) == 0) {
      free(beside);
      beside = installed;
    } else {
      free(installed);
    }
  }
  free(dir);
  return beside;
}

/* ---- where kinds are declared ---- */

static void add_folder(char ***list, size_t *count, char *folder) {
  char *real = access(folder, X_OK) == 0 ? realpath(folder, NULL) : NULL;
  free(folder);
  for (size_t i = 0; real && i < *count; i++) {
    if (strcmp((*list)[i], real) == 0) {
      free(real);
      real = NULL;
    }
  }
  if (!real)
    return;
  *list = mem_grow(*list, (*count + 2) * sizeof **list);
  (*list)[(*count)++] = real;
  (*list)[*count] = NULL;
}

/* Ours, those of $LATHE_KINDS_PATH and of [server] kinds_path, and kinds/ beside a third party's
 * plugin.  NULL-terminated. */
static char **kind_folders(const struct config *c) {
  char **list = mem_array(1, sizeof *list), *dir = path_program_dir();
  size_t count = 0;
  add_folder(&list, &count, path_join(dir, "../share/lathe/kinds"));
  free(dir);
  char *more = mem_dup(getenv("LATHE_KINDS_PATH")), *rest = more;
  for (char *one; more && (one = strsep(&rest, ":"));)
    if (*one)
      add_folder(&list, &count, mem_dup(one));
  free(more);
  for (const char **f = c->server.kinds_path.items; *f; f++)
    add_folder(&list, &count, mem_dup(*f));
  for (size_t i = 0; i < c->backend_count; i++) {
    const char *plugin = c->backends[i].plugin_path;
    const char *slash = plugin ? strrchr(plugin, '/') : NULL;
    if (slash && c->backends[i].enabled)
      add_folder(&list, &count, mem_printf("%.*s/kinds", (int)(slash - plugin), plugin));
  }
  return list;
}

struct kinds *daemon_load_kinds(const struct config *c) {
  char **folders = kind_folders(c);
  struct kinds *k = kinds_load((const char *const *)folders);
  for (size_t i = 0; folders[i]; i++)
    free(folders[i]);
  free(folders);
  return k;
}

void daemon_declare_kinds(void *daemon) {
  struct daemon *d = daemon;
  struct kinds_declaration *list = NULL;
  size_t count = 0;
  for (const struct backend *b = NULL; (b = workers_next(d->workers, b)) != NULL;) {
    const char *const *kinds = backend_kinds(b);
    for (size_t i = 0; kinds[i]; i++) {
      const char *json = backend_declares(b, kinds[i]);
      if (!json)
        continue;
      list = mem_grow(list, (count + 1) * sizeof *list);
      list[count++] =
          (struct kinds_declaration){.backend = backend_name(b), .kind = kinds[i], .json = json};
    }
  }
  bool changed = kinds_declare(d->kinds, list, count);
  for (size_t i = 0; i < count; i++)
    backend_kind_differs(workers_find(d->workers, list[i].backend), list[i].kind, list[i].differs);
  if (changed) {
    const struct kinds_problem *p = kinds_problems(d->kinds, &count);
    for (size_t i = 0; i < count; i++)
      if (p[i].declared)
        log_warn("kinds.problem", "%s", p[i].text);
    jobs_kinds_declared(d->jobs);
    api_kinds_changed(d->api);
  }
  free(list);
}

void daemon_check_routes(const struct config *c, const struct kinds *kinds, struct buf *out) {
  for (size_t i = 0; i < c->route_count; i++) {
    const char *kind = c->routes[i].kind;
    if (kinds_find(kinds, kind))
      continue;
    const char *near = kinds_nearest(kinds, kind);
    buf_printf(out, "[route %s] there is no kind '%s'%s%s%s no job takes this route\n", kind, kind,
               near ? "; did you mean '" : ":", near ? near : "", near ? "'? Until then" : "");
  }
}
