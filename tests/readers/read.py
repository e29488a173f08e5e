# SPDX-License-Identifier: MIT
"""Reads a mesh with the library that its users read it with, and prints what it found as JSON.

    read.py meshio|skfem|nastran|vtk|gmsh FILE

It runs in the venv of tests/integration/solvers.py, which has these libraries; the tests themselves need none of them.
"""
import json
import sys


def by_meshio(path):
    import meshio
    mesh = meshio.read(path)
    cells = {}
    for block in mesh.cells:
        cells[block.type] = cells.get(block.type, 0) + len(block.data)
    sets = {name: sum(len(part) for part in parts if part is not None) for name, parts in mesh.cell_sets.items()
            if not name.startswith("gmsh:")}
    return {"points": len(mesh.points), "cells": cells, "sets": sets, "low": mesh.points.min(0).tolist(),
            "high": mesh.points.max(0).tolist(), "fields": sorted(mesh.field_data)}


def by_skfem(path):
    import skfem
    mesh = skfem.Mesh.load(path)
    return {"points": mesh.nvertices, "cells": {mesh.__class__.__name__: mesh.nelements},
            "sets": {name: len(numbers) for name, numbers in (mesh.boundaries or {}).items()},
            "solids": {name: len(numbers) for name, numbers in (mesh.subdomains or {}).items()}}


def by_nastran(path):
    import collections
    from pyNastran.bdf.bdf import read_bdf
    model = read_bdf(path, xref=True, punch=True, debug=False)
    return {"points": len(model.nodes), "cells": dict(collections.Counter(e.type for e in model.elements.values())),
            "properties": {str(n): p.type for n, p in model.properties.items()}, "materials": len(model.materials),
            "volume": sum(e.Volume() for e in model.elements.values() if e.type == "CTETRA")}


def by_vtk(path):
    import vtk
    complaints = []
    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.AddObserver("ErrorEvent", lambda *what: complaints.append(str(what)))
    reader.SetFileName(path)
    reader.Update()
    grid = reader.GetOutput()
    sizes = vtk.vtkCellSizeFilter()
    sizes.SetInputData(grid)
    sizes.Update()
    volumes = sizes.GetOutput().GetCellData().GetArray("Volume")
    data = grid.GetCellData()
    return {"points": grid.GetNumberOfPoints(), "cells": grid.GetNumberOfCells(), "complaints": complaints,
            "volume": sum(volumes.GetValue(i) for i in range(volumes.GetNumberOfTuples())),
            "fields": [data.GetArrayName(i) for i in range(data.GetNumberOfArrays())]}


def by_gmsh(path):
    import gmsh
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.open(path)
    cells = {}
    for kind, numbers in zip(*gmsh.model.mesh.getElements()[:2]):
        name = gmsh.model.mesh.getElementProperties(kind)[0]
        cells[name] = cells.get(name, 0) + len(numbers)
    groups = {gmsh.model.getPhysicalName(dim, tag): len(gmsh.model.getEntitiesForPhysicalGroup(dim, tag))
              for dim, tag in gmsh.model.getPhysicalGroups()}
    return {"points": len(gmsh.model.mesh.getNodes()[0]), "cells": cells, "groups": groups}


if __name__ == "__main__":
    readers = {name[3:]: function for name, function in globals().items() if name.startswith("by_")}
    json.dump(readers[sys.argv[1]](sys.argv[2]), sys.stdout)
