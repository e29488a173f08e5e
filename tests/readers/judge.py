# SPDX-License-Identifier: MIT
"""Judges .msh files, whoever wrote them: the one check that Gmsh's meshes and ours are held against.

    judge.py        reads paths from standard input, one a line; prints one JSON object a line

Runs in the venv of tests/integration/solvers.py (a Gmsh of its own, and numpy).  A mesh is valid when it has solids, each solid has
tetrahedra, all of them have a SICN above 0 (as Gmsh's minSICN gives it; for ten nodes its minSJ as well), and the tetrahedra of each
solid end at the triangles of its faces and nowhere else.
"""
import json
import sys

import gmsh
import numpy

SIDES = ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
CORNERS = {4: 4, 11: 10}  # element type: nodes


def elements(dim, tag, nodes_of):
    """(tags, corners) of the elements of an entity."""
    tags, corners = [], []
    for kind, t, nodes in zip(*gmsh.model.mesh.getElements(dim, tag)):
        if kind in nodes_of:
            tags.append(t)
            corners.append(nodes.reshape(len(t), nodes_of[kind])[:, :dim + 1])
    empty = numpy.empty((0, dim + 1), dtype=numpy.uint64)
    return numpy.concatenate(tags or [empty[:, 0]]), numpy.concatenate(corners or [empty])


def rows(array):
    """Sorted within each row, as something that numpy compares whole."""
    array = numpy.ascontiguousarray(numpy.sort(array, axis=1))
    return array.view([("", array.dtype)] * array.shape[1]).ravel()


def open_sides(volume, corners):
    """Sides of the volume's tetrahedra that are where no face is, or the other way round, or shared by more than two."""
    sides, count = numpy.unique(rows(numpy.concatenate([corners[:, s] for s in SIDES])), return_counts=True)
    skin = [elements(2, abs(tag), {2: 3, 9: 6})[1] for _, tag in gmsh.model.getBoundary([(3, volume)], oriented=False)]
    skin = numpy.unique(rows(numpy.concatenate(skin))) if skin else sides[:0]
    outer = sides[count == 1]
    return int((count > 2).sum() + len(numpy.setdiff1d(outer, skin)) + len(numpy.setdiff1d(skin, sides)))


def judge(path):
    gmsh.clear()
    gmsh.open(path)
    volumes = [tag for _, tag in gmsh.model.getEntities(3)]
    found = {"solids": len(volumes), "tetrahedra": 0, "worst": None, "volume": 0.0, "why": "" if volumes else "no solid"}
    for volume in volumes:
        tags, corners = elements(3, volume, CORNERS)
        if len(tags) == 0:
            found["why"] = found["why"] or f"solid {volume} is empty"
            continue
        worst = float(gmsh.model.mesh.getElementQualities(tags, "minSICN").min())
        found["worst"] = worst if found["worst"] is None else min(worst, found["worst"])
        found["volume"] += float(gmsh.model.mesh.getElementQualities(tags, "volume").sum())
        found["tetrahedra"] += len(tags)
        wrong = open_sides(volume, corners)
        if worst <= 1e-9:
            found["why"] = found["why"] or f"inverted or flat elements in solid {volume}"
        elif wrong:
            found["why"] = found["why"] or f"solid {volume} is not closed: {wrong} sides"
    found["valid"] = not found["why"]
    return found


def main():
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    for line in sys.stdin:
        try:
            found = judge(line.strip())
        except Exception as why:  # a file that cannot be read is not valid, and says why
            found = {"valid": False, "why": str(why), "solids": 0, "tetrahedra": 0, "worst": None, "volume": 0.0}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
