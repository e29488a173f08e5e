// SPDX-License-Identifier: MIT
//
// @NAME@: a plugin of lathe.  The example counts the words of a text; put your work into count().
//
// Each job runs in a process of its own, forked after create(): it may leak and crash, and is killed
// when it is cancelled.  No exception may leave a function that lathe calls: guarded() sees to that.
// What each function may do is in <lathe/plugin.h>.
#include <lathe/plugin.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <jansson.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

struct Failure : std::runtime_error { // how a job fails: its result, and a text for people
  Failure(int32_t result_, const std::string &what) : std::runtime_error(what), result(result_) {}
  int32_t result;
};

struct Self { // of the one backend that this process serves
  const lathe_host *host;
  std::uintmax_t max_bytes;
};

struct Task { // one job
  std::filesystem::path input, workdir;
  std::size_t min_length = 0;
  std::chrono::milliseconds pause{0};
};

// The specification is JSON that lathe has checked against the kind: every parameter is there.
Task read_task(const Self &self, const lathe_request &r) {
  std::unique_ptr<json_t, void (*)(json_t *)> spec(json_loads(r.spec, 0, nullptr), json_decref);
  const json_t *input = json_array_get(json_object_get(spec.get(), "inputs"), 0);
  const char *name = json_string_value(json_object_get(input, "name"));
  if (!name)
    throw Failure(LATHE_BAD_INPUT, "the specification has no input");
  Task t;
  t.workdir = r.workdir;
  t.input = t.workdir / "in" / name;
  const json_t *params = json_object_get(spec.get(), "params");
  t.min_length = static_cast<std::size_t>(json_integer_value(json_object_get(params, "min_length")));
  t.pause = std::chrono::milliseconds(json_integer_value(json_object_get(params, "pause_ms")));
  if (std::filesystem::file_size(t.input) > self.max_bytes)
    throw Failure(LATHE_BAD_INPUT, "the text is larger than this backend takes (max_bytes)");
  return t;
}

// The work itself.
void count(const Self &self, lathe_job *job, const Task &t) {
  std::ifstream in(t.input);
  std::ofstream words(t.workdir / "words.txt"), result(t.workdir / "result.json");
  const auto bytes = std::filesystem::file_size(t.input) + 1;
  unsigned long long total = 0, listed = 0;
  for (std::string word; in >> word;) {
    if (word.size() >= t.min_length && ++listed)
      words << word << '\n';
    std::this_thread::sleep_for(t.pause);
    if (++total % 1000 == 0 || t.pause.count() > 0) { // now and then: how far, and whether to go on
      const auto at = in.eof() ? bytes : static_cast<std::uintmax_t>(in.tellg());
      self.host->progress(job, static_cast<int32_t>(at * 1000 / bytes), "count");
      if (self.host->cancelled(job))
        throw Failure(LATHE_CANCELLED, "cancelled");
    }
  }
  result << "{\"words\": " << total << ", \"listed\": " << listed << "}\n";
  words.close();
  result.close();
  if (in.bad() || !words || !result)
    throw Failure(LATHE_RETRY, "words.txt or result.json cannot be written to " + t.workdir.string());
  self.host->progress(job, 1000, "count");
}

void give(const Self &self, lathe_job *job, const char *name, const char *media_type) {
  if (self.host->artifact(job, name, name, media_type) != LATHE_OK)
    throw Failure(LATHE_PERMANENT, ""); // the host has said why
}

// Runs `work`; what it throws becomes the result, and the text the job's error.
template <typename Work> int32_t guarded(const lathe_host *host, lathe_job *job, Work work) {
  try {
    work();
    return LATHE_OK;
  } catch (const Failure &f) {
    if (*f.what())
      host->error(job, f.what());
    return f.result;
  } catch (const std::bad_alloc &) {
    host->error(job, "out of memory");
    return LATHE_RETRY_MEM;
  } catch (const std::exception &e) {
    host->error(job, e.what());
    return LATHE_PERMANENT;
  } catch (...) { // "throw 42" is C++, too
    host->error(job, "an exception that is not a std::exception");
    return LATHE_PERMANENT;
  }
}

int32_t run(void *data, lathe_job *job, const lathe_request *r) {
  const Self &self = *static_cast<const Self *>(data);
  return guarded(self.host, job, [&] {
    if (r->kind != std::string("@NAME@")) // a second kind in the table gets its own work here
      throw Failure(LATHE_PERMANENT, std::string(r->kind) + ": this plugin does no such kind");
    count(self, job, read_task(self, *r));
    give(self, job, "words.txt", "text/plain");
    give(self, job, "result.json", "application/json");
  });
}

// Once in each process: load and warm up here what every job needs.
int32_t create(const lathe_host *host, void **data) {
  return guarded(host, nullptr, [&] {
    *data = new Self{host, std::strtoull(host->config(host, "max_bytes"), nullptr, 10)};
  });
}

void destroy(void *data) {
  delete static_cast<Self *>(data);
}

const char *const kinds[] = {"@NAME@", nullptr};
const lathe_option max_bytes = {sizeof max_bytes, LATHE_BYTES, "max_bytes", "64M", "1..", "Largest text that is taken."};
const lathe_option *const options[] = {&max_bytes, nullptr};

constexpr lathe_plugin describe() { // at compile time: loading the plugin runs nothing
  lathe_plugin p = {};
  p.magic = LATHE_MAGIC;
  p.struct_size = sizeof p;
  p.abi_major = LATHE_ABI_MAJOR;
  p.abi_minor = LATHE_ABI_MINOR;
  p.name = "@NAME@";
  p.version = "0.1";
  p.summary = "Counts the words of a text";
  p.license = "MIT";
  p.kinds = kinds;
  p.options = options;
  p.device = "cpu";
  p.isolation = LATHE_FORK;
  p.max_concurrency = 1;
  p.create = create;
  p.destroy = destroy;
  p.run = run;
  return p;
}
constexpr lathe_plugin plugin = describe();

} // namespace

const lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
