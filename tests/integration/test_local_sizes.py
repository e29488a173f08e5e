# SPDX-License-Identifier: MIT
"""Smaller elements in places: local_sizes and growth_rate."""
import json
import math
import os
import re

import pytest
from mesh_readers import read_msh4
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, REPO, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")
FIELD = os.path.join(REPO, "tests", "fixtures", "field")
MESHING = os.path.join(os.path.dirname(__file__), "../../docs/meshing.md")


def mesh(sizes, *params, file="block.step", size=8):
    return run("mesh", part(file), f"max_size_mm={size}", "binary=false", "local_sizes=" + json.dumps(sizes), *params)


def lengths(got, elements):
    pairs = {tuple(sorted((c[i], c[k]))) for c in elements for i in range(len(c)) for k in range(i)}
    return {p: math.dist(got.points[p[0]], got.points[p[1]]) for p in pairs}


def growth(got):
    """Ratio of the sizes of neighbouring tetrahedra (mean edge), larger over smaller."""
    sizes, sides, ratios = {}, {}, []
    for n, c in got.of("tet").items():
        edges = [math.dist(got.points[c[i]], got.points[c[k]]) for i in range(4) for k in range(i)]
        sizes[n] = sum(edges) / 6
        for out in range(4):
            side = tuple(sorted(c[:out] + c[out + 1:]))
            if side in sides:
                a, b = sizes[n], sizes[sides.pop(side)]
                ratios.append(max(a, b) / min(a, b))
            else:
                sides[side] = n
    return sorted(ratios)


def percentile(values, p):
    return sorted(values)[int(p / 100 * (len(values) - 1))]


def test_a_face_and_what_is_around_it():
    job = mesh({"top": {"group": "lid", "size_mm": 1, "growth_rate": 1.25}}, "groups=" + json.dumps({"lid": {"normal": [0, 0, 1], "angle": 1}}))
    result, got = job.json("result.json"), read_msh4(job.read("mesh.msh"))
    told = result["local_sizes"]
    assert [(s["name"], s["on"], s["size"], s["growth_rate"], s["count"]) for s in told] == [("top", "faces", 1, 1.25, 1)]
    assert told[0]["faces"] == result["groups"][0]["faces"]
    on_face = lengths(got, [got.elements[n][1] for n in got.groups["lid"] if got.elements[n][0] == "tri"])
    assert percentile(on_face.values(), 50) == pytest.approx(1, rel=0.1) and percentile(on_face.values(), 95) < 1.5
    assert told[0]["median_edge"] == pytest.approx(percentile(on_face.values(), 50), rel=0.05)
    every = lengths(got, got.of("tet").values())
    top = max(z for _, _, z in got.points.values())
    for (a, b), length in every.items():  # size + (growth - 1) distance; edges spread around a size
        depth = top - (got.points[a][2] + got.points[b][2]) / 2
        assert length < 2.2 * (1 + 0.25 * depth), (length, depth)
    assert max(every.values()) > 3, "the other end is coarse"
    ratios = growth(got)
    assert percentile(ratios, 95) < 1.6 and percentile(ratios, 50) < 1.25
    assert result["quality_metrics"]["sicn_min"] > 0.1
    page = job.read("report.html").decode()
    assert "Local sizes" in page and "<td class=n>top" in page


def test_edges_are_fine_and_the_face_between_them_is_not():
    job = mesh({"rim": {"faces": [1], "on": "edges", "size_mm": 0.5}, "one": {"between": [1, 3], "size_mm": 0.25}})
    result, whole = job.json("result.json"), mesh({"all": {"faces": [1], "size_mm": 0.5}}).json("result.json")
    rim, one = result["local_sizes"]
    assert rim["count"] == 4 and one["count"] == 1 and set(one["edges"]) < set(rim["edges"])
    assert one["median_edge"] == pytest.approx(0.25, rel=0.1)
    assert 0.25 <= rim["median_edge"] <= 0.52, "three of its edges are of 0.5"
    assert result["counts"]["triangles"] < whole["counts"]["triangles"]
    by_number = mesh({"one": {"edges": one["edges"], "size_mm": 0.25}}).json("result.json")["local_sizes"][0]
    assert by_number["median_edge"] == pytest.approx(0.25, rel=0.1)


