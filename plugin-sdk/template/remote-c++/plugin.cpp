// SPDX-License-Identifier: MIT
//
// @NAME@: a plugin of lathe whose jobs run elsewhere.
//
// "Elsewhere" is a folder here, `spool`: each job is a subfolder in which a detached process runs
// `command` on the input, and goes on when lathe does not.  Put your service in place of the class
// Remote; what must stay is the order of things:
//
//   submit   begins the work under request->idem_key, and makes the reference durable
//   find     was something begun under that key?  lathe asks after a crash, instead of submitting twice
//   poll     is it over?
//   fetch    brings the result
//   cancel   stops it
//
// What a service answers, as lathe wants it: 401, 403 LATHE_AUTH and 402 LATHE_QUOTA pause the backend, 429
// LATHE_RETRY_RATE (with retry_after()) slows it, and no job loses an attempt; no answer and 5xx
// LATHE_RETRY_DOWN; 400, 422 LATHE_BAD_INPUT.  error_code() keeps its own word and its id of the request.
//
// Each may be repeated, in any process, with nothing but the reference; no state is kept here.  They are
// called on several threads at once.  No exception may leave them: guarded() sees to that.
#include <lathe/plugin.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <jansson.h>
#include <memory>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

struct Failure : std::runtime_error { // how a step fails: its result, and a text for people
  Failure(int32_t result_, const std::string &what) : std::runtime_error(what), result(result_) {}
  int32_t result;
};

// ---- the service: here a folder with a process in it ----

class Remote {
public:
  enum class State { waiting, running, done, failed, lost };

  Remote(const fs::path &spool, const std::string &command) : spool_(spool), command_(command) {
    if (access(spool_.c_str(), W_OK | X_OK) != 0)
      throw Failure(LATHE_PERMANENT, spool_.string() + ": it cannot be written to");
  }

  fs::path folder(std::string name) const {
    for (char &c : name)
      if (c == '/')
        c = '_';
    return spool_ / ("job-" + name);
  }

  bool exists(const std::string &name) const { return fs::exists(folder(name)); }

  // All is prepared aside and renamed in one step, so that a folder that is there is whole.
  void prepare(const std::string &name, const fs::path &input) const {
    std::string aside = spool_ / "new-XXXXXX";
    if (!mkdtemp(aside.data()))
      throw Failure(LATHE_RETRY, aside + ": no folder can be made there");
    std::error_code why;
    fs::copy_file(input, fs::path(aside) / "input", why);
    if (!why)
      fs::rename(aside, folder(name), why);
    if (!why)
      return;
    std::error_code ignored;
    fs::remove_all(aside, ignored);
    if (!exists(name)) // else it was submitted before
      throw Failure(LATHE_RETRY, folder(name).string() + ": " + why.message());
  }

  // Begins the work, or does nothing where it was begun before: the lock is held while it runs.
  void start(const std::string &name) const {
    static const char script[] = R"(cd "$1" || exit 1
setsid sh -c '
  flock -n 9 || exit 0
  test -e exit && exit 0
  echo $$ >pid
  sh -c "$1" <input >output.txt 2>log
  echo $? >exit.new && mv exit.new exit
' sh "$2" 9>lock </dev/null >/dev/null 2>&1 &
)";
    const std::string where = folder(name);
    const char *argv[] = {"sh", "-c", script, "sh", where.c_str(), command_.c_str(), nullptr};
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, argv[0], nullptr, nullptr, const_cast<char **>(argv), environ) == 0)
      while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
    if (status != 0)
      throw Failure(LATHE_RETRY_DOWN, where + ": the command cannot be started there");
  }

  State state(const std::string &name) const {
    const bool running = is_running(name); // first: it may end while we look
    const int code = number(name, "exit");
    if (code >= 0)
      return code == 0 ? State::done : State::failed;
    if (running)
      return State::running;
    return number(name, "pid") > 0 ? State::lost : State::waiting;
  }

  void stop(const std::string &name) const {
    const int pid = is_running(name) ? number(name, "pid") : -1;
    if (pid > 1)
      kill(-pid, SIGTERM);
  }

private:
  int number(const std::string &name, const char *file) const { // -1: there is none
    std::ifstream in(folder(name) / file);
    int value;
    return in >> value ? value : -1;
  }

  bool is_running(const std::string &name) const {
    const int fd = open((folder(name) / "lock").c_str(), O_RDONLY | O_CLOEXEC);
    const bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
      close(fd);
    return held;
  }

  fs::path spool_;
  std::string command_;
};

