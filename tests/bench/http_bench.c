/* SPDX-License-Identifier: MIT
 *
 * What the HTTP room alone can do: http_bench [SECONDS] [CONNECTIONS] [STREAMS]
 *
 * A child process serves, this one asks over keep-alive connections with one request outstanding
 * on each.  `static` is answered inside the handler; `commit` by another thread that takes all
 * that wait at once, as the store's group commit does.  Then STREAMS clients open an event stream
 * and one event goes to each.
 */
#include "base/mem.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, STREAMS_MAX = 30000 };

/* ---- the server ---- */

struct server {
  uv_loop_t loop;
  struct http *http;
  uv_async_t committed;
  uv_thread_t writer;
  uv_mutex_t lock;
  uv_cond_t more;
  struct http_request *waiting[4096], *done[4096];
  size_t waiting_count, done_count;
  struct http_stream *streams[STREAMS_MAX];
  size_t stream_count;
};

static void reply_json(struct http_request *r, int status) {
  struct buf b = {0};
  buf_puts(&b,
           "{\"job_id\":\"01JD0000000000000000000000\",\"status\":\"queued\",\"kind\":\"echo\"}");
  http_reply(r, status, "application/json", &b);
}

static void on_static(void *ctx, struct http_request *r) {
  (void)ctx;
  reply_json(r, 200);
}

static void on_commit(void *ctx, struct http_request *r) {
  struct server *s = ctx;
  uv_mutex_lock(&s->lock);
  if (s->waiting_count++ == 0)
    uv_cond_signal(&s->more);
  s->waiting[s->waiting_count - 1] = r;
  uv_mutex_unlock(&s->lock);
}

static void write_groups(void *arg) {
  struct server *s = arg;
  for (;;) {
    uv_mutex_lock(&s->lock);
    while (s->waiting_count == 0 || s->done_count)
      uv_cond_wait(&s->more, &s->lock);
    memcpy(s->done, s->waiting, s->waiting_count * sizeof *s->done);
    s->done_count = s->waiting_count;
    s->waiting_count = 0;
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->committed);
  }
}

static void on_committed(uv_async_t *async) {
  struct server *s = async->data;
  for (size_t i = 0; i < s->done_count; i++) /* the writer waits for it to be 0 */
    reply_json(s->done[i], 202);
  uv_mutex_lock(&s->lock);
  s->done_count = 0;
  uv_cond_signal(&s->more);
  uv_mutex_unlock(&s->lock);
}

static void on_gone(void *arg) {
  (void)arg;
}

static void on_stream(void *ctx, struct http_request *r) {
  struct server *s = ctx;
  static const struct http_stream_events events = {.closed = on_gone};
  struct http_stream *out = http_stream_begin(r, 200, "text/event-stream", &events);
  http_stream_write(out, "retry: 2000\n\n", 13);
  if (s->stream_count < STREAMS_MAX)
    s->streams[s->stream_count++] = out;
}

static void on_event(void *ctx, struct http_request *r) {
  struct server *s = ctx;
  static const char event[] = "event: progress\nid: 1\ndata: {\"percent\":50}\n\n";
  for (size_t i = 0; i < s->stream_count; i++)
    http_stream_write(s->streams[i], event, sizeof event - 1);
  reply_json(r, 200);
}

