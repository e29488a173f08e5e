# SPDX-License-Identifier: MIT
"""local-gmsh without a daemon, through gmsh-bare: what its files hold, checked by a second reckoning here."""
import glob
import json
import math
import os
import re
import struct
import subprocess
import tempfile

import pytest

REPO = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("LATHE_BUILD") or os.path.join(REPO, "build"))
BARE = os.path.join(BUILD, "tests", "gmsh-bare")
PLUGIN = os.path.join(BUILD, "plugins", "local-gmsh.so")
PARTS = os.path.join(REPO, "tests", "fixtures", "cad")
SHARED = os.path.join(REPO, "..", "shared", "data", "cad")
BAD_INPUT = 1000
TIMEOUT = 4200

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")


def part(name):
    return os.path.join(PARTS, name)


def name_of(path):
    """The id of a file's test; pytest asks for one also where there is no file."""
    return os.path.basename(path) if isinstance(path, str) else "none"


def shared(*names):
    return [p for p in (os.path.join(SHARED, n) for n in names) if os.path.exists(p)]


class Job:
    def __init__(self, folder, line):
        self.folder = folder
        self.__dict__.update(line)

    def read(self, name):
        assert name in self.artifacts, (self.artifacts, self.error)
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def json(self, name):
        return json.loads(self.read(name))


