# SPDX-License-Identifier: MIT
"""Each mesh file is read by the programs that people read it with, not by readers of ours: every part below in both
orders, in binary and as text.  What they find is compared with result.json and with the CAD kernel's own measures."""
import collections
import json
import os
import re
import subprocess

import pytest

import solvers
from daemon import SANITIZED
from mesh_readers import read_inp, read_unv
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, read_vtu, run  # noqa: F401 (folder: a fixture)

pytestmark = [pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built"),
              pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")]

LIMIT = 0.4  # of SICN, for poor elements
CANTILEVER = os.path.join(os.path.dirname(__file__), "..", "fixtures", "field", "cantilever.step")
DEBIAN_PYTHON = "/usr/bin/python3"  # the one that python3-gmsh is for
Case = collections.namedtuple("Case", "part assembly order binary")
CASES = ([Case(name, "separate", order, binary) for name in ("block.step", "assembly.step") for order in (1, 2) for binary in ("true", "false")]
         + [Case(name, how, order, "true") for name, how in (("assembly.step", "conformal"), ("block.stl", "separate")) for order in (1, 2)])
FILES = {"mesh.msh": ("meshio", "skfem", "gmsh"), "mesh-2.2.msh": ("meshio", "skfem", "gmsh"), "mesh.vtu": ("meshio", "vtk"),
         "mesh.stl": ("meshio", "vtk", "gmsh"), "mesh.su2": ("meshio",)}
ELEMENTS = {("meshio", 1): ("tetra", "triangle"), ("meshio", 2): ("tetra10", "triangle6"),
            ("gmsh", 1): ("Tetrahedron 4", "Triangle 3"), ("gmsh", 2): ("Tetrahedron 10", "Triangle 6")}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.part}-{c.assembly}-{c.order}-{'binary' if c.binary == 'true' else 'text'}")
# Sizes and middles of the CAD's faces and solids, by the CAD kernel.
MEASURE = """import gmsh, json, sys
gmsh.initialize()
gmsh.option.setNumber("General.Terminal", 0)
gmsh.option.setString("Geometry.OCCTargetUnit", "MM")
gmsh.open(sys.argv[1])
occ = gmsh.model.occ
json.dump([{tag: (occ.getMass(dim, tag), occ.getCenterOfMass(dim, tag)) for _, tag in occ.getEntities(dim)} for dim in (2, 3)], sys.stdout)
"""


def mesh(case, **more):
    path = part(case.part)
    return run("mesh", path, "outputs=msh,msh2,vtu,stl" + (",su2" if case.order == 1 else ""), "max_size_mm=6",
               f"assembly={case.assembly}", f"element_order={case.order}", f"binary={case.binary}", **more)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    run.root = str(tmp_path_factory.mktemp("readers"))
    return {case: mesh(case) for case in CASES}


def path_of(job, name):
    return os.path.join(job.folder, name)


def pairs_of(jobs, readers=FILES):
    return [(case, reader, name) for case, job in jobs.items() for name, by in readers.items() if name in job.artifacts for reader in by]


@pytest.fixture(scope="module")
def found(jobs):
    """What each reader finds in each file of each job; one process reads them all, because its libraries load for seconds."""
    wanted = pairs_of(jobs)
    return dict(zip(wanted, solvers.read_all([(reader, path_of(jobs[case], name)) for case, reader, name in wanted])))


@pytest.fixture(scope="module")
def measured():
    """The CAD kernel's (faces, solids) of a part: tag -> (size, middle).  A cut leaves names and numbers to what they were."""
    kept = {}

    def measure(name):
        if name not in kept:
            done = subprocess.run([DEBIAN_PYTHON, "-c", MEASURE, part(name)], capture_output=True, text=True, check=False)
            if "No module named" in done.stderr:
                pytest.skip("python3-gmsh is missing")
            assert done.returncode == 0, done.stderr[-2000:]
            kept[name] = json.loads(done.stdout)
        return kept[name]
    return measure


def read_by(found, case, reader, name):
    got = found[case, reader, name]
    assert "error" not in got, f"{reader} does not read {name}:\n{got['error'][-3000:]}"
    return got


