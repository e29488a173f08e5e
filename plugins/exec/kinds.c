/* SPDX-License-Identifier: MIT
 *
 * The kinds that the command does: those of its hello, and what it says of them later.
 *
 *   start    hello's kinds, and lines `kind`, are declared at once
 *   ready    what the command before had said, and this one did not, is withdrawn
 *   later    lines `kind` and `withdraw_kind`, at any time
 */
#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an element of `kinds`: the name alone, or the whole kind.  NULL: neither. */
static const char *kind_name(const json_t *one) {
  return json_string_value(json_is_object(one) ? json_object_get(one, "kind") : one);
}

static bool is_wanted(const struct exec *x, const char *kind) {
  for (char **w = x->wanted_kinds; *w; w++)
    if (strcmp(*w, kind) == 0)
      return true;
  return !*x->wanted_kinds;
}

/* `text`: as the command wrote it, for every digit of a whole kind counts. */
static bool declare(struct exec *x, const json_t *one, const char *text, size_t len) {
  char *copy = json_is_object(one) ? strndup(text, len) : NULL;
  if (json_is_object(one) && !copy)
    abort();
  int32_t code = x->declaring->declare(x->host, kind_name(one), copy);
  free(copy);
  if (code == LATHE_OK)
    json_object_set_new(x->kinds, kind_name(one), json_true());
  return code == LATHE_OK;
}

/* Why declare() failed. */
static void say_refused(char *text, size_t size, const char *kind) {
  snprintf(
      text, size,
      "names the kind \"%.64s\", which was refused: it is not a name of a kind (a-z first, "
      "then a-z 0-9 _ . -), its text has more than 256 KiB, is nested more than 64 deep, has an "
      "integer past 64 bits or U+FDD0, or there are more than 1000",
      kind);
}

void kinds_begin(struct exec *x) {
  const char *kind;
  json_t *said;
  if (!x->kinds)
    x->kinds = json_object();
  json_object_foreach(x->kinds, kind, said) {
    if (json_is_true(said))
      json_object_set_new(x->kinds, kind, json_false());
  }
}

bool kinds_take_hello(struct exec *x, const json_t *hello, const char *line) {
  const json_t *offered = json_object_get(hello, "kinds");
  size_t i, len = 0;
  json_t *one;
  if (!json_is_array(offered)) {
    snprintf(x->fault, sizeof x->fault, "says hello without the array \"kinds\"");
    return false;
  }
  const char *text = line_member(hello, line, "kinds", &len);
  json_array_foreach(offered, i, one) {
    const char *kind = kind_name(one);
    text = line_element(i ? text + len : text, &len);
    if (kind && !is_wanted(x, kind))
      continue;
    if (!kind || !declare(x, one, text, len)) {
      say_refused(x->fault, sizeof x->fault, kind ? kind : "");
      return false;
    }
  }
  return true;
}

static bool is_said(const struct exec *x, const char *kind) {
  return json_is_true(json_object_get(x->kinds, kind));
}

bool kinds_settle(struct exec *x) {
  const char *kind;
  json_t *said;
  void *next;
  for (char **w = x->wanted_kinds; *w; w++) {
    if (!is_said(x, *w)) {
      snprintf(x->fault, sizeof x->fault, "does not do the kind \"%.64s\" that `kinds` asks for",
               *w);
      return false;
    }
  }
  json_object_foreach_safe(x->kinds, next, kind, said) {
    if (json_is_true(said))
      continue;
    if (json_is_false(said))
      x->declaring->withdraw(x->host, kind);
    json_object_del(x->kinds, kind);
  }
  if (json_object_size(x->kinds) == 0)
    snprintf(x->fault, sizeof x->fault, "names no kind in its hello, and none before it is ready");
  return json_object_size(x->kinds) > 0;
}

/* ---- at any time ---- */

bool kinds_may_come(const struct exec *x, const char *kind) {
  const json_t *said = json_object_get(x->kinds, kind);
  return json_is_true(said) || json_is_null(said);
}

bool kinds_is_message(const char *type) {
  return strcmp(type, "kind") == 0 || strcmp(type, "withdraw_kind") == 0;
}

enum { NAMES_MAX = 4000 }; /* several times the kinds that the host takes */

/* Jobs of kinds that were withdrawn long ago do not come any more. */
static void forget_withdrawn(struct exec *x) {
  const char *kind;
  json_t *said;
  void *next;
  if (json_object_size(x->kinds) < NAMES_MAX)
    return;
  json_object_foreach_safe(x->kinds, next, kind, said) {
    if (json_is_null(said))
      json_object_del(x->kinds, kind);
  }
}

static const char *withdraw(struct exec *x, const json_t *m) {
  const char *kind = line_text(m, "kind");
  if (!kind)
    return "sent a withdraw_kind without a name \"kind\"";
  const json_t *said = json_object_get(x->kinds, kind);
  if (!said || json_is_null(said))
    return NULL;
  forget_withdrawn(x);
  json_object_set_new(x->kinds, kind, json_null());
  x->declaring->withdraw(x->host, kind);
  return NULL;
}

const char *kinds_take(struct exec *x, const json_t *m, const char *line) {
  const json_t *one = json_object_get(m, "kind");
  const char *kind = kind_name(one);
  char why[350], text[500];
  size_t len = 0;
  if (strcmp(line_text(m, "type"), "withdraw_kind") == 0)
    return withdraw(x, m);
  if (!kind)
    return "sent a kind without a name or a whole kind as \"kind\"";
  const char *whole = line_member(m, line, "kind", &len);
  if (is_wanted(x, kind) && !declare(x, one, whole, len)) {
    say_refused(why, sizeof why, kind);
    snprintf(text, sizeof text, "the command \"%.100s\" %s", x->label, why);
    x->host->log(x->host, NULL, 2, text);
  }
  return NULL;
}
