/* SPDX-License-Identifier: MIT
 *
 * Ids of which only the beginning was written.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "http_client.h"
#include "table.h"
#include "wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANDIDATES_MAX = 10 };

static const struct noun {
  const char *word, *plural, *path, *list, *want, *id, *see;
} nouns[] = {
    {"job", "jobs", "/api/jobs", "jobs", "jobs[]", "job_id", "lathe list"},
    {"batch", "batches", "/api/batches", "batches", "batches[]", "batch_id", "lathe batch list"},
};

/* Those of the answer whose id begins so: an older server knows no id_prefix and lists all. */
static json_t *candidates(const struct noun *n, const json_t *answer, const char *prefix) {
  json_t *found = json_array(), *one;
  size_t i;
  json_array_foreach(json_object_get(answer, n->list), i, one) {
    const char *id = json_text(one, n->id);
    if (id_is_valid(id) && !strncmp(id, prefix, strlen(prefix)))
      json_array_append(found, one);
  }
  return found;
}

static int ambiguous(const struct cli *c, const struct noun *n, const char *prefix,
                     const json_t *found) {
  bool more = json_array_size(found) > CANDIDATES_MAX;
  size_t i;
  json_t *one;
  if (c->json) {
    json_t *ids = json_array();
    json_array_foreach(found, i, one) json_array_append(ids, json_object_get(one, n->id));
    char *detail = mem_printf("the ids of several %s begin with %s; write more of it", n->plural,
                              prefix);
    json_t *problem = json_pack("{s:s, s:s, s:s, s:o, s:i}", "type", "about:blank", "title",
                                "The id is ambiguous", "detail", detail, "candidates", ids,
                                "exit_code", CLI_USAGE);
    say_json(problem);
    json_decref(problem);
    free(detail);
    return CLI_USAGE;
  }
  struct table t;
  struct buf out = {0};
  char age[SAY_SIZE];
  table_begin(&t, "ID|KIND|STATE|=NAME|>AGE");
  json_array_foreach(found, i, one) {
    if (i >= CANDIDATES_MAX)
      break;
    const json_t *input = json_array_get(json_object_get(one, "inputs"), 0);
    table_put(&t, json_text(one, n->id));
    table_put(&t, json_text(one, "kind"));
    table_put(&t, json_text(one, "status"));
    table_put(&t, input ? json_text(input, "name") : json_text(one, "name"));
    table_put(&t,
              say_seconds((double)clock_wall_us() / 1e6 - json_real_of(one, "created_at"), age));
  }
  table_render(&t, 2, wrap_columns(STDERR_FILENO), &out);
  fail(CLI_USAGE, "the ids of several %s begin with %s; write more of it:", n->plural, prefix);
  say_note("%s%s", out.data, more ? "  and more\n" : "");
  table_free(&t);
  buf_free(&out);
  return CLI_USAGE;
}

/* The whole id in *out, which the caller frees. */
static int complete_one(struct cli *c, const struct noun *n, const char *text, char **out) {
  char prefix[ID_SIZE], path[100];
  if (!id_prefix(text, prefix))
    return fail(CLI_USAGE, "\"%s\" cannot be the id of a %s, nor its beginning; `%s` shows them",
                text, n->word, n->see);
  *out = mem_dup(prefix);
  if (strlen(prefix) == ID_LEN)
    return CLI_OK;
  json_t *answer = NULL;
  snprintf(path, sizeof path, "%s?id_prefix=%s&limit=%d", n->path, prefix, CANDIDATES_MAX + 1);
  int code = http_fetch(c, NULL, path, n->want, &answer);
  json_t *found = candidates(n, answer, prefix);
  size_t count = json_array_size(found);
  if (code == CLI_OK && count == 0) {
    code = fail(CLI_REFUSED, "the server has no %s whose id begins with %s; `%s` shows them",
                n->word, prefix, n->see);
  } else if (code == CLI_OK && count > 1) {
    code = ambiguous(c, n, prefix, found);
  } else if (code == CLI_OK) {
    free(*out);
    *out = mem_dup(json_text(json_array_get(found, 0), n->id));
  }
  json_decref(found);
  json_decref(answer);
  return code;
}

static bool takes_batch(const char *word) {
  static const char *const words[] = {"show", "wait", "cancel", "get", "delete"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(word, words[i]))
      return true;
  return false;
}

int ids_complete(struct cli *c) {
  enum cli_ids ids = c->verb->ids;
  const struct noun *n = &nouns[ids == IDS_BATCH];
  bool one_batch = ids == IDS_BATCH && c->operand_count == 2 && takes_batch(c->operands[0]);
  size_t first = ids == IDS_BATCH, end = ids == IDS_JOBS        ? c->operand_count
                                         : ids == IDS_FIRST_JOB ? 1
                                         : one_batch            ? 2
                                                                : 0;
  c->ids = mem_array(c->operand_count + 1, sizeof *c->ids);
  for (size_t i = first; i < end; i++) {
    char *id = NULL;
    int code = complete_one(c, n, c->operands[i], &id);
    if (id)
      c->operands[i] = c->ids[c->id_count++] = id;
    if (code != CLI_OK)
      return code;
  }
  return CLI_OK;
}
