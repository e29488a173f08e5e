/* SPDX-License-Identifier: MIT */
#include "base/env.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* Paths, languages, and what libraries for computing, drivers, proxies, certificates and sanitizers
 * are told by.  No name here is one that people keep secrets under. */
static const char *const common[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "LD_*",
    "PYTHON*",
    "NODE_PATH",
    "VIRTUAL_ENV",
    "XDG_*",
    "OMP_*",
    "KMP_*",
    "GOMP_*",
    "OPENBLAS_*",
    "MKL_*",
    "CUDA_*",
    "NVIDIA_*",
    "ROCM_*",
    "HIP_*",
    "ORT_*",
    "MALLOC_*",
    "GLIBC_TUNABLES",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "NO_PROXY",
    "no_proxy",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "all_proxy",
    "CREDENTIALS_DIRECTORY",
    NULL,
};

void env_hide(void) {
  size_t count = 0;
  while (environ && environ[count])
    count++;
  char **own = mem_array(count + 1, sizeof *own);
  for (size_t i = 0; i < count; i++) {
    own[i] = mem_dup(environ[i]);
    explicit_bzero(environ[i], strlen(environ[i]));
  }
  environ = own;
}

static bool is_like(const char *variable, const char *pattern) {
  size_t len = strlen(pattern);
  if (len && pattern[len - 1] == '*')
    return strncmp(variable, pattern, len - 1) == 0;
  return strncmp(variable, pattern, len) == 0 && variable[len] == '=';
}

static bool is_one_of(const char *variable, const char *const *patterns) {
  for (size_t i = 0; patterns && patterns[i]; i++)
    if (is_like(variable, patterns[i]))
      return true;
  return false;
}

char **env_for_others(const char *const *more) {
  size_t count = 0, n = 0;
  while (environ && environ[count])
    count++;
  char **out = mem_array(count + 1, sizeof *out);
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "LATHE_SECRET_", 13) != 0 &&
        (is_one_of(environ[i], common) || is_one_of(environ[i], more)))
      out[n++] = environ[i];
  out[n] = NULL;
  return out;
}
