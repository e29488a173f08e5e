/* SPDX-License-Identifier: MIT */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int count_entries(const char *folder, int *sockets) {
  DIR *dir = opendir(folder);
  int n = 0;
  if (!dir)
    return 0;
  for (struct dirent *e; (e = readdir(dir));) {
    char target[64] = "";
    if (e->d_name[0] == '.')
      continue;
    n++;
    if (sockets && readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1) > 0)
      *sockets += strncmp(target, "socket:", 7) == 0;
  }
  closedir(dir);
  return n;
}

static int64_t anonymous_bytes(void) {
  char line[200];
  long long kb = 0;
  FILE *f = fopen("/proc/self/status", "re");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "RssAnon: %lld", &kb) == 1)
      break;
  if (f)
    fclose(f);
  return kb * 1024;
}

void proc_count(struct proc_counts *out) {
  struct mallinfo2 heap = mallinfo2();
  *out = (struct proc_counts){
      .heap = (int64_t)(heap.uordblks + heap.hblkhd),
      .anonymous = anonymous_bytes(),
      .threads = count_entries("/proc/self/task", NULL),
  };
  out->files = count_entries("/proc/self/fd", &out->sockets);
}

bool proc_has_children(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

int64_t proc_waited_us(void) {
  unsigned long long ran, waited = 0;
  FILE *f = fopen("/proc/self/schedstat", "re");
  if (!f)
    return 0;
  if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
    waited = 0;
  fclose(f);
  return (int64_t)(waited / 1000);
}
