/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "base/json64.h"
#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char usage[] =
    "usage: lathe-plugin-check [OPTION...] PLUGIN.so [KEY=VALUE...]\n"
    "\n"
    "Checks a plugin as lathe would use it, each check in a process of its own. KEY=VALUE are the\n"
    "options of the plugin, as in its [backend NAME] section.\n"
    "\n"
    "  --list                 the checks and what they are about\n"
    "  --only NAME            this check alone (and what it builds on); may be repeated\n"
    "  --input [KIND=]FILE    an example input for jobs; may be repeated, in the order of inputs\n"
    "  --params [KIND=]JSON   an object of parameters for jobs; for all kinds: those a kind has\n"
    "  --kinds FOLDER         more declarations of kinds (also: LATHE_KINDS_PATH)\n"
    "  --seed N               repeats a run; what is left to chance follows from it\n"
    "  --limit SECONDS        time for one check (60)\n"
    "  --scan-ms MS           time to load in (100)\n"
    "  --memory MIB           that a job may hold (8192), as job_memory of the configuration\n"
    "  --worker FILE          the lathe-worker to use\n"
    "  --env NAME             a variable that workers get too, as by [server] worker_env; may be\n"
    "                         repeated\n"
    "  --tap                  output in the Test Anything Protocol\n"
    "  --verbose              notes of checks that passed, too\n"
    "  --help, --version\n"
    "\n"
    "Exit code: 0 all is well, 1 a check failed, 2 nothing could be checked.\n";

bool wishes_has(const struct wishes *w, const char *check) {
  for (size_t i = 0; i < w->only_count; i++)
    if (strcmp(w->only[i], check) == 0)
      return true;
  return w->only_count == 0;
}

static int list_checks(void) {
  for (const struct check *c = checks; c->name; c++)
    printf("%-13s %s\n", c->name, c->summary);
  return 0;
}

/* ---- where things are ---- */

/* The first of the paths, relative to the program's folder, that is there. */
static char *find_beside(const char *const *paths, int mode) {
  char *dir = path_program_dir(), *found = NULL;
  for (; *paths && !found; paths++) {
    char *path = path_join(dir, *paths);
    if (access(path, mode) == 0)
      found = path;
    else
      free(path);
  }
  free(dir);
  return found;
}

static int find_worker(struct tool *t, struct err *err) {
  static const char *const places[] = {"lathe-worker", "../libexec/lathe/lathe-worker", NULL};
  if (!t->worker_program)
    t->worker_program = find_beside(places, X_OK);
  if (!t->worker_program)
    return err_set(err, ERR_NOT_FOUND,
                   "there is no lathe-worker beside this program; name one with --worker FILE");
  if (access(t->worker_program, X_OK) != 0)
    return err_sys(err, errno, "%s cannot be run", t->worker_program);
  return 0;
}

struct folders {
  char **list; /* NULL-terminated */
  size_t count;
};

/* Takes `folder`; one that is not there, or is there already, is left out. */
static void add_folder(struct folders *f, char *folder) {
  char *real = folder ? realpath(folder, NULL) : NULL;
  free(folder);
  for (size_t i = 0; real && i < f->count; i++) {
    if (strcmp(f->list[i], real) == 0) {
      free(real);
      real = NULL;
    }
  }
  if (!real)
    return;
  f->list = mem_grow(f->list, (f->count + 2) * sizeof *f->list);
  f->list[f->count++] = real;
  f->list[f->count] = NULL;
}

