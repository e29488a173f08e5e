/* SPDX-License-Identifier: MIT
 *
 * A request as libcurl wants it.  A key or a certificate goes to the client's own origin alone; a
 * request that the far side could do twice goes over a connection that was never used.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where to ---- */

static bool is_whole(const char *path) {
  return !strncasecmp(path, "http://", 7) || !strncasecmp(path, "https://", 8);
}

static bool same_origin(const struct net_origin *a, const struct net_origin *b) {
  return !strcmp(a->scheme, b->scheme) && !strcmp(a->host, b->host) && !strcmp(a->port, b->port);
}

static void say_where(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  const char *socket = t->home ? t->net->unix_socket : NULL, *url = t->url;
  if (socket)
    url += strcspn(url, "/") + 2, url += strcspn(url, "/?#"); /* the name means nothing */
  int len = (int)strcspn(url, "?#");
  if (socket)
    snprintf(a->where, sizeof a->where, "%.20s %.*s at %.80s", t->method, len < 80 ? len : 80, url,
             socket);
  else
    snprintf(a->where, sizeof a->where, "%.20s %.*s", t->method, len, url);
  net_plain(a->where);
}

static int32_t find_url(struct net_transfer *t) {
  const char *path = t->request->path ? t->request->path : "", *why;
  bool whole = is_whole(path);
  size_t size = strlen(path) + (whole ? 1 : strlen(t->net->base) + 1);
  struct net_origin origin;
  snprintf(t->answer->where, sizeof t->answer->where, "a request");
  if (!whole && *path && *path != '/')
    return net_why(t->answer, LATHE_PERMANENT,
                   "a path begins with / or is a whole http(s) URL; this one does not");
  t->url = malloc(size);
  if (!t->url)
    return net_why(t->answer, LATHE_RETRY_MEM, "no memory is left for a request");
  snprintf(t->url, size, "%s%s", whole ? "" : t->net->base, path);
  if (!net_origin_of(t->url, false, &origin, &why))
    return net_why(t->answer, LATHE_PERMANENT, "the service or the plugin named an address: %s",
                   why);
  t->home = !whole || same_origin(&origin, &t->net->origin);
  t->near = net_is_loopback(&origin) || (t->home && t->net->unix_socket);
  say_where(t);
  return LATHE_OK;
}

/* ---- headers ---- */

static const char *secret_fault(int32_t rc, const char *value, size_t len) {
  if (rc == LATHE_NOT_FOUND)
    return "is not set; give it to lathed as a credential, or in the environment";
  if (rc != LATHE_OK)
    return "cannot be read, or is longer than 8 KB";
  if (!len)
    return "is empty";
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
      return "has a line break or another control character in it";
  return NULL;
}

/* Appends the value of a secret; it is remembered, to be kept out of messages. */
static int32_t put_secret(struct net_transfer *t, const char *name, struct net_buf *line) {
  char value[NET_SECRET_MAX];
  size_t len = sizeof value;
  value[0] = '\0';
  int32_t rc = t->net->host->secret(t->net->host, name, value, &len);
  len = rc == LATHE_OK ? strnlen(value, sizeof value - 1) : 0;
  const char *fault = secret_fault(rc, value, len);
  if (fault)
    rc = net_why(t->answer, LATHE_AUTH, "%s: the secret %.80s %s", t->answer->where, name, fault);
  else if (net_put(line, value, len) != 0 || net_put(&t->secrets, value, len) != 0 ||
           net_put(&t->secrets, "", 1) != 0)
    rc = LATHE_RETRY_MEM;
  else
    t->carries = true;
  explicit_bzero(value, sizeof value);
  return rc;
}

static int32_t add_line(struct net_transfer *t, const char *line) {
  struct curl_slist *list = curl_slist_append(t->headers, line);
  if (!list)
    return net_why(t->answer, LATHE_RETRY_MEM, "no memory is left for a request");
  t->headers = list;
  return LATHE_OK;
}

