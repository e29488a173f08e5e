/* SPDX-License-Identifier: MIT
 *
 * Lines of a command behind the plugin exec: each is a message or a fault that is told, and they
 * end.
 */
#include "fuzz.h"

#include "exec.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct exec x;
  x = (struct exec){.pidfd = -1, .in = -1, .err = -1};
  x.out = memfd_create("lines", MFD_CLOEXEC);
  MUST(x.out >= 0 && write(x.out, data, size) == (ssize_t)size && lseek(x.out, 0, SEEK_SET) == 0);
  char *text;
  size_t len, lines = 0;
  enum line found;
  while ((found = line_wait(&x, 0, &text, &len)) == LINE_HERE) {
    const char *type = NULL;
    MUST(++lines <= size && len < LINE_MOST && text[len] == '\0');
    json_t *message = line_parse(&x, text, len, &type);
    MUST(message ? type != NULL : *x.fault && memchr(x.fault, '\0', sizeof x.fault) != NULL);
    if (message)
      line_class(message);
    json_decref(message);
  }
  MUST(found == LINE_END || found == LINE_TOO_LONG);
  free(x.reading.data);
  close(x.out);
  return 0;
}
