/* SPDX-License-Identifier: MIT
 *
 * @NAME@: a backend of lathe, as a program that speaks lines of JSON on its standard input and
 * output (docs/exec.md).  The example counts the words of a text; put your work into count().
 *
 *   --> hello <-- hello, kinds --> start <-- ready
 *   --> job <-- progress, artifact, done --> job ... --> stop
 *
 * What is for people goes to standard error: it is the job's log.  A job that is cancelled is
 * killed with this process; so nothing is to be asked or cleaned up.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task { /* one job; the strings belong to its message */
  const char *id, *input, *workdir;
  json_int_t min_length, pause_ms;
};

/* Takes `message`. */
static void say(json_t *message) {
  json_dumpf(message, stdout, JSON_COMPACT);
  putchar('\n');
  fflush(stdout);
  json_decref(message);
}

static void say_failed(const struct task *t, const char *class, const char *what, const char *why) {
  say(json_pack("{s:s, s:s, s:s, s:s+++}", "type", "error", "id", t->id, "class", class, "message",
                what, ": ", why, ""));
}

/* The work itself: how many words there are, and how many were written to `out`. */
static json_t *count(const struct task *t, FILE *in, FILE *out) {
  json_int_t words = 0, listed = 0;
  char word[1001];
  while (fscanf(in, "%1000s", word) == 1) {
    words++;
    if ((json_int_t)strlen(word) >= t->min_length) {
      fprintf(out, "%s\n", word);
      listed++;
    }
    usleep((useconds_t)t->pause_ms * 1000);
  }
  return json_pack("{s:I, s:I}", "words", words, "listed", listed);
}

static void do_task(const struct task *t) {
  char path[4200];
  snprintf(path, sizeof path, "%s/words.txt", t->workdir);
  FILE *in = fopen(t->input, "r"), *out = in ? fopen(path, "w") : NULL;
  json_t *result = out ? count(t, in, out) : NULL;
  if (in)
    fclose(in);
  if (!out || fclose(out) != 0) {
    say_failed(t, "retry", in ? path : t->input, strerror(errno));
    json_decref(result);
    return;
  }
  say(json_pack("{s:s, s:s, s:i, s:s}", "type", "progress", "id", t->id, "percent", 100, "stage",
                "count"));
  say(json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "artifact", "id", t->id, "name", "words.txt",
                "path", "words.txt", "media_type", "text/plain"));
  say(json_pack("{s:s, s:s, s:o}", "type", "done", "id", t->id, "result", result));
}

static void on_job(json_t *m) {
  struct task t = {0};
  json_t *input = NULL;
  json_unpack(m, "{s:s, s:s, s:[o], s:{s:I, s:I}}", "id", &t.id, "workdir", &t.workdir, "inputs",
              &input, "params", "min_length", &t.min_length, "pause_ms", &t.pause_ms);
  t.input = json_string_value(json_object_get(input, "path"));
  const char *kind = json_string_value(json_object_get(m, "kind"));
  if (!kind || strcmp(kind, "@NAME@") != 0) /* a second kind in the hello gets its own work here */
    say_failed(&t, "permanent", "the job", "this plugin does no such kind");
  else if (t.input)
    do_task(&t);
  else
    say_failed(&t, "bad_input", "the job", "it has no input");
}

int main(void) {
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) {
    json_t *m = json_loads(line, 0, NULL);
    const char *type = json_string_value(json_object_get(m, "type"));
    if (!type || strcmp(type, "stop") == 0) {
      json_decref(m);
      break;
    }
    if (strcmp(type, "hello") == 0)
      say(json_pack("{s:s, s:i, s:s, s:s, s:[s], s:[]}", "type", "hello", "protocol", 1, "name",
                    "@NAME@", "version", "0.1", "kinds", "@NAME@", "options"));
    else if (strcmp(type, "start") == 0) /* load and warm up here what every job needs */
      say(json_pack("{s:s}", "type", "ready"));
    else if (strcmp(type, "job") == 0)
      on_job(m);
    json_decref(m);
  }
  free(line);
  return 0;
}
