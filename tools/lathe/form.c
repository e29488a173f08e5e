/* SPDX-License-Identifier: MIT */
#include "form.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int form_add_file(curl_mime *mime, const char *path) {
  struct stat st;
  if (stat(path, &st) || access(path, R_OK)) {
    say_error("cannot read %s: %s", path, strerror(errno));
    return CLI_USAGE;
  }
  if (!S_ISREG(st.st_mode)) {
    say_error("%s is not a regular file", path);
    return CLI_USAGE;
  }
  curl_mimepart *part = curl_mime_addpart(mime);
  const char *slash = strrchr(path, '/');
  curl_mime_name(part, "file");
  curl_mime_filedata(part, path); /* streamed while it is sent */
  curl_mime_filename(part, slash ? slash + 1 : path);
  curl_mime_type(part, "application/octet-stream");
  return CLI_OK;
}

void form_add_field(curl_mime *mime, const char *name, size_t name_len, const char *value) {
  char *copy = mem_dup_n(name, name_len);
  curl_mimepart *part = curl_mime_addpart(mime);
  curl_mime_name(part, copy);
  curl_mime_data(part, value, CURL_ZERO_TERMINATED);
  free(copy);
}

int form_add_params(const struct cli *c, curl_mime *mime, const char *kind, int *count) {
  static const struct {
    const char *option, *field;
  } reserved[] = {{"backend", "backend"}, {"priority", "priority"}, {"timeout", "timeout_s"}};
  size_t pos = 0;
  for (const char *text; (text = option_each(c, "param", &pos)); ++*count) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
      say_error("-p takes name=value, not %s; lathe kinds %s lists the parameters", text, kind);
      return CLI_USAGE;
    }
    form_add_field(mime, text, (size_t)(equals - text), equals + 1);
  }
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    const char *value = option_get(c, reserved[i].option);
    if (value) {
      form_add_field(mime, reserved[i].field, strlen(reserved[i].field), value);
      ++*count;
    }
  }
  return CLI_OK;
}
