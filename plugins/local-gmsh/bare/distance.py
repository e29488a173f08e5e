#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a preview's triangles lie from the CAD's curved faces, as Markdown: frontal with smoothing against what `preview` does.

    plugins/local-gmsh/bare/distance.py FILE...

Needs python3-gmsh.  Distance: of a triangle's middle to its face, as a share of the part's diagonal; up to 400 triangles a face.
"""
import math
import os
import sys

import gmsh

EVERY_FACE = 400
WAYS = {"frontal, smoothed": (6, 1, False), "as `preview`": (5, 0, True)}  # algorithm, smoothing, loose planes


def triangulate(path, algorithm, smoothing, loose):
    """Reads the file and meshes its faces as `quality=normal`; returns the diagonal."""
    gmsh.clear()
    gmsh.model.occ.importShapes(path, False)
    gmsh.model.occ.synchronize()
    box = gmsh.model.getBoundingBox(-1, -1)
    diagonal = math.dist(box[:3], box[3:])
    for name, value in {"MeshSizeMax": diagonal / 15, "MinimumCirclePoints": 12, "LcIntegrationPrecision": 1e-5,
                        "Algorithm": algorithm, "Smoothing": smoothing}.items():
        gmsh.option.setNumber("Mesh." + name, value)
    for _, face in gmsh.model.getEntities(2):
        if loose and gmsh.model.getType(2, face) == "Plane":
            gmsh.model.mesh.setSizeFromBoundary(2, face, 0)
    gmsh.model.mesh.generate(2)
    return diagonal


def distances(face, diagonal):
    tags, xyz, _ = gmsh.model.mesh.getNodes(2, face, True)
    at = {tag: xyz[3 * i:3 * i + 3] for i, tag in enumerate(tags)}
    kinds, _, nodes = gmsh.model.mesh.getElements(2, face)
    if not len(kinds):
        return []
    corners = nodes[0][:3 * EVERY_FACE]
    middles = [sum(at[n][k] for n in corners[i:i + 3]) / 3 for i in range(0, len(corners), 3) for k in range(3)]
    closest, _ = gmsh.model.getClosestPoint(2, face, middles)
    return [math.dist(middles[i:i + 3], closest[i:i + 3]) / diagonal for i in range(0, len(middles), 3)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    gmsh.initialize(["-nopopup"])
    gmsh.option.setNumber("General.Terminal", 0)
    print("| file | " + " | ".join(f"{way}: mean | p99" for way in WAYS) + " |")
    print("|" + "---|" * (1 + 2 * len(WAYS)))
    for path in sys.argv[1:]:
        cells = [os.path.basename(path)]
        for way in WAYS.values():
            diagonal = triangulate(path, *way)
            curved = [face for _, face in gmsh.model.getEntities(2) if gmsh.model.getType(2, face) != "Plane"]
            found = sorted(d for face in curved for d in distances(face, diagonal)) or [0]
            cells += [f"{sum(found) / len(found):.2e}", f"{found[int(0.99 * (len(found) - 1))]:.2e}"]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
