/* SPDX-License-Identifier: MIT */
#include "worker/plugin.h"

#include <dlfcn.h>
#include <string.h>

#define STRING_OF(x)  STRING_OF_(x)
#define STRING_OF_(x) #x
#define ENTRY         "lathe_plugin_v" STRING_OF(LATHE_ABI_MAJOR)
#define UNKNOWN_BITS  0xffff0000u /* of flags and rights: none that must be understood exists yet */
/* What 1.0 had: `remote` was its last field. */
#define LEAST_SIZE (offsetof(struct lathe_plugin, remote) + sizeof(const struct lathe_remote *))

static int check_version(const struct plugin *p, struct err *err) {
  const struct lathe_plugin *t = p->theirs;
  if (t->magic != LATHE_MAGIC)
    return err_set(
        err, ERR_UNSUPPORTED,
        "%s: its descriptor has the magic 0x%08x where this lathe (ABI %d.%d) expects 0x%08x; "
        "begin it with LATHE_PLUGIN_INIT",
        p->path, t->magic, LATHE_ABI_MAJOR, HOST_MINOR, LATHE_MAGIC);
  if (t->abi_major != LATHE_ABI_MAJOR)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s was built for ABI %u.%u and this lathe speaks %d.%d; build it with this "
                   "lathe's SDK, or install the lathe that it was built for",
                   p->path, t->abi_major, t->abi_minor, LATHE_ABI_MAJOR, HOST_MINOR);
  if (t->struct_size < LEAST_SIZE)
    return err_set(
        err, ERR_UNSUPPORTED,
        "%s: its descriptor has %u bytes and ABI %d.0 needs %zu; build it with the SDK's header",
        p->path, t->struct_size, LATHE_ABI_MAJOR, LEAST_SIZE);
  if (t->needs_minor > HOST_MINOR)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s needs ABI %u.%u or later and this lathe speaks %d.%d; upgrade lathe, or use "
                   "an older build of the plugin",
                   p->path, t->abi_major, t->needs_minor, LATHE_ABI_MAJOR, HOST_MINOR);
  if ((t->flags | t->rights) & UNKNOWN_BITS)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s (ABI %u.%u) asks for %s 0x%08x that this lathe (ABI %d.%d) does not "
                   "know; upgrade lathe",
                   p->path, t->abi_major, t->abi_minor,
                   t->flags & UNKNOWN_BITS ? "features" : "rights",
                   (t->flags & UNKNOWN_BITS ? t->flags : t->rights) & UNKNOWN_BITS, LATHE_ABI_MAJOR,
                   HOST_MINOR);
  return 0;
}

/* Each of the five is needed: without find a crash would submit twice, without cancel nobody could
 * stop what runs there. */
static const char *check_remote(const struct plugin *p) {
  const struct lathe_remote *r = &p->remote;
  if (p->d.isolation != LATHE_SHARED)
    return "a plugin with remote must be LATHE_SHARED";
  if (!r->submit || !r->find || !r->poll || !r->fetch || !r->cancel)
    return "submit, find, poll, fetch and cancel of remote must be set";
  return NULL;
}

static int check_content(const struct plugin *p, struct err *err) {
  const struct lathe_plugin *d = &p->d;
  const char *wrong = NULL;
  if (!d->name || !*d->name || !d->version)
    wrong = "name and version must be set";
  else if (!d->create || !d->destroy)
    wrong = "create and destroy must be set";
  else if (!d->run == !d->remote)
    wrong = "exactly one of run and remote must be set";
  else if (d->isolation != LATHE_FORK && d->isolation != LATHE_PROCESS &&
           d->isolation != LATHE_SHARED)
    wrong = "isolation must be LATHE_FORK, LATHE_PROCESS or LATHE_SHARED";
  else if (d->remote)
    wrong = check_remote(p);
  if (wrong)
    return err_set(err, ERR_INVAL, "%s: a faulty descriptor: %s", p->path, wrong);
  for (size_t i = 0; d->options && d->options[i]; i++)
    if (!d->options[i]->key || d->options[i]->type < LATHE_INT || d->options[i]->type > LATHE_PATH)
      return err_set(err, ERR_INVAL, "%s: option %zu of its table has no key or an unknown type",
                     p->path, i + 1);
  return 0;
}

static const char *const no_kinds[] = {NULL}; /* create() declares them */

