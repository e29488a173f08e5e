/* SPDX-License-Identifier: MIT
 *
 * lathe-plugin-check: the table of checks, and the order in which they run.
 */
#include "base/mem.h"
#include "base/path.h"
#include "check.h"
#include "child.h"
#include "declared.h"
#include "options.h"
#include "print.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* clang-format off */
const struct check checks[] = {
    {"load", "it loads: a shared object of this machine that lacks no symbol", check_load, 0},
    {"exports", "lathe_plugin_v1 is the one exported symbol", check_exports, 0},
    {"descriptor", "lathe-worker takes the descriptor, and it keeps the header's rules", check_descriptor, NEEDS_LOAD | NEEDS_EXPORTS},
    {"options", "the option table is sane", check_options, NEEDS_DESCRIPTOR},
    {"scan", "loading takes under 100 ms and starts nothing", check_scan, NEEDS_LOAD | NEEDS_EXPORTS},
    {"create", "create(), ready() and destroy() work with the options given", check_create, NEEDS_DESCRIPTOR | NEEDS_OPTIONS},
    {"config", "bad configuration is refused with a message", check_config, NEEDS_CREATE},
    {"unknown-kind", "a job of an unknown kind fails with a message", check_unknown_kind, NEEDS_CREATE},
    {"job", "a job of each kind completes and gives the declared artifacts", check_job, NEEDS_CREATE},
    {"progress", "progress never goes back, and stays within 0 to 1000", check_progress, NEEDS_CREATE | NEEDS_JOB},
    {"cancel", "a cancelled job ends in time, and the next one is well", check_cancel, NEEDS_CREATE | NEEDS_JOB},
    {"resume", "killed at every checkpoint, a remote job is taken up again", check_resume, NEEDS_CREATE | NEEDS_JOB},
    {"old-host", "nothing is read past the end of an older host's structures", check_old_host, NEEDS_CREATE | NEEDS_JOB},
    {"new-host", "a newer host's longer structures do no harm", check_new_host, NEEDS_CREATE | NEEDS_JOB},
    {"leaks", "memory, files and threads do not grow from job to job", check_leaks, NEEDS_CREATE | NEEDS_JOB},
    {"two", "two instances at once do not hinder each other", check_two, NEEDS_CREATE | NEEDS_JOB},
    {NULL, NULL, NULL, 0},
};
/* clang-format on */

/* Bit n of `needs` is the check of that name. */
static const char *const needed[] = {"load", "exports", "descriptor", "options", "create", "job"};

struct run { /* how each check went */
  enum verdict verdicts[32];
  int passed, failed, skipped;
};

/* How many there are, for a name that none has. */
static size_t index_of(const char *name) {
  size_t i = 0;
  while (checks[i].name && strcmp(checks[i].name, name) != 0)
    i++;
  return i;
}

static void call(void *arg) {
  struct tool *t = ((void **)arg)[0];
  const struct check *c = ((void **)arg)[1];
  declared_load(t);
  c->run(t);
}

/* The last lines of what the plugin printed. */
static void add_output(struct tool *t, int fd) {
  char text[2001];
  off_t size = lseek(fd, 0, SEEK_END);
  off_t from = size > 2000 ? size - 2000 : 0;
  ssize_t n = pread(fd, text, sizeof text - 1, from);
  if (n <= 0)
    return;
  text[n] = '\0';
  char *start = text;
  int lines = 0;
  for (char *c = text + n - 1; c > text && lines < 12; c--)
    if (c[-1] == '\n' && ++lines == 12)
      start = c;
  if (from && start == text && strchr(text, '\n'))
    start = strchr(text, '\n') + 1;
  note(t, "its last output was:");
  for (char *line; (line = strsep(&start, "\n"));)
    if (*line)
      note(t, "| %s", line);
}

