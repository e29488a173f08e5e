# SPDX-License-Identifier: MIT
"""What is odd about an assembly is told: duplicates, overlaps, gaps and faces that belong to no solid."""
import math
import os
import re

import pytest

from daemon import REPO, SANITIZED
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

FIELD = os.path.join(REPO, "tests", "fixtures", "field")

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")


def mesh(path, *params):
    if not os.path.isabs(path):
        path = os.path.join(FIELD, path)
    job = run("mesh", path, "outputs=msh", "max_size_mm=3", *params)
    assert job.code == 0, job.error
    result = job.json("result.json")
    return result["assembly"], " ".join(result["warnings"]), result


@pytest.mark.parametrize("mode, left", [("separate", 2), ("conformal", 1)])
def test_solids_in_one_place(mode, left):
    found, warning, result = mesh("one_place.step", f"assembly={mode}")
    assert found["duplicates"] == [{"solids": ["a", "b"], "volume": pytest.approx(1000)}]
    assert found["counts"] == {"duplicates": 1, "overlaps": 0, "gaps": 0, "loose_faces": 0}
    assert "in one place: a and b" in warning
    assert len(result["solids"]) == left
    assert ("leaves one of them" in warning) == (left == 1)


def test_a_gap_is_told_and_can_be_closed():
    found, warning, apart = mesh("gap.step", "assembly=conformal")
    assert found["shared_faces"] == 0 and found["counts"]["gaps"] == 1
    assert found["gaps"][0]["solids"] == ["a", "b"]
    assert found["gaps"][0]["distance"] == pytest.approx(1e-4)
    assert found["gaps"][0]["at"][0] == pytest.approx(5, abs=2e-4)
    assert "a and b are 0.0001 mm apart and were not joined" in warning
    found, warning, joined = mesh("gap.step", "assembly=conformal", "tolerance=0.001")
    assert found["shared_faces"] == 1 and found["counts"]["gaps"] == 0 and found["tolerance"] == 0.001
    assert warning == "" and joined["geometry"]["surfaces"] == apart["geometry"]["surfaces"] - 1
    assert len(joined["solids"]) == 2 and joined["mesh_volume"] == pytest.approx(2000, rel=1e-4)


def test_a_tolerance_needs_something_to_join():
    job = run("mesh", os.path.join(FIELD, "gap.step"), "tolerance=0.001")
    assert job.code == BAD_INPUT and "assembly=conformal" in job.error


@pytest.mark.parametrize("name, area, z", [("solid_baffle.step", 36, 0), ("solid_plus_face.step", 900, 12)])
def test_a_face_without_a_solid(name, area, z):
    found, warning, result = mesh(name)
    assert found["counts"]["loose_faces"] == 1
    loose = found["loose_faces"][0]
    assert loose["area"] == pytest.approx(area) and loose["at"] == pytest.approx([0, 0, z], abs=1e-6)
    assert "belong to no solid" in warning and loose["face"] in warning
    assert result["geometry"]["surfaces"] == 6 and result["mesh_volume"] == pytest.approx(1000)
    assert len(run("preview", os.path.join(FIELD, name)).json("result.json")["warnings"]) == 0, "a preview shows it"


def moved(folder, x):
    """gap.step with the cube b from x on."""
    with open(os.path.join(FIELD, "gap.step"), encoding="ascii") as file:
        text = file.read().replace("(5.0001,", f"({x:.6f},").replace("(15.0001,", f"({x + 10:.6f},")
    path = os.path.join(folder, "moved.step")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def test_an_overlap_is_told(tmp_path):
    found, warning, result = mesh(moved(tmp_path, 3), "assembly=conformal")
    assert found["overlaps"] == [{"solids": ["a", "b"], "volume": pytest.approx(200)}]
    assert found["counts"]["gaps"] == found["counts"]["duplicates"] == 0 and "solids overlap: a and b" in warning
    assert len(result["solids"]) == 3 and found["shared_faces"] == 2
    assert result["mesh_volume"] == pytest.approx(1800)


def test_an_overlap_is_told_where_nothing_is_cut(tmp_path, parts):
    """A press fit of 0.02 is found; what touches, also along a round face, and a play of 0.05 are not."""
    found, warning, _ = mesh(moved(tmp_path, 3), "element_order=2")
    assert found["overlaps"] == [{"solids": ["a", "b"], "volume": pytest.approx(200)}] and "both are meshed there" in warning
    for name, volume in (("press_fit", math.pi * (5.02 ** 2 - 25) * 10), ("crossing", 2 * 2 * 1.5)):
        found, warning, _ = mesh(os.path.join(parts, name + ".step"))
        assert [o["volume"] for o in found["overlaps"]] == [pytest.approx(volume, rel=1e-4)] and "solids overlap" in warning
    for name in ("tight_fit", "loose_fit"):
        found, warning, _ = mesh(os.path.join(parts, name + ".step"))
        assert set(found["counts"].values()) == {0} and "overlap" not in warning, name


def test_a_gap_in_a_small_place(parts):
    found, _, _ = mesh(os.path.join(parts, "corners.step"), "assembly=conformal", "max_size_mm=20")
    assert [g["distance"] for g in found["gaps"]] == [pytest.approx(0.001, rel=1e-3)]


@pytest.mark.parametrize("apart, told", [(0.0, False), (0.001, True), (0.01, True), (0.5, False)])
def test_only_what_may_be_meant_to_touch_is_a_gap(tmp_path, apart, told):
    found, warning, _ = mesh(moved(tmp_path, 5 + apart), "assembly=conformal")
    assert found["counts"]["gaps"] == (1 if told else 0)
    assert found["shared_faces"] == (0 if apart else 1)
    assert ("apart" in warning) == told