// ---- the five steps ----

struct Self {
  const lathe_host *host;
  std::unique_ptr<Remote> remote;
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

// Begun or not, what is there goes on from here; the reference is the name of the job there.
int32_t go_on(const Self &self, lathe_job *job, const std::string &name) {
  self.remote->start(name);
  return self.host->checkpoint(job, name.data(), name.size());
}

int32_t find(void *data, lathe_job *job, const lathe_request *r, const void *, size_t) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&] {
    return self.remote->exists(r->idem_key) ? go_on(self, job, r->idem_key) : LATHE_NOT_FOUND;
  });
}

int32_t submit(void *data, lathe_job *job, const lathe_request *r, const void *, size_t) {
  const Self &self = *static_cast<Self *>(data);
  return guarded(self.host, job, [&] {
    if (r->kind != std::string("@NAME@")) // a second kind in the table gets its own work here
      throw Failure(LATHE_PERMANENT, std::string(r->kind) + ": this plugin does no such kind");
    std::unique_ptr<json_t, void (*)(json_t *)> spec(json_loads(r->spec, 0, nullptr), json_decref);
    const json_t *input = json_array_get(json_object_get(spec.get(), "inputs"), 0);
    const char *name = json_string_value(json_object_get(input, "name"));
    if (!name)
      throw Failure(LATHE_BAD_INPUT, "the specification has no input");
    self.remote->prepare(r->idem_key, fs::path(r->workdir) / "in" / name);
    return go_on(self, job, r->idem_key);
  });
}

int32_t poll(void *data, lathe_job *job, const lathe_request *, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  const std::string name(static_cast<const char *>(ref), len);
  return guarded(self.host, job, [&]() -> int32_t {
    switch (self.remote->state(name)) {
    case Remote::State::done:
      return LATHE_OK;
    case Remote::State::failed:
      throw Failure(LATHE_PERMANENT, self.remote->folder(name).string() + ": the command failed; the file `log` there says more");
    case Remote::State::lost:
      throw Failure(LATHE_RETRY_ANEW, self.remote->folder(name).string() + ": the command was killed before it was done");
    case Remote::State::waiting:
      self.remote->start(name);
      break;
    case Remote::State::running:
      self.host->progress(job, 500, "there");
    }
    self.host->retry_after(job, 50);
    return LATHE_PENDING;
  });
}

int32_t fetch(void *data, lathe_job *job, const lathe_request *r, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  const std::string name(static_cast<const char *>(ref), len);
  return guarded(self.host, job, [&] {
    self.host->progress(job, 900, "fetch");
    fs::copy_file(self.remote->folder(name) / "output.txt", fs::path(r->workdir) / "output.txt",
                  fs::copy_options::overwrite_existing);
    return self.host->artifact(job, "output.txt", "output.txt", "text/plain");
  });
}

int32_t cancel(void *data, lathe_job *job, const lathe_request *, const void *ref, size_t len) {
  const Self &self = *static_cast<Self *>(data);
  const std::string name(static_cast<const char *>(ref), len);
  return guarded(self.host, job, [&] {
    self.remote->stop(name);
    return LATHE_OK;
  });
}

// ---- the plugin ----

int32_t create(const lathe_host *host, void **data) {
  return guarded(host, nullptr, [&] {
    auto self = std::make_unique<Self>();
    self->host = host;
    self->remote = std::make_unique<Remote>(host->config(host, "spool"), host->config(host, "command"));
    *data = self.release();
    return LATHE_OK;
  });
}

void destroy(void *data) {
  delete static_cast<Self *>(data);
}

const char *const kinds[] = {"@NAME@", nullptr};
const lathe_option spool = {sizeof spool, LATHE_PATH, "spool", nullptr, nullptr,
                            "Folder in which the jobs run; it must be there."};
const lathe_option command = {sizeof command, LATHE_STRING, "command", "sort", nullptr,
                              "What a shell runs there: it reads the input and writes the output."};
const lathe_option *const options[] = {&spool, &command, nullptr};

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
  p.rights = LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES;
  p.name = "@NAME@";
  p.version = "0.1";
  p.summary = "Runs a command on a text, detached";
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
