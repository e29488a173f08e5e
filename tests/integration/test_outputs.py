# SPDX-License-Identifier: MIT
"""What local-gmsh writes for people and for other programs, each read back by a reader of its own."""
import base64
import collections
import html.parser
import os
import re
import subprocess

import pytest
from mesh_readers import read_bdf, read_inp, read_msh2, read_msh4, read_stl, read_su2, read_unv
from pictures import read_png
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, glb_document, name_of, part, read_vtu, run, shared  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")

SHADES = ("#009932", "#009933")  # Gmsh before 4.9 gives colours in linear light, and loses a digit


def colour_of(item):
    colour = item.get("color")
    return GREEN if colour in SHADES else colour


GREEN = SHADES[1]
INCHES = (b"(CONVERSION_BASED_UNIT('INCH',#9001)LENGTH_UNIT()NAMED_UNIT(#9003));\n"
          b"#9001=LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(25.4),#9002);\n"
          b"#9002=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.));\n"
          b"#9003=DIMENSIONAL_EXPONENTS(1.,0.,0.,0.,0.,0.,0.);\n")


def in_inches(step):
    """The same numbers, said to be inches."""
    step, n = re.subn(rb"\(\s*LENGTH_UNIT\(\)\s*NAMED_UNIT\(\*\)\s*SI_UNIT\(\.MILLI\.,\.METRE\.\)\s*\);", INCHES, step, count=1)
    assert n == 1
    return step


# ---- units, names, colours ----

def test_units_of_the_file(tmp_path):
    plain = run("preview", part("block.step")).json("result.json")
    assert (plain["units"], plain["file_units"], plain["file_unit_mm"]) == ("mm", "mm", 1)
    path = tmp_path / "inch.step"
    path.write_bytes(in_inches(open(part("block.step"), "rb").read()))
    inches = run("preview", str(path)).json("result.json")
    assert (inches["units"], inches["file_units"], inches["file_unit_mm"]) == ("mm", "inch", 25.4)
    for a, b in zip(plain["geometry"]["bbox"], inches["geometry"]["bbox"]):
        assert b == pytest.approx(25.4 * a, rel=1e-4), "what is reported is what OpenCASCADE made of it"
    stl = run("preview", part("block.stl")).json("result.json")
    assert stl["units"] == "file" and "file_units" not in stl


@pytest.mark.parametrize("path", shared("hammer_1039k.iges"), ids=name_of)
def test_units_of_an_iges_file(path, tmp_path):
    """Field 14 of its global section says which, and 3 that field 15 names it."""
    text = open(path, "rb").read()
    assert b",1.,2,   G" in text
    for flag, name, word, mm in ((b"2", b"2HMM,", "mm", 1), (b"1", b"2HIN,", "inch", 25.4), (b"3", b"2HCM,", "cm", 10)):
        changed = tmp_path / "hammer.iges"
        changed.write_bytes(text.replace(b",1.,2,   G", b",1.," + flag + b",   G", 1).replace(b"2HMM,", name, 1))
        result = run("preview", str(changed), "picture=false").json("result.json")
        assert (result["units"], result["file_units"], result["file_unit_mm"]) == ("mm", word, mm)


def test_names_and_colours_of_an_assembly():
    job = run("preview", part("assembly.step"))
    result = job.json("result.json")
    assert [(s["name"], s["group"], colour_of(s)) for s in result["solids"]] == [
        ("base", "base", "#ff0000"), ("cover plate", "cover_plate", GREEN), ("bolt", "bolt", None)]
    assert all(s["path"].startswith("crate/") for s in result["solids"])
    doc = glb_document(job.read("preview.glb"))
    solids = collections.Counter((face["solid_name"], colour_of(face))
                                 for p in doc["meshes"][0]["primitives"] for face in p["extras"]["faces"])
    assert solids == {("base", "#ff0000"): 6, ("cover plate", GREEN): 6, ("bolt", None): 6}
    assert len(doc["materials"]) == 3 == len(doc["meshes"][0]["primitives"]), "one draw call a colour"
    flat = job.json("preview.json")
    colours = collections.Counter(tuple(flat["colors"][i:i + 3]) for i in range(0, len(flat["colors"]), 3))
    assert sorted(colours)[1:] == [(0.3, 0.6, 0.9), (1, 0, 0)] and min(colours) == pytest.approx((0, 0.6, 0.2), abs=0.005)
    assert sum(colours.values()) == flat["numVertices"]


# ---- preview ----

