/* SPDX-License-Identifier: MIT */
#include "routing/admission.h"

#include <stddef.h>

static const struct {
  const char *word, *text;
} rows[ADMISSION_COUNT] = {
    [ADMISSION_YES] = {NULL, "can take it"},
    [ADMISSION_EXCLUDED] = {"excluded", "is left out, because an attempt failed there"},
    [ADMISSION_PINNED_ELSEWHERE] =
        {"pinned_elsewhere",
         "is left out, because another backend has the job, or is the only one to have it"},
    [ADMISSION_UNFIT] = {"unfit", "does not do this"},
    [ADMISSION_NOT_READY] = {"not_ready", "is not ready"},
    [ADMISSION_DRAINED] = {"drained", "is drained"},
    [ADMISSION_BREAKER] = {"breaker", "is cut off by its breaker"},
    [ADMISSION_GUARD] = {"guard", "is taken out by a guard"},
    [ADMISSION_BUDGET] = {"budget", "has no budget left for it"},
    [ADMISSION_FULL] = {"full", "has no free slot"},
};

const char *admission_word(enum admission a) {
  return rows[a].word;
}

const char *admission_text(enum admission a) {
  return rows[a].text;
}
