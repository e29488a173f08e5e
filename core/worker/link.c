/* SPDX-License-Identifier: MIT */
#include "worker/link.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64u << 10)

void link_init(struct link *l, int fd) {
  *l = (struct link){.fd = fd};
  pthread_mutex_init(&l->lock, NULL);
}

void link_orphaned(void) {
  if (getpgrp() ==
      getpid()) /* lathed and the zygote see to that; started by hand it is a shell's */
    kill(0, SIGKILL);
  _exit(0);
}

/* Under the lock. */
static void send_all(struct link *l) {
  size_t at = 0;
  while (at < l->out.len) {
    ssize_t n = send(l->fd, l->out.data + at, l->out.len - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      link_orphaned();
    at += (size_t)n;
  }
  buf_clear(&l->out);
}

struct buf *link_begin(struct link *l) {
  pthread_mutex_lock(&l->lock);
  return &l->out;
}

void link_end(struct link *l, bool flush) {
  if (flush)
    send_all(l);
  pthread_mutex_unlock(&l->lock);
}

void link_flush(struct link *l) {
  link_begin(l);
  link_end(l, true);
}

int link_read(struct link *l, bool wait) {
  for (;;) {
    char *room = wire_input_room(&l->in, READ_SIZE);
    ssize_t n = recv(l->fd, room, READ_SIZE, wait ? 0 : MSG_DONTWAIT);
    if (n > 0) {
      wire_input_added(&l->in, (size_t)n);
      return 1;
    }
    if (n == 0)
      return -1;
    if (errno == EAGAIN)
      return 0;
    if (errno != EINTR)
      return -1;
  }
}