def test_quality_steps_and_sizes():
    def preview(*params):
        result = run("preview", part("block.step"), "picture=false", *params).json("result.json")
        return result["counts"]["triangles"], result["options"]["max_size"], result["geometry"]["bbox_diagonal"]
    steps = [preview(f"quality={q}") for q in ("draft", "normal", "fine")]
    assert steps[0] < steps[1] < steps[2]
    for (_, size, diagonal), share in zip(steps, (8, 15, 40)):
        assert size == pytest.approx(diagonal / share)
    assert preview() == steps[1]
    assert preview("relative_size=0.05")[1] == pytest.approx(steps[1][2] / 20)
    assert preview("relative_size=0.05", "max_size_mm=5")[1] == 5


def looks(job):
    """Checks what every picture has: its size, a plain background around, and a shaded part in it."""
    width, height, rows = read_png(job.read("preview.png"))
    background = rows[0][:3]
    drawn = [(x, y) for y in range(height) for x in range(width) if rows[y][3 * x:3 * x + 3] != background]
    xs, ys = [x for x, _ in drawn], [y for _, y in drawn]
    assert 0.15 < len(drawn) / (width * height) < 0.8
    assert min(xs) >= 0.03 * width and max(xs) <= 0.97 * width
    assert min(ys) >= 0.03 * height and max(ys) <= 0.97 * height
    assert abs(min(xs) + max(xs) - width) <= 4 and abs(min(ys) + max(ys) - height) <= 4, "in the middle"
    colours = collections.Counter(rows[y][3 * x:3 * x + 3] for x, y in drawn)
    return width, height, colours


@pytest.mark.parametrize("name", ["block.step", "bracket.brep", "block_binary.stl"])
def test_picture(name):
    width, height, colours = looks(run("preview", part(name)))
    assert (width, height) == (400, 300)
    assert len(colours) > 20, "shaded"
    dark = sum(n for c, n in colours.items() if max(c) < 90)
    assert 0.005 < dark / sum(colours.values()) < 0.25, "edges are drawn"
    assert max(colours, key=colours.get)[2] > max(colours, key=colours.get)[0], "blue by default"


ROD = """import gmsh, sys
gmsh.initialize()
gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, 20, 1)
gmsh.model.occ.synchronize()
gmsh.write(sys.argv[1])
"""


def test_picture_of_a_round_face_has_no_lines_on_it(tmp_path):
    """A slender rod with few triangles: they meet at sharp angles, and the face is round all the same."""
    path = str(tmp_path / "rod.step")
    made = subprocess.run(["/usr/bin/python3", "-c", ROD, path], capture_output=True, text=True, check=False)
    if "No module named" in made.stderr:
        pytest.skip("python3-gmsh is missing")
    width, height, rows = read_png(run("preview", path, "quality=draft").read("preview.png"))
    dark = [y for y in range(height) for x in range(width) if max(rows[y][3 * x:3 * x + 3]) < 90]
    top, bottom = min(dark), max(dark)
    assert [y for y in dark if top + 0.15 * height < y < bottom - 0.15 * height] == [], "only the rims have lines"


def test_picture_shows_the_colours_of_the_file():
    _, _, colours = looks(run("preview", part("assembly.step"), "picture_width=200"))
    hues = [sum(n for c, n in colours.items() if c[k] > 60 and c[k] > 2 * max(c[:k] + c[k + 1:])) for k in range(3)]
    assert hues[0] > 200 and hues[1] > 200, "red and green boxes"
    assert any(c[2] > 1.5 * c[0] and c[2] > 60 for c in colours), "the third has none and is blue"


def test_picture_is_the_same_every_time_and_can_be_left_out():
    a, b = (run("preview", part("bracket.step")).read("preview.png") for _ in range(2))
    assert a == b == run("preview", part("bracket.step"), "attempt=2").read("preview.png")
    none = run("preview", part("block.step"), "picture=false")
    assert none.code == 0 and "preview.png" not in none.artifacts
    wide = run("preview", part("block.step"), "picture_width=801")
    assert read_png(wide.read("preview.png"))[:2] == (801, 600)


# ---- formats ----

READERS = {"mesh.msh": read_msh4, "mesh-2.2.msh": read_msh2, "mesh.inp": read_inp, "mesh.unv": read_unv,
           "mesh.bdf": read_bdf, "mesh.su2": read_su2}
ASSEMBLY = ("max_size_mm=5", "binary=false")
FACES = {f"face-{i}" for i in range(1, 19)}
SOLIDS = {"base": 4000, "cover_plate": 4000, "bolt": 512}


