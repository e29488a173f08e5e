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


def longest_edge(triangles):
    return max(math.dist(corners[k], corners[k - 1]) for corners in triangles for k in range(3))


def open_edges(triangles):
    """Edges that one triangle alone has."""
    count = {}
    for corners in triangles:
        for k in range(3):
            edge = frozenset((tuple(corners[k]), tuple(corners[k - 1])))
            count[edge] = count.get(edge, 0) + 1
    return sum(n != 2 for n in count.values())


@pytest.mark.parametrize("size,length", [("max_size_mm=2", 2), ("relative_size=0.02", 0.02 * math.sqrt(40 ** 2 + 32)),
                                         ("max_size_mm=1000", 41), ("max_size_mm=0.7", 0.7)])
def test_a_size_bounds_the_edges_and_rounds_stay_round(size, length):
    job = run("preview", os.path.join(FIELD, "pin40.step"), size, "picture=false")
    assert job.code == 0, job.error
    result, triangles = job.json("result.json"), triangles_of(job)
    assert longest_edge(triangles) <= length * (1 + 1e-5)
    assert open_edges(triangles) == 0, "faces meet without a gap"
    assert result["mesh_volume"] == pytest.approx(math.pi * 4 * 40, rel=0.01)
    assert nearest_to_axis(triangles, max(range(3), key=lambda i: result["geometry"]["bbox"][i])) > 0.99 * 2


def test_a_shortest_edge_is_heeded():
    fine, coarse = (run("preview", os.path.join(FIELD, "pin40.step"), size, "picture=false") for size in
                    ("min_size_mm=0.1", "min_size_mm=2"))
    shortest = min(math.dist(c[k], c[k - 1]) for c in triangles_of(coarse) for k in range(3))
    assert shortest >= 0.8 * 2 and len(triangles_of(coarse)) < len(triangles_of(fine)) / 2


def test_a_size_that_takes_far_too_many_triangles_is_refused():
    job = run("preview", os.path.join(REPO, "tests", "fixtures", "cad", "block.step"), "relative_size=0.0003", "picture=false")
    assert job.code != 0 and "5000000 triangles" in job.error and "larger max_size_mm" in job.error
