# SPDX-License-Identifier: MIT
"""`boundary_layers`: prisms on chosen faces, in the files of the next programs."""
import json
import math
import os
import subprocess

import pytest
import solvers
from daemon import REPO, SANITIZED
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from mesh_readers import read_msh2, tet_volume
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, read_vtu, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")

WALL = {"cylinder": {"point": [0, 0, 0], "axis": [0, 0, 1], "radius": 8}}
ENDS = {"inlet": {"plane": {"point": [0, 0, 0], "normal": [0, 0, 1]}}, "outlet": {"plane": {"point": [0, 0, 50], "normal": [0, 0, 1]}}}
FOUR = {"first_height_mm": 0.1, "layers": 4, "growth": 1.2}
ALL = {"box": [-100, -100, -100, 100, 100, 100]}
TOP = {"normal": [0, 0, 1], "angle": 1}
TOTAL = 0.1 * (1 + 1.2 + 1.2 ** 2 + 1.2 ** 3)

# The sides of each kind, seen from outside.
SIDES = {"tet": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)),
         "prism": ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
         "pyramid": ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))}


def mesh(path, *params, **layers):
    return run("mesh", path, "outputs=all", "binary=false", "boundary_layers=" + json.dumps(layers), *params)


def under(points, side):
    """What a side encloses with the origin: one of four nodes the mean of its two halvings."""
    p = [points[n] for n in side]
    halves = [p] if len(p) == 3 else [[p[0], p[1], p[2]], [p[0], p[2], p[3]], [p[0], p[1], p[3]], [p[1], p[2], p[3]]]
    return sum(tet_volume([(0, 0, 0), *h]) for h in halves) / (1 if len(p) == 3 else 2)


def check(job):
    """Cells are of positive volume, closed, and end at the faces' triangles and quadrangles.  The mesh, and its volume in mm³."""
    read = read_msh2(job.read("mesh-2.2.msh"))
    points, open_sides, volume = read.points, {}, 0
    for kind, sides in SIDES.items():
        for nodes in read.of(kind).values():
            own = [tuple(nodes[k] for k in side) for side in sides]
            size = sum(under(points, side) for side in own)
            assert size > 0
            volume += size
            for side in own:
                key = tuple(sorted(side))
                if open_sides.pop(key, None) is None:
                    open_sides[key] = side
    skin = [*read.of("tri").values(), *read.of("quad").values()]
    assert sorted(tuple(sorted(s)) for s in skin) == sorted(open_sides)
    enclosed = abs(sum(under(points, side) for side in skin))
    assert abs(volume - enclosed) <= 1e-9 * volume and abs(volume - job.json("result.json")["mesh_volume"]) <= 1e-6 * volume
    counts = job.json("result.json")["counts"]
    assert (counts["tetrahedra"], counts["prisms"], counts["pyramids"]) == tuple(len(read.of(k)) for k in SIDES)
    assert (counts["triangles"], counts["quadrangles"]) == (len(read.of("tri")), len(read.of("quad")))
    return read, points, volume


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    run.root = str(tmp_path_factory.mktemp("layers"))
    return mesh(os.path.join(REPO, "tests", "fixtures", "field", "pipe.step"), "max_size_mm=3",
                "groups=" + json.dumps({"wall": WALL, **ENDS}), wall={**WALL, **FOUR})


def test_a_pipe_has_layers_on_its_wall(pipe):
    read, points, _ = check(pipe)
    wall = [read.elements[n][1] for n in read.groups["wall"]]
    told = pipe.json("result.json")["boundary_layers"]
    assert len(read.of("prism")) == 4 * len(wall) and not read.of("pyramid")
    assert told["nodes_thinner"] == told["nodes_without"] == 0 and told["sicn_min"] > 0.03 and told["least_share"] == 1
    assert abs(told["of"][0]["total_height"] - TOTAL) < 1e-9
    kinds = pipe.json("quality.json")
    assert kinds["prisms"]["count"] == 4 * len(wall) and kinds["pyramids"] == {"count": 0, "sicn": None}
    assert abs(kinds["prisms"]["sicn"]["min"] - told["sicn_min"]) < 1e-6 and f"the worst of SICN {told['sicn_min']:.3g}" in pipe.read("report.html").decode()
    outer = {n for corners in wall for n in corners}
    heights = [math.dist(points[p[k + 3]], points[p[k]]) for p in read.of("prism").values() for k in range(3) if p[k + 3] in outer]
    assert all(0.0999 < h < 0.11 for h in heights) and len(heights) == 3 * len(wall)


