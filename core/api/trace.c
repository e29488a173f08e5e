/* SPDX-License-Identifier: MIT
 *
 * Who asks for what, for the log; the traceparent of a request:
 * https://www.w3.org/TR/trace-context/.
 */
#include "api/internal.h"
#include "observe/log.h"

#include <string.h>

const char *api_trace(const struct http_request *r) {
  static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
  const char *sent = http_header(r, "traceparent");
  if (!sent || strlen(sent) != sizeof form - 1)
    return NULL;
  for (size_t i = 0; form[i]; i++)
    if (form[i] == '-' ? sent[i] != '-' : !strchr("0123456789abcdef", sent[i]))
      return NULL;
  return sent;
}

void api_log_asked(const struct http_request *r, const char *event, const char *key,
                   const char *id) {
  const struct log_field fields[] = {{.key = key, .text = id},
                                     {.key = "client", .text = http_client(r)},
                                     {.key = "peer", .text = http_peer(r)},
                                     {.key = "traceparent", .text = api_trace(r)}};
  log_fields(LOG_INFO, event, fields, sizeof fields / sizeof *fields, "a client asks for it");
}
