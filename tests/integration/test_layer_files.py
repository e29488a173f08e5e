# SPDX-License-Identifier: MIT
"""The prisms and pyramids of `boundary_layers` in each file, in the programs that read it."""
import json
import os
import re
import subprocess

import pytest

import solvers
from daemon import REPO, SANITIZED
from mesh_readers import read_inp, read_unv
from test_boundary_layers import ENDS, FOUR, TOP, WALL, check
from test_gmsh_plugin import BARE, PLUGIN, folder, read_vtu, run  # noqa: F401 (folder: a fixture)

pytestmark = [pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built"),
              pytest.mark.skipif(SANITIZED, reason="other people's readers")]
FIELD = os.path.join(REPO, "tests", "fixtures", "field")
LIMIT = 0.07  # of SICN: some prisms, some pyramids and some tetrahedra are below


READS = (("nastran", "mesh.bdf"), ("jacobian", "mesh.med"), ("gmsh", "mesh.med"), ("meshio", "mesh.med"), ("vtk", "mesh.vtu"),
         ("gmsh", "mesh.msh"), ("gmsh", "mesh-2.2.msh"), ("h5py", "mesh.cgns"), ("vtk", "mesh.cgns"), ("meshio", "mesh.su2"))
# Layers that end at full height, in quadrangles of other faces; and layers that run out, in pyramids.
MESHES = {"quadrangles": ("pipe.step", {"wall": {**WALL, **FOUR}}, {"wall": WALL, **ENDS}),
          "pyramids": ("fillet.step", {"top": {**TOP, **FOUR}}, {"top": TOP})}


@pytest.fixture(scope="module", name="jobs")
def fixture_jobs(tmp_path_factory):
    """Each is read by all libraries in one go: they take longer to load than to read."""
    run.root = str(tmp_path_factory.mktemp("files"))
    made = {name: run("mesh", os.path.join(FIELD, path), "max_size_mm=4", "outputs=all", "binary=false", f"poor_below={LIMIT}",
                      "groups=" + json.dumps(groups), "boundary_layers=" + json.dumps(layers)) for name, (path, layers, groups) in MESHES.items()}
    reads = [(name, reader, file) for name, job in made.items() for reader, file in READS if file in job.artifacts]
    answers = solvers.read_all([(reader, os.path.join(made[name].folder, file)) for name, reader, file in reads])
    for name, job in made.items():
        job.found = {read[1:]: answer for read, answer in zip(reads, answers) if read[0] == name}
        job.cells, job.points, job.volume = check(job)
    return made


@pytest.fixture(params=MESHES)
def job(request, jobs):
    made = jobs[request.param]
    assert not [answer["error"] for answer in made.found.values() if "error" in answer]
    assert (len(made.cells.of("pyramid")) > 50) == (request.param == "pyramids") != (len(made.cells.of("quad")) > 50)
    return made


def found_in(job, reader, name):
    return job.found[reader, name]


def skin_groups(job):
    """Name of each group of faces -> its elements."""
    return {name: len(members) for name, members in job.cells.groups.items() if job.cells.elements[min(members)][0] in ("tri", "quad")}


# ---- CalculiX ----

def displaced(point):
    x, y, z = point
    return 1e-3 * x + 2e-4 * y - 3e-4 * z, 5e-4 * x - 1e-3 * y + 1e-4 * z, 2e-4 * x + 3e-4 * y + 7e-4 * z


