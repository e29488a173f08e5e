/* SPDX-License-Identifier: MIT
 *
 * lathe plugin new: a small project of a plugin, made from the templates that are installed beside
 * the programs.
 *
 * A project is made of layers, folders of the template; files of a later layer replace those of an
 * earlier one.  In names of files "NAME" and in their text "@NAME@" stand for the plugin's name;
 * the other words between '@' are in `struct project`.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "cli.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LONGEST = 40, FILE_BYTES_MAX = 1 << 20, LAYERS_MOST = 4 };

static const struct combination {
  const char *shape, *lang;
  const char *layers[LAYERS_MOST];
} combinations[] = {
    {"run", "c", {"native", "run", "run-c"}},
    {"run", "c++", {"native", "run", "run-c++"}},
    {"remote", "c", {"native", "service", "remote", "remote-c"}},
    {"remote", "c++", {"native", "service", "remote", "remote-c++"}},
    {"remote", "python", {"exec", "exec-python", "service", "remote-python"}},
    {"exec", "python", {"exec", "exec-python"}},
    {"exec", "c", {"exec", "exec-native", "exec-c"}},
    {"exec", "c++", {"exec", "exec-native", "exec-c++"}},
};
enum { COMBINATIONS = sizeof combinations / sizeof *combinations };

/* What the languages write differently, in the words of the templates. */
static const struct language {
  const char *lang, *source, *cmake, *compiler, *flags, *standard, *command;
} languages[] = {
    {"c", "plugin.c", "C", "CC", "CFLAGS", "-std=gnu11", "@PWD@/build/@NAME@"},
    {"c++", "plugin.cpp", "CXX", "CXX", "CXXFLAGS", "-std=c++17", "@PWD@/build/@NAME@"},
    {"python", "plugin.py", "NONE", "", "", "", "python3 @PWD@/plugin.py"},
};

struct project {
  const char *name, *needs; /* needs: what pkg-config is asked for */
  const struct language *language;
  char *folder;    /* absolute; that of the project */
  char *templates; /* share/lathe/template */
  char *share;     /* share/lathe */
};

/* ---- what was asked for ---- */

static bool is_one_of_shapes(const char *shape) {
  for (size_t i = 0; i < COMBINATIONS; i++)
    if (!strcmp(combinations[i].shape, shape))
      return true;
  return false;
}

static const struct language *find_language(const char *lang) {
  for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
    if (!strcmp(languages[i].lang, lang))
      return &languages[i];
  return NULL;
}

/* NULL after saying what would do. */
static const struct combination *find_combination(const char *shape, const char *lang) {
  if (!is_one_of_shapes(shape)) {
    fail(CLI_USAGE,
         "there is no shape \"%s\"; --shape is run (jobs run in a worker on this machine), remote "
         "(jobs run elsewhere and are fetched) or exec (a program that reads lines)",
         shape);
    return NULL;
  }
  if (!find_language(lang)) {
    fail(CLI_USAGE,
         "there is no template in \"%s\"; --lang is c, c++ or python. Any other language can do "
         "--shape exec and remote: start from --lang python and see docs/exec.md for the lines it "
         "speaks",
         lang);
    return NULL;
  }
  for (size_t i = 0; i < COMBINATIONS; i++)
    if (!strcmp(combinations[i].shape, shape) && !strcmp(combinations[i].lang, lang))
      return &combinations[i];
  fail(CLI_USAGE,
       "--shape %s is a shared library, which is written in c or c++; in %s use --shape exec",
       shape, lang);
  return NULL;
}

static int check_name(const char *name) {
  static const char *const taken[] = {"echo", "exec",    "exec-jailed", "exec-remote", "local-gmsh",
                                      "mesh", "preview", "kinds",       "plugin"};
  size_t len = strlen(name);
  bool good = len > 0 && len <= NAME_LONGEST && islower((unsigned char)name[0]) &&
              strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[len - 1] != '-';
  if (!good) {
    return fail(CLI_USAGE,
                "\"%s\" cannot be a plugin's name: up to %d of a-z, 0-9 and '-', beginning with a "
                "letter, not ending with '-'; for example thumbnail",
                name, NAME_LONGEST);
  }
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    if (!strcmp(taken[i], name))
      return fail(CLI_USAGE, "\"%s\" is a name of lathe's own; choose another", name);
  }
  return CLI_OK;
}

/* ---- files ---- */

/* The value of "@WORD@", or NULL. */
static const char *word_value(const struct project *p, const char *word, size_t len) {
  const struct language *l = p->language;
  const struct {
    const char *word, *value;
  } words[] = {
      {"NAME", p->name},       {"PWD", p->folder},        {"SHARE", p->share},
      {"SOURCE", l->source},   {"CMAKE", l->cmake},       {"COMPILER", l->compiler},
      {"FLAGS", l->flags},     {"STANDARD", l->standard}, {"LANG", l->lang},
      {"COMMAND", l->command}, {"NEEDS", p->needs},
  };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i].word) == len && !strncmp(words[i].word, word, len))
      return words[i].value;
  return NULL;
}

/* Replaces the words of `text`; a value may hold words itself. */
static void put_filled(const struct project *p, const char *text, struct buf *out) {
  while (*text) {
    const char *at = strchr(text, '@'), *end = at ? strchr(at + 1, '@') : NULL;
    const char *value = end ? word_value(p, at + 1, (size_t)(end - at - 1)) : NULL;
    size_t plain = at ? (size_t)(at - text) + !value : strlen(text);
    buf_put(out, text, plain);
    if (value)
      put_filled(p, value, out);
    text = value ? end + 1 : text + plain;
  }
}

