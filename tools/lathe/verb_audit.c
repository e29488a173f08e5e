/* SPDX-License-Identifier: MIT
 *
 * lathe audit.
 */
#include "base/clock.h"
#include "base/json64.h"
#include "http_client.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 200, LIMIT_MAX = 100000, LIMIT = 50 };

struct listing {
  json_t *lines;
  int64_t limit;
  double since; /* seconds of the epoch; 0: any */
};

/* ---- asking for it ---- */

static char *page_path(struct cli *c, const struct listing *l, const char *token) {
  static const char *const filters[] = {"who", "what"};
  int64_t left = l->limit - (int64_t)json_array_size(l->lines);
  struct buf path = {0};
  buf_printf(&path, "/api/audit?limit=%d", left > PAGE ? PAGE : (int)left);
  if (l->since > 0)
    buf_printf(&path, "&since=%.6f", l->since);
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    const char *value = option_get(c, filters[i]);
    char *text = value ? http_path(c, "%s", value) : NULL;
    if (text)
      buf_printf(&path, "&%s=%s", filters[i], text);
    free(text);
  }
  if (token) {
    char *text = http_path(c, "%s", token);
    buf_printf(&path, "&page_token=%s", text);
    free(text);
  }
  return buf_take(&path);
}

static int check_page(struct cli *c, const json_t *page) {
  size_t count = json_array_size(json_object_get(page, "audit"));
  if (count <= PAGE && (count > 0 || !*json_text(page, "next_page_token")))
    return CLI_OK;
  return fail(
      CLI_SERVER,
      "%s gave a page of %zu lines where one of 1 to %d was asked for; is it a lathe server?",
      c->server, count, PAGE);
}

static int fetch_lines(struct cli *c, struct listing *l) {
  json_t *page = NULL;
  const struct cli_gathered before = c->gathered;
  const char *token = NULL;
  int code = CLI_OK;
  do {
    char *path = page_path(c, l, token);
    json_decref(page);
    code = http_fetch(c, NULL, path, "audit[]", &page);
    free(path);
    if (code == CLI_OK)
      code = check_page(c, page);
    if (code == CLI_OK)
      code = http_within(c, &before, CLI_USAGE, "ask for less with --limit or --since");
    if (code == CLI_OK)
      json_array_extend(l->lines, json_object_get(page, "audit"));
    token = json_text(page, "next_page_token");
  } while (code == CLI_OK && *token && (int64_t)json_array_size(l->lines) < l->limit);
  json_decref(page);
  return code;
}

/* ---- showing it ---- */

static void put_time(struct table *t, double at) {
  char text[40] = "";
  time_t seconds = (time_t)at;
  struct tm local;
  if (at > 0 && at < 1e11 && localtime_r(&seconds, &local))
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  table_put(t, text);
}

static void put_value(struct buf *b, const json_t *value) {
  char *text = json_is_string(value) ? NULL : json64_dump(value, JSON_ENCODE_ANY | JSON_COMPACT);
  buf_puts(b, text ? text : json_string_value(value));
  free(text);
}

/* "from -> to", of an object key by key: "[limits] attempts: 3 -> 5". */
static void put_change(struct table *t, const json_t *from, const json_t *to) {
  struct buf b = {0};
  const char *key;
  json_t *value;
  bool nothing = !from || json_is_null(from);
  if (!json_is_object(to) || !(nothing || json_is_object(from))) {
    if (!nothing)
      put_value(&b, from);
    buf_puts(&b, nothing ? "-> " : " -> ");
    if (to && !json_is_null(to))
      put_value(&b, to);
  } else {
    json_object_foreach((json_t *)to, key, value) {
      const json_t *before = json_object_get(from, key);
      buf_printf(&b, "%s%s: ", b.len ? "; " : "", key);
      if (before)
        put_value(&b, before);
      buf_puts(&b, before ? " -> " : "-> ");
      put_value(&b, value);
    }
    json_object_foreach((json_t *)from, key, value) {
      if (json_object_get(to, key))
        continue;
      buf_printf(&b, "%s%s: ", b.len ? "; " : "", key);
      put_value(&b, value);
      buf_puts(&b, " ->");
    }
  }
  table_put(t, b.len ? b.data : "");
  buf_free(&b);
}

static void print(const json_t *lines) {
  struct table t;
  size_t i;
  json_t *line;
  table_begin(&t, "WHEN|WHO|WHAT|~ABOUT|+FROM -> TO|~WHY");
  json_array_foreach(lines, i, line) {
    put_time(&t, json_real_of(line, "at"));
    table_put(&t, json_text(line, "who"));
    table_putf(&t, "%.100s%s", json_text(line, "what"),
               json_is_true(json_object_get(line, "undone")) ? " (undone)" : "");
    table_put(&t, json_text(line, "about"));
    put_change(&t, json_object_get(line, "from"), json_object_get(line, "to"));
    table_put(&t, json_text(line, "why"));
  }
  table_print(&t, 0);
  if (!json_array_size(lines))
    say_note("The server keeps no such lines.\n");
}

int verb_audit(struct cli *c) {
  struct listing l = {.limit = LIMIT};
  int64_t since = -1;
  if (option_int(c, "limit", 1, LIMIT_MAX, &l.limit) != CLI_OK ||
      option_duration(c, "since", &since) != CLI_OK)
    return CLI_USAGE;
  if (since >= 0)
    l.since = (double)clock_wall_us() / 1e6 - (double)since / 1000;
  l.lines = json_array();
  int code = fetch_lines(c, &l);
  if (code == CLI_OK && c->json) {
    json_t *document = json_pack("{s:O}", "audit", l.lines);
    say_json(document);
    json_decref(document);
  } else if (code == CLI_OK) {
    print(l.lines);
  }
  json_decref(l.lines);
  return code;
}
