# SPDX-License-Identifier: MIT
"""Reads meshes with the libraries that their users read them with, and prints what it found as a JSON list.

    read.py READER FILE [READER FILE]...        READER: meshio skfem nastran vtk gmsh jacobian h5py

It runs in the venv of tests/integration/solvers.py, which has these libraries; the tests themselves need none of them.
A library that fails gives {"error": ...} for its file.  Volumes are signed: a tetrahedron inside out takes off.
"""
import json
import os
import sys
import traceback


def volumes_of(points, tets):
    """Of tetrahedra by their corners; numpy arrays."""
    import numpy
    a, b, c, d = (points[tets[:, k]] for k in range(4))
    return numpy.einsum("ij,ij->i", numpy.cross(b - a, c - a), d - a) / 6


def areas_of(points, triangles):
    import numpy
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return numpy.linalg.norm(numpy.cross(b - a, c - a), axis=1) / 2


def sizes_of(points, block):
    """Volumes, areas or lengths of a block of meshio's, by the corners of its elements."""
    import numpy
    if block.dim == 1:
        return numpy.linalg.norm(points[block.data[:, 1]] - points[block.data[:, 0]], axis=1)
    if block.type.startswith("quad"):
        return areas_of(points, block.data) + areas_of(points, block.data[:, [0, 2, 3]])
    return (volumes_of if block.dim == 3 else areas_of)(points, block.data)


def bend_of(points, tets):
    """How far a middle node is from the middle of its edge at most, in lengths of that edge; meshio and VTK number alike."""
    import numpy
    edges = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
    ends = [(points[tets[:, i]], points[tets[:, j]], points[tets[:, 4 + k]]) for k, (i, j) in enumerate(edges)]
    norm = numpy.linalg.norm
    return max(float((norm(m - (a + b) / 2, axis=1) / norm(b - a, axis=1)).max()) for a, b, m in ends)


def meshio_sets(mesh):
    """Name -> [(block, numbers of its members there)]: sets (MSH 4.1), a number per element with a name (2.2) or without (SU2)."""
    sets = {name: parts for name, parts in mesh.cell_sets.items() if not name.startswith("gmsh:")}
    numbers = mesh.cell_data.get("gmsh:physical") or mesh.cell_data.get("su2:tag") or []
    names = mesh.field_data if "gmsh:physical" in mesh.cell_data else {
        str(n): (n, 2) for cells, block in zip(mesh.cells, numbers) if cells.dim == 2 for n in set(block.tolist())}
    if not sets:
        sets = {name: [(block == number).nonzero()[0] if cells.dim == dim else None for block, cells in zip(numbers, mesh.cells)]
                for name, (number, dim) in names.items()}
    return {name: [(i, part) for i, part in enumerate(parts) if part is not None and len(part)] for name, parts in sets.items()}


def middle_of(mesh, sizes, parts):
    """Centre of mass of a set's elements, taken with their corners."""
    def corners(block):
        return 4 if block.dim == 3 or block.type.startswith("quad") else block.dim + 1
    total = sum(sizes[i][part].sum() for i, part in parts)
    moment = sum((mesh.points[mesh.cells[i].data[part][:, :corners(mesh.cells[i])]].mean(1)
                  * sizes[i][part][:, None]).sum(0) for i, part in parts)
    return (moment / total).tolist()


def by_meshio(path):
    import meshio
    import numpy
    mesh = meshio.read(path)
    mesh.points = numpy.pad(mesh.points, ((0, 0), (0, 3 - mesh.points.shape[1])))  # SU2 in the plane
    cells, sizes = {}, []
    for block in mesh.cells:
        cells[block.type] = cells.get(block.type, 0) + len(block.data)
        sizes.append(sizes_of(mesh.points, block))
    members = meshio_sets(mesh)
    tets = [b.data for b in mesh.cells if b.type == "tetra10"]
    return {"points": len(mesh.points), "cells": cells, "low": mesh.points.min(0).tolist(), "high": mesh.points.max(0).tolist(),
            "sets": {name: sum(len(part) for _, part in parts) for name, parts in members.items()},
            "sizes": {name: sum(sizes[i][part].sum() for i, part in parts) for name, parts in members.items()},
            "middles": {name: middle_of(mesh, sizes, parts) for name, parts in members.items()},
            "volume": sum(s.sum() for s, b in zip(sizes, mesh.cells) if b.dim == 3),
            "area": sum(s.sum() for s, b in zip(sizes, mesh.cells) if b.dim == 2),
            "bend": max((bend_of(mesh.points, t) for t in tets), default=0), "fields": sorted(mesh.field_data)}


