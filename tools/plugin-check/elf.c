/* SPDX-License-Identifier: MIT
 *
 * The checks of the file: does it load, and what does it export?  The symbol table is read from the
 * file itself: the dynamic linker does not tell.
 */
#include "base/mem.h"
#include "base/path.h"
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY "lathe_plugin_v1"

void check_load(struct tool *t) {
  entering(t, "loading it (its constructors)");
  if (!dlopen(t->plugin, RTLD_NOW | RTLD_LOCAL))
    fail(t, "it does not load: %s", dlerror());
}

struct image { /* the file, mapped */
  const char *data;
  size_t size;
};

/* `count` things of `each` bytes at `offset`, or NULL when the file is shorter. */
static const void *part(const struct image *m, uint64_t offset, uint64_t count, uint64_t each) {
  if (each && count > m->size / each)
    return NULL;
  if (offset > m->size || count * each > m->size - offset)
    return NULL;
  return m->data + offset;
}

struct symbols {
  const ElfW(Sym) * list;
  size_t count;
  const char *names;
  size_t names_size;
};

/* False: the file has no table of dynamic symbols that can be read. */
static bool find_symbols(const struct image *m, struct symbols *out) {
  const ElfW(Ehdr) *head = part(m, 0, 1, sizeof *head);
  if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
      head->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
      head->e_shentsize != sizeof(ElfW(Shdr)))
    return false;
  const ElfW(Shdr) *sections = part(m, head->e_shoff, head->e_shnum, sizeof *sections);
  for (size_t i = 0; sections && i < head->e_shnum; i++) {
    const ElfW(Shdr) *s = &sections[i];
    if (s->sh_type != SHT_DYNSYM || s->sh_link >= head->e_shnum)
      continue;
    const ElfW(Shdr) *names = &sections[s->sh_link];
    out->count = s->sh_size / sizeof *out->list;
    out->list = part(m, s->sh_offset, out->count, sizeof *out->list);
    out->names = part(m, names->sh_offset, names->sh_size, 1);
    out->names_size = names->sh_size;
    return out->list && out->names && out->names_size && !out->names[out->names_size - 1];
  }
  return false;
}

static bool begins_with_one_of(const char *name, const char *const *list) {
  for (; *list; list++)
    if (strncmp(name, *list, strlen(*list)) == 0)
      return true;
  return false;
}

/* What tools put there by themselves: an author can do nothing about it, and it does no harm. */
static bool is_of_a_tool(const char *name) {
  static const char *const tools[] = {"__asan_",      "__odr_asan",  "__ubsan_", "__tsan_",
                                      "__lsan_",      "__sancov",    "__gcov",   "__llvm_",
                                      "__start_asan", "__stop_asan", NULL};
  static const char *const linker[] = {"_init", "_fini", "__bss_start", "_edata", "_end", NULL};
  for (const char *const *l = linker; *l; l++)
    if (strcmp(name, *l) == 0)
      return true;
  return begins_with_one_of(name, tools);
}

struct exported {
  bool entry;
  int others, of_cxx, of_tools;
  struct buf names; /* of the first ones */
};

static void sort_out(const struct symbols *s, struct exported *e) {
  for (size_t i = 0; i < s->count; i++) {
    const ElfW(Sym) *symbol = &s->list[i];
    int binding = symbol->st_info >> 4, visibility = symbol->st_other & 3;
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= s->names_size || binding == STB_LOCAL ||
        visibility == STV_HIDDEN || visibility == STV_INTERNAL)
      continue;
    const char *name = s->names + symbol->st_name;
    if (strcmp(name, ENTRY) == 0) {
      e->entry = true;
    } else if (is_of_a_tool(name)) {
      e->of_tools++;
    } else {
      e->of_cxx += strncmp(name, "_Z", 2) == 0 && binding != STB_GLOBAL;
      if (e->others++ < 8)
        buf_printf(&e->names, "%s%s", e->names.len ? ", " : "", name);
    }
  }
}

static void judge_exports(struct tool *t, const struct exported *e) {
  if (!e->entry)
    fail(t, "it does not export " ENTRY
            ": is the function defined, with C linkage (extern \"C\" in C++), and marked "
            "__attribute__((visibility(\"default\"))) by including <lathe/plugin.h>?");
  if (e->others == 0)
    return;
  fail(t, "besides " ENTRY " it exports %d symbol%s: %s%s", e->others, e->others == 1 ? "" : "s",
       e->names.data, e->others > 8 ? ", ..." : "");
  fail(t,
       "They may take the place of functions of the same name in libraries that the plugin uses.");
  if (e->of_cxx < e->others)
    fail(t, "Compile with -fvisibility=hidden: only what is marked visible is exported then.");
  if (e->of_cxx)
    fail(t,
         "%d %s of C++ templates and inline functions, which libraries mark visible themselves. "
         "Link with "
         "-Wl,--version-script=FILE, where FILE holds: { global: " ENTRY "; local: *; };",
         e->of_cxx, e->of_cxx == 1 ? "is" : "are");
  fail(t, "What comes from static libraries is hidden by -Wl,--exclude-libs,ALL or by that version "
          "script.");
}

void check_exports(struct tool *t) {
  struct image m = {0};
  struct symbols symbols = {0};
  struct exported e = {0};
  struct stat st;
  int fd = open(t->plugin, O_RDONLY | O_CLOEXEC);
  void *data = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0
                   ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                   : MAP_FAILED;
  if (data != MAP_FAILED)
    m = (struct image){data, (size_t)st.st_size};
  if (!find_symbols(&m, &symbols)) {
    skip(t, "no table of dynamic symbols can be read from the file");
    return;
  }
  sort_out(&symbols, &e);
  judge_exports(t, &e);
  if (e.of_tools)
    note(t, "%d symbols of sanitizers or of the linker are not counted", e.of_tools);
}
