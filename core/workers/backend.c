/* SPDX-License-Identifier: MIT
 *
 * A backend: its options, its state, and how many workers it has.  The life is drawn in workers.h.
 */
#include "workers/internal.h"

#include "base/backoff.h"
#include "base/mem.h"
#include "base/string_list.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define STOP_GRACE_MS 5000

/* Those that count towards how many are wanted. */
static int live_workers(const struct backend *b) {
  int n = 0;
  list_for_each(it, &b->workers) {
    const struct worker *k = container_of(it, struct worker, ring);
    n += !k->retiring && !k->killed && k->generation == b->generation;
  }
  return n;
}

/* Before HELLO nobody knows the isolation: one worker is started, the others follow it. */
static int wanted_workers(const struct backend *b) {
  return b->isolation == WIRE_PROCESS ? b->o.slots : 1;
}

static void has_failed(const struct backend *b) {
  log_error("backend.failed", "backend %s is out of use until the configuration is reloaded: %s",
            b->o.name, b->message);
  departed_note(b);
}

void backend_update(struct backend *b) {
  enum backend_state before = b->state;
  bool ready = backend_ready_workers(b) > 0;
  if (b->removed)
    b->state = BACKEND_STOPPING;
  else if (b->pause)
    b->state = BACKEND_PAUSED;
  else if (ready)
    b->state = BACKEND_READY;
  else if (b->refused)
    b->state = BACKEND_FAILED;
  else if (b->failures > 0 || b->restarts > 0)
    b->state = BACKEND_RESTARTING;
  else
    b->state = BACKEND_STARTING;
  b->notify = true;
  workers_touch(b->w);
  health_arm(b);
  if (b->m_ready) {
    metric_set(b->m_ready, ready && !b->pause);
    metric_set(b->m_running, (double)b->running);
    metric_set(b->m_slots, backend_slots(b));
  }
  if (b->state == before)
    return;
  if (b->state == BACKEND_READY)
    log_info("backend.ready", "backend %s is ready (%s, %s)", b->o.name, backend_isolation(b),
             b->device);
  else if (b->state == BACKEND_FAILED && b->o.missing) /* was told with its line of the file */
    log_debug("backend.failed", "backend %s has no plugin", b->o.name);
  else if (b->state == BACKEND_FAILED)
    has_failed(b);
  else if (b->state == BACKEND_RESTARTING)
    log_write(b->failures ? LOG_WARN : LOG_DEBUG, "backend.restarting",
              "backend %s has no worker now and starts one: %s", b->o.name,
              b->has_message ? b->message : "its worker ended");
}

static void on_tick(uv_timer_t *timer) {
  struct backend *b = timer->data;
  steps_tick(b);
}

/* ---- starting workers ---- */

static void on_restart(uv_timer_t *timer) {
  backend_fill(timer->data);
}

/* Milliseconds before the next start: none where a job ended the last worker, for it says nothing
 * about the jobs that wait; else doubling with each start that came to nothing, +-25%. */
static int64_t backoff_ms(const struct backend *b) {
  if (b->failures == 0)
    return 0;
  int64_t first = b->o.restart_backoff_ms > 0 ? b->o.restart_backoff_ms : 1;
  int64_t delay = backoff_delay(b->failures, first, b->o.restart_backoff_max_ms);
  uint32_t noise = 0;
  if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) < 0)
    noise = 0x80000000u;
  return delay * 3 / 4 + delay / 2 * (noise >> 16) / 65536;
}

static void start_later(struct backend *b, int64_t delay_ms) {
  if (!uv_is_active((uv_handle_t *)&b->restart))
    uv_timer_start(&b->restart, on_restart, (uint64_t)delay_ms, 0);
}

/* One that makes no calls needs a worker only to be asked whether it is well again. */
static bool wants_workers(const struct backend *b) {
  bool may_ask = b->flags & WIRE_HAS_HEALTH && !b->start_denied && !b->paused_until;
  return !b->removed && !b->refused && !b->w->freeing && (!b->stopped || may_ask);
}

