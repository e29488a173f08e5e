/* SPDX-License-Identifier: MIT */
#include "wire/messages.h"

#include "base/json_check.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "wire/ref.h"

#include <stdlib.h>
#include <string.h>

const char *wire_type_word(unsigned type) {
  switch (type) {
#define X(name, value, word)                                                                       \
  case value:                                                                                      \
    return word;
    WIRE_TYPE_TABLE(X)
#undef X
  default:
    return "unknown";
  }
}

/* For messages whose size their maker bounds far below a frame's limit. */
static void end_small(struct buf *out, size_t start) {
  wire_end(out, start, NULL);
}

static void put_kinds(struct buf *out, const char *const *kinds, size_t count) {
  wire_put_u32(out, (uint32_t)count);
  for (size_t i = 0; i < count; i++)
    wire_put_str(out, kinds[i]);
}

static const char **get_kinds(struct wire_reader *r, size_t *count) {
  *count = wire_get_count(r, 5);
  const char **kinds = mem_array(*count + 1, sizeof *kinds);
  wire_require(r, *count <= WIRE_KINDS_MAX, "too many kinds");
  for (size_t i = 0; i < *count; i++) {
    kinds[i] = wire_get_text(r);
    wire_require(r, wire_is_kind(kinds[i]), "the name of a kind");
  }
  return kinds;
}

void wire_put_hello(struct buf *out, const struct wire_hello *m) {
  size_t start = wire_begin(out, WIRE_HELLO, 0);
  wire_put_u32(out, m->wire_version);
  wire_put_line(out, m->plugin, WIRE_NAME_MAX);
  wire_put_line(out, m->version, WIRE_NAME_MAX);
  wire_put_line(out, m->device, WIRE_NAME_MAX);
  wire_put_u32(out, (uint32_t)m->isolation);
  wire_put_u32(out, m->max_concurrency);
  wire_put_u32(out, m->flags);
  wire_put_u32(out, m->rights);
  wire_put_u32(out, m->threads);
  wire_put_u32(out, m->cancel_grace_ms);
  put_kinds(out, m->kinds, m->kind_count);
  wire_put_u32(out, m->remote);
  end_small(out, start);
}

int wire_get_hello(const struct wire_frame *f, struct wire_hello *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_hello){.wire_version = wire_get_u32(&r)};
  if (!r.bad && m->wire_version != WIRE_VERSION)
    return err_set(
        err, ERR_PROTOCOL,
        "lathe-worker speaks version %u and lathed version %d; install both from one build",
        m->wire_version, WIRE_VERSION);
  m->plugin = wire_get_line(&r, "the plugin's name", WIRE_NAME_MAX);
  m->version = wire_get_line(&r, "its version", WIRE_NAME_MAX);
  m->device = wire_get_line(&r, "its device", WIRE_NAME_MAX);
  m->isolation = (int32_t)wire_get_u32(&r);
  m->max_concurrency = wire_get_u32(&r);
  m->flags = wire_get_u32(&r);
  m->rights = wire_get_u32(&r);
  m->threads = wire_get_u32(&r);
  m->cancel_grace_ms = wire_get_u32(&r);
  m->kinds = get_kinds(&r, &m->kind_count);
  m->remote = wire_get_u32(&r) != 0;
  int rc = wire_reader_end(&r, "HELLO", err);
  if (rc == 0 &&
      ((m->isolation != WIRE_FORK && m->isolation != WIRE_PROCESS && m->isolation != WIRE_SHARED) ||
       (m->remote && m->isolation != WIRE_SHARED)))
    rc = err_set(err, ERR_PROTOCOL, "a HELLO with isolation %d", m->isolation);
  if (rc < 0) {
    free(m->kinds);
    m->kinds = NULL;
  }
  return rc;
}

void wire_put_ready(struct buf *out, const char *libraries, const char *const *kinds,
                    size_t count) {
  size_t start = wire_begin(out, WIRE_READY, 0);
  wire_put_str(out, libraries);
  put_kinds(out, kinds, count);
  end_small(out, start);
}

