/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded by a test: meshers that hang or crash on some faces.
 *
 *   LATHE_KERNEL_FAULT=hang,15    the CAD kernel, on faces that lie in x > 15 as a whole
 *   LATHE_GMSH_FAULT=crash        Gmsh, on every face that it is given alone
 */
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gmsh.h>
#include <Poly_Triangulation.hxx>
#include <Standard_Handle.hxx>
#include <TopoDS_Face.hxx>

#define ADD_IN_FACE                                                                                \
  "_ZN18BRepMesh_ShapeTool9AddInFaceERK11TopoDS_FaceRN11opencascade6handleI18Poly_TriangulationEE"
#define MESH_FACE "_ZN9meshGFaceclEP5GFaceb"

static void fail(const char *how) {
  if (strncmp(how, "crash", 5) == 0)
    abort();
  for (volatile bool on = true; on;)
    ;
}

static bool lies_beyond(const Handle(Poly_Triangulation) & mesh, double x) {
  bool beyond = true;
  for (int i = 1; i <= mesh->NbNodes(); i++)
    beyond = beyond && mesh->Node(i).X() > x;
  return beyond;
}

extern "C" {

void add_in_face(const TopoDS_Face &face, Handle(Poly_Triangulation) & mesh) __asm__(ADD_IN_FACE);
void mesh_face(void *self, void *face, bool print) __asm__(MESH_FACE);

/* BRepMesh_ShapeTool::AddInFace: the kernel is done with a face. */
__attribute__((visibility("default"))) void add_in_face(const TopoDS_Face &face,
                                                        Handle(Poly_Triangulation) & mesh) {
  const char *fault = getenv("LATHE_KERNEL_FAULT");
  const char *comma = fault ? strchr(fault, ',') : nullptr;
  if (comma && lies_beyond(mesh, atof(comma + 1)))
    fail(fault);
  reinterpret_cast<decltype(&add_in_face)>(dlsym(RTLD_NEXT, ADD_IN_FACE))(face, mesh);
}

/* meshGFace::operator() */
__attribute__((visibility("default"))) void mesh_face(void *self, void *face, bool print) {
  const char *fault = getenv("LATHE_GMSH_FAULT");
  double alone = 0;
  gmsh::option::getNumber("Mesh.MeshOnlyVisible", alone);
  if (fault && alone == 1)
    fail(fault);
  reinterpret_cast<decltype(&mesh_face)>(dlsym(RTLD_NEXT, MESH_FACE))(self, face, print);
}
}
