/* SPDX-License-Identifier: MIT
 *
 * top: a live view.  The stream of all events says when something happened; what is shown is then
 * read afresh, at most twice a second, so that a busy server costs no more than a quiet one.
 *
 *   events --dirty--> refresh (backends, metrics, jobs) --> draw      q, Ctrl-C --> end
 */
#include "backends_table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/terminal.h"
#include "http_client.h"
#include "sse.h"
#include "table.h"
#include "wrap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { REFRESH_MS = 500, IDLE_REFRESH_MS = 2000, RECONNECT_MS = 2000, JOBS_MAX = 100 };

static struct { volatile sig_atomic_t end, stop, resized; } signals; /* of the signal handler */

struct top {
  struct cli *c;
  json_t *backends, *running, *queued; /* the answers of the server */
  struct buf metrics;
  char error[400];       /* why the last refresh failed, or "" */
  double finished, rate; /* jobs that ended since the server's start; a second */
  int64_t finished_ms;
  bool dirty; /* something happened since the last refresh */
  int64_t refreshed_ms, connected_ms;
  CURLM *multi;
  CURL *stream;
  struct curl_slist *headers;
  struct sse sse;
  struct termios saved;
};

/* The sum of a metric's samples whose labels contain `label` ("" for all). */
static double metric_sum(const struct buf *text, const char *name, const char *label) {
  double sum = 0;
  size_t len = strlen(name);
  for (const char *line = text->data; line && *line;) {
    const char *end = strchrnul(line, '\n');
    if (!strncmp(line, name, len) && (line[len] == '{' || line[len] == ' ')) {
      const char *found = strstr(line, label), *value = line;
      for (const char *p = line; p < end; p++) /* labels may hold spaces: the last one counts */
        if (*p == ' ')
          value = p;
      if (found && found < end)
        sum += strtod(value, NULL);
    }
    line = *end ? end + 1 : NULL;
  }
  return sum;
}

static int fetch(struct top *t, const char *path, const char *want, json_t **json,
                 struct buf *text) {
  struct http_answer answer;
  struct http_call call = {.path = path, .type = want ? "json" : "text/plain"};
  int code = http_do(t->c, &call, &answer);
  const json_t *list = json_object_get(answer.json, want ? want : "");
  if (code == CLI_OK && want && !json_is_array(list)) {
    code = CLI_SERVER;
    snprintf(t->error, sizeof t->error, "%s%s was answered without \"%s\"; is it a lathe server?",
             t->c->server, path, want);
  } else if (code == CLI_OK && json) {
    json_decref(*json);
    *json = json_incref(answer.json);
  } else if (code == CLI_OK) {
    buf_clear(text);
    buf_put(text, answer.body.data, answer.body.len);
  } else if (code != CLI_INTERRUPTED) {
    const char *title = json_text(answer.json, "title");
    snprintf(t->error, sizeof t->error, "%s", answer.text[0] ? answer.text : title);
  }
  http_answer_free(&answer);
  return code;
}

static int refresh(struct top *t) {
  char running[64], queued[64];
  snprintf(running, sizeof running, "/api/jobs?state=running&limit=%d", JOBS_MAX);
  snprintf(queued, sizeof queued, "/api/jobs?state=queued&limit=%d", JOBS_MAX);
  t->error[0] = '\0';
  t->dirty = false;
  t->refreshed_ms = clock_mono_ms();
  int code = fetch(t, "/api/backends", "backends", &t->backends, NULL);
  if (code == CLI_OK)
    code = fetch(t, running, "jobs", &t->running, NULL);
  if (code == CLI_OK)
    code = fetch(t, queued, "jobs", &t->queued, NULL);
  if (code == CLI_OK)
    code = fetch(t, "/metrics", NULL, NULL, &t->metrics);
  if (code != CLI_OK)
    return code;
  double finished = metric_sum(&t->metrics, "lathe_jobs_finished_total", "");
  int64_t now = clock_mono_ms();
  if (t->finished_ms && now > t->finished_ms)
    t->rate = (finished - t->finished) * 1000 / (double)(now - t->finished_ms);
  t->finished = finished;
  t->finished_ms = now;
  return CLI_OK;
}

/* ---- what is shown ---- */

static double jobs_in(const struct top *t, const char *state) {
  char label[40];
  snprintf(label, sizeof label, "state=\"%s\"", state);
  return metric_sum(&t->metrics, "lathe_jobs", label);
}

static double jobs_ended(const struct top *t, const char *state) {
  char label[40];
  snprintf(label, sizeof label, "state=\"%s\"", state);
  return metric_sum(&t->metrics, "lathe_jobs_finished_total", label);
}

