/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In which encoding a STEP file's bytes over 127 are.  The standard has codes for all letters, but
 * CAD programs write bytes of the system they run on.  One file is in one encoding, so all of its
 * bytes are looked at together: what is valid, and whether the letters are ones that people use.
 */
#include "step/step_encoding.h"

#include "step/step_text.h"

#define SHARE 0.8 /* of the letters must be common ones */

struct count {
  size_t letters, common;
  size_t together; /* beside another of the same kind */
  size_t wrong;    /* bytes that are no letter */
};

static bool between(unsigned char c, unsigned low, unsigned high) {
  return c >= low && c <= high;
}

static void step_encoding_add(struct count *n, bool common, bool together) {
  n->letters++;
  n->common += common;
  n->together += together;
}

/* GBK: two bytes a letter.  The first 3,755 of GB 2312, sorted by how often they are used, are the
 * lines B0 to D7; A1 to A3 are punctuation and wide letters, which say nothing. */
static struct count count_gbk(const unsigned char *d, size_t size) {
  struct count n = {0};
  bool before = false;
  for (size_t i = 0; i < size; i++) {
    unsigned char trail = i + 1 < size ? d[i + 1] : 0;
    bool high = d[i] >= 0x80;
    bool pair = between(d[i], 0x81, 0xfe) && between(trail, 0x40, 0xfe) && trail != 0x7f;
    if (pair && !between(d[i], 0xa1, 0xa3))
      step_encoding_add(&n, between(d[i], 0xb0, 0xd7) && trail >= 0xa1, before);
    n.wrong += high && !pair;
    before = pair;
    i += pair;
  }
  return n;
}

/* Shift-JIS: kana are the lines 82 and 83, common kanji 88 to 97; 81 and wide letters say nothing.
 */
static struct count count_shift_jis(const unsigned char *d, size_t size) {
  struct count n = {0};
  bool before = false;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = d[i], trail = i + 1 < size ? d[i + 1] : 0;
    bool pair = (between(c, 0x81, 0x9f) || between(c, 0xe0, 0xfc)) && between(trail, 0x40, 0xfc) &&
                trail != 0x7f;
    bool narrow = between(c, 0xa1, 0xdf); /* kana of one byte */
    bool kana = (c == 0x82 && trail >= 0x9f) || (c == 0x83 && trail <= 0x96);
    if (narrow || (pair && c != 0x81 && !(c == 0x82 && trail < 0x9f)))
      step_encoding_add(&n, pair && (kana || between(c, 0x88, 0x97)), before);
    n.wrong += c >= 0x80 && !pair && !narrow;
    before = pair || narrow;
    i += pair;
  }
  return n;
}

static double share_of(const struct count *n) {
  double share = n->letters ? (double)n->common / (double)n->letters : 0;
  return n->wrong || share < SHARE ? 0 : share;
}

enum step_encoding step_encoding_of(const char *data, size_t size) {
  const unsigned char *d = (const unsigned char *)data;
  if (step_text_is_utf8(data, size))
    return STEP_UTF8_OR_LATIN1;
  struct count gbk = count_gbk(d, size), sjis = count_shift_jis(d, size);
  double chinese = share_of(&gbk), japanese = share_of(&sjis);
  /* The curved quotes and dashes of Windows-1252, each with the letter behind it, are kanji too. */
  if (2 * sjis.together < sjis.letters)
    japanese = 0;
  if (chinese == 0 && japanese == 0)
    return STEP_UTF8_OR_LATIN1;
  return japanese > chinese ? STEP_SHIFT_JIS : STEP_GBK;
}
