# SPDX-License-Identifier: MIT
"""dimension=2: meshes of faces alone, for shells and plane problems, in every format that holds them."""
import json
import os
import re

import pytest
import solvers
from daemon import REPO, SANITIZED
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")
readers = pytest.mark.skipif(SANITIZED, reason="the readers' own libraries, which no sanitizer of ours watches")
ALL = "outputs=msh,msh2,vtu,stl,inp,unv,bdf,cgns"
EDGES = {"left": {"of": "edges", "box": [0, 0, 0, 0, 40, 0]}, "hole": {"of": "edges", "cylinder": {"point": [30, 20, 0], "axis": [0, 0, 1], "radius": 8}}}
BLOCK_TOP = {"normal": [0, 0, 1]}


def field(name):
    return os.path.join(REPO, "tests", "fixtures", "field", name)


def mesh(path, *params, groups=None):
    return run("mesh", path, "dimension=2", *params, *(["groups=" + json.dumps(groups)] if groups else []))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    run.root = str(tmp_path_factory.mktemp("faces"))
    plate = field("plate_hole.brep")
    return {"triangles": mesh(plate, ALL + ",su2", groups=EDGES), "quads": mesh(plate, ALL + ",su2", "quads=true", groups=EDGES),
            "triangles 2": mesh(plate, ALL, "element_order=2", "max_size_mm=12", groups=EDGES),
            "quads 2": mesh(plate, ALL, "element_order=2", "max_size_mm=12", "quads=true", groups=EDGES),
            "top of a solid": mesh(part("block.step"), ALL, "faces=" + json.dumps(BLOCK_TOP)),
            "tee": mesh(field("tee.brep"), ALL, "assembly=conformal")}


@pytest.fixture(scope="module")
def found(jobs):
    wanted = [(name, reader, file) for name, job in jobs.items() for reader, file in (
        ("meshio", "mesh.msh"), ("meshio", "mesh-2.2.msh"), ("meshio", "mesh.vtu"), ("meshio", "mesh.stl"), ("meshio", "mesh.su2"), ("gmsh", "mesh.msh"),
        ("vtk", "mesh.vtu"), ("vtk", "mesh.stl"), ("vtk", "mesh.cgns"), ("nastran", "mesh.bdf"), ("skfem", "mesh-2.2.msh")) if file in job.artifacts
        and (reader != "skfem" or name in ("triangles", "quads"))]
    got = solvers.read_all([(reader, os.path.join(jobs[name].folder, file)) for name, reader, file in wanted])
    for where, answer in zip(wanted, got):
        assert "error" not in answer, (where, answer["error"][-2000:])
    return dict(zip(wanted, got))


def result(job):
    assert job.code == 0, job.error
    return job.json("result.json")


def counts_of(job):
    counts = result(job)["counts"]
    return counts["triangles"], counts["quadrangles"]


def test_area_and_counts(jobs):
    for name, area, rel in (("triangles", 3798.938, 0.003), ("quads", 3798.938, 0.003), ("triangles 2", 3798.938, 2e-5), ("quads 2", 3798.938, 2e-5),
                            ("top of a solid", None, 0), ("tee", 7000, 1e-9)):
        r = result(jobs[name])
        assert r["dimension"] == 2 and r["mesh_volume"] is None and r["geometry"]["volumes"] == 0 and not r["solids"]
        assert r["total_elements"] == sum(counts_of(jobs[name])) > 50
        assert r["deviation"]["cad_area"] == pytest.approx(area or r["deviation"]["cad_area"], rel=1e-6)
        assert r["mesh_area"] == pytest.approx(r["deviation"]["cad_area"], rel=rel or 0.003)
        assert r["quality_metrics"]["sicn_min"] > 0.3 and r["quality_metrics"]["min_angle_min"] > 25
    assert counts_of(jobs["triangles"])[1] == 0 and counts_of(jobs["quads"])[1] > 10 * counts_of(jobs["quads"])[0]


def test_pieces_and_rims(jobs):
    """A web on a flange is a second piece until it is asked for; then the elements of three sides meet along its foot."""
    assert result(jobs["tee"])["surface"]["pieces"] == 1 and result(jobs["tee"])["surface"]["branching_sides"] > 10
    assert result(jobs["top of a solid"])["surface"]["open_sides"] > 20
    apart = result(mesh(field("tee.brep"), "outputs=vtu", "max_size_mm=10"))
    assert apart["surface"]["pieces"] == 2 and "assembly=conformal" in " ".join(apart["warnings"])
    skin = result(mesh(part("block.step"), "outputs=vtu", "max_size_mm=8"))
    assert skin["surface"] == {"pieces": 1, "open_sides": 0, "branching_sides": 0}


