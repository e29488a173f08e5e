# SPDX-License-Identifier: MIT
"""elements_across_gap, and sizes that take more elements than can be made."""
import collections
import json
import os
import re

import pytest
from mesh_readers import read_msh4
from daemon import SANITIZED
from stl_shapes import text
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, REPO, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")
TIMEOUT = 4200
FIELD = os.path.join(REPO, "tests", "fixtures", "field")


def edges_across(got, inside, one, other):
    """From the nodes where z is `one`: how many edges the shortest way to z = `other` has."""
    beside = collections.defaultdict(set)
    for corners in got.of("tet").values():
        for a in corners:
            beside[a].update(corners)
    steps = {n: 0 for n in beside if abs(got.points[n][2] - other) < 1e-6}
    front = collections.deque(steps)
    while front:
        a = front.popleft()
        for b in beside[a]:
            if b not in steps:
                steps[b] = steps[a] + 1
                front.append(b)
    return [steps[n] for n in beside if abs(got.points[n][2] - one) < 1e-6 and inside(got.points[n])]


def test_a_thin_floor_gets_elements_and_the_rest_does_not():
    file = os.path.join(FIELD, "pocket.step")  # 30 x 30 x 10, with a pocket of 10 x 10 that leaves a floor of 0.5
    plain = run("mesh", file, "binary=false", "max_size_mm=4")
    job = run("mesh", file, "binary=false", "max_size_mm=4", "elements_across_gap=2")
    result, got = job.json("result.json"), read_msh4(job.read("mesh.msh"))
    steps = edges_across(got, lambda p: 11 < p[0] < 19 and 11 < p[1] < 19, 0, 0.5)
    before = edges_across(read_msh4(plain.read("mesh.msh")), lambda p: True, 0.5, 0)
    assert set(before) == {1}, "without it there is one"
    assert len(steps) > 200 and sum(s >= 2 for s in steps) > 0.9 * len(steps), collections.Counter(steps)
    walls = result["thin_walls"]
    assert walls["elements_across"] == 2 and walls["thinnest"] == pytest.approx(0.5, rel=1e-6)
    assert [f["thickness"] for f in walls["faces"]] == pytest.approx([0.5, 0.5], rel=1e-6)
    assert "thin_walls" not in plain.json("result.json")
    assert sum(p[2] > 5 for p in got.points.values()) < 1000, "thick places stay coarse"
    assert result["quality_metrics"]["sicn_min"] > 0.05


def test_a_thick_part_stays_as_it_is():
    walls = run("mesh", part("block.step"), "max_size_mm=8", "elements_across_gap=1").json("result.json")["thin_walls"]
    assert walls["thinnest"] is None or walls["thinnest"] < 8 / 0.85
    stl = run("mesh", part("block.stl"), "max_size_mm=8", "elements_across_gap=1")
    assert stl.code == 0, stl.error


@pytest.mark.parametrize("params, words", [
    (["target_elements=100000000"], ["target_elements=100000000", "1e+08 elements"]),
    (["max_deviation=0.000000001"], ["max_deviation=1e-09", "elements"]),
    (["max_size_mm=0.02"], ["max_size_mm=0.02", "elements"]),
    (["local_sizes=" + json.dumps({"a": {"faces": [1], "size_mm": 0.001}})], ["\"a\" of 0.001", "elements"]),
    (["local_sizes=" + json.dumps({"a": {"bodies": [1], "size_mm": 0.01}})], ["\"a\" of 0.01"]),
    (["local_sizes=" + json.dumps({"a": {"edges": [1, 2, 3, 4], "size_mm": 0.00005}})], ["\"a\" of 5e-05"]),
    (["local_sizes=" + json.dumps({"a": {"point": [0, 0, 0], "radius_mm": 5, "size_mm": 0.005}})], ["\"a\" of 0.005"]),
    (["local_sizes=" + json.dumps({"a": {"line": [[1, 1, 1], [9, 9, 9]], "size_mm": 0.00004}})], ["\"a\" of 4e-05"]),
])
def test_what_cannot_be_made_is_refused_at_once(params, words):
    job = run("mesh", part("block.step"), *params)
    assert job.code == BAD_INPUT and all(w in job.error for w in words), job.error
    assert "ask for larger elements" in job.error and "edges" not in job.stages


