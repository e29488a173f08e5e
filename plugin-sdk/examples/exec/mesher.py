#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tetrahedra in a CAD part with Gmsh's own Python module, as people write such scripts: it knows nothing of
lathe and prints as it likes.

    python3 mesher.py part.step mesh.msh [longest edge in mm]
"""
import sys

import gmsh


def start(threads=1):
    """Once a process: it takes a while."""
    gmsh.initialize()
    gmsh.option.setNumber("General.NumThreads", threads)


def generate(part, output, max_size=0.0, order=1, algorithm="delaunay", tell=lambda percent, stage: None):
    """Returns how many nodes and tetrahedra there are.  ValueError: the part is none."""
    gmsh.clear()
    tell(0, "import")
    print(f"reading {part}")
    try:
        gmsh.model.occ.importShapes(part)
    except Exception as why:
        raise ValueError(f"it cannot be read: {why}") from why
    gmsh.model.occ.synchronize()
    if not gmsh.model.getEntities(3):
        raise ValueError("it has no solid to fill")
    x0, y0, z0, x1, y1, z1 = gmsh.model.getBoundingBox(-1, -1)
    diagonal = ((x1 - x0) ** 2 + (y1 - y0) ** 2 + (z1 - z0) ** 2) ** 0.5
    gmsh.option.setNumber("Mesh.MeshSizeMax", max_size or diagonal / 25)
    gmsh.option.setNumber("Mesh.Algorithm3D", {"delaunay": 1, "hxt": 10}[algorithm])
    for dimension, percent, stage in ((1, 10, "edges"), (2, 20, "faces"), (3, 50, "volume")):
        tell(percent, stage)
        gmsh.model.mesh.generate(dimension)
    if order > 1:
        gmsh.model.mesh.setOrder(order)
    tell(90, "write")
    gmsh.write(output)
    nodes = len(gmsh.model.mesh.getNodes()[0])
    tetrahedra = sum(len(tags) for tags in gmsh.model.mesh.getElements(3)[1])
    print(f"{nodes} nodes, {tetrahedra} tetrahedra")
    return {"nodes": nodes, "tetrahedra": tetrahedra}


if __name__ == "__main__":
    start()
    generate(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
