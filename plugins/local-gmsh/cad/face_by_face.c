/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   this process                    a process that meshes
 *                     fork ------>  face 1, face 2, ...
 *   keeps each  <--- triangles ---  as soon as it has them
 *   none for too long, or the pipe closes: that face is left out, and the next process begins
 *   with the face after it
 */
#include "cad/face_by_face.h"

#include "arrays/mesh_arrays.h"
#include "arrays/mesh_builder.h"
#include "base/out.h"
#include "base/pipe_io.h"
#include "cad/kernel.h"

#include <errno.h>
#include <gmshc.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLACK         1.0       /* seconds, over what a face may take */
#define LOOK_EVERY    100000000 /* nanoseconds */
#define IDLE          10
#define TRIANGLES_MAX 20000000 /* of a face */
#define LOST_MAX      16       /* faces on which a mesher hung or crashed: more, and it is left */

/* ---- the kernel, watched ---- */

struct watched { /* left behind where the thread hangs */
  struct kernel_limits limits;
  struct mesh_arrays arrays;
  double heard; /* of the kernel, in seconds of the thread's processor time */
  bool found;
};

static void *triangulate(void *self) {
  struct watched *w = self;
  w->found = kernel_triangulate(&w->arrays, &w->limits);
  return NULL;
}

static double seconds_of(clockid_t clock) {
  struct timespec t = {0};
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Time is that of the processor, so that a busy machine makes nothing hang; what waits for ever
 * uses none, and has IDLE times as much by the clock. */
struct patience {
  clockid_t clock;
  double used_since, since;
};

static bool is_over(const struct patience *p, double seconds) {
  return seconds_of(p->clock) - p->used_since > seconds ||
         seconds_of(CLOCK_MONOTONIC) - p->since > IDLE * seconds;
}

/* False: it hangs. */
static bool wait_for(pthread_t thread, const struct watched *w) {
  const double patience = w->limits.face_seconds + SLACK;
  struct patience p = {.since = seconds_of(CLOCK_MONOTONIC),
                       .used_since = fmax(0, w->limits.seconds - patience)};
  struct timespec next;
  if (pthread_getcpuclockid(thread, &p.clock) != 0)
    return pthread_join(thread, NULL) == 0;
  for (;;) {
    clock_gettime(CLOCK_MONOTONIC, &next);
    next.tv_nsec += LOOK_EVERY;
    next.tv_sec += next.tv_nsec / 1000000000;
    next.tv_nsec %= 1000000000;
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &next) == 0)
      return true;
    double heard;
    __atomic_load(&w->heard, &heard, __ATOMIC_RELAXED);
    if (heard > p.used_since)
      p = (struct patience){p.clock, heard, seconds_of(CLOCK_MONOTONIC)};
    if (is_over(&p, patience))
      return false;
  }
}

enum kernel_end kernel_watched(struct mesh_arrays *s, const struct kernel_limits *limits) {
  struct watched *w = out_alloc(1, sizeof *w);
  pthread_t thread;
  *s = (struct mesh_arrays){0};
  w->limits = *limits;
  w->limits.heard = &w->heard;
  mallopt(M_ARENA_MAX, 1); /* as picture_start() does, and why is said there */
  if (pthread_create(&thread, NULL, triangulate, w) != 0)
    triangulate(w);
  else if (!wait_for(thread, w))
    return KERNEL_HANGS;
  enum kernel_end end = w->found ? KERNEL_DONE : KERNEL_NONE;
  *s = w->arrays;
  free(w);
  return end;
}

/* ---- one by one ---- */

struct piece { /* a face */
  int tag;
  uint32_t count;  /* of triangles */
  double *corners; /* 9 a triangle; NULL: none yet.  Owned */
};

struct pieces {
  struct piece *of;
  size_t count;
  const struct kernel_limits *limits;
  size_t lost; /* faces on which a mesher hung or crashed */
};

struct head { /* of what goes through the pipe; 9 numbers a triangle follow */
  uint32_t index, count;
};

/* The face's triangles, among those of others, into *s. */
typedef bool (*mesher)(struct mesh_arrays *s, int tag, const struct kernel_limits *limits);

static bool by_gmsh(struct mesh_arrays *s, int tag, const struct kernel_limits *limits) {
  int *all = NULL, e = 0, face[2] = {2, tag};
  size_t n = 0;
  (void)limits;
  gmshModelGetEntities(&all, &n, -1, &e);
  gmshModelSetVisibility(all, n, 0, 0, &e);
  gmshFree(all);
  gmshModelSetVisibility(face, 2, 1, 1, &e);
  gmshOptionSetNumber("Mesh.MeshOnlyVisible", 1, &e);
  gmshModelMeshGenerate(2, &e);
  return mesh_arrays_take(s, 0);
}

static const struct {
  mesher of;
  bool once; /* what it leaves behind would spoil the next face */
} MESHERS[] = {{kernel_triangulate_face, false}, {by_gmsh, true}};