static int32_t add_header(struct net_transfer *t, const struct lathe_net_header *h) {
  struct net_buf line = {0};
  bool empty = !h->secret && (!h->value || !*h->value);
  if (h->secret && !t->home)
    return LATHE_OK;
  if (!net_header_is_sound(h))
    return net_why(t->answer, LATHE_PERMANENT, "%s: \"%.60s\" cannot be a header", t->answer->where,
                   h->name);
  if (h->secret && !net_is_private(t->net))
    return net_why(t->answer, LATHE_PERMANENT,
                   "%s: a key would cross the network for all to read; use https://, or say that "
                   "this network is private",
                   t->answer->where);
  /* "Name;" is how libcurl is told of a header without a value */
  int32_t rc = net_puts(&line, h->name) | net_puts(&line, empty ? ";" : ": ") |
                       net_puts(&line, h->value ? h->value : "")
                   ? LATHE_RETRY_MEM
                   : LATHE_OK;
  if (rc == LATHE_OK && h->secret)
    rc = put_secret(t, h->secret, &line);
  if (rc == LATHE_OK)
    rc = add_line(t, line.data);
  if (line.data)
    explicit_bzero(line.data, line.len);
  free(line.data);
  return rc == LATHE_RETRY_MEM ? net_why(t->answer, rc, "no memory is left for a request") : rc;
}

static bool names(const struct lathe_net_header *list, const char *name) {
  for (; list && list->name; list++)
    if (!strcasecmp(list->name, name))
      return true;
  return false;
}

/* A request's own header goes before one of the client's with the same name. */
static int32_t add_headers(struct net_transfer *t) {
  const struct lathe_net_header *own = t->request->headers,
                                *more = t->sink ? t->sink->headers : NULL;
  int32_t rc = LATHE_OK;
  for (const struct lathe_net_header *h = t->net->headers; rc == LATHE_OK && t->home && h->name;
       h++)
    if (!names(own, h->name))
      rc = add_header(t, h);
  for (const struct lathe_net_header *h = own; rc == LATHE_OK && h && h->name; h++)
    rc = add_header(t, h);
  for (const struct lathe_net_header *h = more; rc == LATHE_OK && h && h->name; h++)
    rc = add_header(t, h);
  return rc == LATHE_OK ? add_line(t, "Expect:") : rc; /* no second of waiting for a 100 */
}

static int32_t add_type(struct net_transfer *t, const char *type) {
  const struct lathe_net_header header = {"Content-Type", type, NULL};
  return names(t->request->headers, "Content-Type") ? LATHE_OK : add_header(t, &header);
}

/* ---- bodies ---- */

static size_t read_file(char *to, size_t size, size_t count, void *user) {
  struct net_transfer *t = user;
  size_t room = size * count, left = (size_t)(t->file_end - t->file_at);
  if (!left)
    return 0;
  ssize_t n = pread(t->fd, to, room < left ? room : left, t->file_at);
  if (n <= 0) { /* it was longer when we began */
    t->stop = NET_FILE;
    return CURL_READFUNC_ABORT;
  }
  t->file_at += n;
  return (size_t)n;
}

static int seek_file(void *user, curl_off_t offset, int origin) {
  struct net_transfer *t = user;
  if (origin != SEEK_SET || offset < 0 || offset > t->file_end - t->file_from)
    return CURL_SEEKFUNC_FAIL;
  t->file_at = t->file_from + offset;
  return CURL_SEEKFUNC_OK;
}

static int32_t set_file(struct net_transfer *t) {
  const struct lathe_net_request *r = t->request;
  struct stat st;
  t->fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (t->fd < 0 || fstat(t->fd, &st) != 0)
    return net_why(t->answer, LATHE_RETRY, "%s: the file %.200s cannot be read: %s",
                   t->answer->where, r->file, strerror(errno));
  int64_t from = r->file_from, bytes = r->file_bytes ? r->file_bytes : st.st_size - from;
  if (!S_ISREG(st.st_mode) || from < 0 || from > st.st_size || bytes < 0 ||
      bytes > st.st_size - from)
    return net_why(t->answer, LATHE_PERMANENT, "%s: the file %.200s has no such part",
                   t->answer->where, r->file);
  t->file_from = t->file_at = from;
  t->file_end = from + bytes;
  curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
  curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, read_file);
  curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
  curl_easy_setopt(t->curl, CURLOPT_SEEKFUNCTION, seek_file);
  curl_easy_setopt(t->curl, CURLOPT_SEEKDATA, t);
  curl_easy_setopt(t->curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  return add_type(t, r->type ? r->type : "application/octet-stream");
}

static CURLcode add_field(curl_mime *mime, const struct lathe_net_field *f) {
  curl_mimepart *part = curl_mime_addpart(mime);
  if (!part || curl_mime_name(part, f->name) != CURLE_OK)
    return CURLE_OUT_OF_MEMORY;
  if (!f->file)
    return curl_mime_data(part, f->value ? f->value : "", CURL_ZERO_TERMINATED);
  CURLcode rc = curl_mime_filedata(part, f->file);
  if (rc == CURLE_OK)
    rc = curl_mime_type(part, f->type ? f->type : "application/octet-stream");
  if (rc == CURLE_OK && f->filename)
    rc = curl_mime_filename(part, f->filename);
  return rc;
}