@readers
def test_every_reader_counts_the_same(jobs, found):
    words = {"triangles": ("triangle", "quad"), "2": ("triangle6", "quad8")}
    for (name, reader, file), got in found.items():
        r, second = result(jobs[name]), name.endswith("2")
        elements = dict(zip(words["2" if second else "triangles"], counts_of(jobs[name])))
        elements = {kind: n for kind, n in elements.items() if n}
        if file == "mesh.stl":
            assert got["area"] == pytest.approx(r["mesh_area"], rel=0.003), (name, reader)
            continue
        assert got["points"] == r["counts"]["nodes"], (name, reader, file)
        if reader == "meshio":
            cells = {kind: n for kind, n in got["cells"].items() if not kind.startswith("line")}
            assert cells == elements, (name, file)
            assert file == "mesh.vtu" or sum(got["cells"].values()) == r["total_elements"] + r["counts"]["lines"]
        elif reader == "vtk":
            assert got["cells"] == r["total_elements"] and not got["complaints"], (name, file)
        if "area" in got:
            assert got["area"] == pytest.approx(r["mesh_area"], rel=0.003), (name, reader, file)


@readers
def test_groups_of_edges(jobs, found):
    for name in ("triangles", "quads", "triangles 2", "quads 2"):
        near = {"left": 40, "hole": 2 * 3.14159 * 8}
        for reader, file in (("meshio", "mesh.msh"), ("meshio", "mesh-2.2.msh")):
            sizes = found[name, reader, file]["sizes"]
            assert {group: sizes[group] for group in near} == pytest.approx(near, rel=0.02), (name, file)
        patches = found[name, "vtk", "mesh.cgns"]["patches"]
        assert {"left", "hole", "edge-1"} <= set(patches) and patches["hole"] >= 12
        assert len(found[name, "nastran", "mesh.bdf"]["node_sets"]) >= 5
    for name in ("triangles", "quads"):
        assert found[name, "skfem", "mesh-2.2.msh"]["sizes"]["left"] == pytest.approx(40)
        assert found[name, "meshio", "mesh.su2"]["cells"].get("line") == result(jobs[name])["counts"]["lines"]
    groups = {g["name"]: g for g in result(jobs["quads"])["groups"]}
    assert groups["left"]["length"] == pytest.approx(40) and len(groups["left"]["edges"]) == 1


@pytest.mark.skipif(SANITIZED, reason="the ladder, which has nothing new but its order")
def test_triangles_where_quadrangles_fail():
    """Some of the quadrangles of this bracket have a corner that looks in, whatever algorithm makes them."""
    r = result(mesh(field("bracket.step"), "outputs=vtu", "quads=true", "max_size_mm=20"))
    assert r["strategy"] == "triangles" and r["counts"]["quadrangles"] == 0 and r["counts"]["triangles"] > 100
    assert "triangles alone, because with quadrangles" in " ".join(r["warnings"])


def turns(job):
    """Twice the signed area of each element of mesh.su2: below 0 where its corners go clockwise."""
    lines = job.read("mesh.su2").decode().splitlines()
    at = {lines[i].split("=")[0]: i for i in range(len(lines)) if "=" in lines[i]}
    number = {key: int(lines[i].split("=")[1]) for key, i in at.items() if key in ("NELEM", "NPOIN")}
    points = [tuple(map(float, line.split()[:2])) for line in lines[at["NPOIN"] + 1:][:number["NPOIN"]]]
    for line in lines[at["NELEM"] + 1:][:number["NELEM"]]:
        p = [points[int(n)] for n in line.split()[1:-1]]
        yield sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(p, p[1:] + p[:1]))


def test_loose_faces_are_sewn_and_look_up():
    """Two plates that share no edge, of which one looks down."""
    job = mesh(field("two_plates.brep"), "outputs=su2,inp", "inp_elements=plane_strain", "max_size_mm=8")
    r = result(job)
    assert r["surface"]["pieces"] == 1 and r["surface"]["branching_sides"] == 0 and "were sewn" in " ".join(r["warnings"])
    areas = list(turns(job))
    assert min(areas) > 0 and sum(areas) / 2 == pytest.approx(4000)
    assert "TYPE=CPE3" in job.read("mesh.inp").decode() and "opposite sides" not in " ".join(r["warnings"])
    markers = re.findall(r"MARKER_TAG= (\S+)", job.read("mesh.su2").decode())
    assert len(markers) == 6, "the edge between the plates bounds nothing"


