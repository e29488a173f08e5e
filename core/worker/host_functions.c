/* SPDX-License-Identifier: MIT */
#include "worker/host_functions.h"

#include "base/path.h"
#include "worker/backend.h"
#include "worker/fork/park.h"
#include "worker/kinds.h"
#include "worker/secrets.h"

#include <stdio.h>
#include <string.h>

/* error() and retry_after() have no host to come by: without a job they are called inside create(),
 * ready() and health(). */
static struct host *the_host;

static const char *host_config(const struct lathe_host *table, const char *key) {
  const struct host *h = (const struct host *)table;
  for (size_t i = 0; key && i < h->value_count; i++)
    if (strcmp(h->values[i].key, key) == 0)
      return h->values[i].value;
  return NULL;
}

static void host_log(const struct lathe_host *table, struct lathe_job *job, int32_t level,
                     const char *text) {
  struct host *h = (struct host *)table;
  if (!text)
    return;
  if (job && !job->log) {
    wire_put_log(link_begin(job->link), job->token, level, text, strnlen(text, 1 << 20));
    link_end(job->link, true);
  } else if (job) {
    logger_line(job->log, level, text);
  } else {
    logger_line(&h->log, level, text);
    logger_flush(&h->log);
    link_flush(h->link);
  }
}

static void host_error(struct lathe_job *job, const char *text) {
  char *to = job ? job->message : the_host->message;
  if (job)
    pthread_mutex_lock(&job->lock);
  snprintf(to, sizeof job->message, "%s", text ? text : "");
  if (job)
    pthread_mutex_unlock(&job->lock);
}

static void host_error_code(struct lathe_job *job, const char *code, const char *request_id) {
  if (job)
    wire_fault_set(&job->fault, code, request_id);
}

static void host_retry_after(struct lathe_job *job, int64_t ms) {
  if (ms >= 0)
    *(job ? &job->retry_after_ms : &the_host->retry_after_ms) = ms;
}

/* A preview that was held back goes with the next call of the host whose time is due. */
static void host_due(struct lathe_job *job) {
  if (!job || !atomic_load_explicit(&job->preview_waits, memory_order_relaxed))
    return;
  pthread_mutex_lock(&job->lock);
  previews_send(job, false);
  pthread_mutex_unlock(&job->lock);
}

static void host_progress(struct lathe_job *job, int32_t permille, const char *what) {
  if (!job)
    return;
  job_progress(job, permille, what);
  host_due(job);
}

static int32_t host_cancelled(struct lathe_job *job) {
  host_due(job);
  return job && atomic_load_explicit(&job->cancelled, memory_order_relaxed) != 0;
}

static int32_t host_checkpoint(struct lathe_job *job, const void *ref, size_t len) {
  if (job && job->checkpoint)
    return job->checkpoint(job, ref, len);
  host_error(job, "checkpoint() is for submit() and find() of a remote plugin");
  return LATHE_PERMANENT;
}

static int32_t host_note(struct lathe_job *job, const void *data, size_t len) {
  if (job && job->note)
    return job->note(job, data, len);
  host_error(job, "note() is for the steps of a remote plugin");
  return LATHE_PERMANENT;
}

static int32_t host_secret(const struct lathe_host *table, const char *name, char *out,
                           size_t *len) {
  (void)table;
  if (!name || !out || !len || !path_is_plain_name(name))
    return LATHE_PERMANENT;
  char *value = secrets_read(name);
  if (!value)
    return LATHE_NOT_FOUND;
  size_t size = strlen(value);
  bool fits = size < *len;
  if (fits)
    memcpy(out, value, size + 1);
  *len = size;
  secrets_free(value);
  return fits ? LATHE_OK : LATHE_PERMANENT;
}

/* ---- extensions ---- */

/* A step that ends meanwhile sees `renewing`, or is seen here to be over. */
static void renew(const struct lathe_host *table, const char *why) {
  struct host *h = (struct host *)table;
  if (atomic_load(&h->renewing))
    return;
  snprintf(h->renew_why, sizeof h->renew_why, "the plugin %s wants a new process: %s",
           h->plugin.d.name, why && *why ? why : "it gave no reason");
  atomic_store(&h->renewing, true);
  if (!atomic_load(&h->in_step))
    host_renew_now(h);
}

static const void *host_extension(const struct lathe_host *table, const char *id) {
  static const struct lathe_renew renewal = {sizeof renewal, renew};
  static const struct {
    const char *id;
    const void *functions;
    int32_t isolation; /* 0: any */
  } extensions[] = {
      {LATHE_KINDS_1, &kinds_functions, 0},
      {LATHE_RENEW_1, &renewal, LATHE_PROCESS},
      {LATHE_PARK_1, &park_functions, LATHE_FORK},
  };
  const struct host *h = (const struct host *)table;
  for (size_t i = 0; id && i < sizeof extensions / sizeof *extensions; i++)
    if (strcmp(id, extensions[i].id) == 0 &&
        (!extensions[i].isolation || extensions[i].isolation == h->plugin.d.isolation))
      return extensions[i].functions;
  return NULL;
}

void host_init(struct host *h) {
  pthread_mutex_init(&h->kinds_lock, NULL);
  h->table = (struct lathe_host){
      .struct_size = sizeof h->table,
      .abi_major = LATHE_ABI_MAJOR,
      .abi_minor = HOST_MINOR,
      .config = host_config,
      .log = host_log,
      .error = host_error,
      .error_code = host_error_code,
      .retry_after = host_retry_after,
      .progress = host_progress,
      .cancelled = host_cancelled,
      .checkpoint = host_checkpoint,
      .report = facts_report,
      .artifact = artifacts_give,
      .put = artifacts_put,
      .secret = host_secret,
      .backend_state = backend_tell_state,
      .capacity = backend_tell_capacity,
      .note = host_note,
      .wake = remote_wake_ref,
      .extension = host_extension,
  };
  the_host = h;
}
