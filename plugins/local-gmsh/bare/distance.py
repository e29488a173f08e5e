#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a preview's triangles lie from the CAD's curved faces, as Markdown: meshed by Gmsh with a size against what `preview` gives.

    plugins/local-gmsh/bare/distance.py BUILD FILE...

Needs python3-gmsh and a build with local-gmsh.  Distance: of a triangle's middle to its face, as a share of the part's diagonal; up to 400 triangles a face.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import gmsh

EVERY_FACE = 400


def read_file(path):
    """Into Gmsh's model; returns the diagonal."""
    gmsh.clear()
    gmsh.model.occ.importShapes(path, False)
    gmsh.model.occ.synchronize()
    box = gmsh.model.getBoundingBox(-1, -1)
    return math.dist(box[:3], box[3:])


def by_gmsh(build, path, diagonal):
    """The faces meshed as `quality=normal` with max_size_mm; a face's number -> its triangles."""
    for name, value in {"MeshSizeMax": diagonal / 15, "MinimumCirclePoints": 12, "LcIntegrationPrecision": 1e-5,
                        "Algorithm": 5, "Smoothing": 0}.items():
        gmsh.option.setNumber("Mesh." + name, value)
    for _, face in gmsh.model.getEntities(2):
        if gmsh.model.getType(2, face) == "Plane":
            gmsh.model.mesh.setSizeFromBoundary(2, face, 0)
    gmsh.model.mesh.generate(2)
    faces = {}
    for _, face in gmsh.model.getEntities(2):
        tags, xyz, _ = gmsh.model.mesh.getNodes(2, face, True)
        at = {tag: xyz[3 * i:3 * i + 3] for i, tag in enumerate(tags)}
        kinds, _, nodes = gmsh.model.mesh.getElements(2, face)
        corners = nodes[0] if len(kinds) else []
        faces[face] = [[at[n] for n in corners[i:i + 3]] for i in range(0, len(corners), 3)]
    return faces


def by_preview(build, path, diagonal):
    """The faces of preview.glb."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(build, "tests", "gmsh-bare"), "--plugin",
                        os.path.join(build, "plugins", "local-gmsh.so"), "--quiet", "--out", folder, "preview", path,
                        "picture=false"], check=True, stdout=subprocess.DEVNULL, timeout=300)
        with open(os.path.join(folder, "preview.glb"), "rb") as file:
            data = file.read()
    size = struct.unpack_from("<I", data, 12)[0]
    doc, blob = json.loads(data[20:20 + size]), data[28 + size:]

    def numbers(accessor, code, per):
        a = doc["accessors"][accessor]
        start = doc["bufferViews"][a["bufferView"]]["byteOffset"] + a.get("byteOffset", 0)
        return struct.unpack_from(f"<{per * a['count']}{code}", blob, start)

    xyz, faces = numbers(0, "f", 3), {}
    for primitive in doc["meshes"][0]["primitives"]:
        index = numbers(primitive["indices"], "I", 1)
        for face in primitive["extras"]["faces"]:
            first = 3 * face["first"]
            faces[face["face"]] = [[xyz[3 * n:3 * n + 3] for n in index[i:i + 3]]
                                   for i in range(first, first + 3 * face["count"], 3)]
    return faces


def distances(face, triangles, diagonal):
    middles = [sum(corner[k] for corner in corners) / 3 for corners in triangles[:EVERY_FACE] for k in range(3)]
    if not middles:
        return []
    closest, _ = gmsh.model.getClosestPoint(2, face, middles)
    return [math.dist(middles[i:i + 3], closest[i:i + 3]) / diagonal for i in range(0, len(middles), 3)]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, ways = sys.argv[1], {"by Gmsh, a size": by_gmsh, "as `preview`": by_preview}
    gmsh.initialize(["-nopopup"])
    gmsh.option.setNumber("General.Terminal", 0)
    print("| file | " + " | ".join(f"{way}: triangles | mean | p99" for way in ways) + " |")
    print("|" + "---|" * (1 + 3 * len(ways)))
    for path in sys.argv[2:]:
        cells, diagonal = [os.path.basename(path)], read_file(path)
        for way in ways.values():
            faces = way(build, path, diagonal)
            curved = [face for _, face in gmsh.model.getEntities(2) if gmsh.model.getType(2, face) != "Plane"]
            found = sorted(d for face in curved for d in distances(face, faces.get(face, []), diagonal)) or [0]
            cells += [str(sum(map(len, faces.values()))), f"{sum(found) / len(found):.2e}",
                      f"{found[int(0.99 * (len(found) - 1))]:.2e}"]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
