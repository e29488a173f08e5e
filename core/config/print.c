/* SPDX-License-Identifier: MIT
 *
 * The effective configuration, and the reference of all keys.
 */
#include "base/mem.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool config_option_is_secret(const char *key) {
  static const char *const words[] = {"secret", "token",      "password",    "passwd",    "api_key",
                                      "apikey", "access_key", "private_key", "credential"};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
    if (strcasestr(key, words[i]))
      return true;
  return false;
}

static void print_line(FILE *out, const char *key, const char *text, const char *where,
                       const char *note) {
  char *pair = mem_printf("%s = %s", key, text);
  fprintf(out, "%-44s ; %s%s\n", pair, where ? where : "default", note);
  free(pair);
}

/* What a 0 stands for, where it was resolved. */
static void print_note(const struct config_key *k, const void *base, const char *text, char *out,
                       size_t size) {
  const void *field = (const char *)base + k->offset;
  int64_t v = 0;
  out[0] = '\0';
  if (k->type == CONFIG_INT)
    v = *(const int *)field;
  else if (k->type == CONFIG_SIZE)
    v = *(const int64_t *)field;
  if (v != 0 && strcmp(text, "0") == 0)
    snprintf(out, size, "; here %lld", (long long)v);
}

void config_print(const struct config *c, FILE *out) {
  fprintf(out, "; the effective configuration%s%s; after each value where it came from\n",
          c->path ? " of " : "", c->path ? c->path : "");
  for (size_t i = 0; i < c->section_count; i++) {
    const struct config_section *s = &c->sections[i];
    struct config_keys_range keys = config_keys_of(s->spec->name);
    const void *base = config_section_base(c, s);
    fprintf(out, "\n[%s]\n", s->title);
    for (size_t k = 0; k < keys.count; k++) {
      const struct config_value *v = &s->values[k];
      const char *text = v->text ? v->text : keys.first[k].fallback;
      char note[64];
      print_note(&keys.first[k], base, text, note, sizeof(note));
      print_line(out, keys.first[k].key, text, v->where, note);
    }
    for (size_t k = 0; k < s->option_count; k++) {
      const struct config_raw_option *o = &s->options[k];
      if (config_option_is_secret(o->key))
        fprintf(out, "; %s is not shown ; %s\n", o->key, o->value.where);
      else
        print_line(out, o->key, o->value.text, o->value.where, "");
    }
  }
}

void config_given(const struct config *c, config_given_seen *seen, void *ctx) {
  for (size_t i = 0; i < c->section_count; i++) {
    const struct config_section *s = &c->sections[i];
    struct config_keys_range keys = config_keys_of(s->spec->name);
    for (size_t k = 0; k < keys.count; k++)
      if (s->values[k].text)
        seen(ctx, s->title, keys.first[k].key, s->values[k].text, false);
    for (size_t k = 0; k < s->option_count; k++)
      seen(ctx, s->title, s->options[k].key, s->options[k].value.text,
           config_option_is_secret(s->options[k].key));
  }
}

/* ---- docs/configuration.md ---- */

static const char precedence[] =
    "\n## Which one counts\n\n"
    "The first of a row that says something (`0`, or nothing, says nothing); a request can only "
    "shorten what comes of it.\n\n"
    "| | first | then | then | at last | a request |\n|---|---|---|---|---|---|\n"
    "| wall time of an attempt | `timeout` of the route | `job_timeout` of the backend | "
    "`limits.timeout` of the kind | `job_timeout` of [limits] | `timeout_s`, if it is shorter |\n"
    "| attempts of a job | `attempts` of the route | | `limits.attempts` of the kind | `attempts` "
    "of [limits] | |\n"
    "| CPU time, memory, output of an attempt | | `job_cpu`, `job_memory`, `job_output` of the "
    "backend | | the same of [limits] | |\n"
    "| log of a job | | | | `log_bytes` of [limits] | |\n"
    "| cores set aside | | | the parameter `threads`, else `resources.threads` of the kind | what "
    "the "
    "plugin says | |\n";