def run(kind, path, *params, attempt=1, repeat=1):
    folder = tempfile.mkdtemp(prefix="gmsh-plugin-", dir=run.root)
    out = subprocess.run([BARE, "--plugin", PLUGIN, "--quiet", "--out", folder, "--attempt", str(attempt),
                          "--repeat", str(repeat), kind, path, *params],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    lines = out.stdout.decode().splitlines()
    assert len(lines) == repeat, out.stderr.decode()[-500:]
    return Job(folder, json.loads(lines[-1]))


@pytest.fixture(autouse=True)
def folder(tmp_path):
    run.root = str(tmp_path)


# ---- second reckonings ----

def sub(a, b):
    return [x - y for x, y in zip(a, b)]


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def norm(a):
    return math.sqrt(dot(a, a))


def sicn_of(p):
    """3 / (|A| |A^-1|), signed, of the map from the regular tetrahedron, with a plain matrix inverse."""
    e = [sub(p[i], p[0]) for i in (1, 2, 3)]
    ideal = [[1, 0, 0], [0.5, math.sqrt(3) / 2, 0], [0.5, math.sqrt(3) / 6, math.sqrt(2.0 / 3)]]
    w = inverse(ideal)
    a = [[sum(w[i][k] * e[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    det = dot(a[0], cross(a[1], a[2]))
    frob = [math.sqrt(sum(x * x for row in m for x in row)) for m in (a, inverse(a))]
    return math.copysign(3 / (frob[0] * frob[1]), det)


def inverse(m):
    det = dot(m[0], cross(m[1], m[2]))
    c = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])]
    return [[c[j][i] / det for j in range(3)] for i in range(3)]


def gamma_of(p):
    """3 r / R; R from the centre that solves the three bisector planes."""
    e = [sub(p[i], p[0]) for i in (1, 2, 3)]
    inv = inverse(e)
    centre = [sum(inv[i][k] * dot(e[k], e[k]) / 2 for k in range(3)) for i in range(3)]
    faces = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    area = sum(norm(cross(sub(p[b], p[a]), sub(p[c], p[a]))) / 2 for a, b, c in faces)
    return 3 * (3 * volume_of(p) / area) / norm(centre)


def volume_of(p):
    e = [sub(p[i], p[0]) for i in (1, 2, 3)]
    return abs(dot(e[0], cross(e[1], e[2]))) / 6


def dihedral_of(p):
    angles = []
    for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        k, l = [n for n in range(4) if n not in (i, j)]
        edge = sub(p[j], p[i])
        u, v = (sub(sub(p[n], p[i]), [x * dot(sub(p[n], p[i]), edge) / dot(edge, edge) for x in edge]) for n in (k, l))
        angles.append(math.degrees(math.acos(max(-1, min(1, dot(u, v) / (norm(u) * norm(v)))))))
    return min(angles)


def percentile(values, share):
    v = sorted(values)
    at = share * (len(v) - 1)
    low = int(at)
    return v[low] + (v[min(low + 1, len(v) - 1)] - v[low]) * (at - low)


def read_vtu(data):
    """name -> numbers, by the offsets that the XML declares."""
    head, raw = data.split(b'<AppendedData encoding="raw">\n_', 1)
    text = head.decode()
    arrays = {"counts": [int(x) for x in re.search(r'Points="(\d+)" NumberOfCells="(\d+)"', text).groups()]}
    code = {"Float64": "d", "Int32": "i", "Int64": "q", "UInt8": "B"}
    for kind, name, _, offset in re.findall(
            r'<DataArray type="(\w+)" Name="(\w+)" NumberOfComponents="(\d+)" format="appended" offset="(\d+)"/>', text):
        at = int(offset)
        size = struct.unpack_from("<Q", raw, at)[0]
        count = size // struct.calcsize("<" + code[kind])
        arrays[name] = struct.unpack_from(f"<{count}{code[kind]}", raw, at + 8)
    return arrays


def glb_document(data):
    return json.loads(data[20:20 + struct.unpack_from("<I", data, 12)[0]])


def check_glb(data):
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON") and size % 4 == 0
    doc = json.loads(data[20:20 + size])
    bin_size, bin_kind = struct.unpack_from("<I4s", data, 20 + size)
    assert bin_kind == b"BIN\0" and 28 + size + bin_size == length == 28 + size + doc["buffers"][0]["byteLength"]
    blob = data[28 + size:]
    views = doc["bufferViews"]

    def numbers(i, code, per):
        a = doc["accessors"][i]
        v = views[a["bufferView"]]
        start = v["byteOffset"] + a.get("byteOffset", 0)
        assert start % 4 == 0 and a.get("byteOffset", 0) + 4 * per * a["count"] <= v["byteLength"]
        return struct.unpack_from(f"<{per * a['count']}{code}", blob, start)

    xyz, normals = numbers(0, "f", 3), numbers(1, "f", 3)
    for i in range(3):
        assert doc["accessors"][0]["min"][i] == pytest.approx(min(xyz[i::3]), rel=1e-6, abs=1e-9)
        assert doc["accessors"][0]["max"][i] == pytest.approx(max(xyz[i::3]), rel=1e-6, abs=1e-9)
    assert all(abs(norm(normals[i:i + 3]) - 1) < 1e-5 for i in range(0, len(normals), 3))
    faces = {}
    primitives = doc["meshes"][0]["primitives"]
    assert sorted(p["material"] for p in primitives) == list(range(len(doc["materials"]))), "one primitive a colour"
    for p in primitives:
        index = numbers(p["indices"], "I", 1)
        assert max(index) < len(xyz) // 3 and len(index) % 3 == 0
        after = 0
        for face in p["extras"]["faces"]:
            assert face["face"] not in faces and face["first"] == after and face["count"] > 0
            faces[face["face"]] = index[3 * after:3 * (after + face["count"])]
            after += face["count"]
        assert 3 * after == len(index), "each triangle belongs to a face"
    owner = {}
    for face, index in faces.items():
        assert all(owner.setdefault(i, face) == face for i in index), "faces share no vertex: each has its own normals"
    return {face: len(index) // 3 for face, index in faces.items()}, xyz


# ---- tests ----

GOOD = [part(n) for n in ("block.step", "block.brep", "block.stl", "block_binary.stl", "bracket.step", "pair.step")]
GOOD += shared("cube_8k.stp", "t20_component8_67k.step", "bottle_401k.brep", "hammer_1039k.iges", "sewfaces_45k.step",
               "hinge_318k.stl", "motor_3579k.stl", "as1_assembly_442k.stp", "nist_ctc_02_pmi_3312k.stp")


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_preview_files(path):
    job = run("preview", path)
    assert job.code == 0, job.error
    result, flat = job.json("result.json"), job.json("preview.json")
    faces, xyz = check_glb(job.read("preview.glb"))
    n = flat["numTriangles"]
    assert n == result["counts"]["triangles"] == sum(faces.values()) > 0
    assert len(flat["vertices"]) == len(flat["colors"]) == 9 * n and flat["numVertices"] == 3 * n
    assert flat["isPreview"] is True
    if os.path.dirname(path) == PARTS:
        assert set(flat["colors"]) == {0.3, 0.6, 0.9}, "the original's colour where the file names none"
    g = flat["geometry"]
    for i in range(3):
        extent = max(flat["vertices"][i::3]) - min(flat["vertices"][i::3])
        assert extent <= g["bbox"][i] * 1.0001 + 1e-6
        assert extent == pytest.approx(max(xyz[i::3]) - min(xyz[i::3]), rel=1e-5, abs=1e-5)
    assert g["bbox_diagonal"] == pytest.approx(norm(g["bbox"]), rel=1e-6)
    assert len(faces) + len(result["missing_faces"]) <= g["surfaces"]
    assert result["complete"] or "incomplete" in result["warnings"][0]
    assert len(job.read("result.json")) < 65536


@pytest.mark.parametrize("name,volume", [("block.step", 30 * 20 * 10 - math.pi * 25 * 10),
                                         ("pair.step", 12 ** 3 + 4 / 3 * math.pi * 8 ** 3)])
def test_volumes(name, volume):
    mesh = run("mesh", part(name)).json("result.json")
    assert mesh["geometry"]["total_volume"] == pytest.approx(volume, rel=1e-6)
    assert mesh["mesh_volume"] == pytest.approx(volume, rel=0.01)
    preview = run("preview", part(name)).json("result.json")
    assert preview["mesh_volume"] == pytest.approx(volume, rel=0.01)


@pytest.mark.parametrize("path", [part("block.step")] + shared("t20_component8_67k.step", "bottle_401k.brep"),
                         ids=name_of)
def test_mesh_against_a_second_reckoning(path):
    job = run("mesh", path)
    assert job.code == 0, job.error
    result, quality, vtu = job.json("result.json"), job.json("quality.json"), read_vtu(job.read("mesh.vtu"))
    points, cells = vtu["counts"]
    assert (points, cells) == (result["counts"]["nodes"], result["counts"]["tetrahedra"])
    assert set(vtu["types"]) == {10} and vtu["offsets"] == tuple(range(4, 4 * cells + 1, 4))
    xyz = [vtu["points"][i:i + 3] for i in range(0, 3 * points, 3)]
    total = 0
    for i in range(cells):
        p = [xyz[n] for n in vtu["connectivity"][4 * i:4 * i + 4]]
        total += volume_of(p)
        if i % 7 == 0:
            assert vtu["sicn"][i] == pytest.approx(sicn_of(p), abs=1e-9) and vtu["sicn"][i] > 0
            assert vtu["gamma"][i] == pytest.approx(gamma_of(p), abs=1e-8)
            assert vtu["min_dihedral_angle"][i] == pytest.approx(dihedral_of(p), abs=1e-5)
    assert result["mesh_volume"] == pytest.approx(total, rel=1e-8)
    assert abs(total / result["geometry"]["total_volume"] - 1) <= 0.01
    for name, m in quality["measures"].items():
        values = vtu[name]
        assert m["min"] == min(values) and m["max"] == max(values)
        assert m["mean"] == pytest.approx(sum(values) / cells, rel=1e-9)
        for p in (1, 5, 10, 50, 95):
            assert m[f"p{p}"] == pytest.approx(percentile(values, p / 100), rel=1e-12)
        assert sum(b["count"] for b in m["histogram"]) == cells
    assert quality["worst"][0]["sicn"] == pytest.approx(min(vtu["sicn"]), rel=1e-6)
    assert result["quality_metrics"]["sicn_10_percentile"] == pytest.approx(percentile(vtu["sicn"], 0.1), rel=1e-6)
    assert result["quality_metrics"]["poor_elements"] == sum(v < 0.1 for v in vtu["sicn"])


def test_solids_are_told_apart():
    vtu = read_vtu(run("mesh", part("pair.step")).read("mesh.vtu"))
    assert len(set(vtu["solid"])) == 2


def test_second_order():
    job = run("mesh", part("block.step"), "element_order=2")
    result, vtu = job.json("result.json"), read_vtu(job.read("mesh.vtu"))
    assert set(vtu["types"]) == {24} and len(vtu["connectivity"]) == 10 * result["counts"]["tetrahedra"]
    # Straight edges have their middle node in the middle: VTK's order, not Gmsh's.
    edges = [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]
    xyz = [vtu["points"][i:i + 3] for i in range(0, len(vtu["points"]), 3)]
    straight = total = 0
    for i in range(0, len(vtu["connectivity"]), 10):
        p = [xyz[n] for n in vtu["connectivity"][i:i + 10]]
        for k, (a, b) in enumerate(edges):
            middle = [(x + y) / 2 for x, y in zip(p[a], p[b])]
            straight += norm(sub(middle, p[4 + k])) < 1e-6 * 30
            total += 1
    assert straight > 0.8 * total
    assert result["mesh_volume"] == pytest.approx(6000 - 250 * math.pi, rel=1e-4), "curved sides count"


def test_parameters():
    coarse = run("mesh", part("block.step")).json("result.json")
    fine = run("mesh", part("block.step"), "max_size_mm=1").json("result.json")
    assert fine["counts"]["tetrahedra"] > 3 * coarse["counts"]["tetrahedra"]
    assert fine["options"]["max_size"] == 1
    curved = run("preview", part("block.step"), "curvature=40").json("result.json")
    assert curved["counts"]["triangles"] > run("preview", part("block.step")).json("result.json")["counts"]["triangles"]
    text = run("mesh", part("block.step"), "binary=false").read("mesh.msh")
    assert text.startswith(b"$MeshFormat\n4.1 0 8") and text.isascii()
    for params, word in ((("min_size_mm=5", "max_size_mm=2"), "min_size_mm"), (("max_size_mm=0.0001",), "max_size_mm")):
        job = run("mesh", part("block.step"), *params)
        assert job.code == BAD_INPUT and word in job.error and job.artifacts == []


def test_one_thread_repeats_itself():
    a, b = (run("mesh", part("bracket.step")).read("mesh.msh") for _ in range(2))
    assert a == b


def test_strategies_in_processes_of_their_own_give_the_same():
    a = run("mesh", part("block.step"))
    b = run("mesh", part("block.step"), attempt=2)
    assert a.read("mesh.msh") == b.read("mesh.msh") and a.stages == b.stages
    assert a.stages.split()[-1].startswith("write")


def test_jobs_in_a_row_share_nothing():
    job = run("preview", part("block.step"), repeat=5)
    assert job.code == 0 and job.json("result.json")["counts"]["triangles"] > 100


@pytest.mark.parametrize("path", shared("bottle_401k.brep"), ids=name_of)
def test_the_ladder_is_told(path):
    attempts = run("mesh", path).json("result.json")["attempts"]
    assert [a["accepted"] for a in attempts] == [False] * (len(attempts) - 1) + [True]
    assert all(a["reason"] and len(a["detail"]) > 20 for a in attempts[:-1])


@pytest.mark.parametrize("path", shared("sewfaces_45k.step"), ids=name_of)
def test_surfaces_are_no_solids(path):
    job = run("mesh", path)
    assert job.code == BAD_INPUT and "dimension=2" in job.error and "solid" in job.error
    assert job.artifacts == [] and job.milliseconds < 30000


MISNAMED = ("step_named.stl", "stl_named.step")


@pytest.mark.parametrize("kind", ["preview", "mesh"])
@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(SHARED, "bad", "*"))), ids=name_of)
def test_bad_files(path, kind):
    job = run(kind, path)
    if os.path.basename(path) in MISNAMED:
        assert job.code == 0 and "name" in job.json("result.json")["warnings"][0]
        return
    assert job.code == BAD_INPUT and job.artifacts == []
    assert len(job.error) > 40 and os.path.basename(path) in job.error and run.root not in job.error


