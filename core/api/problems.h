/* SPDX-License-Identifier: MIT */
#ifndef API_PROBLEMS_H
#define API_PROBLEMS_H

#include <stddef.h>

struct problem_page {
  const char *slug;
  int status;
  const char *title;
  const char *advice; /* what it means and what to do */
};

/* Every problem of http/problem.h, in its order; NULL past the end. */
const struct problem_page *problem_page(size_t i);
const struct problem_page *problem_page_find(const char *slug);

#endif
