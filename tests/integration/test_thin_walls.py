# SPDX-License-Identifier: MIT
"""elements_across_gap, and sizes that take more elements than can be made."""
import collections
import json
import os

import pytest
from mesh_readers import read_msh4
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, REPO, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")
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
    (["local_sizes=" + json.dumps({"a": {"edges": [1], "size_mm": 0.000001}})], ["\"a\" of 1e-06"]),
    (["local_sizes=" + json.dumps({"a": {"point": [0, 0, 0], "radius_mm": 5, "size_mm": 0.005}})], ["\"a\" of 0.005"]),
])
def test_what_cannot_be_made_is_refused_at_once(params, words):
    job = run("mesh", part("block.step"), *params)
    assert job.code == BAD_INPUT and all(w in job.error for w in words), job.error
    assert "ask for larger elements" in job.error and "edges" not in job.stages


def test_a_foil_is_refused_with_the_number():
    job = run("mesh", os.path.join(FIELD, "foil.step"), "elements_across_gap=3")
    assert job.code == BAD_INPUT and "walls of 0.001" in job.error and "e+12 elements" in job.error, job.error
    sheet = run("mesh", part("block.step"), "elements_across_gap=3", "dimension=2")
    assert sheet.code == BAD_INPUT and "dimension=2" in sheet.error
