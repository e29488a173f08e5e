/* SPDX-License-Identifier: MIT
 *
 * The load generator of the benchmark: N connections, one request outstanding on
 * each, over one epoll loop.  It speaks just enough HTTP/1.1 for lathed and just
 * enough of the beanstalk protocol to measure the peer in the same run.
 *
 *   load MODE PORT CONNECTIONS SECONDS [BODY]
 *
 *   submit     POST /api/jobs/echo, counts 202
 *   wait       the same with `Prefer: wait=60`, counts 200 (job end to end)
 *   bput       beanstalkd put
 *   bcycle     beanstalkd put, reserve, delete
 *
 * Prints one JSON object: count, seconds, per_second, p50_us, p99_us, errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RESPONSE_MAX = 64 * 1024, STEPS_MAX = 3 };

struct connection {
  int fd;
  int step; /* which request of the cycle is outstanding */
  int64_t started_us;
  size_t len;
  char in[RESPONSE_MAX];
  char job[32]; /* beanstalkd: id to delete */
};

/* How a protocol asks and how it knows that the answer is whole. */
struct mode {
  const char *name;
  int steps;
  size_t (*request)(const struct connection *c, char *out, size_t size);
  /* Bytes of a whole response at the start of in[], 0: not whole yet; *ok: as expected. */
  size_t (*response)(struct connection *c, bool *ok);
};

struct load {
  const struct mode *mode;
  int port, connections;
  double seconds;
  int64_t deadline_us;
  uint64_t count, errors;
  uint32_t *latencies; /* microseconds */
  size_t latency_count, latency_cap;
};

static const char *body_text = "{}";

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static size_t http_request(const char *prefer, char *out, size_t size) {
  return (size_t)snprintf(out, size,
                          "POST /api/jobs/echo HTTP/1.1\r\nHost: 127.0.0.1\r\n%s"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          prefer, strlen(body_text), body_text);
}

static size_t submit_request(const struct connection *c, char *out, size_t size) {
  (void)c;
  return http_request("", out, size);
}

static size_t wait_request(const struct connection *c, char *out, size_t size) {
  (void)c;
  return http_request("Prefer: wait=60\r\n", out, size);
}

static size_t http_response(struct connection *c, const char *status, bool *ok) {
  c->in[c->len] = 0;
  const char *end = strstr(c->in, "\r\n\r\n");
  if (!end)
    return 0;
  const char *length = strcasestr(c->in, "content-length:");
  size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
  size_t whole = (size_t)(end - c->in) + 4 + body;
  if (c->len < whole)
    return 0;
  *ok = !strncmp(c->in + 9, status, 3);
  if (!*ok && getenv("LOAD_VERBOSE"))
    fprintf(stderr, "%s\n", c->in);
  return whole;
}

static size_t submit_response(struct connection *c, bool *ok) {
  return http_response(c, "202", ok);
}

static size_t wait_response(struct connection *c, bool *ok) {
  size_t n = http_response(c, "200", ok);
  if (n && *ok && !strstr(c->in, "\"completed\""))
    *ok = false;
  return n;
}

static size_t beanstalk_request(const struct connection *c, char *out, size_t size) {
  if (c->step == 0)
    return (size_t)snprintf(out, size, "put 0 0 60 %zu\r\n%s\r\n", strlen(body_text), body_text);
  if (c->step == 1)
    return (size_t)snprintf(out, size, "reserve\r\n");
  return (size_t)snprintf(out, size, "delete %s\r\n", c->job);
}

static size_t beanstalk_response(struct connection *c, bool *ok) {
  static const char *const expected[STEPS_MAX] = {"INSERTED ", "RESERVED ", "DELETED"};
  c->in[c->len] = 0;
  char *end = strstr(c->in, "\r\n");
  if (!end)
    return 0;
  size_t whole = (size_t)(end - c->in) + 2;
  *ok = !strncmp(c->in, expected[c->step], strlen(expected[c->step]));
  if (c->step == 1 && *ok) {
    size_t bytes = 0;
    if (sscanf(c->in, "RESERVED %31s %zu", c->job, &bytes) != 2)
      *ok = false;
    whole += bytes + 2;
    if (c->len < whole)
      return 0;
  }
  return whole;
}