void backend_fill(struct backend *b) {
  if (!wants_workers(b))
    return;
  while (live_workers(b) < wanted_workers(b)) {
    struct err err = {0};
    if (worker_start(b, &err) == 0)
      continue;
    backend_say(b, "%s", err.text);
    b->failures++;
    b->died_idle = false;
    start_later(b, backoff_ms(b));
    break;
  }
  backend_update(b);
}

void backend_set_kinds(struct backend *b, const char **kinds, size_t count) {
  char **before = b->kinds; /* some of the new ones may lie in it */
  b->kinds = string_list_copy(kinds, count);
  string_list_free(before);
  offered_set(b);
}

void backend_hello(struct backend *b, const struct wire_hello *m) {
  /* With none READY brings them: what the other workers declared stays until then. */
  if (m->kind_count)
    backend_set_kinds(b, m->kinds, m->kind_count);
  free(b->version);
  free(b->device);
  b->version = client_text(b->w, m->version);
  b->device = client_text(b->w, m->device);
  b->isolation = m->isolation;
  b->max_concurrency = m->max_concurrency;
  b->flags = m->flags;
  offered_set(b);
  b->rights = m->rights;
  b->threads = m->threads;
  b->cancel_grace_ms = m->cancel_grace_ms;
  b->remote = m->remote;
  backend_fill(b);
}

/* Its workers all say the same; people are told once. */
void backend_jailed(struct backend *b, enum wire_jail_state state, const char *lacks) {
  char *text = client_text(b->w, lacks);
  bool news = text[0] && strncmp(text, b->jail_lacks, sizeof b->jail_lacks - 1) != 0;
  b->jail = 1 + (int)state;
  snprintf(b->jail_lacks, sizeof b->jail_lacks, "%s", text);
  free(text);
  if (news)
    log_warn("backend.jail", "backend %s: the jail of its jobs has a gap: %s", b->o.name, lacks);
}

void backend_worker_ready(struct worker *k, const char *libraries) {
  struct backend *b = k->b;
  log_debug("worker.ready", "backend %s: worker %d is ready", b->o.name, (int)k->pid);
  if (k->generation == b->generation) {
    backend_identify(b, libraries);
    b->has_message &= b->pause != PAUSE_NONE;
    if (!b->died_idle)
      b->failures = 0; /* it failed to start and now it does; a death without work is forgiven by
                          work alone */
  }
  backend_update(b);
}

void backend_refused(struct backend *b, bool again, const char *text) {
  if (!b->pause || !again) /* else that is the reason */
    backend_say(b, "%s", text);
  b->refused = !again;
  if (b->refused)
    uv_timer_stop(&b->restart);
}

/* The jobs that wait would else pay for the one that ended it; and short steps sent ahead of time
 * are lost with it, so the next ones go one at a time until one ends well. */
static void forgive(struct backend *b) {
  b->failures = 0;
  b->died_idle = false;
  b->ewma_us = 0;
}

void backend_worker_gone(struct worker *k, bool was_ready) {
  struct backend *b = k->b;
  if (was_ready && k->used) {
    forgive(b);
  } else {
    b->failures++;
    b->died_idle = was_ready;
  }
  if (!b->refused) {
    b->restarts++;
    if (b->m_restarts)
      metric_add(b->m_restarts, 1);
    int64_t delay = backoff_ms(b);
    delay = b->start_wait_ms > delay ? b->start_wait_ms : delay;
    b->start_wait_ms = 0;
    if (delay == 0)
      backend_fill(b);
    else
      start_later(b, delay);
  }
  backend_update(b);
  if (backend_ready_workers(b) == 0)
    steps_lose_pending(b);
}

/* ---- options ---- */

