/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Vectors of three.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <math.h>

static inline void vec_sub(double r[3], const double *a, const double *b) {
  for (int k = 0; k < 3; k++)
    r[k] = a[k] - b[k];
}

static inline double vec_dot(const double *a, const double *b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline void vec_cross(double r[3], const double *a, const double *b) {
  r[0] = a[1] * b[2] - a[2] * b[1];
  r[1] = a[2] * b[0] - a[0] * b[2];
  r[2] = a[0] * b[1] - a[1] * b[0];
}

static inline double vec_length(const double *a) {
  return sqrt(vec_dot(a, a));
}

/* Adds f times a. */
static inline void vec_add(double r[3], double f, const double *a) {
  for (int k = 0; k < 3; k++)
    r[k] += f * a[k];
}

/* To the length 1; returns the length that it had. */
static inline double vec_unit(double a[3]) {
  double length = vec_length(a);
  for (int k = 0; length > 0 && k < 3; k++)
    a[k] /= length;
  return length;
}

/* Squared. */
static inline double vec_distance2(const double *a, const double *b) {
  double d[3];
  vec_sub(d, a, b);
  return vec_dot(d, d);
}

static inline double vec_distance(const double *a, const double *b) {
  return sqrt(vec_distance2(a, b));
}

/* Of a triangle, twice the area long. */
static inline void vec_normal(double r[3], const double *a, const double *b, const double *c) {
  double u[3], v[3];
  vec_sub(u, b, a);
  vec_sub(v, c, a);
  vec_cross(r, u, v);
}

#endif
