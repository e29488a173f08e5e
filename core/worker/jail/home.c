/* SPDX-License-Identifier: MIT */
#include "worker/jail/home.h"

#include <stdlib.h>
#include <unistd.h>

void home_leave(void) {
  static const char *const elsewhere[] = {
      "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
      "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "TMP",
      "TEMP",           "OLDPWD",          "PWD",
  };
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
    unsetenv(elsewhere[i]);
  setenv("USER", "lathe", 1);
  setenv("LOGNAME", "lathe", 1);
}

void home_set(const char *folder) {
  setenv("TMPDIR", folder, 1);
  setenv("HOME", folder, 1);
}

void home_enter(int folder) {
  if (fchdir(folder) < 0) {
    /* It is where it was; paths that a job is given are absolute. */
  }
}
