# SPDX-License-Identifier: MIT
"""STL as exports write it: mended where that is sure, refused with the place where it is not."""
import os

import pytest
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from mesh_readers import read_msh4
from stl_shapes import binary, cube, cylinder, jittered, text, turned, volume
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, REPO, check_glb, folder, glb_document, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")


@pytest.fixture
def send(tmp_path):
    def send(kind, content, *params):
        path = tmp_path / "part.stl"
        path.write_bytes(content if isinstance(content, bytes) else binary(content))
        return run(kind, str(path), *params)
    return send


def repairs(result):
    return {r["repair"]: r["count"] for r in result["repairs"]}


def done(job):
    assert job.code == 0, job.error
    return job.json("result.json")


def outward(job):
    """The volume inside preview.json's triangles, by their orientation."""
    v = job.json("preview.json")["vertices"]
    return volume([(v[i:i + 3], v[i + 3:i + 6], v[i + 6:i + 9]) for i in range(0, len(v), 9)])


def groups(job):
    """Name -> the area of its triangles, or the volume of its tetrahedra."""
    mesh = read_msh4(job.read("mesh.msh"))
    sizes = {}
    for name, numbers in mesh.groups.items():
        kinds = {mesh.elements[n][0] for n in numbers}
        if kinds == {"tet"}:
            sizes[name] = mesh.volume(numbers)
        elif kinds == {"tri"}:
            sizes[name] = sum(area([mesh.points[c] for c in mesh.elements[n][1]]) for n in numbers)
    return sizes


def area(p):
    u, v = ([x - y for x, y in zip(q, p[0])] for q in p[1:])
    n = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    return sum(x * x for x in n) ** 0.5 / 2


COARSE = ("max_size_mm=4", "binary=false")


def test_two_bodies_are_two_solids(send):
    two = cube() + cube((20, 0, 0))
    assert done(send("preview", two))["geometry"]["volumes"] == 2
    job = send("mesh", two, *COARSE)
    result = done(job)
    assert [s["solid"] for s in result["solids"]] == [1, 2] and result["geometry"]["volumes"] == 2
    sizes = groups(job)
    assert sizes["solid-1"] == pytest.approx(1000, rel=1e-6) and sizes["solid-2"] == pytest.approx(1000, rel=1e-6)
    assert [s["cad_volume"] for s in result["deviation"]["solids"]] == pytest.approx([1000, 1000])
    assert repairs(result) == {} and result["warnings"] == []


@pytest.mark.parametrize("hole", [turned(cube((4, 4, 4), 2)), cube((4, 4, 4), 2)], ids=["inward", "outward"])
def test_a_shell_inside_another_is_its_hole(send, hole):
    result = done(send("mesh", cube() + hole, *COARSE))
    assert result["geometry"]["volumes"] == 1 and result["mesh_volume"] == pytest.approx(992, rel=1e-6)
    preview = send("preview", cube() + hole)
    assert outward(preview) == pytest.approx(992, rel=1e-6)


def test_a_body_inside_a_hole(send):
    nest = cube() + turned(cube((2, 2, 2), 6)) + cube((4, 4, 4), 2)
    job = send("mesh", nest, *COARSE)
    assert done(job)["geometry"]["volumes"] == 2
    sizes = groups(job)
    assert sorted(sizes[s] for s in ("solid-1", "solid-2")) == pytest.approx([8, 1000 - 216], rel=1e-6)


@pytest.mark.parametrize("step", [(10, 0, 0), (10, 10, 0), (10, 10, 10)], ids=["face", "edge", "corner"])
def test_bodies_that_touch(send, step):
    job = send("mesh", cube() + cube(step), *COARSE)
    result = done(job)
    sizes = groups(job)
    assert sizes["solid-1"] == pytest.approx(1000, rel=1e-6) and sizes["solid-2"] == pytest.approx(1000, rel=1e-6)
    assert repairs(result) == {}


