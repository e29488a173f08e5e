/* SPDX-License-Identifier: MIT */
#include "api/frames.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* JSON holds raw line ends only between tokens, where a space serves as well; in a data line they
 * would end it. */
static void flatten(char *data, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (data[i] == '\n' || data[i] == '\r')
      data[i] = ' ';
}

void frame_render(struct frame *f, const struct record_event *e) {
  static const char lead[] = "{\"job_id\"";
  struct buf *b = &f->text;
  f->seq = e->seq;
  f->job_num = e->job_num;
  f->type = e->type;
  buf_clear(b);
  buf_puts(b, "id: ");
  buf_put_i64(b, e->seq);
  buf_puts(b, "\nevent: ");
  buf_puts(b, event_word(e->type));
  buf_puts(b, "\ndata: ");
  f->data_at = b->len;
  const char *data = e->data_json ? e->data_json : "{}";
  size_t len = e->data_json ? e->data_len : 2;
  if (len >= sizeof lead - 1 && memcmp(data, lead, sizeof lead - 1) == 0) {
    buf_put(b, data, len);
  } else {
    buf_puts(b, "{\"job_id\":\"");
    buf_puts(b, e->job_id);
    buf_puts(b, "\",\"at\":");
    buf_put_json_time(b, e->at_us);
    bool empty = len < 2 || strspn(data + 1, " \t\r\n") + 2 >= len;
    buf_puts(b, empty ? "}" : ",");
    if (!empty)
      buf_put(b, data + 1, len - 1);
  }
  f->data_len = b->len - f->data_at;
  flatten(b->data + f->data_at, f->data_len);
  buf_puts(b, "\n\n");
}

void frames_saw(struct frames *fs, int64_t seq) {
  if (seq > fs->published)
    fs->published = seq;
}

void frames_open(struct frames *fs) {
  if (fs->ring)
    return;
  fs->ring = mem_array(FRAMES_MAX, sizeof *fs->ring);
  fs->first = fs->count = fs->bytes = 0;
  fs->complete_after = fs->published;
}

void frames_close(struct frames *fs) {
  if (!fs->ring)
    return;
  for (size_t i = 0; i < FRAMES_MAX; i++)
    buf_free(&fs->ring[i].text);
  free(fs->ring);
  fs->ring = NULL;
  fs->first = fs->count = fs->bytes = 0;
}

static void drop_oldest(struct frames *fs) {
  struct frame *f = &fs->ring[fs->first];
  fs->complete_after = f->seq;
  fs->bytes -= f->text.len;
  if (f->text.cap > 4096)
    buf_free(&f->text);
  fs->first = (fs->first + 1) % FRAMES_MAX;
  fs->count--;
}

const struct frame *frames_add(struct frames *fs, const struct record_event *e) {
  if (fs->count == FRAMES_MAX)
    drop_oldest(fs);
  struct frame *f = &fs->ring[(fs->first + fs->count) % FRAMES_MAX];
  frame_render(f, e);
  fs->count++;
  fs->bytes += f->text.len;
  while (fs->bytes > FRAMES_BYTES && fs->count > 1)
    drop_oldest(fs);
  return f;
}

bool frames_cover(const struct frames *fs, int64_t seq) {
  return fs->ring && seq >= fs->complete_after;
}

const struct frame *frames_at(const struct frames *fs, size_t i) {
  return &fs->ring[(fs->first + i) % FRAMES_MAX];
}

size_t frames_after(const struct frames *fs, int64_t seq) {
  size_t low = 0, high = fs->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (frames_at(fs, mid)->seq > seq)
      high = mid;
    else
      low = mid + 1;
  }
  return low;
}
