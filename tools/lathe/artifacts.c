/* SPDX-License-Identifier: MIT
 *
 * Artifacts to local files.
 */
#include "artifacts.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct download {
  int fd;
  int errnum; /* why a write failed */
  int64_t bytes, bytes_max;
  struct sha256 *hash;
  struct say_stream shown; /* of standard output */
};

static int on_data(void *arg, const char *data, size_t len) {
  struct download *d = arg;
  sha256_add(d->hash, data, len);
  d->bytes += (int64_t)len;
  if (d->bytes > d->bytes_max)
    return -1;
  if (d->fd == STDOUT_FILENO) {
    d->errnum = say_stream_put(&d->shown, data, len);
    return d->errnum;
  }
  while (len > 0) {
    ssize_t n = write(d->fd, data, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      d->errnum = errno;
      return -1;
    }
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

/* What came against what the server says of the artifact. */
static int check(const struct download *d, const json_t *artifact, const char *hex) {
  const char *sha256 = json_text(artifact, "sha256"); /* "": an archive is made as it is sent */
  long long bytes = (long long)json_integer_value(json_object_get(artifact, "bytes"));
  bool sized = json_is_integer(json_object_get(artifact, "bytes"));
  if (!*sha256 || (!strcmp(hex, sha256) && (d->bytes == bytes || !sized)))
    return CLI_OK;
  if (d->bytes > d->bytes_max)
    return fail(CLI_SERVER,
                "%s is longer than the %lld bytes that the server says; is it a lathe "
                "server?",
                json_text(artifact, "name"), bytes);
  return fail(
      CLI_UNREACHABLE,
      "%s came with %lld bytes and SHA-256 %.12s..., the server says %lld and %.12s...; try "
      "again",
      json_text(artifact, "name"), (long long)d->bytes, hex, bytes, sha256);
}

/* A URL of the server's is a path of its host, so where --server has a path, as that of a proxy,
 * the URL may begin with it, and http_do() puts it in front anyway. */
static const char *path_of(const struct cli *c, const char *url) {
  const char *prefix = strchr(strstr(c->server, "://") + 3, '/');
  size_t len = prefix ? strlen(prefix) : 0;
  return len && !strncmp(url, prefix, len) && url[len] == '/' ? url + len : url;
}

/* Reads the artifact into d->fd and checks it. */
static int transfer(struct cli *c, const json_t *artifact, struct download *d, const char *path) {
  struct http_call call = {
      .path = path_of(c, json_text(artifact, "url")), .endless = true, .sink = on_data, .arg = d};
  struct http_answer answer;
  char hex[SHA256_HEX_SIZE];
  d->hash = sha256_begin();
  d->bytes_max = *json_text(artifact, "sha256") &&
                         json_is_integer(json_object_get(artifact, "bytes"))
                     ? json_integer_value(json_object_get(artifact, "bytes"))
                     : INT64_MAX;
  int code = http_do(c, &call, &answer);
  if (answer.location && !strcmp(json_text(artifact, "location"), "remote")) {
    char *url = mem_dup(answer.location);
    http_answer_free(&answer);
    call.path = NULL;
    call.elsewhere = url;
    code = http_do(c, &call, &answer);
    free(url);
  }
  sha256_end(d->hash, hex);
  say_stream_end(&d->shown);
  if (d->errnum)
    code = fail(CLI_USAGE, "cannot write %s: %s", path, strerror(d->errnum));
  else if (code != CLI_OK)
    http_report(&answer, code);
  else
    code = check(d, artifact, hex);
  http_answer_free(&answer);
  return code;
}

int artifact_get(struct cli *c, const json_t *artifact, const char *path) {
  if (json_text(artifact, "url")[0] != '/')
    return fail(CLI_SERVER, "the server names no address for %s; is it a lathe server?",
                json_text(artifact, "name"));
  struct download d = {.fd = STDOUT_FILENO};
  if (!strcmp(path, "-"))
    return transfer(c, artifact, &d, "standard output");
  char *temp = mem_printf("%s.XXXXXX", path);
  d.fd = mkstemp(temp);
  if (d.fd < 0) {
    int code = fail(CLI_USAGE, "cannot write %s: %s; choose another place with -o", path,
                    strerror(errno));
    free(temp);
    return code;
  }
  mode_t mask = umask(0);
  umask(mask);
  int code = transfer(c, artifact, &d, path);
  if (code == CLI_OK && (fchmod(d.fd, 0666 & ~mask) | close(d.fd) | rename(temp, path)) != 0)
    code = fail(CLI_USAGE, "cannot write %s: %s; choose another place with -o", path,
                strerror(errno));
  else if (code != CLI_OK)
    close(d.fd);
  if (code != CLI_OK)
    unlink(temp);
  free(temp);
  return code;
}

/* mkdir -p with the usual mode. */
static int make_dirs(const char *dir) {
  char *path = mem_dup(dir);
  int failed = 0;
  for (char *p = path + 1; !failed; p++) {
    if (*p && *p != '/')
      continue;
    char end = *p;
    *p = '\0';
    failed = mkdir(path, 0777) && errno != EEXIST;
    *p = end;
    if (!end)
      break;
  }
  int code = failed ? fail(CLI_USAGE, "cannot make the folder %s: %s; choose another place with -o",
                           dir, strerror(errno))
                    : CLI_OK;
  free(path);
  return code;
}

int artifacts_get_all(struct cli *c, const json_t *job, const char *dir, bool tell) {
  int code = make_dirs(dir);
  size_t i;
  json_t *artifact;
  json_array_foreach(json_object_get(job, "artifacts"), i, artifact) {
    const char *name = json_text(artifact, "name");
    if (code != CLI_OK)
      break;
    if (!path_is_plain_name(name)) { /* whatever the server says, files stay in the folder */
      say_note("lathe: the artifact \"%s\" is left out, because a file cannot have that name; "
               "lathe get JOB NAME -o FILE brings it\n",
               name);
      continue;
    }
    bool slash = *dir && dir[strlen(dir) - 1] == '/';
    char *path = mem_printf("%s%s%s", dir, slash ? "" : "/", name), size[SAY_SIZE];
    code = artifact_get(c, artifact, path);
    if (code == CLI_OK && tell)
      say("%s  %s\n", path,
          say_bytes(json_integer_value(json_object_get(artifact, "bytes")), size));
    free(path);
  }
  return code;
}

const json_t *artifact_find(const json_t *job, const char *name) {
  size_t i;
  json_t *artifact;
  json_array_foreach(json_object_get(job, "artifacts"), i, artifact) {
    if (!strcmp(json_text(artifact, "name"), name))
      return artifact;
  }
  return NULL;
}
