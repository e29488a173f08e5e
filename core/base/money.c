/* SPDX-License-Identifier: MIT */
#include "base/money.h"

#include <math.h>
#include <string.h>

enum { DIGITS = 9 }; /* behind the point */

int money_parse(const char *text, int64_t *amount, struct err *err) {
  static const char digits[] = "0123456789";
  size_t whole = strspn(text, digits);
  bool point = text[whole] == '.';
  size_t part = point ? strspn(text + whole + 1, digits) : 0;
  int64_t v = 0;
  if (whole + part == 0 || text[whole + (point ? 1 : 0) + part] != '\0' || (point && part == 0))
    return err_set(err, ERR_INVAL, "\"%.40s\" is not an amount; write it as 0.0004 or 12", text);
  if (part > DIGITS)
    return err_set(err, ERR_INVAL, "\"%.40s\" has more than %d digits behind the point", text,
                   DIGITS);
  for (size_t i = 0; i < whole; i++)
    if ((v = v * 10 + (text[i] - '0')) > MONEY_MOST / MONEY_UNIT)
      return err_set(err, ERR_INVAL, "\"%.40s\" is out of range; amounts go to %lld", text,
                     (long long)(MONEY_MOST / MONEY_UNIT));
  for (size_t i = 0; i < DIGITS; i++)
    v = v * 10 + (i < part ? text[whole + 1 + i] - '0' : 0);
  *amount = v;
  return 0;
}

int64_t money_of_number(double number) {
  if (!(number >= 0 && number <= (double)MONEY_MOST / (double)MONEY_UNIT))
    return MONEY_UNKNOWN;
  return (int64_t)llround(number * (double)MONEY_UNIT);
}

int64_t money_add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int64_t money_for_time(int64_t per_second, int64_t us) {
  int64_t whole, rest;
  if (us <= 0)
    return 0;
  if (__builtin_mul_overflow(per_second, us / 1000000, &whole))
    return INT64_MAX;
  /* Less than a second's worth; rounded down, and in two steps where it would not fit. */
  if (__builtin_mul_overflow(per_second, us % 1000000, &rest))
    rest = per_second / 1000000 * (us % 1000000);
  else
    rest /= 1000000;
  return money_add(whole, rest);
}

void money_put(struct buf *b, int64_t amount) {
  if (amount < 0) {
    buf_puts(b, "null");
    return;
  }
  char part[DIGITS + 1];
  int64_t rest = amount % MONEY_UNIT;
  int last = -1;
  for (int i = DIGITS; i-- > 0; rest /= 10) {
    part[i] = (char)('0' + rest % 10);
    if (last < 0 && part[i] != '0')
      last = i;
  }
  part[last + 1] = '\0';
  buf_put_i64(b, amount / MONEY_UNIT);
  if (last >= 0) {
    buf_putc(b, '.');
    buf_puts(b, part);
  }
}

bool money_is_currency(const char *text) {
  return strlen(text) == MONEY_CURRENCY_SIZE - 1 &&
         strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == MONEY_CURRENCY_SIZE - 1;
}
