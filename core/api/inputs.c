/* SPDX-License-Identifier: MIT */
#include "api/inputs.h"

#include "api/base64.h"
#include "api/fields.h"
#include "base/mem.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool name_taken(const struct inputs *in, const char *name) {
  for (size_t i = 0; i < in->count; i++)
    if (strcasecmp(in->list[i].name, name) == 0)
      return true;
  return false;
}

struct input *inputs_add(struct inputs *in, const char *name, struct refusal *no) {
  if (in->count == INPUTS_MAX) {
    refuse(no, "bad-input", "There are more than %d inputs; send fewer.", INPUTS_MAX);
    return NULL;
  }
  if (in->count == in->cap) {
    in->cap = in->cap ? in->cap * 2 : 4;
    in->list = mem_grow(in->list, in->cap * sizeof *in->list);
  }
  char plain[201], unique[216];
  path_plain_name(name ? name : "", plain, sizeof plain);
  snprintf(unique, sizeof unique, "%s", plain);
  for (int n = 2; name_taken(in, unique); n++)
    snprintf(unique, sizeof unique, "%d-%.*s", n, 190, plain);
  path_plain_name(unique, plain, sizeof plain); /* the cut may have split a character */
  struct input *x = &in->list[in->count++];
  *x = (struct input){0};
  memcpy(x->name, plain, sizeof x->name);
  return x;
}

struct record_input input_record(const struct input *x) {
  return (struct record_input){
      .name = x->name, .sha256 = x->sha256, .bytes = x->bytes, .role = x->role[0] ? x->role : NULL};
}

/* ---- data URLs ---- */

static const struct {
  const char *media_type, *name;
} default_names[] = {
    {"image/png", "input.png"},   {"image/jpeg", "input.jpg"},        {"image/webp", "input.webp"},
    {"model/step", "input.step"}, {"application/step", "input.step"}, {"model/iges", "input.iges"},
    {"model/stl", "input.stl"},   {"text/plain", "input.txt"},
};

