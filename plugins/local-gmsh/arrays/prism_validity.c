/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Jacobian of a prism is linear along its triangles and quadratic along its columns.
 */
#include "arrays/prism_validity.h"

#include "base/vec.h"

double prism_validity(const double *const outer[3], const double *const inner[3]) {
  double least = INFINITY, e[2][3], f[2][3], up[3][3], cross[3];
  vec_sub(e[0], outer[1], outer[0]);
  vec_sub(f[0], outer[2], outer[0]);
  vec_sub(e[1], inner[1], inner[0]);
  vec_sub(f[1], inner[2], inner[0]);
  vec_cross(up[0], e[0], f[0]);
  vec_cross(up[2], e[1], f[1]);
  vec_cross(up[1], e[0], f[1]);
  vec_cross(cross, e[1], f[0]);
  for (int k = 0; k < 3; k++)
    up[1][k] = (up[1][k] + cross[k]) / 2;
  double area = vec_length(up[0]);
  for (int c = 0; c < 3; c++) {
    double column[3];
    vec_sub(column, outer[c], inner[c]);
    double length = vec_length(column);
    for (int k = 0; length > 0 && k < 3; k++)
      least = fmin(least, area > 0 ? vec_dot(up[k], column) / (area * length) : 0);
  }
  return least;
}