/* As lathed does: ours, those of LATHE_KINDS_PATH, kinds/ beside the plugin. */
static void load_kinds(struct tool *t, struct folders *f) {
  static const char *const places[] = {"../share/lathe/kinds", NULL};
  char *more = mem_dup(getenv("LATHE_KINDS_PATH")), *rest = more;
  add_folder(f, find_beside(places, X_OK));
  for (char *one; more && (one = strsep(&rest, ":"));)
    if (*one)
      add_folder(f, mem_dup(one));
  free(more);
  add_folder(f, mem_printf("%.*s/kinds", (int)(strrchr(t->plugin, '/') - t->plugin), t->plugin));
  f->list = mem_grow(f->list, (f->count + 1) * sizeof *f->list);
  f->list[f->count] = NULL;
  t->kinds = kinds_load((const char *const *)f->list);
  for (size_t i = 0; i < f->count; i++)
    free(f->list[i]);
  free(f->list);
}

/* ---- what was given ---- */

static bool is_kind_word(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9') &&
        !strchr("_.-", text[i]))
      return false;
  return len > 0;
}

/* "KIND=REST" or "REST" */
static void add_given(struct given **list, size_t *count, char *text) {
  char *equals = strchr(text, '=');
  struct given g = {.value = text};
  if (equals && is_kind_word(text, (size_t)(equals - text))) {
    *equals = '\0';
    g = (struct given){.kind = text, .value = equals + 1};
  }
  *list = mem_grow(*list, (*count + 1) * sizeof **list);
  (*list)[(*count)++] = g;
}

static int check_given(const struct tool *t, struct err *err) {
  json_error_t why;
  for (size_t i = 0; i < t->input_count; i++)
    if (access(t->inputs[i].value, R_OK) != 0)
      return err_sys(err, errno, "the input %s cannot be read", t->inputs[i].value);
  for (size_t i = 0; i < t->param_count; i++) {
    json_t *json = json64_load(t->params[i].value, strlen(t->params[i].value),
                               JSON_REJECT_DUPLICATES, &why);
    bool is_object = json_is_object(json);
    if (json)
      snprintf(why.text, sizeof why.text, "it is another value");
    json_decref(json);
    if (!is_object)
      return err_set(err, ERR_INVAL, "--params %s is not a JSON object, as {\"name\": 1}: %s",
                     t->params[i].value, why.text);
  }
  return 0;
}

static int add_setting(struct tool *t, char *text, struct err *err) {
  char *equals = strchr(text, '=');
  if (!equals || equals == text)
    return err_set(err, ERR_INVAL, "\"%s\" is not KEY=VALUE; see --help", text);
  *equals = '\0';
  t->settings = mem_grow(t->settings, (t->setting_count + 1) * sizeof *t->settings);
  t->settings[t->setting_count++] = (struct setting){.key = text, .value = equals + 1};
  return 0;
}

static int add_only(struct wishes *w, const char *name, struct err *err) {
  const struct check *c = checks;
  while (c->name && strcmp(c->name, name) != 0)
    c++;
  if (!c->name)
    return err_set(err, ERR_INVAL, "there is no check \"%s\"; --list shows them", name);
  w->only = mem_grow(w->only, (w->only_count + 1) * sizeof *w->only);
  w->only[w->only_count++] = c->name;
  return 0;
}

static int take_number(const char *text, const char *option, long long most, long long *out,
                       struct err *err) {
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  if (end == text || *end || errno || *out < 0 || *out > most)
    return err_set(err, ERR_INVAL, "--%s wants a number from 0 to %lld, not \"%s\"", option, most,
                   text);
  return 0;
}

