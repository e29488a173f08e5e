/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

bool proc_read(const char *path, char *out, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;
  out[n > 0 ? n : 0] = '\0';
  if (fd >= 0)
    close(fd);
  return n > 0;
}

static bool read_children(const char *path, struct proc_children *out) {
  FILE *list = fopen(path, "re");
  size_t cap = 0;
  char piece[4096]; /* what the kernel gives at a time */
  *out = (struct proc_children){0};
  if (!list)
    return false;
  setvbuf(list, piece, _IOFBF, sizeof piece);
  for (int pid; fscanf(list, "%d", &pid) == 1;) {
    if (out->count == cap)
      out->pids = mem_grow(out->pids, (cap = cap ? cap * 2 : 16) * sizeof *out->pids);
    out->pids[out->count++] = pid;
  }
  fclose(list);
  return true;
}

bool proc_children_of(pid_t pid, const char *thread, struct proc_children *out) {
  char path[80];
  snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid, thread);
  return read_children(path, out);
}

bool proc_own_children(struct proc_children *out) {
  return read_children("/proc/thread-self/children", out);
}

int64_t proc_cpu_us(const struct rusage *used) {
  return (used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000000LL + used->ru_utime.tv_usec +
         used->ru_stime.tv_usec;
}

bool proc_reap(pid_t pid, int64_t *cpu_us) {
  struct rusage used = {0};
  if (wait4(pid, NULL, WNOHANG, &used) != pid)
    return false;
  *cpu_us += proc_cpu_us(&used);
  return true;
}
