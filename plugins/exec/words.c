/* SPDX-License-Identifier: MIT */
#include "exec.h"

#include <stdlib.h>
#include <string.h>

size_t words_count(char *const *words) {
  size_t n = 0;
  while (words && words[n])
    n++;
  return n;
}

void words_free(char **words) {
  for (size_t i = 0; words && words[i]; i++)
    free(words[i]);
  free((void *)words);
}

/* Takes one word from *text into `to`.  False: a quote is not closed. */
static bool take(const char **text, char *to) {
  const char *s = *text;
  char quote = '\0';
  for (; *s && (quote || !strchr(" \t", *s)); s++) {
    if (quote ? *s == quote : *s == '"' || *s == '\'')
      quote = quote ? '\0' : *s;
    else if (*s == '\\' && s[1] && quote != '\'')
      *to++ = *++s;
    else
      *to++ = *s;
  }
  *to = '\0';
  *text = s;
  return !quote;
}

char **words_split(const char *text) {
  size_t count = 0;
  char **words = calloc(strlen(text) / 2 + 2, sizeof *words);
  for (text += strspn(text, " \t"); words && *text; text += strspn(text, " \t")) {
    words[count] = malloc(strlen(text) + 1);
    if (!words[count] || !take(&text, words[count++])) {
      words_free(words);
      return NULL;
    }
  }
  return words;
}
