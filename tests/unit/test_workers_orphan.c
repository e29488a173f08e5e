/* SPDX-License-Identifier: MIT
 *
 * A daemon that is killed takes its workers, their children and those children's children along.
 */
#include "workers_help.h"

#include <sys/wait.h>

/* The "daemon": runs a step that forks and tells the log of it. */
static void daemon_main(const char *plugin, int out) {
  struct rig r;
  struct seen s;
  rig_open(&r);
  rig_add(&r, plugin, 1);
  while (backend_room(r.b) < 1)
    uv_run(&r.loop, UV_RUN_ONCE);
  rig_start(&r, &s, "family", NULL);
  while (!s.log.len)
    uv_run(&r.loop, UV_RUN_ONCE);
  dprintf(out, "root %s %s", r.root, s.log.data);
  for (;;)
    uv_run(&r.loop, UV_RUN_ONCE);
}

static void try(const char *plugin) {
  int fds[2];
  char text[400] = "", root[64] = "";
  assert_int_equal(pipe(fds), 0);
  pid_t pid = fork();
  if (pid == 0) {
    daemon_main(plugin, fds[1]);
    _exit(0);
  }
  assert_true(read(fds[0], text, sizeof text - 1) > 0);
  assert_int_equal(sscanf(text, "root %63s", root), 1);
  assert_true(rig_process_lives(text, "grandchild "));
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < PATIENCE_MS / 10 && rig_process_lives(text, "grandchild "); i++)
    usleep(10000);
  assert_false(rig_process_lives(text, "grandchild "));
  close(fds[0]);
  close(fds[1]);
  path_remove_tree(root, NULL);
}

static void forked(void **state) {
  (void)state;
  try(PLUGINS "scripted_fork.so");
}

static void resident(void **state) {
  (void)state;
  try(PLUGINS "scripted_process.so");
}

static void shared(void **state) {
  (void)state;
  try(PLUGINS "scripted_shared.so");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forked),
      cmocka_unit_test(resident),
      cmocka_unit_test(shared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
