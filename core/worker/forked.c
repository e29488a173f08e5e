/* SPDX-License-Identifier: MIT */
#include "worker/forked.h"

#include "worker/limits.h"
#include "worker/step.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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

static _Noreturn void run(struct host *h, struct link *link, uint64_t token,
                          const struct wire_step *step, int ruleset, struct err *jail_err) {
  struct folder folder;
  struct lathe_job job;
  struct step_outcome outcome;
  struct err err = {0};
  job_begin(&job, h, token, step);
  job.link = h->link = h->log.link = link; /* the daemon's socket is not ours */
  job.folder = &folder;
  if (folder_make(&folder, h->work_root, h->backend, token, step->inputs, step->input_count, &err) <
      0) {
    step_fail(&outcome, WIRE_RETRY, err.text);
  } else if (h->jail.on &&
             (jail_err->code || jail_enter(&h->jail, ruleset, folder.fd, jail_err) < 0)) {
    step_fail(&outcome, WIRE_RETRY, jail_err->text);
  } else {
    limits_of_child(&step->limits);
    step_run(&job, &outcome);
  }
  outcome.done.workdir = folder.final;
  fflush(NULL);
  step_send(link, token, &outcome, true);
  _exit(0);
}

void forked_main(struct host *h, int socket, int log_fd, pid_t zygote) {
  struct link link;
  struct wire_frame f;
  struct wire_step step;
  int rc;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote)
    _exit(0);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  close(log_fd);
  link_init(&link, socket);
  struct err jail_err = {0};
  int listener = -1, ruleset = jail_prepare(&h->jail, &listener, &jail_err);
  if (h->jail.on)
    jail_send_listener(socket, listener);
  touch_heap();
  while ((rc = wire_input_next(&link.in, &f, NULL)) == 0)
    if (link_read(&link, true) < 0)
      _exit(0);
  if (rc < 0 || f.type != WIRE_STEP || wire_get_step(&f, &step, NULL) < 0)
    _exit(EXIT_FAILURE);
  run(h, &link, f.token, &step, ruleset, &jail_err);
}
