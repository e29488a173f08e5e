/* SPDX-License-Identifier: MIT */
#include "form.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  TIMEOUT_MAX_MS = 7 * 86400 * 1000, /* of the API's timeout_s */
  NAME_CHARS_MAX = 1000,             /* a form takes 8 KiB of headers for it */
  ROLE_SIZE = 61
};

/* ---- files ---- */

/* What has no size and no name: standard input, a pipe, a device. */
static bool is_stream(const char *path) {
  struct stat st;
  return !strcmp(path, "-") ||
         (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

/* ---- a stream is read to its end before the request begins: how long that takes is nobody's
 * business but its writer's, and the server learns the size first ---- */

static size_t read_spool(char *out, size_t size, size_t count, void *file) {
  return fread(out, size, count, file);
}

static int seek_spool(void *file, curl_off_t offset, int origin) {
  return fseeko(file, (off_t)offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static void close_spool(void *file) {
  fclose(file);
}

/* A file without a name in the folder for such.  NULL: said. */
static FILE *open_spool(void) {
  const char *folder = getenv("TMPDIR");
  char *path = mem_printf("%s/lathe.XXXXXX", folder && *folder ? folder : "/tmp");
  int fd = mkstemp(path);
  FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;
  if (!file)
    fail(CLI_USAGE, "cannot make %s for the input: %s; TMPDIR names another folder", path,
         strerror(errno));
  if (fd >= 0)
    unlink(path);
  if (fd >= 0 && !file)
    close(fd);
  free(path);
  return file;
}

static int copy(int from, FILE *to, const char *path) {
  char piece[65536];
  for (;;) {
    ssize_t n = read(from, piece, sizeof piece);
    if (n == 0)
      return fflush(to) == 0 ? CLI_OK
                             : fail(CLI_USAGE,
                                    "the input %s cannot be kept: %s; TMPDIR names another "
                                    "folder",
                                    path, strerror(errno));
    if (n < 0 && cli_interrupted())
      return CLI_INTERRUPTED;
    if (n < 0 && errno != EINTR)
      return fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
    if (n > 0 && fwrite(piece, 1, (size_t)n, to) != (size_t)n)
      return fail(CLI_USAGE, "the input %s cannot be kept: %s; TMPDIR names another folder", path,
                  strerror(errno));
  }
}

static int add_stream(curl_mimepart *part, const char *path) {
  bool standard = !strcmp(path, "-");
  int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), code = CLI_OK;
  if (fd < 0)
    return fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
  FILE *spool = NULL;
  if (isatty(fd))
    code =
        fail(CLI_USAGE,
             "the input %s is a terminal; send a file or a pipe there, as in: lathe submit mesh - "
             "--name part.step < part.step",
             path);
  else if ((spool = open_spool()) == NULL)
    code = CLI_USAGE;
  else
    code = copy(fd, spool, path);
  if (!standard)
    close(fd);
  if (code == CLI_OK && ftello(spool) == 0)
    code = fail(CLI_USAGE, "nothing came from the input %s; did what writes there fail?", path);
  if (code == CLI_OK)
    curl_mime_data_cb(part, ftello(spool), read_spool, seek_spool, close_spool, spool);
  else if (spool)
    fclose(spool);
  if (code == CLI_OK)
    rewind(spool);
  return code;
}

static int check_file(const char *path) {
  struct stat st;
  if (stat(path, &st) || access(path, R_OK))
    return fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
  if (S_ISDIR(st.st_mode))
    return fail(CLI_USAGE, "%s is a folder, not a regular file; name the files in it", path);
  return CLI_OK;
}

/* "mask=FILE": a file in a role of its kind.  A file that is called so is itself. */
static const char *skip_role(const char *operand, char role[ROLE_SIZE]) {
  size_t len = strspn(operand, "abcdefghijklmnopqrstuvwxyz0123456789_");
  role[0] = '\0';
  if (len == 0 || len >= ROLE_SIZE || operand[len] != '=' || access(operand, F_OK) == 0)
    return operand;
  memcpy(role, operand, len);
  role[len] = '\0';
  return operand + len + 1;
}

static int add_input(curl_mime *mime, const char *operand, const char *name) {
  char role[ROLE_SIZE];
  const char *path = skip_role(operand, role);
  bool stream = is_stream(path);
  int code = stream ? CLI_OK : check_file(path);
  if (code != CLI_OK)
    return code;
  curl_mimepart *part = curl_mime_addpart(mime);
  const char *slash = strrchr(path, '/');
  curl_mime_name(part, role[0] ? role : "file");
  if (stream)
    code = add_stream(part, path);
  else
    curl_mime_filedata(part, path); /* streamed while it is sent */
  curl_mime_filename(part, name ? name : slash ? slash + 1 : path);
  curl_mime_type(part, "application/octet-stream");
  return code;
}

int form_add_inputs(const struct cli *c, curl_mime *mime, size_t first, const char *name_option) {
  size_t streams = 0, dashes = 0, pos = 0;
  char role[ROLE_SIZE];
  for (size_t i = first; i < c->operand_count; i++) {
    const char *path = skip_role(c->operands[i], role);
    streams += is_stream(path);
    dashes += !strcmp(path, "-");
  }
  if (dashes > 1)
    return fail(CLI_USAGE, "standard input can be read once; name - once");
  int code = CLI_OK;
  for (size_t i = first; i < c->operand_count && code == CLI_OK; i++) {
    bool stream = is_stream(skip_role(c->operands[i], role)), named = stream || streams == 0;
    const char *name = named ? option_each(c, name_option, &pos) : NULL;
    if (!name && stream)
      return fail(CLI_USAGE, "the input %s has no file name; give it one, as in --%s part.step",
                  c->operands[i], name_option);
    code = add_input(mime, c->operands[i], name);
  }
  const char *left = code == CLI_OK ? option_each(c, name_option, &pos) : NULL;
  if (left)
    return fail(CLI_USAGE, "--%s %s: there is no further input that it could name", name_option,
                left);
  return code;
}

/* ---- fields ---- */

void form_add_field(curl_mime *mime, const char *name, size_t name_len, const char *value) {
  char *copy = mem_dup_n(name, name_len);
  curl_mimepart *part = curl_mime_addpart(mime);
  curl_mime_name(part, copy);
  curl_mime_data(part, value, CURL_ZERO_TERMINATED);
  free(copy);
}

static void add_reserved(curl_mime *mime, const char *name, const char *value, int *count) {
  if (!value)
    return;
  form_add_field(mime, name, strlen(name), value);
  ++*count;
}

/* Checked here, because the server would speak of its own field. */
static int add_timeout(const struct cli *c, curl_mime *mime, int *count) {
  int64_t ms = -1;
  int code = option_duration(c, "timeout", &ms);
  if (code != CLI_OK || ms < 0)
    return code;
  if (ms > TIMEOUT_MAX_MS)
    return fail(CLI_USAGE,
                "--timeout %s is longer than a server takes; it goes up to 7d, and 0 is the "
                "kind's own",
                option_get(c, "timeout"));
  char *seconds = mem_printf("%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
  add_reserved(mime, "timeout_s", seconds, count);
  free(seconds);
  return CLI_OK;
}

int form_add_params(const struct cli *c, curl_mime *mime, const char *kind, int *count) {
  size_t pos = 0;
  int64_t priority = 0;
  for (const char *text; (text = option_each(c, "param", &pos)); ++*count) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
      return fail(CLI_USAGE, "-p takes name=value, not %s; lathe kinds %s lists the parameters",
                  text, kind);
    if (equals - text > NAME_CHARS_MAX)
      return fail(
          CLI_USAGE,
          "-p %.40s...: the name of a parameter has at most %d characters, and this one %lld; "
          "lathe kinds %s lists the parameters",
          text, NAME_CHARS_MAX, (long long)(equals - text), kind);
    form_add_field(mime, text, (size_t)(equals - text), equals + 1);
  }
  if (option_int(c, "priority", -100, 100, &priority) != CLI_OK)
    return CLI_USAGE;
  add_reserved(mime, "backend", option_get(c, "backend"), count);
  add_reserved(mime, "priority", option_get(c, "priority"), count);
  return add_timeout(c, mime, count);
}

/* ---- sets ---- */

/* "k=v,k=v" into an object of texts; the server knows their types. */
static int parse_pairs(const char *text, json_t *params) {
  char *copy = mem_dup(text), *rest = copy;
  int code = CLI_OK;
  for (char *pair; code == CLI_OK && (pair = strsep(&rest, ","));) {
    char *equals = strchr(pair, '=');
    if (!equals || equals == pair) {
      code = fail(CLI_USAGE, "--set takes NAME:key=value,key=value or key=value,..., not %s", text);
      continue;
    }
    *equals = '\0';
    json_object_set_new(params, pair, json_string(equals + 1));
  }
  free(copy);
  return code;
}

int form_add_set(json_t *sets, const char *text) {
  size_t name = strcspn(text, ":=");
  bool named = name > 0 && text[name] == ':';
  json_t *params = json_object(), *set = json_object();
  const char *pairs = named ? text + name + 1 : text;
  int code = *pairs ? parse_pairs(pairs, params) : CLI_OK;
  if (named)
    json_object_set_new(set, "name", json_stringn(text, name));
  json_object_set_new(set, "params", params);
  json_array_append_new(sets, set);
  return code;
}