int wire_get_ready(const struct wire_frame *f, const char **libraries, const char ***kinds,
                   size_t *count, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *libraries = wire_get_text(&r);
  wire_require(&r, sha256_is_hex(*libraries), "the digest of its libraries");
  *kinds = get_kinds(&r, count);
  int rc = wire_reader_end(&r, "READY", err);
  if (rc < 0) {
    free(*kinds);
    *kinds = NULL;
  }
  return rc;
}

static void put_settings(struct buf *out, const struct wire_setting *settings, size_t count) {
  wire_put_u32(out, (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    wire_put_str(out, settings[i].key);
    wire_put_str(out, settings[i].value);
    wire_put_str(out, settings[i].where);
  }
}

static struct wire_setting *get_settings(struct wire_reader *r, size_t *count) {
  *count = wire_get_count(r, 12);
  struct wire_setting *settings = mem_array(*count + 1, sizeof *settings);
  for (size_t i = 0; i < *count; i++) {
    settings[i].key = wire_get_text(r);
    settings[i].value = wire_get_text(r);
    settings[i].where = wire_get_text(r);
  }
  return settings;
}

int wire_put_config(struct buf *out, const struct wire_config *m, struct err *err) {
  size_t start = wire_begin(out, WIRE_CONFIG, 0);
  wire_put_str(out, m->backend);
  wire_put_str(out, m->work_root);
  wire_put_u64(out, m->cell);
  wire_put_u32(out, m->slots);
  wire_put_u32(out, m->heartbeat_ms);
  wire_put_u32(out, (uint32_t)m->nice);
  wire_put_u32(out, m->jail);
  wire_put_u32(out, m->processes);
  wire_put_i64(out, m->park_memory);
  wire_put_i64(out, m->park_ms);
  put_settings(out, m->settings, m->setting_count);
  put_settings(out, m->secrets, m->secret_count);
  return wire_end(out, start, err);
}

int wire_get_config(const struct wire_frame *f, struct wire_config *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_config){.backend = wire_get_text(&r)};
  m->work_root = wire_get_text(&r);
  m->cell = wire_get_u64(&r);
  m->slots = wire_get_u32(&r);
  m->heartbeat_ms = wire_get_u32(&r);
  m->nice = (int32_t)wire_get_u32(&r);
  m->jail = wire_get_u32(&r);
  m->processes = wire_get_u32(&r);
  m->park_memory = wire_get_i64(&r);
  m->park_ms = wire_get_i64(&r);
  m->settings = get_settings(&r, &m->setting_count);
  m->secrets = get_settings(&r, &m->secret_count);
  int rc = wire_reader_end(&r, "CONFIG", err);
  if (rc < 0) {
    free(m->settings);
    free(m->secrets);
    m->settings = m->secrets = NULL;
  }
  return rc;
}

int wire_put_step(struct buf *out, uint64_t token, const struct wire_step *m, struct err *err) {
  size_t start = wire_begin(out, WIRE_STEP, token);
  wire_put_str(out, m->job_id);
  wire_put_str(out, m->kind);
  wire_put_str(out, m->idem_key);
  wire_put_str(out, m->spec_json);
  wire_put_u32(out, (uint32_t)m->attempt);
  wire_put_i64(out, m->limits.wall_ms);
  wire_put_i64(out, m->limits.cpu_ms);
  wire_put_i64(out, m->limits.memory);
  wire_put_i64(out, m->limits.output_bytes);
  wire_put_i64(out, m->limits.log_bytes);
  wire_put_u32(out, (uint32_t)m->input_count);
  for (size_t i = 0; i < m->input_count; i++) {
    wire_put_str(out, m->inputs[i].name);
    wire_put_str(out, m->inputs[i].path);
  }
  wire_put_u32(out, (uint32_t)m->go);
  wire_put_str(out, m->ref);
  wire_put_str(out, m->note);
  wire_put_u32(out, m->threads);
  wire_put_str(out, m->park_scope);
  return wire_end(out, start, err);
}

