/* SPDX-License-Identifier: MIT
 *
 * The daemon: opens the rooms from the ground up, wires them, lets the loop run, and closes them
 * from the top down.
 *
 *   opening --> serving --SIGTERM--> draining --jobs at rest--> lingering --> closing --> exit 0
 *                |  ^                   \--second signal--> exit 1 at once
 *                |  |
 *                +--+ SIGHUP: the new configuration's differences are applied, or, if it has
 *                     errors, they are logged and the old one stays
 *
 * While it drains it goes on answering: submits get 503, streams tell how the running jobs end.
 * The linger lets last answers leave.
 */
#include "daemon_private.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "config/tokens.h"
#include "observe/log.h"
#include "storage/storage.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  LINGER_MS = 50,
  SETTLE_MS = 10,
  LAST_MS = 3000,
  STORE_CACHE = 8 << 20,
  TIDY_MS = 5000,
  TIDY_BYTES = 16 << 20
};

/* ---- the process ---- */

static void change_hangup(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(how, &set, NULL);
}

void daemon_hold_signals(void) {
  static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2};
  change_hangup(SIG_BLOCK);
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
    signal(ignored[i], SIG_IGN);
}

static void prepare_process(void) {
  struct rlimit files;
  umask(077);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  /* A few threads that allocate little: one heap for all, and freed pages go back. */
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* ---- tokens ---- */

int daemon_read_tokens(struct daemon *d, const struct config *c, struct err *err) {
  struct tokens *t = NULL;
  if (c->server.token_file[0]) {
    int rc = tokens_load(c->server.token_file, &t, err);
    if (rc < 0)
      return rc;
  }
  struct token_set *set = mem_alloc(sizeof *set);
  *set = (struct token_set){.tokens = t, .older = d->tokens};
  d->tokens = set;
  return 0;
}

static const char *authorise(void *ctx, const char *token, enum role *role) {
  const struct daemon *d = ctx;
  return d->tokens->tokens ? tokens_client(d->tokens->tokens, token, role) : NULL;
}

static bool knows(void *ctx, const char *client) {
  const struct daemon *d = ctx;
  return d->tokens->tokens && tokens_know(d->tokens->tokens, client);
}

static void free_tokens(struct daemon *d) {
  for (struct token_set *older; d->tokens; d->tokens = older) {
    older = d->tokens->older;
    tokens_free(d->tokens->tokens);
    free(d->tokens);
  }
}

/* ---- opening ---- */

static void on_store_health(void *ctx, int code, const char *text) {
  struct daemon *d = ctx;
  if (d->jobs)
    jobs_store_health(d->jobs, code, text);
}

/* After work (a long queue, thousands of streams) the heap is mostly holes: they go back to the
 * system some seconds later.  Without events the timer does not run. */
static void on_tidy(uv_timer_t *timer) {
  (void)timer;
  struct mallinfo2 heap = mallinfo2();
  if (heap.fordblks > TIDY_BYTES && heap.fordblks > heap.uordblks)
    malloc_trim(0);
}

static void on_event(void *ctx, const struct record_event *event) {
  struct daemon *d = ctx;
  api_on_event(d->api, event);
  if (!uv_is_active((uv_handle_t *)&d->tidy) && !d->draining)
    uv_timer_start(&d->tidy, on_tidy, TIDY_MS, 0);
}

struct api_options daemon_api_options(struct daemon *d) {
  return (struct api_options){
      .upload_max = d->config->server.max_upload,
      .wait_max_s = (int)(d->config->limits.wait_max_ms / 1000),
      .batch_max = d->config->limits.batch_max,
      .authorise = authorise,
      .knows = knows,
      .authorise_ctx = d,
  };
}

void daemon_log_kind_problems(const struct kinds *kinds) {
  size_t count;
  const struct kinds_problem *p = kinds_problems(kinds, &count);
  for (size_t i = 0; i < count; i++)
    log_warn("kinds.problem", "%s (%s)", p[i].text, p[i].file);
}

static int open_state(struct daemon *d, struct err *err) {
  const char *dir = d->config->server.data_dir;
  char *path = path_join(dir, "lathe.db");
  int rc = path_make_dirs(dir, err);
  if (rc == 0) /* first of all: its lock keeps a second daemon from the files of the first */
    rc = store_open(&d->store, &d->loop,
                    &(struct store_options){.path = path,
                                            .files_lie_there = storage_has_files(dir),
                                            .accept_empty = d->accept_empty,
                                            .cache_bytes = STORE_CACHE,
                                            .on_event = on_event,
                                            .on_health = on_store_health,
                                            .ctx = d},
                    err);
  if (rc == 0)
    rc = storage_open(
        &d->storage, &d->loop,
        &(struct storage_options){.data_dir = dir, .sync = d->config->storage.sync != 0}, err);
  if (rc == 0) {
    d->kinds = daemon_load_kinds(d->config);
    daemon_log_kind_problems(d->kinds);
    daemon_log_routes(d->config, d->kinds);
  }
  free(path);
  return rc;
}

static void on_set_aside(void *ctx) {
  struct daemon *d = ctx;
  store_set_aside_over(d->store);
}

static int open_jobs(struct daemon *d, struct err *err) {
  struct jobs_backend_budget *budgets;
  struct jobs_options options = daemon_jobs_options(d->config, &budgets);
  d->routing = routing_new();
  daemon_configure_routes(d->config, d->routing);
  int rc = jobs_new(&d->jobs, &d->loop, d->store, d->storage, d->kinds, d->routing, d->metrics,
                    &options, err);
  free(budgets);
  if (rc < 0)
    return rc;
  char *program = daemon_worker_program();
  d->workers = workers_new(&d->loop,
                           &(struct workers_options){.worker_program = program,
                                                     .work_root = storage_work_root(d->storage),
                                                     .env = d->config->server.worker_env.items,
                                                     .events = jobs_worker_events(d->jobs),
                                                     .declared = daemon_declare_kinds,
                                                     .declared_ctx = d,
                                                     .metrics = d->metrics});
  free(program);
  jobs_set_workers(d->jobs, d->workers);
  if (store_sets_aside(d->store))
    jobs_set_aside(d->jobs, on_set_aside, d);
  return jobs_recover(d->jobs, err);
}

static int open_http(struct daemon *d, struct err *err) {
  struct http_options options = daemon_http_options(d->config);
  api_start(d->api, &(struct api_rooms){.loop = &d->loop,
                                        .store = d->store,
                                        .storage = d->storage,
                                        .jobs = d->jobs,
                                        .kinds = d->kinds,
                                        .workers = d->workers,
                                        .metrics = d->metrics});
  struct secret key;
  char *path = path_join(d->config->server.data_dir, "link.key");
  int rc = secret_load(path, &key, err);
  free(path);
  if (rc < 0)
    return rc;
  options.key = &key;
  options.authorise = d->tokens->tokens ? api_authorise : NULL;
  options.knows = api_knows;
  options.routes = api_routes();
  options.sink = api_sink();
  options.ctx = d->api;
  options.metrics = d->metrics;
  rc = http_open(&d->http, &d->loop, &options, err);
  explicit_bzero(&key, sizeof key);
  return rc;
}

/* Of what a backend is, for what is known of it: its plugin and the plugin's own options. */
static void identify(const struct backend_options *o, char hex[SHA256_HEX_SIZE]) {
  struct sha256 *h = sha256_begin();
  sha256_add(h, o->plugin_path, strlen(o->plugin_path) + 1);
  for (size_t i = 0; i < o->option_count; i++) {
    sha256_add(h, o->options[i].key, strlen(o->options[i].key) + 1);
    sha256_add(h, o->options[i].value, strlen(o->options[i].value) + 1);
  }
  sha256_end(h, hex);
  hex[16] = '\0';
}

void daemon_start_backend(struct daemon *d, const struct config_backend *b) {
  struct backend_option *own;
  struct backend_options options = daemon_backend_options(b, &own);
  struct backend *running = workers_find(d->workers, b->name);
  char identity[SHA256_HEX_SIZE];
  identify(&options, identity);
  jobs_backend_is(d->jobs, b->name, identity);
  if (running)
    workers_change(running, &options);
  else
    workers_add(d->workers, &options);
  free(own);
}

/* ---- telling where it listens ---- */

static void write_small_file(const char *dir, const char *name, long value) {
  char *path = path_join(dir, name), *fresh = mem_printf("%s.new", path);
  int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || dprintf(fd, "%ld\n", value) < 0 || rename(fresh, path) < 0)
    log_warn("daemon.announce", "%s cannot be written: %s", path, strerror(errno));
  if (fd >= 0)
    close(fd);
  free(fresh);
  free(path);
}

