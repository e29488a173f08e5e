/* SPDX-License-Identifier: MIT
 *
 * Lines to and from the command.  Neither side may block the other: what cannot be written waits
 * here while the command's lines are read.
 */
#include "exec.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536u

/* Room for `more` bytes and a NUL; out of memory ends the process, as everywhere in a worker. */
static void grow(struct piece *p, size_t more) {
  size_t need = p->len + more + 1;
  if (need <= more)
    abort();
  if (p->data && need <= p->room)
    return;
  p->room = need > 2 * p->room ? need : 2 * p->room;
  p->data = realloc(p->data, p->room);
  if (!p->data)
    abort();
}

char *line_of(json_t *message) {
  char *text = json_dumps(message, JSON_COMPACT);
  json_decref(message);
  if (!text)
    abort();
  return text;
}

void line_send(struct exec *x, json_t *message) {
  line_send_text(x, line_of(message));
}

void piece_append(struct piece *p, const char *data, size_t len) {
  grow(p, len);
  memcpy(p->data + p->len, data, len);
  p->len += len;
}

void line_add(struct piece *p, const char *text) {
  piece_append(p, text, strlen(text));
  piece_append(p, "\n", 1);
}

void line_send_text(struct exec *x, char *text) {
  line_add(&x->sending, text);
  free(text);
}

/* A command that does not read any more is found out by its silence or its end. */
static void write_some(struct exec *x) {
  while (x->sending.len) {
    ssize_t n = write(x->in, x->sending.data, x->sending.len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno != EAGAIN)
      x->sending.len = 0;
    if (n < 0)
      return;
    x->sending.len -= (size_t)n;
    memmove(x->sending.data, x->sending.data + n, x->sending.len);
  }
}

/* False: nothing more is there now. */
static bool read_some(struct exec *x) {
  grow(&x->reading, READ_SIZE);
  ssize_t n = read(x->out, x->reading.data + x->reading.len, READ_SIZE);
  if (n > 0)
    x->reading.len += (size_t)n;
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    x->ended = true;
  return n > 0;
}

/* The next whole line of what was read. */
static char *take_line(struct exec *x, size_t *len) {
  struct piece *p = &x->reading;
  if (x->taken) {
    p->len -= x->taken;
    memmove(p->data, p->data + x->taken, p->len);
    x->taken = 0;
  }
  char *end = p->len ? memchr(p->data, '\n', p->len) : NULL;
  if (!end)
    return NULL;
  *len = (size_t)(end - p->data);
  *end = '\0';
  x->taken = *len + 1;
  if (*len && end[-1] == '\r')
    end[-1] = '\0', --*len;
  return p->data;
}

enum line line_wait(struct exec *x, int wait_ms, char **text, size_t *len) {
  bool waited = false;
  write_some(x);
  for (;;) {
    *text = take_line(x, len);
    if (*text)
      return *len < LINE_MOST ? LINE_HERE : LINE_TOO_LONG;
    if (x->reading.len >= LINE_MOST)
      return LINE_TOO_LONG;
    if (read_some(x))
      continue;
    if (x->ended)
      return LINE_END;
    if (waited)
      return LINE_NONE;
    struct pollfd fds[] = {
        {.fd = x->out, .events = POLLIN},
        {.fd = x->pidfd, .events = POLLIN},
        {.fd = x->sending.len ? x->in : -1, .events = POLLOUT},
        {.fd = x->wake, .events = POLLIN},
    };
    int n = poll(fds, 4, wait_ms);
    uint64_t count;
    if (n > 0 && fds[3].revents && read(x->wake, &count, sizeof count) < 0)
      return LINE_NONE;
    /* It may end while something that it started still holds its stdout. */
    if (fds[1].revents && !fds[0].revents && !read_some(x))
      x->ended = true;
    waited = n <= 0 || (!fds[0].revents && !fds[1].revents);
  }
}

/* Not every integer of 64 bits fits into one of the library's: those that do not are read as reals,
 * all others stay integers. */