def test_layers_end_in_the_inlet_at_full_height(pipe):
    read, points, _ = check(pipe)
    for name, z in (("inlet", 0), ("outlet", 50)):
        ends = [read.elements[n] for n in read.groups[name]]
        assert all(abs(points[n][2] - z) < 1e-6 for _, corners in ends for n in corners)
        quads = [corners for kind, corners in ends if kind == "quad"]
        assert quads and len(quads) % 4 == 0
        radii = sorted({round(math.hypot(*points[n][:2]), 4) for q in quads for n in q})
        assert abs(radii[-1] - 8) < 1e-3 and abs(8 - TOTAL - radii[0]) < 0.03 * TOTAL


def test_the_fields_file_has_all_cells(pipe):
    vtu = read_vtu(pipe.read("mesh.vtu"))
    counts = pipe.json("result.json")["counts"]
    types = list(vtu["types"])
    assert types.count(13) == counts["prisms"] and types.count(10) == counts["tetrahedra"]
    assert min(vtu["sicn"]) > 0 and len(vtu["sicn"]) == len(types)


@pytest.mark.skipif(SANITIZED, reason="OpenFOAM's own programs, which no sanitizer of ours watches")
def test_openfoam_says_mesh_ok(pipe, tmp_path):
    case = solvers.FoamCase(tmp_path)
    subprocess.run(["tar", "xf", os.path.join(pipe.folder, "polyMesh.tar")], cwd=tmp_path, check=True)
    assert math.isclose(case.check(), 1e-9 * pipe.json("result.json")["mesh_volume"], rel_tol=1e-5)
    assert set(case.patches()) == {"wall", "inlet", "outlet"}


@pytest.mark.parametrize("name, layers", [("block.step", {"all": {**ALL, **FOUR}}), ("bracket.step", {"all": {**ALL, **FOUR, "layers": 3}})],
                         ids=("with a hole", "with ribs"))
def test_all_faces_of_a_part(name, layers):
    job = mesh(part(name), **layers)
    told = job.json("result.json")["boundary_layers"]
    _, _, volume = check(job)
    assert told["nodes_without"] == 0 and told["sicn_min"] > 0.01 and volume > 5000


def test_layers_end_at_full_height_at_a_cylinder():
    job = mesh(part("block.step"), "max_size_mm=3", top={**TOP, **FOUR})
    read, points, _ = check(job)
    told = job.json("result.json")["boundary_layers"]
    assert told["nodes_thinner"] == told["nodes_without"] == 0 and not read.of("pyramid")
    bore = [[points[n] for n in corners] for corners in read.of("quad").values()]
    bore = [q for q in bore if all(math.hypot(x - 15, y - 10) < 5.001 for x, y, _ in q)]
    assert bore and all(abs(math.hypot(x - 15, y - 10) - 5) < 1e-6 and z > 10 - TOTAL - 1e-6 for q in bore for x, y, z in q)


def test_a_layer_runs_out_where_the_next_face_is_bent():
    job = mesh(os.path.join(REPO, "tests", "fixtures", "field", "fillet.step"), top={**TOP, **FOUR})
    read, _, _ = check(job)
    result = job.json("result.json")
    assert read.of("pyramid") and result["boundary_layers"]["nodes_without"] > 5
    assert any("have no layers" in w and "near (" in w for w in result["warnings"]), result["warnings"]


def test_layers_end_at_full_height_at_a_cone_and_a_ball(parts):
    job = mesh(os.path.join(parts, "countersink.step"), "max_size_mm=3", top={**TOP, **FOUR})
    read, points, _ = check(job)
    told = job.json("result.json")["boundary_layers"]
    assert told["nodes_thinner"] == told["nodes_without"] == 0 and not read.of("pyramid")
    sides = {n for corners in read.of("quad").values() for n in corners}
    cone = [points[n] for n in sides if math.hypot(*points[n][:2]) < 8]
    ball = [points[n] for n in sides if math.hypot(points[n][0] - 22, points[n][1]) < 8]
    assert cone and all(abs(math.hypot(x, y) - 4 - (z - 7)) < 1e-6 for x, y, z in cone)
    assert ball and all(abs(math.dist(p, (22, 0, 11)) - 7) < 1e-6 for p in ball)