/* The parts stand on one line where there is room, else on lines of their own. */
static void put_head(const struct top *t, int width, struct buf *out) {
  struct buf line = {0};
  buf_printf(&line, "lathe  %s\n%.0f queued  %.0f running", t->c->server, jobs_in(t, "queued"),
             jobs_in(t, "running"));
  if (t->rate > 0)
    buf_printf(&line, "  %.1f/s", t->rate);
  buf_printf(&line, "\nsince the start: %.0f completed  %.0f failed  %.0f cancelled",
             jobs_ended(t, "completed"), jobs_ended(t, "failed"), jobs_ended(t, "cancelled"));
  size_t longest = width > 0 ? (size_t)width : SIZE_MAX;
  if (terminal_width(line.data) + 4 <= longest) /* its line ends become gaps */
    for (size_t i = 0; i < line.len; i++)
      buf_puts(out, line.data[i] == '\n' ? "    " : (char[]){line.data[i], '\0'});
  else
    wrap_put(out, line.data, 0, 0, width);
  buf_putc(out, '\n');
  if (t->error[0]) {
    buf_puts(out, "! ");
    wrap_put(out, t->error, 2, 2, width);
    buf_putc(out, '\n');
  }
  buf_puts(out, "\n");
  buf_free(&line);
}

static void put_jobs(struct table *table, const json_t *document) {
  size_t i;
  json_t *job;
  json_array_foreach(json_object_get(document, "jobs"), i, job) {
    const json_t *progress = json_object_get(job, "progress");
    const json_t *input = json_array_get(json_object_get(job, "inputs"), 0);
    char elapsed[SAY_SIZE];
    table_put(table, json_text(job, "job_id"));
    table_put(table, json_text(job, "kind"));
    table_put(table, json_text(job, "status"));
    table_putf(table, "%.0f%%", json_real_of(progress, "percent"));
    table_put(table, say_seconds(job_elapsed(job), elapsed));
    table_put(table, json_text(progress, "stage"));
    table_put(table, json_text(input, "name"));
    table_put(table, json_text(job, "backend"));
    table_put(table, json_text(job, "client"));
  }
}

/* Appends at most `rows` lines of the text (0: all); the last one says how many are left out. */
static void put_lines(struct buf *out, const char *text, int rows) {
  int lines = 0, line = 0;
  for (const char *p = text; *p; p++)
    lines += *p == '\n';
  if (rows <= 0 || lines <= rows) {
    buf_puts(out, text);
    return;
  }
  for (const char *p = text; *p && line < rows - 1; p++) {
    buf_putc(out, *p);
    line += *p == '\n';
  }
  buf_printf(out, "... %d more\n", lines - line);
}

static void put_table(struct buf *out, struct table *table, int width, int rows) {
  struct buf text = {0};
  table_render(table, 0, width, &text);
  put_lines(out, text.data ? text.data : "", rows);
  buf_free(&text);
  table_free(table);
}

static int count_lines(const struct buf *b) {
  int lines = 0;
  for (size_t i = 0; i < b->len; i++)
    lines += b->data[i] == '\n';
  return lines;
}

/* The backends get up to a third of the rows, the jobs the rest.  rows 0: all there is. */
static void render(const struct top *t, int width, int rows, struct buf *out) {
  struct table table;
  struct buf whole = {0};
  put_head(t, width, &whole);
  backends_table(&table, t->backends, false);
  put_table(&whole, &table, width, rows > 0 ? (rows + 2) / 3 : 0);
  buf_puts(&whole, "\n");
  table_begin(&table, "JOB|KIND|STATE|>DONE|>TIME|~STAGE|?~FILE|?~BACKEND|?~CLIENT");
  put_jobs(&table, t->running);
  put_jobs(&table, t->queued);
  int left = rows - count_lines(&whole);
  put_table(&whole, &table, width, rows > 0 ? (left > 2 ? left : 2) : 0);
  terminal_put(out, whole.data, whole.len, TERMINAL_TEXT);
  buf_free(&whole);
}

/* Draws from the upper left, as many lines as there is room for, none of them wider than that; no
 * clearing of all, so no flicker, and no line end after the last row, so no scrolling. */
static void draw(const struct top *t) {
  struct winsize size;
  int rows = 24, width = 80;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
    rows = size.ws_row;
    width = size.ws_col;
  }
  struct buf text = {0}, out = {0};
  render(t, width, rows - 1, &text);
  buf_puts(&out, "\033[H");
  const char *line = text.data;
  for (int i = 0; line && *line && i < rows - 1; i++) {
    const char *end = strchrnul(line, '\n');
    char *own = mem_dup_n(line, (size_t)(end - line));
    buf_put(&out, own, terminal_fit(own, (size_t)width));
    buf_puts(&out, "\033[K\r\n");
    free(own);
    line = *end ? end + 1 : NULL;
  }
  buf_printf(&out, "\033[J\033[%d;1H\033[7m q ends \033[0m", rows);
  fwrite(out.data, 1, out.len, stdout);
  fflush(stdout);
  buf_free(&text);
  buf_free(&out);
}

/* ---- the stream of events ---- */

static int on_event(void *arg, const char *event, const char *id, const char *data) {
  (void)event;
  (void)id;
  (void)data;
  ((struct top *)arg)->dirty = true;
  return 0;
}

static size_t on_stream(char *data, size_t size, size_t count, void *user) {
  struct top *t = user;
  return sse_feed(&t->sse, data, size * count, on_event, t) ? 0 : size * count;
}

