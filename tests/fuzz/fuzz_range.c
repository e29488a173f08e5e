/* SPDX-License-Identifier: MIT
 *
 * Range and If-Range: a part lies inside of the file.  The first eight bytes are the file's size.
 */
#include "fuzz.h"

/* For its static functions. */
#include "http/file.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int64_t file = 0, first = -1, last = -1;
  if (size < sizeof file)
    return 0;
  memcpy(&file, data, sizeof file);
  file &= INT64_MAX >> (data[0] & 63);
  char *text = fuzz_text(data + sizeof file, size - sizeof file);
  if (parse_range(text, file, &first, &last) == RANGE_PART)
    MUST(first >= 0 && first <= last && last < file);
  has_tag(text, "\"abc\"", size & 1);
  free(text);
  return 0;
}
