/* SPDX-License-Identifier: MIT
 *
 * GET /api/health: the process answers.  GET /api/ready: jobs sent now will run.  GET /metrics.
 *
 * What the last two say of the disk is looked at beside the loop.
 */
#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static bool any_backend(const struct api *a, enum backend_state state) {
  for (const struct backend *x = workers_next(a->at.workers, NULL); x;
       x = workers_next(a->at.workers, x))
    if (backend_state(x) == state)
      return true;
  return false;
}

/* ---- how it is with each kind ---- */

/* Writes "kinds":{"mesh":"ready",...}, without those that no backend of the configuration does.
 * Returns how many should be done and cannot be. */
static size_t put_kinds(struct api *a, struct buf *b) {
  size_t missing = 0, n = 0;
  buf_puts(b, "\"kinds\":{");
  for (const struct kind *k = kinds_next(a->at.kinds, NULL); k; k = kinds_next(a->at.kinds, k)) {
    enum route_outlook o = jobs_outlook(a->at.jobs, kind_name(k), NULL);
    if (o == OUTLOOK_NOBODY)
      continue;
    buf_puts(b, n++ ? "," : "");
    buf_put_json_str(b, kind_name(k));
    buf_printf(b, ":\"%s\"", route_outlook_word(o));
    missing += o == OUTLOOK_MISSING;
  }
  buf_putc(b, '}');
  return missing;
}

void health_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct jobs_stats stats;
  struct buf b = {0}, kinds = {0};
  jobs_stats(a->at.jobs, &stats);
  bool degraded = put_kinds(a, &kinds) > 0 || stats.store_code < 0;
  buf_printf(&b,
             "{\"status\":\"%s\",\"model_loaded\":%s,\"version\":\"%s\",\"instance\":\"%s\","
             "\"uptime_s\":%.3f,"
             "\"queued\":%lld,\"running\":%lld,%s}",
             stats.draining ? "draining"
             : degraded     ? "degraded"
                            : "ok",
             any_backend(a, BACKEND_READY) ? "true" : "false", LATHE_VERSION,
             store_instance(a->at.store), (double)(clock_mono_us() - a->started_us) / 1e6,
             (long long)stats.queued, (long long)stats.running, kinds.data);
  buf_free(&kinds);
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, 200, &b);
}

/* ---- the disk ---- */

struct disk { /* how it is, for the answer to one request */
  struct call call;
  void (*look)(struct disk *d);   /* on a pool thread */
  void (*answer)(struct disk *d); /* on the loop; the client is still there */
  struct err folder;              /* why the data folder is not as it should be; code 0: it is */
  int64_t free_bytes, file_bytes, log_bytes;
};

static void run_look(void *arg) {
  struct disk *d = arg;
  d->look(d);
}

static void after_look(void *arg) {
  struct disk *d = arg;
  d->call.api->pieces--;
  if (d->call.r)
    d->answer(d);
  free(d);
}

static void look_at_disk(struct api *a, struct http_request *r, void (*look)(struct disk *d),
                         void (*answer)(struct disk *d)) {
  struct disk *d = mem_alloc(sizeof *d);
  call_init(&d->call, a, r);
  d->look = look;
  d->answer = answer;
  a->pieces++;
  storage_work(a->at.storage, run_look, after_look, d);
}

/* ---- are jobs run? ---- */

/* What stands in the way of all jobs, as one sentence each. */
static void reasons_of_server(const struct disk *d, const struct jobs_stats *stats,
                              struct buf *out) {
  if (stats->draining)
    buf_puts(out, "The server is shutting down. ");
  if (d->folder.code < 0) {
    size_t at = out->len;
    buf_printf(out, "%s. ", d->folder.text);
    if (out->data[at] == 't') /* "the server cannot ..." */
      out->data[at] = 'T';
  }
  if (stats->store_code < 0)
    buf_puts(out, "The disk does not accept writes. ");
}

/* What a backend says is the admin's and the clients' matter.  `tell`: whoever asks may know it,
 * for nobody needs a token here; the route asks for none. */

/* Empty when ready. */
static void reasons(const struct disk *d, const struct jobs_stats *stats, bool tell,
                    struct buf *out) {
  const struct api *a = d->call.api;
  reasons_of_server(d, stats, out);
  if (!workers_next(a->at.workers, NULL))
    buf_puts(out, "No backend is configured. ");
  else if (!any_backend(a, BACKEND_READY))
    buf_puts(out, "No backend is ready. ");
  for (const struct backend *x = workers_next(a->at.workers, NULL); x;
       x = workers_next(a->at.workers, x)) {
    bool starting = backend_state(x) == BACKEND_STARTING;
    const char *message = tell ? backend_message(x) : NULL;
    if (starting || (out->len && backend_state(x) != BACKEND_READY))
      buf_printf(out, "Backend '%s' is %s%s%s. ", backend_name(x),
                 backend_state_word(backend_state(x)), message ? ": " : "", message ? message : "");
  }
}

