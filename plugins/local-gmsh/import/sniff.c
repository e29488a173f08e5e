/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/sniff.h"

#include "base/file_view.h"
#include "import/sniff_step.h"
#include "import/sniff_stl.h"
#include "import/units.h"
#include "task/task.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTED                                                                                   \
  "STEP (.step, .stp, .p21), IGES (.iges, .igs), BREP (.brep, .brp) and STL (.stl) are accepted, " \
  "also packed with gzip (.gz, .stpz)"

/* What people send by mistake, and what attackers send on purpose. */
static const struct stranger {
  const char *begins;
  size_t len; /* 0: text, compared without case past blanks */
  const char *what;
} STRANGERS[] = {
    {"\x1f\x8b", 2, "a gzip archive inside another; unpack it first"},
    {"PK\x03\x04", 4, "a zip archive (or a 3MF or Office file, which are zips); unpack it first"},
    {"BZh", 3, "a bzip2 archive; unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "an xz archive; unpack it first"},
    {"7z\xbc\xaf", 4, "a 7-Zip archive; unpack it first"},
    {"\xd0\xcf\x11\xe0", 4,
     "a native CAD or Office document (SolidWorks and Inventor write such); export it as STEP"},
    {"%PDF", 4, "a PDF document; export the part as STEP"},
    {"\x7f"
     "ELF",
     4, "a program"},
    {"MZ", 2, "a program"},
    {"\x89PNG", 4, "a PNG picture"},
    {"\xff\xd8\xff", 3, "a JPEG picture"},
    {"glTF", 4, "a binary glTF file, which holds triangles for display only; export STEP or STL"},
    {"AC10", 4, "a DWG drawing; export it as STEP"},
    {"<!DOCTYPE", 0,
     "a web page (often a sign-in or error page that was saved instead of the part)"},
    {"<html", 0, "a web page (often a sign-in or error page that was saved instead of the part)"},
    {"<?xml", 0, "an XML document"},
    {"#!", 0, "a script, which is never run here"},
    {"SystemCall", 0, "a Gmsh script, which is never run here"},
    {"$MeshFormat", 0, "a Gmsh mesh; send the CAD it was made from"},
    {"ply\n", 0, "a PLY file; export STEP or STL"},
    {"{", 0, "a JSON document"},
};

/* An IGES file is made of 80-column cards; column 73 names the section: S G D P T. */
static bool is_iges(struct view v) {
  return v.size > 80 && (v.data[72] == 'S' || v.data[72] == 'C') &&
         isspace((unsigned char)v.data[80]) && strspn(v.data + 73, " 0123456789") >= 7;
}

static int32_t sniff_iges(struct task *t, struct view v) {
  const char *end = v.data + v.size;
  while (end > v.data && (isspace((unsigned char)end[-1]) || end[-1] == '\0' || end[-1] == 0x1a))
    end--;
  const char *line = memrchr(v.data, '\n', (size_t)(end - v.data));
  line = line ? line + 1 : v.data;
  if (v.data[72] == 'C')
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is compressed IGES, which cannot be read here; export it as plain IGES or "
                     "STEP",
                     t->name);
  if (end - line < 73 || line[72] != 'T')
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is cut off: an IGES file ends with a terminate (T) line, this one stops at "
        "line %zu; send the whole file",
        t->name, view_line(v, end));
  return LATHE_OK;
}

/* Sections of OpenCASCADE's text format, in their order in the file. */
static const char *const BREP_SECTIONS[] = {"\nLocations ", "\nCurve2ds ",       "\nCurves ",
                                            "\nSurfaces ",  "\nTriangulations ", "\nTShapes "};

/* A NUL-terminated copy of the line at `at`: the mapping has no NUL. */
static void copy_line(char *line, size_t size, const char *at, const char *end) {
  size_t n = 0;
  while (at + n < end && at[n] != '\n' && n + 1 < size) {
    line[n] = at[n];
    n++;
  }
  line[n] = '\0';
}

static int32_t sniff_brep(struct task *t, struct view v) {
  const char *end = v.data + v.size, *at = v.data;
  char line[64];
  for (size_t i = 0; i < sizeof BREP_SECTIONS / sizeof *BREP_SECTIONS; i++) {
    const char *found = view_find(at, end, BREP_SECTIONS[i]);
    long long count = -1;
    if (found) {
      copy_line(line, sizeof line, found + strlen(BREP_SECTIONS[i]), end);
      sscanf(line, "%19lld", &count);
    }
    if (!found || count < 0 || (size_t)count > v.size)
      return task_fail(
          t, LATHE_BAD_INPUT,
          "%s is a BREP file that is cut off or damaged: its section \"%s\" is %s; send "
          "the whole file",
          t->name, BREP_SECTIONS[i] + 1, found ? "of an impossible length" : "missing");
    at = found + 1;
  }
  while (end > at && isspace((unsigned char)end[-1]))
    end--;
  const char *last = memrchr(at, '\n', (size_t)(end - at));
  int shape = 0, location = -1;
  char sign = 0;
  if (last)
    copy_line(line, sizeof line, last + 1, end);
  if (!last || sscanf(line, "%c%9d %9d", &sign, &shape, &location) != 3 || !strchr("+-ie", sign))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is a BREP file that is cut off: its last line should name the whole shape; "
        "send the whole file",
        t->name);
  return LATHE_OK;
}