def test_bodies_that_overlap_are_no_holes(send):
    """Each reaches out of the other, so none is the other's hollow."""
    job = send("preview", cube() + cube((5, 3, 2)))
    result = done(job)
    assert result["geometry"]["volumes"] == 2 and result["geometry"]["total_volume"] == pytest.approx(2000, rel=1e-6)
    assert repairs(result) == {} and "bodies overlap" in " ".join(result["warnings"])


def test_an_stl_is_not_cut_along_its_bodies(send):
    result = done(send("mesh", cube() + cube((10, 0, 0)), "assembly=conformal", *COARSE))
    assert "stay apart" in " ".join(result["warnings"])


def test_turned_facets_are_turned_back(send):
    mixed = cube()
    mixed[3:5] = turned(mixed[3:5])
    for kind in ("preview", "mesh"):
        job = send(kind, mixed)
        result = done(job)
        assert result["mesh_volume"] == pytest.approx(1000, rel=1e-6)
        assert repairs(result) == {"turned_facets": 2} and "2 facets were turned round" in result["warnings"][0]
        if kind == "preview":
            assert outward(job) == pytest.approx(1000, rel=1e-6)
    inside_out = send("preview", turned(cube()))
    assert repairs(done(inside_out)) == {"turned_facets": 12} and outward(inside_out) == pytest.approx(1000, rel=1e-6)


@pytest.mark.parametrize("extra", [cube()[:2], turned(cube()[2:4]), cube() * 2], ids=["twice", "twice, turned", "all"])
def test_duplicate_facets_are_left_out(send, extra):
    for kind in ("preview", "mesh"):
        result = done(send(kind, cube() + extra))
        assert result["mesh_volume"] == pytest.approx(1000, rel=1e-6) and result["geometry"]["volumes"] == 1
        assert repairs(result) == {"duplicate_facets": len(extra)}
        assert f"{len(extra)} facets that were there twice were left out" in result["warnings"][0]


def test_flat_facets_are_left_out(send):
    result = done(send("mesh", cube() + [((0, 0, 0), (10, 0, 0), (0, 0, 0))]))
    assert repairs(result) == {"flat_facets": 1} and result["mesh_volume"] == pytest.approx(1000, rel=1e-6)


def halved(facet):
    """Two facets in the place of one, and the corner in the middle of its first edge."""
    a, b, c = facet
    middle = tuple((x + y) / 2 for x, y in zip(a, b))
    return [(a, middle, c), (middle, b, c)], middle


def test_a_corner_on_an_edge(send):
    """A T-junction: the neighbour across the halved edge is whole."""
    halves, _ = halved(cube()[0])
    for kind in ("preview", "mesh"):
        result = done(send(kind, cube()[1:] + halves, *(COARSE if kind == "mesh" else ())))
        assert repairs(result) == {"split_facets": 1} and result["mesh_volume"] == pytest.approx(1000, rel=1e-6)
        assert "1 facet was split where a corner of another lies on its edge" in result["warnings"][0]


def test_a_facet_whose_corners_lie_on_a_line(send):
    """It closes the T-junction as the file has it, and Gmsh meshes nothing with it."""
    halves, middle = halved(cube()[0])
    a, b, _ = cube()[0]
    result = done(send("mesh", cube()[1:] + halves + [(a, b, middle)], *COARSE))
    assert repairs(result) == {"flat_facets": 1, "split_facets": 1}
    assert result["mesh_volume"] == pytest.approx(1000, rel=1e-6)


def test_slivers_are_facets(send):
    """A strip narrower than the distance at which points are merged is not merged away."""
    corners = [[(x, y, 0) for x in range(51)] for y in (0, 1e-3)]
    strip = [f for p, q, r, s in zip(corners[0], corners[0][1:], corners[1], corners[1][1:]) for f in ((p, q, r), (q, s, r))]
    job = send("mesh", text(strip=strip))
    assert job.code == BAD_INPUT and "102 are open" in job.error, job.error
    assert done(send("preview", text(strip=strip)))["counts"]["triangles"] == 100