int wire_get_step(const struct wire_frame *f, struct wire_step *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_step){.job_id = wire_get_text(&r)};
  m->kind = wire_get_text(&r);
  m->idem_key = wire_get_str(&r);
  m->spec_json = wire_get_text(&r);
  m->attempt = (int32_t)wire_get_u32(&r);
  m->limits.wall_ms = wire_get_i64(&r);
  m->limits.cpu_ms = wire_get_i64(&r);
  m->limits.memory = wire_get_i64(&r);
  m->limits.output_bytes = wire_get_i64(&r);
  m->limits.log_bytes = wire_get_i64(&r);
  m->input_count = wire_get_count(&r, 10);
  if (m->input_count)
    m->inputs = mem_array(m->input_count, sizeof *m->inputs);
  for (size_t i = 0; i < m->input_count; i++) {
    m->inputs[i].name = wire_get_text(&r);
    m->inputs[i].path = wire_get_text(&r);
  }
  m->go = (int32_t)wire_get_u32(&r);
  m->ref = wire_get_str(&r);
  m->note = wire_get_str(&r);
  m->threads = wire_get_u32(&r);
  m->park_scope = wire_get_str(&r);
  int rc = wire_reader_end(&r, "STEP", err);
  if (rc == 0 && (m->go < 0 || m->go >= WIRE_GOES || (m->go == WIRE_POLL && !m->ref)))
    rc = err_set(err, ERR_PROTOCOL, "a STEP that begins nowhere (%d)", m->go);
  if (rc < 0) {
    free(m->inputs);
    m->inputs = NULL;
  }
  return rc;
}

void wire_put_progress(struct buf *out, uint64_t token, const struct wire_progress *m) {
  size_t start = wire_begin(out, WIRE_PROGRESS, token);
  wire_put_u32(out, (uint32_t)m->permille);
  wire_put_line(out, m->what, WIRE_STAGE_MAX);
  wire_put_i64(out, m->current);
  wire_put_i64(out, m->total);
  end_small(out, start);
}

int wire_get_progress(const struct wire_frame *f, struct wire_progress *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_progress){.permille = (int32_t)wire_get_u32(&r)};
  m->what = wire_get_line(&r, "the stage", WIRE_STAGE_MAX);
  m->current = wire_get_number(&r, "a count", 0, INT64_MAX);
  m->total = wire_get_number(&r, "a total", 0, INT64_MAX);
  wire_require(&r, m->permille >= 0 && m->permille <= 1000, "a progress past its end");
  return wire_reader_end(&r, "PROGRESS", err);
}

void wire_put_artifact(struct buf *out, const struct wire_artifact *a) {
  wire_put_str(out, a->name);
  wire_put_str(out, a->media_type);
  wire_put_str(out, a->path);
  wire_put_str(out, a->url);
  wire_put_i64(out, a->bytes >= 0 ? a->bytes : -1);
  wire_put_i64(out, a->expires_s > 0 ? a->expires_s : 0);
  wire_put_str(out, a->sha256);
}

int wire_put_done(struct buf *out, uint64_t token, const struct wire_done *m, struct err *err) {
  size_t start = wire_begin(out, WIRE_DONE, token);
  wire_put_u32(out, (uint32_t)m->class);
  wire_put_u32(out, (uint32_t)m->code);
  wire_put_i64(out, m->retry_after_ms < WIRE_WAIT_MAX_MS ? m->retry_after_ms : WIRE_WAIT_MAX_MS);
  wire_put_i64(out, m->run_us > 0 ? m->run_us : 0);
  wire_put_lines(out, m->message, WIRE_TEXT_LIMIT);
  wire_put_str(out, m->result_json);
  wire_put_u32(out, m->folder);
  wire_put_u32(out, (uint32_t)m->artifact_count);
  for (size_t i = 0; i < m->artifact_count; i++)
    wire_put_artifact(out, &m->artifacts[i]);
  wire_put_u32(out, m->open);
  wire_put_u32(out, (uint32_t)m->cancel);
  wire_put_str(out, m->error_code);
  wire_put_str(out, m->request_id);
  return wire_end(out, start, err);
}

void wire_fault_set(struct wire_fault *f, const char *code, const char *request_id) {
  *f = (struct wire_fault){0};
  for (size_t i = 0; code && i < WIRE_CODE_MAX && code[i]; i++) {
    char small[2] = {code[i] >= 'A' && code[i] <= 'Z' ? (char)(code[i] | 0x20) : code[i]};
    f->code[i] = wire_is_code(small) ? small[0] : '_';
  }
  for (size_t i = 0; request_id && i < WIRE_REQUEST_ID_MAX && request_id[i]; i++)
    f->request_id[i] = request_id[i] >= ' ' && request_id[i] <= '~' ? request_id[i] : '?';
}

