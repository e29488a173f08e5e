/* SPDX-License-Identifier: MIT
 *
 * One worker process: spawned, spoken to over its socket, reaped by its pidfd.
 *
 *   loading --HELLO, we send CONFIG--> creating --READY--> ready --STOP, death--> stopped -> freed
 *
 * Nothing is inherited but the socket, the board and a pipe for stdout and stderr (worker_output.c); the
 * process is the leader of a group of its own, so that all it started can be killed with it.
 */
#include "workers/internal.h"

#include "base/env.h"
#include "base/mem.h"
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD 3 /* in the worker */
#define BOARD_FD  4
#define LOG_FD    5 /* and its writing end after it */

static void on_socket(uv_poll_t *handle, int status, int events);

struct buf *worker_out(struct worker *k) {
  if (list_empty(&k->dirty)) {
    list_push_back(&k->b->w->dirty, &k->dirty);
    workers_touch(k->b->w);
  }
  return &k->out;
}

static void poll_for(struct worker *k, bool writable) {
  k->writable_wanted = writable;
  uv_poll_start(&k->socket, UV_READABLE | (writable ? UV_WRITABLE : 0), on_socket);
}

void worker_write(struct worker *k) {
  if (k->state == WORKER_STOPPED)
    return;
  size_t at = 0;
  while (at < k->out.len) {
    ssize_t n = send(k->fd, k->out.data + at, k->out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      at += (size_t)n;
    } else if (errno != EINTR) {
      /* EAGAIN: the rest later.  Any other error: the process is ending, its pidfd will say so. */
      if (errno != EAGAIN)
        at = k->out.len;
      break;
    }
  }
  buf_consume(&k->out, at);
  bool more = k->out.len > 0;
  if (more != k->writable_wanted)
    poll_for(k, more);
}

void worker_kill(struct worker *k, uint64_t token, const char *fmt, ...) {
  if (k->killed || k->state == WORKER_STOPPED)
    return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(k->why, sizeof k->why, fmt, args);
  va_end(args);
  k->killed = true;
  k->kill_token = token;
  if (kill(-k->pid, SIGKILL) < 0)
    kill(k->pid, SIGKILL);
  k->b->w->hooks->killed(k); /* it takes nothing from now on, though its end is seen later */
}

/* ---- the socket ---- */

static void on_socket(uv_poll_t *handle, int status, int events) {
  struct worker *k = handle->data;
  if (status < 0 || (events & UV_READABLE && !k->b->w->hooks->read(k))) {
    /* Closed, or garbage: only the end of the process is of interest now.  Mostly it is ending, and
     * then a signal changes nothing about what its exit status says. */
    uv_poll_stop(&k->socket);
    kill(-k->pid, SIGKILL);
    return;
  }
  if (events & UV_WRITABLE)
    worker_write(k);
}

/* ---- the end ---- */

static void handle_closed(uv_handle_t *handle) {
  struct worker *k = handle->data;
  if (--k->open_handles)
    return;
  struct backend *b = k->b;
  close(k->fd);
  close(k->pidfd);
  close(k->log_fd);
  munmap(k->board, sizeof *k->board);
  wire_input_free(&k->in);
  buf_free(&k->out);
  buf_free(&k->said);
  table_free(&k->by_token);
  free(k);
  b->worker_count--;
  if (b->removed && b->worker_count == 0 && list_empty(&b->doomed))
    backend_close(b);
}

static void on_exit_of(uv_poll_t *handle, int status, int events) {
  struct worker *k = handle->data;
  int result = 0;
  (void)status, (void)events;
  kill(-k->pid, SIGKILL); /* what it started; the group is its own until it is reaped */
  if (waitpid(k->pid, &result, WNOHANG) != k->pid)
    return;
  int signal = WIFSIGNALED(result) ? WTERMSIG(result) : 0;
  int exit_code = WIFEXITED(result) ? WEXITSTATUS(result) : 0;
  if (!uv_is_closing((uv_handle_t *)&k->socket) && !k->b->w->freeing)
    k->b->w->hooks->read(k);
  bool was_ready = k->state == WORKER_READY;
  k->b->w->hooks->dead(k, signal, exit_code);
  k->state = WORKER_STOPPED;
  list_remove(&k->dirty);
  list_remove(&k->ring);
  uv_close((uv_handle_t *)&k->socket, handle_closed);
  uv_close((uv_handle_t *)&k->output, handle_closed);
  uv_close((uv_handle_t *)&k->exit, handle_closed);
  k->b->w->hooks->gone(k, was_ready);
}

/* ---- the beginning ---- */

/* A copy above the numbers that the worker gets, so that one dup2 cannot overwrite the other. */
static int lift(int fd) {
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 16);
  close(fd);
  return high;
}

struct inherited_fds { /* what a worker inherits, above the numbers that it gets there, and our ends
                        */
  int socket, board, log_in, log_out;
  int our_socket, our_log;
  struct wire_board *page;
};

