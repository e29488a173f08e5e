/* SPDX-License-Identifier: MIT
 *
 * What a worker says, and whether it may say that now.  The one place where the daemon hears
 * workers: the texts and numbers of a frame are checked where it is decoded (wire/check.h), who may
 * send it and when here, and what it names (a step, a file) in steps.c and in storage.
 *
 * A worker that breaks a rule is killed.  Its step has crashed; those that it had not begun are
 * queued again and lose nothing.
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "observe/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE (64u << 10)
#define READS     16 /* in one turn of the loop; others are served before the rest */

extern char **environ;

/* ---- beginning ---- */

/* The LATHE_SECRET_* of the environment; the caller frees.  They travel by the socket and are in no
 * environment. */
static struct wire_setting *secrets(size_t *count) {
  static const char prefix[] = "LATHE_SECRET_";
  struct wire_setting *all = NULL;
  *count = 0;
  for (char **e = environ; e && *e; e++) {
    char *equals = strchr(*e, '=');
    if (strncmp(*e, prefix, sizeof prefix - 1) != 0 || !equals)
      continue;
    all = mem_grow(all, (*count + 1) * sizeof *all);
    all[(*count)++] = (struct wire_setting){
        mem_dup_n(*e + sizeof prefix - 1, (size_t)(equals - *e) - sizeof prefix + 1), equals + 1,
        "environment"};
  }
  return all;
}

static int send_config(struct worker *k, struct err *err) {
  const struct backend *b = k->b;
  struct wire_setting *settings = mem_array(b->o.option_count + 1, sizeof *settings);
  struct wire_config m = {
      .backend = b->o.name,
      .work_root = b->w->work_root,
      .cell = k->cell,
      .slots = (uint32_t)b->o.slots,
      .heartbeat_ms = (uint32_t)(b->o.heartbeat_timeout_ms / 4),
      .nice = b->o.nice,
      .jail = b->o.jail,
      .processes = (uint32_t)b->o.job_processes,
      .park_memory = b->o.park_memory,
      .park_ms = b->o.park_ms,
      .settings = settings,
      .setting_count = b->o.option_count,
  };
  m.secrets = secrets(&m.secret_count);
  for (size_t i = 0; i < b->o.option_count; i++)
    settings[i] = (struct wire_setting){b->o.options[i].key, b->o.options[i].value,
                                        b->o.options[i].where ? b->o.options[i].where : "-"};
  int rc = wire_put_config(worker_out(k), &m, err);
  for (size_t i = 0; i < m.secret_count; i++)
    free((char *)(uintptr_t)m.secrets[i].key);
  free(m.secrets);
  free(settings);
  return rc;
}

static int take_hello(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct wire_hello m;
  if (wire_get_hello(f, &m, err) < 0)
    return err->code;
  k->state = WORKER_CREATING;
  k->isolation = m.isolation;
  k->remote = m.remote;
  backend_hello(k->b, &m);
  free(m.kinds);
  if (send_config(k, err) < 0) {
    backend_refused(k->b, false, err->text);
    return err->code;
  }
  return 0;
}

static int take_jail(struct worker *k, const struct wire_frame *f, struct err *err) {
  enum wire_jail_state state;
  const char *lacks;
  if (wire_get_jail(f, &state, &lacks, err) < 0)
    return err->code;
  if (k->generation == k->b->generation)
    backend_jailed(k->b, state, lacks);
  return 0;
}

static int take_ready(struct worker *k, const struct wire_frame *f, struct err *err) {
  const char **kinds, *libraries;
  size_t count;
  if (wire_get_ready(f, &libraries, &kinds, &count, err) < 0)
    return err->code;
  k->state = WORKER_READY;
  worker_output_ready(k);
  if (count && k->generation == k->b->generation)
    backend_set_kinds(k->b, kinds, count);
  if (k->generation == k->b->generation)
    declared_ready(k->b);
  backend_worker_ready(k, libraries);
  free(kinds);
  return 0;
}

static int take_backend(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct wire_backend m;
  if (wire_get_backend(f, &m, err) < 0)
    return err->code;
  word_take(k, &m);
  return 0;
}

static int take_capacity(struct worker *k, const struct wire_frame *f, struct err *err) {
  int64_t jobs;
  if (wire_get_value(f, &jobs, err) < 0)
    return err->code;
  if (jobs < 0 || jobs > UINT32_MAX)
    return err_set(err, ERR_PROTOCOL, "a CAPACITY of %lld", (long long)jobs);
  if (k->generation == k->b->generation && k->b->capacity != (uint32_t)jobs) {
    k->b->capacity = (uint32_t)jobs;
    backend_update(k->b);
  }
  return 0;
}