static void run_in_process(struct tool *t, const struct check *c) {
  void *arg[] = {t, (void *)(uintptr_t)c};
  char *path = path_join(t->folder, "output");
  int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct child child = child_start(call, arg, fd);
  struct ending e = child_wait(&child, now_ms() + t->limit_ms);
  if (!ending_is_clean(&e)) {
    const char *where = t->finding->where;
    if (e.late)
      fail(t, "%s%s did not end within %lld s", *where ? "" : "the check", where,
           (long long)(t->limit_ms / 1000));
    else
      fail(t, "%s %s%s%s", *where ? "the plugin" : "the check's own process", ending_text(&e),
           *where ? " in " : "", where);
  }
  if (has_failed(t) && fd >= 0)
    add_output(t, fd);
  if (fd >= 0)
    close(fd);
  free(path);
}

/* Skips when a check that this one builds on did not pass.  `job` may have been skipped: for some
 * kind there is no example. */
static bool may_run(struct tool *t, const struct run *r, const struct check *c) {
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    enum verdict v = r->verdicts[index_of(needed[i])];
    if (!(c->needs & 1 << i) || v == PASSED || (v == SKIPPED && 1 << i == NEEDS_JOB))
      continue;
    skip(t, "the check %s did not pass", needed[i]);
    return false;
  }
  return true;
}

static enum verdict run_check(struct tool *t, const struct run *r, const struct check *c) {
  memset(t->finding, 0, sizeof *t->finding);
  t->folder = path_join(t->scratch, c->name);
  mkdir(t->folder, 0700);
  if (may_run(t, r, c))
    run_in_process(t, c);
  if (t->finding->verdict == NOT_RUN)
    t->finding->verdict = PASSED;
  path_remove_tree(t->folder, NULL);
  free(t->folder);
  return t->finding->verdict;
}

/* The checks wanted and those that they build on. */
static unsigned with_needed(const struct wishes *w) {
  unsigned set = 0;
  for (size_t i = index_of(""); i-- > 0;) { /* what a check needs stands before it */
    if (wishes_has(w, checks[i].name))
      set |= 1u << i;
    for (size_t n = 0; n < sizeof needed / sizeof *needed; n++)
      if ((set & 1u << i) && (checks[i].needs & 1 << n))
        set |= 1u << index_of(needed[n]);
  }
  return set;
}

static int run_all(struct tool *t, const struct wishes *w) {
  struct run r = {0};
  unsigned set = with_needed(w);
  print_head(t, w);
  for (size_t i = 0; checks[i].name; i++) {
    if (!(set & 1u << i))
      continue;
    int64_t start = now_ms();
    r.verdicts[i] = run_check(t, &r, &checks[i]);
    r.passed += r.verdicts[i] == PASSED;
    r.failed += r.verdicts[i] == FAILED;
    r.skipped += r.verdicts[i] == SKIPPED;
    if (wishes_has(w, checks[i].name) || r.verdicts[i] == FAILED)
      print_check(t, w, &checks[i], now_ms() - start);
  }
  print_sum(w, r.passed, r.failed, r.skipped);
  return r.failed ? 1 : 0;
}

int main(int argc, char **argv) {
  static struct tool t; /* with what they hold, for good */
  static struct wishes w;
  struct err err = {0};
  int rc = options_read(&t, &w, argc, argv, &err);
  if (rc != OPTIONS_GO_ON) {
    if (rc == 2)
      fprintf(stderr, "lathe-plugin-check: %s\n", err.text);
    return rc;
  }
  const char *tmp = getenv("TMPDIR");
  t.scratch = mem_printf("%s/lathe-plugin-check.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(t.scratch)) {
    fprintf(stderr, "lathe-plugin-check: no folder can be made in %s: %s\n",
            tmp && *tmp ? tmp : "/tmp", strerror(errno));
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  t.finding = shared_memory(sizeof *t.finding);
  t.facts = shared_memory(sizeof *t.facts);
  rc = run_all(&t, &w);
  path_remove_tree(t.scratch, NULL);
  return rc;
}
