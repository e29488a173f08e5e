/* SPDX-License-Identifier: MIT
 *
 * Certificates of a made-up CA, and TLS for the server of net_help.h.
 */
#ifndef NET_TLS_HELP_H
#define NET_TLS_HELP_H

#include "net_help.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct signer {
  X509 *certificate;
  EVP_PKEY *key;
};

static void extend(X509 *to, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  assert_non_null(extension);
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

/* From `from` to `to` days from now; `by` NULL: a CA. */
static struct signer sign(const char *name, long from, long to, const struct signer *by) {
  static long serial = 1;
  struct signer s = {X509_new(), EVP_EC_gen("P-256")};
  X509_set_version(s.certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(s.certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(s.certificate), from * 86400);
  X509_gmtime_adj(X509_getm_notAfter(s.certificate), to * 86400);
  X509_set_pubkey(s.certificate, s.key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(s.certificate), "CN", MBSTRING_ASC,
                             (const unsigned char *)name, -1, -1, 0);
  const struct signer *issuer = by ? by : &s;
  X509_set_issuer_name(s.certificate, X509_get_subject_name(issuer->certificate));
  extend(s.certificate, issuer->certificate, NID_basic_constraints,
         by ? "CA:FALSE" : "critical,CA:TRUE");
  if (by) {
    char alt[100];
    snprintf(alt, sizeof alt, "DNS:%s", name);
    extend(s.certificate, issuer->certificate, NID_subject_alt_name, alt);
  }
  assert_true(X509_sign(s.certificate, issuer->key, EVP_sha256()) > 0);
  return s;
}

static void drop(struct signer *s) {
  X509_free(s->certificate);
  EVP_PKEY_free(s->key);
}

static void save(const struct signer *s, const char *certificate, const char *key) {
  FILE *f = fopen(certificate, "w");
  PEM_write_X509(f, s->certificate);
  fclose(f);
  if (!key)
    return;
  f = fopen(key, "w");
  PEM_write_PrivateKey(f, s->key, NULL, NULL, 0, NULL, NULL);
  fclose(f);
}

static void *tls_accept(struct server *s, int fd) {
  SSL *ssl = SSL_new(s->tls);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1)
    return ssl;
  SSL_free(ssl);
  return NULL;
}

static ssize_t tls_io(void *ssl, bool out, void *data, size_t len) {
  return out ? SSL_write(ssl, data, (int)len) : SSL_read(ssl, data, (int)len);
}

static void tls_end(void *ssl) {
  SSL_shutdown(ssl);
  SSL_free(ssl);
}

/* `clients`: whose certificates a client must show; NULL: none. */
static void with_tls(struct server *s, const struct signer *who, const struct signer *clients) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(ctx, who->certificate);
  SSL_CTX_use_PrivateKey(ctx, who->key);
  if (clients) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), clients->certificate);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  }
  s->tls = ctx;
  s->tls_accept = tls_accept;
  s->tls_io = tls_io;
  s->tls_end = tls_end;
}

#endif
