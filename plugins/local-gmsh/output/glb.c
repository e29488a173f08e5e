/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * glTF 2.0 binary.  The accessors hold model units, Z up; the node turns that into glTF's metres, Y
 * up.
 *
 *   header 12 | JSON chunk | BIN chunk: positions, normals, indices (face by face, those of one
 *                                   colour together)
 */
#include "output/glb.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/names.h"
#include "output/drawing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct palette { /* a material per colour */
  uint8_t (*rgba)[4];
  size_t count;
  size_t *of_face; /* per face of the arrays */
};

static void palette_make(struct palette *p, const struct mesh_arrays *s,
                         const struct names *names) {
  *p = (struct palette){.rgba = out_alloc(s->face_count, sizeof *p->rgba),
                        .of_face = out_alloc(s->face_count, sizeof *p->of_face)};
  for (size_t f = 0; f < s->face_count; f++) {
    uint8_t rgba[4];
    size_t at = 0;
    if (s->faces[f].count == 0)
      continue;
    names_colour(names, s->faces[f].tag, rgba);
    rgba[3] = (uint8_t)lround(255 * names_opacity(names, s->faces[f].tag));
    while (at < p->count && memcmp(p->rgba[at], rgba, 4) != 0)
      at++;
    if (at == p->count)
      memcpy(p->rgba[p->count++], rgba, 4);
    p->of_face[f] = at;
  }
}

