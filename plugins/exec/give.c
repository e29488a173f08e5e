/* SPDX-License-Identifier: MIT
 *
 * What the command says of a job, given to the host.
 */
#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_FILE ".lathe-result.json"

static const char *text_or_empty(const json_t *m, const char *name) {
  const char *text = line_text(m, name);
  return text ? text : "";
}

const char *give_progress(struct exec *x, struct lathe_job *job, const json_t *m) {
  const json_t *percent = json_object_get(m, "percent");
  long long current = json_integer_value(json_object_get(m, "current"));
  long long total = json_integer_value(json_object_get(m, "total"));
  char what[200];
  if (!json_is_number(percent))
    return "sent a progress without a number \"percent\"";
  double permille = json_number_value(percent) * 10;
  snprintf(what, sizeof what, "%.150s", text_or_empty(m, "stage"));
  if (total > 0)
    snprintf(what, sizeof what, "%.150s %lld/%lld", text_or_empty(m, "stage"), current, total);
  x->host->progress(job, (int32_t)(permille < 0 ? 0 : permille > 1000 ? 1000 : permille), what);
  return NULL;
}

const char *give_report(struct exec *x, struct lathe_job *job, const json_t *m, const char *line) {
  const char *key = line_text(m, "key");
  size_t len = 0;
  const char *value = line_member(m, line, "value", &len);
  char text[200];
  if (!key || !value)
    return "sent a report without a \"key\" or a \"value\"";
  if (!LATHE_CAN(x->host, report))
    return NULL;
  char *copy = strndup(value, len);
  if (!copy)
    abort();
  if (x->host->report(job, key, copy) != LATHE_OK) {
    snprintf(text, sizeof text,
             "the report \"%.80s\" was refused: it is not a key, or not a value; see docs/exec.md",
             key);
    x->host->log(x->host, job, 2, text);
  }
  free(copy);
  return NULL;
}

/* ---- outputs ---- */

/* A path below the work folder may be absolute. */
static const char *relative(const char *workdir, const char *path) {
  size_t len = strlen(workdir);
  return strncmp(path, workdir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static int digit_of(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

/* The bytes of a text in base64 (RFC 4648, with its padding); NULL: it is not one.  free() it. */
static char *decode(const char *text, size_t *len) {
  size_t n = strlen(text), pad = n && text[n - 1] == '=' ? 1 + (n > 1 && text[n - 2] == '=') : 0;
  char *bytes = malloc(n / 4 * 3 + 1);
  if (!bytes)
    abort();
  *len = 0;
  bool good = n % 4 == 0;
  for (size_t i = 0; good && i < n; i += 4) {
    uint32_t bits = 0;
    size_t digits = i + 4 == n ? 4 - pad : 4;
    for (size_t k = 0; k < 4; k++) {
      int digit = k < digits ? digit_of(text[i + k]) : 0;
      good = good && digit >= 0;
      bits = bits << 6 | (uint32_t)digit;
    }
    for (size_t k = 0; k + 1 < digits; k++)
      bytes[(*len)++] = (char)(bits >> (16 - 8 * k));
  }
  if (!good) {
    free(bytes);
    return NULL;
  }
  return bytes;
}

static int32_t put(struct exec *x, struct lathe_job *job, const struct lathe_artifact *a) {
  if (LATHE_CAN(x->host, put))
    return x->host->put(job, a);
  if (a->flags & LATHE_PROVISIONAL)
    return LATHE_OK; /* nobody could see it */
  x->host->error(job, "this lathe takes artifacts as files only; upgrade it");
  return LATHE_PERMANENT;
}

static bool is_simple(const struct lathe_artifact *a) {
  return a->relpath && !a->flags;
}

const char *give_artifact(struct exec *x, struct lathe_job *job, const json_t *m,
                          const char *workdir, bool *refused) {
  const char *path = line_text(m, "path"), *data = line_text(m, "data");
  const json_t *bytes = json_object_get(m, "bytes");
  struct lathe_artifact a = {
      .struct_size = sizeof a,
      .flags = json_is_true(json_object_get(m, "provisional")) ? LATHE_PROVISIONAL : 0,
      .name = line_text(m, "name"),
      .media_type = line_text(m, "media_type"),
      .url = line_text(m, "url"),
      .bytes = json_is_integer(bytes) ? json_integer_value(bytes) : -1,
      .expires_s = (int64_t)json_number_value(json_object_get(m, "expires")),
      .sha256 = line_text(m, "sha256"),
  };
  char *decoded = NULL;
  if (!a.name)
    return "sent an artifact without a \"name\"";
  if ((path != NULL) + (data != NULL) + (a.url != NULL) > 1)
    return "sent an artifact with more than one of \"path\", \"data\" and \"url\"";
  if (data && !(a.data = decoded = decode(data, &a.len)))
    return "sent an artifact whose \"data\" is not base64";
  if (!a.url && !data && !workdir)
    return "sent an artifact as a file in a request that has no \"workdir\"";
  if (!a.url && !data)
    a.relpath = relative(workdir, path ? path : a.name);
  if (!*refused)
    *refused = (is_simple(&a) ? x->host->artifact(job, a.name, a.relpath, a.media_type)
                              : put(x, job, &a)) != LATHE_OK;
  free(decoded);
  return NULL;
}

static bool write_result(const char *path, const char *text, size_t len) {
  FILE *file = fopen(path, "we");
  bool written = file && fwrite(text, 1, len, file) == len;
  return file && fclose(file) == 0 && written;
}

int32_t give_result(struct exec *x, struct lathe_job *job, const json_t *m, const char *line,
                    const char *workdir) {
  char path[4200];
  size_t len = 0;
  const char *result = line_member(m, line, "result", &len);
  snprintf(path, sizeof path, "%s/" RESULT_FILE, workdir);
  if (result && write_result(path, result, len))
    return x->host->artifact(job, "result.json", RESULT_FILE, "application/json");
  x->host->error(job, "the result cannot be written to the work folder");
  return LATHE_RETRY;
}

/* ---- failures ---- */

const char *give_failure(struct exec *x, struct lathe_job *job, const json_t *m, int32_t *code) {
  const char *message = line_text(m, "message"), *word = line_text(m, "code");
  const char *request_id = line_text(m, "request_id");
  const json_t *after = json_object_get(m, "retry_after_s");
  *code = line_class(m);
  if (!*code)
    return "sent an error whose class is none of bad_input, cancelled, retry, rate_limit, memory, "
           "permanent, auth, quota, timeout, crash, down, retry_anew";
  if (message)
    x->host->error(job, message);
  if ((word || request_id) && LATHE_CAN(x->host, error_code))
    x->host->error_code(job, word, request_id);
  if (json_is_number(after) && json_number_value(after) < 1e9)
    x->host->retry_after(job, (int64_t)(json_number_value(after) * 1000));
  return NULL;
}
