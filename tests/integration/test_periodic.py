# SPDX-License-Identifier: MIT
"""`periodic`: faces whose meshes are copies of each other's, in the files of the next programs."""
import json
import math
import os
import subprocess

import pytest
import solvers
from daemon import REPO, SANITIZED
from mesh_readers import read_msh2
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")


def field(name):
    return os.path.join(REPO, "tests", "fixtures", "field", name)


def plane(x, y, z, *normal):
    return {"plane": {"point": [x, y, z], "normal": normal}}


FLOW = {"flow": {"from": plane(0, 0, 0, 1, 0, 0), "to": plane(20, 0, 0, 1, 0, 0)}}
BOTH = {**FLOW, "side": {"from": plane(0, 0, 0, 0, 1, 0), "to": plane(0, 10, 0, 0, 1, 0), "translation": [0, 10, 0]}}
TURN = {"turn": {"from": plane(0, 0, 0, 0, 1, 0), "to": plane(0, 0, 0, -0.5, math.sqrt(0.75), 0),
                 "rotation": {"point": [0, 0, 0], "axis": [0, 0, 2], "angle": 30}}}


def mesh(part, pairs, *params):
    return run("mesh", field(part), "periodic=" + json.dumps(pairs), *([] if any("max_size" in p for p in params) else ["max_size_mm=2.5"]), "outputs=msh2,foam" if "element_order=2" not in params
               and "dimension=2" not in params else "outputs=msh2", "scale=0.001", *params)


def image(pair, p):
    if "translation" in pair:
        return [a + b for a, b in zip(p, pair["translation"])]
    angle = math.radians(pair["rotation"]["angle"])  # around the z axis
    return [p[0] * math.cos(angle) - p[1] * math.sin(angle), p[0] * math.sin(angle) + p[1] * math.cos(angle), p[2]]


def assert_images(job, side):
    """Every node of one side has its partner, where it belongs; and no node of the other side is left over."""
    points = {n: [1000 * x for x in p] for n, p in read_msh2(job.read("mesh-2.2.msh")).points.items()}
    pairs = job.json("periodic.json")["pairs"]
    for pair in pairs:
        for a, b in pair["nodes"]:
            assert math.dist(image(pair, points[a]), points[b]) < 1e-6
        for column in (0, 1):
            numbers = [p[column] for p in pair["nodes"]]
            assert len(set(numbers)) == len(numbers) > 8
        for column, here in enumerate(side[pair["name"]]):
            assert sorted(p[column] for p in pair["nodes"]) == sorted(n for n, p in points.items() if here(p)), "all nodes there"
    return pairs


CELL = {"flow": (lambda p: abs(p[0]) < 1e-9, lambda p: abs(p[0] - 20) < 1e-9), "side": (lambda p: abs(p[1]) < 1e-9, lambda p: abs(p[1] - 10) < 1e-9)}
WEDGE = {"turn": (lambda p: abs(p[1]) < 1e-7, lambda p: abs(p[1] * math.sqrt(0.75) - p[0] / 2) < 1e-7)}
EDGES = {"flow": {"from": {"of": "edges", "box": [0, 0, 0, 0, 40, 0]}, "to": {"of": "edges", "box": [100, 0, 0, 100, 40, 0]}}}
PLATE = {"flow": (lambda p: abs(p[0]) < 1e-9, lambda p: abs(p[0] - 100) < 1e-9)}


JOBS = {"shifted": ("cell.brep", BOTH, CELL, []), "shifted, order 2": ("cell.brep", BOTH, CELL, ["element_order=2"]), "turned": ("wedge.brep", TURN, WEDGE, []),
        "edges of quadrangles": ("plate_hole.brep", EDGES, PLATE, ["dimension=2", "element_order=2", "quads=true", "max_size_mm=8"])}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    run.root = str(tmp_path_factory.mktemp("periodic"))
    return {name: mesh(part, pairs, *params) for name, (part, pairs, _, params) in JOBS.items()}