static const char reference_head[] =
    "<!-- SPDX-License-Identifier: MIT -->\n"
    "<!-- Made from the table in core/config/keys.c; tests/unit/test_config_show.c says how to "
    "renew it. "
    "-->\n"
    "# Configuration\n"
    "\n"
    "`lathed --config FILE` reads an INI file; `conf/lathe.ini` works untouched.\n"
    "\n"
    "- `lathed --config FILE --check-config` names every mistake with its line, and the nearest "
    "key "
    "for a misspelt one.\n"
    "- `lathed --config FILE --print-config` shows every value in effect and where it came from.\n"
    "- SIGHUP reloads: a file with mistakes changes nothing; otherwise changed keys take effect at "
    "once, but for those marked *restart*.\n"
    "- An environment variable goes over the file: `LATHE_LIMITS__QUEUE_MAX=500`, and for a named "
    "section `LATHE_BACKEND__local__WORKERS=2` (`_` also stands for `-` and `.` in a name). The "
    "section must be in the file.\n"
    "- `COMPUTE_BACKEND`, `SSH_TUNNEL_PORT`, `REMOTE_COMPUTE_URL` and `USE_MODAL_COMPUTE` of the "
    "original services "
    "make sections, which `--print-config` shows: [original.md](original.md).\n"
    "- Sizes are written `512`, `64K`, `64M`, `1.5G`; times `250ms`, `30s`, `10m`, `2h`, `7d`; "
    "lists "
    "with commas; comments begin with `;` or, on a line of their own, `#`.\n"
    "- Without `--config` the file is `$LATHE_CONFIG`, else `../etc/lathe/lathe.ini` from the "
    "program, "
    "else `/etc/lathe/lathe.ini`, else `conf/lathe.ini` beside the program.\n"
    "- Files `conf.d/NAME.ini` beside the file are read after it, in the order of their names, as "
    "if they stood at its end: "
    "a package with a plugin brings its `[backend NAME]` so. Each section stands in one file "
    "only.\n";

static const char *const type_words[] = {"number", "size", "time", "yes/no",
                                         "word",   "text", "list", "amount"};

static void reference_key(const struct config_key *k, FILE *out) {
  bool range = k->type == CONFIG_INT || k->type == CONFIG_SIZE || k->type == CONFIG_DURATION;
  char bounds[80] = "";
  if (range)
    config_value_range(k, bounds, sizeof(bounds));
  fprintf(out, "| `%s` | %s | ", k->key, type_words[k->type]);
  if (k->required)
    fputs("required", out);
  else if (*k->fallback)
    fprintf(out, "`%s`", k->fallback);
  else
    fputs("empty", out);
  fprintf(out, " | %s", bounds);
  for (const char *w = k->words; w && *w;) {
    size_t n = strcspn(w, "|");
    fprintf(out, "%s`%.*s`", w == k->words ? "" : ", ", (int)n, w);
    w += n + (w[n] == '|');
  }
  fprintf(out, " | %s", k->help);
  if (k->zero)
    fprintf(out, " 0: %s.", k->zero);
  fputs(k->restart ? " *restart* |\n" : " |\n", out);
}

void config_print_reference(FILE *out) {
  fputs(reference_head, out);
  for (size_t i = 0; i < config_section_spec_count; i++) {
    const struct config_section_spec *spec = &config_section_specs[i];
    struct config_keys_range keys = config_keys_of(spec->name);
    if (spec->future)
      continue;
    fprintf(out, "\n## [%s%s%s]\n\n%s\n\n", spec->name, spec->argument ? " " : "",
            spec->argument ? spec->argument : "", spec->help);
    fputs("| key | type | default | range | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t k = 0; k < keys.count; k++)
      reference_key(&keys.first[k], out);
  }
  fputs(precedence, out);
  fputs("\nThe sections `[guard NAME]` and `[model NAME]` are reserved and refused by this "
        "version.\n",
        out);
}
