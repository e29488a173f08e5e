/* SPDX-License-Identifier: MIT
 *
 * Where the server is and who we are: checked before the first request, so that what is wrong is
 * said with the name of the option or variable.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/units.h"
#include "cli.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_FILE_MAX = 4096, WAIT_MIN_MS = 1000, WAIT_MAX_MS = 86400000 };

/* The option's value, else that of the first variable that has one; *from is what it came from. */
static const char *setting(const struct cli *c, const char *option, const char *const *variables,
                           const char **from) {
  const char *value = option_get(c, option);
  *from = option;
  for (; !value && *variables; variables++) {
    const char *text = getenv(*variables);
    if (text && *text) {
      value = text;
      *from = *variables;
    }
  }
  return value;
}

/* "--server", or the variable's name. */
static const char *dashes(const struct cli *c, const char *from) {
  return option_get(c, from) ? "--" : "";
}

/* Is it http or https, a host, perhaps a port and a path? */
static bool is_address(const char *url) {
  CURLU *parts = curl_url();
  static const CURLUPart unwanted[] = {CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_USER,
                                       CURLUPART_PASSWORD};
  char *text = NULL;
  bool good = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &text, 0) == CURLUE_OK &&
              (!strcmp(text, "http") || !strcmp(text, "https"));
  curl_free(text);
  text = NULL;
  good = good && curl_url_get(parts, CURLUPART_HOST, &text, 0) == CURLUE_OK && *text;
  curl_free(text);
  for (size_t i = 0; good && i < sizeof unwanted / sizeof *unwanted; i++) {
    good = curl_url_get(parts, unwanted[i], &text, 0) != CURLUE_OK;
    if (!good)
      curl_free(text);
  }
  curl_url_cleanup(parts);
  return good;
}

static int configure_address(struct cli *c) {
  static const char *const variables[] = {"LATHE_SERVER", NULL};
  const char *from, *server = setting(c, "server", variables, &from);
  if (!server)
    server = "http://127.0.0.1:8080";
  c->server = strstr(server, "://") ? mem_dup(server) : mem_printf("http://%s", server);
  if (!is_address(c->server))
    return fail(CLI_USAGE,
                "%s%s: \"%s\" is not the address of a server; write it as http://HOST:PORT or "
                "https://HOST, as in http://127.0.0.1:8080",
                dashes(c, from), from, server);
  for (size_t len = strlen(c->server); len && c->server[len - 1] == '/'; len--)
    c->server[len - 1] = '\0';
  return CLI_OK;
}

/* Visible ASCII, as an Authorization header can carry. */
static bool is_token(const char *text) {
  for (; *text; text++)
    if (*text <= ' ' || *text > '~')
      return false;
  return true;
}

static int configure_token(struct cli *c) {
  const char *file = option_get(c, "token-file"), *token = getenv("LATHE_TOKEN");
  if (file) {
    struct err err;
    size_t len;
    if (path_read_file(file, TOKEN_FILE_MAX, &c->token, &len, &err))
      return fail(CLI_USAGE,
                  "--token-file: %s; name a file that holds the token and that you can "
                  "read",
                  err.text);
    size_t begin = strspn(c->token, " \t\r\n");
    char *own = mem_dup_n(c->token + begin, strcspn(c->token + begin, " \t\r\n"));
    free(c->token);
    c->token = own;
    if (!*c->token)
      return fail(CLI_USAGE,
                  "--token-file: %s is empty; put the token that the admin gave you into "
                  "it, on one line",
                  file);
  } else if (token && *token) {
    c->token = mem_dup(token);
  }
  if (c->token && !is_token(c->token))
    return fail(CLI_USAGE, "%s%s is not a token: it holds characters other than visible ASCII",
                file ? "--token-file: what is in " : "", file ? file : "LATHE_TOKEN");
  return CLI_OK;
}

static int configure_tls(struct cli *c) {
  static const char *const of_ca[] = {"LATHE_CACERT", "SSL_CERT_FILE", NULL};
  static const char *const of_cert[] = {"LATHE_CERT", NULL}, *const of_key[] = {"LATHE_KEY", NULL};
  const struct {
    const char *option, *const *variables, **file;
  } files[] = {
      {"cacert", of_ca, &c->cacert}, {"cert", of_cert, &c->cert}, {"key", of_key, &c->key}};
  const char *from;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    *files[i].file = setting(c, files[i].option, files[i].variables, &from);
    if (*files[i].file && access(*files[i].file, R_OK) != 0)
      return fail(CLI_USAGE, "%s%s: cannot read %s: %s; name a PEM file", dashes(c, from), from,
                  *files[i].file, strerror(errno));
  }
  if (c->key && !c->cert)
    return fail(CLI_USAGE,
                "%s is given without --cert (or LATHE_CERT): a key goes with its "
                "certificate",
                dashes(c, from)[0] ? "--key" : "LATHE_KEY");
  return CLI_OK;
}

/* How long is waited: docs/cli.md has these variables. */
static int configure_waits(struct cli *c) {
  const struct {
    const char *variable;
    int64_t *ms, usual;
  } waits[] = {{"LATHE_SILENCE_TIMEOUT", &c->silence_ms, 45000},
               {"LATHE_ANSWER_TIMEOUT", &c->answer_ms, 600000}};
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    const char *text = getenv(waits[i].variable);
    *waits[i].ms = waits[i].usual;
    if (text && *text &&
        (units_duration(text, waits[i].ms, NULL) != 0 || *waits[i].ms < WAIT_MIN_MS ||
         *waits[i].ms > WAIT_MAX_MS))
      return fail(CLI_USAGE, "%s: \"%.40s\" is not a time from 1s to 1d; write it as 45s or 10m",
                  waits[i].variable, text);
  }
  return CLI_OK;
}

int server_configure(struct cli *c) {
  int code = configure_address(c);
  if (code == CLI_OK)
    code = configure_waits(c);
  if (code == CLI_OK)
    code = configure_token(c);
  return code == CLI_OK ? configure_tls(c) : code;
}
