/* SPDX-License-Identifier: MIT
 *
 * GET /problems and GET /problems/{slug}: what the `type` of a problem leads to.
 */
#include "api/problems.h"

#include "api/internal.h"
#include "http/problem.h"

#include <string.h>

static const struct {
  const char *slug, *text;
} advices[] = {
    {"bad-request",
     "Something in the request's form is wrong; `detail` says what. The same request "
     "will fail again."},
    {"bad-json", "The body does not parse as JSON; `detail` names line and column. A key that is "
                 "there twice is an error too."},
    {"unauthorized", "The server has a token file. Send `Authorization: Bearer TOKEN`; the admin "
                     "hands tokens out."},
    {"forbidden-host", "The Host header names a host that this server does not serve, as in a DNS "
                       "rebinding attack. The admin adds names with `allowed_hosts` in [server]."},
    {"forbidden-origin", "A web page of another origin may not use this server. The admin adds "
                         "origins with `cors_origins` in [server]."},
    {"forbidden-role", "The token may not do this: `detail` names the role that is needed and the "
                       "token's own. The admin hands tokens out, and changes the role in the "
                       "server's token file."},
    {"not-found", "No resource has this path; GET /api/openapi.json lists all."},
    {"unknown-job", "The job never existed, was deleted, or was removed by retention."},
    {"unknown-batch",
     "The batch never existed, or its last job was deleted or removed by retention."},
    {"unknown-kind", "No such kind is declared; GET /api/kinds lists all."},
    {"unknown-artifact", "The job has no output of this name (yet); `artifacts` in its JSON lists "
                         "what it has."},
    {"artifact-expired",
     "The file lay at another service, which kept it until `expires_at`. Run the "
     "job again."},
    {"unknown-blob", "No blob has this digest; send the file with POST /api/blobs first. Retention "
                     "removes blobs that no job names."},
    {"method-not-allowed",
     "The path exists, but not with this method; the Allow header lists those "
     "that do."},
    {"wrong-state", "The job's state does not allow the action: only a failed or cancelled job can "
                    "be retried, only a finished one deleted, only an unfinished one cancelled."},
    {"nothing-to-undo",
     "Each switch by hand is undone already, was taken over by the configuration's "
     "file, or is older than the audit log. GET /api/audit lists them."},
    {"idempotency-in-flight", "Another request with the same Idempotency-Key is being worked on; "
                              "send this one again in a moment."},
    {"precondition-failed", "An If-Match or If-Unmodified-Since of the request does not hold."},
    {"too-large", "The body or file is larger than the server or the kind allows; `detail` names "
                  "the limit."},
    {"uri-too-long", "The request's target or its headers are too long."},
    {"unsupported-media-type", "The body's Content-Type, or the ending of a file's name, is none "
                               "that this resource takes; `detail` lists what it takes."},
    {"bad-range", "The Range lies outside of the file; Content-Range tells its size."},
    {"bad-parameter", "A parameter has the wrong type or lies outside of its range; `detail` names "
                      "it and what is allowed."},
    {"unknown-parameter", "The kind has no parameter of this name; `detail` names the nearest. "
                          "GET /api/kinds/{kind} lists all."},
    {"bad-input", "The input cannot be accepted: empty, too few or too many, or not decodable."},
    {"unknown-backend", "The backend asked for does not exist or does not do this kind; "
                        "GET /api/backends lists all."},
    {"idempotency-mismatch", "The Idempotency-Key was used before with another request. Use a new "
                             "key for a new request."},
    {"too-many-requests", "This client has as many jobs waiting as it may; send the request again "
                          "after Retry-After seconds."},
    {"internal", "The server made a mistake; its log says more. Please report it."},
    {"queue-full", "As many jobs wait as the server allows (`queue_max` in [limits]); send the "
                   "request again after Retry-After seconds."},
    {"storage-failed", "The server's disk is full or does not accept writes. Nothing was accepted; "
                       "send the request again later."},
    {"draining",
     "The server is shutting down and accepts no new jobs; send the request again after "
     "Retry-After seconds."},
    {"not-ready", "The server has started, but no jobs would run yet; `detail` says why."},
    {"too-many-connections", "The server has as many connections as it may; try again later."},
    {"too-many-bodies",
     "The memory for request bodies (`bodies_max` in [limits]) is full; send the "
     "request again after Retry-After seconds, or send files as a form: they go to "
     "the disk."},
    {"too-many-answers", "Large answers that their clients do not read fill the memory for them "
                         "(`streams_max` in [limits]). Send the request again after Retry-After "
                         "seconds, or ask for less, with `limit`."},
    {"too-many-attempts", "Tokens of this address were wrong too often; one a second is looked at. "
                          "Send the request again after Retry-After seconds."},
    {"job-bad-input", "The plugin could not use the input or the parameters; `detail` says why. "
                      "The same job will fail again."},
    {"job-failed", "The plugin failed; `detail` and the job's log say why."},
    {"job-crashed",
     "The worker process of the attempt ended unexpectedly. The job is tried again up "
     "to its limit."},
    {"job-timeout", "The attempt took longer than the kind, the backend or timeout_s allows."},
    {"job-limit", "The attempt exceeded a limit of processor time, memory or output size."},
    {"job-input-lost", "The file of an input was removed from the server's disk after the job was "
                       "accepted. Send the job again with its file."},
    {"job-rate-limited", "The backend's service limits how often it may be asked; the job is tried "
                         "again later."},
    {"job-auth", "The backend's service refused the configured credential; the admin has to act."},
    {"job-quota", "The backend's quota, credit or budget is used up; the admin has to act."},
    {"job-cancelled", "A client cancelled the job."},
    {"job-interrupted", "The daemon stopped or was restarted during the attempt; the job is tried "
                        "again."},
    {"no-backend",
     "No backend does this kind now: none is configured, or those that are have failed; `detail` "
     "says which and why. The same request will fail until the admin acts. Also in the "
     "`error` of a job that was waiting."},
    {"daemon-loop", "The job comes from a server that got it from this one, or has passed more "
                    "servers than it may. "
                    "A backend that sends jobs on to another server leads back: the admin has to "
                    "change its `url`, "
                    "or the route of the kind. The same request will fail again."},
};