static int write_file(const char *path, const struct buf *text, mode_t mode, struct err *err) {
  FILE *file = fopen(path, "w");
  bool ok = file && fwrite(text->data, 1, text->len, file) == text->len;
  int why = errno;
  if (file && fclose(file) != 0)
    why = errno, ok = false;
  if (!ok || chmod(path, mode) != 0)
    return err_sys(err, why, "cannot write %s", path);
  return 0;
}

static int copy_file(const struct project *p, const char *from, const char *to, struct err *err) {
  char *data;
  struct stat st;
  struct buf text = {0};
  int code = path_read_file(from, FILE_BYTES_MAX, &data, NULL, err);
  if (code)
    return code;
  put_filled(p, data, &text);
  mode_t mode = stat(from, &st) == 0 && (st.st_mode & 0100) ? 0777 : 0666, mask = umask(0);
  umask(mask);
  code = write_file(to, &text, mode & ~mask, err);
  buf_free(&text);
  free(data);
  return code;
}

/* "NAME.json" becomes "thumbnail.json", "dot-gitignore" becomes ".gitignore". */
static char *file_name(const struct project *p, const char *name) {
  if (!strncmp(name, "dot-", 4))
    return mem_printf(".%s", name + 4);
  return strncmp(name, "NAME", 4) ? mem_dup(name) : mem_printf("%s%s", p->name, name + 4);
}

static int copy_folder(const struct project *p, const char *from, const char *to, struct err *err) {
  DIR *dir = opendir(from);
  int code = dir ? 0 : err_sys(err, errno, "cannot read the template %s", from);
  if (mkdir(to, 0777) != 0 && errno != EEXIST && !code)
    code = err_sys(err, errno, "cannot make the folder %s", to);
  for (struct dirent *e; !code && (e = readdir(dir));) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
      continue;
    struct stat st;
    char *name = file_name(p, e->d_name), *source = path_join(from, e->d_name);
    char *target = path_join(to, name);
    if (stat(source, &st) == 0 && S_ISDIR(st.st_mode))
      code = copy_folder(p, source, target, err);
    else
      code = copy_file(p, source, target, err);
    free(target);
    free(source);
    free(name);
  }
  if (dir)
    closedir(dir);
  return code;
}

/* ---- the project ---- */

/* share/lathe beside the program's folder: of a build tree or an installation. */
static int find_templates(struct project *p, struct err *err) {
  char *program = path_program_dir(), *share = path_join(program, "../share/lathe");
  p->share = realpath(share, NULL);
  p->templates = path_join(p->share ? p->share : share, "template");
  free(share);
  free(program);
  if (access(p->templates, R_OK | X_OK) != 0)
    return err_set(err, ERR_NOT_FOUND,
                   "there are no templates in %s; they come with the package lathe-dev",
                   p->templates);
  return 0;
}

/* Makes the project's folder; it must not be there, so that nothing is overwritten. */
static int make_project_folder(struct project *p, const char *parent, struct err *err) {
  char *wanted = path_join(parent, p->name);
  int code = 0;
  if (mkdir(wanted, 0777) != 0)
    code = errno == EEXIST
               ? err_set(err, ERR_INVAL, "%s is there already; nothing was changed", wanted)
               : err_sys(err, errno, "cannot make the folder %s", wanted);
  else
    p->folder = realpath(wanted, NULL);
  free(wanted);
  return code;
}

static int make_project(struct project *p, const struct combination *c, const char *parent,
                        struct err *err) {
  int code = find_templates(p, err);
  if (code == 0)
    code = make_project_folder(p, parent, err);
  for (size_t i = 0; code == 0 && i < LAYERS_MOST && c->layers[i]; i++) {
    char *layer = path_join(p->templates, c->layers[i]);
    code = copy_folder(p, layer, p->folder, err);
    free(layer);
  }
  if (code != 0 && p->folder)
    path_remove_tree(p->folder, NULL);
  return code;
}

static void say_made(const struct cli *c, const struct project *p, const struct combination *what) {
  if (c->json) {
    json_t *made = json_pack("{s:s, s:s, s:s, s:s}", "name", p->name, "folder", p->folder, "shape",
                             what->shape, "lang", what->lang);
    say_json(made);
    json_decref(made);
    return;
  }
  say("%s\n", p->folder);
  say_note("A plugin of the shape %s in %s, with a kind of its own. Next:\n  cd %s && make check\n"
           "README.md says how to go on.\n",
           what->shape, what->lang, p->folder);
}

int verb_plugin(struct cli *c) {
  struct err err;
  const char *shape = option_get(c, "shape"), *lang = option_get(c, "lang");
  const char *parent = option_get(c, "dir");
  if (strcmp(c->operands[0], "new") != 0) {
    return fail(CLI_USAGE, "there is no \"lathe plugin %s\"; there is: lathe plugin new NAME",
                c->operands[0]);
  }
  if (!shape)
    shape = "run";
  if (!lang)
    lang = strcmp(shape, "exec") ? "c" : "python";
  const struct combination *what = find_combination(shape, lang);
  if (!what || check_name(c->operands[1]) != CLI_OK)
    return CLI_USAGE;
  struct project p = {.name = c->operands[1], .language = find_language(lang)};
  p.needs = strcmp(shape, "remote") != 0 ? "lathe-plugin jansson" : "lathe-net";
  int code = make_project(&p, what, parent ? parent : ".", &err);
  if (code == 0)
    say_made(c, &p, what);
  else
    fail(CLI_USAGE, "%s", err.text);
  free(p.folder);
  free(p.templates);
  free(p.share);
  return code == 0 ? CLI_OK : CLI_USAGE;
}
