/* SPDX-License-Identifier: MIT */
#include "wire/frame.h"

#include <assert.h>
#include <string.h>

#define NULL_TEXT 0xffffffffu

/* Compilers make one store of this on little-endian machines. */
static void store_le(unsigned char *to, uint64_t v, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    to[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t load_le(const char *from, size_t bytes) {
  uint64_t v = 0;
  for (size_t i = 0; i < bytes; i++)
    v |= (uint64_t)(unsigned char)from[i] << (8 * i);
  return v;
}

size_t wire_begin(struct buf *out, uint16_t type, uint64_t token) {
  unsigned char header[WIRE_HEADER] = {0};
  size_t start = out->len;
  store_le(header + 4, type, 2);
  store_le(header + 8, token, 8);
  buf_put(out, header, sizeof header);
  return start;
}

void wire_put_u32(struct buf *out, uint32_t v) {
  unsigned char b[4];
  store_le(b, v, sizeof b);
  buf_put(out, b, sizeof b);
}

void wire_put_u64(struct buf *out, uint64_t v) {
  unsigned char b[8];
  store_le(b, v, sizeof b);
  buf_put(out, b, sizeof b);
}

void wire_put_i64(struct buf *out, int64_t v) {
  wire_put_u64(out, (uint64_t)v);
}

void wire_put_bytes(struct buf *out, const void *data, size_t len) {
  if (len > WIRE_MAX_PAYLOAD) /* wire_end refuses the frame; nothing is copied in vain */
    len = WIRE_MAX_PAYLOAD;
  wire_put_u32(out, (uint32_t)len);
  buf_put(out, data, len);
  buf_putc(out, '\0');
}

void wire_put_str(struct buf *out, const char *text) {
  if (text)
    wire_put_bytes(out, text, strlen(text));
  else
    wire_put_u32(out, NULL_TEXT);
}

int wire_end(struct buf *out, size_t start, struct err *err) {
  assert(out->len >= start + WIRE_HEADER);
  size_t len = out->len - start - WIRE_HEADER;
  if (len > WIRE_MAX_PAYLOAD) {
    out->len = start;
    return err_set(err, ERR_LIMIT,
                   "a message of %zu bytes is over the limit of %u between daemon and worker", len,
                   WIRE_MAX_PAYLOAD);
  }
  store_le((unsigned char *)out->data + start, len, 4);
  return 0;
}

void wire_input_free(struct wire_input *in) {
  buf_free(&in->buf);
  in->at = 0;
}

char *wire_input_room(struct wire_input *in, size_t want) {
  if (in->at == in->buf.len) {
    buf_clear(&in->buf);
    in->at = 0;
  } else if (in->at > 0 && in->buf.cap - in->buf.len < want) {
    buf_consume(&in->buf, in->at);
    in->at = 0;
  }
  buf_reserve(&in->buf, want);
  return in->buf.data + in->buf.len;
}

void wire_input_added(struct wire_input *in, size_t len) {
  assert(len < in->buf.cap - in->buf.len); /* what wire_input_room() gave */
  in->buf.len += len;
}

int wire_input_next(struct wire_input *in, struct wire_frame *frame, struct err *err) {
  size_t have = in->buf.len - in->at;
  if (have < WIRE_HEADER)
    return 0;
  const char *head = in->buf.data + in->at;
  uint64_t len = load_le(head, 4);
  if (len > (in->max ? in->max : WIRE_MAX_PAYLOAD) || load_le(head + 6, 2) != 0)
    return err_set(err, ERR_PROTOCOL,
                   "bytes that are not a frame (length %llu); the other side is broken",
                   (unsigned long long)len);
  if (have - WIRE_HEADER < len)
    return 0;
  *frame = (struct wire_frame){
      .type = (uint16_t)load_le(head + 4, 2),
      .token = load_le(head + 8, 8),
      .payload = head + WIRE_HEADER,
      .len = len,
  };
  in->at += WIRE_HEADER + len;
  return 1;
}

struct wire_reader wire_reader(const struct wire_frame *frame) {
  return (struct wire_reader){.at = frame->payload, .left = frame->len};
}

/* The next n bytes, or NULL with `bad` set. */
static const char *reader_take(struct wire_reader *r, size_t n) {
  if (r->bad || r->left < n) {
    r->bad = true;
    return NULL;
  }
  const char *at = r->at;
  r->at += n;
  r->left -= n;
  return at;
}

uint32_t wire_get_u32(struct wire_reader *r) {
  const char *p = reader_take(r, 4);
  return p ? (uint32_t)load_le(p, 4) : 0;
}

uint64_t wire_get_u64(struct wire_reader *r) {
  const char *p = reader_take(r, 8);
  return p ? load_le(p, 8) : 0;
}

int64_t wire_get_i64(struct wire_reader *r) {
  return (int64_t)wire_get_u64(r);
}

/* The bytes that follow a length that was read. */
static const char *bytes_of(struct wire_reader *r, size_t len) {
  if (len >= r->left) { /* one more for the NUL */
    r->bad = true;
    return NULL;
  }
  const char *p = reader_take(r, len + 1);
  if (p && p[len] != '\0') {
    r->bad = true;
    return NULL;
  }
  return p;
}

const char *wire_get_bytes(struct wire_reader *r, size_t *len) {
  uint32_t n = wire_get_u32(r);
  const char *p = r->bad ? NULL : bytes_of(r, n);
  *len = p ? n : 0;
  return p;
}

const char *wire_get_str(struct wire_reader *r) {
  uint32_t n = wire_get_u32(r);
  if (r->bad || n == NULL_TEXT)
    return NULL;
  const char *p = bytes_of(r, n);
  if (p && memchr(p, '\0', n)) {
    r->bad = true;
    return NULL;
  }
  return p;
}

const char *wire_get_text(struct wire_reader *r) {
  const char *p = wire_get_str(r);
  if (!p)
    r->bad = true;
  return p ? p : "";
}

size_t wire_get_count(struct wire_reader *r, size_t least) {
  uint32_t n = wire_get_u32(r);
  if (r->bad || n > r->left / least) {
    r->bad = true;
    return 0;
  }
  return n;
}

int wire_reader_end(const struct wire_reader *r, const char *what, struct err *err) {
  if (r->wrong)
    return err_set(err, ERR_PROTOCOL, "a %s message that is not acceptable: %s", what, r->wrong);
  if (r->bad || r->left)
    return err_set(err, ERR_PROTOCOL, "a malformed %s message (%s)", what,
                   r->bad ? "too short" : "bytes left over");
  return 0;
}
