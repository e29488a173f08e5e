/* SPDX-License-Identifier: MIT */
#include "store/files.h"

#include "store/engine.h"

int store_copy(const char *from, const char *to, struct err *err) {
  return engine_sqlite.copy(from, to, err);
}

int store_copy_forget(const char *copy, const char *live, struct err *err) {
  return engine_sqlite.copy_forget(copy, live, err);
}

int store_files(const char *path, store_file_seen *seen, void *ctx, struct err *err) {
  return engine_sqlite.files(path, seen, ctx, err);
}

int store_settings_of(const char *path, store_setting_seen *seen, void *ctx, struct err *err) {
  return engine_sqlite.settings_of(path, seen, ctx, err);
}
