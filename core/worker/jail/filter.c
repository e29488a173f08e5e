/* SPDX-License-Identifier: MIT
 *
 * The program is a chain of comparisons.  The kernel remembers the calls that pass whatever their
 * arguments are, so that those (read, write, mmap, futex, ...) cost nothing.
 */
#include "worker/jail/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH  AUDIT_ARCH_X86_64
#define ALIEN_NRS 0x40000000u /* x32 */
#elif defined(__aarch64__)
#define OUR_ARCH  AUDIT_ARCH_AARCH64
#define ALIEN_NRS 0x80000000u
#else
#define OUR_ARCH  0 /* no filter */
#define ALIEN_NRS 0x80000000u
#endif

/* Younger than some of the headers that we are built with; the numbers are the same everywhere. */
enum {
  NR_IO_URING_SETUP = 425,
  NR_IO_URING_ENTER = 426,
  NR_IO_URING_REGISTER = 427,
  NR_OPEN_TREE = 428,
  NR_MOVE_MOUNT = 429,
  NR_FSOPEN = 430,
  NR_FSCONFIG = 431,
  NR_FSMOUNT = 432,
  NR_FSPICK = 433,
  NR_PIDFD_OPEN = 434,
  NR_CLONE3 = 435,
  NR_PIDFD_GETFD = 438,
  NR_PROCESS_MADVISE = 440,
  NR_MOUNT_SETATTR = 442,
  NR_CLOSE_RANGE = 436,
  NR_QUOTACTL_FD = 443,
  NR_MEMFD_SECRET = 447,
  NR_FCHMODAT2 = 452,
  NR_SETXATTRAT = 463,
  NR_REMOVEXATTRAT = 466,
  NR_OPEN_TREE_ATTR = 467,
  NR_FILE_SETATTR = 469,
};

#define NEW_SPACES                                                                                 \
  (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |       \
   CLONE_NEWCGROUP | CLONE_PARENT)

