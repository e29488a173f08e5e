# SPDX-License-Identifier: MIT
"""The files for CalculiX, Nastran and OpenFOAM, in the programs themselves."""
import json
import os
import re

import pytest

import solvers
from daemon import REPO, SANITIZED
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from mesh_readers import read_inp, read_unv
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = [pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built"),
              pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")]
BEAM = os.path.join(REPO, "tests", "fixtures", "field", "cantilever.step")  # 100 x 10 x 10 mm along x; its ends are face-1 and face-2
PATCHES = {f"face-{i}" for i in range(1, 7)}


def path_of(job, name):
    assert name in job.artifacts, job.error
    return os.path.join(job.folder, name)


# ---- CalculiX ----

ANALYSIS = """*INCLUDE, INPUT=mesh.inp
*MATERIAL, NAME=steel
*ELASTIC
{modulus},0.3
*SOLID SECTION, ELSET={solid}, MATERIAL=steel
*BOUNDARY
face-1,1,3
*STEP
*STATIC
{load}
*NODE PRINT, NSET={end}
U
*END STEP
"""


def bend(job, load, modulus=210000, solid=None, end="face-2"):
    """How far the free end moves on average, in x, y and z."""
    solid = solid or job.json("result.json")["solids"][0]["group"]
    with open(os.path.join(job.folder, "job.inp"), "w", encoding="ascii") as file:
        file.write(ANALYSIS.format(modulus=modulus, solid=solid, load=load, end=end))
    said = solvers.run([solvers.program("ccx", "calculix-ccx"), "job"], job.folder, OMP_NUM_THREADS="1")
    assert "*ERROR" not in said, said[-3000:]
    with open(os.path.join(job.folder, "job.dat"), encoding="ascii") as file:
        moved = [tuple(map(float, line.split()[1:])) for line in file if re.match(r" +\d+( +[-0-9.E+]+){3}$", line)]
    assert moved
    return [sum(axis) / len(moved) for axis in zip(*moved)]


def end_load(job):
    """100 N down, shared by the nodes of the free end."""
    return f"*CLOAD\nface-2,3,{-100 / len(read_inp(job.read('mesh.inp')).node_sets['face-2'])}"


def test_calculix_bends_a_beam():
    """Theory, with shear: 0.192 mm."""
    job = run("mesh", BEAM, "outputs=inp", "element_order=2")
    assert bend(job, end_load(job))[2] == pytest.approx(-0.1903, rel=0.005)


def test_calculix_glues_two_bars(parts):
    """Two halves with nodes of their own, glued by the lines that mesh.inp holds as comments, get shorter as one bar does."""
    job = run("mesh", os.path.join(parts, "one_bar.step"), "outputs=inp", "max_size_mm=5", "assembly=imprint", "element_order=2",
              'groups={"end": {"plane": {"point": [100, 0, 0], "normal": [1, 0, 0]}}}')
    assert [(c["area"], c["gap"], c["faces"]) for c in job.json("result.json")["contacts"]] == [(pytest.approx(100), 0, [1, 1])]
    path = path_of(job, "mesh.inp")
    text = job.read("mesh.inp").decode()
    assert text.count("** *TIE") == 1
    with open(path, "w", encoding="ascii") as file:
        file.write(text.replace("** *TIE", "*TIE").replace("** contact", "contact"))
    assert bend(job, "*DSLOAD\nend,P,10.", solid="Eall", end="end")[0] == pytest.approx(-10 * 100 / 210000, rel=0.01)


def test_calculix_takes_pressure_on_a_surface():
    """10 N/mm^2 on the end: it gets shorter by F l / E A, as linear elements have it too. *DSLOAD takes the surface, *DLOAD its parts."""
    for order in (1, 2):
        job = run("mesh", BEAM, "outputs=inp", f"element_order={order}")
        text = job.read("mesh.inp").decode()
        assert "CPS" not in text and job.folder not in text and "/" not in text
        parts = re.findall(r"^(face-2-S\d), S(\d)$", text, re.M)
        for load in ("*DSLOAD\nface-2,P,10.", "*DLOAD\n" + "\n".join(f"{name},P{side},10." for name, side in parts)):
            assert bend(job, load)[0] == pytest.approx(-10 * 100 / 210000, rel=0.01)


def test_calculix_in_metres():
    job = run("mesh", BEAM, "outputs=inp", "element_order=2", "output_unit=m")
    assert bend(job, end_load(job), modulus=2.1e11)[2] == pytest.approx(-0.1903e-3, rel=0.005)


def test_a_solid_called_as_our_own_set(tmp_path):
    """Sets of one name are one set, whatever the case of its letters: then ours gives way."""
    with open(BEAM, encoding="ascii") as file:
        text = file.read().replace("Open CASCADE STEP translator 7.9 1", "eALL")
    path = tmp_path / "renamed.step"
    path.write_text(text, encoding="ascii")
    job = run("mesh", str(path), "outputs=inp", "max_size_mm=10")
    assert job.json("result.json")["solids"][0]["group"] == "eALL"
    assert len(re.findall(rb"ELSET=eall\b", job.read("mesh.inp"), re.I)) == 1
    assert bend(job, "*DSLOAD\nface-2,P,10.")[0] == pytest.approx(-10 * 100 / 210000, rel=0.01)


# ---- Nastran ----

@pytest.mark.parametrize("order", [1, 2])
def test_nastran_takes_the_deck(order):
    job = run("mesh", BEAM, "outputs=bdf", f"element_order={order}")
    counts = job.json("result.json")["counts"]
    found = solvers.read("nastran", path_of(job, "mesh.bdf"))
    assert found["points"] == counts["nodes"] and found["volume"] == pytest.approx(10000, rel=1e-9)
    assert found["cells"] == {"CTETRA": counts["tetrahedra"], {1: "CTRIA3", 2: "CTRIA6"}[order]: counts["triangles"]}
    assert sorted(found["properties"].values()) == ["PSHELL"] * 6 + ["PSOLID"] and found["materials"] == 2
    for line in re.findall(r"^(?:GRID\*.{68}\n\*.{7}.*)$", job.read("mesh.bdf").decode(), re.M):
        fields = line[40:56], line[56:72], line[81:]
        assert all("." in f or "e" in f for f in fields), "a real is no integer"


# ---- OpenFOAM ----

def unpacked(job, folder):
    case = solvers.FoamCase(folder)
    solvers.run(["tar", "xf", path_of(job, "polyMesh.tar"), "-C", case.folder], case.folder)
    return case


def test_openfoam_takes_unv_with_its_patches(tmp_path):
    job = run("mesh", BEAM, "outputs=unv")
    case = solvers.FoamCase(tmp_path)
    case.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    patches = case.patches()
    assert set(patches) == PATCHES and sum(patches.values()) == job.json("result.json")["counts"]["triangles"]
    assert case.check() == pytest.approx(1e-5, rel=1e-6), "the file says that it is in millimetres"


def test_groups_of_the_user_are_patches_of_unv(tmp_path):
    job = run("mesh", BEAM, "outputs=unv,foam", 'groups={"fixed": {"normal": [-1, 0, 0]}, "top": {"normal": [0, 0, 1]}}')
    own, case = unpacked(job, tmp_path / "own"), solvers.FoamCase(tmp_path / "unv")
    case.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    assert {"fixed", "top"} <= set(case.patches()) and case.patches() == own.patches()
    case.check()


def test_openfoam_takes_unv_of_solids_that_share_a_face(tmp_path):
    """The shared face cannot be a patch; the other groups are what they are in a polyMesh of ours."""
    job = run("mesh", part("assembly.step"), "outputs=unv,foam", "max_size_mm=5", "assembly=conformal")
    own, case = unpacked(job, tmp_path / "own"), solvers.FoamCase(tmp_path / "unv")
    case.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    assert case.check() == pytest.approx(8512e-9, rel=1e-6)
    assert case.patches() == own.patches() and len(own.patches()) == 16
    groups = read_unv(job.read("mesh.unv")).groups
    assert len(groups) == 3 + 17, "and the shared face has its group in the file"


@pytest.mark.parametrize("groups, patch", [({"every face": {"pattern": "*"}}, "every_face"), ({"up": {"normal": [0, 0, 1]}}, "up")])
def test_openfoam_takes_unv_of_a_group_that_is_partly_inside(tmp_path, groups, patch):
    """All faces, and those that look up: the face between base and cover is one of them.  ideasUnvToFoam took such a group for a
    zone of cells, on which checkMesh crashed, or ended itself."""
    job = run("mesh", part("assembly.step"), "outputs=unv,foam", "max_size_mm=5", "assembly=conformal", "groups=" + json.dumps(groups))
    own, case = unpacked(job, tmp_path / "own"), solvers.FoamCase(tmp_path / "unv")
    case.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    assert case.check() == pytest.approx(8512e-9, rel=1e-6)
    assert case.patches() == own.patches() and patch in own.patches()
    found = read_unv(job.read("mesh.unv")).groups
    assert len(found[patch]) == own.patches()[patch] and len(found[patch + "-inside"]) == 66


@pytest.mark.parametrize("unit", ["m", "inch", "um", "cm", "ft"])
def test_unv_says_its_unit(tmp_path, unit):
    job = run("mesh", BEAM, "outputs=unv", f"output_unit={unit}", "max_size_mm=10")
    case = solvers.FoamCase(tmp_path)
    case.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    assert case.check() == pytest.approx(1e-5, rel=1e-6)


def test_openfoam_takes_polymesh(tmp_path):
    job = run("mesh", BEAM, "outputs=foam,unv")
    case, other = unpacked(job, tmp_path / "own"), solvers.FoamCase(tmp_path / "unv")
    other.run("ideasUnvToFoam", path_of(job, "mesh.unv"))
    assert case.check() == pytest.approx(1e-5, rel=1e-6)
    assert case.patches() == other.patches()
    assert job.json("result.json")["files"] == [{"name": "mesh.unv", "unit": "mm", "factor": 1},
                                                {"name": "polyMesh.tar", "unit": "m", "factor": 0.001}]


@pytest.mark.parametrize("assembly,zone,regions", [("separate", False, 3), ("conformal", True, 2)])
def test_polymesh_of_an_assembly(tmp_path, assembly, zone, regions):
    """Three boxes: a zone each; where two share a face, it is a zone of faces and not a patch."""
    job = run("mesh", part("assembly.step"), "outputs=foam", "max_size_mm=5", f"assembly={assembly}")
    case = unpacked(job, tmp_path)
    assert case.check() == pytest.approx(8512e-9, rel=1e-6)
    said = case.run("checkMesh", "-allTopology", "-allGeometry")
    volumes = {name: float(volume) for name, volume in re.findall(r"^ +(base|cover_plate|bolt) +\d+ +\d+ +(\S+)", said, re.M)}
    assert volumes == {"base": pytest.approx(4e-6), "cover_plate": pytest.approx(4e-6), "bolt": pytest.approx(512e-9)}
    assert ("No faceZones found" not in said) == zone
    assert int(re.search(r"Number of regions: (\d+)", said).group(1)) == regions
    with open(os.path.join(case.folder, "constant", "polyMesh", "boundary"), encoding="ascii") as file:
        assert "defaultFaces" not in file.read()


# ---- all of them ----

def test_the_same_bytes_each_time():
    """Of everything that holds no seconds.  The CGNS library puts the time and what lay on its stack into the file, unless it is stopped."""
    one, two = (run("mesh", part("assembly.step"), "outputs=all", "max_size_mm=5", "deterministic=true", "poor_below=0.5") for _ in range(2))
    assert one.artifacts == two.artifacts and {"mesh.msh", "mesh.inp", "mesh.unv", "mesh.bdf", "polyMesh.tar"} <= set(one.artifacts)
    for name in set(one.artifacts) - {"result.json", "report.html"}:
        assert one.read(name) == two.read(name), name


@pytest.mark.parametrize("unit,mm", [("mm", 1), ("m", 1000), ("inch", 25.4)])
def test_every_file_has_the_unit(unit, mm):
    """Each reader of ours finds the same volume in the unit that was asked for; half as long makes an eighth."""
    import test_outputs
    for scale in (1, 0.5):
        job = run("mesh", part("block.step"), "outputs=all", "binary=false", "max_size_mm=6", f"output_unit={unit}", f"scale={scale}")
        result = job.json("result.json")
        wanted = result["mesh_volume"] * (scale / mm) ** 3
        for name, read in test_outputs.READERS.items():
            assert read(job.read(name)).volume() == pytest.approx(wanted, rel=1e-5), name
        files = {f["name"]: f for f in result["files"]}
        assert set(files) <= set(job.artifacts) and {f["unit"] for f in files.values()} == {unit}
        assert all(f["factor"] == pytest.approx(scale / mm, rel=1e-12) for f in files.values())
        assert (result["options"]["output_unit"], result["options"]["scale"]) == (unit, scale)


def test_a_file_without_a_unit_is_not_converted(tmp_path):
    job = run("mesh", part("block_binary.stl"), "outputs=foam,vtu", "output_unit=m")
    assert job.code == BAD_INPUT and "scale" in job.error
    job = run("mesh", part("block_binary.stl"), "outputs=foam")
    assert "scale=0.001" in job.json("result.json")["warnings"][0]
    whole = unpacked(job, tmp_path / "whole").check()
    job = run("mesh", part("block_binary.stl"), "outputs=foam", "scale=0.001")
    result = job.json("result.json")
    assert result["files"] == [{"name": "polyMesh.tar", "unit": "file", "factor": 0.001}] and not result["warnings"]
    assert unpacked(job, tmp_path / "small").check() == pytest.approx(whole * 1e-9, rel=1e-5)


def test_polymesh_has_no_ten_node_cells():
    job = run("mesh", BEAM, "outputs=foam", "element_order=2")
    assert job.code == BAD_INPUT and "element_order=1" in job.error
