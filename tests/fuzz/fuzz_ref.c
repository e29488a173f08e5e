/* SPDX-License-Identifier: MIT
 *
 * References of remote jobs: any bytes become a printable text and come back; any text is refused
 * or becomes bytes.
 */
#include "fuzz.h"

#include "base/utf8.h"
#include "wire/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > WIRE_REF_MAX)
    return 0;
  size_t len;
  char *text = wire_ref_text(data, size), *back = wire_ref_bytes(text, &len);
  MUST(back && len == size && memcmp(back, data, size) == 0);
  MUST(utf8_is_valid(text, strlen(text)) && strlen(text) <= WIRE_TEXT_MAX);
  free(back);
  free(text);
  text = fuzz_text(data, size);
  back = wire_ref_bytes(text, &len);
  if (back)
    MUST(len <= size && back[len] == '\0');
  free(back);
  free(text);
  return 0;
}