def test_what_touches_is_counted():
    found, warning, result = mesh(part("assembly.step"), "assembly=conformal")
    assert found["shared_faces"] == 1 and set(found["counts"].values()) == {0} and warning == ""
    found, _, _ = mesh(part("assembly.step"))
    assert found["shared_faces"] == 0 and found["mode"] == "separate"


# ---- names, numbers and colours of faces go on to their pieces ----

def named(folder, names):
    """gap.step with the cube b where a ends, 4 mm higher, and with names of its faces."""
    with open(moved(folder, 5.0), encoding="ascii") as file:
        text = file.read()
    numbers = iter(range(1, 13))
    text = re.sub(r"ADVANCED_FACE\(''", lambda _: f"ADVANCED_FACE('{names.get(next(numbers), '')}'", text)
    path = os.path.join(folder, "named.step")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def groups_of(job):
    """Name of each group of faces in mesh.inp -> its triangles' number, by the elements of its sides."""
    groups, name = {}, None
    for line in job.read("mesh.inp").decode().splitlines():
        if line.startswith("*"):
            found = re.match(r"\*ELSET, ELSET=(\S+)-S[1-4]$", line)
            name = found.group(1) if found else None
        elif name:
            groups[name] = groups.get(name, 0) + len(line.rstrip(",").split(","))
    return groups


def test_faces_keep_their_names_when_they_are_cut(tmp_path):
    """Face 2 of a, and 7 of b, are where the cubes meet: the shared face has both names."""
    path = named(str(tmp_path), {2: "out of a", 7: "into b", 4: "front", 10: "front"})
    job = run("mesh", path, "outputs=inp", "max_size_mm=5", "assembly=conformal",
              'groups={"mine": {"faces": [7, 3]}, "like_b": {"pattern": "into*"}}')
    assert job.code == 0, job.error
    groups, result = groups_of(job), job.json("result.json")
    assert result["assembly"]["shared_faces"] == 1
    assert groups["out_of_a"] == groups["into_b"] == groups["like_b"] > 0, "a face that two share keeps both names"
    assert groups["mine"] == groups["into_b"] + groups["face-3"], "numbers are those of the preview"
    assert {name for name in groups if name.startswith("face-")} == {f"face-{i}" for i in (1, 3, 5, 6, 8, 9, 11, 12)}
    assert groups["front"] == 2 * groups["face-3"], "one name, one group"
    assert [(g["name"], sorted(g["faces"])) for g in result["groups"]] == [("mine", [2, 3, 7]), ("like_b", [2, 7])]


def test_both_pieces_of_a_face_have_its_name(tmp_path):
    """b is moved by half of a: of its face 1, and of a's opposite one, a part is shared and a part is not."""
    job = run("mesh", part("assembly.step"), "outputs=inp", "max_size_mm=4", "assembly=conformal")
    whole = run("mesh", part("assembly.step"), "outputs=inp", "max_size_mm=4")
    assert set(groups_of(job)) == set(groups_of(whole)), "no name came or went"


# ---- solids with nodes of their own, and where they touch ----

def test_imprint_gives_each_its_own_face(parts):
    """A narrow bar on the end of a wide one: the wide one's end is cut, and both keep numbers and nodes."""
    job = run("mesh", os.path.join(parts, "bars.step"), "outputs=inp", "max_size_mm=5", "assembly=imprint", 'groups={"end": {"faces": [2]}}')
    assert job.code == 0, job.error
    result, groups = job.json("result.json"), groups_of(job)
    assert [(c["area"], c["gap"]) for c in result["contacts"]] == [(pytest.approx(36), 0)]
    assert result["assembly"]["mode"] == "imprint" and result["assembly"]["shared_faces"] == 1
    assert result["geometry"]["surfaces"] == 13, "twelve, and one is in two pieces"
    assert {name for name in groups if name.startswith("face-")} == {f"face-{i}" for i in range(1, 13)}
    assert groups["end"] == groups["face-2"] > groups["contact_1_master"] > 0
    assert groups["contact_1_slave"] == groups["face-7"]
    assert result["mesh_volume"] == pytest.approx(50 * 136)


def test_faces_that_are_near_are_contact_pairs(parts):
    """A bolt with a play of 0.05: its shank and the underside of its head."""
    path = os.path.join(parts, "loose_fit.step")
    job = run("mesh", path, "outputs=msh,inp", "max_size_mm=6", "contact_gap=0.06")
    contacts = job.json("result.json")["contacts"]
    assert [(c["faces"], c["gap"]) for c in contacts] == [([2, 2], 0)] and job.json("result.json")["assembly"]["mode"] == "separate"
    job = run("mesh", path, "outputs=msh,inp", "max_size_mm=6", "contact_gap=0.04")
    assert [(c["faces"], c["gap"]) for c in job.json("result.json")["contacts"]] == [([1, 1], 0)], "the head alone"
    assert {"contact_1_master", "contact_1_slave"} <= set(groups_of(job))
    assert run("mesh", path, "contact_gap=0.06", "assembly=conformal").code == BAD_INPUT
    assert run("mesh", path, "fluid=true", "assembly=imprint").code == BAD_INPUT


@pytest.mark.skipif(SANITIZED, reason="names come from the same code in every build")
def test_thirty_equal_screws(parts):
    job = run("mesh", os.path.join(parts, "screws.step"), "outputs=inp", "max_size_mm=20", "assembly=imprint")
    assert job.code == 0, job.error
    result = job.json("result.json")
    assert len(result["solids"]) == 31 and len({s["group"] for s in result["solids"]}) == 31
    assert len(result["contacts"]) == 30 and len({c["slave"] for c in result["contacts"]}) == 30
    assert {c["faces"][0] for c in result["contacts"]} == {2} and len({c["master"] for c in result["contacts"]}) == 1
