# SPDX-License-Identifier: MIT
"""fluid=true: the volume inside the solids, against theory, with its walls and openings."""
import json
import math
import os
import re

import pytest

from daemon import SANITIZED
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from mesh_readers import read_stl
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)
from test_solvers import unpacked

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")


def mesh(parts, name, *params):
    return run("mesh", os.path.join(parts, name + ".step"), "fluid=true", "max_size_mm=6", *params)


def fluid_of(job):
    assert job.code == 0, job.error
    result = job.json("result.json")
    return result["fluid"], result


BORE = 25 * math.pi
INSIDE = {  # part -> the volume inside, and the areas of its openings
    "plain_tube": (40 * BORE, [BORE] * 2),
    "stepped_tube": (20 * BORE + 180 * math.pi, [BORE, 9 * math.pi]),
    "elbow": (16 * math.pi * 20 * math.pi / 2, [16 * math.pi] * 2),
    "tee": (85 * BORE - 8 / 3 * 125, [BORE] * 3),
    "void_box": (512, []),
    "valve": (40 * BORE - 2 * BORE, [BORE] * 2),
    "with_caps": (38 * BORE, [BORE] * 2),
}


@pytest.mark.parametrize("name", INSIDE)
def test_the_volume_inside(parts, name):
    volume, areas = INSIDE[name]
    job = mesh(parts, name)
    fluid, result = fluid_of(job)
    assert [r["volume"] for r in fluid["regions"]] == [pytest.approx(volume, rel=1e-6)]
    assert [o["area"] for o in fluid["openings"]] == [pytest.approx(a, rel=1e-6) for a in areas]
    assert [o["name"] for o in fluid["openings"]] == (["inlet", "outlet"] if len(areas) == 2 else [f"opening_{i + 1}" for i in range(len(areas))])
    assert [s["name"] for s in result["solids"]] == ["fluid"]
    assert result["mesh_volume"] == pytest.approx(volume, rel=0.15) and result["assembly"]["counts"]["loose_faces"] == 0
    assert -0.15 < result["deviation"]["volume"] <= 1e-9, "against the volume inside, without the solids around"