def solids_of(job, name):
    """What the file calls each solid -> its number.  4.1 holds names as they are; result.json's `group` is the plain one."""
    word = "name" if name == "mesh.msh" else "group"
    return {s[word]: s["solid"] for s in job.json("result.json")["solids"]} or {"solid": 1}  # an STL's is made while it is meshed


def faces_in(names):
    return {name for name in names if name.startswith("face-")}


@each_case
def test_every_reader_counts_the_same(jobs, found, case):
    counts = jobs[case].json("result.json")["counts"]
    for name in ("mesh.msh", "mesh-2.2.msh"):
        for reader in ("meshio", "gmsh"):
            got = read_by(found, case, reader, name)
            tets, triangles = ELEMENTS[reader, case.order]
            assert got["points"] == counts["nodes"]
            assert got["cells"] == {tets: counts["tetrahedra"], triangles: counts["triangles"]}, "faces and solids, and nothing else"
        got = read_by(found, case, "skfem", name)
        assert (got["points"], got["cells"]) == (counts["nodes"], {f"MeshTet{case.order}": counts["tetrahedra"]})
    for reader in ("meshio", "vtk"):
        got = read_by(found, case, reader, "mesh.vtu")
        assert got["points"] == counts["nodes"]
        assert got["cells"] == ({ELEMENTS[reader, case.order][0]: counts["tetrahedra"]} if reader == "meshio" else counts["tetrahedra"])
    for reader, cells in (("meshio", {"triangle": counts["triangles"]}), ("gmsh", {"Triangle 3": counts["triangles"]}), ("vtk", counts["triangles"])):
        assert read_by(found, case, reader, "mesh.stl")["cells"] == cells
    if case.order == 1:
        got = read_by(found, case, "meshio", "mesh.su2")
        assert (got["points"], got["cells"]) == (counts["nodes"], {"tetra": counts["tetrahedra"], "triangle": counts["triangles"]})


@each_case
def test_every_reader_finds_the_volume(jobs, found, case):
    """A tetrahedron inside out, or middle nodes in the wrong order, would take off."""
    volume = jobs[case].json("result.json")["mesh_volume"]
    straight = case.order == 1 or case.part == "assembly.step"
    for reader, name in (("meshio", "mesh.msh"), ("meshio", "mesh-2.2.msh"), ("skfem", "mesh.msh"), ("skfem", "mesh-2.2.msh"),
                         ("meshio", "mesh.vtu"), ("vtk", "mesh.vtu")) + ((("meshio", "mesh.su2"),) if case.order == 1 else ()):
        got = read_by(found, case, reader, name)
        assert got["volume"] == pytest.approx(volume, rel=1e-6 if straight else 0.02), (reader, name)
        assert got.get("bend", 0) < (1e-6 if straight else 0.4), "a middle node of another edge is half an edge away"
        assert not got.get("complaints")
    stl = read_by(found, case, "vtk", "mesh.stl")
    assert not stl["complaints"]
    if case.assembly == "separate":
        assert stl["open"] == 0
        # Text has nine digits, binary seven; the triangles of a mesh of order 2 are its corners'.
        assert stl["volume"] == pytest.approx(volume, rel=1e-4 if straight else 0.02)


def merged(case, name):
    """Names that a file lacks: where a face lies between two solids it has the names of both, in 2.2 and SU2 the first alone."""
    return int(case.assembly == "conformal" and name != "mesh.msh")


def assert_as_measured(got, kernel, solids, flat, lost):
    """Size and middle of each group; a bore in few chords is a little off."""
    faces, bodies = kernel
    expected = {**{f: faces[f.split("-")[1]] for f in faces_in(got["sets"])}, **{s: bodies[str(n)] for s, n in solids.items()}}
    assert set(expected) == set(got["sets"]) and len(expected) == len(faces) + len(bodies) - lost
    for group, (size, middle) in expected.items():
        assert got["sizes"][group] == pytest.approx(size, rel=1e-6 if flat else 0.02), group
        assert got["middles"][group] == pytest.approx(middle, abs=1e-6 if flat else 0.1), group