static const char *advice_of(const char *slug) {
  for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
    if (strcmp(advices[i].slug, slug) == 0)
      return advices[i].text;
  return NULL;
}

const struct problem_page *problem_page(size_t i) {
  static struct problem_page pages[] = {
#define X(word, code, text) {.slug = (word), .status = (code), .title = (text)},
      PROBLEM_TABLE(X)
#undef X
  };
  if (i >= sizeof pages / sizeof *pages)
    return NULL;
  if (!pages[i].advice)
    pages[i].advice = advice_of(pages[i].slug);
  return &pages[i];
}

const struct problem_page *problem_page_find(const char *slug) {
  for (size_t i = 0; problem_page(i); i++)
    if (strcmp(problem_page(i)->slug, slug) == 0)
      return problem_page(i);
  return NULL;
}

static void put_page(struct buf *b, const struct problem_page *p) {
  buf_printf(b, "/problems/%s\n%s\n", p->slug, p->title);
  if (strncmp(p->slug, "job-", 4) == 0)
    buf_puts(b, "In the `error` of a job or of one of its attempts.\n");
  else
    buf_printf(b, "HTTP status %d.\n", p->status);
  if (p->advice)
    buf_printf(b, "\n%s\n", p->advice);
}

void problems_get(void *ctx, struct http_request *r) {
  (void)ctx;
  const char *slug = http_param(r, "slug");
  const struct problem_page *p = problem_page_find(slug);
  struct buf b = {0};
  if (!p) {
    http_problem(r, 0, "not-found", 0, "There is no problem '%.60s'; GET /problems lists all.",
                 slug);
    return;
  }
  put_page(&b, p);
  http_reply(r, 200, "text/plain; charset=utf-8", &b);
}

void problems_list(void *ctx, struct http_request *r) {
  (void)ctx;
  struct buf b = {0};
  for (size_t i = 0; problem_page(i); i++) {
    if (i)
      buf_puts(&b, "\n\n");
    put_page(&b, problem_page(i));
  }
  http_reply(r, 200, "text/plain; charset=utf-8", &b);
}
