# SPDX-License-Identifier: MIT
"""Names and colours of a STEP file: exact in result.json, in the preview, and in each format as far as it can hold them."""
import collections
import os
import re

import pytest
from mesh_readers import read_inp, read_msh2, read_msh4, read_unv
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, glb_document, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")

PLAIN = open(part("assembly.step"), "rb").read()  # base, cover plate and bolt in a crate, their places without names
PLACES = iter((b"base", b"cover plate", b"bolt"))
CRATE = re.sub(rb"(_USAGE_OCCURRENCE\('\d+',)''", lambda m: m.group(1) + b"'" + next(PLACES) + b"'", PLAIN)
COARSE = ("max_size_mm=20", "binary=false")


def write(path, data, renamed=()):
    for old, new in renamed:
        assert data.count(b"'" + old + b"'") >= 3, "product, its id, its place in the crate"
        data = data.replace(b"'" + old + b"'", b"'" + new + b"'")
    path.write_bytes(data)
    return str(path)


def plus(data, entities):
    return data.replace(b"ENDSEC;\nEND-ISO", entities + b"ENDSEC;\nEND-ISO")


def number_of(data, pattern):
    return int(re.search(rb"#(\d+)\s*=\s*" + pattern, data).group(1))


def faces_of(job):
    """Of the preview: the material of each face, and what is said of it."""
    return [(p["material"], face) for p in glb_document(job.read("preview.glb"))["meshes"][0]["primitives"]
            for face in p["extras"]["faces"]]


def solids_of(job):
    return [(s["name"], s["path"], s["group"]) for s in job.json("result.json")["solids"]]


@pytest.mark.parametrize("encoded, name, plain", [
    (b"Screw 1/4-20", "Screw 1/4-20", "Screw_1_4_20"),
    (b"A/C duct/", "A/C duct/", "A_C_duct_"),
    ("海绵".encode(), "海绵", "n__"),
    (rb"\X2\6D777EF5\X0\ 7", "海绵 7", "n___7"),
    (rb"Geh\X\E4use", "Gehäuse", "Geh_use"),
    ("Gehäuse".encode(), "Gehäuse", "Geh_use"),
    (b"Geh\xe4use", "Gehäuse", "Geh_use"),
    ("螺栓".encode("gbk"), "螺栓", "n__"),
    ("ソケット".encode("cp932"), "ソケット", "n____"),
    (rb"\X2\6D7", "6D7", "n6D7"),
    (b"it''s \\\\ it", "it's \\ it", "it_s___it"),
], ids=["inch", "slashes", "utf8", "x2", "x", "umlaut", "latin1", "gbk", "shift-jis", "cut", "quotes"])
def test_a_name_is_exact(tmp_path, encoded, name, plain):
    path = write(tmp_path / "crate.step", CRATE, [(b"bolt", encoded)])
    job = run("mesh", path, "outputs=msh,msh2,inp,unv", *COARSE)
    assert solids_of(job) == [("base", "crate/base", "base"), ("cover plate", "crate/cover plate", "cover_plate"),
                              (name, "crate/" + name, plain)]
    assert set(read_msh4(job.read("mesh.msh")).groups) >= {"base", "cover plate", name}
    for file, read in (("mesh-2.2.msh", read_msh2), ("mesh.inp", read_inp), ("mesh.unv", read_unv)):
        assert {"base", "cover_plate", plain} <= set(read(job.read(file)).groups), file
    preview = run("preview", path, "picture=false")
    assert {f["solid_name"] for _, f in faces_of(preview)} == {"base", "cover plate", name}


def test_names_that_differ_in_case_alone(tmp_path):
    job = run("mesh", write(tmp_path / "crate.step", CRATE, [(b"bolt", b"BASE")]), "outputs=msh,inp", *COARSE)
    assert [s["group"] for s in job.json("result.json")["solids"]] == ["base-1", "cover_plate", "BASE-3"]
    assert {"base", "cover plate", "BASE"} <= set(read_msh4(job.read("mesh.msh")).groups)
    assert {"base-1", "cover_plate", "BASE-3"} <= set(read_inp(job.read("mesh.inp")).groups)