@pytest.fixture(scope="module")
def assembly(tmp_path_factory):
    """All formats of three boxes, read once."""
    run.root = str(tmp_path_factory.mktemp("assembly"))
    return run("mesh", part("assembly.step"), "outputs=all", *ASSEMBLY)


@pytest.mark.parametrize("name", READERS)
def test_a_format_holds_the_whole_mesh(assembly, name):
    counts = assembly.json("result.json")["counts"]
    mesh = READERS[name](assembly.read(name))
    assert len(mesh.points) == counts["nodes"]
    assert len(mesh.of("tet")) == counts["tetrahedra"]
    assert len(mesh.of("tri")) == counts["triangles"]
    assert mesh.volume() == pytest.approx(8512, rel=1e-6), "and no tetrahedron is inside out"
    assert mesh.enclosed() == pytest.approx(8512, rel=1e-6)
    if name != "mesh.msh":
        assert not mesh.of("line") and not mesh.of("point"), "solvers get faces and solids alone"


def plainly(mesh):
    """mesh.msh holds the file's own names, other formats those that every solver takes."""
    mesh.groups["cover_plate"] = mesh.groups.pop("cover plate")
    return mesh


@pytest.mark.parametrize("name", READERS)
def test_groups_bear_the_names_of_the_file(assembly, name):
    mesh = READERS[name](assembly.read(name))
    if name == "mesh.msh":
        plainly(mesh)
    if name != "mesh.su2":
        for solid, volume in SOLIDS.items():
            assert mesh.volume(mesh.groups[solid]) == pytest.approx(volume, rel=1e-6)
    faces = {g for g in mesh.groups if g not in SOLIDS}
    assert faces == FACES
    assert sum(len(mesh.groups[f]) for f in faces) == len(mesh.of("tri"))
    if name == "mesh.inp":
        assert set(mesh.node_sets) == FACES | set(SOLIDS)
        tets = mesh.of("tet")
        assert mesh.node_sets["bolt"] == {c for n in mesh.groups["bolt"] for c in tets[n]}


def test_vtu_and_stl_hold_the_same(assembly):
    vtu = read_vtu(assembly.read("mesh.vtu"))
    counts = assembly.json("result.json")["counts"]
    assert vtu["counts"] == [counts["nodes"], counts["tetrahedra"]]
    binary = run("mesh", part("assembly.step"), "outputs=stl", ASSEMBLY[0])
    stl = read_stl(binary.read("mesh.stl"))
    assert len(stl.of("tri")) == counts["triangles"] and stl.enclosed() == pytest.approx(8512, rel=1e-5)
    assert "mesh.msh" not in binary.artifacts and "mesh.vtu" not in binary.artifacts


def test_ten_nodes_in_every_format():
    job = run("mesh", part("block.step"), "outputs=all", "element_order=2", "binary=false", "max_size_mm=6")
    counts = job.json("result.json")["counts"]
    assert "mesh.su2" not in job.artifacts, "it has no such elements"
    volumes = []
    for name in ("mesh.msh", "mesh-2.2.msh", "mesh.unv"):
        mesh = READERS[name](job.read(name))
        assert (len(mesh.points), len(mesh.of("tet"))) == (counts["nodes"], counts["tetrahedra"]), name
        volumes.append(mesh.volume())
    assert volumes == [pytest.approx(volumes[0], rel=1e-9)] * 3
    assert job.read("mesh.inp").count(b"TYPE=C3D10") == 1 and b"CTETRA" in job.read("mesh.bdf")


def test_outputs_that_cannot_be():
    for params, word in ((["outputs=msh,iges"], '"iges"'), (["outputs=su2", "element_order=2"], "element_order=1"),
                         (["outputs=../../etc/passwd"], "no format")):
        job = run("mesh", part("block.step"), *params)
        assert job.code == BAD_INPUT and word in job.error and "edges" not in job.stages, "before anything is meshed"
    med = run("mesh", part("block.step"), "outputs=med,msh", "max_size_mm=8")
    if med.code == 0:
        assert med.read("mesh.med").startswith(b"\x89HDF")
    else:
        assert "built without" in med.error and "edges" not in med.stages


# ---- assemblies ----

