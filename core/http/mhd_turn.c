/* SPDX-License-Identifier: MIT
 *
 * When libmicrohttpd runs.  Everything that makes work for it (its epoll set, a
 * reply, bytes for a stream) only notes that it is due; one MHD_run at the end of
 * the turn's polling serves them all.
 *
 *   loop turn:  timers -> [idle] -> prepare: run if due -> poll (fds, replies of other threads)
 *               -> check: run if due
 *
 * Without connections nothing is armed: the loop sleeps in its poll.
 */
#include "base/clock.h"
#include "http/private.h"
#include "observe/log.h"

#include <string.h>

/* Rounds in one turn of the loop, so that busy streams do not starve the rest of the daemon. */
enum { ROUNDS = 4 };

static void on_timer(uv_timer_t *timer) {
  struct http *h = timer->data;
  h->timer_at_ms = 0;
  turn_wake(h);
}

static int64_t earlier(int64_t a, int64_t b) { /* 0: never */
  return !a || (b && b < a) ? b : a;
}

/* A timer that rings too early finds nothing to do and is set again: cheaper than
 * moving it with every byte that some connection sends. */
static void arm_timer(struct http *h, int64_t at_ms, int64_t now_ms) {
  if (!at_ms || (h->timer_at_ms && h->timer_at_ms <= at_ms))
    return;
  h->timer_at_ms = at_ms;
  uv_update_time(h->loop);
  uv_timer_start(&h->timer, on_timer, at_ms > now_ms ? (uint64_t)(at_ms - now_ms) : 0, 0);
}

static void on_idle(uv_idle_t *idle) {
  turn_wake(idle->data);
}

/* Runs libmicrohttpd until it has nothing left to do at once, or for ROUNDS.  Returns true when
 * there is more; *wait_ms is then 0, else the time until its next time-out (-1: none). */
static bool run_rounds(struct http *h, int64_t *wait_ms) {
  for (int i = 0; i < ROUNDS; i++) {
    MHD_UNSIGNED_LONG_LONG wait = 0;
    h->due = false;
    MHD_run(h->mhd);
    *wait_ms = MHD_get_timeout(h->mhd, &wait) == MHD_YES ? (int64_t)wait : -1;
    if (!h->due && *wait_ms != 0)
      return false;
  }
  return true;
}

static void turn(struct http *h) {
  int64_t wait_ms = -1, now_ms = clock_mono_ms();
  conn_close_slow(h, now_ms);
  int64_t at = request_drop_half_closed(h, now_ms);
  at = earlier(at, conn_close_lingering(h, now_ms));
  bool more = run_rounds(h, &wait_ms);
  conn_tell_ended(h);
  if (more) {
    uv_idle_start(&h->idle, on_idle); /* the next poll does not wait */
    return;
  }
  uv_idle_stop(&h->idle);
  if (wait_ms > 0)
    at = earlier(at, now_ms + wait_ms);
  arm_timer(h, at, now_ms);
}

static void on_prepare(uv_prepare_t *prepare) {
  struct http *h = prepare->data;
  if (h->due)
    turn(h);
}

static void on_check(uv_check_t *check) {
  struct http *h = check->data;
  if (h->due)
    turn(h);
}

static void on_mhd(uv_poll_t *poll, int status, int events) {
  (void)events;
  if (status < 0)
    log_error("http.poll", "the connections cannot be polled: %s", uv_strerror(status));
  turn_wake(poll->data);
}

static void on_watch(uv_poll_t *poll, int status, int events) {
  (void)events;
  if (status == 0)
    conn_on_watch(poll->data);
}

int turn_open(struct http *h, int listen_fd, struct err *err) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
  int rc = info ? uv_poll_init(h->loop, &h->mhd_poll, info->epoll_fd) : UV_EINVAL;
  if (rc)
    return err_set(err, ERR_SYSTEM, "cannot watch the HTTP connections: %s", uv_strerror(rc));
  h->mhd_poll.data = h;
  h->handles = 1;
  rc = uv_poll_init(h->loop, &h->watch_poll, h->watch_fd);
  if (rc)
    return err_set(err, ERR_SYSTEM, "cannot watch for hang-ups: %s", uv_strerror(rc));
  h->handles = 2;
  rc = uv_poll_init(h->loop, &h->listen_poll, listen_fd);
  if (rc)
    return err_set(err, ERR_SYSTEM, "cannot watch the listening socket: %s", uv_strerror(rc));
  h->watch_poll.data = h->prepare.data = h->check.data = h->idle.data = h->timer.data = h;
  uv_prepare_init(h->loop, &h->prepare);
  uv_check_init(h->loop, &h->check);
  uv_idle_init(h->loop, &h->idle);
  uv_timer_init(h->loop, &h->timer);
  uv_timer_init(h->loop, &h->accept_retry);
  h->handles = 8;
  uv_poll_start(&h->mhd_poll, UV_READABLE, on_mhd);
  uv_poll_start(&h->watch_poll, UV_READABLE, on_watch);
  uv_prepare_start(&h->prepare, on_prepare);
  uv_check_start(&h->check, on_check);
  uv_unref((uv_handle_t *)&h->watch_poll);
  uv_unref((uv_handle_t *)&h->prepare);
  uv_unref((uv_handle_t *)&h->check);
  return 0;
}

void turn_close(struct http *h, uv_close_cb closed) {
  /* In the order of their opening. */
  uv_handle_t *const handles[] = {
      (uv_handle_t *)&h->mhd_poll, (uv_handle_t *)&h->watch_poll,   (uv_handle_t *)&h->listen_poll,
      (uv_handle_t *)&h->prepare,  (uv_handle_t *)&h->check,        (uv_handle_t *)&h->idle,
      (uv_handle_t *)&h->timer,    (uv_handle_t *)&h->accept_retry,
  };
  int count = h->handles; /* `closed` counts it down */
  for (int i = 0; i < count; i++)
    uv_close(handles[i], closed);
}