def test_a_place_without_a_name_is_called_as_what_stands_there(tmp_path):
    """The CAD kernel gives the ids of such places, which say nothing."""
    job = run("preview", write(tmp_path / "crate.step", PLAIN), "picture=false")
    assert [s[:2] for s in solids_of(job)] == [("base", "crate/base"), ("cover plate", "crate/cover plate"), ("bolt", "crate/bolt")]


def test_a_stand_in_is_no_name(tmp_path):
    """A translator wrote it where it had none: the place in the assembly says more, or the file's name."""
    product = re.sub(rb"(PRODUCT\()'bolt',\s*'bolt'", rb"\1'SOLID','SOLID'", CRATE)
    assert product != CRATE
    job = run("preview", write(tmp_path / "crate.step", product), "picture=false")
    assert solids_of(job)[2] == ("bolt", "crate/bolt", "bolt")
    job = run("preview", write(tmp_path / "my crate.step", CRATE, [(b"bolt", b"=>[0:1:1:2]"), (b"base", b"Unnamed")]), "picture=false")
    assert [s[0] for s in solids_of(job)] == ["my crate", "cover plate", "my crate"]
    text = open(part("block.step"), "rb").read()
    assert b"Open CASCADE STEP translator" in text
    job = run("preview", write(tmp_path / "Flansch.step", text), "picture=false")
    assert [s["name"] for s in job.json("result.json")["solids"]] == ["Flansch"]


def test_faces_keep_their_names(tmp_path):
    names = iter([b"inlet", b"outlet", b"out", b"walls", b"walls"])
    at = CRATE.rindex(b"MANIFOLD_SOLID_BREP")
    data = CRATE[:at] + re.sub(rb"ADVANCED_FACE\(''", lambda m: b"ADVANCED_FACE('" + next(names, b"") + b"'", CRATE[at:], count=6)
    path = write(tmp_path / "crate.step", data)
    job = run("mesh", path, "outputs=msh,inp", *COARSE)
    assert job.json("result.json")["named_faces"] == 5
    named = collections.defaultdict(list)
    for _, face in faces_of(run("preview", path, "picture=false")):
        named[face.get("name")].append(face["face"])
    assert {k: len(v) for k, v in named.items()} == {None: 13, "inlet": 1, "outlet": 1, "out": 1, "walls": 2}
    for file, read in (("mesh.msh", read_msh4), ("mesh.inp", read_inp)):
        groups = read(job.read(file)).groups
        assert {"inlet", "outlet", "out", "walls"} <= set(groups) and f"face-{named['walls'][0]}" not in groups, file


def styled(data, item, context, colour, transparency=0):
    """A colour for `item`, where it is placed by `context`: the usage of a product."""
    return plus(data, b"""#90001=PRODUCT_DEFINITION_SHAPE('','',#%d);
#90002=SHAPE_REPRESENTATION('',(),#90099);
#90003=SHAPE_DEFINITION_REPRESENTATION(#90001,#90002);
#90004=STYLED_ITEM('color',(#90005),#%d);
#90005=PRESENTATION_STYLE_BY_CONTEXT((#90006),#90002);
#90006=SURFACE_STYLE_USAGE(.BOTH.,#90007);
#90007=SURFACE_SIDE_STYLE('',(#90008,#90011));
#90008=SURFACE_STYLE_FILL_AREA(#90009);
#90009=FILL_AREA_STYLE('',(#90010));
#90010=FILL_AREA_STYLE_COLOUR('',#90013);
#90011=SURFACE_STYLE_RENDERING_WITH_PROPERTIES(.NORMAL_SHADING.,#90013,(#90012));
#90012=SURFACE_STYLE_TRANSPARENT(%g);
#90013=DRAUGHTING_PRE_DEFINED_COLOUR('%s');
""" % (context, item, transparency, colour))


