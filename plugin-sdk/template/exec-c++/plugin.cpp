// SPDX-License-Identifier: MIT
//
// @NAME@: a backend of lathe, as a program that speaks lines of JSON on its standard input and output
// (docs/exec.md).  The example counts the words of a text; put your work into count().
//
//   -> hello <-- hello, kinds --> start <-- ready --> job <-- progress, artifact, done --> job ... stop
//
// What is for people goes to standard error: it is the job's log.  A job that is cancelled is killed with
// this process; so nothing is to be asked or cleaned up.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <jansson.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using Json = std::unique_ptr<json_t, void (*)(json_t *)>;

struct BadInput : std::runtime_error { // the job is wrong, here and elsewhere
  using std::runtime_error::runtime_error;
};

std::string text(const json_t *object, const char *key) {
  const char *value = json_string_value(json_object_get(object, key));
  return value ? value : "";
}

// Takes `message`.
void say(json_t *message) {
  const Json owner(message, json_decref);
  const std::unique_ptr<char, void (*)(void *)> line(json_dumps(message, JSON_COMPACT), std::free);
  std::cout << line.get() << std::endl;
}

// The work itself; returns the job's result.
json_t *count(const std::string &id, const std::string &input, const std::string &workdir, const json_t *params) {
  const auto min_length = static_cast<std::size_t>(json_integer_value(json_object_get(params, "min_length")));
  const std::chrono::milliseconds pause(json_integer_value(json_object_get(params, "pause_ms")));
  std::ifstream in(input);
  std::ofstream out(workdir + "/words.txt");
  json_int_t words = 0, listed = 0;
  for (std::string word; in >> word;) {
    words++;
    if (word.size() >= min_length) {
      out << word << '\n';
      listed++;
    }
    std::this_thread::sleep_for(pause);
  }
  out.close();
  if (in.bad() || !out)
    throw std::runtime_error(workdir + "/words.txt cannot be written");
  say(json_pack("{s:s, s:s, s:i, s:s}", "type", "progress", "id", id.c_str(), "percent", 100, "stage", "count"));
  say(json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "artifact", "id", id.c_str(), "name", "words.txt", "path",
                "words.txt", "media_type", "text/plain"));
  return json_pack("{s:I, s:I}", "words", words, "listed", listed);
}

void on_job(const json_t *m) {
  const std::string id = text(m, "id");
  const char *error_class = "retry";
  std::string why;
  try {
    if (text(m, "kind") != "@NAME@") { // a second kind in the hello gets its own work here
      error_class = "permanent";
      throw std::runtime_error("this plugin does no such kind");
    }
    const std::string input = text(json_array_get(json_object_get(m, "inputs"), 0), "path");
    if (input.empty())
      throw BadInput("the job has no input");
    json_t *result = count(id, input, text(m, "workdir"), json_object_get(m, "params"));
    say(json_pack("{s:s, s:s, s:o}", "type", "done", "id", id.c_str(), "result", result));
    return;
  } catch (const BadInput &e) {
    error_class = "bad_input";
    why = e.what();
  } catch (const std::exception &e) {
    why = e.what();
  } catch (...) { // "throw 42" is C++, too
    why = "an exception that is not a std::exception";
  }
  say(json_pack("{s:s, s:s, s:s, s:s}", "type", "error", "id", id.c_str(), "class", error_class, "message", why.c_str()));
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Json message(json_loads(line.c_str(), 0, nullptr), json_decref);
    const std::string type = text(message.get(), "type");
    if (type.empty() || type == "stop")
      break;
    if (type == "hello")
      say(json_pack("{s:s, s:i, s:s, s:s, s:[s], s:[]}", "type", "hello", "protocol", 1, "name", "@NAME@", "version",
                    "0.1", "kinds", "@NAME@", "options"));
    else if (type == "start") // load and warm up here what every job needs
      say(json_pack("{s:s}", "type", "ready"));
    else if (type == "job")
      on_job(message.get());
  }
}