def met_by_lines(got, lines):
    """How many tetrahedra a line along z passes through, at each (x, y)."""
    counts = [0] * len(lines)
    for corners in got.of("tet").values():
        p = [got.points[c] for c in corners]
        for i, (x, y) in enumerate(lines):
            if min(q[0] for q in p) < x < max(q[0] for q in p) and min(q[1] for q in p) < y < max(q[1] for q in p):
                sides = [[(a[0] - x) * (b[1] - y) - (b[0] - x) * (a[1] - y) for a, b in zip(t, t[1:] + t[:1])]
                         for t in (p[:k] + p[k + 1:] for k in range(4))]
                counts[i] += any(min(s) > 0 or max(s) < 0 for s in sides)
    return counts


def plate(path, side, height):
    """A plate as a text STL: two facets a side."""
    corners = [(x, y, z) for z in (0, height) for y in (0, side) for x in (0, side)]
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    path.write_bytes(text(plate=[tuple(corners[i] for i in three) for a, b, c, d in quads for three in ((a, b, c), (a, c, d))]))
    return str(path)


@pytest.mark.skipif(SANITIZED, reason="it is about sizes")
@pytest.mark.parametrize("across", [1, 3, 4])
def test_as_many_across_as_were_asked_for(tmp_path, across):
    job = run("mesh", plate(tmp_path / "plate.stl", 3, 0.5), "binary=false", "max_size_mm=2", f"elements_across_gap={across}")
    counts = met_by_lines(read_msh4(job.read("mesh.msh")), [(0.3 + i * 0.571, 0.3 + k * 0.613) for i in range(5) for k in range(5)])
    assert min(counts) >= across, counts


def test_a_wide_thin_plate_is_refused_with_what_fits(tmp_path):
    job = run("mesh", plate(tmp_path / "plate.stl", 100, 0.1), "elements_across_gap=1", "time_budget=4")
    assert job.code == BAD_INPUT and "walls of 0.1" in job.error and "8.6e+06 elements" in job.error, job.error
    assert 0.1 < float(re.search(r"min_size_mm=([0-9.]+)", job.error).group(1)) < 1 and "time_budget" in job.error


@pytest.mark.skipif(SANITIZED, reason="it is about sizes")
def test_a_size_that_is_advised_works():
    job = run("mesh", part("block.step"), "max_size_mm=0.1", "time_budget=4")
    assert job.code == BAD_INPUT, job.error
    followed = run("mesh", part("block.step"), re.search(r"max_size_mm=[0-9.]+\b(?=\))", job.error).group())
    assert followed.code == 0 and followed.json("result.json")["counts"]["tetrahedra"] < 100000, followed.error


def test_a_long_mesh_of_a_small_file_ends_with_its_budget():
    job = run("mesh", part("block.step"), "max_size_mm=0.33", "time_budget=1")
    assert job.code == TIMEOUT and "for want of time" in job.error and "time_budget" in job.error, job.error


def test_a_sound_wire_is_meshed_and_not_blamed():
    job = run("mesh", os.path.join(FIELD, "thin_torus.brep"), "max_size_mm=30")
    result = job.json("result.json")
    assert result["strategy"] == "nearer than walls" and "a third of the thinnest wall" in result["strategy_text"]
    assert any("finer than asked for: within 0.2" in w and "max_deviation=0.2" in w for w in result["warnings"]), result["warnings"]


def test_a_foil_is_refused_with_the_number():
    job = run("mesh", os.path.join(FIELD, "foil.step"), "elements_across_gap=3")
    assert job.code == BAD_INPUT and "walls of 0.001" in job.error and "e+12 elements" in job.error, job.error
    sheet = run("mesh", part("block.step"), "elements_across_gap=3", "dimension=2")
    assert sheet.code == BAD_INPUT and "dimension=2" in sheet.error