@pytest.mark.parametrize("colour, code, transparency", [(b"green", "#00ff00", 0), (b"blue", "#0000ff", 0.7)])
def test_a_colour_by_context_and_its_transparency(tmp_path, colour, code, transparency):
    brep = int(re.findall(rb"#(\d+)\s*=\s*MANIFOLD_SOLID_BREP", CRATE)[-1])
    usage = number_of(CRATE, rb"NEXT_ASSEMBLY_USAGE_OCCURRENCE\('\w+','bolt'")
    job = run("preview", write(tmp_path / "crate.step", styled(CRATE, brep, usage, colour, transparency)), "picture=false")
    solids = job.json("result.json")["solids"]
    assert solids[0]["color"] == "#ff0000" and "opacity" not in solids[0]
    assert solids[2]["color"] == code and solids[2].get("opacity", 1) == pytest.approx(1 - transparency)
    materials = glb_document(job.read("preview.glb"))["materials"]
    bolt = [(m, f) for m, f in faces_of(job) if f["solid_name"] == "bolt"]
    assert len(bolt) == 6 and {f["color"] for _, f in bolt} == {code} and len({m for m, _ in bolt}) == 1
    material = materials[bolt[0][0]]
    assert material["pbrMetallicRoughness"]["baseColorFactor"][3] == pytest.approx(1 - transparency, abs=0.003)
    assert material.get("alphaMode") == ("BLEND" if transparency else None)
    assert all("alphaMode" not in m for m in materials if m is not material)


def test_a_colour_for_another_place_does_not_count(tmp_path):
    brep = int(re.findall(rb"#(\d+)\s*=\s*MANIFOLD_SOLID_BREP", CRATE)[-1])
    usage = number_of(CRATE, rb"NEXT_ASSEMBLY_USAGE_OCCURRENCE\('\w+','base'")
    job = run("preview", write(tmp_path / "crate.step", styled(CRATE, brep, usage, b"green")), "picture=false")
    assert "color" not in job.json("result.json")["solids"][2]


@pytest.mark.parametrize("kind", ["preview", "mesh"])
def test_an_assembly_that_is_part_of_itself_is_refused(tmp_path, kind):
    """The kernel would lose the solids below it, without a word."""
    usages = re.findall(rb"#(\d+)\s*=\s*NEXT_ASSEMBLY_USAGE_OCCURRENCE\('[^']*','[^']*','[^']*',#(\d+),#(\d+)", PLAIN)
    assert len(usages) == 3
    for number, parent, child in usages:
        for end in (parent, child):  # the crate in itself; a part in itself
            loop = re.sub(rb"(#" + number + rb"\s*=\s*NEXT_ASSEMBLY_USAGE_OCCURRENCE\([^#]*)#\d+,#\d+",
                          lambda m, end=end: m.group(1) + b"#" + end + b",#" + end, PLAIN)
            job = run(kind, write(tmp_path / "loop.step", loop))
            assert job.code == BAD_INPUT and "part of itself" in job.error and number.decode() in job.error, job.error


def test_many_solids_are_named_by_the_text_alone(tmp_path):
    """From 64 solids up the CAD kernel's labels are not read, where the text of the file has the same solids in the same order."""
    many = b"/*" + 64 * b"NEXT_ASSEMBLY_USAGE_OCCURRENCE " + b"*/\n"
    (tmp_path / "crate.step").write_bytes(CRATE)
    (tmp_path / "many.step").write_bytes(CRATE.replace(b"DATA;", b"DATA;\n" + many))
    few, more = (run("preview", str(tmp_path / name), "angular_deflection=20") for name in ("crate.step", "many.step"))
    assert solids_of(more) == solids_of(few) and solids_of(more)[2][0] == "bolt"
    assert more.json("result.json")["named_faces"] == few.json("result.json")["named_faces"]
    assert [face["face"] for _, face in faces_of(more)] == [face["face"] for _, face in faces_of(few)]


def test_what_the_text_lacks_comes_from_the_labels(tmp_path):
    """A face in no solid is not in the text's list of solids: then the kernel's labels are read after all."""
    plain = open(part("../field/solid_baffle.step"), "rb").read()
    (tmp_path / "many").mkdir()
    (tmp_path / "few.step").write_bytes(plain)
    (tmp_path / "many" / "few.step").write_bytes(plain.replace(b"DATA;", b"DATA;\n/*" + 64 * b"SOLID_BREP " + b"*/\n"))
    few, many = (run("preview", str(tmp_path / name)).json("result.json") for name in ("few.step", "many/few.step"))
    assert many["named_faces"] == few["named_faces"] == 1 and many["solids"] == few["solids"]