def test_a_layer_runs_out_where_the_solid_reaches_around_an_edge(parts):
    """It ended in the plane of the riser, below the tread: the riser's mesh went down there and back, a crack in the solid."""
    job = mesh(os.path.join(parts, "step.step"), "max_size_mm=4", "groups=" + json.dumps({"riser": {"plane": {"point": [0, 0, 5], "normal": [1, 0, 0]}}}),
               tread={"plane": {"point": [-5, 0, 0], "normal": [0, 0, 1]}, **FOUR})
    read, points, volume = check(job)
    riser = {n for number in read.groups["riser"] for n in read.elements[number][1]}
    assert min(points[n][2] for n in riser) > -1e-9 and volume == pytest.approx(12000, rel=1e-9)
    assert any("begins where the solid reaches around an edge" in w for w in job.json("result.json")["warnings"])


def test_thin_floors_get_thinner_layers():
    job = mesh(os.path.join(REPO, "tests", "fixtures", "field", "pocket.step"), all={**ALL, **FOUR})
    check(job)
    result = job.json("result.json")
    assert result["boundary_layers"]["nodes_thinner"] > 0 and 0.1 <= result["boundary_layers"]["least_share"] < 0.4
    assert any("thinner than asked" in w for w in result["warnings"]) and result["quality_metrics"]["sicn_min"] > 0.05


@pytest.mark.skipif(SANITIZED, reason="sentences; the code behind them runs above")
@pytest.mark.parametrize("wish, params, says", [
    ({**TOP, "layers": 4}, [], "needs first_height_mm"),
    ({**TOP, "layers": 4, "first_height_mm": 1e308}, [], "needs first_height_mm"),
    ({**TOP, "first_height_mm": 0.1}, [], "needs layers"),
    ({**TOP, "first_height_mm": 0.1, "layers": (1 << 32) + 4}, [], "needs layers"),
    ({**TOP, **FOUR, "growth": 0.9}, [], "growth that is not a number from 1 to 5"),
    (FOUR, [], "must"),
    ({"faces": [99], **FOUR}, [], "has no face"),
    ({**TOP, **FOUR}, ["element_order=2"], "cannot be combined with element_order=2"),
    ({**TOP, **FOUR}, ['quality_params={"ansys_mode": "FEA"}'], "ansys_mode=FEA, which means element_order=2"),
    ({**TOP, **FOUR}, ["target_elements=5000"], "cannot be combined with target_elements"),
    ({**TOP, **FOUR}, ["outputs=viewer"], "viewer.json tells of tetrahedra alone"),
    ({**TOP, **FOUR}, ["strategy=exhaustive"], "cannot be combined with strategy=exhaustive")], ids=lambda v: v if isinstance(v, str) else "")
def test_refused_before_meshing(wish, params, says):
    job = run("mesh", part("block.step"), *params, "boundary_layers=" + json.dumps({"top": wish}))
    assert job.code == BAD_INPUT and says in job.error, job.error


def test_too_many_prisms_are_refused_at_once():
    """A foil of 100 x 100 x 0.001 has room for few tetrahedra, and 80 million prisms on its two sides."""
    foil = os.path.join(REPO, "tests", "fixtures", "field", "foil.step")
    job = run("mesh", foil, "max_size_mm=0.15", "boundary_layers=" + json.dumps({"sides": {**ALL, "first_height_mm": 1e-6, "layers": 40}}))
    assert job.code == BAD_INPUT and "faces" not in job.stages and "boundary_layers" in job.error and "takes about 8" in job.error, job.error


def test_names_that_meet_need_the_same_number_of_layers():
    job = mesh(part("block.step"), top={**TOP, **FOUR}, floor={"normal": [0, 0, -1], "angle": 1, **FOUR, "layers": 3})
    assert job.code == BAD_INPUT and "must have the same number" in job.error
    job = mesh(part("block.step"), top={**TOP, **FOUR}, all={**ALL, **FOUR})
    assert job.code == BAD_INPUT and "a face has one kind of layers" in job.error