@pytest.mark.parametrize("name", JOBS)
def test_node_by_node(jobs, name):
    job, (_, pairs, side, _) = jobs[name], JOBS[name]
    assert job.code == 0, job.error
    assert [p["name"] for p in assert_images(job, side)] == list(pairs)
    result = job.json("result.json")
    assert [p["name"] for p in result["periodic"]] == list(pairs) and "$Periodic" in job.read("mesh-2.2.msh").decode()


def test_pairs_come_in_one_order():
    """All nodes of the side have x = 0, so that their numbers decide; Gmsh gives them in any order."""
    job = run("mesh", part("block.step"), "periodic=" + json.dumps({"flow": {"from": plane(0, 0, 0, 1, 0, 0), "to": {"normal": [1, 0, 0]}}}))
    nodes = job.json("periodic.json")["pairs"][0]["nodes"]
    assert len(nodes) > 8 and nodes == sorted(nodes)


@pytest.mark.skipif(SANITIZED, reason="OpenFOAM's own programs, which no sanitizer of ours watches")
@pytest.mark.parametrize("name", ("shifted", "turned"))
def test_openfoam_couples_the_patches(jobs, tmp_path, name):
    case = solvers.FoamCase(tmp_path)
    subprocess.run(["tar", "xf", os.path.join(jobs[name].folder, "polyMesh.tar")], cwd=tmp_path, check=True)
    assert "cyclic" in (tmp_path / "constant/polyMesh/boundary").read_text()
    said = case.run("checkMesh")
    assert "Mesh OK." in said and "Coupled point location match" in said, said[-3000:]
    patches = case.patches()
    assert all(patches[f"{name}_from"] == patches[f"{name}_to"] > 10 for name in JOBS[name][1])


def changed(**more):
    return {"flow": {**FLOW["flow"], **more}}


@pytest.mark.skipif(SANITIZED, reason="sentences; the code behind them runs above")
@pytest.mark.parametrize("pairs, says", [
    (changed(translation=[19, 0, 0]), "has no image of face 1: its middle would be at (19, 5, 4)"),
    (changed(to={"normal": [0, 0, 1], "angle": 91}), "each needs one image"),
    (changed(to=FLOW["flow"]["from"]), "it can have one image"),
    (changed(rotation={"point": [0, 0, 0], "axis": [0, 0, 1]}), "has a rotation that is not"),
    (changed(shift=[1, 0, 0]), "has a key that is not known"),
    (changed(to={"edges": [1]}), "it is faces that are periodic"),
    ({"a b": FLOW["flow"]}, "is not a name")], ids=lambda v: v if isinstance(v, str) else "")
def test_refused_before_meshing(pairs, says):
    job = mesh("cell.brep", pairs)
    assert job.code == BAD_INPUT and says in job.error, job.error


@pytest.mark.parametrize("side", ["from", "to", "group", "corner"])
def test_a_local_size_holds_on_both_sides(side):
    """The mesh of `to` is that of `from`, so what is asked for on one side is on the other too."""
    where = {"from": FLOW["flow"]["from"], "to": FLOW["flow"]["to"], "group": {"group": "flow-to"},
             "corner": {"point": [20, 10, 2], "radius_mm": 2}}[side]
    job = mesh("cell.brep", BOTH, "local_sizes=" + json.dumps({"fine": {**where, "size_mm": 0.6}}))
    assert job.code == 0, job.error
    if side == "corner":
        points = [[1000 * x for x in p] for p in read_msh2(job.read("mesh-2.2.msh")).points.values()]
        near = [sum(math.dist(p, [x, y, 2]) < 1.5 for p in points) for x in (0, 20) for y in (0, 10)]
        assert min(near) > 5, near
    else:
        assert job.json("result.json")["local_sizes"][0]["median_edge"] == pytest.approx(0.6, rel=0.25)
    assert_images(job, CELL)
