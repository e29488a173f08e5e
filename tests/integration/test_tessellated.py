# SPDX-License-Identifier: MIT
"""STEP files of AP242 that hold triangles and no exact faces, made here by ISO 10303-42's attributes."""
import os

import pytest

from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, glb_document, name_of, run, shared  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")

MM = "(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.))"
INCH = "(CONVERSION_BASED_UNIT('INCH',#91)LENGTH_UNIT()NAMED_UNIT(#93))"
CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 2) for x in (0, 3)]  # a block of 3 x 2 x 1
SIDES = {"bottom": (1, 3, 4, 2), "top": (5, 6, 8, 7), "front": (1, 2, 6, 5), "back": (3, 7, 8, 4), "left": (1, 5, 7, 3),
         "right": (2, 4, 8, 6)}


def lists(values):
    return "(" + ",".join(lists(v) if isinstance(v, (tuple, list)) else repr(v) if isinstance(v, str) else str(v)
                          for v in values) + ")"


def step(faces, unit=MM, coordinates=CORNERS, name="block", solid="TESSELLATED_SOLID", colour=None):
    """faces: entities without their numbers, with #30 for the coordinates."""
    rows = {1: "PRODUCT('%s','%s','',())" % (name, name), 2: "PRODUCT_DEFINITION_FORMATION('','',#1)",
            3: "PRODUCT_DEFINITION('','',#2,$)", 4: "PRODUCT_DEFINITION_SHAPE('','',#3)",
            5: "SHAPE_DEFINITION_REPRESENTATION(#4,#6)", 6: "SHAPE_REPRESENTATION('',(),#8)",
            7: "SHAPE_REPRESENTATION_RELATIONSHIP('','',#9,#6)",
            8: "(GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNIT_ASSIGNED_CONTEXT((#90))REPRESENTATION_CONTEXT('',''))",
            9: "TESSELLATED_SHAPE_REPRESENTATION('',(#20),#8)", 90: unit,
            91: "LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(25.4),#92)", 92: MM, 93: "DIMENSIONAL_EXPONENTS(1.,0.,0.,0.,0.,0.,0.)",
            20: "%s('solid',(%s),$)" % (solid, ",".join("#%d" % (100 + i) for i in range(len(faces)))),
            30: "COORDINATES_LIST('',%d,%s)" % (len(coordinates), lists([tuple(map(float, c)) for c in coordinates]))}
    rows.update({100 + i: face for i, face in enumerate(faces)})
    if colour:
        rows.update({50: "STYLED_ITEM('',(#51),#%d)" % (100 + colour[0]), 51: "PRESENTATION_STYLE_ASSIGNMENT((#52))",
                     52: "SURFACE_STYLE_USAGE(.BOTH.,#53)", 53: "SURFACE_SIDE_STYLE('',(#54))",
                     54: "SURFACE_STYLE_FILL_AREA(#55)", 55: "FILL_AREA_STYLE('',(#56))",
                     56: "FILL_AREA_STYLE_COLOUR('',#57)", 57: "COLOUR_RGB('',%s,%s,%s)" % colour[1]})
    data = "".join("#%d=%s;\n" % row for row in sorted(rows.items()))
    return ("ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\n"
            "FILE_SCHEMA(('AP242_MANAGED_MODEL_BASED_3D_ENGINEERING_MIM_LF { 1 0 10303 442 1 1 4 }'));\nENDSEC;\n"
            "DATA;\n" + data + "ENDSEC;\nEND-ISO-10303-21;\n")


def plain(name, quad):
    a, b, c, d = quad
    return "TRIANGULATED_FACE('%s',#30,8,(),$,(),%s)" % (name, lists([(a, b, c), (a, c, d)]))


def indexed(name, quad):
    """Its triangles count in pnindex."""
    return "TRIANGULATED_FACE('%s',#30,4,((0.,0.,1.)),$,%s,((1,2,3),(1,3,4)))" % (name, lists(quad))


def strip(name, quad):
    a, b, c, d = quad
    return "COMPLEX_TRIANGULATED_FACE('%s',#30,4,(),$,%s,((1,2,3,4)),())" % (name, lists((a, b, d, c)))


def fan(name, quad):
    return "COMPLEX_TRIANGULATED_FACE('%s',#30,8,(),$,(),(),(%s))" % (name, lists(quad))


def surface_set(name, quad):
    a, b, c, d = quad
    return "TRIANGULATED_SURFACE_SET('%s',#30,8,(),(),%s)" % (name, lists([(a, b, c), (a, c, d)]))


