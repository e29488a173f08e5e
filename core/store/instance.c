/* SPDX-License-Identifier: MIT
 *
 * The name of this daemon among others.  The database's own id is not enough: a copy of the data folder
 * has it too, and its daemon is another one, to which jobs may be sent on.
 */
#include "store/private.h"

#include "base/sha256.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void add_machine(struct sha256 *h) {
  char text[64] = "";
  FILE *file = fopen("/etc/machine-id",
                     "re"); /* not everywhere; then the place of the file will do */
  size_t len = file ? fread(text, 1, sizeof text, file) : 0;
  if (file)
    fclose(file);
  sha256_add(h, text, len);
}

void instance_make(const char *database_id, const char *path, char out[INSTANCE_SIZE]) {
  char hex[SHA256_HEX_SIZE];
  struct stat st;
  struct sha256 *h = sha256_begin();
  sha256_add(h, database_id, strlen(database_id));
  add_machine(h);
  if (stat(path, &st) == 0) {
    const unsigned long long place[] = {st.st_dev, st.st_ino};
    sha256_add(h, place, sizeof place);
  }
  sha256_end(h, hex);
  memcpy(out, hex, INSTANCE_SIZE - 1);
  out[INSTANCE_SIZE - 1] = '\0';
}
