/* SPDX-License-Identifier: MIT */
#include "worker/fork/park.h"

#include "base/clock.h"
#include "base/mem.h"
#include "worker/jail/home.h"
#include "worker/jail/limits.h"
#include "worker/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- bytes with descriptors ---- */

int park_send(int socket, char word, const int fds[2]) {
  char room[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec byte = {.iov_base = &word, .iov_len = 1};
  struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1};
  size_t count = !fds || fds[0] < 0 ? 0 : fds[1] < 0 ? 1 : 2;
  if (count) {
    m.msg_control = room;
    m.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  /* A jailed process may pass none, and is refused the call that could. */
  ssize_t n = count ? sendmsg(socket, &m, MSG_NOSIGNAL) : send(socket, &word, 1, MSG_NOSIGNAL);
  return n == 1 ? 0 : -1;
}

char park_receive(int socket, int fds[2], pid_t *pid) {
  char word = 0;
  char room[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))]
      __attribute__((aligned(8)));
  struct iovec byte = {.iov_base = &word, .iov_len = 1};
  struct msghdr m = {
      .msg_iov = &byte, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  ssize_t n;
  fds[0] = fds[1] = -1;
  while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
    ;
  if (n != 1)
    return 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    struct ucred who;
    size_t len = c->cmsg_len - CMSG_LEN(0);
    if (c->cmsg_type == SCM_RIGHTS)
      memcpy(fds, CMSG_DATA(c), len < 2 * sizeof *fds ? len : 2 * sizeof *fds);
    if (c->cmsg_type == SCM_CREDENTIALS && pid && len == sizeof who) {
      memcpy(&who, CMSG_DATA(c), sizeof who);
      *pid = who.pid;
    }
  }
  return word;
}

/* ---- in the job's process ---- */

static char ask(struct lathe_job *job, uint16_t type, const char *key, int fds[2]) {
  struct buf *out = link_begin(job->link);
  size_t start = wire_begin(out, type, job->token);
  wire_put_str(out, key);
  wire_end(out, start, NULL);
  link_end(job->link, true);
  return park_receive(job->link->fd, fds, NULL);
}

static bool is_off(const struct lathe_job *job, const char *key) {
  return !job || !key || strlen(key) > PARK_KEY_MAX || !job->host->parks;
}

static void resume(struct lathe_job *job, const struct lathe_request *request, const char *key) {
  int fds[2];
  (void)request;
  if (!is_off(job, key) && job->host->parked && ask(job, WIRE_RESUME, key, fds) == 0)
    _exit(0); /* the zygote is gone; or the job went on elsewhere, and this was killed */
}

/* From here on the process belongs to no job: not to its group, its socket or its log. */
static void leave(const struct lathe_job *job, int socket) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  setpgid(0, 0);
  close(job->link->fd);
  if (null >= 0) {
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
  }
  if (park_send(socket, PARK_READY, NULL) < 0)
    _exit(0);
}

/* Waits at the socket; the zygote has stopped it meanwhile.  Returns the socket for its own copy.
 */
static int wait_for_go(int socket) {
  int fds[2];
  if (park_receive(socket, fds, NULL) != PARK_GO || fds[0] < 0)
    _exit(0);
  dup2(fds[0], STDOUT_FILENO);
  dup2(fds[0], STDERR_FILENO);
  close(fds[0]);
  return fds[1];
}

/* The job that this process was, becomes the one that comes over the socket. */
static const struct lathe_request *turn_to(struct lathe_job *job, int socket) {
  struct host *h = job->host;
  struct link *link = job->link;
  struct folder *folder = job->folder;
  struct wire_step *step = mem_alloc(sizeof *step);
  struct lathe_request *request = mem_alloc(sizeof *request);
  struct wire_frame f;
  struct err err = {0};
  int rc;
  link_init(link, socket);
  while ((rc = wire_input_next(&link->in, &f, NULL)) == 0)
    if (link_read(link, true) < 0)
      _exit(0);
  if (rc < 0 || f.type != WIRE_STEP || wire_get_step(&f, step, NULL) < 0)
    _exit(EXIT_FAILURE);
  if (getppid() == h->zygote) /* its maker may still be ending, and would take it along */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(folder->fd);
  /* The texts of the job before stay: the plugin may hold some. */
  job_begin(job, h, f.token, step);
  job->folder = folder;
  if (folder_take(folder, h->park_cell, h->stem, f.token, &err) < 0)
    _exit(EXIT_FAILURE);
  if (h->jail.on) {
    home_set(folder->path);
    home_enter(folder->fd);
  }
  limits_of_child(&step->limits, true);
  step_request(job, request);
  return request;
}

static const struct lathe_request *park(struct lathe_job **job, const struct lathe_request *request,
                                        const char *key) {
  int fds[2];
  if (!job || is_off(*job, key) || ask(*job, WIRE_PARK, key, fds) != PARK_YES || fds[0] < 0)
    return request;
  for (int socket = fds[0]; socket >= 0;) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) {
      close(socket);
      park_receive((*job)->link->fd, fds, NULL); /* the copy is safe from the job's end */
      return request;
    }
    leave(*job, socket);
    int next = wait_for_go(socket);
    request = turn_to(*job, socket);
    socket = next;
  }
  return request;
}

const struct lathe_park park_functions = {sizeof park_functions, park, resume};
