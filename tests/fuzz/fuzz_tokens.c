/* SPDX-License-Identifier: MIT
 *
 * The file of bearer tokens: it loads, or the reason is told; other text names nobody.
 */
#include "fuzz.h"

#include "config/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tokens *t = NULL;
  struct err err = {0};
  enum role role = ROLE_NONE;
  int rc = tokens_load(fuzz_file(data, size), &t, &err);
  MUST((rc == 0) == (t != NULL));
  MUST(rc == 0 || *err.text);
  if (t) {
    MUST(!tokens_client(t, "", &role) &&
         !tokens_client(t, "a token that no file of a fuzzer has", &role));
    char *text = fuzz_text(data, size);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
      MUST(!tokens_client(t, line, &role) || role != ROLE_NONE);
    free(text);
  }
  tokens_free(t);
  return 0;
}
