/* SPDX-License-Identifier: MIT
 *
 * Several files onto the disk at once.
 *
 *   begin: the group is listed, up to HELPERS threads take its files one by one
 *   end:   the caller takes what is left, and waits for the rest
 *
 * One fsync after the other pays for a flush of the disk's cache each, and often for a commit of
 * the file system's journal each.  Those that wait at the same time share both, and the caller can
 * do other work between begin and end.  The helpers are started with the first group and sleep
 * without one.
 */
#include "storage/local/private.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

void syncers_init(struct syncers *c) {
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->synced, NULL);
  list_init(&c->groups);
}

/* With the lock held: syncs the next file of the group, without it. */
static void sync_next(struct syncers *c, struct sync_group *g) {
  size_t i = g->next++;
  if (g->next == g->count)
    list_remove(&g->ring);
  pthread_mutex_unlock(&c->lock);
  int errnum = fsync(g->fds[i]) ? errno : 0;
  pthread_mutex_lock(&c->lock);
  if (errnum && !g->errnum)
    g->errnum = errnum;
  if (++g->synced == g->count)
    pthread_cond_broadcast(&c->synced);
}

static void *help(void *arg) {
  struct syncers *c = arg;
  pthread_mutex_lock(&c->lock);
  while (!c->stop) {
    if (list_empty(&c->groups))
      pthread_cond_wait(&c->work, &c->lock);
    else
      sync_next(c, container_of(c->groups.next, struct sync_group, ring));
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

/* With the lock held.  Without helpers the callers sync everything themselves. */
static void start_helpers(struct syncers *c) {
  sigset_t all, before;
  if (c->started)
    return;
  c->started = true;
  sigfillset(&all); /* signals are the loop's */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (c->helpers < SYNC_HELPERS && pthread_create(&c->threads[c->helpers], NULL, help, c) == 0)
    c->helpers++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sync_begin(struct syncers *c, struct sync_group *g) {
  g->next = g->synced = 0;
  g->errnum = 0;
  pthread_mutex_lock(&c->lock);
  start_helpers(c);
  list_push_back(&c->groups, &g->ring);
  pthread_cond_broadcast(&c->work);
  pthread_mutex_unlock(&c->lock);
}

int sync_end(struct syncers *c, struct sync_group *g) {
  pthread_mutex_lock(&c->lock);
  while (g->next < g->count)
    sync_next(c, g);
  while (g->synced < g->count)
    pthread_cond_wait(&c->synced, &c->lock);
  pthread_mutex_unlock(&c->lock);
  return g->errnum;
}

void syncers_free(struct syncers *c) {
  pthread_mutex_lock(&c->lock);
  c->stop = true;
  pthread_cond_broadcast(&c->work);
  pthread_mutex_unlock(&c->lock);
  for (int i = 0; i < c->helpers; i++)
    pthread_join(c->threads[i], NULL);
  pthread_cond_destroy(&c->synced);
  pthread_cond_destroy(&c->work);
  pthread_mutex_destroy(&c->lock);
}
