/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void err_format(struct err *e, int code, const char *fmt, va_list args) {
  /* Formatted aside, because an argument may be the old text of the same err. */
  char text[sizeof(e->text)];
  if (vsnprintf(text, sizeof(text), fmt, args) < 0)
    text[0] = '\0';
  e->code = code;
  memcpy(e->text, text, strlen(text) + 1);
}

int err_set(struct err *e, int code, const char *fmt, ...) {
  if (e) {
    va_list args;
    va_start(args, fmt);
    err_format(e, code, fmt, args);
    va_end(args);
  }
  return code;
}

static int err_code_of(int errnum) {
  static const struct {
    int errnum, code;
  } table[] = {
      {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE}, {EIO, ERR_IO},           {EROFS, ERR_IO},
      {EACCES, ERR_DENIED},   {EPERM, ERR_DENIED},    {ENOENT, ERR_NOT_FOUND},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
    if (table[i].errnum == errnum)
      return table[i].code;
  return ERR_SYSTEM;
}

int err_sys(struct err *e, int errnum, const char *fmt, ...) {
  int code = err_code_of(errnum);
  if (e) {
    va_list args;
    va_start(args, fmt);
    err_format(e, code, fmt, args);
    va_end(args);
    char reason[128];
    size_t len = strlen(e->text);
    snprintf(e->text + len, sizeof(e->text) - len, ": %s",
             strerror_r(errnum, reason, sizeof(reason)));
  }
  return code;
}

const char *err_slug(int code) {
  switch (code) {
#define X(name, value, slug)                                                                       \
  case name:                                                                                       \
    return slug;
    ERR_TABLE(X)
#undef X
  case 0:
    return "ok";
  default:
    return "unknown";
  }
}
