/* SPDX-License-Identifier: MIT
 *
 * The jail of a job's process: what of the file system it sees (Landlock), which system calls it
 * may make (seccomp), and no capabilities.  See docs/adr/0013-the-jail.md.
 */
#ifndef WORKER_JAIL_H
#define WORKER_JAIL_H

#include "worker/plugin.h"

#include <stdbool.h>
#include <stdint.h>

struct jail_path {
  int fd; /* O_PATH */
  uint64_t rights;
};

struct jail {      /* of a worker; read-only once made */
  bool on;         /* jobs are jailed */
  uint32_t rights; /* LATHE_NEEDS_*: what the jail leaves open */
  bool required;   /* and a job runs in a whole jail or not at all */
  int abi;         /* of Landlock; 0: the kernel has none */
  bool filter;     /* seccomp */
  bool listens;    /* and its calls can be judged */
  char lacks[300]; /* a sentence on what the kernel has not; "": nothing */
  struct jail_path *paths;
  size_t count;
};

/* Before create(): looks at the kernel and opens what every job may see: system files, the folder
 * of the plugin, and the paths of its options.  ERR_UNSUPPORTED when the jail is required and the
 * kernel cannot make one. */
int jail_init(struct jail *j, const struct plugin *p, const struct plugin_value *values,
              size_t value_count, enum wire_jail_mode mode, struct err *err);

/* Of one that is asked for nothing more; a worker's lives as long as the worker. */
void jail_free(struct jail *j);
/* Of the jobs, as it is told to the daemon. */
enum wire_jail_state jail_state(const struct jail *j);
/* PROCESS: before create(), just before the process is locked in, for threads that run by then stay
 * outside of Landlock.  FORK: after create() and ready(), for threads of the zygote are in no jail.
 * The jail then lacks something; ERR_UNSUPPORTED when it is required. */
int jail_check_threads(struct jail *j, const struct plugin *p, struct err *err);

/* In the process to be jailed, ahead of its job: what takes time and needs no folder.  Installs the
 * filter.  Returns a ruleset for jail_enter; -1 with *err untouched: none is needed, with *err set:
 * it failed.  *listener: for the supervisor, or -1. */
int jail_prepare(const struct jail *j, int *listener, struct err *err);
/* The listener goes to the supervisor over a socket, with a byte that says that it comes, or that
 * there is none.  A supervisor that is gone ends the process. */
void jail_send_listener(int socket, int listener);
/* *listener: -1 when there is none.  False: the other end is gone. */
bool jail_take_listener(int socket, int *listener);
/* In the same process: from now on it sees `folder`, and what jail_init opened.  Closes the
 * ruleset. */
int jail_enter(const struct jail *j, int ruleset, int folder, struct err *err);

/* Does the text tell of a call that was refused? */
bool jail_is_behind(const char *text);
/* What a person should know then; a part of a sentence. */
#define JAIL_HINT                                                                                  \
  "the jail keeps the job to its own folder, system files and the paths of the backend's "         \
  "options, "                                                                                      \
  "see `jail` in docs/admin.md"

#endif