static const struct mode modes[] = {
    {"submit", 1, submit_request, submit_response},
    {"wait", 1, wait_request, wait_response},
    {"bput", 1, beanstalk_request, beanstalk_response},
    {"bcycle", 3, beanstalk_request, beanstalk_response},
};

static void send_request(struct load *l, struct connection *c) {
  char out[8192];
  size_t len = l->mode->request(c, out, sizeof out);
  if (c->step == 0)
    c->started_us = now_us();
  if (send(c->fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
    die("send");
}

static void record(struct load *l, int64_t us) {
  if (l->latency_count == l->latency_cap) {
    l->latency_cap = l->latency_cap ? l->latency_cap * 2 : 65536;
    l->latencies = realloc(l->latencies, l->latency_cap * sizeof *l->latencies);
    if (!l->latencies)
      die("realloc");
  }
  l->latencies[l->latency_count++] = (uint32_t)us;
}

/* Returns false when the connection has nothing more to do. */
static bool on_readable(struct load *l, struct connection *c) {
  ssize_t n = recv(c->fd, c->in + c->len, RESPONSE_MAX - 1 - c->len, 0);
  if (n < 0 && errno == EAGAIN)
    return true;
  if (n <= 0)
    die("the server closed a connection");
  c->len += (size_t)n;
  bool ok = false;
  size_t used = l->mode->response(c, &ok);
  if (!used)
    return true;
  memmove(c->in, c->in + used, c->len - used);
  c->len -= used;
  if (!ok)
    l->errors++;
  if (++c->step == l->mode->steps) {
    c->step = 0;
    l->count++;
    int64_t now = now_us();
    record(l, now - c->started_us);
    if (now >= l->deadline_us)
      return false;
  }
  send_request(l, c);
  return true;
}

static int dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
    die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static uint32_t percentile(const struct load *l, double p) {
  return l->latency_count ? l->latencies[(size_t)(p * (double)(l->latency_count - 1))] : 0;
}

static void run(struct load *l) {
  struct connection *all = calloc((size_t)l->connections, sizeof *all);
  int ep = epoll_create1(EPOLL_CLOEXEC);
  if (!all || ep < 0)
    die("epoll_create1");
  for (int i = 0; i < l->connections; i++) {
    all[i].fd = dial(l->port);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, all[i].fd, &e))
      die("epoll_ctl");
  }
  int64_t begin = now_us();
  l->deadline_us = begin + (int64_t)(l->seconds * 1e6);
  for (int i = 0; i < l->connections; i++)
    send_request(l, &all[i]);
  int open = l->connections;
  while (open > 0) {
    struct epoll_event events[256];
    int n = epoll_wait(ep, events, 256, 90000);
    if (n == 0) {
      errno = ETIMEDOUT;
      die("no answer for 90 s");
    }
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (!on_readable(l, c)) {
        close(c->fd);
        open--;
      }
    }
  }
  l->seconds = (double)(now_us() - begin) / 1e6;
  free(all);
  close(ep);
}

int main(int argc, char **argv) {
  struct load l = {0};
  for (size_t i = 0; argc >= 5 && i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(argv[1], modes[i].name))
      l.mode = &modes[i];
  if (!l.mode) {
    fprintf(stderr, "usage: load submit|wait|bput|bcycle PORT CONNECTIONS SECONDS [BODY]\n");
    return 2;
  }
  l.port = atoi(argv[2]);
  l.connections = atoi(argv[3]);
  l.seconds = atof(argv[4]);
  if (argc > 5)
    body_text = argv[5];
  signal(SIGPIPE, SIG_IGN);
  run(&l);
  qsort(l.latencies, l.latency_count, sizeof *l.latencies, compare);
  printf(
      "{\"mode\": \"%s\", \"connections\": %d, \"count\": %llu, \"errors\": %llu, "
      "\"seconds\": %.3f, \"per_second\": %.0f, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
      l.mode->name, l.connections, (unsigned long long)l.count, (unsigned long long)l.errors,
      l.seconds, (double)l.count / l.seconds, percentile(&l, 0.5), percentile(&l, 0.99),
      percentile(&l, 1.0));
  free(l.latencies);
  return l.errors ? 1 : 0;
}
