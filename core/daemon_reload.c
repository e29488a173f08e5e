/* SPDX-License-Identifier: MIT
 *
 * SIGHUP: the new configuration is read on the loop, its plugins are asked on the thread pool, and
 * then all of it is taken over at once, or nothing.
 *
 *   at rest --SIGHUP--> asking --fine--> taken over --> at rest
 *      ^                  |  \--SIGHUP: asked once more when this one is over
 *      +-- errors: logged, the old configuration stays in effect
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "daemon_private.h"
#include "observe/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is taken over ---- */

void daemon_count_reload(struct daemon *d, bool fine) {
  metric_set(d->reload_fine, fine);
  if (fine)
    metric_set(d->reload_at, (double)clock_wall_us() / 1e6);
}

static const struct config_backend *enabled_backend(const struct config *c, const char *name) {
  for (size_t i = 0; i < c->backend_count; i++)
    if (c->backends[i].enabled && strcmp(c->backends[i].name, name) == 0)
      return &c->backends[i];
  return NULL;
}

static void apply_backends(struct daemon *d, const struct config *old) {
  for (size_t i = 0; i < old->backend_count; i++) {
    const char *name = old->backends[i].name;
    struct backend *b = workers_find(d->workers, name);
    if (!b || !old->backends[i].enabled || enabled_backend(d->config, name))
      continue;
    workers_remove(b);
    jobs_backend_gone(d->jobs, name);
  }
  for (size_t i = 0; i < d->config->backend_count; i++) {
    const struct config_backend *b = &d->config->backends[i];
    if (b->enabled) /* also where nothing changed: its plugin's file may have */
      daemon_start_backend(d, b);
  }
}

static void log_changes(const struct config_changes *changes) {
  static const char *const words[] = {"changed", "added", "removed"};
  for (size_t i = 0; i < changes->count; i++) {
    const struct config_change *c = &changes->items[i];
    log_write(c->needs_restart ? LOG_WARN : LOG_INFO, "config.change", "[%s]%s%s %s%s", c->section,
              c->key ? " " : "", c->key ? c->key : "", words[c->what],
              c->needs_restart ? "; it takes effect at the next start" : "");
  }
}

static void apply(struct daemon *d, struct config *new, const struct config_changes *changes) {
  struct config *old = d->config;
  struct jobs_backend_budget *budgets;
  log_changes(changes);
  d->config = new;
  daemon_configure_log(&new->log);
  struct http_options http = daemon_http_options(new);
  http.authorise = d->tokens->tokens ? api_authorise : NULL;
  http.knows = api_knows;
  http_reconfigure(d->http, &http);
  struct api_options api = daemon_api_options(d);
  api_reconfigure(d->api, &api);
  daemon_configure_routes(new, d->routing);
  apply_backends(d, old);
  struct jobs_options jobs = daemon_jobs_options(new, &budgets);
  jobs_reconfigure(d->jobs, &jobs);
  daemon_audit_reload(d, changes);
  switches_settle(d->jobs, "signal");
  log_info("config.reload", "the configuration was reloaded: %zu change%s", changes->count,
           changes->count == 1 ? "" : "s");
  free(budgets);
  config_free(old);
}

/* ---- a reload under way: the plugins are asked on the thread pool before anything changes ---- */

struct reload {
  uv_work_t work;
  struct daemon *daemon;
  struct config *config;
  struct config_changes changes;
  struct daemon_complaints complaints;
  struct kinds *kinds;
};

static void ask_plugins(uv_work_t *work) {
  struct reload *r = container_of(work, struct reload, work);
  daemon_check_plugins(r->config, &r->complaints);
  r->kinds = daemon_load_kinds(r->config);
}

static void on_plugins_asked(uv_work_t *work, int status) {
  struct reload *r = container_of(work, struct reload, work);
  struct daemon *d = r->daemon;
  struct err err = {0};
  bool fine = status == 0 && !r->complaints.options.len && !d->draining;
  daemon_log_lines(LOG_ERROR, "config.problem", &r->complaints.options);
  daemon_log_lines(LOG_WARN, "config.plugin", &r->complaints.plugins);
  if (fine && daemon_read_tokens(d, r->config, &err) < 0) {
    log_error("config.tokens", "%s", err.text);
    fine = false;
  }
  if (fine) {
    kinds_replace(d->kinds, r->kinds);
    r->kinds = NULL;
    daemon_declare_kinds(d);
    daemon_log_kind_problems(d->kinds);
    daemon_log_routes(r->config, d->kinds);
    apply(d, r->config, &r->changes);
  } else {
    log_error("config.reload", "the new configuration is not taken; the old one stays in effect");
    config_free(r->config);
  }
  if (!d->draining)
    daemon_count_reload(d, fine);
  kinds_free(r->kinds);
  config_changes_free(&r->changes);
  d->reloading = false;
  free(r);
  if (d->reload_again) {
    d->reload_again = false;
    daemon_on_hangup(&d->hangup, SIGHUP);
  }
}

void daemon_on_hangup(uv_signal_t *handle, int number) {
  (void)number;
  struct daemon *d = handle->data;
  struct config_problems problems = {0};
  d->reload_again = d->reloading;
  if (d->draining || d->reloading)
    return;
  struct reload *r = mem_alloc(sizeof *r);
  r->daemon = d;
  int rc = config_reload(d->config, &r->config, &r->changes, &problems);
  daemon_log_problems(&problems);
  config_problems_free(&problems);
  if (rc < 0) {
    log_error("config.reload", "the configuration has errors; the old one stays in effect");
    daemon_count_reload(d, false);
    free(r);
    return;
  }
  d->reloading = true;
  uv_queue_work(&d->loop, &r->work, ask_plugins, on_plugins_asked);
}