static int32_t set_form(struct net_transfer *t) {
  t->mime = curl_mime_init(t->curl);
  for (const struct lathe_net_field *f = t->request->form; t->mime && f->name; f++) {
    CURLcode rc = add_field(t->mime, f);
    if (rc == CURLE_READ_ERROR)
      return net_why(t->answer, LATHE_RETRY, "%s: the file %.200s cannot be read", t->answer->where,
                     f->file);
    if (rc != CURLE_OK)
      return net_why(t->answer, LATHE_RETRY_MEM, "no memory is left for a form");
  }
  curl_easy_setopt(t->curl, CURLOPT_MIMEPOST, t->mime);
  return t->mime ? LATHE_OK : net_why(t->answer, LATHE_RETRY_MEM, "no memory is left for a form");
}

static void set_bytes(struct net_transfer *t, const void *body, size_t len) {
  curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
  curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, body ? body : "");
}

static int32_t set_body(struct net_transfer *t) {
  const struct lathe_net_request *r = t->request;
  if (r->file)
    return set_file(t);
  if (r->form)
    return set_form(t);
  if (r->json) {
    t->json = json_dumps(r->json, JSON_COMPACT);
    if (!t->json)
      return net_why(t->answer, LATHE_RETRY_MEM, "no memory is left for the text of a request");
    set_bytes(t, t->json, strlen(t->json));
    return add_type(t, "application/json");
  }
  if (r->body) {
    set_bytes(t, r->body, r->body_len);
    return add_type(t, r->type ? r->type : "application/octet-stream");
  }
  bool length = !strcmp(t->method, "POST") || !strcmp(t->method, "PUT") ||
                !strcmp(t->method, "PATCH");
  if (length) { /* a length of 0, for servers that want one */
    set_bytes(t, "", 0);
    return add_line(t, "Content-Type:");
  }
  return LATHE_OK;
}

/* ---- the connection ---- */

static void set_tls(struct net_transfer *t) {
  const struct lathe_net *net = t->net;
  CURL *curl = t->curl;
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(curl, CURLOPT_KEYPASSWD, ""); /* nobody is asked at a terminal */
  if (!t->home)
    return;
  if (net->ca_file) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, net->ca_file);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
  }
  if (net->cert_file) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, net->cert_file);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, net->key_file ? net->key_file : net->cert_file);
    t->carries = true;
  }
}

static void set_connection(struct net_transfer *t) {
  CURL *curl = t->curl;
  bool again = !strcmp(t->method, "GET") || !strcmp(t->method, "HEAD") || t->request->keyed;
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, again ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs holds nobody */
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)t->net->connect_ms);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (t->home && t->net->unix_socket)
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, t->net->unix_socket);
  if (t->near)
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* a proxy cannot know our loopback */
  set_tls(t);
}

static void set_redirects(struct net_transfer *t) {
  int32_t most = t->request->redirects < 10 ? t->request->redirects : 10;
  bool asks = !strcmp(t->method, "GET") || !strcmp(t->method, "HEAD");
  if (most <= 0 || !asks || t->carries)
    return;
  curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, (long)most);
  curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

int32_t net_prepare(struct net_transfer *t, const struct net_line *line) {
  const struct lathe_net_request *r = t->request;
  t->curl = line->curl;
  t->method = r->method ? r->method : r->body || r->json || r->file || r->form ? "POST" : "GET";
  curl_easy_reset(t->curl);
  int32_t rc = find_url(t);
  if (rc == LATHE_OK)
    rc = add_headers(t);
  if (rc == LATHE_OK)
    rc = set_body(t);
  if (rc != LATHE_OK)
    return rc;
  curl_easy_setopt(t->curl, CURLOPT_URL, t->url);
  curl_easy_setopt(t->curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "lathe-net/" LATHE_VERSION);
  set_connection(t);
  if (!strcmp(t->method, "HEAD"))
    curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
  else
    curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, t->method);
  set_redirects(t);
  curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
  return LATHE_OK;
}

void net_drop_request(struct net_transfer *t) {
  for (struct curl_slist *h = t->headers; h; h = h->next)
    explicit_bzero(h->data, strlen(h->data));
  curl_slist_free_all(t->headers);
  curl_mime_free(t->mime);
  free(t->json); /* json_dumps uses malloc */
  free(t->url);
  if (t->fd >= 0)
    close(t->fd);
  if (t->secrets.data)
    explicit_bzero(t->secrets.data, t->secrets.len);
  free(t->secrets.data);
}
