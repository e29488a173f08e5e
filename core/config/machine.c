/* SPDX-License-Identifier: MIT
 *
 * What this process may use of the machine: a container's share where there is one.
 */
#include "base/mem.h"
#include "base/path.h"
#include "config/private.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char cgroup_root[] = "/sys/fs/cgroup";

/* Calls `read` for each cgroup v2 folder from this process's up to the root. */
static void machine_each_cgroup(void (*read)(const char *folder, void *arg), void *arg) {
  char *text;
  if (path_read_file("/proc/self/cgroup", 65536, &text, NULL, NULL) != 0)
    return;
  char *group = strstr(text, "0::/");
  if (group) {
    group += 3;
    group[strcspn(group, "\n")] = '\0';
    char *folder = mem_printf("%s%s", cgroup_root, group);
    while (strlen(folder) > sizeof(cgroup_root) - 1) {
      read(folder, arg);
      char *slash = strrchr(folder, '/');
      *slash = '\0';
    }
    read(cgroup_root, arg);
    free(folder);
  }
  free(text);
}

/* The file's text, "" when there is none.  The caller frees. */
static char *machine_read(const char *folder, const char *name) {
  char *path = path_join(folder, name), *text;
  if (path_read_file(path, 4096, &text, NULL, NULL) != 0)
    text = mem_dup("");
  free(path);
  return text;
}

static void machine_cgroup_cpus(const char *folder, void *arg) {
  int *cpus = arg;
  char *text = machine_read(folder, "cpu.max"), *end; /* "200000 100000" or "max 100000" */
  double quota = strtod(text, &end), period = end > text ? strtod(end, NULL) : 0;
  if (quota > 0 && period > 0) {
    int share = (int)(quota / period + 0.999);
    if (share < *cpus)
      *cpus = share;
  }
  free(text);
}

int machine_cpus(void) {
  cpu_set_t set;
  int cpus = 0;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    cpus = CPU_COUNT(&set);
  if (cpus <= 0) /* also more CPUs than a cpu_set_t holds */
    cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
  machine_each_cgroup(machine_cgroup_cpus, &cpus);
  return cpus > 0 ? cpus : 1;
}

static void machine_take_less(int64_t *bytes, char *text) {
  char *end;
  long long limit = strtoll(text, &end, 10);
  if (end > text && limit > 0 && limit < *bytes)
    *bytes = limit;
  free(text);
}

static void machine_cgroup_memory(const char *folder, void *arg) {
  machine_take_less(arg, machine_read(folder, "memory.max"));
}

int64_t machine_memory(void) {
  int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  machine_each_cgroup(machine_cgroup_memory, &bytes);
  machine_take_less(&bytes, machine_read(cgroup_root, "memory/memory.limit_in_bytes")); /* v1 */
  return bytes;
}
