/* SPDX-License-Identifier: MIT */
#include "config/tokens.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
  TOKEN_MIN = 16,
  TOKEN_MAX = 1024,
  NAME_MAX_LEN = 64,
  FILE_MAX_BYTES = 1 << 20,
  MARK_LEN = 8
};

struct token {
  struct token *next;
  char digest[SHA256_HEX_SIZE];
  char name[NAME_MAX_LEN + 1];
  enum role role;
};

struct tokens {
  struct token *first;
  struct map by_digest; /* looking up a digest tells an attacker's clock nothing of the token */
};

void tokens_free(struct tokens *t) {
  if (!t)
    return;
  for (struct token *x = t->first, *next; x; x = next) {
    next = x->next;
    free(x);
  }
  map_free(&t->by_digest);
  free(t);
}

static bool token_is_name(const char *text, size_t len) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return len > 0 && len <= NAME_MAX_LEN && strspn(text, allowed) >= len;
}

/* The audit log says of these who it was where no token was used. */
static bool token_is_kept_name(const char *name) {
  static const char *const kept[] = {"loopback", "signal", "start", "guard"};
  for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
    if (strcmp(kept[i], name) == 0)
      return true;
  return false;
}

/* The word after a token.  It is not said in the message: it may be a part of somebody's token. */
static int token_role(const char *path, int line, const char *word, enum role *role,
                      struct err *err) {
  const char *near = role_nearest(word);
  if (role_find(word, role))
    return 0;
  return err_set(err, ERR_INVAL,
                 "%s:%d: what stands after the token is not a role%s%s%s; write `name:token role` "
                 "with one of admin, submit, read, or no role for admin",
                 path, line, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* One line without blanks at its ends. */
static int tokens_add(struct tokens *t, const char *path, int line, char *text, struct err *err) {
  char *token = strchr(text, ':');
  struct token *x = mem_alloc(sizeof(*x));
  x->role = ROLE_ADMIN;
  if (token) {
    *token++ = '\0';
    if (!token_is_name(text, strlen(text))) {
      free(x);
      return err_set(err, ERR_INVAL,
                     "%s:%d: the client's name before ':' is made of letters, digits, '.', '_' "
                     "and '-' (at most %d)",
                     path, line, NAME_MAX_LEN);
    }
    if (token_is_kept_name(text)) {
      free(x);
      return err_set(err, ERR_INVAL,
                     "%s:%d: the audit log has a meaning of its own for the name '%s'; give the "
                     "client another one",
                     path, line, text);
    }
    memcpy(x->name, text, strlen(text) + 1);
  } else {
    token = text;
    snprintf(x->name, sizeof(x->name), "token-%d", line);
  }
  size_t len = strcspn(token, " \t");
  char *word = token + len + strspn(token + len, " \t");
  token[len] = '\0';
  for (const char *p = token; *p; p++)
    if (*p <= ' ' || *p > '~')
      len = 0;
  if (len < TOKEN_MIN || len > TOKEN_MAX) {
    free(x);
    return err_set(err, ERR_INVAL,
                   "%s:%d: a token has %d to %d visible ASCII characters; make one with: openssl "
                   "rand -hex 32",
                   path, line, TOKEN_MIN, TOKEN_MAX);
  }
  if (*word && token_role(path, line, word, &x->role, err) < 0) {
    free(x);
    return err->code;
  }
  sha256_of(token, len, x->digest);
  if (map_get(&t->by_digest, x->digest)) {
    free(x);
    return err_set(
        err, ERR_INVAL,
        "%s:%d: this token was given before; each client needs one of its own, made with: "
        "openssl rand -hex 32",
        path, line);
  }
  x->next = t->first;
  t->first = x;
  map_put(&t->by_digest, x->digest, x);
  return 0;
}

static int tokens_parse(struct tokens *t, const char *path, char *data, struct err *err) {
  int line = 0, code = 0;
  for (char *next = data, *text; code == 0 && (text = strsep(&next, "\n"));) {
    line++;
    text += strspn(text, " \t\r");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]))
      text[--len] = '\0';
    if (len > 0 && text[0] != '#')
      code = tokens_add(t, path, line, text, err);
  }
  if (code == 0 && !t->first)
    code = err_set(err, ERR_INVAL,
                   "%s holds no token; write one line `name:token role` for each client", path);
  return code;
}

int tokens_load(const char *path, struct tokens **out, struct err *err) {
  struct stat st;
  char *data;
  size_t len;
  *out = NULL;
  if (stat(path, &st) != 0)
    return err_sys(err, errno, "cannot read the token file %s", path);
  if (!S_ISREG(st.st_mode))
    return err_set(err, ERR_INVAL, "the token file %s is not a regular file", path);
  if (st.st_mode & 077)
    return err_set(err, ERR_DENIED,
                   "the token file %s can be read or written by others; run: chmod 600 %s", path,
                   path);
  int code = path_read_file(path, FILE_MAX_BYTES, &data, &len, err);
  if (code)
    return code;
  struct tokens *t = mem_alloc(sizeof(*t));
  if (strlen(data) != len)
    code = err_set(err, ERR_INVAL, "the token file %s holds NUL bytes", path);
  else
    code = tokens_parse(t, path, data, err);
  explicit_bzero(data, len);
  free(data);
  if (code == 0)
    *out = t;
  else
    tokens_free(t);
  return code;
}

const char *tokens_client(const struct tokens *t, const char *token, enum role *role) {
  char digest[SHA256_HEX_SIZE];
  sha256_of(token, strlen(token), digest);
  const struct token *x = map_get(&t->by_digest, digest);
  if (x)
    *role = x->role;
  return x ? x->name : NULL;
}

bool tokens_know(const struct tokens *t, const char *client) {
  for (const struct token *x = t->first; x; x = x->next)
    if (strcmp(x->name, client) == 0)
      return true;
  return false;
}

void tokens_each(const struct tokens *t,
                 void (*seen)(void *ctx, const char *client, enum role role, const char *mark),
                 void *ctx) {
  for (const struct token *x = t->first; x; x = x->next) {
    char mark[MARK_LEN + 1];
    snprintf(mark, sizeof(mark), "%.*s", MARK_LEN, x->digest);
    seen(ctx, x->name, x->role, mark);
  }
}