static void serve(int port_out) {
  static const struct http_route routes[] = {
      {.method = "GET", .pattern = "/static", .handler = on_static},
      {.method = "POST", .pattern = "/commit", .handler = on_commit, .body = HTTP_BODY_BUFFER},
      {.method = "GET", .pattern = "/events", .handler = on_stream},
      {.method = "GET", .pattern = "/event", .handler = on_event},
      {.method = NULL},
  };
  struct server *s = mem_alloc(sizeof *s);
  struct err err;
  uv_loop_init(&s->loop);
  uv_mutex_init(&s->lock);
  uv_cond_init(&s->more);
  uv_async_init(&s->loop, &s->committed, on_committed);
  s->committed.data = s;
  uv_thread_create(&s->writer, write_groups, s);
  const struct http_options options = {.host = "127.0.0.1",
                                       .body_max = 1 << 20,
                                       .upload_max = 1 << 20,
                                       .connections_max = STREAMS_MAX + 1000,
                                       .routes = routes,
                                       .ctx = s};
  if (http_open(&s->http, &s->loop, &options, &err)) {
    fprintf(stderr, "http_bench: %s\n", err.text);
    exit(1);
  }
  int port = http_port(s->http);
  if (write(port_out, &port, sizeof port) != sizeof port)
    exit(1);
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

/* ---- the client ---- */

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int dial(int port) {
  const struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to)) {
    perror("http_bench: connect");
    exit(1);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void ask(int fd, const char *request, size_t len) {
  if (write(fd, request, len) != (ssize_t)len)
    exit(1);
}

static int compare(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

static double cpu_of(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *f = fopen(path, "r");
  size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
  if (f)
    fclose(f);
  text[len] = 0;
  const char *p = strrchr(text, ')');
  long user = 0, system = 0;
  if (p)
    sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Replies are whole when their small body is there; all are alike, so the first one's size counts.
 */
static void measure(const char *name, pid_t pid, int port, int connections, double seconds,
                    const char *request) {
  static int latency[SAMPLES];
  size_t len = strlen(request), samples = 0;
  int epoll = epoll_create1(0), fds[1024];
  int64_t sent[1024], begun = now_us(), count = 0;
  double cpu = cpu_of(pid);
  for (int i = 0; i < connections; i++) {
    fds[i] = dial(port);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i],
              &(struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i});
    sent[i] = now_us();
    ask(fds[i], request, len);
  }
  int64_t until = begun + (int64_t)(seconds * 1e6), now = begun;
  while (now < until) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, 100);
    now = now_us();
    for (int i = 0; i < n; i++) {
      uint32_t at = events[i].data.u32;
      char in[4096];
      if (read(fds[at], in, sizeof in) < 16 || memcmp(in, "HTTP/1.1 20", 11) != 0) {
        fprintf(stderr, "http_bench: a request failed\n");
        exit(1);
      }
      if (samples < SAMPLES)
        latency[samples++] = (int)(now - sent[at]);
      count++;
      sent[at] = now;
      ask(fds[at], request, len);
    }
  }
  double took = (double)(now - begun) / 1e6;
  qsort(latency, samples, sizeof *latency, compare);
  printf("| %s | %d | %.0f | %.1f | %d | %d |\n", name, connections, (double)count / took,
         (cpu_of(pid) - cpu) * 1e6 / (double)(count ? count : 1),
         samples ? latency[samples / 2] : 0, samples ? latency[samples * 99 / 100] : 0);
  for (int i = 0; i < connections; i++)
    close(fds[i]);
  close(epoll);
}

static long resident_kb(pid_t pid) {
  char path[64], line[256];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f))
    sscanf(line, "VmRSS: %ld", &kb);
  if (f)
    fclose(f);
  return kb;
}

static void read_until(int fd, const char *what) {
  char in[4096];
  size_t len = 0;
  ssize_t n;
  while (len < sizeof in - 1 && (n = read(fd, in + len, sizeof in - 1 - len)) > 0) {
    len += (size_t)n;
    in[len] = 0;
    if (strstr(in, what))
      return;
  }
  fprintf(stderr, "http_bench: a stream broke off\n");
  exit(1);
}

static void measure_streams(pid_t pid, int port, int count) {
  static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
  int *fds = mem_array((size_t)count, sizeof *fds);
  long before = resident_kb(pid);
  for (int i = 0; i < count; i++) {
    fds[i] = dial(port);
    ask(fds[i], request, sizeof request - 1);
    read_until(fds[i], "retry");
  }
  long open_kb = resident_kb(pid);
  int fd = dial(port);
  int64_t begun = now_us();
  ask(fd, "GET /event HTTP/1.1\r\nHost: localhost\r\n\r\n", 41);
  for (int i = 0; i < count; i++)
    read_until(fds[i], "percent");
  printf("\n%d streams: resident %.1f MB before, %.1f MB open, %.1f MB after an event to each, "
         "which took %.0f ms\n",
         count, (double)before / 1024, (double)open_kb / 1024, (double)resident_kb(pid) / 1024,
         (double)(now_us() - begun) / 1e3);
  for (int i = 0; i < count; i++)
    close(fds[i]);
  close(fd);
  free(fds);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 3;
  int connections = argc > 2 ? atoi(argv[2]) : 64, streams = argc > 3 ? atoi(argv[3]) : 10000;
  int ready[2], port;
  struct rlimit files;
  if (connections < 1 || connections > 1024 || streams < 0 || streams > STREAMS_MAX) {
    fprintf(stderr, "usage: http_bench [SECONDS] [CONNECTIONS, at most 1024] [STREAMS]\n");
    return 2;
  }
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if ((rlim_t)streams + 100 > files.rlim_cur)
    streams = (int)files.rlim_cur - 100;
  signal(SIGPIPE, SIG_IGN);
  if (pipe(ready))
    return 1;
  pid_t pid = fork();
  if (pid == 0) {
    close(ready[0]);
    serve(ready[1]);
    _exit(0);
  }
  if (pid < 0 || read(ready[0], &port, sizeof port) != sizeof port)
    return 1;
  printf("| what | connections | requests/s | server CPU us each | p50 us | p99 us |\n"
         "|---|---|---|---|---|---|\n");
  measure("static", pid, port, connections, seconds,
          "GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n");
  measure("static", pid, port, 1, seconds / 2, "GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n");
  measure("commit", pid, port, connections, seconds,
          "POST /commit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          "Content-Length: 33\r\n\r\n{\"params\":{\"sleep_ms\":0,\"x\":\"y\"}}");
  if (streams)
    measure_streams(pid, port, streams);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return 0;
}