@each_case
def test_groups_are_exact(jobs, found, measured, case):
    """Each group has the size and the middle of the face or solid whose name it has."""
    result = jobs[case].json("result.json")
    for name in ("mesh.msh", "mesh-2.2.msh"):
        solids = solids_of(jobs[case], name)
        by = {reader: read_by(found, case, reader, name) for reader in ("meshio", "skfem", "gmsh")}
        sets = by["meshio"]["sets"]
        assert sets == by["gmsh"]["groups"] and set(sets) == faces_in(sets) | set(solids)
        lost = merged(case, name)
        assert len(faces_in(sets)) > 1
        twice = sum(sets[f] for f in faces_in(sets)) - result["counts"]["triangles"]
        assert (twice > 0) == (case.assembly == "conformal" and not lost)
        assert sum(sets[s] for s in solids) == result["counts"]["tetrahedra"]
        assert by["skfem"]["solids"] == {s: sets[s] for s in solids}
        if case.order == 1:  # scikit-fem takes no boundary of ten-node tetrahedra out of a file
            left_out = set(sets) - set(by["skfem"]["sizes"])
            # Out of 2.2 it takes no face between two solids.
            assert len(left_out) == (case.assembly == "conformal" and name == "mesh-2.2.msh")
            assert by["skfem"]["sets"] == {f: sets[f] for f in faces_in(sets) - left_out}
            assert by["skfem"]["sizes"] == pytest.approx({g: s for g, s in by["meshio"]["sizes"].items() if g not in left_out}, rel=1e-6)
        if case.part != "block.stl":
            assert_as_measured(by["meshio"], measured(case.part), solids, case.part == "assembly.step", lost)


@each_case
def test_other_formats_tell_solids_and_faces_apart(jobs, found, case):
    msh = read_by(found, case, "meshio", "mesh.msh")
    solids = solids_of(jobs[case], "mesh.msh")
    vtk = read_by(found, case, "vtk", "mesh.vtu")["solids"]
    assert set(vtk) == {str(n) for n in solids.values()}
    for group, n in solids.items():
        assert vtk[str(n)] == pytest.approx(msh["sizes"][group], rel=0.02 if case.order == 2 else 1e-6)
    if case.order == 1:  # meshio numbers the markers, whose names are texts
        markers = read_by(found, case, "meshio", "mesh.su2")["sets"]
        with open(path_of(jobs[case], "mesh.su2"), encoding="utf-8") as file:
            names = [line.split("=")[1].strip() for line in file if line.startswith("MARKER_TAG")]
        got = {names[int(n) - 1]: count for n, count in markers.items()}
        assert got == {f: msh["sets"][f] for f in got} and len(got) == len(faces_in(msh["sets"])) - merged(case, "mesh.su2")


def test_debian_s_gmsh_reads_what_the_newest_does(jobs, found):
    wanted = pairs_of(jobs, {name: ("gmsh",) for name, by in FILES.items() if "gmsh" in by})
    answers = solvers.read_all([(reader, path_of(jobs[case], name)) for case, reader, name in wanted], DEBIAN_PYTHON)
    if "No module named" in answers[0].get("error", ""):
        pytest.skip("python3-gmsh is missing")
    for key, got in zip(wanted, answers):
        assert "error" not in got, got
        assert {k: v for k, v in got.items() if k != "version"} == {k: v for k, v in found[key].items() if k != "version"}, key


def test_the_default_msh_is_read_by_meshio(tmp_path):
    """A cantilever as anyone's first job: with nothing but the file (meshio wants a group for all elements or for none)."""
    job = run("mesh", CANTILEVER)
    got = solvers.read("meshio", path_of(job, "mesh.msh"))
    assert got["cells"]["tetra"] == job.json("result.json")["counts"]["tetrahedra"]
    assert {name for name in got["sets"] if name.startswith("face-")} == {f"face-{i}" for i in range(1, 7)}


@pytest.mark.parametrize("order", (1, 2))
def test_vtu_has_one_integer_type_for_connectivity_and_offsets(order):
    """VTK 9.0 (ParaView 5.8 and 5.9) reads no cells otherwise; today's takes both, so the file itself is looked at."""
    data = run("mesh", CANTILEVER, "outputs=vtu", f"element_order={order}").read("mesh.vtu")
    head = data[:data.index(b"<AppendedData")].decode()
    kinds = {line.split('Name="')[1].split('"')[0]: line.split('type="')[1].split('"')[0]
             for line in head.splitlines() if line.startswith("<DataArray")}
    assert kinds["connectivity"] == kinds["offsets"] and kinds["types"] == "UInt8"
    arrays = read_vtu(data)
    assert list(arrays["offsets"]) == [(4, 10)[order - 1] * (i + 1) for i in range(arrays["counts"][1])]