static struct plugin_file look_at_plugin(const char *path) {
  struct plugin_file f;
  struct stat st;
  memset(&f, 0, sizeof f); /* with its padding: two are compared as bytes */
  if (stat(path, &st) == 0) {
    f.device = st.st_dev;
    f.inode = st.st_ino;
    f.size = st.st_size;
    f.changed = st.st_mtim;
  }
  return f;
}

/* With the plugin that lies there now, or without one. */
static void begin_anew(struct backend *b) {
  b->refused = b->has_message = false;
  b->file = look_at_plugin(b->o.plugin_path);
  backend_named_files(&b->o, b->files);
  if (b->o.missing)
    backend_refused(b, false, b->o.missing);
}

void workers_warm(struct backend *b) {
  if (b->removed || b->pause || b->w->freeing)
    return;
  if (b->refused)
    begin_anew(b);
  b->failures = 0;
  b->start_wait_ms = 0;
  uv_timer_stop(&b->restart);
  backend_fill(b);
  backend_update(b);
}

static void make_metrics(struct backend *b) {
  struct metrics *m = b->w->metrics;
  if (!m)
    return;
  struct buf labels = {0};
  buf_puts(&labels, "backend=");
  buf_put_json_str(&labels, b->o.name);
  b->m_ready = metrics_gauge(m, "lathe_backend_ready", "1 when the backend takes jobs.",
                             labels.data);
  b->m_running = metrics_gauge(m, "lathe_backend_running", "Steps handed to the backend's workers.",
                               labels.data);
  b->m_slots = metrics_gauge(m, "lathe_backend_slots", "Steps that the backend runs at a time.",
                             labels.data);
  b->m_parked = metrics_gauge(m, "lathe_parked",
                              "Processes that wait, with an input read, for another job on it.",
                              labels.data);
  b->m_parked_bytes = metrics_gauge(m, "lathe_parked_bytes", "Memory of those.", labels.data);
  b->m_park_hits = metrics_counter(m, "lathe_park_hits_total",
                                   "Jobs that went on in a parked process.", labels.data);
  b->m_restarts = metrics_counter(m, "lathe_worker_restarts_total",
                                  "Workers that ended unasked and were replaced.", labels.data);
  buf_free(&labels);
}

struct backend *workers_add(struct workers *w, const struct backend_options *o) {
  struct backend *b = mem_alloc(sizeof *b);
  b->w = w;
  backend_copy_options(b, o);
  list_init(&b->workers);
  list_init(&b->pending);
  list_init(&b->doomed);
  list_push_back(&w->backends, &b->ring);
  w->backend_count++;
  uv_timer_init(w->loop, &b->restart);
  uv_timer_init(w->loop, &b->tick);
  uv_timer_init(w->loop, &b->open);
  uv_timer_init(w->loop, &b->health);
  uv_timer_init(w->loop, &b->word.timer);
  b->tick.timer_cb = on_tick;
  b->restart.data = b->tick.data = b->open.data = b->health.data = b->word.timer.data = b;
  b->open_handles = 5;
  make_metrics(b);
  begin_anew(b);
  backend_fill(b);
  backend_update(b);
  return b;
}

/* No more steps for this worker; it ends when those that it has are done. */
void backend_retire(struct worker *k) {
  k->retiring = true;
  if (k->count || k->stop_sent || k->killed)
    return;
  if (k->state == WORKER_LOADING || k->state == WORKER_CREATING) {
    worker_kill(k, 0, "it is no longer wanted");
    return;
  }
  k->stop_sent = true;
  k->stop_at = uv_now(k->b->w->loop) + STOP_GRACE_MS;
  wire_put_bare(worker_out(k), WIRE_STOP, 0);
  backend_want_tick(k->b, k->stop_at);
}

