/* SPDX-License-Identifier: MIT
 *
 * The checks of a start: with the options given, and with odd ones.
 */
#include "base/mem.h"
#include "base/path.h"
#include "child.h"
#include "proc.h"
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void check_create(struct tool *t) {
  struct started *s = shared_memory(sizeof *s);
  struct proc_counts before, after;
  if (!sim_load(t, HOST_OF_TODAY))
    return;
  proc_count(&before);
  int64_t start = now_ms();
  if (!sim_start(t, s)) {
    fail(t, "%s gave %d: %s", s->step, s->result,
         s->error[0]
             ? s->error
             : "and no message: say with host->error(NULL, ...) what is wrong and what to do");
    return;
  }
  t->facts->create_ms = now_ms() - start;
  t->facts->kinds_known = true;
  note(t, "the start takes %lld ms", (long long)t->facts->create_ms);
  proc_count(&after);
  int threads = after.threads - before.threads;
  if (t->facts->isolation == LATHE_FORK && threads > 0)
    fail(t,
         "create() leaves %d thread%s running, and each job runs in a forked child, which has none "
         "of them: start threads in run(), or be LATHE_PROCESS",
         threads, threads == 1 ? "" : "s");
  if (t->facts->kind_count == 0)
    fail(t, "kinds is NULL and create() declared none with the extension " LATHE_KINDS_1);
  check_kind_declarations(t);
  sim_destroy(t);
}

/* ---- odd options ---- */

enum { TRIAL_MS = 10000 };

struct trial {
  struct tool *tool;
  const char *key, *value;
  struct started *started;
};

static void try_value(void *arg) {
  struct trial *c = arg;
  if (!sim_load(c->tool, HOST_OF_TODAY))
    return;
  sim_set(c->tool, c->key, c->value);
  if (sim_start(c->tool, c->started))
    sim_destroy(c->tool);
}

static void judge_trial(struct tool *t, const struct trial *c, const struct ending *e) {
  const struct started *s = c->started;
  char shown[60];
  snprintf(shown, sizeof shown, "%s=%s%s", c->key, c->value[0] ? "" : "\"\"", c->value);
  if (strlen(c->key) + strlen(c->value) + 2 > sizeof shown)
    memcpy(shown + sizeof shown - 4, "...", 4);
  if (!ending_is_clean(e))
    fail(t,
         "with %s it %s in %s; refuse what cannot be used: host->error(NULL, ...) and a result "
         "that is not LATHE_OK",
         shown, ending_text(e), t->finding->where);
  else if (s->returned && s->result != LATHE_OK && !s->error[0])
    fail(t,
         "with %s %s gives %d without a message: say with host->error(NULL, ...) what is wrong and "
         "what to do",
         shown, s->step, s->result);
}

static void try_in_child(struct tool *t, const char *key, const char *value, struct started *s) {
  struct trial c = {t, key, value, s};
  memset(s, 0, sizeof *s);
  struct ending e = child_run(try_value, &c, TRIAL_MS + 4 * t->facts->create_ms);
  judge_trial(t, &c, &e);
  entering(t, "%s", "");
}

/* The words between `|`, each tried alone. */
static void try_words(struct tool *t, const char *key, const char *words, struct started *s) {
  char *all = mem_dup(words), *rest = all;
  for (char *word; all && (word = strsep(&rest, "|"));)
    try_in_child(t, key, word, s);
  free(all);
}

static void try_ends(struct tool *t, const struct lathe_option *o, struct started *s) {
  const char *dots = o->range ? strstr(o->range, "..") : NULL;
  char *low = dots ? mem_dup_n(o->range, (size_t)(dots - o->range)) : NULL;
  if (!dots)
    try_words(t, o->key, "0|-1", s);
  if (low && *low)
    try_in_child(t, o->key, low, s);
  if (dots && dots[2] && o->type != LATHE_BYTES) /* so much memory may not be there */
    try_in_child(t, o->key, dots + 2, s);
  free(low);
}

static void try_texts(struct tool *t, const char *key, struct started *s) {
  static const char *const texts[] = {"", "%s%n%s", "\x01\x7f", "../../nowhere",
                                      "\xe2\x98\x83 \xf0\x9f\x94\xa7"};
  char *long_one = mem_alloc(5000);
  memset(long_one, 'x', 4999);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    try_in_child(t, key, texts[i], s);
  try_in_child(t, key, long_one, s);
  free(long_one);
}

static void try_paths(struct tool *t, const char *key, struct started *s) {
  char *empty = path_join(t->folder, "empty");
  int fd = open(empty, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0)
    close(fd);
  try_in_child(t, key, empty, s);
  try_in_child(t, key, t->folder, s);
  try_in_child(t, key, "/dev/null", s);
  free(empty);
}

static void try_option(struct tool *t, const struct lathe_option *o, struct started *s) {
  switch (o->type) {
  case LATHE_BOOL:
    try_words(t, o->key, "0|1", s);
    break;
  case LATHE_ENUM:
    try_words(t, o->key, o->range, s);
    break;
  case LATHE_STRING:
    try_texts(t, o->key, s);
    break;
  case LATHE_SECRET:
    try_in_child(t, o->key, "no-such-secret-of-lathe-plugin-check", s);
    break;
  case LATHE_PATH:
    try_paths(t, o->key, s);
    break;
  default:
    try_ends(t, o, s);
  }
}

/* What the host lets through, create() must bear: these values keep the option table's types and
 * ranges, which the host has checked. */
void check_config(struct tool *t) {
  struct started *s = shared_memory(sizeof *s);
  if (!sim_load(t, HOST_OF_TODAY))
    return;
  const struct lathe_option *const *options = sim_plugin()->options;
  if (!options || !options[0])
    skip(t, "the plugin has no options");
  for (; options && *options; options++)
    try_option(t, *options, s);
}
