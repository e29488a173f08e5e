/* SPDX-License-Identifier: MIT */
#include "worker/usage.h"

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

static int64_t ticks_below(long pid, int depth);

/* Those that one thread started. */
static int64_t ticks_below_thread(long pid, const char *thread, int depth) {
  char path[128], text[4096], *at = text, *end;
  int64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", pid, thread);
  read_proc(path, text, sizeof text);
  for (long child; (child = strtol(at, &end, 10)) > 0; at = end)
    sum += ticks_of(child) + ticks_below(child, depth + 1);
  return sum;
}

static int64_t ticks_below(long pid, int depth) {
  char path[64];
  int64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%ld/task", pid);
  DIR *threads = depth < DEPTH_MOST ? opendir(path) : NULL;
  for (const struct dirent *d; threads && (d = readdir(threads)) != NULL;)
    if (isdigit((unsigned char)d->d_name[0]))
      sum += ticks_below_thread(pid, d->d_name, depth);
  if (threads)
    closedir(threads);
  return sum;
}

int64_t usage_below_us(void) {
  struct rusage reaped;
  int64_t us = ticks_below(getpid(), 0) * 1000000 / sysconf(_SC_CLK_TCK);
  if (getrusage(RUSAGE_CHILDREN, &reaped) == 0)
    us += (reaped.ru_utime.tv_sec + reaped.ru_stime.tv_sec) * 1000000LL + reaped.ru_utime.tv_usec +
          reaped.ru_stime.tv_usec;
  return us;
}
