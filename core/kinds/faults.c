/* SPDX-License-Identifier: MIT */
#include "kinds/faults.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one answer: entries of the list, and room for the sentence that counts the rest. */
enum { LISTED_MAX = 50, REST_SIZE = 60 };

/* The sentence goes behind those that are there, while there is room. */
static bool say(struct kind_faults *f, const char *text) {
  size_t len = strlen(f->err.text), room = sizeof f->err.text;
  if (f->count > 0 && len + strlen(text) + REST_SIZE >= room)
    return false;
  snprintf(f->err.text + len, room - len, "%s%.*s", len ? " " : "", (int)(room - REST_SIZE), text);
  return true;
}

bool faults_full(const struct kind_faults *f) {
  return f->count >= LISTED_MAX;
}

void faults_add(struct kind_faults *f, const char *slug, const char *pointer, const char *fmt,
                ...) {
  va_list args;
  char text[500];
  if (faults_full(f)) {
    f->count++;
    f->unsaid++;
    return;
  }
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (!say(f, text))
    f->unsaid++;
  if (f->count == 0) {
    f->slug = slug;
    f->err.code = ERR_INVAL;
  }
  f->count++;
  buf_puts(&f->list, f->count == 1 ? "[{\"pointer\":" : ",{\"pointer\":");
  buf_put_json_str(&f->list, pointer);
  buf_puts(&f->list, ",\"detail\":");
  buf_put_json_str(&f->list, text);
  buf_putc(&f->list, '}');
}

void faults_end(struct kind_faults *f) {
  size_t len = strlen(f->err.text);
  if (f->count > 0)
    buf_putc(&f->list, ']');
  if (f->unsaid > 0)
    snprintf(f->err.text + len, sizeof f->err.text - len, " There %s %zu more.",
             f->unsaid == 1 ? "is" : "are", f->unsaid);
}

void kind_faults_free(struct kind_faults *f) {
  buf_free(&f->list);
}

/* ---- pointers ---- */

size_t pointer_enter(struct buf *pointer, const char *key) {
  size_t len = pointer->len;
  buf_putc(pointer, '/');
  for (; *key; key++)
    if (*key == '~' || *key == '/')
      buf_puts(pointer, *key == '~' ? "~0" : "~1");
    else
      buf_putc(pointer, *key);
  return len;
}

size_t pointer_enter_index(struct buf *pointer, size_t index) {
  size_t len = pointer->len;
  buf_putc(pointer, '/');
  buf_put_u64(pointer, index);
  return len;
}

void pointer_leave(struct buf *pointer, size_t len) {
  pointer->len = len;
  pointer->data[len] = '\0';
}