def test_bodies_that_cross_between_their_corners(send):
    """No corner and hardly a point of one lies in the other."""
    def bar(axis):
        return [tuple(tuple(40 * x - 20 if i == axis else x - .5 for i, x in enumerate(p)) for p in f) for f in cube(side=1)]
    result = done(send("mesh", text(one=bar(0), other=bar(1)), "max_size_mm=1"))
    assert "2 of 2 bodies overlap others, the first one and other" in " ".join(result["warnings"])
    assert result["assembly"]["counts"] == {"duplicates": None, "overlaps": 1, "gaps": None, "loose_faces": None}
    assert result["assembly"]["overlaps"] == [{"solids": ["one", "other"], "volume": None}]


@pytest.mark.parametrize("at, count", [((5, 5, 5), 1), ((10, 5, 5), 0), ((10, 10, 5), 0), ((10, 10, 10), 0)])
def test_edges_that_go_through_the_diagonal_of_a_face(send, at, count):
    """A copy moved by half its side: each edge that goes in does so where two facets of a face meet.  And what only touches."""
    result = done(send("preview", text(one=cube(), other=cube(at))))
    assert ("2 of 2 bodies overlap others" in " ".join(result["warnings"])) == (count == 1)


def test_points_that_nearly_meet_are_merged(send):
    result = done(send("mesh", text(part=jittered(cube(), 1e-5))))
    assert result["mesh_volume"] == pytest.approx(1000, rel=1e-4)
    assert repairs(result)["merged_points"] > 8 and "merged" in result["warnings"][0]


def test_a_gap_that_is_seen_stays_a_gap(send):
    job = send("mesh", text(part=jittered(cube(), 0.5)))
    assert job.code == BAD_INPUT and "are open" in job.error


def test_a_hole_is_named_with_its_place(send):
    job = send("mesh", cube()[:-2])
    assert job.code == BAD_INPUT and "4 are open" in job.error and "near (10, " in job.error, job.error
    preview = done(send("preview", cube()[:-2]))
    assert "4 edges are open" in preview["warnings"][0] and preview["geometry"]["volumes"] == 0


def test_parts_are_faces_with_their_names(send):
    box = cube()
    parts = text(inlet=box[8:10], outlet=box[10:12], walls=box[:8])
    preview = send("preview", parts)
    done(preview)
    shown = {f["face"]: f["name"] for p in glb_document(preview.read("preview.glb"))["meshes"][0]["primitives"]
             for f in p["extras"]["faces"]}
    assert shown == {1: "inlet", 2: "outlet", 3: "walls"}
    mesh = send("mesh", parts, *COARSE)
    assert done(mesh)["named_faces"] == 3
    sizes = groups(mesh)
    assert {n: sizes[n] for n in shown.values()} == pytest.approx({"inlet": 100, "outlet": 100, "walls": 400}, rel=1e-6)
    assert set(sizes) == {"inlet", "outlet", "walls", "solid"}