void wire_get_artifact(struct wire_reader *r, struct wire_artifact *a) {
  a->name = wire_get_text(r);
  a->media_type = wire_get_text(r);
  a->path = wire_get_str(r);
  a->url = wire_get_str(r);
  a->bytes = wire_get_number(r, "the size of an artifact", -1, WIRE_FILE_MAX);
  a->expires_s = wire_get_number(r, "the end of an artifact", 0, WIRE_SECONDS_MAX);
  a->sha256 = wire_get_str(r);
  wire_require(r, path_is_plain_name(a->name), "the name of an artifact");
  wire_require(r, wire_is_media_type(a->media_type), "the media type of an artifact");
  wire_require(r, !a->path || wire_is_path_below(a->path), "the path of an artifact");
  wire_require(r, !a->url || wire_is_url(a->url), "the URL of an artifact");
  wire_require(r, !a->sha256 || sha256_is_hex(a->sha256), "the digest of an artifact");
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool are_different(const struct wire_artifact *all, size_t count) {
  const char **names = mem_array(count + 1, sizeof *names);
  bool different = true;
  for (size_t i = 0; i < count; i++)
    names[i] = all[i].name;
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 1; i < count; i++)
    different &= strcmp(names[i - 1], names[i]) != 0;
  free(names);
  return different;
}

static bool is_result(const char *json) {
  size_t len = strnlen(json, WIRE_RESULT_MAX + 1);
  return len <= WIRE_RESULT_MAX && json_check_object(json, len, WIRE_RESULT_DEPTH, true);
}

/* That it was lost is the daemon's to say: it would cost the job no attempt. */
static bool is_class(int32_t class) {
  return class >= 0 && class < WIRE_CLASSES && class != WIRE_LOST;
}

int wire_get_done(const struct wire_frame *f, struct wire_done *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_done){.class = (int32_t)wire_get_u32(&r)};
  m->code = (int32_t)wire_get_u32(&r);
  m->retry_after_ms = wire_get_number(&r, "the time to wait", 0, WIRE_WAIT_MAX_MS);
  m->run_us = wire_get_number(&r, "the time that it took", 0, INT64_MAX);
  m->message = wire_get_lines(&r, "its text", WIRE_TEXT_LIMIT);
  m->result_json = wire_get_str(&r);
  m->folder = wire_get_u32(&r) != 0;
  m->artifact_count = wire_get_count(&r, 35);
  wire_require(&r, is_class(m->class), "its class");
  wire_require(&r, !m->result_json || is_result(m->result_json), "result.json");
  wire_require(&r, m->artifact_count <= WIRE_ARTIFACTS_MAX, "too many artifacts");
  wire_require(&r, m->folder || m->artifact_count == 0, "artifacts without a folder");
  if (r.bad)
    m->artifact_count = 0;
  if (m->artifact_count)
    m->artifacts = mem_array(m->artifact_count, sizeof *m->artifacts);
  for (size_t i = 0; i < m->artifact_count; i++)
    wire_get_artifact(&r, &m->artifacts[i]);
  for (size_t i = 0; i < m->artifact_count; i++)
    wire_require(&r, r.bad || !m->artifacts[i].path != !m->artifacts[i].url,
                 "an artifact that is in two places, or in none");
  wire_require(&r, m->artifact_count < 2 || are_different(m->artifacts, m->artifact_count),
               "two artifacts of one name");
  m->open = wire_get_u32(&r) != 0;
  m->cancel = (int32_t)wire_get_u32(&r);
  wire_require(&r, m->cancel >= 0 && m->cancel < WIRE_CANCEL_ENDS, "the end of its cancel");
  m->error_code = wire_get_str(&r);
  m->request_id = wire_get_str(&r);
  wire_require(&r, !m->error_code || wire_is_code(m->error_code), "its code");
  wire_require(&r, !m->request_id || wire_is_request_id(m->request_id), "the id of a request");
  int rc = wire_reader_end(&r, "DONE", err);
  if (rc < 0) {
    free(m->artifacts);
    m->artifacts = NULL;
  }
  return rc;
}