def test_conformal_solids_share_their_nodes():
    def mesh(how):
        job = run("mesh", part("assembly.step"), "outputs=msh", f"assembly={how}", *ASSEMBLY)
        result, got = job.json("result.json"), plainly(read_msh4(job.read("mesh.msh")))
        assert [(s["name"], colour_of(s)) for s in result["solids"]] == [
            ("base", "#ff0000"), ("cover plate", GREEN), ("bolt", None)]
        tets = got.of("tet")
        nodes = {s: {c for n in got.groups[s] for c in tets[n]} for s in SOLIDS}
        for solid, volume in SOLIDS.items():
            assert got.volume(got.groups[solid]) == pytest.approx(volume, rel=1e-6)
        assert not nodes["bolt"] & (nodes["base"] | nodes["cover_plate"])
        return result["geometry"]["surfaces"], nodes["base"] & nodes["cover_plate"], got

    assert mesh("separate")[:2] == (18, set())
    surfaces, shared_nodes, got = mesh("conformal")
    assert surfaces == 17 and len(shared_nodes) >= 25
    assert all(got.points[n][2] == pytest.approx(10) for n in shared_nodes)


# ---- what people look at ----

def test_viewer_json_is_the_original_s(assembly):
    data, result = assembly.json("viewer.json"), assembly.json("result.json")
    n = result["counts"]["triangles"]
    vtu = read_vtu(assembly.read("mesh.vtu"))
    assert len(data["vertices"]) == len(data["colors"]) == 9 * n
    assert len(data["element_tags"]) == len(data["entity_tags"]) == n and set(data["entity_tags"]) == set(range(1, 19))
    assert data["num_nodes"] == result["counts"]["nodes"]
    assert set(data["qualityColors"]) == {"sicn", "gamma", "skewness", "aspect_ratio", "min_angle"}
    for i in range(0, n, 17):
        tet = data["element_tags"][i] - 1
        corners = [vtu["points"][3 * k:3 * k + 3] for k in vtu["connectivity"][4 * tet:4 * tet + 4]]
        for k in range(3):
            at = data["vertices"][9 * i + 3 * k:9 * i + 3 * k + 3]
            assert any(at == pytest.approx(c, abs=1e-4) for c in corners), "the tetrahedron behind it has its corners"
        r, g, b = data["colors"][9 * i:9 * i + 3]
        sicn = vtu["sicn"][tet]
        expected = (0.9 - 0.8 * (sicn - 0.3) / 0.7, 0.9) if sicn > 0.3 else (0.9, 0.1 + 0.8 * sicn / 0.3)
        assert (r, g, b) == pytest.approx((*expected, 0.1), abs=0.002)
    bins = data["histogramData"]["bins"]
    assert len(bins) == 10 and sum(x["count"] for x in bins) == data["histogramData"]["totalElements"]
    assert data["histogramData"]["maxCount"] == max(x["count"] for x in bins) and max(x["normalized"] for x in bins) == 1
    assert data["qualityMetrics"] == result["quality_metrics"]


class Page(html.parser.HTMLParser):
    """Notes what a page would load, and whether its tags are balanced."""
    VOID = {"meta", "img", "br", "input", "rect", "line"}
    LOOSE = {"tr", "td", "th", "dt", "dd", "li", "p"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.words, self.tags = [], [], [], collections.Counter()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.loads += [v for k, v in attrs if k in ("src", "href", "srcset", "data", "action", "xlink:href")]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag not in self.VOID | self.LOOSE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID | self.LOOSE:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_report_is_one_page_without_anything_from_outside(tmp_path):
    path = tmp_path / '<b onload="x">&\'.step'
    path.write_bytes(open(part("assembly.step"), "rb").read().replace(b"'cover plate'", b"'<script>x&'"))
    job = run("mesh", str(path), *ASSEMBLY)
    text = job.read("report.html").decode()
    page, result = Page(text), job.json("result.json")
    assert page.open == [] and page.tags["script"] == page.tags["link"] == page.tags["b"] == 0
    assert all(src.startswith("data:image/png;base64,") for src in page.loads) and len(page.loads) == 1
    assert "url(" not in text and "@import" not in text
    picture = base64.b64decode(page.loads[0].split(",")[1], validate=True)
    assert picture == job.read("mesh.png") and read_png(picture)[:2] == (640, 480)
    words = "".join(page.words)
    for needed in (path.name, f"{result['counts']['tetrahedra']:,}", "SICN", "gamma", "What was tried", "<script>x&",
                   "base", "mm: mesh.msh, mesh.vtu", result["strategy_text"], result["versions"]["gmsh"], "prefers-color-scheme", " mm³; the CAD has "):
        assert needed in words, needed
    assert page.tags["svg"] == 5 and page.tags["rect"] == 100
    assert "SICN" in words and f"{job.json('quality.json')['measures']['sicn']['p5']:.4g}" in words
