# SPDX-License-Identifier: MIT
"""The least Jacobian determinant of each tetrahedron of a mesh, by Gmsh's own bounds over the whole element, as JSON.

    determinants.py FILE.msh

`least` is the smallest by six times the mean volume, `bad` counts those that are not above 0.  Gmsh has this from 4.13 on.
"""
import json
import sys

import gmsh

gmsh.initialize()
gmsh.option.setNumber("General.Terminal", 0)
gmsh.open(sys.argv[1])
tags = [tag for kind, tags in zip(*gmsh.model.mesh.getElements(3)[:2]) if kind in (4, 11) for tag in tags]
least = gmsh.model.mesh.getElementQualities(tags, "minDetJac")
volumes = gmsh.model.mesh.getElementQualities(tags, "volume")
json.dump({"elements": len(tags), "bad": int((least <= 0).sum()), "least": float((least / (6 * abs(volumes))).min()),
           "volume": float(volumes.sum())}, sys.stdout)