enum {
  LIST = 1,
  ONLY,
  INPUT,
  PARAMS,
  KINDS,
  SEED,
  LIMIT,
  SCAN,
  MEMORY,
  WORKER,
  ENV,
  TAP,
  VERBOSE,
  VERSION,
  HELP
};
static const struct option options[] = {
    {"list", no_argument, NULL, LIST},
    {"only", required_argument, NULL, ONLY},
    {"input", required_argument, NULL, INPUT},
    {"params", required_argument, NULL, PARAMS},
    {"kinds", required_argument, NULL, KINDS},
    {"seed", required_argument, NULL, SEED},
    {"limit", required_argument, NULL, LIMIT},
    {"scan-ms", required_argument, NULL, SCAN},
    {"memory", required_argument, NULL, MEMORY},
    {"worker", required_argument, NULL, WORKER},
    {"tap", no_argument, NULL, TAP},
    {"env", required_argument, NULL, ENV},
    {"verbose", no_argument, NULL, VERBOSE},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* One option.  OPTIONS_GO_ON, or the exit code. */
static int take_option(struct tool *t, struct wishes *w, struct folders *f, int which,
                       struct err *err) {
  long long number = 0;
  int rc = 0;
  switch (which) {
  case LIST:
    return list_checks();
  case VERSION:
    printf("lathe-plugin-check %s (plugin ABI %d.%d)\n", LATHE_VERSION, LATHE_ABI_MAJOR,
           LATHE_ABI_MINOR);
    return 0;
  case HELP:
    fputs(usage, stdout);
    return 0;
  case ONLY:
    rc = add_only(w, optarg, err);
    break;
  case INPUT:
    add_given(&t->inputs, &t->input_count, optarg);
    break;
  case PARAMS:
    add_given(&t->params, &t->param_count, optarg);
    break;
  case KINDS:
    if (access(optarg, X_OK) != 0)
      rc = err_sys(err, errno, "the folder %s cannot be read", optarg);
    else
      add_folder(f, mem_dup(optarg));
    break;
  case SEED:
    rc = take_number(optarg, "seed", 0xffffffffll, &number, err);
    t->seed = (unsigned long long)number;
    break;
  case LIMIT:
    rc = take_number(optarg, "limit", 86400, &number, err);
    t->limit_ms = number * 1000;
    break;
  case SCAN:
    rc = take_number(optarg, "scan-ms", 3600000, &number, err);
    t->scan_ms = number;
    break;
  case MEMORY:
    rc = take_number(optarg, "memory", 1 << 30, &number, err);
    t->memory = number << 20;
    break;
  case WORKER:
    t->worker_program = realpath(optarg, NULL);
    if (!t->worker_program)
      rc = err_sys(err, errno, "%s cannot be run", optarg);
    break;
  case ENV:
    t->worker_env = mem_grow(t->worker_env, (t->worker_env_count + 2) * sizeof *t->worker_env);
    t->worker_env[t->worker_env_count++] = optarg;
    t->worker_env[t->worker_env_count] = NULL;
    break;
  case TAP:
    w->tap = true;
    break;
  case VERBOSE:
    w->verbose = true;
    break;
  default:
    rc = err_set(err, ERR_INVAL, "see lathe-plugin-check --help");
  }
  return rc < 0 ? 2 : OPTIONS_GO_ON;
}

/* PLUGIN.so [KEY=VALUE...], wherever they stand among the options. */
static int take_words(struct tool *t, char **words, struct err *err) {
  if (!*words)
    return err_set(err, ERR_INVAL,
                   "which plugin? lathe-plugin-check PLUGIN.so [KEY=VALUE...]; see --help");
  t->plugin = realpath(*words, NULL);
  if (!t->plugin)
    return err_sys(err, errno, "%s cannot be read", *words);
  for (words++; *words; words++)
    if (add_setting(t, *words, err) < 0)
      return -1;
  return 0;
}

int options_read(struct tool *t, struct wishes *w, int argc, char **argv, struct err *err) {
  struct folders folders = {0};
  unsigned seed = 0;
  int which;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
    seed = (unsigned)getpid();
  t->seed = seed;
  t->limit_ms = 60000;
  t->scan_ms = 100;
  t->memory = 8LL << 30; /* as where the admin says nothing */
  while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int rc = take_option(t, w, &folders, which, err);
    if (rc != OPTIONS_GO_ON)
      return rc;
  }
  if (t->limit_ms == 0)
    t->limit_ms = 1000;
  if (take_words(t, argv + optind, err) < 0 || find_worker(t, err) < 0 || check_given(t, err) < 0)
    return 2;
  load_kinds(t, &folders);
  return OPTIONS_GO_ON;
}
