/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_key(int fd, const char *path, struct secret *out, struct err *err) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return err_sys(err, errno, "cannot read the key %s", path);
  if (!S_ISREG(st.st_mode) || st.st_size != SECRET_BYTES)
    return err_set(err, ERR_INVAL,
                   "%s is not a key of %d bytes; remove it, and the next start makes a new one",
                   path, SECRET_BYTES);
  if (st.st_mode & 077)
    return err_set(err, ERR_DENIED,
                   "the key %s can be read or written by others; run: chmod 600 %s", path, path);
  ssize_t n = read(fd, out->key, SECRET_BYTES);
  return n == SECRET_BYTES ? 0 : err_sys(err, n < 0 ? errno : EIO, "cannot read the key %s", path);
}

static int write_key(const char *path, const struct secret *s, struct err *err) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return err_sys(err, errno, "cannot write the key %s", path);
  ssize_t n = write(fd, s->key, SECRET_BYTES);
  int failed = n == SECRET_BYTES ? 0 : n < 0 ? errno : ENOSPC;
  if (!failed && fsync(fd) != 0)
    failed = errno;
  if (close(fd) != 0 && !failed)
    failed = errno;
  return failed ? err_sys(err, failed, "cannot write the key %s", path) : 0;
}

/* Under another name first: a key that is there is whole. */
static int make_key(const char *path, struct secret *out, struct err *err) {
  char *fresh = mem_printf("%s.new", path);
  int rc = 0;
  if (getrandom(out->key, SECRET_BYTES, 0) != SECRET_BYTES)
    rc = err_sys(err, errno, "cannot make the key %s", path);
  if (rc == 0)
    rc = write_key(fresh, out, err);
  if (rc == 0 && rename(fresh, path) != 0)
    rc = err_sys(err, errno, "cannot write the key %s", path);
  free(fresh);
  return rc ? rc : path_sync_parent(path, err);
}

int secret_load(const char *path, struct secret *out, struct err *err) {
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? make_key(path, out, err)
                           : err_sys(err, errno, "cannot read the key %s", path);
  int rc = read_key(fd, path, out, err);
  close(fd);
  return rc;
}

void secret_sign(const struct secret *s, const char *text, size_t len, char hex[SHA256_HEX_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  unsigned char mac[EVP_MAX_MD_SIZE] = {0};
  unsigned size = 0;
  HMAC(EVP_sha256(), s->key, SECRET_BYTES, (const unsigned char *)text, len, mac, &size);
  for (size_t i = 0; i < 32; i++) {
    hex[2 * i] = digits[mac[i] >> 4];
    hex[2 * i + 1] = digits[mac[i] & 15];
  }
  hex[64] = 0;
}

bool secret_signed(const struct secret *s, const char *text, size_t len, const char *sent) {
  char hex[SHA256_HEX_SIZE];
  secret_sign(s, text, len, hex);
  return strlen(sent) == 64 && CRYPTO_memcmp(hex, sent, 64) == 0;
}