def strip_set(name, quad):
    a, b, c, d = quad
    return "COMPLEX_TRIANGULATED_SURFACE_SET('%s',#30,8,(),(),(%s),())" % (name, lists((a, b, d, c)))


WAYS = (plain, indexed, strip, fan, surface_set, strip_set)


@pytest.fixture
def write(tmp_path):
    def write_(text):
        path = tmp_path / "part.step"
        path.write_text(text)
        return str(path)
    return write_


def test_every_way_to_say_triangles_names_and_colours(write):
    faces = [way(name, quad) for way, (name, quad) in zip(WAYS, SIDES.items())]
    job = run("preview", write(step(faces, name="Bl\\X\\F6ck", colour=(1, ("1.", "0.", "0.")))))
    assert job.code == 0, job.error
    result = job.json("result.json")
    assert (result["format"], result["units"], result["counts"]["triangles"]) == ("step", "mm", 12)
    assert result["mesh_volume"] == pytest.approx(6) and result["geometry"]["bbox"] == pytest.approx([3, 2, 1])
    assert [s["name"] for s in result["solids"]] == ["Blöck"] and result["repairs"] == []
    assert any("AP242 tessellation" in text for text in result["warnings"])
    primitives = glb_document(job.read("preview.glb"))["meshes"][0]["primitives"]
    found = {f["name"]: f for p in primitives for f in p["extras"]["faces"]}
    assert set(found) == set(SIDES) and all(f["count"] == 2 for f in found.values())
    assert found["top"]["color"] == "#ff0000" and len(primitives) == 2


def test_numbers_are_in_the_unit_of_the_file(write):
    result = run("preview", write(step([plain(*side) for side in SIDES.items()], INCH))).json("result.json")
    assert result["geometry"]["bbox"] == pytest.approx([3 * 25.4, 2 * 25.4, 25.4]) and result["file_units"] == "inch"


def test_a_mesh_follows_triangles_that_close(write):
    job = run("mesh", write(step([strip(*side) for side in SIDES.items()])), "max_size_mm=1", "binary=false",
              "outputs=msh,viewer")
    assert job.code == 0, job.error
    result = job.json("result.json")
    assert result["mesh_volume"] == pytest.approx(6, rel=1e-6) and result["format"] == "step"
    assert all('"%s"' % name in job.read("mesh.msh").decode() for name in [*SIDES, "block"])
    assert set(job.json("viewer.json")["entity_tags"]) == set(range(1, 7)), "the preview's numbers, and not Gmsh's"


def test_triangles_that_do_not_close_are_shown_and_not_meshed(write):
    path = write(step([plain(*side) for side in list(SIDES.items())[:5]], solid="TESSELLATED_SHELL"))
    assert run("preview", path).json("result.json")["counts"]["triangles"] == 10
    job = run("mesh", path)
    assert job.code == BAD_INPUT and "4 are open" in job.error and "export it as exact geometry" in job.error
    flat = run("mesh", path, "dimension=2")
    assert flat.code == BAD_INPUT and "AP242 tessellation" in flat.error


@pytest.mark.parametrize("face", ["TRIANGULATED_FACE('',#30,8,(),$,(9,99,-1),((1,2,3),(0,7,4294967296)))",
                                  "TRIANGULATED_FACE('',#77,8,(),$,(),((1,2,3)))", "TRIANGULATED_FACE('',#30",
                                  "COMPLEX_TRIANGULATED_FACE('',#30,8,(),$,(),((1,2)),((1),()))"])
def test_what_points_nowhere_is_no_triangle(write, face):
    job = run("preview", write(step([face])))
    assert job.code == BAD_INPUT and "holds no faces that can be meshed" in job.error


def test_a_face_that_is_named_often_is_read_once(write):
    """A million names of one face of a million triangles fit in a file of 10 MB."""
    text = step([plain(*side) for side in SIDES.items()]).replace("(#100,", "(" + "#100," * 50)
    result = run("preview", write(text)).json("result.json")
    assert result["counts"]["triangles"] == 12 and result["repairs"] == [] and result["mesh_volume"] == pytest.approx(6)


@pytest.mark.parametrize("path", shared("nist_ftc_08_ap242_2120k.stp"), ids=name_of)
def test_a_file_of_a_cad_program(path):
    result = run("preview", path).json("result.json")
    assert result["counts"]["triangles"] > 3000 and result["geometry"]["volumes"] == 1
    assert not any(r["repair"] == "turned_facets" for r in result["repairs"]), "strips turn every other triangle"
    assert result["mesh_volume"] == pytest.approx(503280, rel=1e-3)
