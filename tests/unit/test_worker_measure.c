/* SPDX-License-Identifier: MIT
 *
 * How much a job has left in its folder: in pieces, so that millions of files hold nobody; and
 * their removal, which holds nobody either.
 */
#include "worker/folder/sweeper.h"
#include "worker/jail/guard.h"

#include "base/clock.h"
#include "base/path.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };

static int setup(void **state) {
  char top[] = "/tmp/lathe-measure-XXXXXX";
  *state = mkdtemp(top) ? strdup(top) : NULL;
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  int rc = path_remove_tree(*state, NULL);
  free(*state);
  return rc;
}

static void make_folder(const char *top, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", top, name);
  assert_int_equal(mkdir(path, 0700), 0);
}

static void make_files(const char *top, const char *folder, int count, off_t bytes) {
  for (int i = 0; i < count; i++) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s/%d", top, folder, i);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
  }
}

/* Three folders in each other with files before and behind. */
static void make_tree(const char *top) {
  make_folder(top, "a");
  make_files(top, "a", 40, 1000);
  make_folder(top, "a/b");
  make_files(top, "a/b", 40, 10);
  make_folder(top, "a/b/c");
  make_files(top, "a/b/c", 40, 2000);
  make_folder(top, "d");
  make_files(top, "d", 40, 3000);
}

enum { TREE = 40 * (1000 + FOLDER_ENTRY + 2000 + 3000) + 4 * FOLDER_ENTRY };

static int count_open(void) {
  int count = 0;
  for (int fd = 0; fd < 256; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void pieces(void **state) {
  static const size_t sizes[] = {1, 2, 3, 7, 41, 1000};
  make_tree(*state);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct tally t;
    int before = count_open(), rounds = 0;
    tally_begin(&t, INT64_MAX);
    for (; !t.over && rounds < 10000; rounds++) {
      tally_go_on(&t, *state, sizes[i]);
      assert_int_equal(count_open(), before);
    }
    assert_true(t.over);
    assert_int_equal(t.total, TREE);
    assert_true(sizes[i] == 1000 ? rounds == 1 : rounds > 160 / (int)sizes[i]);
  }
}

/* The folder that is read goes: the rest counts. */
static void gone_between(void **state) {
  struct tally t;
  char path[400];
  make_tree(*state);
  tally_begin(&t, INT64_MAX);
  do
    tally_go_on(&t, *state, 1);
  while (strcmp(t.path, "/a/b/c") != 0 && !t.over);
  assert_false(t.over);
  snprintf(path, sizeof path, "%s/a/b", (char *)*state);
  assert_int_equal(path_remove_tree(path, NULL), 0);
  for (int i = 0; i < 1000 && !t.over; i++)
    tally_go_on(&t, *state, 1);
  assert_true(t.over);
  assert_true(t.total >= 40 * (1000 + 3000) + 3 * FOLDER_ENTRY && t.total < TREE);
}

/* A link is not followed, also where a folder was before. */
static void exchanged_between(void **state) {
  struct tally t;
  char path[400];
  make_tree(*state);
  tally_begin(&t, INT64_MAX);
  do
    tally_go_on(&t, *state, 1);
  while (strcmp(t.path, "/d") != 0 && !t.over);
  snprintf(path, sizeof path, "%s/d", (char *)*state);
  assert_int_equal(path_remove_tree(path, NULL), 0);
  assert_int_equal(symlink("/usr", path), 0);
  for (int i = 0; i < 1000 && !t.over; i++)
    tally_go_on(&t, *state, 1);
  assert_true(t.over && t.total <= TREE);
}

static void guard_of(struct guard *g, const char *top, int64_t limit) {
  struct folder folder = {.fd = -1};
  snprintf(folder.path, sizeof folder.path, "%s", top);
  memset(g, 0, sizeof *g);
  g->listener = -1;
  guard_begin(g, getpgrp(), &(struct wire_limits){.output_bytes = limit}, 0, &folder);
}

/* One look ends after some thousand files; the limit is seen all the same, some looks later. */
static void looks(void **state) {
  enum { FILES = 20000 };
  struct guard g;
  int count = 0;
  make_folder(*state, "many");
  make_files(*state, "many", FILES, 0);
  guard_of(&g, *state, (FILES - 100) * FOLDER_ENTRY);
  for (; g.over == WIRE_OVER_NONE && count < 100; count++)
    guard_look(&g);
  assert_int_equal(g.over, WIRE_OVER_OUTPUT);
  assert_in_range(count, 3, 20);
  guard_of(&g, *state, (FILES + 100) * FOLDER_ENTRY);
  for (count = 0; count < 20; count++)
    guard_look(&g);
  assert_int_equal(g.over, WIRE_OVER_NONE);
}

static void removal(void **state) {
  struct sweeper s;
  char paths[3][400];
  sweeper_init(&s);
  for (int i = 0; i < 3; i++) {
    char name[8];
    snprintf(name, sizeof name, "%d", i);
    make_folder(*state, name);
    if (i < 2)
      make_files(*state, name, 1000, 0);
    snprintf(paths[i], sizeof paths[i], "%s/%d", (char *)*state, i);
  }
  sweeper_remove(&s, paths[2]); /* empty: at once, and by no process */
  assert_int_equal(s.pid, 0);
  sweeper_remove(&s, paths[0]);
  sweeper_remove(&s, paths[1]);
  assert_true(s.pid > 0 && s.pid != getpid());
  for (int i = 0; s.pid && i < 4; i++) {
    assert_int_equal(poll(&(struct pollfd){.fd = s.pidfd, .events = POLLIN}, 1, PATIENCE_MS), 1);
    sweeper_heard(&s);
  }
  for (int i = 0; i < 3; i++)
    assert_int_equal(access(paths[i], F_OK), -1);
  sweeper_remove(&s, paths[0]); /* it is gone: nothing to do */
  assert_int_equal(s.pid, 0);
}

/* Far more than one read of the kernel's list gives. */
static void many_children(void **state) {
  enum { MANY = 1200 };
  struct proc_children children;
  pid_t pids[MANY];
  int64_t cpu_us = 0;
  int fds[2];
  (void)state;
  assert_int_equal(pipe(fds), 0);
  for (int i = 0; i < MANY; i++) {
    char byte;
    if ((pids[i] = fork()) == 0) {
      close(fds[1]);
      _exit(read(fds[0], &byte, 1) != 0);
    }
    assert_true(pids[i] > 0);
  }
  if (!proc_own_children(&children)) /* this kernel has no such lists */
    children.count = MANY;
  free(children.pids);
  assert_int_equal(children.count, MANY);
  close(fds[0]);
  close(fds[1]);
  for (int i = 0; i < MANY; i++)
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;
         !proc_reap(pids[i], &cpu_us) && clock_mono_ms() < end;)
      usleep(1000);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
  assert_false(proc_reap(pids[0], &cpu_us));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pieces, setup, teardown),
      cmocka_unit_test_setup_teardown(gone_between, setup, teardown),
      cmocka_unit_test_setup_teardown(exchanged_between, setup, teardown),
      cmocka_unit_test_setup_teardown(looks, setup, teardown),
      cmocka_unit_test_setup_teardown(removal, setup, teardown),
      cmocka_unit_test(many_children),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
