/* SPDX-License-Identifier: MIT
 *
 * lathe-worker: loads one plugin for one backend and serves steps over a socket that lathed made.
 *
 *   dlopen, check -> HELLO -> CONFIG -> create(), ready() -> READY -> steps -> STOP -> destroy()
 *        |                        |            |
 *        +------------------------+------------+--> REFUSED(why), exit
 *
 *   lathe-worker FD PLUGIN.so [BOARD-FD [LOG-FD]]                as lathed starts it
 *   lathe-worker --describe PLUGIN.so                            the descriptor and options as JSON
 *   lathe-worker --check-options PLUGIN.so [KEY VALUE WHERE]...  one line for each error; the key
 *                                                                jail is that of the backend
 *
 * Exit codes of the last two: 3 the plugin does not load, 4 its options are wrong.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "worker/backend.h"
#include "worker/host_functions.h"
#include "worker/jail/home.h"
#include "worker/jail/jail_helper.h"
#include "worker/jail/limits.h"
#include "worker/kinds.h"
#include "worker/libraries.h"
#include "worker/secrets.h"
#include "worker/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_REFUSED = 3, EXIT_OPTIONS = 4, READY_POLL_MS = 50 };

static int refuse_backend(struct host *h, bool again, const char *text) {
  wire_put_refused(link_begin(h->link), again, text);
  link_end(h->link, true);
  return EXIT_REFUSED;
}

static void say_hello(struct host *h) {
  const struct lathe_plugin *d = &h->plugin.d;
  struct wire_hello m = {
      .wire_version = WIRE_VERSION,
      .plugin = d->name,
      .version = d->version,
      .device = d->device ? d->device : "cpu",
      .isolation = d->isolation,
      .max_concurrency = d->max_concurrency,
      .flags = (d->flags & (WIRE_REPEATABLE | WIRE_SAME_KINDS)) | (d->health ? WIRE_HAS_HEALTH : 0),
      .rights = d->rights,
      .threads = d->threads,
      .cancel_grace_ms = d->cancel_grace_ms,
      .kinds = (const char **)(uintptr_t)d->kinds,
      .remote = d->remote != NULL,
  };
  while (d->kinds[m.kind_count])
    m.kind_count++;
  wire_put_hello(link_begin(h->link), &m);
  link_end(h->link, true);
}

/* Waits for CONFIG and takes it in.  0, or the exit code. */
static int take_config(struct host *h, enum wire_jail_mode *jail) {
  struct wire_frame f;
  struct wire_config m;
  struct err err = {0};
  struct buf errors = {0};
  int rc;
  while ((rc = wire_input_next(&h->link->in, &f, &err)) == 0)
    if (link_read(h->link, true) < 0)
      return EXIT_FAILURE;
  if (rc > 0 && f.type == WIRE_STOP)
    _exit(0);
  if (rc < 0 || f.type != WIRE_CONFIG || wire_get_config(&f, &m, &err) < 0)
    return refuse_backend(h, true, err.text[0] ? err.text : "lathed did not begin with CONFIG");
  h->backend = mem_dup(m.backend);
  h->work_root = mem_dup(m.work_root);
  h->stem = mem_printf("%s-%" PRIu64, m.backend, m.cell);
  h->slots = m.slots ? m.slots : 1;
  h->heartbeat_ms = m.heartbeat_ms ? m.heartbeat_ms : 1000;
  h->nice = m.nice;
  h->processes = m.processes;
  h->park_memory = m.park_memory;
  h->park_ms = m.park_ms;
  h->parks = m.park_memory > 0 && m.park_ms > 0;
  *jail = (enum wire_jail_mode)m.jail;
  rc = plugin_check_options(&h->plugin, m.settings, m.setting_count, &h->values, &h->value_count,
                            &errors);
  for (size_t i = 0; i < m.secret_count; i++)
    secrets_add(m.secrets[i].key, m.secrets[i].value);
  free(m.settings);
  free(m.secrets);
  buf_wipe(&h->link->in.buf); /* nothing comes before READY */
  h->link->in.at = 0;
  if (rc < 0) {
    while (errors.len && errors.data[errors.len - 1] == '\n')
      errors.data[--errors.len] = '\0';
    rc = refuse_backend(h, false, errors.data);
  }
  buf_free(&errors);
  return rc;
}

/* 0, or the exit code. */
static int make_jail(struct host *h, enum wire_jail_mode mode) {
  struct err err = {0};
  return jail_init(&h->jail, &h->plugin, h->values, h->value_count, mode, &err) < 0
             ? refuse_backend(h, false, err.text)
             : 0;
}

/* How jobs are locked in, known once the plugin has begun what it begins.  0, or the exit code. */
static int say_jail(struct host *h) {
  struct err err = {0};
  const struct jail *j = &h->jail;
  if (h->plugin.d.isolation == LATHE_FORK && jail_check_threads(&h->jail, &h->plugin, &err) < 0)
    return refuse_backend(h, false, err.text);
  wire_put_jail(link_begin(h->link), jail_state(j), j->lacks);
  link_end(h->link, false);
  return 0;
}

