# SPDX-License-Identifier: MIT
"""What local-gmsh writes for people and for other programs, each read back by a reader of its own."""
import collections
import os
import re

import pytest
from pictures import read_png
from test_gmsh_plugin import BARE, PLUGIN, folder, glb_document, name_of, part, run, shared  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")

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
    assert [(s["name"], s["group"], s.get("color")) for s in result["solids"]] == [
        ("base", "base", "#ff0000"), ("cover plate", "cover_plate", "#009932"), ("bolt", "bolt", None)]
    assert all(s["path"].startswith("crate/") for s in result["solids"])
    doc = glb_document(job.read("preview.glb"))
    solids = collections.Counter((p["extras"]["solid_name"], p["extras"].get("color"))
                                 for p in doc["meshes"][0]["primitives"])
    assert solids == {("base", "#ff0000"): 6, ("cover plate", "#009932"): 6, ("bolt", None): 6}
    assert len(doc["materials"]) == 3
    flat = job.json("preview.json")
    colours = collections.Counter(tuple(flat["colors"][i:i + 3]) for i in range(0, len(flat["colors"]), 3))
    assert set(colours) == {(1, 0, 0), (0, 0.6, 0.196), (0.3, 0.6, 0.9)}
    assert sum(colours.values()) == flat["numVertices"]


# ---- preview ----

def test_quality_steps_and_sizes():
    def triangles(*params):
        return run("preview", part("block.step"), "picture=false", *params).json("result.json")["counts"]["triangles"]
    steps = [triangles(f"quality={q}") for q in ("draft", "normal", "fine")]
    assert steps[0] < steps[1] < steps[2] and steps[1] == triangles()
    diagonal = run("preview", part("block.step")).json("result.json")["geometry"]["bbox_diagonal"]
    relative = triangles("relative_size=0.02")
    assert relative == pytest.approx(triangles(f"max_size_mm={0.02 * diagonal!r}"), rel=0.01) and relative > steps[1]
    assert triangles("relative_size=0.02", "max_size_mm=5") == triangles("max_size_mm=5")


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
