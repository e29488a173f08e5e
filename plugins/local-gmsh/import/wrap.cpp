// SPDX-License-Identifier: GPL-2.0-or-later
//
// wrap.so: CGAL's 3D Alpha Wrapping, which is C++ alone.
#include "wrap.h"

#include <CGAL/alpha_wrap_3.h>
#include <CGAL/Exact_predicates_inexact_constructions_kernel.h>
#include <CGAL/Surface_mesh.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <vector>

namespace {

using Kernel = CGAL::Exact_predicates_inexact_constructions_kernel;
using Surface = CGAL::Surface_mesh<Kernel::Point_3>;

Surface wrapped(const struct wrap &w) {
  std::vector<Kernel::Point_3> points;
  std::vector<std::array<std::size_t, 3>> faces;
  Surface surface;
  points.reserve(w.nodes);
  faces.reserve(w.count);
  for (std::size_t i = 0; i < w.nodes; i++)
    points.emplace_back(w.xyz[3 * i], w.xyz[3 * i + 1], w.xyz[3 * i + 2]);
  for (std::size_t i = 0; i < w.count; i++)
    faces.push_back({w.triangles[3 * i], w.triangles[3 * i + 1], w.triangles[3 * i + 2]});
  CGAL::alpha_wrap_3(points, faces, w.alpha, w.offset, surface);
  surface.collect_garbage();
  return surface;
}

int give(struct wrap *w, const Surface &s) {
  w->wrapped_xyz =
      static_cast<double *>(std::calloc(3 * s.number_of_vertices() + 1, sizeof(double)));
  w->wrapped =
      static_cast<std::uint32_t *>(std::calloc(3 * s.number_of_faces() + 1, sizeof(std::uint32_t)));
  if (!w->wrapped_xyz || !w->wrapped)
    return -1;
  for (auto v : s.vertices()) {
    for (int i = 0; i < 3; i++)
      w->wrapped_xyz[3 * w->wrapped_nodes + i] = s.point(v)[i];
    w->wrapped_nodes++;
  }
  for (auto f : s.faces()) {
    std::size_t k = 0;
    for (auto v : CGAL::vertices_around_face(s.halfedge(f), s))
      w->wrapped[3 * w->wrapped_count + k++] = v.idx();
    w->wrapped_count++;
  }
  return w->wrapped_count ? 0 : -1;
}

int make(struct wrap *w) {
  try {
    return give(w, wrapped(*w));
  } catch (const std::exception &) {
    return -1;
  }
}

} // namespace

// What mesher.so looks up: it names the type, so that a change of it cannot be missed.
extern "C" __attribute__((visibility("default"))) wrap_function *const lathe_local_gmsh_wrap;
wrap_function *const lathe_local_gmsh_wrap = make;
