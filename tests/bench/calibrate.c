/* SPDX-License-Identifier: MIT
 *
 * What this machine does at this moment, in the two things that rows of the benchmark depend on.
 *
 *   calibrate FOLDER
 *
 * Prints one JSON object; each figure is of a tenth of a second:
 *   syncs    4 KiB written and fdatasync'ed in FOLDER, per second
 *   work     MiB hashed per second by all processors together, out of their caches
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* How often `once` can be done in a second. */
static double rate(void (*once)(void *), void *context) {
  double begin = now(), end;
  int count = 0;
  do {
    once(context);
    count++;
    end = now();
  } while (end - begin < 0.1);
  return count / (end - begin);
}

static void sync_once(void *context) {
  static const char block[4096];
  int fd = *(int *)context;
  if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd))
    die("calibrate: write");
}

enum { CHUNK = 1 << 20 };

/* The hash goes back into the buffer, so that no compiler leaves the loop out. */
static void hash_once(void *context) {
  uint8_t *bytes = context;
  uint64_t hash = 0xcbf29ce484222325U;
  for (size_t i = 0; i < CHUNK; i++)
    hash = (hash ^ bytes[i]) * 0x100000001b3U;
  bytes[0] = (uint8_t)hash;
}

static double syncs(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/calibrate", folder);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    die(path);
  double result = rate(sync_once, &fd);
  close(fd);
  unlink(path);
  return result;
}

/* Of all processors at once, since a daemon and its clients use all. */
static double work(void) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int results[2];
  if (pipe2(results, O_CLOEXEC))
    die("calibrate: pipe");
  for (long i = 0; i < processors; i++) {
    pid_t child = fork();
    if (child < 0)
      die("calibrate: fork");
    if (child == 0) {
      uint8_t *bytes = calloc(1, CHUNK);
      double mine = bytes ? rate(hash_once, bytes) : 0;
      _exit(write(results[1], &mine, sizeof mine) != (ssize_t)sizeof mine);
    }
  }
  double sum = 0, one;
  for (long i = 0; i < processors; i++) {
    if (read(results[0], &one, sizeof one) != (ssize_t)sizeof one)
      die("calibrate: read");
    sum += one;
  }
  while (wait(NULL) > 0)
    ;
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: calibrate FOLDER\n");
    return 2;
  }
  printf("{\"syncs\": %.0f, \"work\": %.1f}\n", syncs(argv[1]), work());
  return 0;
}
