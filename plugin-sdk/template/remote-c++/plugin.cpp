// SPDX-License-Identifier: MIT
//
// @NAME@: a plugin of lathe whose jobs run at a service.
//
// The service of the example is service.py: PUT /jobs/KEY begins a job, GET /jobs/KEY says how far it is,
// GET /jobs/KEY/output is the result, DELETE /jobs/KEY stops it.  Put your service's requests in place of
// these; what must stay is the order of things:
//
//   submit   begins the work under request->idem_key, and makes the reference durable
//   find     was something begun under that key?  lathe asks after a crash, before it submits
//   poll     is it over?
//   fetch    brings the result
//   cancel   stops it
//
// Each may be repeated, in any process, with nothing but the reference; no state is kept here.  They are
// called on several threads at once, and last as long as one request.  No exception may leave them:
// guarded() sees to that.
//
// The client kit (lathe/net.h) says what a failure means: 401, 403 and 402 pause the backend, 429 slows it, no
// answer and 5xx are tried again, 400 and 422 are the job's own fault.  Where the service means something
// else, say so: here by what a 404 is in each step.
#include <lathe/net.h>

#include <exception>
#include <jansson.h>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace {

constexpr int64_t poll_ms = 50, answer_ms = 20000;

struct Failure : std::runtime_error { // how a step fails: its result, and a text for people
  Failure(int32_t result_, const std::string &what) : std::runtime_error(what), result(result_) {
  }
  int32_t result;
};

struct Answer : lathe_net_answer {
  Answer() : lathe_net_answer() {
  }
  ~Answer() {
    lathe_net_free(this);
  }
  Answer(const Answer &) = delete;
  Answer &operator=(const Answer &) = delete;
};

using Json = std::unique_ptr<json_t, void (*)(json_t *)>;

struct Self {
  const lathe_host *host = nullptr;
  lathe_net *net = nullptr; // one service, one client
  ~Self() {
    lathe_net_close(net);
  }
};

// Runs `work`, which returns the result; what it throws becomes the result, and the text the job's error.
template <typename Work> int32_t guarded(const lathe_host *host, lathe_job *job, Work work) {
  try {
    return work();
  } catch (const Failure &f) {
    host->error(job, f.what());
    return f.result;
  } catch (const std::bad_alloc &) {
    host->error(job, "out of memory");
    return LATHE_RETRY_MEM;
  } catch (const std::exception &e) {
    host->error(job, e.what());
    return LATHE_RETRY;
  } catch (...) { // "throw 42" is C++, too
    host->error(job, "an exception that is not a std::exception");
    return LATHE_PERMANENT;
  }
}

// "/jobs/REFERENCE" and what follows
std::string path_of(const std::string &name, const char *tail = "") {
  char part[600];
  if (!lathe_net_escape(name.c_str(), part, sizeof part))
    throw Failure(LATHE_PERMANENT, "the reference is not one of this plugin's");
  return std::string("/jobs/") + part + tail;
}

std::string path_of(const void *ref, size_t len, const char *tail = "") {
  return path_of(std::string(static_cast<const char *>(ref), len), tail);
}

// ---- the five steps ----

int32_t find(void *data, lathe_job *job, const lathe_request *r, const void *, size_t) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&]() -> int32_t {
    const std::string key = r->idem_key, path = path_of(key);
    lathe_net_request request = {};
    request.path = path.c_str();
    request.job = job;
    request.deadline_ms = r->deadline_ms;
    request.most_ms = answer_ms;
    Answer answer;
    if (lathe_net_call(self.net, &request, &answer) == LATHE_OK)
      return self.host->checkpoint(job, key.data(), key.size());
    return answer.status == 404 ? LATHE_NOT_FOUND : lathe_net_fail(self.net, job, &answer);
  });
}

// The job is not passed on: what may have begun needs its reference, and then cancel() follows.
int32_t submit(void *data, lathe_job *job, const lathe_request *r, const void *, size_t) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&]() -> int32_t {
    if (r->kind != std::string("@NAME@")) // a second kind in the table gets its own work here
      throw Failure(LATHE_PERMANENT, std::string(r->kind) + ": this plugin does no such kind");
    Json spec(json_loads(r->spec, 0, nullptr), json_decref);
    const json_t *first = json_array_get(json_object_get(spec.get(), "inputs"), 0);
    const char *name = json_string_value(json_object_get(first, "name"));
    if (!name)
      throw Failure(LATHE_BAD_INPUT, "the job has no input");
    const std::string key = r->idem_key, path = path_of(key),
                      input = std::string(r->workdir) + "/in/" + name;
    lathe_net_request request = {};
    request.method = "PUT";
    request.path = path.c_str();
    request.file = input.c_str();
    request.type = "text/plain";
    request.deadline_ms = r->deadline_ms;
    request.keyed =
        1; // the service begins a key once, however often it comes.  Leave it out if yours does not
    Answer answer;
    if (lathe_net_call(self.net, &request, &answer) ==
        LATHE_OK) // the reference: most services give one of their own
      return self.host->checkpoint(job, key.data(), key.size());
    if (answer.status == 404)
      throw Failure(LATHE_PERMANENT, "the service takes no jobs at this url");
    return lathe_net_fail(self.net, job, &answer);
  });
}