def solve(job, solid="Eall", **parts):
    """Displacements by node: the lines of `parts` before and after *STEP."""
    with open(os.path.join(job.folder, "job.inp"), "w", encoding="ascii") as file:
        file.write("*INCLUDE, INPUT=mesh.inp\n*MATERIAL, NAME=steel\n*ELASTIC\n210000,0.3\n"
                   f"*SOLID SECTION, ELSET={solid}, MATERIAL=steel\n{parts.get('before', '')}*STEP\n*STATIC\n{parts['within']}*NODE PRINT, NSET=Nall\nU\n*END STEP\n")
    said = solvers.run([solvers.program("ccx", "calculix-ccx"), "job"], job.folder, OMP_NUM_THREADS="1")
    assert "*ERROR" not in said and "*WARNING" not in said, said[-3000:]
    with open(os.path.join(job.folder, "job.dat"), encoding="ascii") as file:
        return {int(line.split()[0]): tuple(map(float, line.split()[1:])) for line in file if re.match(r" +\d+( +[-0-9.E+]+){3}$", line)}


def test_calculix_passes_the_patch_test(job):
    """The nodes of all faces move as a linear function says: so do all within, if elements fit and their nodes are in order."""
    mesh = read_inp(job.read("mesh.inp"))
    outer = set().union(*(nodes for name, nodes in mesh.node_sets.items() if name in mesh.groups and mesh.elements[min(mesh.groups[name])][0] in ("tri", "quad")))
    lines = "".join(f"{n},{k},{k},{value:.14f}\n" for n in sorted(outer) for k, value in enumerate(displaced(mesh.points[n]), 1))
    moved = solve(job, within="*BOUNDARY\n" + lines)
    assert len(moved) == len(mesh.points) > len(outer) + 100
    for n, u in moved.items():
        assert u == pytest.approx(displaced(mesh.points[n]), abs=1e-7)


def test_calculix_has_sets_and_surfaces_of_all_cells(job):
    mesh = read_inp(job.read("mesh.inp"))
    counts = job.json("result.json")["counts"]
    solid = job.json("result.json")["solids"][0]["group"]
    assert len(mesh.of("tet")) == counts["tetrahedra"] and len(mesh.of("prism")) == counts["prisms"] + counts["pyramids"]
    assert mesh.groups[solid] == set(mesh.of("tet")) | set(mesh.of("prism")) and mesh.node_sets[solid] == set(mesh.points)
    for name, count in skin_groups(job).items():
        sides = [mesh.elements[n] for n in mesh.groups[name]]
        assert len(sides) == count and {n for _, corners in sides for n in corners} == mesh.node_sets[name]
    faces = set().union(*(members for name, members in mesh.groups.items() if name.startswith("face-")))
    mesh.elements = {n: mesh.elements[n] for n in faces}
    assert mesh.enclosed() == pytest.approx(job.volume, rel=1e-4), "sides look out, each face once"


def test_calculix_takes_pressure_on_quadrangles():
    """10 N/mm^2 on the end of a bar with layers on its long sides: it gets shorter by F l / E A."""
    sides = {f"side{axis}{sign}": {"normal": [0, sign, 0] if axis == "y" else [0, 0, sign], "angle": 1, **FOUR} for axis in "yz" for sign in (1, -1)}
    made = run("mesh", os.path.join(FIELD, "cantilever.step"), "outputs=inp", "max_size_mm=5", "boundary_layers=" + json.dumps(sides))
    text, mesh = made.read("mesh.inp").decode(), read_inp(made.read("mesh.inp"))
    kinds = {mesh.elements[n][0] for n in mesh.groups["face-2"]}
    parts = re.findall(r"^(face-2-S\d), S(\d)$", text, re.M)
    assert kinds == {"tri", "quad"} and {"3", "4", "5"} & {side for _, side in parts}
    for load in ("*DSLOAD\nface-2,P,10.\n", "*DLOAD\n" + "".join(f"{name},P{side},10.\n" for name, side in parts)):
        moved = solve(made, before="*BOUNDARY\nface-1,1,3\n", within=load)
        ends = [moved[n][0] for n in mesh.node_sets["face-2"]]
        assert sum(ends) / len(ends) == pytest.approx(-10 * 100 / 210000, rel=0.01)


# ---- the others ----