@pytest.mark.parametrize("name", ["tee", "manifold", "round_hollow"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_the_surface_looks_outward(parts, name, dimension):
    """Gmsh keeps a face as the solid around had it: in the files, the volume of the surface and a preview."""
    job = mesh(parts, name, "outputs=stl", f"dimension={dimension}")
    fluid, _ = fluid_of(job)
    surface = read_stl(job.read("mesh.stl"))
    edges = [(t[i], t[(i + 1) % 3]) for t in surface.of("tri").values() for i in range(3)]
    assert sorted(edges) == sorted((b, a) for a, b in edges), "each edge is met once from the other side"
    assert surface.enclosed() == pytest.approx(fluid["regions"][0]["volume"], rel=0.15)
    if dimension == 3:
        seen = run("preview", os.path.join(parts, name + ".step"), "fluid=true").json("result.json")
        assert seen["mesh_volume"] == pytest.approx(fluid["regions"][0]["volume"], rel=0.02)


def test_what_is_inside_and_the_solid_fill_the_whole(parts):
    """Beside the solids: nothing is lost and nothing is there twice, also with a hole in a round wall and a blind one."""
    for name, whole, openings in (("side_hole", 36 * math.pi * 40, 3), ("manifold", 24000 - 4 * math.pi, 4)):
        job = mesh(parts, name, "fluid_solids=true", "outputs=inp")
        fluid, result = fluid_of(job)
        assert sum(s["cad_volume"] for s in result["deviation"]["solids"]) == pytest.approx(whole, rel=1e-4), name
        assert len(fluid["openings"]) == openings and [s["name"] for s in result["solids"]] == [name, "fluid"]
        assert b"*SURFACE, TYPE=ELEMENT, NAME=wall\n" in job.read("mesh.inp"), "where the fluid touches the solid"
    assert [left["volume"] for left in fluid["left_out"]] == [pytest.approx(4 * math.pi, rel=1e-6)]
    assert "1 smaller volume is left out" in result["warnings"][0] and "fluid_regions=2" in result["warnings"][0]


def test_small_volumes_on_request(parts):
    """Four bolt holes of a flange are closed too; they are no part of the flow unless somebody says so."""
    fluid, result = fluid_of(mesh(parts, "stepped_tube"))
    assert len(fluid["left_out"]) == 4 and "4 smaller volumes are left out" in result["warnings"][0]
    fluid, result = fluid_of(mesh(parts, "stepped_tube", "fluid_regions=5"))
    assert fluid["left_out"] == [] and len(fluid["openings"]) == 10
    assert sorted(s["name"] for s in result["solids"]) == [f"fluid_{i}" for i in range(1, 6)]


BOLT_HOLE = [2, 13 * math.cos(0.1), 13 * math.sin(0.1)]


def points(**of):
    return "fluid_at=" + json.dumps({name: {"point": at} for name, at in of.items()})


def test_volumes_by_a_point_in_each(parts):
    fluid, result = fluid_of(mesh(parts, "stepped_tube", points(hole=BOLT_HOLE, bore=[30, 1, 1])))
    assert [r["volume"] for r in fluid["regions"]] == [pytest.approx(5 * math.pi * 1.5 ** 2), pytest.approx(INSIDE["stepped_tube"][0])]
    assert {s["solid"]: s["name"] for s in result["solids"]} == {fluid["regions"][0]["solid"]: "hole", fluid["regions"][1]["solid"]: "bore"}
    assert [r["name"] for r in fluid["regions"]] == ["hole", "bore"] and len(fluid["left_out"]) == 3 and len(fluid["openings"]) == 4
    assert not any("left out" in w for w in result["warnings"]), "the job says which it wants"


@pytest.mark.parametrize("params, words", [
    ((points(x=[100, 0, 0]),), r"lies in none of the volumes inside. The volumes inside are 2136 near \(15.29, .*: give a point"),
    ((points(a=[10, 0, 0], b=[11, 0, 0]),), 'of "b" lies in the volume of "a"'),
    (('fluid_at={"a": [1, 2, 3]}',), "must have a point in the volume"),
    ((points(a=[10, 0, 0]), "fluid_regions=2"), "leave fluid_regions out"),
], ids=["outside", "twice", "no point", "and a number"])
def test_a_point_that_chooses_nothing(parts, params, words):
    job = mesh(parts, "stepped_tube", *params)
    assert job.code == BAD_INPUT and re.search(words, job.error), job.error


def test_two_that_close_one_opening(parts):
    """Of what closes the hole of a round face and that of the flat one a piece is in both: taking it away for one ended in a crash."""
    fluid, result = fluid_of(mesh(parts, "round_hollow", "fluid_solids=true"))
    assert len(fluid["openings"]) == 6 and [s["name"] for s in result["solids"]] == ["round_hollow", "fluid"]
    flat = 4 / 3 * math.pi * 6 ** 3 - 6 * math.pi * (6 - 5) ** 2 * (3 * 6 - 1) / 3  # the ball between the sides of the box
    assert flat * 0.999 < fluid["regions"][0]["volume"] < 1.001 * 4 / 3 * math.pi * 6 ** 3


@pytest.mark.parametrize("name, words", [("half_pipe", "0 holes"), ("solid_box", "0 holes")])
def test_nothing_inside(parts, name, words):
    job = mesh(parts, name)
    assert job.code == BAD_INPUT and words in job.error and "put a face across each opening" in job.error


def test_a_baffle_is_told(parts):
    """A face without thickness in the volume closes nothing and is not meshed: nobody shall think that it is there."""
    fluid, result = fluid_of(mesh(parts, "baffle"))
    assert fluid["regions"][0]["volume"] == pytest.approx(40 * BORE, rel=1e-6) and len(fluid["openings"]) == 2
    assert "1 face of the file that belongs to no solid closes no opening, and is left out" in " ".join(result["warnings"])


def test_what_has_no_solid_has_no_inside(parts):
    job = run("mesh", part("block.stl"), "fluid=true")
    assert job.code == BAD_INPUT and "no solid of CAD geometry" in job.error
    job = run("mesh", os.path.join(parts, "plain_tube.step"), "fluid_solids=true")
    assert job.code == BAD_INPUT and "fluid=true" in job.error


def test_a_preview_shows_it(parts):
    job = run("preview", os.path.join(parts, "tee.step"), "fluid=true")
    fluid, result = fluid_of(job)
    assert len(fluid["openings"]) == 3 and result["geometry"]["volumes"] == 1
    assert result["mesh_volume"] == pytest.approx(INSIDE["tee"][0], rel=0.05)
    assert b'"opening_2"' in job.read("preview.glb")


@pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")
def test_openfoam_takes_it(parts, tmp_path):
    job = mesh(parts, "stepped_tube", "outputs=foam", "max_deviation=0.05")
    case = unpacked(job, tmp_path / "one")
    assert case.check() == pytest.approx(INSIDE["stepped_tube"][0] * 1e-9, rel=0.02)
    assert set(case.patches()) == {"inlet", "outlet", "wall"}
    job = mesh(parts, "valve", "outputs=foam", 'groups={"intake": {"plane": {"point": [0, 0, 0], "normal": [1, 0, 0]}}}')
    case = unpacked(job, tmp_path / "two")
    case.check()
    names = set(case.patches())
    assert {"intake", "outlet"} < names and all(re.fullmatch(r"intake|outlet|wall_\w+(-\d+)?", name) for name in names), names


@pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")
def test_openfoam_takes_it_beside_the_solid(parts, tmp_path):
    case = unpacked(mesh(parts, "plain_tube", "outputs=foam", "fluid_solids=true"), tmp_path)
    assert case.check() == pytest.approx(40 * 36 * math.pi * 1e-9, rel=0.1)
    said = case.run("checkMesh", "-allTopology", "-allGeometry")
    assert re.search(r"^ +fluid +\d+", said, re.M) and "Number of regions: 1" in said
    with open(os.path.join(case.folder, "constant", "polyMesh", "faceZones"), encoding="ascii") as file:
        assert re.search(r"^wall$", file.read(), re.M)
    assert "inlet" in case.patches()