int32_t poll(void *data, lathe_job *job, const lathe_request *r, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&]() -> int32_t {
    const std::string path = path_of(ref, len);
    lathe_net_request request = {};
    request.path = path.c_str();
    request.job = job;
    request.deadline_ms = r->deadline_ms;
    request.most_ms = answer_ms;
    Answer answer;
    int32_t rc = lathe_net_call(self.net, &request, &answer);
    if (answer.status == 404)
      throw Failure(LATHE_RETRY_ANEW, "the service does not know the job any more");
    Json state(rc == LATHE_OK ? lathe_net_json(&answer) : nullptr,
               json_decref); // {"done": 0.4}, from 0 to 1
    if (!state)
      return lathe_net_fail(self.net, job, &answer);
    const double done = json_number_value(json_object_get(state.get(), "done"));
    if (done >= 1)
      return LATHE_OK;
    self.host->progress(job, done > 0 ? static_cast<int32_t>(900 * done) : 0, "there");
    self.host->retry_after(job, poll_ms);
    return LATHE_PENDING;
  });
}

int32_t fetch(void *data, lathe_job *job, const lathe_request *r, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&]() -> int32_t {
    const std::string path = path_of(ref, len, "/output"),
                      target = std::string(r->workdir) + "/output.txt";
    lathe_net_request request = {};
    request.path = path.c_str();
    request.job = job;
    request.deadline_ms = r->deadline_ms;
    lathe_net_file file = {}; // give bytes and sha256, too, where the service tells them
    file.path = target.c_str();
    file.most = int64_t{64} << 20;
    self.host->progress(job, 900, "fetch");
    Answer answer;
    if (lathe_net_download(self.net, &request, &file, &answer) == LATHE_OK)
      return self.host->artifact(job, "output.txt", "output.txt", "text/plain");
    if (answer.status == 404)
      throw Failure(LATHE_RETRY_ANEW, "the service does not know the job any more");
    return lathe_net_fail(self.net, job, &answer);
  });
}

int32_t cancel(void *data, lathe_job *job, const lathe_request *r, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&]() -> int32_t {
    const std::string path = path_of(ref, len);
    lathe_net_request request = {};
    request.method = "DELETE";
    request.path = path.c_str();
    request.deadline_ms = r->deadline_ms;
    request.keyed = 1;
    Answer answer;
    if (lathe_net_call(self.net, &request, &answer) == LATHE_OK)
      return answer.body == std::string("late") ? LATHE_TOO_LATE : LATHE_OK;
    return answer.status == 404
               ? LATHE_OK
               : lathe_net_fail(self.net, job, &answer); // unknown there: it does not run
  });
}

// ---- the plugin ----

int32_t create(const lathe_host *host, void **data) {
  return guarded(host, nullptr, [&]() -> int32_t {
    auto self = std::make_unique<Self>();
    const char *key = host->config(host, "key");
    lathe_net_options options = {};
    options.base = host->config(host, "url");
    options.token = *key ? key
                         : nullptr; // the name of a secret, sent as "Authorization: Bearer ..."
    self->host = host;
    const int32_t rc = lathe_net_open(host, &options, &self->net);
    if (rc == LATHE_OK)
      *data = self.release();
    return rc;
  });
}

void destroy(void *data) {
  delete static_cast<Self *>(data);
}

const char *const kinds[] = {"@NAME@", nullptr};
const lathe_option url = {sizeof url, LATHE_STRING, "url",
                          nullptr,    nullptr,      "Where the service is: https://host:port."};
const lathe_option key = {
    sizeof key, LATHE_SECRET, "key",
    "",         nullptr,      "Name of the secret with the service's key; empty: it wants none."};
const lathe_option *const options[] = {&url, &key, nullptr};

constexpr lathe_remote steps() {
  lathe_remote r = {};
  r.struct_size = sizeof r;
  r.submit = submit;
  r.find = find;
  r.poll = poll;
  r.fetch = fetch;
  r.cancel = cancel;
  return r;
}
constexpr lathe_remote remote = steps();

constexpr lathe_plugin describe() { // at compile time: loading the plugin runs nothing
  lathe_plugin p = {};
  p.magic = LATHE_MAGIC;
  p.struct_size = sizeof p;
  p.abi_major = LATHE_ABI_MAJOR;
  p.abi_minor = LATHE_ABI_MINOR;
  p.rights = LATHE_NEEDS_NETWORK;
  p.name = "@NAME@";
  p.version = "0.1";
  p.summary = "Sorts lines, at a service";
  p.license = "MIT";
  p.kinds = kinds;
  p.options = options;
  p.device = "net";
  p.isolation = LATHE_SHARED;
  p.max_concurrency = 8;
  p.create = create;
  p.destroy = destroy;
  p.remote = &remote;
  return p;
}
constexpr lathe_plugin plugin = describe();

} // namespace

const lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