def test_a_file_that_crashes_the_kernel_is_explained_on_the_second_attempt(tmp_path):
    """Gmsh 4.8 to 4.13 die of this one by a signal; a kernel that has learned better refuses it."""
    path = tmp_path / "crash.step"
    path.write_bytes(open(part("block.step"), "rb").read().replace(b"#167 = CARTESIAN_POINT(", b"#167 = VECTOR("))
    first, second = (run("preview", str(path), attempt=n) for n in (1, 2))
    assert first.code < 0 or first.code == BAD_INPUT or first.code == 0
    if first.code < 0:
        assert second.code == BAD_INPUT and "crashes" in second.error and second.artifacts == []
    assert run("preview", part("block.step"), attempt=2).code == 0


def test_a_text_that_the_kernel_cannot_read_is_named(tmp_path):
    """The kernel reads nothing of a STEP file with a text of more than 16,380 characters."""
    with open(part("block.step")) as file:
        step = file.read()
    at = step.index("ADVANCED_FACE('") + len("ADVANCED_FACE('")
    for name, good in (("n" * 16380, True), ("n" * 9000 + "''" + "n" * 7379, False)):
        (tmp_path / "long.step").write_text(step[:at] + name + step[step.index("'", at):])
        job = run("preview", str(tmp_path / "long.step"))
        assert (job.code == 0) == good, job.error
        assert good or f"in line {step[:at].count(chr(10)) + 1}," in job.error and "shorter name" in job.error, job.error