static bool send(int fd, uint32_t index, int tag, const struct mesh_arrays *s) {
  struct head head = {.index = index};
  const struct range *face = s->faces;
  for (size_t f = 0; f < s->face_count; f++)
    if (s->faces[f].tag == tag)
      face = &s->faces[f];
  head.count = s->face_count && face->tag == tag && face->count < TRIANGLES_MAX
                   ? (uint32_t)face->count
                   : 0;
  double *corners = out_alloc(9 * (size_t)head.count, sizeof *corners);
  for (size_t i = 0; i < 3 * (size_t)head.count; i++)
    memcpy(corners + 3 * i, s->xyz + 3 * (size_t)s->triangles[3 * face->first + i],
           3 * sizeof *corners);
  bool sent = pipe_write(fd, &head, sizeof head) &&
              pipe_write(fd, corners, 9 * (size_t)head.count * sizeof *corners);
  free(corners);
  return sent;
}

/* Never returns. */
static void mesh_faces(const struct pieces *p, size_t from, size_t how, int fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(0);
  for (size_t i = from; i < p->count; i++) {
    struct mesh_arrays s = {0};
    if (p->of[i].corners)
      continue;
    MESHERS[how].of(&s, p->of[i].tag, p->limits);
    if (!send(fd, (uint32_t)i, p->of[i].tag, &s) || MESHERS[how].once)
      break;
    mesh_arrays_free(&s);
  }
  _exit(0);
}

/* False: nothing came in time. */
static bool is_heard_of(int fd, pid_t child, double seconds) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  struct patience p = {.since = seconds_of(CLOCK_MONOTONIC)};
  if (clock_getcpuclockid(child, &p.clock) != 0)
    return poll(&ready, 1, (int)(1000 * seconds)) > 0;
  p.used_since = seconds_of(p.clock);
  for (;;) {
    int n = poll(&ready, 1, LOOK_EVERY / 1000000);
    if (n > 0 || (n < 0 && errno != EINTR))
      return n > 0;
    if (is_over(&p, seconds))
      return false;
  }
}

/* One face's triangles.  False: the process hangs, or is gone. */
static bool receive(struct pieces *p, size_t index, int fd, pid_t child) {
  struct head head;
  if (!is_heard_of(fd, child, p->limits->face_seconds + SLACK) ||
      !pipe_read(fd, &head, sizeof head) || head.index != index || head.count >= TRIANGLES_MAX)
    return false;
  double *corners = out_alloc(9 * (size_t)head.count, sizeof *corners);
  bool got = pipe_read(fd, corners, 9 * (size_t)head.count * sizeof *corners);
  if (!got || head.count == 0) {
    free(corners);
    return got;
  }
  p->of[index].count = head.count;
  p->of[index].corners = corners;
  return true;
}

static size_t next_empty(const struct pieces *p, size_t i) {
  while (i < p->count && p->of[i].corners)
    i++;
  return i;
}

/* A process for the faces from this one on; returns with which to go on. */
static size_t run(struct pieces *p, size_t from, size_t how) {
  int fds[2];
  pid_t self = getpid(), pid;
  size_t i = from;
  if (pipe(fds) < 0)
    return p->count;
  fflush(NULL);
  if ((pid = fork()) == 0) {
    close(fds[0]);
    mesh_faces(p, from, how, fds[1], self);
  }
  close(fds[1]);
  while (pid > 0 && i < p->count) {
    bool in_time = receive(p, i, fds[0], pid);
    p->lost += !in_time;
    i = next_empty(p, i + 1);
    if (!in_time || MESHERS[how].once)
      break;
  }
  close(fds[0]);
  if (pid < 0)
    return p->count;
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    ;
  return i;
}

static void put_together(const struct pieces *p, struct mesh_arrays *s) {
  struct mesh_builder built = {0};
  for (size_t f = 0; f < p->count; f++) {
    mesh_builder_face(&built, p->of[f].tag);
    for (size_t t = 0; t < p->of[f].count; t++) {
      uint32_t corners[3];
      for (size_t k = 0; k < 3; k++)
        corners[k] = mesh_builder_node(&built, p->of[f].corners + 9 * t + 3 * k);
      mesh_builder_triangle(&built, corners);
    }
  }
  mesh_builder_finish(&built, s);
}

bool face_by_face_triangulate(struct mesh_arrays *s, const struct kernel_limits *limits) {
  struct pieces p = {.limits = limits};
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 2, &e);
  p.count = n / 2;
  p.of = out_alloc(p.count, sizeof *p.of);
  for (size_t f = 0; f < p.count; f++)
    p.of[f].tag = entities[2 * f + 1];
  gmshFree(entities);
  for (size_t how = 0; how < sizeof MESHERS / sizeof *MESHERS; how++) {
    p.lost = 0;
    for (size_t i = next_empty(&p, 0); i < p.count && p.lost <= LOST_MAX;)
      i = run(&p, i, how);
  }
  put_together(&p, s);
  for (size_t f = 0; f < p.count; f++)
    free(p.of[f].corners);
  free(p.of);
  if (s->triangle_count)
    return true;
  mesh_arrays_free(s);
  return false;
}
