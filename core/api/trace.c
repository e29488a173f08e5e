/* SPDX-License-Identifier: MIT
 *
 * The traceparent of a request: https://www.w3.org/TR/trace-context/.
 */
#include "api/internal.h"

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
