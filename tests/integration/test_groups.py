# SPDX-License-Identifier: MIT
"""The parameter `groups`: faces by number, name and place, in every format, and what is refused."""
import base64
import json
import os
import re

import pytest
from mesh_readers import read_inp, read_msh2, read_msh4, read_unv
from pictures import read_png
from test_gmsh_plugin import BAD_INPUT, BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)),
                                reason="local-gmsh is not built")
MESHING = os.path.join(os.path.dirname(__file__), "../../docs/meshing.md")


def mesh(groups, *params, file="block.step"):
    return run("mesh", part(file), "max_size_mm=8", "binary=false", "groups=" + json.dumps(groups), *params)


def sides_of(job, read=read_msh4, name="mesh.msh"):
    """Of each group that is no solid: the corners' extent."""
    got = read(job.read(name))
    tris = got.of("tri")
    extents = {}
    for group, elements in got.groups.items():
        corners = [got.points[n] for e in elements if e in tris for n in tris[e]]
        if corners:
            extents[group] = [(min(c), max(c)) for c in zip(*corners)]
    return extents


def extent():
    xs, ys, zs = zip(*read_msh4(run("mesh", part("block.step"), "max_size_mm=8", "binary=false").read("mesh.msh")).points.values())
    return (min(xs), max(xs)), (min(ys), max(ys)), (min(zs), max(zs))


def test_faces_by_where_they_are():
    x, y, z = extent()
    job = mesh({"bottom": {"normal": [0, 0, -1]}, "top": {"plane": {"point": [0, 0, z[1]], "normal": [0, 0, 2]}},
                "left": {"box": [x[0], y[0], z[0], x[0], y[1], z[1]]}, "sides": {"normal": [0, 0, 1], "angle": 180},
                "Größe": {"faces": [1, 2]}}, "outputs=msh,msh2,inp,unv")
    result, sides = job.json("result.json"), sides_of(job)
    assert sides["bottom"][2] == pytest.approx((z[0], z[0])) and sides["top"][2] == pytest.approx((z[1], z[1]))
    assert sides["left"][0] == pytest.approx((x[0], x[0]))
    groups = {g["name"]: g for g in result["groups"]}
    assert list(groups) == ["bottom", "top", "left", "sides", "Größe"] and groups["Größe"]["group"] == "Gr__e"
    assert groups["left"]["area"] == pytest.approx((y[1] - y[0]) * (z[1] - z[0]), rel=1e-6)
    assert groups["sides"]["face_count"] == result["geometry"]["surfaces"] and groups["Größe"]["faces"] == [1, 2]
    assert {"bottom", "top", "left", "sides", "Gr__e"} <= set(read_inp(job.read("mesh.inp")).groups)
    for name, read in (("mesh-2.2.msh", read_msh2), ("mesh.unv", read_unv)):  # a face is in the first of its groups alone
        once = read(job.read(name))
        assert sum(len(once.groups.get(g, ())) for g in ("bottom", "top", "left", "sides", "Gr__e")) == len(once.of("tri")), name
        assert "top" in once.groups and not any(g.startswith("face-") for g in once.groups), name


def test_a_group_of_a_group():
    job = mesh({"sides": {"normal": [0, 0, 1], "angle": 90}, "walls": {"group": "sides"}})
    sides, walls = job.json("result.json")["groups"]
    assert walls["faces"] == sides["faces"] and walls["area"] == sides["area"]
    assert "has no face" in mesh({"walls": {"group": "none of this name"}}).error
    assert "is a group of edges" in mesh({"rim": {"of": "edges", "box": [0, 0, 0, 1, 1, 1]}}).error
    assert "beside those that choose edges: edges, group, box" in mesh({"rim": {"of": "edges", "normal": [0, 0, 1]}}).error


def test_a_bore_by_its_cylinder():
    job = mesh({"bore": {"normal": [0, 0, 1], "angle": 0}})
    assert job.json("result.json")["groups"][0]["face_count"] == 1
    text = open(part("block.step")).read()
    radius = float(re.search(r"CYLINDRICAL_SURFACE\('',#\d+,([0-9.E+-]+)\)", text).group(1))
    axis = re.search(r"CYLINDRICAL_SURFACE\('',#(\d+)", text).group(1)
    point = re.search(r"#%s = AXIS2_PLACEMENT_3D\('',#(\d+)" % axis, text).group(1)
    at = [float(c) for c in re.search(r"#%s = CARTESIAN_POINT\('',\(([^)]*)\)" % point, text).group(1).split(",")]
    job = mesh({"bore": {"cylinder": {"point": at, "axis": [0, 0, 1], "radius": radius}}})
    bore = sides_of(job)["bore"]
    assert bore[0] == pytest.approx((at[0] - radius, at[0] + radius), abs=0.2 * radius)