def test_made_up_bad_files(tmp_path):
    step = open(part("block.step"), "rb").read()
    stl = open(part("block_binary.stl"), "rb").read()
    text = open(part("block.stl"), "rb").read()
    brep = open(part("block.brep"), "rb").read()
    cases = {
        "cut.step": (step[:len(step) // 2], "cut off"),
        "nan.step": (re.sub(rb"CARTESIAN_POINT\('',\(0\.", b"CARTESIAN_POINT('',(NAN", step, count=1), "not a number"),
        "far.step": (re.sub(rb"CARTESIAN_POINT\('',\(0\.", b"CARTESIAN_POINT('',(1E40", step, count=1), "1e+40"),
        "itself.step": (step.replace(b"#33 = AXIS2_PLACEMENT_3D('',#34", b"#33 = AXIS2_PLACEMENT_3D('',#33"), "#33"),
        "short.stl": (stl[:-30], "facets"),
        "nan.stl": (stl[:200] + struct.pack("<f", math.nan) * 3 + stl[212:], "facet"),
        "text.stl": (text[:len(text) // 2], "cut off"),
        "inf.stl": (re.sub(rb"vertex \S+", b"vertex 1e300", text, count=1), "line"),
        "cut.brep": (brep[:len(brep) // 2], "BREP"),
        "zip.step": (b"PK\x03\x04" + bytes(100), "zip"),
        "gzip.step": (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        "solidworks.step": (b"\xd0\xcf\x11\xe0" + bytes(100), "export it as STEP"),
        "page.iges": (b"  <!DOCTYPE html><html>", "web page"),
        "run.step": (b'SystemCall "touch pwned";\n', "script"),
        "point.step": (b'Point(1) = {0,0,0};\nSystemCall "touch pwned";\n', "not a CAD file"),
        "zeros.stl": (bytes(4096), "no"),
        "tiny.step": (b"x", "bytes"),
    }
    for name, (data, word) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        job = run("preview", str(path))
        assert job.code == BAD_INPUT and word in job.error, (name, job.code, job.error)
    assert not glob.glob(str(tmp_path / "**" / "pwned"), recursive=True)
    assert run("preview", part("block.step")).code == 0