# ---- OpenFOAM ----

FOAM_CASES = [case for case in CASES if case.order == 1 and case.part != "block.stl"]


@pytest.mark.parametrize("case", FOAM_CASES, ids=lambda c: f"{c.part}-{c.assembly}-{c.binary}")
def test_openfoam_takes_msh2(jobs, found, tmp_path, case):
    """Always text: gmshToFoam and most programs that stayed with 2.2 read nothing else."""
    job, foam = jobs[case], solvers.FoamCase(tmp_path)
    foam.run("gmshToFoam", path_of(job, "mesh-2.2.msh"))
    sets = read_by(found, case, "meshio", "mesh.msh")["sets"]
    inside = faces_in(sets) - set(foam.patches())
    assert len(inside) == 2 * (case.assembly == "conformal"), "where two solids touch there is no patch"
    assert foam.patches() == {name: n for name, n in sets.items() if name in faces_in(sets) - inside}
    assert foam.check() == pytest.approx(job.json("result.json")["mesh_volume"], rel=1e-6)


# ---- CGNS ----

@pytest.mark.parametrize("how, order", (("separate", 1), ("separate", 2), ("conformal", 1)))
def test_cgns_is_read_by_vtk_and_gmsh(measured, how, order):
    """Each solid and face is a section, each outer face a boundary condition."""
    job = run("mesh", part("assembly.step"), "outputs=cgns", "max_size_mm=6", f"assembly={how}", f"element_order={order}")
    if job.code == BAD_INPUT and "built without Cgns" in job.error:
        pytest.skip("libcgns-dev was missing when local-gmsh was built")
    counts, faces = job.json("result.json")["counts"], measured("assembly.step")[0]
    path = path_of(job, "mesh.cgns")
    by = dict(zip(("vtk", "gmsh", "h5py"), solvers.read_all([(reader, path) for reader in ("vtk", "gmsh", "h5py")])))
    assert not [got["error"] for got in by.values() if "error" in got]
    vtk, gmsh, sections = by["vtk"], by["gmsh"], by["h5py"]["sections"]
    assert (vtk["points"], vtk["cells"], gmsh["points"]) == (counts["nodes"], counts["tetrahedra"], counts["nodes"])
    assert gmsh["cells"] == dict(zip(ELEMENTS["gmsh", order], (counts["tetrahedra"], counts["triangles"])))
    assert vtk["volume"] == pytest.approx(8512, rel=1e-6) and not vtk["complaints"]
    inner = {f"face-{n}" for n in faces} - set(vtk["patches"])
    assert len(inner) == 2 * (how == "conformal"), "where two solids touch there is no boundary condition"
    assert vtk["patches"] == gmsh["named"] == {f: n for f, n in sections.items() if f in faces_in(sections) - inner}
    assert vtk["sizes"] == {f"face-{n}": pytest.approx(size, rel=1e-6) for n, (size, _) in faces.items() if f"face-{n}" not in inner}
    solids = {name: n for name, n in sections.items() if name not in faces_in(sections)}
    assert set(solids) == {"base", "cover_plate", "bolt"} and sum(solids.values()) == counts["tetrahedra"]


# ---- MED ----