void wire_put_backend(struct buf *out, const struct wire_backend *m) {
  size_t start = wire_begin(out, WIRE_BACKEND, 0);
  wire_put_u32(out, (uint32_t)m->state);
  wire_put_u32(out, (uint32_t)m->cause);
  wire_put_u32(out, (uint32_t)m->class);
  wire_put_i64(out, m->for_ms < 0                  ? 0
                    : m->for_ms > WIRE_WAIT_MAX_MS ? WIRE_WAIT_MAX_MS
                                                   : m->for_ms);
  wire_put_line(out, m->why ? m->why : "", WIRE_TEXT_LIMIT);
  end_small(out, start);
}

int wire_get_backend(const struct wire_frame *f, struct wire_backend *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_backend){.state = (int32_t)wire_get_u32(&r)};
  m->cause = (int32_t)wire_get_u32(&r);
  m->class = (int32_t)wire_get_u32(&r);
  m->for_ms = wire_get_number(&r, "for how long", 0, WIRE_WAIT_MAX_MS);
  m->why = wire_get_line(&r, "why", WIRE_TEXT_LIMIT);
  wire_require(&r, m->state >= WIRE_WELL && m->state <= WIRE_PAUSED, "its state");
  wire_require(&r, m->cause >= 0 && m->cause < WIRE_CAUSES, "who says so");
  wire_require(&r, m->class == WIRE_OK || m->class == WIRE_AUTH || m->class == WIRE_QUOTA,
               "what it is paused for");
  return wire_reader_end(&r, "BACKEND", err);
}

void wire_put_bare(struct buf *out, uint16_t type, uint64_t token) {
  end_small(out, wire_begin(out, type, token));
}

void wire_put_value(struct buf *out, uint16_t type, uint64_t token, int64_t value) {
  size_t start = wire_begin(out, type, token);
  wire_put_i64(out, value);
  end_small(out, start);
}

int wire_get_value(const struct wire_frame *f, int64_t *value, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *value = wire_get_i64(&r);
  return wire_reader_end(&r, wire_type_word(f->type), err);
}

void wire_put_refused(struct buf *out, bool again, const char *text) {
  size_t start = wire_begin(out, WIRE_REFUSED, 0);
  wire_put_u32(out, again);
  wire_put_lines(out, text ? text : "", WIRE_TEXT_LIMIT);
  end_small(out, start);
}

int wire_get_refused(const struct wire_frame *f, bool *again, const char **text, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *again = wire_get_u32(&r) != 0;
  *text = wire_get_lines(&r, "its text", WIRE_TEXT_LIMIT);
  wire_require(&r, *text != NULL, "no text");
  return wire_reader_end(&r, "REFUSED", err);
}

static int check_kind(const struct wire_kind *m, struct err *err) {
  size_t len = m->json ? strnlen(m->json, WIRE_KIND_JSON_MAX + 1) : 0;
  if (!wire_is_kind(m->name))
    return err_set(err, ERR_INVAL,
                   "a kind's name begins with a-z, and has a-z 0-9 _ . - and at "
                   "most %d characters",
                   WIRE_KIND_MAX);
  if (len > WIRE_KIND_JSON_MAX)
    return err_set(err, ERR_LIMIT, "a kind has at most %u bytes", WIRE_KIND_JSON_MAX);
  if (m->json && !json_check_object(m->json, len, WIRE_KIND_DEPTH, false))
    return err_set(err, ERR_INVAL, "the declaration of a kind must be one JSON object");
  return 0;
}

int wire_put_kind(struct buf *out, const struct wire_kind *m, struct err *err) {
  int rc = check_kind(m, err);
  if (rc < 0)
    return rc;
  size_t start = wire_begin(out, WIRE_KIND, 0);
  wire_put_str(out, m->name);
  wire_put_u32(out, m->withdrawn);
  wire_put_str(out, m->json);
  end_small(out, start);
  return 0;
}

int wire_get_kind(const struct wire_frame *f, struct wire_kind *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  struct err why = {0};
  *m = (struct wire_kind){.name = wire_get_text(&r)};
  m->withdrawn = wire_get_u32(&r) != 0;
  m->json = wire_get_str(&r);
  int rc = wire_reader_end(&r, "KIND", err);
  if (rc == 0 && check_kind(m, &why) < 0)
    rc = err_set(err, ERR_PROTOCOL, "a KIND message: %s", why.text);
  return rc;
}