def test_nastran_takes_prisms_and_pyramids(job):
    counts, found = job.json("result.json")["counts"], found_in(job, "nastran", "mesh.bdf")
    wanted = {"CTETRA": counts["tetrahedra"], "CPENTA": counts["prisms"], "CPYRAM": counts["pyramids"], "CTRIA3": len(job.cells.of("tri")),
              "CQUAD4": len(job.cells.of("quad"))}
    assert found["cells"] == {card: count for card, count in wanted.items() if count}
    assert found["points"] == counts["nodes"] and found["least"] > 0 and found["volume"] == pytest.approx(job.volume, rel=1e-3)
    assert found["element_sets"] == [[i + 1 for i in job.json("quality.json")["poor_set"]["elements"]]]


def test_openfoam_takes_unv(job, tmp_path):
    own, case = solvers.FoamCase(tmp_path / "own"), solvers.FoamCase(tmp_path / "unv")
    subprocess.run(["tar", "xf", os.path.join(job.folder, "polyMesh.tar")], cwd=own.folder, check=True)
    case.run("ideasUnvToFoam", os.path.join(job.folder, "mesh.unv"))
    assert case.check() == pytest.approx(1e-9 * job.volume, rel=1e-5) and case.patches() == own.patches() == skin_groups(job)
    own.run("subsetMesh", "poor-elements", "-overwrite")
    cells = re.search(r"cells: +(\d+)", own.run("checkMesh"))
    assert int(cells.group(1)) == job.json("quality.json")["poor_set"]["count"]


def test_unv_has_groups_of_all_cells(job):
    mesh, counts = read_unv(job.read("mesh.unv")), job.json("result.json")["counts"]
    solid = job.json("result.json")["solids"][0]["group"]
    assert len(mesh.groups[solid]) == counts["tetrahedra"] + counts["prisms"] + counts["pyramids"]
    assert {name: len(members) for name, members in mesh.groups.items() if name in skin_groups(job)} == skin_groups(job)


def test_med_is_read_by_its_own_library_and_meshio(job):
    if "mesh.med" not in job.artifacts:
        pytest.skip("built without MED")
    jacobian, med, meshio = (found_in(job, reader, "mesh.med") for reader in ("jacobian", "gmsh", "meshio"))
    wanted = {name: len(job.cells.of(kind)) for kind, name in (("tet", "Tetrahedron 4"), ("prism", "Prism 6"), ("pyramid", "Pyramid 5")) if job.cells.of(kind)}
    assert {name: count for name, (count, _, _) in jacobian.items()} == wanted
    assert all(least > 0 for _, least, _ in jacobian.values()) and sum(size for *_, size in jacobian.values()) == pytest.approx(job.volume, rel=1e-3)
    poor = med["groups"].pop("poor-elements")
    assert poor == job.json("quality.json")["poor_set"]["count"]
    assert {name: count for name, count in med["groups"].items() if name in skin_groups(job)} == skin_groups(job)
    assert meshio["cells"].get("wedge") == len(job.cells.of("prism")) and meshio["cells"].get("quad", 0) == len(job.cells.of("quad"))


def test_flow_solvers_get_all_cells_and_sides(job):
    counts, su2 = job.json("result.json")["counts"], found_in(job, "meshio", "mesh.su2")
    wanted = {"tetra": counts["tetrahedra"], "wedge": counts["prisms"], "pyramid": counts["pyramids"], "triangle": len(job.cells.of("tri")), "quad": len(job.cells.of("quad"))}
    assert su2["cells"] == {kind: count for kind, count in wanted.items() if count} and sorted(su2["sets"].values()) == sorted(skin_groups(job).values())
    if "mesh.cgns" not in job.artifacts:
        pytest.skip("built without CGNS")
    cgns = found_in(job, "vtk", "mesh.cgns")
    assert skin_groups(job).items() <= cgns["patches"].items() and cgns["volume"] == pytest.approx(job.volume, rel=1e-4)