def by_skfem(path):
    """Measures by integrating 1 over the elements and over the facets of each boundary, as an analysis would."""
    import skfem
    mesh = skfem.Mesh.load(path)
    element = {"MeshTet1": skfem.ElementTetP1, "MeshTet2": skfem.ElementTetP2, "MeshTri1": skfem.ElementTriP1,
               "MeshTri2": skfem.ElementTriP2, "MeshQuad1": skfem.ElementQuad1}[mesh.__class__.__name__]()
    one = skfem.Functional(lambda w: 1 + 0 * w.x[0])
    boundaries, subdomains = mesh.boundaries or {}, mesh.subdomains or {}
    solids = {name: n for name, n in subdomains.items() if not name.startswith("gmsh:") and len(n)}
    return {"points": mesh.doflocs.shape[1], "cells": {mesh.__class__.__name__: mesh.nelements},
            "volume": one.assemble(skfem.Basis(mesh, element)),
            "sets": {name: len(n) for name, n in boundaries.items()}, "solids": {name: len(n) for name, n in solids.items()},
            "sizes": {**{name: one.assemble(skfem.Basis(mesh, element, elements=n)) for name, n in solids.items()},
                      **{name: one.assemble(skfem.FacetBasis(mesh, element, facets=name)) for name in boundaries}}}


SOLID_CARDS = ("CTETRA", "CPENTA", "CPYRAM")


def by_nastran(path):
    import collections
    from pyNastran.bdf.bdf import read_bdf
    model = read_bdf(path, xref=True, punch=True, debug=False)
    return {"points": len(model.nodes), "cells": dict(collections.Counter(e.type for e in model.elements.values())),
            "properties": {str(n): p.type for n, p in model.properties.items()}, "materials": len(model.materials),
            "volume": sum(e.Volume() for e in model.elements.values() if e.type in SOLID_CARDS),
            "least": min((e.Volume() for e in model.elements.values() if e.type in SOLID_CARDS), default=0),
            "area": sum(e.Area() for e in model.elements.values() if e.type[:5] in ("CTRIA", "CQUAD")),
            "node_sets": {str(n): len(s.ids) for n, s in model.sets.items() if s.type == "SET1"},
            "element_sets": [s.ids for s in model.sets.values() if s.type == "SET3" and s.desc == "ELEMENT"]}


def vtk_output(reader, path):
    """What the reader gives, and what it complained about."""
    complaints = []
    reader.AddObserver("ErrorEvent", lambda *what: complaints.append(str(what)))
    reader.SetFileName(path)
    reader.Update()
    return reader.GetOutput(), complaints


def vtk_surface(path):
    import vtk
    surface, complaints = vtk_output(vtk.vtkSTLReader(), path)
    mass, edges = vtk.vtkMassProperties(), vtk.vtkFeatureEdges()
    edges.BoundaryEdgesOn()
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.NonManifoldEdgesOff()
    for step in (mass, edges):
        step.SetInputData(surface)
        step.Update()
    return {"points": surface.GetNumberOfPoints(), "cells": surface.GetNumberOfCells(), "complaints": complaints,
            "volume": mass.GetVolume(), "area": mass.GetSurfaceArea(), "open": edges.GetOutput().GetNumberOfCells()}


def vtk_sizes(grid):
    """(of all volumes, of all areas) of the cells."""
    import vtk
    sizes = vtk.vtkCellSizeFilter()
    sizes.SetInputData(grid)
    sizes.Update()
    data = sizes.GetOutput().GetCellData()
    return [sum(data.GetArray(name).GetValue(i) for i in range(grid.GetNumberOfCells())) for name in ("Volume", "Area")]


def vtk_zone(path):
    import vtk
    reader = vtk.vtkCGNSReader()
    reader.LoadBndPatchOn()
    blocks, complaints = vtk_output(reader, path)
    walk, found = blocks.NewIterator(), {"patches": {}, "sizes": {}, "complaints": complaints}
    walk.InitTraversal()
    while not walk.IsDoneWithTraversal():
        grid, name = walk.GetCurrentDataObject(), walk.GetCurrentMetaData().Get(vtk.vtkCompositeDataSet.NAME())
        if name == "Internal":
            found.update(points=grid.GetNumberOfPoints(), cells=grid.GetNumberOfCells(),
                         **dict(zip(("volume", "area"), vtk_sizes(grid))))
        else:
            found["patches"][name] = grid.GetNumberOfCells()
            found["sizes"][name] = vtk_sizes(grid)[1]
        walk.GoToNextItem()
    return found