static json_t *parse_wide(const char *text, size_t len, json_error_t *why) {
  struct piece copy = {0};
  bool in_string = false;
  size_t n;
  for (size_t i = 0; i < len; i += n) {
    bool number = !in_string && strchr("-0123456789", text[i]) && text[i];
    n = number ? strspn(text + i, "+-.eE0123456789") : in_string && text[i] == '\\' ? 2 : 1;
    n = n < len - i ? n : len - i;
    in_string ^= text[i] == '"';
    piece_append(&copy, text + i, n);
    errno = 0;
    if (number && n == strspn(text + i, "-0123456789"))
      strtoll(text + i, NULL, 10);
    if (errno == ERANGE)
      piece_append(&copy, "e0", 2);
  }
  json_t *message = json_loadb(copy.data, copy.len, JSON_REJECT_DUPLICATES, why);
  free(copy.data);
  return message;
}

json_t *line_parse(struct exec *x, const char *text, size_t len, const char **type) {
  json_error_t why;
  json_t *message = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
  if (!message && json_error_code(&why) == json_error_numeric_overflow)
    message = parse_wide(text, len, &why);
  *type = json_string_value(json_object_get(message, "type"));
  if (*type)
    return message;
  char start[61]; /* a shown beginning: ASCII, so that nothing is cut in two */
  size_t n = 0;
  for (; n < len && n < sizeof start - 1; n++)
    start[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
  start[n] = '\0';
  snprintf(x->fault, sizeof x->fault,
           "wrote a line to its standard output that is not a message (%s): '%s%s'; what is for "
           "people belongs "
           "on standard error",
           !message                  ? why.text
           : json_is_object(message) ? "no \"type\""
                                     : "no JSON object",
           start, n < len ? "..." : "");
  json_decref(message);
  return NULL;
}

const char *line_text(const json_t *message, const char *name) {
  return json_string_value(json_object_get(message, name));
}

/* ---- the text of a value; it was parsed, so it is known to be well formed ---- */

static const char *skip_space(const char *at) {
  return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at) {
  for (at++; *at != '"'; at++)
    at += *at == '\\';
  return at + 1;
}

static const char *skip_value(const char *at) {
  int depth = 0;
  do {
    depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    at = *at == '"' ? skip_string(at) : at + 1;
  } while (depth > 0 || !strchr(",]} \t\r\n", *at));
  return at;
}

/* By its place, for a key may be written with escapes; the library keeps the order. */
const char *line_member(const json_t *message, const char *line, const char *name, size_t *len) {
  const char *key, *at = skip_space(skip_space(line) + 1);
  json_t *value;
  json_object_foreach((json_t *)message, key, value) {
    at = skip_space(skip_string(at));
    at = skip_space(at + 1);
    const char *end = skip_value(at);
    if (strcmp(key, name) == 0) {
      *len = (size_t)(end - at);
      return at;
    }
    at = skip_space(skip_space(end) + 1);
  }
  return NULL;
}

const char *line_element(const char *at, size_t *len) {
  at = skip_space(at);
  if (*at == ']')
    return NULL;
  at = skip_space(at + 1);
  if (*at == ']')
    return NULL;
  *len = (size_t)(skip_value(at) - at);
  return at;
}

int32_t line_class(const json_t *message) {
  static const struct {
    const char *word;
    int32_t code;
  } classes[] = {
      {"bad_input", LATHE_BAD_INPUT}, {"cancelled", LATHE_CANCELLED},
      {"retry", LATHE_RETRY},         {"rate_limit", LATHE_RETRY_RATE},
      {"memory", LATHE_RETRY_MEM},    {"permanent", LATHE_PERMANENT},
      {"auth", LATHE_AUTH},           {"quota", LATHE_QUOTA},
      {"timeout", LATHE_TIMEOUT},     {"crash", LATHE_RETRY_CRASH},
      {"down", LATHE_RETRY_DOWN},     {"retry_anew", LATHE_RETRY_ANEW},
  };
  const char *word = line_text(message, "class");
  for (size_t i = 0; word && i < sizeof classes / sizeof *classes; i++)
    if (strcmp(word, classes[i].word) == 0)
      return classes[i].code;
  return 0;
}

void line_log(struct exec *x, struct lathe_job *job, const json_t *message) {
  static const char *const levels[] = {"debug", "info", "warning", "error"};
  const char *level = line_text(message, "level"), *text = line_text(message, "text");
  int32_t number = 1;
  for (int32_t i = 0; level && i < 4; i++)
    if (strcmp(level, levels[i]) == 0)
      number = i;
  if (text)
    x->host->log(x->host, job, number, text);
}
