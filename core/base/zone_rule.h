/* SPDX-License-Identifier: MIT
 *
 * The rule of a time zone in POSIX's words: "CET-1CEST,M3.5.0,M10.5.0/3".
 */
#ifndef BASE_ZONE_RULE_H
#define BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct zone_rule {
  int32_t winter, summer; /* seconds east of Greenwich */
  bool changes;           /* there is a summer time */
  struct zone_rule_day {
    enum { RULE_MONTH, RULE_JULIAN, RULE_DAY } form; /* M3.5.0, J60 (without leap days), 59 */
    int month, week, day;                            /* day: of the week, or of the year */
    int32_t time;                                    /* seconds after midnight; may be negative */
  } begin, end;                                      /* of summer time */
};

bool zone_rule_parse(const char *text, struct zone_rule *out);
int64_t zone_rule_offset(const struct zone_rule *r, int64_t at);

/* Days since 1970-01-01; months past 12 and days past the month's carry over. */
int64_t zone_days_of(int64_t year, int64_t month, int64_t day);

#endif
