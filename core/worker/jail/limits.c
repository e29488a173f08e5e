/* SPDX-License-Identifier: MIT */
#include "worker/jail/limits.h"

#include "worker/secrets.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* AddressSanitizer and ThreadSanitizer map terabytes: a limit on the address space would end them.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW 1
#endif
#endif
#ifndef HAS_SHADOW
#define HAS_SHADOW 0
#endif

static void set(int resource, int64_t value, bool for_good) {
  struct rlimit now;
  if (getrlimit(resource, &now) < 0)
    return;
  rlim_t want = value > 0 ? (rlim_t)value : now.rlim_max;
  if (now.rlim_max != RLIM_INFINITY && want > now.rlim_max)
    want = now.rlim_max;
  now.rlim_cur = want;
  if (for_good && value > 0)
    now.rlim_max = want;
  setrlimit(resource, &now);
}

/* What counts is what a job holds, and its guard looks at that ten times a second: addresses are
 * reserved by the terabyte by what never uses them.  So this is a net alone: an allocation of a
 * size that a broken file gives is refused at once. */
#define ADDRESSES_BESIDE (INT64_C(4) << 40)

void limits_of_child(const struct wire_limits *l, bool turns) {
  if (l->memory > 0 && l->memory < INT64_MAX - ADDRESSES_BESIDE && !HAS_SHADOW)
    set(RLIMIT_AS, l->memory + ADDRESSES_BESIDE, true);
  if (l->output_bytes > 0)
    set(RLIMIT_FSIZE, l->output_bytes, true);
  if (l->cpu_ms > 0) {
    /* SIGXCPU at the soft limit says why; the hard one, a second later, kills who ignores it. */
    int64_t seconds = (l->cpu_ms + 999) / 1000;
    set(RLIMIT_CPU, seconds, false);
    struct rlimit cpu;
    if (!turns && getrlimit(RLIMIT_CPU, &cpu) == 0) {
      cpu.rlim_max = cpu.rlim_cur + 1;
      setrlimit(RLIMIT_CPU, &cpu);
    }
  }
}

void limits_of_resident(const struct wire_limits *l) {
  static int64_t output_bytes; /* what is set now */
  if (l->output_bytes != output_bytes)
    set(RLIMIT_FSIZE, l->output_bytes, false);
  output_bytes = l->output_bytes;
}

void limits_let_look(void) {
  if (!secrets_any())
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Of root's capabilities those stay that programs started by plugins may use on files, users and
 * resources; none to look into other processes, the kernel or devices. */
static void drop_capabilities(void) {
  const uint64_t keep = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |
                        1u << CAP_FSETID | 1u << CAP_KILL | 1u << CAP_SETGID | 1u << CAP_SETUID |
                        1u << CAP_NET_BIND_SERVICE | 1u << CAP_IPC_LOCK | 1u << CAP_SYS_NICE |
                        1u << CAP_SYS_RESOURCE;
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct set[2];
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
    if (c > 63 || !(keep >> c & 1))
      prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* without the right to it there is nothing to drop */
  if (syscall(SYS_capget, &head, set) < 0)
    return;
  for (int i = 0; i < 2; i++) {
    set[i].permitted &= (uint32_t)(keep >> 32 * i);
    set[i].effective &= set[i].permitted;
    set[i].inheritable &= set[i].permitted;
  }
  syscall(SYS_capset, &head, set);
}

void limits_of_worker(int nice_value) {
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (nice_value && nice(nice_value) == -1) {
    /* A priority is a wish: without the right to it the work is done all the same. */
  }
  drop_capabilities(); /* last: a higher priority needs one */
}