def test_regions():
    at = [0, 0, 0]
    job = mesh({"ball": {"point": at, "radius_mm": 4, "size_mm": 0.8}, "rod": {"line": [[0, 0, 0], [20, 0, 0]], "size_mm": 1},
                "box": {"inside_box": [10, 10, 0, 15, 15, 5], "size_mm": 1}}, "deterministic=true")
    result = job.json("result.json")
    for told, size in zip(result["local_sizes"], (0.8, 1, 1)):
        assert told["on"] == "region" and told["median_edge"] == pytest.approx(size, rel=0.35), told
    again = mesh({"ball": {"point": at, "radius_mm": 4, "size_mm": 0.8}, "rod": {"line": [[0, 0, 0], [20, 0, 0]], "size_mm": 1},
                  "box": {"inside_box": [10, 10, 0, 15, 15, 5], "size_mm": 1}}, "deterministic=true")
    assert again.read("mesh.msh") == job.read("mesh.msh")


def test_one_body_of_an_assembly():
    plain = mesh({}, file="assembly.step", size=20).json("result.json")
    body = plain["solids"][0]
    job = mesh({"it": {"bodies": [body["solid"]], "size_mm": 3, "growth_rate": 2}}, "assembly=conformal", file="assembly.step", size=20)
    result, got = job.json("result.json"), read_msh4(job.read("mesh.msh"))
    assert result["local_sizes"][0]["median_edge"] == pytest.approx(3, rel=0.15)
    by_group = {g: [got.elements[n][1] for n in e if got.elements[n][0] == "tet"] for g, e in got.groups.items()}
    longest = {g: percentile(lengths(got, tets).values(), 95) for g, tets in by_group.items() if tets}
    fine = longest.pop(body["group"])
    assert fine < 5.5 and max(longest.values()) > 1.25 * fine, (fine, longest)
    named = mesh({"it": {"bodies": "cover*", "size_mm": 3}}, file="assembly.step", size=20).json("result.json")["local_sizes"][0]
    assert named["count"] == 1 and named["median_edge"] == pytest.approx(3, rel=0.15)


def test_regions_of_an_stl_and_second_order():
    stl = mesh({"p": {"point": [0, 0, 0], "radius_mm": 3, "size_mm": 0.8}}, file="block.stl").json("result.json")
    assert stl["local_sizes"][0]["median_edge"] < 1.3
    second = mesh({"in": {"faces": [1], "size_mm": 2}, "rim": {"edges": [1], "size_mm": 1}}, "element_order=2").json("result.json")
    assert second["local_sizes"][0]["median_edge"] == pytest.approx(2, rel=0.3)
    assert second["local_sizes"][1]["median_edge"] == pytest.approx(1, rel=0.2)


def test_a_target_leaves_local_sizes_alone():
    job = mesh({"in": {"faces": [1], "size_mm": 1}}, "target_elements=6000", size=20)
    result = job.json("result.json")
    assert 5100 <= result["counts"]["tetrahedra"] <= 6900, result["warnings"]
    assert result["local_sizes"][0]["median_edge"] == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("wish", [
    "growth_rate=1.3", "elements_across_gap=1", 'local_sizes={"top": {"point": [0, 0, 8], "radius_mm": 1, "size_mm": 0.8}}'])
def test_the_poles_of_a_sphere_are_no_edges(wish):
    """OpenCASCADE has an edge of length 1e-16 at each; a size from it filled all memory."""
    job = run("mesh", os.path.join(FIELD, "sphere.step"), "max_size_mm=4", wish)
    assert job.code == 0, job.error
    assert 100 < job.json("result.json")["counts"]["tetrahedra"] < 20000


def test_a_growth_rate_alone():
    ratios, counts = [], []
    for rate in (1.1, 2):
        job = run("mesh", part("block.step"), "binary=false", "max_size_mm=8", "curvature=30", f"growth_rate={rate}")
        result = job.json("result.json")
        assert result["options"]["growth_rate"] == rate and result["quality_metrics"]["sicn_min"] > 0.1
        ratios.append(percentile(growth(read_msh4(job.read("mesh.msh"))), 95))
        counts.append(result["counts"]["tetrahedra"])
    assert ratios[0] < 1.25 < ratios[1] < 1.5 and counts[0] > 1.5 * counts[1], (ratios, counts)


