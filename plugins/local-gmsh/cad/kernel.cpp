/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In C++ because OpenCASCADE is.  Gmsh's C interface takes a shape of the kernel in and gives none
 * out, so that the shapes are asked for by five functions of Gmsh's own C++ (docs/adr/0032); they
 * take and return plain pointers, no structure of Gmsh's is read.
 */
#include "cad/kernel.h"

extern "C" {
#include "arrays/mesh_arrays.h"
#include "arrays/mesh_builder.h"
}

#include <algorithm>
#include <BRep_Builder.hxx>
#include <BRep_Tool.hxx>
#include <BRepMesh_Context.hxx>
#include <BRepMesh_DefaultRangeSplitter.hxx>
#include <BRepMesh_DelaunayBaseMeshAlgo.hxx>
#include <BRepMesh_DelaunayNodeInsertionMeshAlgo.hxx>
#include <BRepMesh_FaceDiscret.hxx>
#include <BRepMesh_IncrementalMesh.hxx>
#include <BRepMesh_MeshAlgoFactory.hxx>
#include <BRepTools.hxx>
#include <exception>
#include <gmsh.h>
#include <Message_ProgressIndicator.hxx>
#include <Poly_Triangulation.hxx>
#include <Standard_Failure.hxx>
#include <time.h>
#include <TopExp_Explorer.hxx>
#include <TopoDS.hxx>
#include <TopoDS_Compound.hxx>
#include <TopoDS_Face.hxx>
#include <TopTools_MapOfOrientedShape.hxx>
#include <vector>

#define GIVE_UP_MAX 16 /* faces; more, and they are left */

/* Of Gmsh: what is declared here is all that is used. */
class GFace;
class GRegion;
class GModel {
public:
  static GModel *current(int index = -1);
  GFace *getFaceByTag(int tag) const;
  GRegion *getRegionByTag(int tag) const;
};
class OCCRegion { /* and every GRegion */
public:
  void *getNativePtr() const;
};
class OCCFace { /* what every GFace is that was imported by the kernel */
public:
  void *getNativePtr() const;
};

