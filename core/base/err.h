/* SPDX-License-Identifier: MIT
 *
 * The one error convention.  A function that can fail returns 0, or a negative
 * code of the table below, and, where it takes a `struct err *`, says what went
 * wrong, where, and what to do.  The text is set once, where the error happens;
 * callers pass it on untouched.  NULL for the `struct err *` drops the text.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#define ERR_TABLE(X)                                                                               \
  X(ERR_INVAL, -1, "invalid") /* the caller's data is wrong */                                     \
  X(ERR_NOT_FOUND, -2, "not-found")                                                                \
  X(ERR_CONFLICT, -3, "conflict") /* not in the present state */                                   \
  X(ERR_LIMIT, -4, "limit")       /* larger than a configured limit */                             \
  X(ERR_BUSY, -5, "busy")         /* full or draining: the same again later */                     \
  X(ERR_DENIED, -6, "denied")                                                                      \
  X(ERR_IO, -7, "io")             /* a disk or a file failed */                                    \
  X(ERR_NO_SPACE, -8, "no-space") /* the disk is full */                                           \
  X(ERR_PROTOCOL, -9, "protocol") /* the other side broke the protocol */                          \
  X(ERR_TIMEOUT, -10, "timeout")                                                                   \
  X(ERR_CANCELLED, -11, "cancelled")                                                               \
  X(ERR_UNSUPPORTED, -12, "unsupported")                                                           \
  X(ERR_CRASHED, -13, "crashed")   /* a process ended that should not have */                      \
  X(ERR_SYSTEM, -14, "system")     /* another failure of the operating system */                   \
  X(ERR_MISMATCH, -15, "mismatch") /* same key, other content */

enum err_code {
#define X(name, value, slug) name = (value),
  ERR_TABLE(X)
#undef X
};

struct err {
  int code;
  char text[500];
};

/* Sets *e (when not NULL) and returns `code`, so that one can write
 * `return err_set(e, ERR_INVAL, "...")`. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with the code that fits `errnum` and its text appended:
 * ENOSPC/EDQUOT -> ERR_NO_SPACE, EIO/EROFS -> ERR_IO, EACCES/EPERM -> ERR_DENIED,
 * ENOENT -> ERR_NOT_FOUND, else ERR_SYSTEM. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The code's slug ("no-space"), never NULL. */
const char *err_slug(int code);

#endif
