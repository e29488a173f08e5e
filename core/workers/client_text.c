/* SPDX-License-Identifier: MIT
 *
 * What workers say, as it leaves this room: for clients, and so without the paths of this machine.
 * The daemon's own log has the texts as they came.
 *
 *   WORK_FOLDER/in/part.step   ->  in/part.step         a file of a job, from its work folder
 *   DATA_FOLDER/blobs/ab/abcd  ->  blobs/ab/abcd        another one of the data folder
 *   /opt/models/a.onnx         ->  a.onnx               any other
 */
#include "workers/internal.h"

#include "base/hide_paths.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the path inside a work folder begins; `at` follows the work root.  A folder is called
 * NAME.NUMBER, and lies in the root or two levels deeper.  `whole`: the path ends with it. */
static const char *inside_folder(const char *at, bool *whole) {
  const char *first = at;
  *whole = false;
  for (int level = 0; level < 3; level++) {
    size_t n = strcspn(at, "/ \n:;,'\")");
    const char *dot = n ? memrchr(at, '.', n) : NULL;
    size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    if (digits && dot + 1 + digits == at + n) {
      *whole = at[n] != '/';
      return at + n + !*whole;
    }
    if (at[n] != '/')
      break;
    at += n + 1;
  }
  return first;
}

/* Those of files in the work folders. */
static void hide_work(struct buf *out, const char *work_root, const char *text) {
  char *root = mem_printf("%s/", work_root);
  bool whole;
  for (const char *at; (at = strstr(text, root));) {
    buf_put(out, text, (size_t)(at - text));
    text = inside_folder(at + strlen(root), &whole);
    buf_puts(out, whole ? "the work folder" : "");
  }
  buf_puts(out, text);
  free(root);
}

/* Those of other files of the data folder, whatever characters its path has. */
static void hide_data(struct buf *out, const char *root, const char *text) {
  const char *end = strrchr(root, '/');
  char *data = mem_printf("%.*s/", end ? (int)(end - root) : 0, root);
  size_t len = strlen(data);
  for (const char *at; len > 2 && (at = strstr(text, data)); text = at + len)
    buf_put(out, text, (size_t)(at - text));
  buf_puts(out, text);
  free(data);
}

char *client_text(const struct workers *w, const char *text) {
  struct buf work = {0}, data = {0}, out = {0};
  if (!text || !strchr(text, '/'))
    return mem_dup(text);
  hide_work(&work, w->work_root, text);
  hide_data(&data, w->work_root, work.data);
  hide_paths(&out, data.data, data.len);
  buf_free(&work);
  buf_free(&data);
  return buf_take(&out);
}

void backend_say(struct backend *b, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(b->message, sizeof b->message, fmt, args);
  va_end(args);
  b->has_message = true;
  free(b->told);
  b->told = client_text(b->w, b->message);
}
