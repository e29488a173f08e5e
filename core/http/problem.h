/* SPDX-License-Identifier: MIT
 *
 * Every problem type of the API, once: the reference and the OpenAPI document are
 * made from this table.  type = "/problems/<slug>".
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#define PROBLEM_TABLE(X)                                                                           \
  X("bad-request", 400, "The request is malformed")                                                \
  X("bad-json", 400, "The body is not valid JSON")                                                 \
  X("unauthorized", 401, "A valid token is required")                                              \
  X("forbidden-host", 403, "The Host header names no host of this server")                         \
  X("forbidden-origin", 403, "The Origin is not allowed")                                          \
  X("forbidden-role", 403, "The token's role does not allow this")                                 \
  X("not-found", 404, "There is nothing at this path")                                             \
  X("unknown-job", 404, "There is no such job")                                                    \
  X("unknown-batch", 404, "There is no such batch")                                                \
  X("unknown-kind", 404, "There is no such kind of job")                                           \
  X("unknown-artifact", 404, "The job has no such artifact")                                       \
  X("unknown-blob", 422, "There is no such blob")                                                  \
  X("method-not-allowed", 405, "The path does not support this method")                            \
  X("wrong-state", 409, "The job is not in a state that allows this")                              \
  X("idempotency-in-flight", 409, "A request with this Idempotency-Key is under way")              \
  X("nothing-to-undo", 409, "Nothing was switched by hand that could be undone")                   \
  X("artifact-expired", 410, "The artifact is no longer where it was")                             \
  X("precondition-failed", 412, "A precondition of the request does not hold")                     \
  X("too-large", 413, "The body is larger than allowed")                                           \
  X("uri-too-long", 414, "The request's target or headers are too long")                           \
  X("unsupported-media-type", 415, "The body is of an unsupported type")                           \
  X("bad-range", 416, "The requested range cannot be served")                                      \
  X("bad-parameter", 422, "A parameter is not acceptable")                                         \
  X("unknown-parameter", 422, "The kind has no such parameter")                                    \
  X("bad-input", 422, "The input is not acceptable")                                               \
  X("unknown-backend", 422, "There is no such backend for this kind")                              \
  X("idempotency-mismatch", 422, "The Idempotency-Key was used for another request")               \
  X("too-many-requests", 429, "This client has too many jobs waiting")                             \
  X("too-many-attempts", 429, "This address has sent too many wrong tokens")                       \
  X("internal", 500, "The server failed")                                                          \
  X("queue-full", 503, "The queue is full")                                                        \
  X("storage-failed", 503, "The disk does not accept writes")                                      \
  X("draining", 503, "The server is shutting down")                                                \
  X("not-ready", 503, "The server is not ready")                                                   \
  X("too-many-bodies", 503, "The memory for request bodies is full")                               \
  X("too-many-answers", 503, "The memory for answers is full")                                     \
  X("too-many-connections", 503, "The server has too many connections")                            \
  /* of failed attempts and jobs, in `error` */                                                    \
  X("job-bad-input", 422, "The input cannot be processed")                                         \
  X("job-failed", 500, "The job failed")                                                           \
  X("job-crashed", 500, "The worker process crashed")                                              \
  X("job-timeout", 500, "The job ran out of time")                                                 \
  X("job-limit", 500, "The job ran into a resource limit")                                         \
  X("job-input-lost", 500, "An input of the job is gone")                                          \
  X("job-rate-limited", 500, "The backend limits the rate")                                        \
  X("job-auth", 500, "The backend refused the credential")                                         \
  X("job-quota", 500, "The quota of the backend is used up")                                       \
  X("job-cancelled", 500, "The job was cancelled")                                                 \
  X("job-interrupted", 500, "The attempt was interrupted")                                         \
  X("no-backend", 503, "No backend can do this job")                                               \
  X("daemon-loop", 508, "The job goes in a circle between servers")

#endif
