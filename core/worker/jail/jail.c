/* SPDX-License-Identifier: MIT */
#include "worker/jail/jail.h"

#include "base/mem.h"
#include "worker/jail/filter.h"

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

/* ---- Landlock, also where the headers are older than the kernel ---- */

#define FS(bit) (UINT64_C(1) << (bit))
enum { TRUNCATE_BIT = 14, IOCTL_DEV_BIT = 15 };

struct ruleset_attr { /* struct landlock_ruleset_attr as of ABI 6 */
  uint64_t fs, net, scoped;
};

#define READ_FILE  (LANDLOCK_ACCESS_FS_READ_FILE)
#define READ       (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define READ_RUN   (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE_FILE (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS(TRUNCATE_BIT))
#define OF_FILES                                                                                   \
  (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | FS(TRUNCATE_BIT) |     \
   FS(IOCTL_DEV_BIT))
#define FOLDER                                                                                     \
  (READ | WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |            \
   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_FIFO |      \
   LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* What every job may see.  What is not there is left out. */
static const struct {
  const char *path;
  uint64_t rights;
} system_paths[] = {
    {"/usr", READ_RUN},
    {"/lib", READ_RUN},
    {"/lib32", READ_RUN},
    {"/lib64", READ_RUN},
    {"/bin", READ_RUN},
    {"/sbin", READ_RUN},
    {"/etc/ld.so.cache", READ_FILE},
    {"/etc/ld.so.preload", READ_FILE},
    {"/etc/localtime", READ_FILE},
    {"/etc/timezone", READ_FILE},
    {"/etc/fonts", READ},
    {"/etc/mime.types", READ_FILE},
    {"/var/cache/fontconfig", READ},
    {"/dev/null", WRITE_FILE},
    {"/dev/zero", WRITE_FILE},
    {"/dev/full", WRITE_FILE},
    {"/dev/random", READ_FILE},
    {"/dev/urandom", READ_FILE},
    {"/proc/cpuinfo", READ_FILE},
    {"/proc/meminfo", READ_FILE},
    {"/proc/stat", READ_FILE},
    {"/proc/filesystems", READ_FILE},
    {"/proc/sys/vm/overcommit_memory", READ_FILE},
    {"/proc/sys/kernel/osrelease", READ_FILE},
    {"/sys/devices/system/cpu", READ},
    {"/sys/devices/system/node", READ},
    {"/sys/kernel/mm/transparent_hugepage", READ},
};

static uint64_t known_rights(int abi) {
  int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return FS(bits) - 1;
}

static int add_rule(int ruleset, int fd, uint64_t rights) {
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
  return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int new_ruleset(const struct jail *j) {
  struct ruleset_attr attr = {
      .fs = known_rights(j->abi),
      .net = 3,    /* binding and connecting TCP: no rule allows any */
      .scoped = 3, /* abstract sockets and signals stay inside */
  };
  size_t size = j->abi >= 6 ? sizeof attr : j->abi >= 4 ? 16 : 8;
  return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

/* ---- once in a worker ---- */

static void add_path(struct jail *j, const char *path, uint64_t rights) {
  struct stat st;
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0)
    return;
  if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
    rights &= OF_FILES;
  j->paths = mem_grow(j->paths, (j->count + 1) * sizeof *j->paths);
  j->paths[j->count++] = (struct jail_path){fd, rights & known_rights(j->abi)};
}

static void add_plugin_folder(struct jail *j, const char *plugin) {
  char *real = realpath(plugin, NULL);
  char *slash = real ? strrchr(real, '/') : NULL;
  if (slash && slash != real) {
    *slash = '\0';
    add_path(j, real, READ_RUN);
  }
  free(real);
}

static void add_options(struct jail *j, const struct plugin *p, const struct plugin_value *values,
                        size_t count) {
  for (size_t i = 0; p->d.options && p->d.options[i]; i++)
    for (size_t k = 0; p->d.options[i]->type == LATHE_PATH && k < count; k++)
      if (strcmp(values[k].key, p->d.options[i]->key) == 0 && values[k].value[0] == '/')
        add_path(j, values[k].value, READ_RUN);
}

static void say_what_lacks(struct jail *j) {
  if (!j->abi)
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

int jail_init(struct jail *j, const struct plugin *p, const struct plugin_value *values,
              size_t value_count, enum wire_jail_mode mode, struct err *err) {
  *j = (struct jail){.on = mode != WIRE_JAIL_OFF && !p->d.rights && p->d.isolation != LATHE_SHARED,
                     .required = mode == WIRE_JAIL_REQUIRED};
  bool required = j->required;
  if (required && !j->on)
    return err_set(err, ERR_UNSUPPORTED,
                   "the configuration says jail = required, but the plugin %s %s; say jail = auto",
                   p->d.name,
                   p->d.isolation == LATHE_SHARED ? "runs many jobs in one process"
                                                  : "needs the network for its jobs");
  if (!j->on)
    return 0;
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  j->abi = abi > 0 ? (int)abi : 0;
  j->filter = filter_is_known();
  j->listens = filter_can_listen();
  say_what_lacks(j);
  if (required && j->lacks[0])
    return err_set(err, ERR_UNSUPPORTED, "the configuration says jail = required, but %s",
                   j->lacks);
  if (!j->abi)
    return 0;
  for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++)
    add_path(j, system_paths[i].path, system_paths[i].rights);
  add_plugin_folder(j, p->path);
  add_options(j, p, values, value_count);
  return 0;
}

void jail_free(struct jail *j) {
  for (size_t i = 0; i < j->count; i++)
    close(j->paths[i].fd);
  free(j->paths);
  *j = (struct jail){0};
}

int jail_check_threads(struct jail *j, const struct plugin *p, struct err *err) {
  struct stat threads; /* a folder for each thread, and two more names of the folder itself */
  bool one = stat("/proc/self/task", &threads) == 0 && threads.st_nlink <= 3;
  if (!j->on || one)
    return 0;
  if (j->required)
    return err_set(err, ERR_UNSUPPORTED,
                   "the configuration says jail = required, but the plugin %s begins threads in "
                   "create() or ready(), which the jail cannot hold; it must begin them in its "
                   "first run(), or say jail = auto",
                   p->d.name);
  size_t at = strlen(j->lacks);
  snprintf(j->lacks + at, sizeof j->lacks - at,
           "%sthe plugin begins threads in create() or ready(): they open no socket, but all files "
           "that the daemon's user can",
           at ? "; " : "");
  return 0;
}

/* ---- in the process to be jailed ---- */

static int fill_ruleset(const struct jail *j, struct err *err) {
  char own[32];
  int ruleset = new_ruleset(j);
  if (ruleset < 0)
    return err_sys(err, errno, "the jail's ruleset cannot be made");
  for (size_t i = 0; i < j->count; i++)
    if (add_rule(ruleset, j->paths[i].fd, j->paths[i].rights) < 0)
      goto failed;
  snprintf(own, sizeof own, "/proc/%d", (int)getpid());
  int proc = open(own, O_PATH | O_CLOEXEC);
  if (proc >= 0) { /* without /proc there is nothing to see */
    int rc = add_rule(ruleset, proc, READ);
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
  if (j->abi && (ruleset = fill_ruleset(j, err)) < 0)
    return ruleset;
  if (j->filter && (*listener = filter_install(j->listens, j->abi >= 6)) == -2) {
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
  if (rc == 0 && j->filter && filter_end_passing() < 0)
    rc = err_sys(err, errno, "the jail's filter cannot be installed");
  if (rc < 0 || ruleset < 0)
    return rc;
  if (add_rule(ruleset, folder, FOLDER & known_rights(j->abi)) < 0)
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
