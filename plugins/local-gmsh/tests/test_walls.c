/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/wall_rays.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define AROUND 400

/* A tube along z, of radius 9 and 10 and 20 long, open at its ends. */
static size_t make_tube(double *xyz, uint32_t *triangles) {
  size_t n = 0;
  for (uint32_t side = 0; side < 2; side++)
    for (uint32_t i = 0; i < AROUND; i++) {
      double angle = 2 * M_PI * i / AROUND, radius = side ? 9 : 10;
      uint32_t base = side * 2 * AROUND, next = (i + 1) % AROUND;
      for (uint32_t end = 0; end < 2; end++) {
        double *p = xyz + 3 * (size_t)(base + end * AROUND + i);
        p[0] = radius * cos(angle);
        p[1] = radius * sin(angle);
        p[2] = 20 * end;
      }
      const uint32_t one[6] = {base + i,    base + next,          base + AROUND + i,
                               base + next, base + AROUND + next, base + AROUND + i};
      for (int k = 0; k < 6; k++)
        triangles[3 * n + (size_t)k] = one[k];
      n += 2;
    }
  return n;
}

static void a_ray_finds_the_other_side(void **unused) {
  double *xyz = calloc(3 * 4 * AROUND, sizeof *xyz);
  uint32_t *triangles = calloc(3 * 4 * AROUND, sizeof *triangles);
  (void)unused;
  assert_true(xyz && triangles);
  size_t n = make_tube(xyz, triangles);
  struct wall_rays *w = wall_rays_new(xyz, triangles, n);
  for (size_t i = 0; i < n / 2; i++) {
    double at[3] = {0}, normal[3], inward[3];
    assert_true(wall_rays_normal(xyz, triangles + 3 * i, normal) > 0);
    for (int k = 0; k < 3; k++) {
      for (int c = 0; c < 3; c++)
        at[k] += xyz[3 * (size_t)triangles[3 * i + (size_t)c] + (size_t)k] / 3;
      inward[k] = -normal[k];
    }
    struct wall_hit in = wall_rays_cast(w, at, inward, i, 1),
                    out = wall_rays_cast(w, at, normal, i, 1);
    assert_true(fabs(in.distance - 1) < 1e-3);
    assert_true(in.triangle >= n / 2);
    assert_true(in.hits >= 3 && out.hits == 0 && isinf(out.distance));
    struct wall_hit nearest = wall_rays_cast(w, at, inward, i, 0);
    assert_true(nearest.distance == in.distance);
  }
  wall_rays_free(w);
  free(xyz);
  free(triangles);
}

static void nothing_is_hit_where_nothing_is(void **unused) {
  struct wall_rays *w = wall_rays_new(NULL, NULL, 0);
  (void)unused;
  assert_true(
      isinf(wall_rays_cast(w, (double[3]){0, 0, 0}, (double[3]){1, 0, 0}, SIZE_MAX, 0).distance));
  wall_rays_free(w);
  wall_rays_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_ray_finds_the_other_side),
                                     cmocka_unit_test(nothing_is_hit_where_nothing_is)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