static const struct inherited_fds no_inherited_fds = {-1, -1, -1, -1, -1, -1, MAP_FAILED};

/* Returns 0, or negative with errno set. */
static int make_inherited_fds(struct inherited_fds *g) {
  int pair[2], pipe_fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return -1;
  g->our_socket = pair[0];
  if ((g->socket = lift(pair[1])) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
    return -1;
  g->our_log = pipe_fds[0];
  if ((g->log_out = lift(pipe_fds[1])) < 0 || fcntl(g->our_log, F_SETFL, O_NONBLOCK) < 0 ||
      (g->log_in = fcntl(g->our_log, F_DUPFD_CLOEXEC, 16)) < 0)
    return -1;
  int board = memfd_create("lathe-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (board < 0 || (g->board = lift(board)) < 0 || ftruncate(g->board, sizeof *g->page) < 0)
    return -1;
  /* One that somebody made shorter would end us at the next look at it (SIGBUS). */
  if (fcntl(g->board, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
    return -1;
  g->page = mmap(NULL, sizeof *g->page, PROT_READ | PROT_WRITE, MAP_SHARED, g->board, 0);
  return g->page == MAP_FAILED ? -1 : 0;
}

static void close_all(const int *fds, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (fds[i] >= 0)
      close(fds[i]);
}

static int spawn(struct backend *b, const struct inherited_fds *g, pid_t *pid) {
  char socket_text[12], board_text[12], log_text[12];
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  sigset_t none, all;
  snprintf(socket_text, sizeof socket_text, "%d", SOCKET_FD);
  snprintf(board_text, sizeof board_text, "%d", BOARD_FD);
  snprintf(log_text, sizeof log_text, "%d", LOG_FD);
  char *argv[] = {b->w->program, socket_text, (char *)(uintptr_t)b->o.plugin_path,
                  board_text,    log_text,    NULL};
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, g->log_out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, g->log_out, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, g->socket, SOCKET_FD);
  posix_spawn_file_actions_adddup2(&files, g->board, BOARD_FD);
  posix_spawn_file_actions_adddup2(&files, g->log_in, LOG_FD);
  posix_spawn_file_actions_adddup2(&files, g->log_out, LOG_FD + 1);
  posix_spawnattr_init(&attr);
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &all);
  posix_spawnattr_setpgroup(&attr, 0);
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  char **env = env_for_others((const char *const *)b->w->env);
  int rc = posix_spawn(pid, b->w->program, &files, &attr, argv, env);
  free(env);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&files);
  return rc;
}

static void watch(struct worker *k) {
  uv_loop_t *loop = k->b->w->loop;
  uv_poll_init(loop, &k->socket, k->fd);
  uv_poll_init(loop, &k->exit, k->pidfd);
  k->socket.data = k->exit.data = k;
  k->open_handles = 3;
  poll_for(k, false);
  k->b->w->hooks->started(k);
  uv_poll_start(&k->exit, UV_READABLE, on_exit_of);
}

int worker_start(struct backend *b, struct err *err) {
  struct inherited_fds g = no_inherited_fds;
  int pidfd = -1, rc = 0;
  pid_t pid = 0;
  if (make_inherited_fds(&g) < 0)
    rc = err_sys(err, errno, "a worker cannot be started for backend %s", b->o.name);
  else if ((errno = spawn(b, &g, &pid)) != 0)
    rc = err_sys(err, errno, "%s cannot be started for backend %s", b->w->program, b->o.name);
  else if ((pidfd = pidfd_open(pid, 0)) < 0)
    rc = err_sys(err, errno, "the worker of backend %s cannot be watched", b->o.name);
  close_all((const int[]){g.socket, g.board, g.log_in, g.log_out}, 4);
  if (rc < 0) {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
    }
    close_all((const int[]){g.our_socket, g.our_log}, 2);
    if (g.page != MAP_FAILED)
      munmap(g.page, sizeof *g.page);
    return rc;
  }
  fcntl(pidfd, F_SETFD, FD_CLOEXEC);
  struct worker *k = mem_alloc(sizeof *k);
  k->b = b;
  k->generation = b->generation;
  k->pid = pid;
  k->fd = g.our_socket;
  k->pidfd = pidfd;
  k->log_fd = g.our_log;
  k->board = g.page;
  k->cell = b->w->next_token++;
  k->in.max = WIRE_MAX_ANSWER;
  k->started_at = k->heard_at = uv_now(b->w->loop);
  list_init(&k->steps);
  list_init(&k->dirty);
  list_push_back(&b->workers, &k->ring);
  b->worker_count++;
  watch(k);
  backend_want_tick(b, k->started_at + (uint64_t)b->o.ready_timeout_ms);
  log_debug("worker.start", "backend %s: worker %d started", b->o.name, (int)pid);
  return 0;
}