def test_parts_that_meet_without_a_crease(send):
    """Half of the side of a cylinder is called otherwise: nothing but the file says where it begins."""
    round_ = cylinder(sides=40)
    half = [f for i, f in enumerate(round_) if i // 4 < 20 and i % 4 < 2]
    job = send("mesh", text(wet=half, dry=[f for f in round_ if f not in half]), "strategy=frontal-delaunay", "max_size_mm=1", "binary=false")
    assert 0.001 < done(job)["deviation"]["chord_error"] < 0.1, "the distance of the facets from the new triangles"
    sizes = groups(job)
    assert sizes["wet"] == pytest.approx(sum(area(f) for f in half), rel=0.01), sizes


def test_parts_that_are_bodies_name_their_solids(send):
    both = text(bolt=cube(), nut=cube((20, 0, 0), 5))
    job = send("mesh", both, *COARSE)
    assert [s["name"] for s in done(job)["solids"]] == ["bolt", "nut"]
    sizes = groups(job)
    assert sizes["bolt"] == pytest.approx(1000, rel=1e-6) and sizes["nut"] == pytest.approx(125, rel=1e-6)


def test_faces_have_the_preview_s_numbers(send):
    """A cylinder has three faces, in the order of the file; Gmsh meshes its side in several pieces."""
    shape = cylinder(sides=40)
    preview = send("preview", shape)
    done(preview)
    faces = check_glb(preview.read("preview.glb"))[0]
    assert faces == {1: 80, 2: 40, 3: 40}
    job = send("mesh", shape, "binary=false")
    done(job)
    sizes = groups(job)
    assert set(sizes) == {"solid", "face-1", "face-2", "face-3"}
    assert sizes["face-1"] == pytest.approx(2 * 3.14159 * 5 * 50, rel=0.03) and sizes["face-2"] < 80


def test_a_cylinder_keeps_its_volume(send):
    shape = cylinder()
    result = done(send("mesh", shape))
    assert volume(shape) == pytest.approx(3925.3, abs=0.1)
    assert result["mesh_volume"] == pytest.approx(volume(shape), rel=0.01), result["attempts"]


def test_bodies_without_number_are_refused_quickly(send):
    """Far more bodies than a mesh can hold: a sentence, not an hour."""
    tiny = [((x, y, 0), (x + .5, y, 0), (x, y + .5, 0), (x, y, .5)) for x in range(150) for y in range(150)]
    facets = [f for a, b, c, d in tiny for f in ((a, c, b), (a, b, d), (b, c, d), (a, d, c))]
    job = send("mesh", facets)
    assert job.code == BAD_INPUT and "22500 separate bodies" in job.error
    assert done(send("preview", facets))["geometry"]["volumes"] == 22500


def test_facets_without_any_area(send):
    point = ((1, 1, 1), (1, 1, 1), (1, 1, 1))
    for kind in ("preview", "mesh"):
        job = send(kind, binary([point] * 20))
        assert job.code == BAD_INPUT and "area" in job.error


def test_numbers_in_every_spelling(send):
    """The reader has a quick way for short numbers; the others go through strtod."""
    plain = text(part=cube())
    for old, new in ((b"10", b"1e1"), (b"10", b"+10."), (b"10", b"10.0000000000000000000000"), (b"10", b"0.00001E6")):
        spelled = b"\n".join(line.replace(old, new) if line.startswith(b"vertex") else line for line in plain.split(b"\n"))
        assert spelled != plain
        assert done(send("preview", spelled))["mesh_volume"] == pytest.approx(1000, rel=1e-12)
    shouted = plain.replace(b"\n", b"\r\n")
    assert done(send("preview", shouted))["mesh_volume"] == pytest.approx(1000, rel=1e-12)


wrapped = pytest.mark.skipif(not os.path.exists(os.path.join(os.path.dirname(PLUGIN), "local-gmsh", "wrap.so")),
                             reason="wrap.so is not in this build")


@wrapped
def test_an_open_box_is_wrapped(send):
    """Without a side of ten by ten: an opening of that width is closed without being told how wide."""
    box = cube()[:-2]
    assert "wrap=true" in send("mesh", box).error
    job = send("mesh", box, "wrap=true", *COARSE)
    result = done(job)
    offset = result["wrap"]["offset"]
    assert result["mesh_volume"] == pytest.approx(1000 + 600 * offset, rel=0.01)
    assert 10 < result["wrap"]["gap"] < 15 and result["wrap"]["max_distance"] > 1, "the lid is far from any facet"
    assert result["wrap"]["max_distance_of_facets"] == pytest.approx(offset, rel=0.05)
    assert "were wrapped" in " ".join(result["warnings"]) and b"wrapped" in job.read("report.html")


@wrapped
def test_openings_wider_than_asked_for_stay_open(send):
    """The wrap goes in: what is meshed is the wall of the box."""
    result = done(send("mesh", cube()[:-2], "wrap=true", "wrap_gap_mm=6", "max_size_mm=2"))
    assert result["mesh_volume"] < 900


@wrapped
def test_a_patch_that_is_missing(send):
    shape = cylinder(sides=40)
    patch = [f for i, f in enumerate(shape) if not 8 <= i < 16]
    assert "open" in send("mesh", patch).error
    result = done(send("mesh", patch, "wrap=true"))
    assert result["mesh_volume"] == pytest.approx(volume(shape), rel=0.05)


@wrapped
def test_crossing_bodies_become_one(send):
    result = done(send("mesh", text(one=cube(), other=cube((5, 0, 0))), "wrap=true", "wrap_gap_mm=3", "max_size_mm=3"))
    assert result["mesh_volume"] == pytest.approx(1500, rel=0.02) and result["geometry"]["volumes"] == 1
    assert "names of the parts are lost" in " ".join(result["warnings"])


@wrapped
def test_a_sound_body_is_not_wrapped(send):
    result = done(send("mesh", cube(), "wrap=true", *COARSE))
    assert "wrap" not in result and "did nothing" in " ".join(result["warnings"])
    error = send("mesh", cube()[:-2], "wrap=true", "wrap_gap_mm=0.1").error  # a 170th of the diagonal
    assert "up to 1.6e+06 facets" in error and "ask for 0.18 or more" in error


# ---- what is not promised ----

def test_facets_do_not_repeat_themselves(send):
    result = done(send("mesh", cube(), "deterministic=true", *COARSE))
    assert result["deterministic"] is False and "deterministic=true does not hold for facets" in " ".join(result["warnings"])


# ---- faces of CAD ----

@wrapped
def test_faces_of_cad_that_close_to_no_solid_are_wrapped():
    """Two plates that make a T: three edges meet, and most are open."""
    path = os.path.join(REPO, "tests", "fixtures", "field", "tee.brep")
    refused = run("mesh", path)
    assert refused.code == BAD_INPUT and "wrap=true" in refused.error and "dimension=2" in refused.error
    job = run("mesh", path, "wrap=true", "wrap_gap_mm=4")
    result = done(job)
    assert result["format"] == "brep" and result["wrap"]["gap"] == 4 and result["mesh_volume"] > 0
    assert result["wrap"]["max_distance_of_facets"] < 0.5
    assert "names and numbers of the faces are lost" in " ".join(result["warnings"]) and b"BREP file" in job.read("report.html")
    chosen = run("mesh", path, "wrap=true", "wrap_gap_mm=4", 'groups={"top": {"faces": [1]}}')
    assert chosen.code == BAD_INPUT and "a file whose faces were wrapped" in chosen.error


@wrapped
def test_a_solid_whose_faces_cut_each_other_is_wrapped_at_last(parts):
    path = os.path.join(parts, "pierced.step")
    refused = run("mesh", path, "max_size_mm=2")
    assert refused.code == BAD_INPUT and "allow a new surface round the part (wrap=true)" in refused.error
    result = done(run("mesh", path, "max_size_mm=2", "wrap=true", "wrap_gap_mm=1.5"))
    reasons = [a.get("reason") for a in result["attempts"]]
    assert reasons[0] == "overlap" and result["attempts"][-1]["chosen"] and result["repairs"] == []
    assert result["format"] == "step" and result["wrap"]["facets"] > 100 and result["mesh_volume"] > 0
    assert "no strategy could mesh the solids as they are" in " ".join(result["warnings"])
    chosen = run("mesh", path, "max_size_mm=2", "wrap=true", "wrap_gap_mm=1.5", 'groups={"top": {"faces": [1]}}').error
    assert "A wrap (wrap=true) did not help: groups: a file whose faces were wrapped has facets" in chosen


@wrapped
def test_a_solid_of_cad_is_not_wrapped():
    result = done(run("mesh", os.path.join(REPO, "tests", "fixtures", "cad", "block.step"), "wrap=true", *COARSE))
    assert "wrap" not in result and "wrap=true did nothing" in " ".join(result["warnings"])
