/* SPDX-License-Identifier: MIT */
#include "worker/fork/forked.h"

#include "worker/jail/home.h"
#include "worker/jail/limits.h"
#include "worker/secrets.h"
#include "worker/step.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first touch of a page costs about a microsecond and a job of a few milliseconds has hundreds:
 * malloc gets some that were touched before the step came. */
static void touch_heap(void) {
  enum { PIECE = 64 << 10, PIECES = 64 };
  void *pieces[PIECES];
  mallopt(M_TRIM_THRESHOLD, 64 << 20); /* it keeps what is freed */
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  for (int i = 0; i < PIECES; i++)
    if ((pieces[i] = malloc(PIECE)))
      memset(pieces[i], 1, PIECE);
  for (int i = 0; i < PIECES; i++)
    free(pieces[i]);
}

/* Where a job may leave parked processes, its folder lies in a cell, which is all that the jail
 * lets them see: so they can go on with another job's folder. */
static int forked_make_folder(struct host *h, struct folder *f, uint64_t token,
                              const struct wire_step *step, struct err *err) {
  char ahead[PATH_MAX], *root = h->work_root;
  int rc = 0;
  if (h->parks && h->jail.on) {
    char *all = folder_cell(h->work_root, h->stem);
    root = folder_cell_of(h->work_root, h->stem, token);
    if ((mkdir(all, 0700) < 0 && errno != EEXIST) || mkdir(root, 0700) < 0)
      rc = err_sys(err, errno, "the folder %s cannot be made", root);
    free(all);
  }
  h->park_cell = root;
  if (rc < 0)
    return rc;
  folder_ahead(ahead, sizeof ahead, h->work_root, h->stem, getpid());
  return folder_make_of(f, ahead, root, h->stem, token, step->inputs, step->input_count, err);
}

static int lock_in(struct host *h, const struct folder *f, int ruleset, struct err *err) {
  if (!h->jail.on || err->code)
    return err->code;
  int cell = h->parks ? open(h->park_cell, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  int rc = jail_enter(&h->jail, ruleset, cell < 0 ? f->fd : cell, err);
  if (cell >= 0)
    close(cell);
  return rc;
}

static _Noreturn void run(struct host *h, struct link *link, uint64_t token,
                          const struct wire_step *step, int ruleset, struct err *jail_err) {
  struct folder folder = {.fd = -1};
  struct lathe_job job;
  struct step_outcome outcome;
  struct err err = {0};
  job_begin(&job, h, token, step);
  job.link = h->link = h->log.link = link; /* the daemon's socket is not ours */
  job.folder = &folder;
  secrets_renew(); /* the jail is closed soon */
  if (forked_make_folder(h, &folder, token, step, &err) < 0) {
    step_fail(&outcome, WIRE_RETRY, err.text);
  } else if (lock_in(h, &folder, ruleset, jail_err) < 0) {
    step_fail(&outcome, WIRE_RETRY, jail_err->text);
  } else {
    if (h->jail.on) {
      home_set(folder.path);
      home_enter(folder.fd);
    }
    limits_of_child(&step->limits, h->parks);
    step_run(&job, &outcome);
  }
  outcome.done.folder = true;
  fflush(NULL);
  step_send(job.link, job.token, &outcome, true); /* the job may be another by now */
  _exit(0);
}

/* The number of parked processes, then the step. */
static void wait_for_step(struct host *h, struct link *link, struct wire_frame *f) {
  int rc;
  do {
    while ((rc = wire_input_next(&link->in, f, NULL)) == 0)
      if (link_read(link, true) < 0)
        _exit(0);
  } while (rc > 0 && f->type == WIRE_RESUME && wire_get_value(f, &h->parked, NULL) == 0);
  if (rc < 0 || f->type != WIRE_STEP)
    _exit(EXIT_FAILURE);
}

void forked_main(struct host *h, int socket, int log_fd, pid_t zygote) {
  struct link link;
  struct wire_frame f;
  struct wire_step step;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote)
    _exit(0);
  limits_let_look();
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  close(log_fd);
  setvbuf(stdout, NULL, _IOLBF, 0); /* what a job prints before it crashes is told */
  link_init(&link, socket);
  struct err jail_err = {0};
  int listener = -1, ruleset = jail_prepare(&h->jail, &listener, &jail_err);
  if (h->jail.on) {
    jail_send_listener(socket, listener);
    home_leave();
  }
  touch_heap();
  folder_make_ahead(h->work_root, h->stem, getpid());
  wait_for_step(h, &link, &f);
  if (wire_get_step(&f, &step, NULL) < 0)
    _exit(EXIT_FAILURE);
  run(h, &link, f.token, &step, ruleset, &jail_err);
}