static bool is_brep(struct view v) {
  return view_begins(v, "DBRep_DrawableShape", false) ||
         view_begins(v, "CASCADE Topology V", false);
}

static int32_t sniff_refuse(struct task *t, struct view v) {
  for (size_t i = 0; i < sizeof STRANGERS / sizeof *STRANGERS; i++) {
    const struct stranger *s = &STRANGERS[i];
    if (s->len ? v.size >= s->len && memcmp(v.data, s->begins, s->len) == 0
               : view_begins(v, s->begins, true))
      return task_fail(t, LATHE_BAD_INPUT, "%s is not a CAD file but %s. " ACCEPTED ".", t->name,
                       s->what);
  }
  size_t len = strlen(t->name);
  if (len > 4 && strcasecmp(t->name + len - 4, ".stl") == 0 && v.size > 84)
    return sniff_stl_binary(t, v); /* says how its count is wrong */
  if (v.size < 15)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s has only %zu bytes and is not a CAD file. " ACCEPTED ".", t->name, v.size);
  return task_fail(
      t, LATHE_BAD_INPUT,
      "%s is not a CAD file that can be read here: its content is not one of the known "
      "formats, whatever its name says. " ACCEPTED ".",
      t->name);
}

static int32_t sniff_view(struct task *t, struct view v) {
  if (view_begins(v, "ISO-10303-21", false)) {
    t->format = FORMAT_STEP;
    return sniff_step(t, v);
  }
  if (view_is_binary_stl(v)) { /* first: its header may begin with "solid" */
    t->format = FORMAT_STL;
    return sniff_stl_binary(t, v);
  }
  if (view_begins(v, "solid", true)) {
    t->format = FORMAT_STL;
    return sniff_stl_ascii(t, v);
  }
  if (is_brep(v)) {
    t->format = FORMAT_BREP;
    return sniff_brep(t, v);
  }
  if (is_iges(v)) {
    t->format = FORMAT_IGES;
    return sniff_iges(t, v);
  }
  return sniff_refuse(t, v);
}

static void check_ending(struct task *t) {
  static const char *const ENDINGS[][4] = {
      {".step", ".stp", ".p21", ".stpz"}, {".iges", ".igs"}, {".brep", ".brp"}, {".stl"}};
  char name[sizeof t->name];
  snprintf(name, sizeof name, "%s", t->name);
  char *dot = strrchr(name, '.');
  if (dot && strcasecmp(dot, ".gz") == 0) {
    *dot = '\0';
    dot = strrchr(name, '.');
  }
  if (!dot)
    return; /* "part" and "part.gz" say nothing */
  for (size_t i = 0; i < 4; i++)
    if (ENDINGS[t->format][i] && strcasecmp(dot, ENDINGS[t->format][i]) == 0)
      return;
  task_warn(t, "the file's name does not say so, but its content is %s, and was read as that",
            FORMAT_NAMES[t->format]);
}

size_t sniff_long_text(const struct task *t) {
  char path[PATH_MAX];
  task_path(t, path, t->input);
  struct view v = view_map(path);
  size_t line = v.data ? step_long_text(v) : 0;
  view_unmap(v);
  return line;
}

int32_t sniff_input(struct task *t) {
  char path[PATH_MAX];
  struct stat st;
  task_path(t, path, t->input);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0) {
    int why = errno;
    if (fd >= 0)
      close(fd);
    return task_fail(t, LATHE_RETRY, "the input %s cannot be opened: %s", t->name, strerror(why));
  }
  if (st.st_size == 0) {
    close(fd);
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is empty: the upload or the export went wrong; send it "
                     "again",
                     t->name);
  }
  void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (map == MAP_FAILED)
    return task_fail(t, LATHE_RETRY_MEM, "no memory to look at %s", t->name);
  int32_t rc = sniff_view(t, (struct view){map, (size_t)st.st_size});
  if (rc == LATHE_OK)
    sniff_unit(t, (struct view){map, (size_t)st.st_size});
  munmap(map, (size_t)st.st_size);
  t->unit = t->format == FORMAT_STEP || t->format == FORMAT_IGES ? "mm" : "file";
  if (rc == LATHE_OK)
    check_ending(t);
  return rc;
}