/* Once it has run a job its word is not enough to put the backend out of use.  A plugin that cannot
 * be loaded now may be later only where one could be before. */
static int take_refused(struct worker *k, const struct wire_frame *f, struct err *err) {
  bool again;
  const char *text;
  if (wire_get_refused(f, &again, &text, err) < 0)
    return err->code;
  if (k->state == WORKER_LOADING && !k->b->kinds)
    again = false;
  if (k->generation == k->b->generation)
    backend_refused(k->b, again || k->state == WORKER_READY, text);
  k->refused = true;
  worker_kill(k, 0, "%s%.200s", k->state == WORKER_READY ? "" : "it refused to start: ", text);
  return 0;
}

/* ---- at work ---- */

static int take_parked(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct wire_parked m;
  struct backend *b = k->b;
  if (wire_get_parked(f, &m, err) < 0)
    return err->code;
  if (!b->m_parked || k->generation != b->generation)
    return 0;
  metric_set(b->m_parked, (double)m.count);
  metric_set(b->m_parked_bytes, (double)m.bytes);
  if (m.hits > k->park_hits)
    metric_add(b->m_park_hits, m.hits - k->park_hits);
  k->park_hits = m.hits > k->park_hits ? m.hits : k->park_hits;
  return 0;
}

static int take_heartbeat(struct worker *k, const struct wire_frame *f, struct err *err) {
  (void)k;
  struct wire_reader r = wire_reader(f);
  return wire_reader_end(&r, "HEARTBEAT", err);
}

/* ---- who may say what, when ---- */

enum { LOADING = 1 << WORKER_LOADING, CREATING = 1 << WORKER_CREATING, READY = 1 << WORKER_READY };

static const struct {
  uint16_t type;
  unsigned states;
  int isolation; /* 0: any */
  int (*take)(struct worker *k, const struct wire_frame *f, struct err *err);
} acts[] = {
    {WIRE_HELLO, LOADING, 0, take_hello},
    {WIRE_JAIL, CREATING, 0, take_jail},
    {WIRE_KIND, CREATING | READY, 0, declared_take},
    {WIRE_READY, CREATING, 0, take_ready},
    {WIRE_REFUSED, LOADING | CREATING | READY, 0, take_refused},
    {WIRE_LOG, LOADING | CREATING | READY, 0, steps_take_log},
    {WIRE_BACKEND, CREATING | READY, 0, take_backend},
    {WIRE_CAPACITY, CREATING | READY, 0, take_capacity},
    {WIRE_BEGAN, READY, WIRE_FORK, steps_take_began},
    {WIRE_PARKED, READY, WIRE_FORK, take_parked},
    {WIRE_RECALLED, READY, WIRE_PROCESS, steps_take_recalled},
    {WIRE_CHECKPOINT, READY, WIRE_SHARED, steps_take_checkpoint},
    {WIRE_NOTE, READY, WIRE_SHARED, steps_take_note},
    {WIRE_PROGRESS, READY, 0, steps_take_progress},
    {WIRE_FACT, READY, 0, steps_take_fact},
    {WIRE_PREVIEW, READY, 0, steps_take_preview},
    {WIRE_DONE, READY, 0, steps_take_done},
    {WIRE_HEARTBEAT, READY, 0, take_heartbeat},
};

static int take_frame(struct worker *k, const struct wire_frame *f, struct err *err) {
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
    if (acts[i].type == f->type && acts[i].states & 1u << k->state &&
        (!acts[i].isolation || acts[i].isolation == k->isolation))
      return acts[i].take(k, f, err);
  return err_set(err, ERR_PROTOCOL, "a message %u (%s) that it may not send now", f->type,
                 wire_type_word(f->type));
}

bool worker_read(struct worker *k) {
  for (int i = 0; i < READS && !k->broken; i++) {
    struct wire_frame f;
    struct err err = {0};
    char *room = wire_input_room(&k->in, READ_SIZE);
    ssize_t n = recv(k->fd, room, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    wire_input_added(&k->in, (size_t)n);
    k->heard_at = uv_now(k->b->w->loop);
    int rc;
    while ((rc = wire_input_next(&k->in, &f, &err)) > 0 && (rc = take_frame(k, &f, &err)) == 0)
      ;
    if (rc < 0) {
      k->broken = true;
      worker_kill(k, 0, "it broke the protocol: %.200s", err.text);
    }
    if ((size_t)n < READ_SIZE)
      break;
  }
  return !k->broken;
}