struct call {
  int nr;
  const char *word;
};
#define CALL(name)                                                                                 \
  { SYS_##name, #name }

/* A socketpair of streams is looked at below. */
static const struct call of_network[] = {
    CALL(socket), CALL(connect), CALL(bind), CALL(listen), CALL(accept), CALL(accept4),
};

/* Files that are not the job's alone: its inputs share their content with the daemon's. */
static const struct call of_files[] = {
    CALL(fchmod),
    CALL(fchmodat),
    {NR_FCHMODAT2, "fchmodat2"},
    CALL(fchown),
    CALL(fchownat),
    CALL(setxattr),
    CALL(lsetxattr),
    CALL(fsetxattr),
    {NR_SETXATTRAT, "setxattrat"},
    CALL(removexattr),
    CALL(lremovexattr),
    CALL(fremovexattr),
    {NR_REMOVEXATTRAT, "removexattrat"},
    {NR_FILE_SETATTR, "file_setattr"},
    /* the names of files that others make: Landlock does not hold it */
    CALL(inotify_init1),
    CALL(inotify_add_watch),
#ifdef SYS_inotify_init
    CALL(inotify_init),
#endif
#ifdef SYS_chmod
    CALL(chmod),
    CALL(chown),
    CALL(lchown),
#endif
};

static const struct call refused[] = {
    CALL(open_by_handle_at),
    CALL(quotactl),
    {NR_QUOTACTL_FD, "quotactl_fd"},
    /* other processes */
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(kcmp),
    {NR_PIDFD_GETFD, "pidfd_getfd"},
    {NR_PROCESS_MADVISE, "process_madvise"},
    /* out of the group that is killed when the job is over */
    CALL(setsid),
    CALL(setpgid),
    /* memory that no limit counts */
    CALL(shmget),
    CALL(msgget),
    CALL(semget),
    CALL(mq_open),
    {NR_MEMFD_SECRET, "memfd_secret"},
    /* the system's own */
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(chroot),
    {NR_OPEN_TREE, "open_tree"},
    {NR_MOVE_MOUNT, "move_mount"},
    {NR_FSOPEN, "fsopen"},
    {NR_FSCONFIG, "fsconfig"},
    {NR_FSMOUNT, "fsmount"},
    {NR_FSPICK, "fspick"},
    {NR_MOUNT_SETATTR, "mount_setattr"},
    {NR_OPEN_TREE_ATTR, "open_tree_attr"},
    CALL(unshare),
    CALL(setns),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    {NR_IO_URING_SETUP, "io_uring_setup"},
    {NR_IO_URING_ENTER, "io_uring_enter"},
    {NR_IO_URING_REGISTER, "io_uring_register"},
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(fanotify_init),
    CALL(reboot),
    CALL(kexec_load),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(swapon),
    CALL(swapoff),
    CALL(sethostname),
    CALL(setdomainname),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(clock_adjtime),
    CALL(adjtimex),
    CALL(acct),
    CALL(syslog),
    CALL(vhangup),
#ifdef SYS_iopl
    CALL(iopl),
    CALL(ioperm),
#endif
};

/* Refused by what their arguments say; here for their words. */
static const struct call looked_at[] = {
    CALL(socketpair), CALL(prctl), CALL(fcntl), CALL(ioctl), {NR_CLOSE_RANGE, "close_range"},
};
#undef CALL

static const struct {
  int nr;
  enum filter_kind kind;
  bool is_signal;
  const char *word;
} judged[] = {
    {SYS_clone, FILTER_SPAWN, false, "clone"},
#ifdef SYS_fork
    {SYS_fork, FILTER_SPAWN, false, "fork"},
    {SYS_vfork, FILTER_SPAWN, false, "vfork"},
#endif
    {SYS_kill, FILTER_TARGET, true, "kill"},
    {SYS_tkill, FILTER_TARGET, true, "tkill"},
    {SYS_tgkill, FILTER_TARGET, true, "tgkill"},
    {SYS_rt_sigqueueinfo, FILTER_TARGET, true, "rt_sigqueueinfo"},
    {SYS_rt_tgsigqueueinfo, FILTER_TARGET, true, "rt_tgsigqueueinfo"},
    {NR_PIDFD_OPEN, FILTER_TARGET, false, "pidfd_open"},
    {SYS_sched_setaffinity, FILTER_TARGET, false, "sched_setaffinity"},
    {SYS_sched_setscheduler, FILTER_TARGET, false, "sched_setscheduler"},
    {SYS_sched_setparam, FILTER_TARGET, false, "sched_setparam"},
    {SYS_sched_setattr, FILTER_TARGET, false, "sched_setattr"},
    {SYS_prlimit64, FILTER_TARGET, false, "prlimit64"},
    {SYS_migrate_pages, FILTER_TARGET, false, "migrate_pages"},
    {SYS_move_pages, FILTER_TARGET, false, "move_pages"},
    {SYS_setpriority, FILTER_WHO, false, "setpriority"},
    {SYS_ioprio_set, FILTER_WHO, false, "ioprio_set"},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum filter_kind filter_kind_of(int nr) {
  for (size_t i = 0; i < COUNT(judged); i++)
    if (judged[i].nr == nr)
      return judged[i].kind;
  return FILTER_REFUSE;
}

static const char *word_in(const struct call *calls, size_t count, int nr) {
  for (size_t i = 0; i < count; i++)
    if (calls[i].nr == nr)
      return calls[i].word;
  return NULL;
}

const char *filter_word(int nr) {
  const char *word = NULL;
  for (size_t i = 0; i < COUNT(judged); i++)
    if (judged[i].nr == nr)
      return judged[i].word;
  if ((word = word_in(of_network, COUNT(of_network), nr)) ||
      (word = word_in(of_files, COUNT(of_files), nr)) ||
      (word = word_in(refused, COUNT(refused), nr)) ||
      (word = word_in(looked_at, COUNT(looked_at), nr)))
    return word;
  return "a forbidden call";
}

/* ---- the program ---- */

enum { PROGRAM_MAX = 400 };
struct program {
  struct sock_filter code[PROGRAM_MAX];
  unsigned short len;
  uint32_t refuse, ask; /* what is returned for a refused call, and for one to be judged */
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
  p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void put_load(struct program *p, size_t offset) {
  put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* Both machines are little-endian: the low half of an argument comes first. */
static void put_load_arg(struct program *p, int i) {
  put_load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)i);
}

static void put_return(struct program *p, uint32_t action) {
  put(p, BPF_RET | BPF_K, action, 0, 0);
}

static void put_if_equal(struct program *p, uint32_t value, uint32_t action) {
  put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  put_return(p, action);
}

/* What follows up to put_end() is for this call. */
static unsigned short put_case(struct program *p, int nr) {
  put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 0);
  return p->len;
}

static void put_end(struct program *p, unsigned short start, uint32_t otherwise) {
  put_return(p, otherwise);
  p->code[start - 1].jf = (uint8_t)(p->len - start);
}

static void put_judged(struct program *p, bool signals_are_scoped) {
  for (size_t i = 0; i < COUNT(judged); i++) {
    if (judged[i].is_signal && signals_are_scoped)
      continue;
    unsigned short start = put_case(p, judged[i].nr);
    if (judged[i].nr == SYS_clone) {
      put_load_arg(p, 0);
      put(p, BPF_JMP | BPF_JSET | BPF_K, NEW_SPACES, 0, 1);
      put_return(p, p->refuse);
      /* A thread with files of its own: /proc/PID/fd does not show them. */
      put(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 2);
      put(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_FILES, 1, 0);
      put_return(p, p->refuse);
    } else if (judged[i].kind == FILTER_TARGET) { /* 0 is who calls, and his group */
      put_load_arg(p, 0);
      put_if_equal(p, 0, SECCOMP_RET_ALLOW);
    }
    put_end(p, start, p->ask);
  }
}

static void put_socketpair(struct program *p) {
  unsigned short start = put_case(p, SYS_socketpair);
  put_load_arg(p, 0);
  put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0);
  put_return(p, p->refuse);
  put_load_arg(p, 1);
  put(p, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
  put_if_equal(p, SOCK_DGRAM, p->refuse); /* those can be turned to any address */
  put_end(p, start, SECCOMP_RET_ALLOW);
}

/* Who clears the signal of his parent's death outlives it; one who is not dumpable cannot be
 * measured. */
static void put_prctl(struct program *p) {
  unsigned short start = put_case(p, SYS_prctl);
  put_load_arg(p, 0);
  put(p, BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 4);
  put_load_arg(p, 1);
  put_if_equal(p, SIGKILL, SECCOMP_RET_ALLOW);
  put_return(p, p->refuse);
  put_if_equal(p, PR_SET_DUMPABLE, p->refuse);
  put_end(p, start, SECCOMP_RET_ALLOW);
}

/* As above: files of its own. */
static void put_close_range(struct program *p) {
  unsigned short start = put_case(p, NR_CLOSE_RANGE);
  put_load_arg(p, 2);
  put(p, BPF_JMP | BPF_JSET | BPF_K, 2 /* CLOSE_RANGE_UNSHARE */, 0, 1);
  put_return(p, p->refuse);
  put_end(p, start, SECCOMP_RET_ALLOW);
}

static void put_refused(struct program *p, const struct call *calls, size_t count) {
  for (size_t i = 0; i < count; i++)
    put_if_equal(p, (uint32_t)calls[i].nr, p->refuse);
}

static void put_commands(struct program *p, int nr, const uint32_t *commands, size_t count) {
  unsigned short start = put_case(p, nr);
  put_load_arg(p, 1);
  for (size_t i = 0; i < count; i++)
    put_if_equal(p, commands[i], p->refuse);
  put_end(p, start, SECCOMP_RET_ALLOW);
}

static void build(struct program *p, const struct filter_wishes *w) {
  /* Signals for whoever is named, files that make others wait; input into a terminal, and settings
   * of an inode. */
  static const uint32_t fcntls[] = {8 /* F_SETOWN */, 15 /* F_SETOWN_EX */, 1024 /* F_SETLEASE */,
                                    1026 /* F_NOTIFY */};
  static const uint32_t ioctls[] = {
      0x8901 /* FIOSETOWN */, 0x8902 /* SIOCSPGRP */,           0x5412 /* TIOCSTI */,
      0x541c /* TIOCLINUX */, 0x40086602 /* FS_IOC_SETFLAGS */, 0x401c5820 /* FS_IOC_FSSETXATTR */};
  enum { OF_INODES = 2 }; /* of them, at the end */
  p->refuse = w->listen ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO | EPERM;
  put_load(p, offsetof(struct seccomp_data, arch));
  put(p, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
  put_return(p, SECCOMP_RET_ERRNO | EPERM);
  put_load(p, offsetof(struct seccomp_data, nr));
  put(p, BPF_JMP | BPF_JGE | BPF_K, ALIEN_NRS, 0, 1);
  put_return(p, SECCOMP_RET_ERRNO | EPERM);
  put_if_equal(p, NR_CLONE3, SECCOMP_RET_ERRNO | ENOSYS); /* its arguments cannot be seen; libc then
                                                             uses clone() */
  if (!w->network)
    put_refused(p, of_network, COUNT(of_network));
  if (!w->files)
    put_refused(p, of_files, COUNT(of_files));
  put_refused(p, refused, COUNT(refused));
  p->ask = w->listen ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
  put_judged(p, w->signals_are_scoped);
  if (!w->network)
    put_socketpair(p);
  put_prctl(p);
  put_close_range(p);
  put_commands(p, SYS_fcntl, fcntls, COUNT(fcntls));
  put_commands(p, SYS_ioctl, ioctls, COUNT(ioctls) - (w->files ? OF_INODES : 0));
  put_return(p, SECCOMP_RET_ALLOW);
}

/* ---- into the kernel ---- */

static long install(const struct program *p, unsigned flags) {
  struct sock_fprog program = {.len = p->len, .filter = (struct sock_filter *)(uintptr_t)p->code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int filter_install(const struct filter_wishes *wishes) {
#ifdef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
  const unsigned patient = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
#else
  const unsigned patient = 0;
#endif
#ifdef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
  const unsigned all_threads = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
#else
  const unsigned all_threads = 0;
#endif
  struct program p = {0};
  struct filter_wishes deaf = *wishes;
  if (wishes->listen) {
    build(&p, wishes);
    long fd = install(&p, SECCOMP_FILTER_FLAG_NEW_LISTENER | patient | all_threads);
    if (fd < 0 && (errno == EINVAL || errno == ESRCH)) /* an older kernel, or one does not fit */
      fd = install(&p, SECCOMP_FILTER_FLAG_NEW_LISTENER | patient);
    if (fd < 0 && errno == EINVAL) /* an older kernel: a signal may repeat a question */
      fd = install(&p, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (fd >= 0)
      return (int)fd;
    p = (struct program){0}; /* an outer filter may have taken the only listener */
  }
  deaf.listen = false;
  build(&p, &deaf);
  return install(&p, all_threads) < 0 && install(&p, 0) < 0 ? -2 : -1;
}

int filter_end_passing(void) {
  struct program p = {0};
  const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  put_load(&p, offsetof(struct seccomp_data, nr));
  put_if_equal(&p, SYS_sendmsg, refuse);
  put_if_equal(&p, SYS_sendmmsg, refuse);
  put_return(&p, SECCOMP_RET_ALLOW);
  if (install(&p, SECCOMP_FILTER_FLAG_TSYNC) == 0)
    return 0;
  return install(&p, 0) == 0 ? 0 : -1; /* a thread has a filter of its own */
}

static bool has_action(uint32_t action) {
  return OUR_ARCH && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool filter_is_known(void) {
  return has_action(SECCOMP_RET_ERRNO);
}

bool filter_can_listen(void) {
  return has_action(SECCOMP_RET_USER_NOTIF);
}
