# SPDX-License-Identifier: MIT
"""Curved faces of a preview are round: by their volume, and by how near the axis any triangle comes."""
import math
import os
import subprocess
import sys

import pytest

from test_gmsh_plugin import BARE, PLUGIN, REPO, folder, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")

FIELD = os.path.join(REPO, "tests", "fixtures", "field")

MAKE = """
import sys, math, gmsh
path, what = sys.argv[1:]
gmsh.initialize(["-nopopup"])
gmsh.option.setNumber("General.Terminal", 0)
occ = gmsh.model.occ
if what == "cone":
    occ.addCone(3, 4, 5, 60, 20, 10, 5, 1)
elif what == "tube":
    outer, inner = occ.addCylinder(1, 1, 1, 0, 90, 0, 3), occ.addCylinder(1, 1, 1, 0, 90, 0, 2.5)
    occ.cut([(3, outer)], [(3, inner)])
elif what == "torus":
    occ.addTorus(0, 0, 0, 20, 2)
elif what == "sphere":
    occ.addSphere(7, 0, 0, 3)
elif what == "egg":
    occ.dilate([(3, occ.addSphere(0, 0, 0, 3))], 0, 0, 0, 1, 1, 4)
elif what == "sector":
    occ.addCylinder(0, 0, 0, 50, 0, 0, 2, angle=math.pi / 3)
occ.synchronize()
gmsh.write(path)
"""
CONE = math.pi / 3 * math.sqrt(60 ** 2 + 20 ** 2 + 10 ** 2) * (25 + 5 + 1)
SHAPES = {"cone": CONE, "tube": math.pi * 90 * (9 - 6.25), "torus": 2 * math.pi ** 2 * 20 * 4,
          "sphere": 4 / 3 * math.pi * 27, "egg": 4 / 3 * math.pi * 27 * 4, "sector": 2 / 6 * math.pi * 4 / 2 * 50}


def triangles_of(job):
    flat = job.json("preview.json")["vertices"]
    return [[flat[i + 3 * k:i + 3 * k + 3] for k in range(3)] for i in range(0, len(flat), 9)]


def nearest_to_axis(triangles, along):
    """The least distance from the axis of the middles of edges and triangles on the side (not on the ends)."""
    least = math.inf
    for corners in triangles:
        if max(c[along] for c in corners) - min(c[along] for c in corners) < 1e-6:
            continue
        points = [[sum(c[i] for c in chosen) / len(chosen) for i in range(3)]
                  for chosen in (corners, corners[:2], corners[1:], corners[::2])]
        least = min(least, *(math.hypot(*(p[i] for i in range(3) if i != along)) for p in points))
    return least


@pytest.mark.parametrize("name,length", [("pin40.step", 40), ("shaft.step", 200)])
def test_a_slender_cylinder_is_round_along_its_length(name, length):
    job = run("preview", os.path.join(FIELD, name))
    assert job.code == 0, job.error
    result, triangles = job.json("result.json"), triangles_of(job)
    along = max(range(3), key=lambda i: result["geometry"]["bbox"][i])
    assert result["geometry"]["bbox"][along] == pytest.approx(length, rel=1e-6)
    assert len(triangles) == result["counts"]["triangles"] < 250
    diameter = min(result["geometry"]["bbox"])
    assert result["mesh_volume"] == pytest.approx(math.pi / 4 * diameter ** 2 * length, rel=0.01)
    assert nearest_to_axis(triangles, along) >= math.cos(math.pi / 12) * diameter / 2, "no deeper than the 12-gon"


@pytest.mark.parametrize("quality,lost", [("draft", 0.03), ("normal", 0.01), ("fine", 0.003)])
def test_each_quality_step_keeps_its_edges_on_a_circle(quality, lost):
    result = run("preview", os.path.join(FIELD, "shaft.step"), "quality=" + quality).json("result.json")
    whole = math.pi * 4 * 200
    assert whole * (1 - lost) <= result["mesh_volume"] <= whole


@pytest.mark.parametrize("shape", SHAPES)
def test_other_curved_faces_are_round(shape, tmp_path):
    path = str(tmp_path / (shape + ".step"))
    made = subprocess.run([sys.executable, "-c", MAKE, path, shape], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60)
    if made.returncode and b"No module named 'gmsh'" in made.stdout:
        pytest.skip("python3-gmsh is not installed")
    assert made.returncode == 0, made.stdout.decode()
    job = run("preview", path)
    assert job.code == 0, job.error
    assert job.json("result.json")["mesh_volume"] == pytest.approx(SHAPES[shape], rel=0.015)
