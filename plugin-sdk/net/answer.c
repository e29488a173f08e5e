/* SPDX-License-Identifier: MIT
 *
 * What a plugin does with an answer.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Each line of `head` ends with LF; one that begins with white space goes on from the one before,
 * which RFC 9112 no longer allows: it counts as no header. */
const char *lathe_net_header(const struct lathe_net_answer *a, const char *name, char *buf,
                             size_t size) {
  size_t len = strlen(name), found_len = 0;
  const char *found = NULL, *end = a->head ? a->head + a->head_len : NULL;
  for (const char *line = a->head, *next; line && line < end; line = next) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    next = stop ? stop + 1 : end;
    size_t all = (size_t)((stop ? stop : end) - line);
    if (all <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
      continue;
    found = line + len + 1;
    found_len = all - len - 1;
  }
  while (found_len && (*found == ' ' || *found == '\t'))
    found++, found_len--;
  while (found_len && strchr(" \t\r", found[found_len - 1]))
    found_len--;
  if (!found || found_len >= size || memchr(found, '\0', found_len))
    return NULL;
  memcpy(buf, found, found_len);
  buf[found_len] = '\0';
  return buf;
}

int32_t lathe_net_fail(struct lathe_net *net, struct lathe_job *job,
                       const struct lathe_net_answer *a) {
  const struct lathe_host *host = net->host;
  if (a->result == LATHE_OK)
    return a->result;
  if (*a->why)
    host->error(job, a->why);
  if (job && (*a->code || *a->request_id))
    host->error_code(job, *a->code ? a->code : NULL, *a->request_id ? a->request_id : NULL);
  if (job && a->retry_after_ms >= 0)
    host->retry_after(job, a->retry_after_ms);
  return a->result;
}

void lathe_net_free(struct lathe_net_answer *a) {
  free(a->body);
  free(a->head);
  memset(a, 0, sizeof *a);
}