@pytest.mark.parametrize("how, order", (("conformal", 1), ("separate", 2)))
def test_med_is_read_by_its_own_library_and_meshio(how, order):
    """PyPI's Gmsh reads by MED's library.  The format turns the second and third corner, so that meshio, which does not, finds
    each volume below 0."""
    job = run("mesh", part("assembly.step"), "outputs=med,msh", "max_size_mm=6", f"assembly={how}", f"element_order={order}",
              f"poor_below={LIMIT}")
    if job.code == BAD_INPUT and "built without Med" in job.error:
        pytest.skip("libhdf5-dev was missing when local-gmsh was built")
    path, counts = path_of(job, "mesh.med"), job.json("result.json")["counts"]
    med, meshio, msh = solvers.read_all([("gmsh", path), ("meshio", path), ("gmsh", path_of(job, "mesh.msh"))])
    assert not [got["error"] for got in (med, meshio, msh) if "error" in got]
    tets, triangles = ELEMENTS["gmsh", order]
    assert med["points"] == counts["nodes"] and med["cells"] == {tets: counts["tetrahedra"], triangles: counts["triangles"]}
    poor = med["groups"].pop("poor-elements")
    assert poor == len(job.json("quality.json")["poor_set"]["elements"]) > 0
    assert med["groups"] == msh["groups"] and "cover plate" in med["groups"], "names are exact"
    assert meshio["volume"] == pytest.approx(-job.json("result.json")["mesh_volume"], rel=1e-6) and meshio["bend"] < 1e-6


# ---- poor elements ----


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    """A mesh whose elements under a SICN of 0.4 are a set in each file."""
    run.root = str(tmp_path_factory.mktemp("poor"))
    job = run("mesh", part("assembly.step"), "outputs=all", "max_size_mm=6", "assembly=conformal", f"poor_below={LIMIT}")
    return job, job.json("quality.json")["poor_set"]["elements"]


def test_poor_elements_are_listed(poor):
    job, elements = poor
    sicn = read_vtu(job.read("mesh.vtu"))["sicn"]
    assert elements == [i for i, value in enumerate(sicn) if value < LIMIT] and 0 < len(elements) < len(sicn)
    told = {"name": "poor-elements", "below": LIMIT, "count": len(elements)}
    assert job.json("result.json")["poor_set"] == told
    assert job.json("quality.json")["poor_set"] == {**told, "measure": "sicn", "elements": elements}
    assert "poor-elements" in job.read("report.html").decode()


def test_libraries_find_the_poor_elements(poor):
    job, elements = poor
    pairs = [("vtk", "mesh.vtu"), ("gmsh", "mesh.msh"), ("gmsh", "mesh-2.2.msh"), ("nastran", "mesh.bdf"), ("meshio", "mesh.msh"),
             ("skfem", "mesh-2.2.msh"), ("h5py", "mesh.cgns")]
    pairs = [pair for pair in pairs if pair[1] in job.artifacts]  # CGNS's library may be missing
    by = dict(zip(pairs, solvers.read_all([(reader, path_of(job, name)) for reader, name in pairs])))
    assert not [got["error"] for got in by.values() if "error" in got]
    assert by["vtk", "mesh.vtu"]["poor"] == elements
    assert by["nastran", "mesh.bdf"]["element_sets"] == [[i + 1 for i in elements]]
    sicn = read_vtu(job.read("mesh.vtu"))["sicn"]
    for name in ("mesh.msh", "mesh-2.2.msh"):
        (found, values), = by["gmsh", name]["views"]
        assert (found, values) == (elements, pytest.approx([sicn[i] for i in elements], rel=1e-6))
    if pairs[-1][0] == "h5py":  # sections are solids, in the order of mesh.vtu, and come before faces
        assert by[pairs[-1]]["regions"] == {"poor-elements": [i + 1 for i in elements]}


def test_solvers_find_the_poor_elements(poor, tmp_path):
    job, elements = poor
    for name, reader in (("mesh.inp", read_inp), ("mesh.unv", read_unv)):
        assert reader(job.read(name)).groups["poor-elements"] == {i + 1 for i in elements}
    case = solvers.FoamCase(tmp_path)
    solvers.run(["tar", "xf", path_of(job, "polyMesh.tar"), "-C", case.folder], case.folder)
    case.check()
    case.run("subsetMesh", "poor-elements", "-overwrite")
    sizes = re.search(r"cells: +(\d+)", case.run("checkMesh"))
    assert int(sizes.group(1)) == len(elements)


def test_without_a_limit_there_is_no_set(jobs):
    job = jobs[CASES[0]]
    assert "poor_set" not in job.json("quality.json") and "poor_set" not in job.json("result.json")
    assert b"poor-elements" not in job.read("mesh.msh") and "poor" not in read_vtu(job.read("mesh.vtu"))