/* Before READY: a worker that has no place for its jobs is not ready.  Another start may find one,
 * for lathed makes work/ anew.  0, or the exit code. */
static int make_cell(struct host *h) {
  struct err err = {0};
  if (h->plugin.d.isolation != LATHE_PROCESS)
    return 0;
  h->cell = folder_cell(h->work_root, h->stem);
  if (mkdir(h->cell, 0700) == 0)
    return 0;
  err_sys(&err, errno, "the work folder %s cannot be made", h->cell);
  return refuse_backend(h, true, err.text);
}

/* What create() or ready() returned, as a refusal.  Only what may pass by itself is tried again. */
static int refuse_start(struct host *h, const char *what, int32_t code) {
  char text[1400];
  snprintf(text, sizeof text, "the plugin %s %s could not start: %s (%s gave %d)", h->plugin.d.name,
           h->plugin.d.version, h->message[0] ? h->message : "it gave no message", what, code);
  bool later = backend_tell_start(h, code);
  return refuse_backend(h, later || code / 1000 == LATHE_RETRY / 1000, text);
}

static int start_plugin(struct host *h) {
  int32_t code = h->plugin.d.create(&h->table, &h->self);
  if (code != LATHE_OK)
    return refuse_start(h, "create()", code);
  while (h->plugin.d.ready && (code = h->plugin.d.ready(h->self)) != LATHE_OK) {
    if (code != LATHE_PENDING && code / 1000 != LATHE_RETRY / 1000)
      return refuse_start(h, "ready()", code);
    int64_t ms = h->retry_after_ms > READY_POLL_MS ? h->retry_after_ms : READY_POLL_MS;
    h->retry_after_ms = 0;
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L},
              NULL); /* lathed has the deadline */
  }
  if (!h->plugin.d.kinds[0] && !h->kind_count) {
    snprintf(h->message, sizeof h->message, "it names no kind of job, and create() declared none");
    return refuse_start(h, "create()", LATHE_PERMANENT);
  }
  return 0;
}

static int serve(struct host *h) {
  char libraries[SHA256_HEX_SIZE]; /* the hash's first use is slow, and children inherit it done */
  libraries_digest(libraries);
  /* From now on the closed socket tells of the daemon's death, and there is time to kill what the
   * plugin started. */
  if (!h->jail_helper)
    prctl(PR_SET_PDEATHSIG, 0);
  kinds_send_ready(h, libraries);
  switch (h->plugin.d.isolation) {
  case LATHE_FORK: /* each child has a pipe of its own, and lathed reads this one */
    close(h->log_fds[0]);
    close(h->log_fds[1]);
    return serve_fork(h);
  case LATHE_PROCESS:
    return serve_process(h);
  default:
    return h->plugin.d.remote ? serve_remote(h) : serve_shared(h);
  }
}

/* In the cell, for it outlives each job. */
static int make_home(const struct host *h, struct err *err) {
  char *home = path_join(h->cell, "home");
  int rc = mkdir(home, 0700) < 0 || chdir(home) < 0
               ? err_sys(err, errno, "the folder %s cannot be made", home)
               : 0;
  home_leave();
  home_set(home);
  free(home);
  return rc;
}

/* A PROCESS plugin is locked in before it begins anything: what create() starts is inside too.  0,
 * or the exit code. */
static int lock_in(struct host *h) {
  static struct jail_helper helper;
  struct err err = {0};
  if (h->plugin.d.isolation != LATHE_PROCESS || !h->jail.on)
    return 0;
  if (jail_check_threads(&h->jail, &h->plugin, &err) < 0)
    return refuse_backend(h, false, err.text);
  if (make_home(h, &err) < 0)
    return refuse_backend(h, true, err.text);
  limits_let_look();
  h->jail_helper = &helper;
  return jail_helper_begin(&helper, h, &err) < 0 ? refuse_backend(h, true, err.text) : 0;
}

