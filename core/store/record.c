/* SPDX-License-Identifier: MIT */
#include "store/record.h"

#include <string.h>

static const char *const state_words[] = {
#define X(name, value, word) [value] = (word),
    JOB_STATE_TABLE(X)
#undef X
};

static const char *const event_words[] = {
#define X(name, value, word) [value] = (word),
    EVENT_TABLE(X)
#undef X
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

const char *job_state_word(enum job_state s) {
  return (size_t)s < COUNT(state_words) ? state_words[s] : "unknown";
}

int job_state_parse(const char *word) {
  for (size_t i = 0; i < COUNT(state_words); i++)
    if (strcmp(word, state_words[i]) == 0)
      return (int)i;
  return -1;
}

const char *event_word(enum event_type t) {
  return (size_t)t < COUNT(event_words) ? event_words[t] : "unknown";
}

const char *attempt_cancel_word(enum attempt_cancel c) {
  switch (c) {
#define X(name, value, word)                                                                       \
  case name:                                                                                       \
    return word;
    ATTEMPT_CANCEL_TABLE(X)
#undef X
  }
  return NULL;
}

const char *cost_source_word(enum cost_source s) {
  switch (s) {
#define X(name, value, word)                                                                       \
  case name:                                                                                       \
    return word;
    COST_SOURCE_TABLE(X)
#undef X
  }
  return NULL;
}