/* Of one kind alone. */
static void reasons_of_kind(const struct disk *d, const struct jobs_stats *stats, const char *kind,
                            bool tell, struct buf *out) {
  struct buf why = {0};
  enum route_outlook o = jobs_outlook(d->call.api->at.jobs, kind, &why);
  reasons_of_server(d, stats, out);
  if (o == OUTLOOK_NOBODY)
    buf_printf(out, "No backend of the configuration does the kind '%s'. ", kind);
  else if (o != OUTLOOK_READY)
    buf_printf(out, "Jobs of the kind '%s' would not run: %s. ", kind,
               !tell     ? "GET /api/backends, with a token, says why"
               : why.len ? why.data
                         : "");
  buf_free(&why);
}

static void look_at_folder(struct disk *d) {
  storage_check(d->call.api->at.storage, &d->folder);
}

static void answer_ready(struct disk *d) {
  struct api *a = d->call.api;
  struct http_request *r = d->call.r;
  struct jobs_stats stats;
  struct buf why = {0}, kinds = {0}, b = {0};
  const char *kind = http_query(r, "kind");
  bool tell = !http_has_tokens(r);
  jobs_stats(a->at.jobs, &stats);
  if (kind)
    reasons_of_kind(d, &stats, kind, tell, &why);
  else
    reasons(d, &stats, tell, &why);
  if (why.len) {
    http_problem(r, 0, "not-ready", 1, "%.*s", (int)why.len - 1, why.data);
  } else {
    bool degraded = put_kinds(a, &kinds) > 0;
    buf_printf(&b, "{\"status\":\"%s\",%s}", degraded ? "degraded" : "ready", kinds.data);
    http_add_header(r, "Cache-Control", "no-store");
    api_reply_json(r, 200, &b);
  }
  buf_free(&why);
  buf_free(&kinds);
}

void health_ready(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *kind = http_query(r, "kind");
  if (kind && !kinds_find(a->at.kinds, kind))
    api_unknown_kind(a, r, kind);
  else
    look_at_disk(a, r, look_at_folder, answer_ready);
}

/* ---- metrics: what others keep is read when asked for ---- */

static void set(struct api *a, const char *name, const char *help, const char *labels, double v) {
  metric_set(metrics_gauge(a->at.metrics, name, help, labels), v);
}

static void look_at_sizes(struct disk *d) {
  const struct api_rooms *at = &d->call.api->at;
  d->free_bytes = storage_free_bytes(at->storage);
  store_sizes(at->store, &d->file_bytes, &d->log_bytes);
}

static void answer_metrics(struct disk *d) {
  struct api *a = d->call.api;
  struct jobs_stats jobs;
  struct store_stats store;
  struct buf b = {0};
  jobs_stats(a->at.jobs, &jobs);
  store_stats(a->at.store, &store);
  set(a, "lathe_queue_limit", "Jobs that may wait", NULL, (double)jobs.queue_max);
  for (int s = JOB_COMPLETED; s <= JOB_CANCELLED; s++) { /* lathe_jobs has the others */
    char labels[40];
    snprintf(labels, sizeof labels, "state=\"%s\"", job_state_word((enum job_state)s));
    set(a, "lathe_store_jobs", "Jobs that have ended and are kept, by state", labels,
        (double)store.jobs_by_state[s]);
  }
  set(a, "lathe_store_healthy", "1 while the disk accepts writes", NULL, jobs.store_code >= 0);
  set(a, "lathe_store_file_bytes", "Size of the database file", NULL, (double)d->file_bytes);
  set(a, "lathe_kept_bytes",
      "Bytes of the inputs and artifacts of all jobs, as retention counts them", NULL,
      (double)store.kept_bytes);
  set(a, "lathe_store_wal_bytes", "Size of the write-ahead log", NULL, (double)d->log_bytes);
  set(a, "lathe_store_last_seq", "Greatest committed event", NULL, (double)store.last_seq);
  set(a, "lathe_disk_free_bytes", "Free bytes on the data folder's file system", NULL,
      (double)d->free_bytes);
  set(a, "lathe_build_info", "1; the labels say what runs", "version=\"" LATHE_VERSION "\"", 1);
  metrics_render(a->at.metrics, &b);
  http_reply(d->call.r, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

void health_metrics(void *ctx, struct http_request *r) {
  look_at_disk(ctx, r, look_at_sizes, answer_metrics);
}
