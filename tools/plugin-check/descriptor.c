/* SPDX-License-Identifier: MIT
 *
 * The checks of the descriptor and of the option table: the rules of the header that the worker
 * does not need to hold in order to run, but that people and later versions of lathe rely on.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "check.h"
#include "worker/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_FLAGS  (LATHE_REPEATABLE | LATHE_SAME_KINDS)
#define KNOWN_RIGHTS (LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES | LATHE_NEEDS_DEVICES)
/* The sizes of 1.0. */
#define OPTION_SIZE (offsetof(struct lathe_option, help) + sizeof(const char *))
#define REMOTE_SIZE (offsetof(struct lathe_remote, poll_many) + sizeof(void (*)(void)))

/* False after fail(): `what` must be a text that can be shown. */
static bool check_text(struct tool *t, const char *text, const char *what) {
  if (!text || !*text)
    fail(t, "%s is missing", what);
  else if (!utf8_is_valid(text, strlen(text)))
    fail(t, "%s is not UTF-8", what);
  else
    return true;
  return false;
}

/* ---- the descriptor ---- */

static void check_kind(struct tool *t, const char *kind) {
  struct facts *f = t->facts;
  if (!check_text(t, kind, "the name of a kind"))
    return;
  bool good = strlen(kind) <= 60 && *kind >= 'a' && *kind <= 'z';
  for (const char *c = kind; *c; c++)
    good &= (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr("_.-", *c);
  if (!good) {
    fail(t, "\"%s\" is not a name for a kind: a-z first, then a-z 0-9 _ . -, at most 60", kind);
    return;
  }
  for (int i = 0; i < f->kind_count; i++)
    if (strcmp(f->kinds[i], kind) == 0)
      fail(t, "the kind %s is named twice", kind);
  if (f->kind_count < KINDS_MAX)
    snprintf(f->kinds[f->kind_count++], NAME_SIZE, "%s", kind);
}

void check_kind_declarations(struct tool *t) {
  size_t count;
  const struct kinds_problem *problems = kinds_problems(t->kinds, &count);
  for (int i = 0; i < t->facts->kind_count; i++) {
    const char *kind = t->facts->kinds[i];
    bool said = false;
    for (size_t p = 0; p < count; p++) {
      if (!problems[p].kind || strcmp(problems[p].kind, kind) != 0)
        continue;
      fail(t, "%s: %s", problems[p].file, problems[p].text);
      said = true;
    }
    if (!said && !kinds_find(t->kinds, kind))
      fail(t,
           "nothing declares the kind %s: put %s.json into a folder kinds/ beside the plugin, or "
           "name its folder "
           "with --kinds",
           kind, kind);
  }
  for (size_t p = 0; p < count; p++)
    if (!problems[p].kind)
      note(t, "%s: %s", problems[p].file, problems[p].text);
}

static void check_remote(struct tool *t, const struct lathe_plugin *d) {
  const struct lathe_remote *r = d->remote;
  if (d->isolation != LATHE_SHARED)
    fail(t, "a plugin with remote steps must be LATHE_SHARED: many of its jobs wait at a time");
  if (r->struct_size < REMOTE_SIZE)
    fail(t, "remote->struct_size is %u and ABI 1.0 has %zu: set it to sizeof(struct lathe_remote)",
         r->struct_size, REMOTE_SIZE);
  else if (!r->submit || !r->find || !r->poll || !r->fetch || !r->cancel)
    fail(t, "all five steps of remote must be set: submit, find, poll, fetch, cancel");
}

void check_descriptor(struct tool *t) {
  struct plugin p;
  struct err err = {0};
  struct facts *f = t->facts;
  entering(t, "lathe_plugin_v1()");
  if (plugin_load(&p, t->plugin, &err) < 0) {
    fail(t, "%s", err.text);
    return;
  }
  const struct lathe_plugin *d = &p.d;
  check_text(t, d->name, "name");
  check_text(t, d->version, "version");
  check_text(t, d->summary, "summary");
  check_text(t, d->license, "license");
  check_text(t, d->device ? d->device : "cpu", "device");
  if (d->zero)
    fail(t, "the field zero is %u and must be 0", d->zero);
  if (d->abi_minor < d->needs_minor)
    fail(t, "it needs ABI %u.%u but was built with %u.%u", d->abi_major, d->needs_minor,
         d->abi_major, d->abi_minor);
  if (d->remote)
    check_remote(t, d);
  for (size_t i = 0; d->kinds[i]; i++)
    check_kind(t, d->kinds[i]);
  if (p.theirs->kinds && f->kind_count == 0)
    fail(t, "it names no kind; kinds NULL says that create() declares them");
  check_kind_declarations(t);
  if (d->flags & ~KNOWN_FLAGS)
    note(t, "the flags 0x%x are not known to this version", d->flags & ~KNOWN_FLAGS);
  if (d->rights & ~KNOWN_RIGHTS)
    note(t, "the rights 0x%x are not known to this version", d->rights & ~KNOWN_RIGHTS);
  f->isolation = d->isolation;
  f->flags = d->flags;
  f->rights = d->rights;
  f->cancel_grace_ms = d->cancel_grace_ms ? d->cancel_grace_ms : 1000;
  f->max_concurrency = d->max_concurrency;
  f->remote = d->remote != NULL;
  f->poll_many = d->remote && LATHE_CAN(d->remote, poll_many);
  snprintf(f->name, sizeof f->name, "%s", d->name ? d->name : "");
}

/* ---- the option table ---- */

static bool has_numbers(int32_t type) {
  return type == LATHE_INT || type == LATHE_REAL || type == LATHE_BYTES || type == LATHE_MILLIS;
}

/* "low..high", either end may be left out. */
static bool read_range(const char *range, double *low, double *high) {
  const char *dots = strstr(range, "..");
  char *end;
  if (!dots || (dots == range && !dots[2]))
    return false;
  *low = -1e300;
  *high = 1e300;
  if (dots != range) {
    *low = strtod(range, &end);
    if (end != dots && !(end == dots + 1 && *dots == '.')) /* "1." of "1..64" is read as a number */
      return false;
  }
  if (dots[2]) {
    *high = strtod(dots + 2, &end);
    if (*end)
      return false;
  }
  return true;
}

static void check_range(struct tool *t, const struct lathe_option *o) {
  double low, high;
  if (has_numbers(o->type)) {
    if (!o->range)
      return;
    if (!read_range(o->range, &low, &high))
      fail(t, "option %s: the range \"%s\" is none; write it as 1..64, ..64 or 1..", o->key,
           o->range);
    else if (low > high)
      fail(t, "option %s: the range \"%s\" is empty", o->key, o->range);
  } else if (o->type == LATHE_ENUM) {
    size_t len = o->range ? strlen(o->range) : 0;
    if (len == 0 || o->range[0] == '|' || o->range[len - 1] == '|' || strstr(o->range, "||"))
      fail(t, "option %s: an enum has its choices in range, as \"fast|fine\", none of them empty",
           o->key);
  } else if (o->range) {
    note(t, "option %s: a range has no meaning for its type", o->key);
  }
}

/* The worker's own judgement of the fallback: what the table offers must be acceptable. */
static void check_fallback(struct tool *t, const struct plugin *p, const struct lathe_option *o) {
  const struct lathe_option *const alone[] = {o, NULL};
  struct plugin only = *p;
  struct plugin_value *values;
  struct buf errors = {0};
  size_t count;
  only.d.options = alone;
  if (!o->fallback)
    return;
  if (plugin_check_options(&only, NULL, 0, &values, &count, &errors) < 0)
    fail(t, "option %s: its fallback is refused: %.*s", o->key, (int)errors.len - 1, errors.data);
  else
    plugin_values_free(values, count);
  buf_free(&errors);
}

static bool check_key(struct tool *t, const struct plugin *p, size_t n) {
  const char *key = p->d.options[n]->key;
  bool good = strlen(key) <= 60 && ((*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z'));
  for (const char *c = key; *c; c++)
    good &= (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
            strchr("_-", *c);
  if (!good)
    fail(t,
         "\"%s\" is not a key for an option: a letter first, then letters, digits, _ and -, at "
         "most 60",
         key);
  for (size_t i = 0; i < n; i++)
    if (strcmp(p->d.options[i]->key, key) == 0)
      fail(t, "the option %s is in the table twice", key);
  return good;
}

void check_options(struct tool *t) {
  struct plugin p;
  struct err err = {0};
  char what[NAME_SIZE];
  if (plugin_load(&p, t->plugin, &err) < 0) {
    fail(t, "%s", err.text);
    return;
  }
  for (size_t i = 0; p.d.options && p.d.options[i]; i++) {
    const struct lathe_option *o = p.d.options[i];
    if (o->struct_size < OPTION_SIZE) {
      fail(t,
           "option %zu: struct_size is %u and ABI 1.0 has %zu: set it to sizeof(struct "
           "lathe_option)",
           i + 1, o->struct_size, OPTION_SIZE);
      continue;
    }
    if (!check_key(t, &p, i))
      continue;
    snprintf(what, sizeof what, "option %.60s: help", o->key);
    check_text(t, o->help, what);
    snprintf(what, sizeof what, "option %.60s: the range", o->key);
    if (o->range && !check_text(t, o->range, what))
      continue;
    snprintf(what, sizeof what, "option %.60s: the fallback", o->key);
    if (o->fallback && *o->fallback && !check_text(t, o->fallback, what))
      continue;
    check_range(t, o);
    if (!has_failed(t))
      check_fallback(t, &p, o);
  }
}