static void announce(struct daemon *d) {
  const struct config_server *s = &d->config->server;
  bool v6 = strchr(s->host, ':') != NULL;
  write_small_file(s->data_dir, "lathed.pid", getpid());
  write_small_file(s->data_dir, "lathed.port", http_port(d->http));
  char *address = mem_printf("http://%s%s%s:%d", v6 ? "[" : "", s->host, v6 ? "]" : "",
                             http_port(d->http));
  char *text = mem_printf("listening on %s (data in %s)", address, s->data_dir);
  const struct log_field fields[] = {{.key = "address", .text = address},
                                     {.key = "data", .text = s->data_dir}};
  log_announce("daemon.listening", fields, sizeof fields / sizeof *fields, text);
  free(text);
  free(address);
}

static void unannounce(struct daemon *d) {
  static const char *const names[] = {"lathed.port", "lathed.pid"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *path = path_join(d->config->server.data_dir, names[i]);
    unlink(path);
    free(path);
  }
}

/* ---- the end ---- */

static void on_stopped(void *arg) {
  struct daemon *d = arg;
  d->workers = NULL;
  uv_stop(&d->loop);
}

/* Requests that are parsed beside the loop give back what they hold while all rooms are there. */
static void on_lingered(uv_timer_t *timer) {
  struct daemon *d = timer->data;
  if (d->http)
    http_close(d->http);
  d->http = NULL;
  if (api_is_busy(d->api)) {
    uv_timer_start(timer, on_lingered, SETTLE_MS, 0);
    return;
  }
  workers_free(d->workers, on_stopped, d);
}

