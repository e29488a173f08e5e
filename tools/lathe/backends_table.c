/* SPDX-License-Identifier: MIT
 *
 * The table of backends.
 */
#include "backends_table.h"

#include "cli.h"

#include <string.h>

/* Why it is not ready, else what is amiss all the same. */
static void put_message(struct table *t, const json_t *backend) {
  struct buf b = {0};
  size_t i;
  json_t *warning;
  const char *cut_off = json_text(json_object_get(backend, "breaker"), "reason");
  const json_t *drained = json_object_get(backend, "drained");
  buf_puts(&b, json_text(backend, "message"));
  if (*cut_off)
    buf_printf(&b, "%s%s", b.len ? "; " : "", cut_off);
  if (json_is_object(drained))
    buf_printf(&b, "%sdrained by %s%s%s", b.len ? "; " : "", json_text(drained, "who"),
               *json_text(drained, "why") ? ": " : "", json_text(drained, "why"));
  json_array_foreach(json_object_get(backend, "warnings"), i, warning) {
    buf_printf(&b, "%s%s", b.len ? "; " : "", json_string_value(warning));
  }
  table_put(t, b.len ? b.data : "");
  buf_free(&b);
}

/* One that is ready and gets no jobs all the same is not called ready. */
static void put_state(struct table *t, const json_t *backend) {
  const char *state = json_text(backend, "state");
  const char *breaker = json_text(json_object_get(backend, "breaker"), "state");
  if (strcmp(state, "ready") == 0 &&
      (strcmp(breaker, "open") == 0 || strcmp(breaker, "half-open") == 0))
    table_putf(t, "breaker %s", breaker);
  else
    table_put(t, state);
}

static void put_words(struct table *t, const json_t *list) {
  struct buf words = {0};
  size_t i;
  json_t *word;
  json_array_foreach(list, i, word) {
    buf_printf(&words, "%s%s", i ? "," : "", json_string_value(word));
  }
  table_put(t, words.data);
  buf_free(&words);
}

/* Before the plugin is loaded nobody knows what it asks for, and no jail is named either. */
static void put_rights(struct table *t, const json_t *backend) {
  const json_t *rights = json_object_get(backend, "rights");
  if (json_array_size(rights) == 0 && *json_text(backend, "jail"))
    table_put(t, "none");
  else
    put_words(t, rights);
}

void backends_table(struct table *t, const json_t *document, bool whole) {
  size_t i;
  json_t *backend;
  table_begin(
      t,
      whole
          ? "~BACKEND|STATE|>RUNNING|>SLOTS|~KINDS|?~DEVICE|?~ISOLATION|?~RIGHTS|?~JAIL|+MESSAGE"
          : "~BACKEND|STATE|>RUNNING|>SLOTS|~KINDS|?~MESSAGE|?~DEVICE|?~ISOLATION|?~RIGHTS|?~JAIL");
  json_array_foreach(json_object_get(document, "backends"), i, backend) {
    table_put(t, json_text(backend, "name"));
    put_state(t, backend);
    table_putf(t, "%d", (int)json_real_of(backend, "running"));
    table_putf(t, "%d", (int)json_real_of(backend, "slots"));
    put_words(t, json_object_get(backend, "kinds"));
    if (!whole)
      put_message(t, backend);
    table_put(t, json_text(backend, "device"));
    table_put(t, json_text(backend, "isolation"));
    put_rights(t, backend);
    table_put(t, json_text(backend, "jail"));
    if (whole)
      put_message(t, backend);
  }
}
