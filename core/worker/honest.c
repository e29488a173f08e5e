/* SPDX-License-Identifier: MIT
 *
 * What a child says of its end, before the daemon hears it.
 */
#include "worker/zygote.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void child_put_done(const struct child *c, struct buf *out) {
  struct wire_frame f = {
      .type = WIRE_DONE, .token = c->token, .payload = c->done.data, .len = (uint32_t)c->done.len};
  struct wire_done done;
  char hint[300], text[1400];
  guard_hint(&c->guard, hint, sizeof hint);
  if (hint[0] && wire_get_done(&f, &done, NULL) == 0) {
    bool failed = done.class != WIRE_OK;
    if (failed) {
      snprintf(text, sizeof text, "%.1000s%s", done.message ? done.message : "", hint);
      done.message = text;
      failed = wire_put_done(out, c->token, &done, NULL) == 0;
    }
    free(done.artifacts);
    if (failed)
      return;
  }
  size_t start = wire_begin(out, WIRE_DONE, c->token);
  buf_put(out, c->done.data, c->done.len);
  wire_end(out, start, NULL);
}

bool child_is_honest(const struct zygote *z, const struct child *c) {
  struct wire_frame f = {
      .type = WIRE_DONE, .token = c->token, .payload = c->done.data, .len = (uint32_t)c->done.len};
  struct wire_done done;
  struct folder folder;
  struct stat st;
  folder_path(folder.path, sizeof folder.path, z->host->work_root, z->host->backend, c->token);
  size_t len = strlen(folder.path);
  if (wire_get_done(&f, &done, NULL) < 0)
    return false;
  bool honest = done.workdir ? strcmp(done.workdir, folder.path) == 0 : done.artifact_count == 0;
  folder.fd = honest && done.artifact_count
                  ? open(folder.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                  : -1;
  for (size_t i = 0; honest && i < done.artifact_count; i++) {
    const char *path = done.artifacts[i].path;
    int fd = strncmp(path, folder.path, len) == 0 && path[len] == '/'
                 ? folder_open(&folder, path + len + 1, NULL)
                 : -1;
    honest = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (fd >= 0)
      close(fd);
  }
  if (folder.fd >= 0)
    close(folder.fd);
  free(done.artifacts);
  return honest;
}
