/* SPDX-License-Identifier: MIT
 *
 * The INI file: it loads, or every problem says where and what; what is loaded is printed as a file
 * that loads to the same, but for the credentials, which are not printed.
 */
#include "fuzz.h"

#include "config/private.h"

static char *printed(const struct config *c) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  MUST(out);
  config_print(c, out);
  MUST(fclose(out) == 0);
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct config *c = NULL;
  struct config_problems problems = {0};
  int rc = config_load(fuzz_file(data, size), &c, &problems);
  MUST((rc == 0) == (c != NULL) && (rc == 0) == (problems.errors == 0));
  for (size_t i = 0; i < problems.count; i++)
    MUST(problems.items[i].where && problems.items[i].text && *problems.items[i].text);
  config_problems_free(&problems);
  if (c) {
    struct config *d = NULL;
    struct config_changes changes = {0};
    char *text = printed(c);
    rc = config_load(fuzz_file(text, strlen(text)), &d, &problems);
    if (rc)
      config_problems_print(&problems, stderr);
    MUST(rc == 0);
    config_diff(c, d, &changes);
    for (size_t i = 0; i < changes.count; i++)
      MUST(changes.items[i].key && config_option_is_secret(changes.items[i].key));
    config_changes_free(&changes);
    config_problems_free(&problems);
    config_free(d);
    free(text);
  }
  config_free(c);
  return 0;
}
