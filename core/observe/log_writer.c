/* SPDX-License-Identifier: MIT */
#include "observe/log_writer.h"

#include "base/buf.h"
#include "observe/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static struct {
  pthread_mutex_t lock;
  pthread_cond_t news, idle;
  struct buf waiting;            /* whole lines */
  int64_t dropped, dropped_ever; /* of the first the log does not know yet */
  bool on, stop, done;
  pthread_t thread;
} writer = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .news = PTHREAD_COND_INITIALIZER,
    .idle = PTHREAD_COND_INITIALIZER,
};

void log_write_all(const char *data, size_t len) {
  for (size_t sent = 0; sent < len;) {
    ssize_t n = write(STDERR_FILENO, data + sent, len - sent);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return; /* nowhere to complain */
    sent += (size_t)n;
  }
}

/* Pieces that a pipe takes whole or not at all, as long as somebody reads. */
static bool write_soon(const char *data, size_t len) {
  for (size_t sent = 0; sent < len;) {
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    size_t piece = len - sent < PIPE_BUF ? len - sent : PIPE_BUF;
    if (poll(&p, 1, LOG_END_WAIT_MS) <= 0)
      return false;
    ssize_t n = write(STDERR_FILENO, data + sent, piece);
    if (n <= 0)
      return false;
    sent += (size_t)n;
  }
  return true;
}

/* Who aborts may hold the lock: then what waits is lost. */
void log_writer_last(const char *line, size_t len) {
  bool read = true, mine = pthread_mutex_trylock(&writer.lock) == 0;
  if (mine)
    read = write_soon(writer.waiting.data, writer.waiting.len);
  if (read)
    write_soon(line, len);
}

bool log_writer_put(const char *line, size_t len) {
  pthread_mutex_lock(&writer.lock);
  bool on = writer.on;
  if (on && writer.waiting.len + len > LOG_QUEUE_BYTES) {
    writer.dropped++;
    writer.dropped_ever++;
  } else if (on) {
    bool first = writer.waiting.len == 0;
    buf_put(&writer.waiting, line, len);
    if (first)
      pthread_cond_signal(&writer.news);
  }
  pthread_mutex_unlock(&writer.lock);
  return on;
}

long long log_dropped(void) {
  pthread_mutex_lock(&writer.lock);
  long long count = writer.dropped_ever;
  pthread_mutex_unlock(&writer.lock);
  return count;
}

/* With the lock held.  Lines come in bursts, and to wake this thread for each of them would cost
 * the others more than the line itself. */
static void gather(void) {
  static const struct timespec pause = {.tv_nsec = LOG_GATHER_MS * 1000000L};
  if (writer.stop)
    return;
  pthread_mutex_unlock(&writer.lock);
  nanosleep(&pause, NULL);
  pthread_mutex_lock(&writer.lock);
}

static void *write_lines(void *arg) {
  (void)arg;
  struct buf lines = {0};
  pthread_mutex_lock(&writer.lock);
  for (;;) {
    while (writer.waiting.len == 0 && !writer.stop)
      pthread_cond_wait(&writer.news, &writer.lock);
    if (writer.waiting.len == 0)
      break;
    gather();
    struct buf spare = lines;
    lines = writer.waiting;
    writer.waiting = spare;
    int64_t dropped = writer.dropped;
    writer.dropped = 0;
    pthread_mutex_unlock(&writer.lock);
    log_write_all(lines.data, lines.len);
    buf_clear(&lines);
    if (dropped)
      log_warn(
          "log.dropped",
          "%lld lines of the log were dropped here, because standard error was read too slowly",
          (long long)dropped);
    pthread_mutex_lock(&writer.lock);
  }
  writer.done = true;
  pthread_cond_signal(&writer.idle);
  pthread_mutex_unlock(&writer.lock);
  buf_free(&lines);
  return NULL;
}

void log_begin_writer(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer.on = pthread_create(&writer.thread, NULL, write_lines, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_end_writer(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LOG_END_WAIT_MS / 1000;
  if (!writer.on)
    return;
  pthread_mutex_lock(&writer.lock);
  writer.on = false; /* later lines are written by those who have them */
  writer.stop = true;
  pthread_cond_signal(&writer.news);
  while (!writer.done && pthread_cond_timedwait(&writer.idle, &writer.lock, &until) == 0)
    continue;
  bool done = writer.done;
  pthread_mutex_unlock(&writer.lock);
  if (!done) { /* nobody reads: the end of the process ends the thread */
    pthread_detach(writer.thread);
    return;
  }
  pthread_join(writer.thread, NULL);
  buf_free(&writer.waiting);
}
