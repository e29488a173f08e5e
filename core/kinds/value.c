/* SPDX-License-Identifier: MIT */
#include "kinds/value.h"

#include "base/json64.h"
#include "base/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reals below it fit into a wide_int, and those above have no fraction. */
#define WIDE_REAL 1e37

/* ---- numbers ---- */

struct number {
  bool whole;
  wide_int integer; /* if whole */
  double real;      /* nearest */
};

static struct number number_of(const json_t *v) {
  struct number n = {.real = json64_number(v)};
  n.whole = json64_int(v, &n.integer);
  if (!n.whole && n.real == floor(n.real) && fabs(n.real) < WIDE_REAL) {
    n.whole = true;
    n.integer = (wide_int)n.real;
  }
  return n;
}

int value_compare(const json_t *a, const json_t *b) {
  struct number x = number_of(a), y = number_of(b);
  if (x.whole && y.whole)
    return x.integer < y.integer ? -1 : x.integer > y.integer;
  /* One has a fraction, and so is below 2^53, where the other's nearest real is on the right side;
   * or one is past everything. */
  return x.real < y.real ? -1 : x.real > y.real;
}

/* digits * 10^exponent, the shortest that is this number. */
struct decimal {
  unsigned __int128 digits;
  int exponent;
};

static struct decimal decimal_of(const json_t *v) {
  struct decimal d = {0};
  wide_int whole;
  char text[40];
  if (json64_int(v, &whole)) {
    d.digits = (unsigned __int128)(whole < 0 ? -whole : whole);
    return d;
  }
  double real = fabs(json64_number(v));
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*e", precision - 1, real);
    if (strtod(text, NULL) == real)
      break;
  }
  for (const char *c = text; *c && *c != 'e'; c++) {
    if (*c == '.')
      continue;
    d.digits = d.digits * 10 + (unsigned)(*c - '0');
    d.exponent--;
  }
  d.exponent += 1 + atoi(strchr(text, 'e') + 1);
  while (d.digits && d.digits % 10 == 0) {
    d.digits /= 10;
    d.exponent++;
  }
  return d;
}

/* Both below 2^64, so that a product of two rests fits. */
bool value_is_multiple(const json_t *v, const json_t *of) {
  struct decimal a = decimal_of(v), b = decimal_of(of);
  if (a.digits == 0 || b.digits == 0)
    return a.digits == 0;
  for (; b.exponent > a.exponent; b.exponent--) {
    if (b.digits > a.digits)
      return false;
    b.digits *= 10;
  }
  unsigned __int128 rest = a.digits % b.digits;
  for (; a.exponent > b.exponent; a.exponent--)
    rest = rest * 10 % b.digits;
  return rest == 0;
}

/* ---- texts ---- */

size_t value_characters(const json_t *v) {
  size_t n = 0;
  for (const char *c = json_string_value(v); c && *c; c++)
    n += ((unsigned char)*c & 0xc0) != 0x80;
  return n;
}

/* ---- the same ---- */

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_number(struct buf *out, const json_t *v) {
  struct number n = number_of(v);
  char digits[WIDE_TEXT];
  if (n.whole && n.integer >= WIDE_MIN && n.integer <= WIDE_MAX)
    buf_puts(out, wide_text(n.integer, digits));
  else
    buf_printf(out, "%.17g", n.real);
}

static void put_object(struct buf *out, const json_t *v) {
  size_t n = json_object_size(v), i = 0;
  const char **keys = mem_array(n + 1, sizeof *keys), *key;
  json_t *member;
  json_object_foreach((json_t *)(uintptr_t)v, key, member) keys[i++] = key;
  qsort(keys, n, sizeof *keys, by_text);
  buf_putc(out, '{');
  for (i = 0; i < n; i++) {
    buf_puts(out, i ? "," : "");
    buf_put_json_str(out, keys[i]);
    buf_putc(out, ':');
    value_put_canonical(out, json_object_get(v, keys[i]));
  }
  buf_putc(out, '}');
  free(keys);
}

void value_put_canonical(struct buf *out, const json_t *v) {
  if (json64_is_number(v)) {
    put_number(out, v);
  } else if (json_is_object(v)) {
    put_object(out, v);
  } else if (json_is_array(v)) {
    buf_putc(out, '[');
    for (size_t i = 0; i < json_array_size(v); i++) {
      buf_puts(out, i ? "," : "");
      value_put_canonical(out, json_array_get(v, i));
    }
    buf_putc(out, ']');
  } else if (json_is_string(v)) {
    buf_put_json_str(out, json_string_value(v));
  } else {
    buf_puts(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
  }
}

char *value_canonical(const json_t *v) {
  struct buf b = {0};
  value_put_canonical(&b, v);
  return buf_take(&b);
}

struct place {
  char *text; /* first, for by_text */
  size_t at;
};

bool value_repeats(const json_t *list, size_t *first, size_t *second) {
  size_t n = json_array_size(list);
  bool found = false;
  struct place *places = mem_array(n + 1, sizeof *places);
  for (size_t i = 0; i < n; i++)
    places[i] = (struct place){value_canonical(json_array_get(list, i)), i};
  qsort(places, n, sizeof *places, by_text);
  for (size_t i = 1; i < n && !found; i++) {
    size_t a = places[i - 1].at, b = places[i].at;
    found = strcmp(places[i - 1].text, places[i].text) == 0;
    *first = a < b ? a : b;
    *second = a < b ? b : a;
  }
  for (size_t i = 0; i < n; i++)
    free(places[i].text);
  free(places);
  return found;
}