void wire_put_jail(struct buf *out, enum wire_jail_state state, const char *lacks) {
  size_t start = wire_begin(out, WIRE_JAIL, 0);
  wire_put_u32(out, state);
  wire_put_line(out, lacks, WIRE_LINE_MAX);
  end_small(out, start);
}

int wire_get_jail(const struct wire_frame *f, enum wire_jail_state *state, const char **lacks,
                  struct err *err) {
  struct wire_reader r = wire_reader(f);
  uint32_t number = wire_get_u32(&r);
  *lacks = wire_get_line(&r, "what it lacks", WIRE_LINE_MAX);
  int rc = wire_reader_end(&r, "JAIL", err);
  if (rc == 0 && number > WIRE_JAIL_WHOLE)
    return err_set(err, ERR_PROTOCOL, "a JAIL message of state %u", number);
  *state = (enum wire_jail_state)number;
  return rc;
}

void wire_put_parked(struct buf *out, const struct wire_parked *m) {
  size_t start = wire_begin(out, WIRE_PARKED, 0);
  wire_put_i64(out, m->count);
  wire_put_i64(out, m->bytes);
  wire_put_i64(out, m->hits);
  end_small(out, start);
}

int wire_get_parked(const struct wire_frame *f, struct wire_parked *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_parked){.count = wire_get_number(&r, "a count", 0, 1 << 20)};
  m->bytes = wire_get_number(&r, "their memory", 0, INT64_MAX);
  m->hits = wire_get_number(&r, "the hits", 0, INT64_MAX);
  return wire_reader_end(&r, "PARKED", err);
}

void wire_put_log(struct buf *out, uint64_t token, int32_t level, const char *text, size_t len) {
  size_t start = wire_begin(out, WIRE_LOG, token);
  wire_put_u32(out, (uint32_t)level);
  wire_put_cleaned(out, text, len, WIRE_LOG_MAX);
  end_small(out, start);
}

int wire_get_log(const struct wire_frame *f, int32_t *level, const char **text, size_t *len,
                 struct err *err) {
  struct wire_reader r = wire_reader(f);
  *level = (int32_t)wire_get_u32(&r);
  *text = wire_get_bytes(&r, len);
  wire_require(&r, *len <= WIRE_LOG_MAX && wire_is_text(*text, *len, true), "its text");
  return wire_reader_end(&r, "LOG", err);
}

void wire_put_note(struct buf *out, uint64_t token, const char *note) {
  size_t start = wire_begin(out, WIRE_NOTE, token);
  wire_put_str(out, note);
  end_small(out, start);
}

int wire_get_note(const struct wire_frame *f, const char **note, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *note = wire_get_line(&r, "the note", 2 * WIRE_NOTE_MAX);
  wire_require(&r, **note != '\0', "the note");
  return wire_reader_end(&r, "NOTE", err);
}

void wire_put_checkpoint(struct buf *out, uint64_t token, const char *ref) {
  size_t start = wire_begin(out, WIRE_CHECKPOINT, token);
  wire_put_str(out, ref);
  end_small(out, start);
}

int wire_get_checkpoint(const struct wire_frame *f, const char **ref, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *ref = wire_get_line(&r, "the reference", WIRE_TEXT_MAX);
  wire_require(&r, **ref != '\0', "the reference");
  return wire_reader_end(&r, "CHECKPOINT", err);
}

void wire_put_recalled(struct buf *out, const uint64_t *tokens, size_t count) {
  size_t start = wire_begin(out, WIRE_RECALLED, 0);
  wire_put_u32(out, (uint32_t)count);
  for (size_t i = 0; i < count; i++)
    wire_put_u64(out, tokens[i]);
  end_small(out, start);
}

int wire_get_recalled(const struct wire_frame *f, uint64_t **tokens, size_t *count,
                      struct err *err) {
  struct wire_reader r = wire_reader(f);
  *count = wire_get_count(&r, 8);
  *tokens = mem_array(*count + 1, sizeof **tokens);
  for (size_t i = 0; i < *count; i++)
    (*tokens)[i] = wire_get_u64(&r);
  int rc = wire_reader_end(&r, "RECALLED", err);
  if (rc < 0) {
    free(*tokens);
    *tokens = NULL;
  }
  return rc;
}