static bool same_text(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_file(const struct backend *b, const struct backend_options *o) {
  struct plugin_file now = look_at_plugin(b->o.plugin_path);
  char files[SHA256_HEX_SIZE];
  backend_named_files(o, files);
  return memcmp(&now, &b->file, sizeof now) == 0 && strcmp(files, b->files) == 0;
}

/* May running workers stay? */
static bool same_process(const struct backend *b, const struct backend_options *o) {
  bool same = strcmp(b->o.plugin_path, o->plugin_path) == 0 && same_file(b, o) &&
              same_text(b->o.missing, o->missing) && b->o.nice == o->nice && b->o.jail == o->jail &&
              b->o.job_processes == o->job_processes && b->o.park_memory == o->park_memory &&
              b->o.park_ms == o->park_ms && b->o.park_share == o->park_share &&
              b->o.option_count == o->option_count &&
              (b->isolation != WIRE_SHARED || b->o.slots == o->slots) && !b->refused;
  for (size_t i = 0; same && i < o->option_count; i++)
    same = same_text(b->o.options[i].key, o->options[i].key) &&
           same_text(b->o.options[i].value, o->options[i].value);
  return same;
}

static void retire_surplus(struct backend *b) {
  int surplus = live_workers(b) - wanted_workers(b);
  for (size_t most = 0; surplus > 0 && most <= BATCH_MAX; most = most ? most * 2 : 1) {
    list_for_each_safe(it, &b->workers) {
      struct worker *k = container_of(it, struct worker, ring);
      if (surplus > 0 && !k->retiring && !k->killed && k->generation == b->generation &&
          k->count <= most) { /* the idle ones first */
        backend_retire(k);
        surplus--;
      }
    }
  }
}

void workers_change(struct backend *b, const struct backend_options *o) {
  bool same = same_process(b, o);
  struct backend_options old = b->o;
  backend_copy_options(b, o);
  backend_free_options(&old);
  if (!same) {
    log_write(o->missing ? LOG_DEBUG : LOG_INFO, "backend.change",
              "backend %s gets new workers: its options, its plugin, or a file "
              "that an option names, changed",
              b->o.name);
    begin_anew(b);
    b->generation++;
    b->failures = b->restarts = 0;
    b->isolation = 0; /* the new plugin says */
    b->capacity = 0;
    b->identity[0] = '\0';
    b->remote = false;
    b->jail = 0;
    b->ewma_us = 0;
    uv_timer_stop(&b->restart);
    list_for_each_safe(it, &b->workers) {
      backend_retire(container_of(it, struct worker, ring));
    }
  }
  pause_clear(b);
  backend_fill(b);
  if (same)
    retire_surplus(b);
  backend_update(b);
}

void workers_renew(struct workers *w) {
  for (struct backend *b = workers_next(w, NULL); b; b = workers_next(w, b)) {
    log_warn("backend.renew", "backend %s gets new workers: the work folder was made anew",
             b->o.name);
    b->generation++;
    list_for_each_safe(it, &b->workers) {
      backend_retire(container_of(it, struct worker, ring));
    }
    backend_fill(b);
    backend_update(b);
  }
}

void workers_remove(struct backend *b) {
  if (b->removed)
    return;
  b->removed = true;
  b->w->declared_changed |= b->declared_count > 0;
  departed_note(b);
  uv_timer_stop(&b->restart);
  uv_timer_stop(&b->open);
  uv_timer_stop(&b->health);
  uv_timer_stop(&b->word.timer);
  backend_update(b);
  if (!b->w->freeing)
    steps_lose_pending(b);
  list_for_each_safe(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    if (b->w->freeing)
      worker_kill(k, 0, "the daemon ends");
    else
      backend_retire(k);
  }
  if (b->worker_count == 0 && list_empty(&b->doomed))
    backend_close(b);
}

int backend_room(const struct backend *b) {
  if (b->state != BACKEND_READY)
    return 0;
  int ready = b->isolation == WIRE_PROCESS ? backend_ready_workers(b) : 1;
  int room = ready * backend_depth(b) - (int)b->running;
  int left = b->capacity ? backend_slots(b) - (int)b->running : room;
  if (left < room)
    room = left;
  return room < 0 ? 0 : pause_room(b, room);
}
