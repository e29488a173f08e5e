/* SPDX-License-Identifier: MIT */
#include "worker/usage.h"

#include "worker/group.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEPTH_MOST 32

/* Reads a file of /proc into `text`, ended by a NUL; "" when it is gone. */
static void read_proc(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;
  text[n > 0 ? n : 0] = '\0';
  if (fd >= 0)
    close(fd);
}

/* User and system time, its own and of the children that it reaped, in ticks. */
static int64_t ticks_of(long pid) {
  char path[64], text[1024];
  long long t[4] = {0};
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  read_proc(path, text, sizeof text);
  const char *after = strrchr(text, ')'); /* the name may hold anything */
  if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld",
                       &t[0], &t[1], &t[2], &t[3]) != 4)
    return 0;
  return t[0] + t[1] + t[2] + t[3];
}

/* As the process sees it: pages that others hold too count whole. */
static int64_t resident_of(long pid) {
  char path[64], text[128];
  long long pages = 0;
  snprintf(path, sizeof path, "/proc/%ld/statm", pid);
  read_proc(path, text, sizeof text);
  return sscanf(text, "%*d %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

/* Pages that others hold too in part. */
static int64_t share_of(long pid) {
  int64_t share = group_share((pid_t)pid);
  return share >= 0 ? share : resident_of(pid);
}

typedef int64_t measure(long pid);

static int64_t sum_below(long pid, int depth, measure *of);

/* Those that one thread started. */
static int64_t sum_below_thread(long pid, const char *thread, int depth, measure *of) {
  char path[128], text[4096], *at = text, *end;
  int64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", pid, thread);
  read_proc(path, text, sizeof text);
  for (long child; (child = strtol(at, &end, 10)) > 0; at = end)
    sum += of(child) + sum_below(child, depth + 1, of);
  return sum;
}

static int64_t sum_below(long pid, int depth, measure *of) {
  char path[64];
  int64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%ld/task", pid);
  DIR *threads = depth < DEPTH_MOST ? opendir(path) : NULL;
  for (const struct dirent *d; threads && (d = readdir(threads)) != NULL;)
    if (isdigit((unsigned char)d->d_name[0]))
      sum += sum_below_thread(pid, d->d_name, depth, of);
  if (threads)
    closedir(threads);
  return sum;
}

int64_t usage_below_us(void) {
  struct rusage reaped;
  int64_t us = sum_below(getpid(), 0, ticks_of) * 1000000 / sysconf(_SC_CLK_TCK);
  if (getrusage(RUSAGE_CHILDREN, &reaped) == 0)
    us += (reaped.ru_utime.tv_sec + reaped.ru_stime.tv_sec) * 1000000LL + reaped.ru_utime.tv_usec +
          reaped.ru_stime.tv_usec;
  return us;
}

int64_t usage_memory(int64_t enough) {
  int64_t sum = resident_of(getpid());
  sum += sum_below(getpid(), 0, resident_of);
  if (sum <= enough)
    return sum;
  return share_of(getpid()) + sum_below(getpid(), 0, share_of);
}