def test_the_poor_elements_of_layers_are_in_the_sets(job):
    """Numbered tetrahedra first, then prisms, then pyramids."""
    elements, sicn = job.json("quality.json")["poor_set"]["elements"], read_vtu(job.read("mesh.vtu"))["sicn"]
    tets = len(job.cells.of("tet"))
    assert elements == [i for i, value in enumerate(sicn) if value < LIMIT] and any(i >= tets for i in elements) and len(elements) < len(sicn)
    assert job.json("result.json")["poor_set"]["count"] == len(elements) and found_in(job, "vtk", "mesh.vtu")["poor"] == elements
    for name, reader in (("mesh.inp", read_inp), ("mesh.unv", read_unv)):
        assert reader(job.read(name)).groups["poor-elements"] == {i + 1 for i in elements}
    for name in ("mesh.msh", "mesh-2.2.msh"):
        (found, values), = found_in(job, "gmsh", name)["views"]
        assert (found, values) == (elements, pytest.approx([sicn[i] for i in elements], rel=1e-6))
    if "mesh.cgns" in job.artifacts:
        assert found_in(job, "h5py", "mesh.cgns")["regions"] == {"poor-elements": [i + 1 for i in elements]}


# ---- checkMesh's measures ----

SAID = {"non_orthogonality": r"non-orthogonality Max: (\S+) average: (\S+)", "skewness": r"Max skewness = ([0-9.]+)", "aspect_ratio": r"Max aspect ratio = ([0-9.]+)"}


def compare(made, case):
    """What result.json tells of polyMesh.tar is what checkMesh says."""
    subprocess.run(["tar", "xf", os.path.join(made.folder, "polyMesh.tar")], cwd=case.folder, check=True)
    said, told = case.run("checkMesh"), made.json("result.json")["openfoam"]
    for name, pattern in SAID.items():
        value, *mean = map(float, re.search(pattern, said).groups())
        assert told[name]["max"] == pytest.approx(value, rel=1e-4), name
        assert not mean or told["non_orthogonality_mean"] == pytest.approx(mean[0], rel=1e-4)
    severe, skew = (re.search(pattern, said) for pattern in (r"severely non-orthogonal .*faces: (\d+)", r"(\d+) highly skew"))
    assert told["non_orthogonality"]["past_limit"] == (int(severe.group(1)) if severe else 0)
    assert told["skewness"]["past_limit"] == (int(skew.group(1)) if skew else 0)
    return said, told


def test_the_measures_are_those_of_checkmesh(job, tmp_path):
    compare(job, solvers.FoamCase(tmp_path))
    assert "non-orthogonality at most" in job.read("report.html").decode()


def test_a_coarse_round_fails_checkmesh_and_a_warning_says_where(tmp_path):
    """Three edges around the shaft, which the user asks for by curvature=1.  A plain request gets twelve, and sound prisms."""
    shaft, wish = os.path.join(FIELD, "shaft.step"), "boundary_layers=" + json.dumps({"all": {"box": [-1000, -1000, -1000, 1000, 1000, 1000], **FOUR}})
    coarse = run("mesh", shaft, "outputs=foam", wish, "curvature=1")
    said, told = compare(coarse, solvers.FoamCase(tmp_path / "coarse"))
    place = "near ({:.6g}, {:.6g}, {:.6g})".format(*told["skewness"]["at"])
    assert "Failed 1 mesh checks" in said and told["skewness"]["past_limit"] > 0
    assert any("checkMesh will fail for skewness" in w and place in w for w in coarse.json("result.json")["warnings"])
    plain = run("mesh", shaft, "outputs=foam", wish)
    said, told = compare(plain, solvers.FoamCase(tmp_path / "plain"))
    layers = plain.json("result.json")["boundary_layers"]
    assert "Mesh OK." in said and told["skewness"]["max"] < 3 and layers["nodes_thinner"] == layers["nodes_without"] == 0
