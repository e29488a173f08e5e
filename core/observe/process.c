/* SPDX-License-Identifier: MIT */
#include "observe/process.h"

#include "base/path.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The field of /proc/self/stat by its number in proc(5); 3 and above. */
static unsigned long long process_field(const char *stat, int number) {
  const char *p = strrchr(stat, ')'); /* the name before it may hold anything */
  for (int field = 2; p && field < number; field++)
    p = strchr(p + 1, ' ');
  return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* Seconds since the epoch at which the machine started, 0 when unknown. */
static double process_boot_time(void) {
  char *text;
  double seconds = 0;
  if (path_read_file("/proc/stat", 16 << 20, &text, NULL, NULL) != 0)
    return 0;
  const char *line = strstr(text, "\nbtime ");
  if (line)
    seconds = strtod(line + 7, NULL);
  free(text);
  return seconds;
}

static int process_open_files(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (!dir)
    return 0;
  for (const struct dirent *e; (e = readdir(dir));)
    count += e->d_name[0] != '.';
  closedir(dir);
  return count - 1; /* not the one just opened */
}

static void process_metric(struct buf *out, const char *name, const char *type, const char *help,
                           double value) {
  buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

void process_render(struct buf *out) {
  char *stat;
  if (path_read_file("/proc/self/stat", 65536, &stat, NULL, NULL) != 0)
    return;
  double tick = (double)sysconf(_SC_CLK_TCK);
  double cpu = (double)(process_field(stat, 14) + process_field(stat, 15)) / tick;
  double started = process_boot_time() + (double)process_field(stat, 22) / tick;
  double virtual_bytes = (double)process_field(stat, 23);
  double resident = (double)process_field(stat, 24) * (double)sysconf(_SC_PAGESIZE);
  free(stat);
  struct rlimit files = {0};
  getrlimit(RLIMIT_NOFILE, &files);

  process_metric(out, "process_cpu_seconds_total", "counter",
                 "User and system CPU time of the daemon.", cpu);
  process_metric(out, "process_resident_memory_bytes", "gauge", "Resident memory of the daemon.",
                 resident);
  process_metric(out, "process_virtual_memory_bytes", "gauge", "Address space of the daemon.",
                 virtual_bytes);
  process_metric(out, "process_start_time_seconds", "gauge",
                 "When the daemon started, since the epoch.", started);
  process_metric(out, "process_open_fds", "gauge", "Open file descriptors of the daemon.",
                 process_open_files());
  process_metric(out, "process_max_fds", "gauge", "Most file descriptors that it may open.",
                 (double)files.rlim_cur);
}