static void stream_close(struct top *t) {
  if (!t->stream)
    return;
  curl_multi_remove_handle(t->multi, t->stream);
  curl_easy_cleanup(t->stream);
  curl_slist_free_all(t->headers);
  t->stream = NULL;
  t->headers = NULL;
  sse_reconnect(&t->sse);
}

static void stream_open(struct top *t) {
  struct http_call call = {
      .path = "/api/events", .headers = {"Accept: text/event-stream"}, .endless = true};
  t->connected_ms = clock_mono_ms();
  t->stream = http_prepare(t->c, curl_easy_init(), &call, &t->headers);
  curl_easy_setopt(t->stream, CURLOPT_WRITEFUNCTION, on_stream);
  curl_easy_setopt(t->stream, CURLOPT_WRITEDATA, t);
  curl_multi_add_handle(t->multi, t->stream);
}

/* Waits for events or a key, and reads them.  Returns true when the user wants to leave. */
static bool turn(struct top *t) {
  struct curl_waitfd keys = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
  int active = 0, left = 0;
  if (!t->stream && clock_mono_ms() - t->connected_ms > RECONNECT_MS)
    stream_open(t);
  curl_multi_perform(t->multi, &active);
  for (CURLMsg *m; (m = curl_multi_info_read(t->multi, &left));)
    if (m->msg == CURLMSG_DONE)
      stream_close(t);
  curl_multi_poll(t->multi, &keys, 1, t->dirty ? REFRESH_MS : IDLE_REFRESH_MS, NULL);
  char key = 0;
  if ((keys.revents & CURL_WAIT_POLLIN) && read(STDIN_FILENO, &key, 1) == 0)
    return true;
  return key == 'q' || key == 'Q' || key == 3 || cli_interrupted() || signals.end;
}

/* ---- the screen: whatever ends or stops the program, the terminal is left as it was ---- */

static void screen_enter(struct top *t) {
  tcgetattr(STDIN_FILENO, &t->saved);
  struct termios raw = t->saved;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  fputs("\033[?1049h\033[?25l\033[?7l\033[2J", stdout); /* other screen, no cursor, no wrapping */
}

static void screen_leave(struct top *t) {
  fputs("\033[?7h\033[?25h\033[?1049l", stdout);
  fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}

static void on_signal(int number) {
  if (number == SIGTSTP)
    signals.stop = 1;
  else if (number == SIGWINCH)
    signals.resized = 1;
  else
    signals.end = number;
}

static void catch_signals(void) {
  static const int numbers[] = {SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
  struct sigaction act = {.sa_handler = on_signal};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    sigaction(numbers[i], &act, NULL);
}

/* Ctrl-Z: the shell gets its screen; `fg` brings ours back. */
static void stop(struct top *t) {
  signals.stop = 0;
  screen_leave(t);
  raise(SIGSTOP);
  screen_enter(t);
}

/* Ends as by the signal, so that whoever sent it sees that. */
static void end_by(int number) {
  signal(number, SIG_DFL);
  raise(number);
}

static int live(struct top *t) {
  t->multi = curl_multi_init();
  catch_signals();
  screen_enter(t);
  stream_open(t);
  draw(t);
  while (!turn(t)) {
    int64_t age = clock_mono_ms() - t->refreshed_ms;
    bool due = age >= REFRESH_MS && (t->dirty || age >= IDLE_REFRESH_MS);
    if (signals.stop)
      stop(t);
    else if (!due && !signals.resized)
      continue;
    signals.resized = 0;
    if (due)
      refresh(t);
    draw(t);
  }
  stream_close(t);
  screen_leave(t);
  curl_multi_cleanup(t->multi);
  if (signals.end)
    end_by((int)signals.end);
  return CLI_OK;
}

/* ---- once ---- */

static void print_json(const struct top *t) {
  json_t *document = json_pack(
      "{s:O, s:O, s:O, s:{s:f, s:f}}", "backends", json_object_get(t->backends, "backends"),
      "running", json_object_get(t->running, "jobs"), "queued", json_object_get(t->queued, "jobs"),
      "counts", "queued", metric_sum(&t->metrics, "lathe_jobs", "state=\"queued\""), "running",
      metric_sum(&t->metrics, "lathe_jobs", "state=\"running\""));
  say_json(document);
  json_decref(document);
}

int verb_top(struct cli *c) {
  struct top t = {.c = c};
  int code = refresh(&t);
  bool once = option_get(c, "once") || c->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
  if (code != CLI_OK) {
    if (code != CLI_INTERRUPTED)
      fail(code, "%s", t.error);
  } else if (c->json) {
    print_json(&t);
  } else if (once) {
    struct buf out = {0};
    render(&t, wrap_columns(STDOUT_FILENO), 0, &out);
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
  } else {
    code = live(&t);
  }
  json_decref(t.backends);
  json_decref(t.running);
  json_decref(t.queued);
  buf_free(&t.metrics);
  sse_free(&t.sse);
  return code;
}