static void on_drained(void *arg) {
  struct daemon *d = arg;
  api_drain(d->api);
  http_stop_accepting(d->http);
  uv_timer_start(&d->linger, on_lingered, LINGER_MS, 0);
}

static void on_end(uv_signal_t *handle, int number) {
  struct daemon *d = handle->data;
  if (d->draining) {
    log_warn("daemon.killed", "second signal: leaving at once; running jobs start again next time");
    log_end_writer();
    _exit(1);
  }
  d->draining = true;
  log_info("daemon.drain", "%s: draining, at most %lld s", strsignal(number),
           (long long)d->config->server.shutdown_grace_ms / 1000);
  jobs_drain(d->jobs, d->config->server.shutdown_grace_ms, on_drained, d);
}

static void on_last(uv_timer_t *timer) {
  log_warn("daemon.close", "something keeps the loop alive; leaving all the same");
  uv_stop(timer->loop);
}

static void close_handle(uv_handle_t *handle) {
  if (handle->loop && !uv_is_closing(handle))
    uv_close(handle, NULL);
}

/* Callbacks that are under way (files, timers) come to their end; not for ever. */
static void finish_loop(struct daemon *d) {
  uv_timer_start(&d->linger, on_last, LAST_MS, 0);
  uv_unref((uv_handle_t *)&d->linger);
  uv_run(&d->loop, UV_RUN_DEFAULT);
  close_handle((uv_handle_t *)&d->linger);
  uv_run(&d->loop, UV_RUN_NOWAIT);
  uv_loop_close(&d->loop);
}

static void close_rooms(struct daemon *d) {
  if (d->http)
    http_close(d->http);
  if (d->workers) { /* it did not start: nothing runs yet */
    workers_free(d->workers, on_stopped, d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
  }
  if (d->jobs)
    jobs_free(d->jobs);
  if (d->store)
    store_close(d->store);
  storage_close(d->storage);
  close_handle((uv_handle_t *)&d->term);
  close_handle((uv_handle_t *)&d->interrupt);
  close_handle((uv_handle_t *)&d->hangup);
  close_handle((uv_handle_t *)&d->tidy);
  api_drain(d->api);
  finish_loop(d);
  api_free(d->api);
  if (d->routing)
    routing_free(d->routing);
  if (d->kinds)
    kinds_free(d->kinds);
  metrics_free(d->metrics);
  free_tokens(d);
  free(d->audited);
  config_free(d->config);
}

/* ---- the whole ---- */

static void watch_signal(struct daemon *d, uv_signal_t *handle, uv_signal_cb cb, int number) {
  uv_signal_init(&d->loop, handle);
  handle->data = d;
  uv_signal_start(handle, cb, number);
}

static int open_rooms(struct daemon *d, struct err *err) {
  d->metrics = metrics_new();
  d->reload_fine = metrics_gauge(d->metrics, "lathe_config_last_reload_successful",
                                 "1 while the configuration in effect is that of the last reload",
                                 NULL);
  d->reload_at = metrics_gauge(d->metrics, "lathe_config_last_reload_success_timestamp_seconds",
                               "When a configuration was taken last, since the epoch", NULL);
  daemon_count_reload(d, true);
  int rc = daemon_read_tokens(d, d->config, err);
  struct api_options options = daemon_api_options(d);
  d->api = api_new(&options);
  if (rc == 0)
    rc = open_state(d, err);
  if (rc == 0)
    rc = open_jobs(d, err);
  if (rc == 0)
    rc = open_http(d, err);
  if (rc == 0)
    rc = daemon_audit_start(d, err);
  if (rc == 0)
    switches_settle(d->jobs, "start");
  return rc;
}

int daemon_run(struct config *config, bool accept_empty) {
  struct daemon d = {.config = config, .accept_empty = accept_empty};
  struct err err = {0};
  prepare_process();
  daemon_configure_log(&config->log);
  log_begin_writer();
  uv_loop_init(&d.loop);
  uv_timer_init(&d.loop, &d.linger);
  d.linger.data = &d;
  uv_timer_init(&d.loop, &d.tidy);
  if (open_rooms(&d, &err) < 0) {
    log_error("daemon.start", "%s", err.text);
    close_rooms(&d);
    log_end_writer();
    return EXIT_FAILURE;
  }
  watch_signal(&d, &d.term, on_end, SIGTERM);
  watch_signal(&d, &d.interrupt, on_end, SIGINT);
  watch_signal(&d, &d.hangup, daemon_on_hangup, SIGHUP);
  change_hangup(SIG_UNBLOCK);
  for (size_t i = 0; i < config->backend_count; i++)
    if (config->backends[i].enabled)
      daemon_start_backend(&d, &config->backends[i]);
  announce(&d);
  uv_run(&d.loop, UV_RUN_DEFAULT);
  unannounce(&d);
  close_rooms(&d);
  log_end_writer();
  return d.exit_code;
}