@pytest.mark.parametrize("sizes, words", [
    ({"a": {"faces": [99], "size_mm": 1}}, ["\"a\" has no face", "block.step", "preview"]),
    ({"a": {"edges": [99], "size_mm": 1}}, ["\"a\" has no edge", "dimension=2"]),  # that of a mesh of solids lists none
    ({"a": {"group": "inlet", "size_mm": 1}}, ["has no face", "fits its group"]),
    ({"a": {"size_mm": 1}}, ["in one way where"]),
    ({"a": {"faces": [1], "point": [0, 0, 0], "size_mm": 1}}, ["in one way where"]),
    ({"a": {"faces": [1]}}, ["needs size_mm"]),
    ({"a": {"faces": [1], "size_mm": 0}}, ["from 1e-9 to 1e9"]),
    ({"a": {"faces": [1], "size_mm": 1, "growth_rate": 1}}, ["1.01"]),
    ({"a": {"faces": [1], "size_mm": 1, "radius_mm": 1}}, ["radius_mm beside point or line"]),
    ({"a": {"faces": [1], "size_mm": 1, "on": "points"}}, ["faces, edges and bodies"]),
    ({"a": {"edges": [999], "size_mm": 1}}, ["has no edge"]),
    ({"a": {"bodies": [7], "size_mm": 1}}, ["solid 7"]),
    ({"a": {"bodies": "wheel", "size_mm": 1}}, ["called \"wheel\""]),
    ({"a": {"between": [1, 1, 2], "size_mm": 1}}, ["two different faces"]),
    ({"a": {"between": [1, 99], "size_mm": 1}}, ["has no face"]),
    ({"a": {"between": [1, 1], "size_mm": 1}}, ["two different faces"]),
    ({"a": {"point": [1e308, 0, 0], "size_mm": 1}}, ["-1e9 to 1e9"]),
    ({"a": {"point": [0, 0, 0], "size_mm": 1e-12}}, ["\"a\" needs size_mm", "from 1e-9"]),
    ({"a": {"point": [0, 0, 0], "size_mm": 1e-9}}, ["\"a\" has a size_mm of 1e-09", "or more"]),
    ({"a": {"of": "nonsense", "faces": [1], "size_mm": 1}}, ["`of`"]),
    ({"": {"faces": [1], "size_mm": 1}}, ["empty name"]),
    ({"a": {"normal": [0, 0, 0], "size_mm": 1}}, ["direction"]),
    ({"a": {"point": [0, 0], "size_mm": 1}}, ["[x, y, z]"]),
    ({"a": {"inside_box": [1, 0, 0, 0, 1, 1], "size_mm": 1}}, ["xmin"]),
    ({"a": {"faces": [1], "size": 1}}, ["key \"size\"", "size_mm"]),
    ({"a": [1]}, ["must be an object"]),
    ({str(i): {"faces": [1], "size_mm": 1} for i in range(65)}, ["64 at most"]),
])
def test_what_is_refused(sizes, words):
    job = mesh(sizes)
    assert job.code == BAD_INPUT and all(w in job.error for w in words), job.error
    assert "edges" not in job.stages, "before anything is meshed"


def test_what_other_parameters_forbid():
    small = mesh({"a": {"faces": [1], "size_mm": 1}}, "min_size_mm=2")
    assert small.code == BAD_INPUT and "min_size_mm" in small.error
    cut = mesh({"a": {"edges": [1], "size_mm": 1}}, "assembly=conformal", file="assembly.step")
    assert cut.code == BAD_INPUT and "numbers them anew" in cut.error
    by_face = mesh({"a": {"faces": [1], "size_mm": 3}}, "assembly=conformal", file="assembly.step")
    assert by_face.json("result.json")["local_sizes"][0]["count"] >= 1, "faces keep the numbers of the preview"
    stl = mesh({"a": {"faces": [1], "size_mm": 1}}, file="block.stl")
    assert stl.code == BAD_INPUT and "inside_box" in stl.error
    slow = run("mesh", part("block.step"), "growth_rate=1")
    assert slow.code == BAD_INPUT and "1.01" in slow.error
    useless = mesh({"a": {"faces": [1], "size_mm": 9}}).json("result.json")
    assert any("changes nothing" in w for w in useless["warnings"])


def test_the_examples_of_the_docs():
    examples = re.findall(r"local_sizes='([^']*)'", open(MESHING).read())
    assert examples
    for example in examples:
        job = mesh(json.loads(example), "groups=" + json.dumps({"top": {"normal": [0, 0, 1], "angle": 1}}))
        assert job.code == 0, job.error