def analyse(job, tmp_path, section, load, order):
    """The largest displacement that CalculiX finds."""
    solvers.program("ccx", "calculix-ccx")
    with open(tmp_path / "mesh.inp", "wb") as file:
        file.write(job.read("mesh.inp"))
    (tmp_path / "job.inp").write_text(f"""*INCLUDE, INPUT=mesh.inp
*MATERIAL, NAME=steel
*ELASTIC
210000, 0.
{section}
*BOUNDARY
fixed, 1, {order}
*STEP
*STATIC
{load}
*NODE PRINT, NSET=Nall
U
*END STEP
""")
    solvers.run(["ccx", "job"], str(tmp_path))
    rows = [line.split() for line in (tmp_path / "job.dat").read_text().splitlines()]
    return max(max(abs(float(v)) for v in row[1:]) for row in rows if len(row) == 4 and row[0].isdigit())


FIXED = {"fixed": {"of": "edges", "box": [0, 0, 0, 0, 20, 0]}, "end": {"of": "edges", "box": [100, 0, 0, 100, 20, 0]}, "all": {"normal": [0, 0, 1]}}


@readers
@pytest.mark.parametrize("quads", ("true", "false"))
def test_shells_bend_as_they_should(tmp_path, quads):
    """A strip of 100 x 20 x 2 under 0.01 N/mm2: q L^4 / 8 E I = 20 * 0.01 * 1e8 / (8 * 210000 * 13.33)."""
    job = mesh(field("strip.brep"), "outputs=inp", "max_size_mm=5", "element_order=2", f"quads={quads}", groups=FIXED)
    tip = analyse(job, tmp_path, "*SHELL SECTION, ELSET=Eall, MATERIAL=steel\n2.", "*DSLOAD\nall, P, 0.01", 6)
    assert tip == pytest.approx(0.892857, rel=0.02)


@readers
@pytest.mark.parametrize("quads", ("true", "false"))
def test_plane_stress_pulls_as_it_should(tmp_path, quads):
    """100 N/mm2 on the end: 100 / 210000 * 100 mm."""
    job = mesh(field("strip.brep"), "outputs=inp", "max_size_mm=5", f"quads={quads}", "inp_elements=plane_stress", groups=FIXED)
    end = analyse(job, tmp_path, "*SOLID SECTION, ELSET=Eall, MATERIAL=steel\n2.", "*DSLOAD\nend, P, -100.", 2)
    assert end == pytest.approx(100 / 210000 * 100, rel=1e-4)


def test_the_page_and_the_numbers_speak_of_areas(jobs):
    page = jobs["quads"].read("report.html").decode()
    assert "Surface mesh of a BREP file" in page and "quadrangles" in page and "<dt>area</dt>" in page and "tetrahedr" not in page
    quality = jobs["quads"].json("quality.json")
    assert quality["elements"] == "triangles and quadrangles" and quality["count"] == result(jobs["quads"])["total_elements"]
    assert "min_angle" in quality["measures"] and len(quality["worst"]) == 10
    assert all(abs(w["at"][2]) < 1e-9 for w in quality["worst"])


def test_all_means_what_can_be_written():
    """mesh.su2 of faces is plane: who asks for all gets the others, as with middle nodes."""
    names = {f["name"] for f in result(mesh(field("tee.brep"), "outputs=all"))["files"]}
    assert {"mesh.msh", "mesh.inp", "mesh.unv"} <= names and "mesh.su2" not in names
    assert "mesh.su2" in {f["name"] for f in result(mesh(field("strip.brep"), "outputs=all"))["files"]}


@pytest.mark.skipif(SANITIZED, reason="sentences; the code behind them runs above")
@pytest.mark.parametrize("path, params, says", [
    (field("tee.brep"), ["outputs=su2"], "must lie in a plane of one z"),
    (field("strip.brep"), ["outputs=foam"], "dimension=2 makes none"),
    (field("strip.brep"), ["strategy=exhaustive"], "strategy is for tetrahedra"),
    (field("strip.brep"), ["faces=" + json.dumps({"normal": [1, 0, 0]})], "has no face"),
    (field("strip.brep"), ["groups=" + json.dumps({"rim": {"edges": [99]}})], "has no edge"),
    (part("block.stl"), [], "is a mesh of triangles already")], ids=str)
def test_refused_with_a_sentence(path, params, says):
    job = mesh(path, *params)
    assert job.code == BAD_INPUT and says in job.error


@pytest.mark.skipif(SANITIZED, reason="sentences; the code behind them runs above")
def test_a_mesh_of_solids_says_what_faces_need():
    assert "dimension=2" in run("mesh", field("tee.brep")).error
    assert "ask for dimension=2 as well" in run("mesh", part("block.step"), "faces=" + json.dumps(BLOCK_TOP)).error