namespace {

struct face {
  int tag;
  TopoDS_Face shape;
};

/* Gmsh's own; NULL: there is none. */
TopoDS_Face *shape_of(int tag) {
  const auto *of = reinterpret_cast<const OCCFace *>(GModel::current()->getFaceByTag(tag));
  return of ? static_cast<TopoDS_Face *>(of->getNativePtr()) : nullptr;
}

void add_face(std::vector<face> &faces, int tag) {
  const TopoDS_Face *shape = shape_of(tag);
  if (shape)
    faces.push_back({tag, *shape});
}

std::vector<face> faces_of_model() {
  std::vector<face> faces;
  gmsh::vectorpair entities;
  gmsh::model::getEntities(entities, 2);
  faces.reserve(entities.size());
  for (const auto &entity : entities)
    add_face(faces, entity.second);
  return faces;
}

/* Nodes that two faces share come from one edge and agree to the last bit. */
void take_face(const face &f, mesh_builder &arrays) {
  TopLoc_Location place;
  const Handle(Poly_Triangulation) &mesh = BRep_Tool::Triangulation(f.shape, place);
  mesh_builder_face(&arrays, f.tag);
  if (mesh.IsNull())
    return;
  bool turned = f.shape.Orientation() == TopAbs_REVERSED;
  std::vector<uint32_t> of(static_cast<size_t>(mesh->NbNodes()));
  for (int i = 1; i <= mesh->NbNodes(); i++) {
    const gp_Pnt p = mesh->Node(i).Transformed(place.Transformation());
    const double at[3] = {p.X(), p.Y(), p.Z()};
    of[static_cast<size_t>(i) - 1] = mesh_builder_node(&arrays, at);
  }
  for (int i = 1; i <= mesh->NbTriangles(); i++) {
    int n[3];
    uint32_t corners[3];
    mesh->Triangle(i).Get(n[0], n[turned ? 2 : 1], n[turned ? 1 : 2]);
    for (int k = 0; k < 3; k++)
      corners[k] = of[static_cast<size_t>(n[k]) - 1];
    mesh_builder_triangle(&arrays, corners);
  }
}

/* The kernel's way with cylinders: straight strips from rim to rim.  Its own way with cones puts
 * nodes inside, half as many around as the rims have, so that the middle is thinner than the ends.
 */
class cone_splitter : public BRepMesh_DefaultRangeSplitter {
public:
  void Reset(const IMeshData::IFaceHandle &face, const IMeshTools_Parameters &wanted) override {
    BRepMesh_DefaultRangeSplitter::Reset(face, wanted);
    step_ = wanted.Angle;
  }

protected:
  void computeDelta(const Standard_Real /*length_u*/, const Standard_Real length_v) override {
    myDelta.first = step_ / std::max(length_v, myRangeV.second - myRangeV.first);
    myDelta.second = 1;
  }

private:
  double step_ = 1;
};

class algorithms : public BRepMesh_MeshAlgoFactory {
public:
  Handle(IMeshTools_MeshAlgo)
      GetAlgo(GeomAbs_SurfaceType type, const IMeshTools_Parameters &wanted) const override {
    if (type == GeomAbs_Cone)
      return new BRepMesh_DelaunayNodeInsertionMeshAlgo<cone_splitter,
                                                        BRepMesh_DelaunayBaseMeshAlgo>;
    return BRepMesh_MeshAlgoFactory::GetAlgo(type, wanted);
  }
};

/* Stops the kernel after some time of this thread's own: on a busy machine a face may take longer
 * by the clock.  It asks between faces and inside long ones. */
class deadline : public Message_ProgressIndicator {
public:
  deadline(double seconds, double *heard) : end_(used() + seconds), heard_(heard) {
  }
  bool UserBreak() override {
    double now = used();
    if (heard_)
      __atomic_store(heard_, &now, __ATOMIC_RELAXED);
    return now > end_;
  }

private:
  static double used() {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  }
  void Show(const Message_ProgressScope & /*scope*/, bool /*force*/) override {
  }
  double end_;
  double *heard_;
};

void mesh_shape(const TopoDS_Shape &shape, const kernel_limits &limits, double seconds) {
  Handle(deadline) until = new deadline(seconds, limits.heard);
  BRepMesh_IncrementalMesh mesher;
  mesher.SetShape(shape);
  mesher.ChangeParameters().Deflection = limits.deflection;
  mesher.ChangeParameters().Angle = limits.angle;
  /* Inside a face the eye sees less than at its outline, and free-form faces take half of the time.
   */
  mesher.ChangeParameters().DeflectionInterior = 2 * limits.deflection;
  if (limits.shortest > 0)
    mesher.ChangeParameters().MinSize = limits.shortest;
  try {
    Handle(BRepMesh_Context) context = new BRepMesh_Context;
    context->SetFaceDiscret(new BRepMesh_FaceDiscret(new algorithms));
    mesher.Perform(context, until->Start());
  } catch (const Standard_Failure &) { /* some faces then have no triangles */
  }
}

bool has_triangles(const face &f) {
  TopLoc_Location place;
  return !BRep_Tool::Triangulation(f.shape, place).IsNull();
}

void mesh_faces(const std::vector<face> &faces, const kernel_limits &limits) {
  TopoDS_Compound all;
  BRep_Builder builder;
  builder.MakeCompound(all);
  for (const face &f : faces)
    builder.Add(all, f.shape);
  BRepTools::Clean(all); /* a finer one of before would be kept */
  mesh_shape(all, limits, limits.seconds);
  size_t given_up = 0;
  for (size_t i = 0; i < faces.size() && given_up <= GIVE_UP_MAX; i++) {
    if (has_triangles(faces[i]))
      continue;
    mesh_shape(faces[i].shape, limits, limits.face_seconds);
    given_up += !has_triangles(faces[i]);
  }
}

bool triangulate(struct mesh_arrays *s, const kernel_limits &limits,
                 const std::vector<face> &faces) {
  *s = mesh_arrays{};
  try {
    mesh_faces(faces, limits);
    mesh_builder built = {};
    for (const face &f : faces)
      take_face(f, built);
    mesh_builder_finish(&built, s);
  } catch (const Standard_Failure &) { /* of the kernel: not a std::exception */
    mesh_arrays_free(s);
  } catch (const std::exception &) {
    mesh_arrays_free(s);
  }
  if (s->triangle_count)
    return true;
  mesh_arrays_free(s);
  return false;
}

} // namespace

bool kernel_triangulate(struct mesh_arrays *s, const struct kernel_limits *limits) {
  return triangulate(s, *limits, faces_of_model());
}

bool kernel_triangulate_face(struct mesh_arrays *s, int tag, const struct kernel_limits *limits) {
  std::vector<face> one;
  kernel_limits short_limits = *limits;
  short_limits.seconds = limits->face_seconds;
  short_limits.face_seconds = 0;
  add_face(one, tag);
  return triangulate(s, short_limits, one);
}

void kernel_look_outward(int solid, const int *faces, size_t count) {
  const auto *of = reinterpret_cast<const OCCRegion *>(GModel::current()->getRegionByTag(solid));
  TopTools_MapOfOrientedShape seen;
  if (!of)
    return;
  for (TopExp_Explorer at(*static_cast<const TopoDS_Shape *>(of->getNativePtr()), TopAbs_FACE);
       at.More(); at.Next())
    seen.Add(at.Current());
  for (size_t i = 0; i < count; i++) {
    TopoDS_Face *face = shape_of(faces[i]);
    if (face && !seen.Contains(*face) && seen.Contains(face->Reversed()))
      face->Reverse();
  }
}