def by_vtk(path):
    import vtk
    if path.endswith(".stl"):
        return vtk_surface(path)
    if path.endswith(".cgns"):
        return vtk_zone(path)
    grid, complaints = vtk_output(vtk.vtkXMLUnstructuredGridReader(), path)
    sizes = vtk.vtkCellSizeFilter()
    sizes.SetInputData(grid)
    sizes.Update()
    volumes, data, solids = sizes.GetOutput().GetCellData().GetArray("Volume"), grid.GetCellData(), {}
    for i in range(grid.GetNumberOfCells() if data.HasArray("solid") else 0):
        solid = str(int(data.GetArray("solid").GetValue(i)))
        solids[solid] = solids.get(solid, 0) + volumes.GetValue(i)
    return {"points": grid.GetNumberOfPoints(), "cells": grid.GetNumberOfCells(), "complaints": complaints,
            "volume": sum(solids.values()), "solids": solids, "area": vtk_sizes(grid)[1],
            "poor": [i for i in range(grid.GetNumberOfCells()) if data.HasArray("poor") and data.GetArray("poor").GetValue(i)],
            "fields": [data.GetArrayName(i) for i in range(data.GetNumberOfArrays())]}


def by_gmsh(path):
    import gmsh
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.open(path)
    cells, groups = {}, {}
    for kind, numbers in zip(*gmsh.model.mesh.getElements()[:2]):
        name = gmsh.model.mesh.getElementProperties(kind)[0]
        cells[name] = cells.get(name, 0) + len(numbers)
    for dim, tag in gmsh.model.getPhysicalGroups():
        entities = gmsh.model.getEntitiesForPhysicalGroup(dim, tag)
        groups[gmsh.model.getPhysicalName(dim, tag)] = sum(
            len(numbers) for entity in entities for numbers in gmsh.model.mesh.getElements(dim, entity)[1])
    solids = {kind: list(numbers) for kind, numbers in zip(*gmsh.model.mesh.getElements(3)[:2])}
    tets = [n for kind in (4, 11, 6, 7) for n in solids.get(kind, [])]  # prisms and pyramids behind them
    views = [gmsh.view.getModelData(view, 0) for view in gmsh.view.getTags()]
    found = {"points": len(gmsh.model.mesh.getNodes()[0]), "cells": cells, "groups": groups,
             "views": [([tets.index(n) for n in tags], [values[0] for values in data]) for _, tags, data, _, _ in views],
             "named": {gmsh.model.getEntityName(*e): sum(map(len, gmsh.model.mesh.getElements(*e)[1]))
                       for e in gmsh.model.getEntities() if gmsh.model.getEntityName(*e)},
             "version": gmsh.option.getString("General.Version")}
    gmsh.finalize()
    return found


def by_jacobian(path):
    """Gmsh's, from 4.13 on: kind of element -> how many, the least determinant in one, and their volume."""
    import gmsh
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.open(path)
    found, measure = {}, gmsh.model.mesh.getElementQualities
    for kind, numbers in zip(*gmsh.model.mesh.getElements(3)[:2]):
        found[gmsh.model.mesh.getElementProperties(kind)[0]] = (len(numbers), min(measure(numbers, "minDetJac")), sum(measure(numbers, "volume")))
    gmsh.finalize()
    return found


def by_h5py(path):
    """Section of a CGNS file -> its elements."""
    import h5py
    with h5py.File(path) as file:
        zone = file["Base/Zone"]
        ranges = {name: node["ElementRange/ data"][:] for name, node in zone.items() if "ElementRange" in node}
        regions = {name: node["PointList/ data"][:].ravel().tolist() for name, node in zone.items()
                   if node.attrs.get("label") == b"ZoneSubRegion_t"}
        return {"sections": {name: last - first + 1 for name, (first, last) in ranges.items()}, "regions": regions}


def found_by(reader, path):
    # A library fails in ways of its own (meshio ends the process for some files): each is an answer for that file alone.
    try:
        return globals()[f"by_{reader}"](path)
    except (Exception, SystemExit):  # pylint: disable=broad-exception-caught
        return {"error": traceback.format_exc()}


def main():
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries say is no part of the answer
    words = iter(sys.argv[1:])
    json.dump([found_by(reader, path) for reader, path in zip(words, words)], answer, default=lambda number: number.item())
    answer.close()


if __name__ == "__main__":
    main()