int plugin_load(struct plugin *p, const char *path, struct err *err) {
  *p = (struct plugin){.path = path};
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!lib)
    return err_set(err, ERR_UNSUPPORTED, "the plugin does not load: %s", dlerror());
  const struct lathe_plugin *(*entry)(void) = NULL;
  void *symbol = dlsym(lib, ENTRY);
  memcpy(&entry, &symbol, sizeof entry);
  if (!entry)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s exports no " ENTRY
                   ": it is not a plugin, or one for another major version than "
                   "this lathe's ABI %d.%d",
                   path, LATHE_ABI_MAJOR, HOST_MINOR);
  p->theirs = entry();
  if (!p->theirs)
    return err_set(err, ERR_UNSUPPORTED, "%s: " ENTRY "() gave no descriptor", path);
  int rc = check_version(p, err);
  if (rc < 0)
    return rc;
  size_t size = p->theirs->struct_size < sizeof p->d ? p->theirs->struct_size : sizeof p->d;
  memcpy(&p->d, p->theirs, size);
  if (!p->d.kinds)
    p->d.kinds = no_kinds;
  if (p->d.remote) {
    size = p->d.remote->struct_size;
    memcpy(&p->remote, p->d.remote, size < sizeof p->remote ? size : sizeof p->remote);
  }
  return check_content(p, err);
}

int plugin_check_kinds(const struct plugin *p, struct err *err) {
  for (size_t i = 0; p->d.kinds[i]; i++)
    if (!wire_is_kind(p->d.kinds[i]) || i >= WIRE_KINDS_MAX)
      return err_set(
          err, ERR_INVAL,
          "%s: \"%.100s\" is not a name for a kind: at most %d characters a-z, 0-9, '_', "
          "'.' and '-', a letter first",
          p->path, p->d.kinds[i], WIRE_KIND_MAX);
  return 0;
}

const char *plugin_isolation_word(const struct plugin *p) {
  return p->d.isolation == LATHE_FORK      ? "fork"
         : p->d.isolation == LATHE_PROCESS ? "process"
                                           : "shared";
}

static const char *const type_words[] = {
    [LATHE_INT] = "int",       [LATHE_REAL] = "real",     [LATHE_BOOL] = "bool",
    [LATHE_STRING] = "string", [LATHE_ENUM] = "enum",     [LATHE_BYTES] = "bytes",
    [LATHE_MILLIS] = "millis", [LATHE_SECRET] = "secret", [LATHE_PATH] = "path",
};

static void put_field(struct buf *out, const char *before, const char *text) {
  buf_puts(out, before);
  buf_put_json_str(out, text);
}

static void put_rights(struct buf *out, uint32_t rights) {
  static const struct {
    uint32_t bit;
    const char *word;
  } known[] = {{LATHE_NEEDS_NETWORK, "network"},
               {LATHE_NEEDS_FILES, "files"},
               {LATHE_NEEDS_DEVICES, "devices"}};
  const char *before = "";
  buf_puts(out, ",\"rights\":[");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (rights & known[i].bit) {
      put_field(out, before, known[i].word);
      before = ",";
    }
  buf_putc(out, ']');
}

void plugin_describe(const struct plugin *p, struct buf *out) {
  const struct lathe_plugin *d = &p->d;
  put_field(out, "{\"name\":", d->name);
  put_field(out, ",\"version\":", d->version);
  put_field(out, ",\"summary\":", d->summary);
  put_field(out, ",\"license\":", d->license);
  put_field(out, ",\"device\":", d->device ? d->device : "cpu");
  put_field(out, ",\"isolation\":", plugin_isolation_word(p));
  put_rights(out, d->rights);
  buf_printf(out, ",\"shape\":\"%s\",\"abi\":\"%u.%u\",\"max_concurrency\":%u,\"threads\":%u",
             d->run ? "run" : "remote", d->abi_major, d->abi_minor, d->max_concurrency, d->threads);
  buf_printf(out, ",\"cancel_grace_ms\":%u,\"kinds\":[", d->cancel_grace_ms);
  for (size_t i = 0; d->kinds[i]; i++)
    put_field(out, i ? "," : "", d->kinds[i]);
  buf_puts(out, "],\"options\":[");
  for (size_t i = 0; d->options && d->options[i]; i++) {
    const struct lathe_option *o = d->options[i];
    put_field(out, i ? ",{\"key\":" : "{\"key\":", o->key);
    put_field(out, ",\"type\":", type_words[o->type]);
    put_field(out, ",\"default\":", o->fallback);
    buf_puts(out, o->fallback ? ",\"required\":false" : ",\"required\":true");
    put_field(out, ",\"range\":", o->range);
    put_field(out, ",\"help\":", o->help);
    buf_putc(out, '}');
  }
  buf_puts(out, "]}\n");
}
