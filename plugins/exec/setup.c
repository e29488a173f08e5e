/* SPDX-License-Identifier: MIT
 *
 * What all three plugins do: options, and the life of the command.
 */
#include "exec.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_MS 2000 /* for the command to end when asked; lathed waits five seconds for us */

void setup_release(struct exec *x) {
  process_kill(x);
  watch_end(x);
  free(x->python_path);
  json_decref(x->kinds);
  words_free(x->argv);
  words_free(x->environment);
  words_free(x->wanted_kinds);
  words_free(x->settings);
  free(x->sending.data);
  free(x->reading.data);
  pthread_mutex_destroy(&x->lock);
  free(x);
}

/* The folder of lathe_plugin.py, as seen from exec.so: in a build tree, or installed. */
static void find_module(struct exec *x) {
  static const char *const ways[] = {"../share", "../../../share", "../../../../share"};
  static const char here = 0; /* somewhere in exec.so */
  const char *old = getenv("PYTHONPATH");
  Dl_info us;
  char path[4096];
  if (!dladdr(&here, &us) || !strrchr(us.dli_fname, '/'))
    return;
  int len = (int)(strrchr(us.dli_fname, '/') - us.dli_fname);
  for (size_t i = 0; i < sizeof ways / sizeof *ways && !x->python_path; i++) {
    snprintf(path, sizeof path, "%.*s/%s/lathe/python/lathe_plugin.py", len, us.dli_fname, ways[i]);
    if (access(path, R_OK) != 0)
      continue;
    *strrchr(path, '/') = '\0';
    if (asprintf(&x->python_path, "%s%s%s", old ? old : "", old && *old ? ":" : "", path) < 0)
      x->python_path = NULL;
  }
}

/* Splits the option `key`; false with x->fault. */
static bool read_words(struct exec *x, const char *key, char ***words) {
  const char *text = x->host->config(x->host, key);
  *words = words_split(text ? text : "");
  if (!*words)
    snprintf(x->fault, sizeof x->fault, "%s: a quote is not closed in: %.200s", key, text);
  return *words != NULL;
}

static bool read_command(struct exec *x) {
  size_t n = 0;
  if (!read_words(x, "command", &x->argv))
    return false;
  for (char **word = x->argv; *word && n < sizeof x->label; word++)
    n += (size_t)snprintf(x->label + n, sizeof x->label - n, n ? " %s" : "%s", *word);
  const char *program = x->argv[0];
  if (!program)
    snprintf(x->fault, sizeof x->fault,
             "command: it is empty; for example: python3 /srv/mesher.py");
  else if (*program != '/' && strchr(program, '/'))
    snprintf(
        x->fault, sizeof x->fault,
        "command: the program %.200s is a relative path; write an absolute one, or a name that is "
        "found in PATH",
        program);
  return !*x->fault;
}

static bool read_environment(struct exec *x) {
  if (!read_words(x, "environment", &x->environment))
    return false;
  for (char **word = x->environment; *word; word++)
    if (**word == '=' || !strchr(*word, '='))
      snprintf(x->fault, sizeof x->fault, "environment: \"%.100s\" is not NAME=value", *word);
  return !*x->fault;
}

static bool read_options(struct exec *x) {
  const struct lathe_host *h = x->host;
  find_module(x);
  x->directory = h->config(h, "directory");
  x->start_ms = atoll(h->config(h, "start_timeout"));
  x->ping_ms = atoll(h->config(h, "ping_timeout"));
  return read_command(x) && read_environment(x) && read_words(x, "kinds", &x->wanted_kinds) &&
         read_words(x, "options", &x->settings);
}

static int32_t start(struct exec *x) {
  const struct lathe_host *h = x->host;
  x->declaring = LATHE_CAN(h, extension) ? h->extension(h, LATHE_KINDS_1) : NULL;
  if (!x->declaring) {
    snprintf(x->fault, sizeof x->fault,
             "this lathe is too old for exec: it has no %s, by which the command's kinds are told",
             LATHE_KINDS_1);
    return LATHE_PERMANENT;
  }
  x->renewal = h->extension(h, LATHE_RENEW_1);
  if (!read_options(x))
    return LATHE_PERMANENT;
  if (!watch_begin(x)) {
    snprintf(x->fault, sizeof x->fault, "the watch thread cannot be started");
    return LATHE_RETRY;
  }
  return start_command(x);
}

int32_t setup_create(const struct lathe_host *h, bool remote, bool jailed, struct exec **made) {
  pthread_mutexattr_t recursive;
  struct exec *x = *made = calloc(1, sizeof *x);
  if (!x)
    return LATHE_RETRY_MEM;
  x->host = h;
  x->remote = remote;
  x->jailed = jailed;
  x->in = x->out = x->err = x->pidfd = x->epoll = x->stop_fd = x->wake = -1;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&x->lock, &recursive);
  signal(SIGPIPE, SIG_IGN); /* a command that closed its stdin is told apart by its end */
  int32_t code = start(x);
  if (code != LATHE_OK)
    h->error(NULL, x->fault);
  return code;
}

void setup_stop(struct exec *x) {
  int64_t end_ms = exec_now_ms() + STOP_MS, left;
  char *text;
  size_t len;
  enum line got = LINE_NONE;
  if (x->dead)
    return;
  line_send(x, json_pack("{s:s}", "type", "stop"));
  while ((left = end_ms - exec_now_ms()) > 0 && got != LINE_END && got != LINE_TOO_LONG)
    got = line_wait(x, (int)left, &text, &len);
}