static struct wire_board *map_board(const char *fd_text) {
  static struct wire_board none; /* for who starts us by hand */
  if (!fd_text)
    return &none;
  int fd = atoi(fd_text);
  void *page = mmap(NULL, sizeof(struct wire_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return page == MAP_FAILED ? &none : page;
}

/* The pipe that lathed made: its reading end is LOG-FD, the writing end the number after it.
 * stdout and stderr go there already, and lathed reads until READY. */
static void take_log_pipe(struct host *h, const char *fd_text) {
  for (int i = 0; i < 2; i++) {
    h->log_fds[i] = fd_text ? atoi(fd_text) + i : -1;
    if (fd_text)
      fcntl(h->log_fds[i], F_SETFD, FD_CLOEXEC);
  }
  setvbuf(stdout, NULL, _IOLBF, 0); /* what is printed before a crash is told */
}

/* It may be installed anew at this moment, and another start may find it. */
static bool is_gone(const char *plugin) {
  return access(plugin, F_OK) < 0 && errno == ENOENT;
}

static int work(const char *fd_text, const char *path, const char *board_fd, const char *log_fd) {
  static struct host h; /* they live as long as the process, also where it ends by exit() */
  static struct link link;
  struct err err = {0};
  int fd = atoi(fd_text);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
    fprintf(stderr, "lathe-worker is started by lathed; try lathe-worker --help\n");
    return EXIT_FAILURE;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* while the plugin starts, nobody looks at the socket */
  prctl(PR_SET_NAME, "lathe-worker");
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* jobs of others could read its memory in /proc */
  secrets_hide();
  link_init(&link, fd);
  h.link = &link;
  h.board = map_board(board_fd);
  take_log_pipe(&h, log_fd);
  logger_init(&h.log, &link, 0, 0);
  host_init(&h);
  if (plugin_load(&h.plugin, path, &err) < 0)
    return refuse_backend(&h, is_gone(path), err.text);
  if (plugin_check_kinds(&h.plugin, &err) < 0)
    return refuse_backend(&h, false, err.text);
  say_hello(&h);
  enum wire_jail_mode jail = WIRE_JAIL_AUTO;
  int rc = take_config(&h, &jail);
  if (rc != 0 || (rc = make_jail(&h, jail)) != 0)
    return rc;
  secrets_keep(h.values, h.value_count);
  limits_of_worker(h.nice);
  if ((rc = make_cell(&h)) != 0 || (rc = lock_in(&h)) != 0)
    return rc;
  if ((rc = start_plugin(&h)) != 0 || (rc = say_jail(&h)) != 0)
    return rc;
  rc = serve(&h);
  backend_await_health(&h);
  h.plugin.d.destroy(h.self);
  /* Exit handlers of foreign libraries have hung before; nothing of ours needs them. */
  fflush(NULL);
  _exit(rc);
}

static int describe(const char *path) {
  struct plugin p;
  struct err err = {0};
  struct buf out = {0};
  if (plugin_load(&p, path, &err) < 0) {
    fprintf(stderr, "%s\n", err.text);
    return EXIT_REFUSED;
  }
  plugin_describe(&p, &out);
  fputs(out.data, stdout);
  buf_free(&out);
  return 0;
}

/* Takes `jail`, which is a key of the backend and no option of a plugin, out of the settings. */
static enum wire_jail_mode take_jail(struct wire_setting *settings, size_t *count,
                                     const char **where) {
  static const char *const words[] = {
      [WIRE_JAIL_AUTO] = "auto", [WIRE_JAIL_REQUIRED] = "required", [WIRE_JAIL_OFF] = "off"};
  enum wire_jail_mode mode = WIRE_JAIL_AUTO;
  for (size_t i = 0; i < *count; i++) {
    if (strcmp(settings[i].key, "jail") != 0)
      continue;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
      if (strcmp(settings[i].value, words[w]) == 0)
        mode = (enum wire_jail_mode)w;
    *where = settings[i].where;
    settings[i--] = settings[--*count];
  }
  return mode;
}

static int check_options(const char *path, char **triples, int count) {
  struct plugin p;
  struct err err = {0};
  struct buf errors = {0};
  struct plugin_value *values;
  size_t value_count, n = (size_t)count / 3;
  if (plugin_load(&p, path, &err) < 0) {
    printf("%s\n", err.text);
    return EXIT_REFUSED;
  }
  struct wire_setting *settings = mem_array(n + 1, sizeof *settings);
  for (size_t i = 0; i < n; i++)
    settings[i] = (struct wire_setting){triples[3 * i], triples[3 * i + 1], triples[3 * i + 2]};
  const char *where = "";
  enum wire_jail_mode mode = take_jail(settings, &n, &where);
  static struct jail jail; /* its lists live as long as the process */
  int rc = plugin_check_options(&p, settings, n, &values, &value_count, &errors);
  if (rc < 0) {
    fputs(errors.data, stdout);
  } else {
    if ((rc = jail_init(&jail, &p, values, value_count, mode, &err)) < 0 ||
        (rc = jail_check_threads(&jail, &p, &err)) < 0)
      printf("%s: %s\n", where, err.text);
    jail_free(&jail);
    plugin_values_free(values, value_count);
  }
  buf_free(&errors);
  free(settings);
  return rc < 0 ? EXIT_OPTIONS : 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--describe") == 0)
    return describe(argv[2]);
  if (argc >= 3 && strcmp(argv[1], "--check-options") == 0)
    return check_options(argv[2], argv + 3, argc - 3);
  if (argc == 2 && strcmp(argv[1], "--version") == 0)
    return printf("lathe-worker %s (plugin ABI %d.%d)\n", LATHE_VERSION, LATHE_ABI_MAJOR,
                  HOST_MINOR) < 0;
  if (argc >= 3 && argc <= 5 && argv[1][0] != '-')
    return work(argv[1], argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
  fputs(
      "usage: lathe-worker --describe PLUGIN.so                            its descriptor as JSON\n"
      "       lathe-worker --check-options PLUGIN.so [KEY VALUE WHERE]...  one line for each "
      "error\n"
      "       lathe-worker --version\n"
      "lathed starts its workers itself: lathe-worker FD PLUGIN.so [BOARD-FD [LOG-FD]]\n",
      argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
  return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : EXIT_FAILURE;
}
