/* SPDX-License-Identifier: MIT
 *
 * From a command line to a command that is ready.
 */
#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the command because of x->fault or, where that was given, `what`. */
static int32_t give_up(struct exec *x, int32_t code, const char *what) {
  char copy[sizeof x->fault];
  snprintf(copy, sizeof copy, "%s", what ? what : x->fault);
  process_fault(x, copy);
  return code;
}

/* It said itself why it does not start. */
static int32_t refused(struct exec *x, const json_t *message) {
  const char *text = line_text(message, "message");
  int32_t code = line_class(message);
  snprintf(x->fault, sizeof x->fault, "the command \"%s\" does not start: %s", x->label,
           text ? text : "it sent an error without a message");
  process_kill(x);
  return code ? code : LATHE_PERMANENT;
}

/* A message that may come while another one is waited for.  False with x->fault. */
static bool take_other(struct exec *x, const json_t *message, const char *got, const char *awaited,
                       const char *line) {
  if (strcmp(got, "log") == 0) {
    line_log(x, NULL, message);
    return true;
  }
  bool of_kinds = kinds_is_message(got) && strcmp(awaited, "ready") == 0;
  const char *wrong = of_kinds ? kinds_take(x, message, line) : NULL;
  if (wrong)
    snprintf(x->fault, sizeof x->fault, "%s", wrong);
  else if (!of_kinds)
    snprintf(x->fault, sizeof x->fault, "sent \"%.40s\" where \"%s\" was expected", got, awaited);
  return of_kinds && !wrong;
}

/* Waits for the message of that type, which came in *line; good until the next call.  NULL: *code
 * says how it failed, and the command is ended. */
static json_t *expect(struct exec *x, const char *type, int64_t end_ms, const char **line,
                      int32_t *code) {
  for (;;) {
    char *text, what[120];
    const char *got_type;
    size_t len;
    int64_t left = end_ms - exec_now_ms();
    enum line got = line_wait(x, left > 0 ? (int)left : 0, &text, &len);
    if (got == LINE_END) {
      *code = process_fault(x, NULL);
      return NULL;
    }
    if (got == LINE_NONE && left > 0)
      continue;
    if (got != LINE_HERE) {
      snprintf(what, sizeof what,
               got == LINE_NONE ? "did not say \"%s\" within %.3g s (start_timeout)"
                                : "wrote a line of more than 1 MiB before \"%s\"",
               type, (double)x->start_ms / 1000);
      *code = give_up(x, got == LINE_NONE ? LATHE_RETRY : LATHE_PERMANENT, what);
      return NULL;
    }
    json_t *message = line_parse(x, text, len, &got_type);
    *line = text;
    if (message && strcmp(got_type, type) == 0)
      return message;
    if (message && strcmp(got_type, "error") == 0) {
      *code = refused(x, message);
    } else if (message && take_other(x, message, got_type, type, text)) {
      json_decref(message);
      continue;
    } else {
      *code = give_up(x, LATHE_PERMANENT, NULL);
    }
    json_decref(message);
    return NULL;
  }
}

/* ---- hello ---- */

static bool check_protocol(struct exec *x, const json_t *hello) {
  const json_t *protocol = json_object_get(hello, "protocol");
  if (json_is_integer(protocol) && json_integer_value(protocol) == PROTOCOL)
    return true;
  if (json_is_integer(protocol))
    snprintf(
        x->fault, sizeof x->fault,
        "speaks protocol %lld and this lathe speaks %d; use the helper module that came with this "
        "lathe, or upgrade lathe",
        (long long)json_integer_value(protocol), PROTOCOL);
  else
    snprintf(x->fault, sizeof x->fault, "said hello without the number of its protocol (%d)",
             PROTOCOL);
  return false;
}

/* A command is of one shape; and what exec-remote needs to know of it.  False with x->fault. */
static bool check_shape(struct exec *x, const json_t *hello) {
  const json_t *many = json_object_get(hello, "poll_many");
  const json_t *concurrency = json_object_get(hello, "concurrency");
  if (json_is_true(json_object_get(hello, "remote")) != x->remote) {
    snprintf(x->fault, sizeof x->fault,
             x->remote ? "does not say \"remote\": true in its hello, so it runs its jobs itself; "
                         "say plugin = exec"
                       : "says \"remote\": true in its hello, so its jobs run elsewhere; say "
                         "plugin = exec-remote");
    return false;
  }
  json_int_t n = many ? json_integer_value(many) : 1;
  json_int_t c = concurrency ? json_integer_value(concurrency) : CONCURRENCY_DEFAULT;
  if (n < 1 || n > POLLS_MOST || c < 1 || c > CONCURRENCY_MOST) {
    snprintf(x->fault, sizeof x->fault,
             "says in its hello what cannot be: \"poll_many\" is 1 to %d and \"concurrency\" 1 to "
             "%d",
             POLLS_MOST, CONCURRENCY_MOST);
    return false;
  }
  x->poll_many = (int)n;
  x->concurrency = (int)c;
  return true;
}

static void log_ready(struct exec *x, const json_t *hello) {
  char text[400];
  const char *name = line_text(hello, "name"), *version = line_text(hello, "version");
  snprintf(text, sizeof text, "the command \"%s\" is ready: %.80s %.40s, process %d", x->label,
           name ? name : "(no name)", version ? version : "", (int)x->command);
  x->host->log(x->host, NULL, 1, text);
}

int32_t start_command(struct exec *x) {
  const char *line;
  int32_t code = process_start(x);
  if (code != LATHE_OK)
    return code;
  int64_t end_ms = exec_now_ms() + x->start_ms;
  watch_command(x);
  line_send(x, json_pack("{s:s, s:i, s:o*}", "type", "hello", "protocol", PROTOCOL, "remote",
                         x->remote ? json_true() : NULL));
  kinds_begin(x);
  json_t *hello = expect(x, "hello", end_ms, &line, &code);
  if (!hello)
    return code;
  json_t *options = NULL;
  if (!check_protocol(x, hello) || !check_shape(x, hello) || !kinds_take_hello(x, hello, line) ||
      !(options = options_check(x, json_object_get(hello, "options")))) {
    json_decref(hello);
    return give_up(x, LATHE_PERMANENT, NULL);
  }
  x->pings = json_is_true(json_object_get(hello, "ping"));
  line_send(x, json_pack("{s:s, s:o}", "type", "start", "options", options));
  json_t *ready = expect(x, "ready", end_ms, &line, &code);
  bool settled = ready && kinds_settle(x);
  if (ready && !settled)
    code = give_up(x, LATHE_PERMANENT, NULL);
  if (settled)
    log_ready(x, hello);
  json_decref(ready);
  json_decref(hello);
  return settled ? LATHE_OK : code;
}