static const char *name_for(const char *media_type, size_t len) {
  for (size_t i = 0; i < sizeof default_names / sizeof *default_names; i++)
    if (strlen(default_names[i].media_type) == len &&
        strncasecmp(default_names[i].media_type, media_type, len) == 0)
      return default_names[i].name;
  return "input";
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int percent_decode(const char *text, size_t len, struct buf *out, struct err *err) {
  buf_reserve(out, len);
  for (size_t i = 0; i < len; i++) {
    if (text[i] != '%') {
      buf_putc(out, text[i]);
      continue;
    }
    bool whole = len - i > 2;
    int high = whole ? hex_value(text[i + 1]) : -1;
    int low = whole ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return err_set(err, ERR_INVAL, "a %% in the data URL is not followed by two hex digits");
    buf_putc(out, (char)(high << 4 | low));
    i += 2;
  }
  return 0;
}

/* text begins with "data:".  *name is set to what the media type suggests. */
static int data_url(const char *text, size_t len, struct buf *out, const char **name,
                    struct err *err) {
  const char *comma = memchr(text, ',', len);
  if (!comma)
    return err_set(err, ERR_INVAL, "the data URL has no comma before its data");
  const char *type = text + 5;
  size_t type_len = strcspn(type, ";,");
  *name = name_for(type, type_len);
  size_t head = (size_t)(comma - text), rest = len - head - 1;
  bool base64 = head >= 7 && strncasecmp(comma - 7, ";base64", 7) == 0;
  return base64 ? base64_decode(comma + 1, rest, out, err)
                : percent_decode(comma + 1, rest, out, err);
}

/* ---- the JSON forms ---- */

/* The digest in "sha256:<hex>" or "<hex>", or NULL. */
static const char *blob_id(const char *text) {
  if (strncmp(text, "sha256:", 7) == 0)
    text += 7;
  return sha256_is_hex(text) ? text : NULL;
}

/* role: or NULL. */
static int parse_text(struct inputs *in, const json_t *value, const char *name, const char *role,
                      struct refusal *no) {
  const char *text = json_string_value(value), *suggested = "input";
  size_t len = json_string_length(value);
  const char *digest = blob_id(text);
  if (!digest && strncmp(text, "sha256:", 7) == 0)
    return refuse(no, "bad-input",
                  "'%.80s' is not a blob id, which is sha256: and 64 lower-case hex digits.", text);
  struct buf data = {0};
  struct err why = {0};
  int rc = 0;
  if (!digest)
    rc = len > 5 && strncasecmp(text, "data:", 5) == 0
             ? data_url(text, len, &data, &suggested, &why)
             : base64_decode(text, len, &data, &why);
  if (rc < 0) {
    buf_free(&data);
    return refuse(no, "bad-input",
                  "input is neither a blob id (sha256:...) nor a data URL nor base64: %s.",
                  why.text);
  }
  struct input *x = inputs_add(in, name ? name : suggested, no);
  if (!x) {
    buf_free(&data);
    return ERR_INVAL;
  }
  if (digest)
    memcpy(x->sha256, digest, SHA256_HEX_SIZE - 1);
  x->data = data;
  x->bytes = (int64_t)data.len;
  snprintf(x->role, sizeof x->role, "%s", role ? role : "");
  return 0;
}

static int parse_object(struct inputs *in, const json_t *value, struct refusal *no) {
  const json_t *content = NULL;
  static const char *const of_an_input[] = {"name", "role", "blob", "data"};
  const char *name = NULL, *role = NULL, *key;
  json_t *member;
  json_object_foreach((json_t *)value, key, member) {
    bool is_content = strcmp(key, "blob") == 0 || strcmp(key, "data") == 0;
    bool is_role = strcmp(key, "role") == 0;
    if (!is_content && !is_role && strcmp(key, "name") != 0)
      return fields_unknown(no, "bad-input", "An input has no key", key, of_an_input, 4);
    if (!json_is_string(member))
      return refuse(no, "bad-input", "'%s' of an input must be text.", key);
    if (is_role)
      role = json_string_value(member);
    else if (!is_content)
      name = json_string_value(member);
    else if (content)
      return refuse(no, "bad-input", "An input has either 'blob' or 'data', not both.");
    else if (key[0] == 'b' && !blob_id(json_string_value(member)))
      return refuse(no, "bad-input",
                    "'%.80s' is not a blob id, which is sha256: and 64 lower-case hex digits.",
                    json_string_value(member));
    else
      content = member;
  }
  if (!content)
    return refuse(no, "bad-input",
                  "An input needs 'blob' (its id) or 'data' (base64 or data URL).");
  if (role && (!*role || strlen(role) > 60))
    return refuse(no, "bad-input", "The role of an input is a word of the kind's, not '%.60s'.",
                  role);
  return parse_text(in, content, name, role, no);
}

int inputs_parse_role(struct inputs *in, const json_t *text, const char *role, struct refusal *no) {
  return parse_text(in, text, NULL, role, no);
}

int inputs_parse(struct inputs *in, const json_t *value, const char *name, struct refusal *no) {
  if (json_is_null(value))
    return 0;
  if (json_is_string(value))
    return parse_text(in, value, name, NULL, no);
  if (json_is_object(value))
    return parse_object(in, value, no);
  if (!json_is_array(value))
    return refuse(no, "bad-input", "input must be text, an object, or a list of those.");
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *one = json_array_get(value, i);
    if (!json_is_string(one) && !json_is_object(one))
      return refuse(no, "bad-input", "Each input of the list must be text or an object.");
    int rc = inputs_parse(in, one, NULL, no);
    if (rc < 0)
      return rc;
  }
  return 0;
}

/* ---- checks ---- */

static const json_t *formats_of(const struct input *x, const struct kind *kind) {
  const struct kind_role *role = kind_role(kind, x->role);
  return role && role->formats
             ? role->formats
             : json_object_get(json_object_get(kind_json(kind), "inputs"), "formats");
}

/* A name without an ending says nothing against the file: the plugin looks at the content. */
static int check_ending(const struct input *x, const struct kind *kind, struct refusal *no) {
  const json_t *formats = formats_of(x, kind);
  const char *dot = strrchr(x->name, '.');
  if (!dot || json_array_size(formats) == 0)
    return 0;
  char known[200] = "";
  for (size_t i = 0; i < json_array_size(formats); i++) {
    const char *ending = json_string_value(json_array_get(formats, i));
    if (!ending || strcasecmp(ending, dot) == 0)
      return 0;
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", used ? " " : "", ending);
  }
  return refuse(no, "unsupported-media-type",
                "The kind '%s' does not take '%.100s'%s%s; it takes files that end in %s.",
                kind_name(kind), x->name, x->role[0] ? " as its " : "", x->role, known);
}

static int check_one(const struct api *a, const struct input *x, const struct kind *kind,
                     struct refusal *no) {
  const struct kind_role *role = kind_role(kind, x->role);
  int64_t max = role && role->bytes_max > 0 ? role->bytes_max : kind_input_bytes_max(kind);
  if (max <= 0 || (a->options.upload_max > 0 && a->options.upload_max < max))
    max = a->options.upload_max;
  if (x->lost < 0 && x->lost != ERR_NOT_FOUND)
    return refuse(no, "storage-failed",
                  "The server cannot read its inputs now; send the request again later.");
  if (x->lost < 0)
    return refuse(no, "unknown-blob",
                  "There is no blob sha256:%s; send it with POST /api/blobs first.", x->sha256);
  if (max > 0 && x->bytes > max)
    return refuse(no, "too-large",
                  "'%.100s' has %lld bytes; the kind and the server take at most %lld.", x->name,
                  (long long)x->bytes, (long long)max);
  int rc = check_ending(x, kind, no);
  if (rc < 0)
    return rc;
  if (x->bytes == 0 && json_array_size(formats_of(x, kind)) > 0)
    return refuse(no, "bad-input", "'%.100s' is empty; send a file with content.", x->name);
  return 0;
}