/* Materials want linear light; CAD files hold what a screen shows. */
static double linear(uint8_t srgb) {
  double c = srgb / 255.0;
  return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static void json_materials(struct out *o, const struct palette *p) {
  out_text(o, "\"materials\":[");
  for (size_t i = 0; i < p->count; i++)
    out_printf(o,
               "%s{\"pbrMetallicRoughness\":{\"baseColorFactor\":[%.4g,%.4g,%.4g,%.4g],"
               "\"metallicFactor\":0,\"roughnessFactor\":0.7},%s\"doubleSided\":true}",
               i ? "," : "", linear(p->rgba[i][0]), linear(p->rgba[i][1]), linear(p->rgba[i][2]),
               p->rgba[i][3] / 255.0, p->rgba[i][3] < 255 ? "\"alphaMode\":\"BLEND\"," : "");
  out_text(o, "],");
}

static void json_head(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                      const struct palette *p) {
  size_t span = 12 * d->vertex_count, indices = 12 * s->triangle_count;
  out_text(o,
           "{\"asset\":{\"version\":\"2.0\",\"generator\":\"lathe "
           "local-gmsh\"},\"scene\":0,\"scenes\":[{"
           "\"nodes\":[0]}],\"nodes\":[{\"mesh\":0,\"name\":\"part\",\"rotation\":[-0.70710678,0,0,"
           "0.70710678],\"scale\":[0.001,0.001,0.001]}],");
  json_materials(o, p);
  out_printf(
      o,
      "\"buffers\":[{\"byteLength\":%zu}],\"bufferViews\":[{\"buffer\":0,\"byteOffset\":0,"
      "\"byteLength\":%zu,\"target\":34962},{\"buffer\":0,\"byteOffset\":%zu,\"byteLength\":%zu,"
      "\"target\":34962},{\"buffer\":0,\"byteOffset\":%zu,\"byteLength\":%zu,\"target\":34963}],",
      2 * span + indices, span, span, span, 2 * span, indices);
  out_printf(
      o,
      "\"accessors\":[{\"bufferView\":0,\"componentType\":5126,\"count\":%zu,\"type\":\"VEC3\","
      "\"min\":[%.9g,%.9g,%.9g],\"max\":[%.9g,%.9g,%.9g]},{\"bufferView\":1,\"componentType\":5126,"
      "\"count\":%zu,\"type\":\"VEC3\"}",
      d->vertex_count, (double)d->low[0], (double)d->low[1], (double)d->low[2], (double)d->high[0],
      (double)d->high[1], (double)d->high[2], d->vertex_count);
}

/* What a viewer shows of a face that was picked, and which triangles of its primitive are its. */
static void json_face(struct out *o, const struct range *range, size_t first,
                      const struct names *names) {
  const struct label *face = names_face(names, range->tag);
  const struct label *solid = face ? names_solid(names, face->solid) : NULL;
  uint8_t rgb[3];
  out_printf(o, "{\"face\":%d,\"first\":%zu,\"count\":%zu", range->tag, first, range->count);
  if (face && face->name) {
    out_text(o, ",\"name\":");
    out_json_string(o, face->name);
  }
  if (solid) {
    out_printf(o, ",\"solid\":%d", solid->tag);
    if (solid->name) {
      out_text(o, ",\"solid_name\":");
      out_json_string(o, solid->name);
    }
  }
  if (names_colour(names, range->tag, rgb))
    out_printf(o, ",\"color\":\"#%02x%02x%02x\"", rgb[0], rgb[1], rgb[2]);
  if (names_opacity(names, range->tag) < 1)
    out_printf(o, ",\"opacity\":%.4g", names_opacity(names, range->tag));
  out_text(o, "}");
}

static bool drawn_with(const struct mesh_arrays *s, const struct palette *p, size_t face,
                       size_t colour) {
  return s->faces[face].count && p->of_face[face] == colour;
}

/* A viewer draws a primitive with one call, so that there is one a colour and not one a face. */
static void json_primitives(struct out *o, const struct mesh_arrays *s, const struct names *names,
                            const struct palette *p) {
  struct out meshes = {0};
  size_t begin = 0;
  for (size_t colour = 0; colour < p->count; colour++) {
    size_t count = 0;
    out_printf(&meshes,
               "%s{\"attributes\":{\"POSITION\":0,\"NORMAL\":1},\"indices\":%zu,\"material\":%zu,"
               "\"extras\":{\"faces\":[",
               colour ? "," : "", colour + 2, colour);
    for (size_t f = 0; f < s->face_count; f++) {
      if (!drawn_with(s, p, f, colour))
        continue;
      out_text(&meshes, count ? "," : "");
      json_face(&meshes, &s->faces[f], count, names);
      count += s->faces[f].count;
    }
    out_text(&meshes, "]}}");
    out_printf(o,
               ",{\"bufferView\":2,\"byteOffset\":%zu,\"componentType\":5125,\"count\":%zu,"
               "\"type\":\"SCALAR\"}",
               12 * begin, 3 * count);
    begin += count;
  }
  out_text(o, "],\"meshes\":[{\"primitives\":[");
  out_put(o, meshes.data, meshes.len);
  out_text(o, "]}]}");
  out_free(&meshes);
}

/* In the order of json_primitives. */
static void put_indices(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                        const struct palette *p) {
  for (size_t colour = 0; colour < p->count; colour++)
    for (size_t f = 0; f < s->face_count; f++)
      if (drawn_with(s, p, f, colour))
        out_put(o, d->index + 3 * s->faces[f].first, 12 * s->faces[f].count);
}

static void chunk(struct out *o, uint32_t length, const char *type) {
  out_put(o, &length, 4);
  out_put(o, type, 4);
}

void glb_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
               const struct names *names) {
  struct palette p;
  struct out json = {0};
  palette_make(&p, s, names);
  json_head(&json, s, d, &p);
  json_primitives(&json, s, names, &p);
  while (json.len % 4)
    out_text(&json, " ");
  size_t span = 12 * d->vertex_count, indices = 12 * s->triangle_count, bin = 2 * span + indices;
  uint32_t head[2] = {2, (uint32_t)(12 + 8 + json.len + 8 + bin)};
  out_room(o, head[1]);
  out_put(o, "glTF", 4);
  out_put(o, head, 8);
  chunk(o, (uint32_t)json.len, "JSON");
  out_put(o, json.data, json.len);
  chunk(o, (uint32_t)bin, "BIN");
  out_put(o, d->position, span);
  out_put(o, d->normal, span);
  put_indices(o, s, d, &p);
  out_free(&json);
  free(p.rgba);
  free(p.of_face);
}
