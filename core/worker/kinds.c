/* SPDX-License-Identifier: MIT
 *
 *   in create()   a kind with its text --KIND--> lathed       the names --READY--> lathed
 *   later         declare or withdraw --KIND--> lathed, at once
 */
#include "worker/kinds.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int32_t refuse(struct host *h, const char *kind, const char *why) {
  char *text = mem_printf("the kind %.80s cannot be declared: %s", kind ? kind : "(none)", why);
  h->table.error(NULL, text);
  free(text);
  return LATHE_PERMANENT;
}

/* A forked job is a process of its own, whose words end with it. */
static bool in_forked_job(const struct host *h) {
  return h->plugin.d.isolation == LATHE_FORK && h->zygote != 0 && h->zygote != getpid();
}

static size_t find(const struct host *h, const char *kind) {
  size_t i = 0;
  while (h->kinds && i < h->kind_count && strcmp(h->kinds[i], kind) != 0)
    i++;
  return i;
}

static void add(struct host *h, const char *kind) {
  if (find(h, kind) < h->kind_count)
    return;
  h->kinds = mem_grow(h->kinds, (h->kind_count + 1) * sizeof *h->kinds);
  h->kinds[h->kind_count++] = mem_dup(kind);
}

/* Those of the descriptor stay beside what is declared. */
static void add_described(struct host *h) {
  bool first = !h->kinds;
  for (size_t i = 0; first && h->plugin.d.kinds[i]; i++)
    add(h, h->plugin.d.kinds[i]);
}

static int send(struct host *h, const struct wire_kind *m, struct err *err) {
  int rc = wire_put_kind(link_begin(h->link), m, err);
  link_end(h->link, true);
  return rc;
}

/* Under the lock. */
static int32_t declare(struct host *h, const char *kind, const char *json) {
  struct err err = {0};
  if (in_forked_job(h))
    return refuse(h, kind,
                  "a job of a LATHE_FORK plugin is a process of its own; do it in create()");
  if (!kind || !wire_is_kind(kind))
    return refuse(h, kind,
                  "its name begins with a-z, and has a-z 0-9 _ . - and at most 64 characters");
  add_described(h);
  if (find(h, kind) == h->kind_count && h->kind_count >= WIRE_KINDS_MAX)
    return refuse(h, kind, "a plugin has at most 1000 kinds");
  if ((json || h->serving) && send(h, &(struct wire_kind){.name = kind, .json = json}, &err) < 0)
    return refuse(h, kind, err.text);
  add(h, kind);
  return LATHE_OK;
}

static int32_t kinds_declare(const struct lathe_host *table, const char *kind, const char *json) {
  struct host *h = (struct host *)(uintptr_t)table;
  pthread_mutex_lock(&h->kinds_lock);
  int32_t code = declare(h, kind, json);
  pthread_mutex_unlock(&h->kinds_lock);
  return code;
}

/* Under the lock. */
static int32_t withdraw(struct host *h, const char *kind) {
  add_described(h);
  size_t at = kind ? find(h, kind) : h->kind_count;
  if (at == h->kind_count || in_forked_job(h))
    return LATHE_NOT_FOUND;
  send(h, &(struct wire_kind){.name = kind, .withdrawn = true}, NULL);
  free((char *)(uintptr_t)h->kinds[at]);
  h->kinds[at] = h->kinds[--h->kind_count];
  return LATHE_OK;
}

static int32_t kinds_withdraw(const struct lathe_host *table, const char *kind) {
  struct host *h = (struct host *)(uintptr_t)table;
  pthread_mutex_lock(&h->kinds_lock);
  int32_t code = withdraw(h, kind);
  pthread_mutex_unlock(&h->kinds_lock);
  return code;
}

const struct lathe_kinds kinds_functions = {
    .struct_size = sizeof kinds_functions,
    .declare = kinds_declare,
    .withdraw = kinds_withdraw,
};

void kinds_send_ready(struct host *h, const char *libraries) {
  pthread_mutex_lock(&h->kinds_lock);
  wire_put_ready(link_begin(h->link), libraries, h->kinds, h->kind_count);
  link_end(h->link, true);
  h->serving = true;
  pthread_mutex_unlock(&h->kinds_lock);
}