/* ---- roles ---- */

static size_t count_role(const struct inputs *in, const char *role) {
  size_t n = 0;
  for (size_t i = 0; i < in->count; i++)
    n += strcmp(in->list[i].role, role) == 0;
  return n;
}

static int refuse_role(const struct kind *kind, const char *word, struct refusal *no) {
  size_t count;
  const struct kind_role *roles = kind_roles(kind, &count);
  const char *names[64];
  if (count == 0)
    return refuse(no, "bad-input",
                  "The kind '%s' does not tell its inputs apart; leave the role '%.60s' out.",
                  kind_name(kind), word);
  for (size_t i = 0; i < count; i++)
    names[i] = roles[i].name;
  return fields_unknown(no, "bad-input", "The kind has no role", word, names, count);
}

static int refuse_role_count(const struct kind *kind, const struct kind_role *role, size_t has,
                             struct refusal *no) {
  bool few = has < (size_t)role->min;
  int wants = few ? role->min : role->max;
  return refuse(
      no, "bad-input",
      "The kind '%s' takes at %s %d input%s as its %s, and the request has %zu.%s%s%s%s%s",
      kind_name(kind), few ? "least" : "most", wants, wants == 1 ? "" : "s", role->name, has,
      few ? " Send it as a form's part '" : "", few ? role->name : "",
      few ? "', or in JSON with \"role\": \"" : "", few ? role->name : "", few ? "\"." : "");
}

/* Those that named a role first, so that the others get what is left. */
static int give_roles(struct inputs *in, const struct kind *kind, struct refusal *no) {
  size_t count;
  const struct kind_role *roles = kind_roles(kind, &count);
  for (size_t i = 0; i < in->count; i++)
    if (in->list[i].role[0] && !kind_role(kind, in->list[i].role))
      return refuse_role(kind, in->list[i].role, no);
  for (size_t i = 0; i < in->count; i++)
    for (size_t r = 0; r < count && !in->list[i].role[0]; r++)
      if (count_role(in, roles[r].name) < (size_t)roles[r].max)
        snprintf(in->list[i].role, sizeof in->list[i].role, "%s", roles[r].name);
  for (size_t r = 0; r < count; r++) {
    size_t has = count_role(in, roles[r].name);
    if (has < (size_t)roles[r].min || has > (size_t)roles[r].max)
      return refuse_role_count(kind, &roles[r], has, no);
  }
  return 0;
}

static int refuse_count(size_t count, int min, int max, const struct kind *kind,
                        struct refusal *no) {
  char wants[60], has[40];
  if (max == 0)
    snprintf(wants, sizeof wants, "no input");
  else if (min == max)
    snprintf(wants, sizeof wants, "exactly %d input%s", min, min == 1 ? "" : "s");
  else if ((int)count < min)
    snprintf(wants, sizeof wants, "at least %d input%s", min, min == 1 ? "" : "s");
  else
    snprintf(wants, sizeof wants, "at most %d input%s", max, max == 1 ? "" : "s");
  if (count == 0)
    snprintf(has, sizeof has, "none");
  else
    snprintf(has, sizeof has, "%zu", count);
  return refuse(no, "bad-input", "The kind '%s' takes %s, and the request has %s.%s",
                kind_name(kind), wants, has,
                count == 0 ? " Send it as a form's part 'file', or in JSON as 'input'." : "");
}

int inputs_check(const struct api *a, struct inputs *in, const struct kind *kind,
                 struct refusal *no) {
  int min = kind_inputs_min(kind), max = kind_inputs_max(kind);
  int rc = (int)in->count <= max ? give_roles(in, kind, no) : 0;
  if (rc < 0)
    return rc;
  if ((int)in->count < min || (int)in->count > max)
    return refuse_count(in->count, min, max, kind, no);
  for (size_t i = 0; i < in->count; i++)
    if ((rc = check_one(a, &in->list[i], kind, no)) < 0)
      return rc;
  return 0;
}

void inputs_release(struct api *a, struct inputs *in, bool refused) {
  for (size_t i = 0; i < in->count; i++) {
    struct input *x = &in->list[i];
    if (x->held)
      hold_release(a, x->sha256, x->made_here, refused);
    buf_free(&x->data);
  }
  free(in->list);
  *in = (struct inputs){0};
}