def test_faces_by_name_of_their_solid():
    job = mesh({"lid": {"pattern": "cover*"}}, file="assembly.step")
    assert job.json("result.json")["groups"][0]["face_count"] == 6


@pytest.mark.parametrize("groups, words", [
    ({"a": {"faces": [99]}}, ["\"a\" has no face", "faces of block.step", "preview"]),
    ({"a": {"pattern": "inlet*"}}, ["has no face"]),
    ({"a": {}}, ["in one way"]),
    ({"a": {"faces": [1], "normal": [0, 0, 1]}}, ["in one way"]),
    ({"a": {"faces": "1"}}, ["list of face numbers"]),
    ({"a": {"faces": [0]}}, ["first face has number 1"]),
    ({"a": {"normal": [0, 0, 0]}}, ["direction", "other than [0, 0, 0]"]),
    ({"a": {"box": [1, 0, 0, 0, 1, 1]}}, ["xmin", "no minimum above"]),
    ({"a": {"cylinder": {"point": [0, 0, 0], "axis": [0, 0, 1], "radius": 0}}}, ["a radius above 0"]),
    ({"a": {"plane": {"point": [0, 0, 0], "normal": [0, 0, 0]}}}, ["normal other than", "1e9"]),
    ({"a": {"plane": [0, 0, 1]}}, ["point"]),
    ({"a": {"faces": [1], "angle": 3}}, ["angle"]),
    ({"a": {"faces": [1], "tolerance": -1}}, ["tolerance"]),
    ({"a": {"face": [1]}}, ["not known"]),
    ({"a": {"of": "nonsense", "faces": [1]}}, ["`of`", "\"faces\""]),
    ({"a": {"of": "nonsense", "edges": [1]}}, ["`of`", "\"edges\""]),
    ({"a": [1]}, ["must be an object"]),
    ({"a": {"faces": [1]}, "A": {"faces": [2]}}, ["twice"]),
    ({"a\nb": {"faces": [1]}}, ["is not a name"]),
    ({str(i): {"faces": [1]} for i in range(65)}, ["64 at most"]),
])
def test_what_is_refused(groups, words):
    job = mesh(groups)
    assert job.code == BAD_INPUT and all(w in job.error for w in words), job.error
    assert "edges" not in job.stages, "before anything is meshed"


def test_an_stl_has_no_faces_yet():
    job = mesh({"a": {"faces": [1]}}, file="block.stl")
    assert job.code == BAD_INPUT and "STL" in job.error


def test_the_example_of_the_docs():
    groups = json.loads(re.search(r"groups='([^']*)'", open(MESHING).read()).group(1))
    job = mesh(groups)
    assert [g["name"] for g in job.json("result.json")["groups"]] == ["fixed", "top"] and {"fixed", "top"} <= set(sides_of(job))


def strong(rows, x, y):
    """The pixels of a tile of groups.png that show a face of the group, also through others."""
    tile = [row[3 * x:3 * (x + 320)] for row in rows[y:y + 240]]
    return sum(row[i] > row[i + 2] + 40 for row in tile for i in range(0, len(row), 3))


def test_a_picture_shows_each_group():
    groups = {"top": {"normal": [0, 0, 1]}, "bottom": {"normal": [0, 0, -1]}, "all of it": {"normal": [0, 0, 1], "angle": 180}}
    chosen = "groups=" + json.dumps(groups)
    job = run("preview", part("block.step"), chosen)
    width, height, rows = read_png(job.read("groups.png"))
    assert (width, height) == (2 * 320, 2 * 264)
    top, bottom, every, none = (strong(rows, x, y) for y in (0, 264) for x in (0, 320))
    assert every > top > 1000 and bottom > 1000, "what is hidden is seen through the others"
    assert none == 0
    captions = [sum(max(row[3 * x:3 * x + 3]) < 90 for row in rows[240:264] for x in range(at, at + 320)) for at in (0, 320)]
    assert 50 < captions[0] < captions[1], "their names stand below"
    assert [g["name"] for g in job.json("result.json")["groups"]] == list(groups)
    assert "groups.png" not in run("preview", part("block.step"), chosen, "picture=false").artifacts
    assert "groups.png" not in run("preview", part("block.step")).artifacts
    refused = run("preview", part("block.step"), 'groups={"x": {"box": [90, 90, 90, 91, 91, 91]}}')
    assert refused.code == BAD_INPUT and "has no face" in refused.error


def test_the_report_has_the_picture_of_groups():
    job = mesh({"top": {"normal": [0, 0, 1]}, "a\u202eb<": {"normal": [0, 0, -1]}}, "outputs=msh")
    page = job.read("report.html").decode()
    assert base64.b64encode(job.read("groups.png")).decode() in page
    assert "a[U+202E]b&lt;" in page and "\u202e" not in page, "a name cannot turn the text around it"
