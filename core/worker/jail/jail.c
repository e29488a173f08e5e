/* SPDX-License-Identifier: MIT */
#include "worker/jail/jail.h"

#include "worker/jail/filter.h"
#include "worker/jail/jail_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN (LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES) /* with both nothing is locked */

/* ---- Landlock, also where the headers are older than the kernel ---- */

struct ruleset_attr { /* struct landlock_ruleset_attr as of ABI 6 */
  uint64_t fs, net, scoped;
};

enum { BIND_AND_CONNECT = 3, ABSTRACT_SOCKETS = 1, SIGNALS = 2 };

static int add_rule(int ruleset, int fd, uint64_t rights) {
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
  return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* What the ruleset holds; where it holds nothing the kernel makes none. */
static struct ruleset_attr held_by(const struct jail *j) {
  bool network = j->rights & LATHE_NEEDS_NETWORK;
  return (struct ruleset_attr){
      .fs = j->rights & LATHE_NEEDS_FILES ? 0 : jail_paths_known_rights(j->abi),
      .net = network || j->abi < 4 ? 0 : BIND_AND_CONNECT, /* no rule allows any */
      .scoped = j->abi < 6 ? 0
                : network  ? SIGNALS
                           : ABSTRACT_SOCKETS | SIGNALS,
  };
}

static bool holds_files(const struct jail *j) {
  return j->abi && !(j->rights & LATHE_NEEDS_FILES);
}

static int new_ruleset(const struct jail *j) {
  struct ruleset_attr attr = held_by(j);
  size_t size = j->abi >= 6 ? sizeof attr : j->abi >= 4 ? 16 : 8;
  return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

/* ---- once in a worker ---- */

static void say_what_lacks(struct jail *j) {
  if (!j->abi && !(j->rights & LATHE_NEEDS_FILES))
    snprintf(j->lacks, sizeof j->lacks,
             "the kernel has no Landlock, so jobs can open every file that the daemon's user can "
             "(Linux 5.13 with CONFIG_SECURITY_LANDLOCK and landlock in lsm= has it)");
  else if (!j->filter)
    snprintf(j->lacks, sizeof j->lacks,
             "the kernel has no seccomp filters for this machine, so jobs can open sockets and "
             "leave their process group");
  else if (!j->listens)
    snprintf(j->lacks, sizeof j->lacks,
             "the kernel cannot report system calls (Linux 5.5 can), so the processes of a job are "
             "not counted");
}

/* Why a plugin cannot be locked in; NULL: it can. */
static const char *why_open(const struct plugin *p) {
  static const char *const words[] = {
      NULL,
      "asks for the network (LATHE_NEEDS_NETWORK)",
      "asks for all files (LATHE_NEEDS_FILES)",
      "asks for the network and for all files (LATHE_NEEDS_NETWORK, LATHE_NEEDS_FILES)",
  };
  if (p->d.isolation == LATHE_SHARED)
    return "runs many jobs in one process";
  return words[p->d.rights & OPEN];
}

int jail_init(struct jail *j, const struct plugin *p, const struct plugin_value *values,
              size_t value_count, enum wire_jail_mode mode, struct err *err) {
  *j = (struct jail){.on = mode != WIRE_JAIL_OFF && p->d.isolation != LATHE_SHARED &&
                           (p->d.rights & OPEN) != OPEN,
                     .required = mode == WIRE_JAIL_REQUIRED,
                     .rights = p->d.rights};
  if (j->required && why_open(p))
    return err_set(err, ERR_UNSUPPORTED,
                   "the configuration says jail = required, but the plugin %s %s; say jail = auto",
                   p->d.name, why_open(p));
  if (!j->on)
    return 0;
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  j->abi = abi > 0 ? (int)abi : 0;
  j->filter = filter_is_known();
  j->listens = filter_can_listen();
  say_what_lacks(j);
  if (j->required && j->lacks[0])
    return err_set(err, ERR_UNSUPPORTED, "the configuration says jail = required, but %s",
                   j->lacks);
  if (holds_files(j))
    jail_paths_open(j, p, values, value_count);
  return 0;
}

void jail_free(struct jail *j) {
  for (size_t i = 0; i < j->count; i++)
    close(j->paths[i].fd);
  free(j->paths);
  *j = (struct jail){0};
}

enum wire_jail_state jail_state(const struct jail *j) {
  if (!j->on)
    return WIRE_JAIL_NONE;
  return j->lacks[0] || j->rights & OPEN ? WIRE_JAIL_PARTIAL : WIRE_JAIL_WHOLE;
}

static bool has_one_thread(void) {
  struct stat threads; /* a folder for each thread, and two more names of the folder itself */
  return stat("/proc/self/task", &threads) == 0 && threads.st_nlink <= 3;
}

int jail_check_threads(struct jail *j, const struct plugin *p, struct err *err) {
  bool fork = p->d.isolation == LATHE_FORK;
  const char *when = fork ? "while it is loaded or in create()" : "while it is loaded";
  if (!j->on || has_one_thread())
    return 0;
  if (j->required)
    return err_set(err, ERR_UNSUPPORTED,
                   "the configuration says jail = required, but the plugin %s begins threads %s, "
                   "which the jail cannot hold; it must begin them in %s, or say jail = auto",
                   p->d.name, when, fork ? "run()" : "create()");
  size_t at = strlen(j->lacks);
  snprintf(j->lacks + at, sizeof j->lacks - at, "%sthe plugin begins threads %s: they %s",
           at ? "; " : "", when,
           fork ? "stay in its worker, outside of the jail of its jobs"
                : "open no socket, but all files that the daemon's user can");
  return 0;
}

/* ---- in the process to be jailed ---- */

static int fill_ruleset(const struct jail *j, struct err *err) {
  char own[32];
  int ruleset = new_ruleset(j);
  if (ruleset < 0)
    return err_sys(err, errno, "the jail's ruleset cannot be made");
  if (!holds_files(j))
    return ruleset;
  for (size_t i = 0; i < j->count; i++)
    if (add_rule(ruleset, j->paths[i].fd, j->paths[i].rights) < 0)
      goto failed;
  snprintf(own, sizeof own, "/proc/%d", (int)getpid());
  int proc = open(own, O_PATH | O_CLOEXEC);
  if (proc >= 0) { /* without /proc there is nothing to see */
    int rc = add_rule(ruleset, proc, JAIL_PATHS_READ_RIGHTS);
    close(proc);
    if (rc < 0)
      goto failed;
  }
  return ruleset;
failed:
  err_sys(err, errno, "the jail's ruleset cannot be filled");
  close(ruleset);
  return err->code;
}

int jail_prepare(const struct jail *j, int *listener, struct err *err) {
  int ruleset = -1;
  *listener = -1;
  if (!j->on)
    return -1;
  struct ruleset_attr held = held_by(j);
  if (j->abi && (held.fs | held.net | held.scoped) && (ruleset = fill_ruleset(j, err)) < 0)
    return ruleset;
  struct filter_wishes wishes = {
      .listen = j->listens,
      .signals_are_scoped = held.scoped & SIGNALS,
      .network = j->rights & LATHE_NEEDS_NETWORK,
      .files = j->rights & LATHE_NEEDS_FILES,
  };
  if (j->filter && (*listener = filter_install(&wishes)) == -2) {
    err_sys(err, errno, "the jail's filter cannot be installed");
    if (ruleset >= 0)
      close(ruleset);
    return err->code;
  }
  return ruleset;
}

void jail_send_listener(int socket, int listener) {
  char none = 0, room[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec byte = {.iov_base = &none, .iov_len = 1};
  struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1};
  if (listener >= 0) {
    m.msg_control = room;
    m.msg_controllen = sizeof room;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &listener, sizeof listener);
  }
  if (sendmsg(socket, &m, MSG_NOSIGNAL) != 1)
    _exit(0);
  if (listener >= 0)
    close(listener);
}

bool jail_take_listener(int socket, int *listener) {
  char byte, room[CMSG_SPACE(sizeof(int))];
  struct iovec to = {.iov_base = &byte, .iov_len = 1};
  struct msghdr m = {
      .msg_iov = &to, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  ssize_t n;
  *listener = -1;
  while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
    ;
  struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
  if (head && head->cmsg_type == SCM_RIGHTS)
    memcpy(listener, CMSG_DATA(head), sizeof *listener);
  return n == 1;
}

/* Of root nothing is left but the number, so that the modes of files bind. */
static int drop_capabilities(struct err *err) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {0};
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall(SYS_capset, &head, none) < 0)
    return err_sys(err, errno, "the capabilities cannot be dropped");
  return 0;
}

static int restrict_self(int ruleset, struct err *err) {
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
    return err_sys(err, errno, "the jail cannot be closed");
  return 0;
}

int jail_enter(const struct jail *j, int ruleset, int folder, struct err *err) {
  int rc = drop_capabilities(err);
  /* A library that asks for names of hosts needs the call. */
  if (rc == 0 && j->filter && !(j->rights & LATHE_NEEDS_NETWORK) && filter_end_passing() < 0)
    rc = err_sys(err, errno, "the jail's filter cannot be installed");
  if (rc < 0 || ruleset < 0)
    return rc;
  if (holds_files(j) && add_rule(ruleset, folder, jail_paths_folder_rights(j->abi)) < 0)
    rc = err_sys(err, errno, "the job's folder cannot be let into the jail");
  else
    rc = restrict_self(ruleset, err);
  close(ruleset);
  return rc;
}

bool jail_is_behind(const char *text) {
  return strstr(text, strerror(EACCES)) || strstr(text, strerror(EPERM)) ||
         strstr(text, strerror(EXDEV)); /* of a link or a rename into the folder */
}
