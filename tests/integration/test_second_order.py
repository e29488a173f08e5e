# SPDX-License-Identifier: MIT
"""Ten-node tetrahedra: none is bent through itself anywhere, by Gmsh's own bounds; what was straightened is counted."""
import json
import os
import subprocess

import pytest

import solvers
from daemon import REPO, SANITIZED
from test_gmsh_plugin import BARE, PLUGIN, folder, part, read_vtu, run, shared  # noqa: F401 (folder: a fixture)

FIELD = os.path.join(REPO, "tests", "fixtures", "field")

pytestmark = pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built")


def determinants(job):
    """Least determinants by Gmsh 4.15, whose bounds are another program's."""
    script = os.path.join(solvers.READERS, "determinants.py")
    done = subprocess.run([os.path.join(solvers.venv(), "bin", "python"), script, os.path.join(job.folder, "mesh.msh")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=True)
    return json.loads(done.stdout[done.stdout.index("{"):])


def mesh(path, *params):
    job = run("mesh", path, "element_order=2", *params)
    assert job.code == 0, job.error
    return job, job.json("result.json")


@pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")
@pytest.mark.parametrize("name, size", [("fillet.step", 3), ("fillet.step", 5), ("thin_ring.step", 10)])
def test_no_determinant_is_negative(name, size):
    job, result = mesh(os.path.join(FIELD, name), f"max_size_mm={size}")
    told, found = result["second_order"], determinants(job)
    assert found["elements"] == result["counts"]["tetrahedra"]
    assert found["bad"] == 0 and found["least"] >= 1 / 30 - 1e-3
    assert told["least_determinant"] == pytest.approx(found["least"], abs=2e-3), "two reckonings of one thing"
    assert 0 < told["bent_elements"] <= told["straightened_elements"] < told["curved_elements"]
    assert 0 < told["moved_nodes"] and 0 < told["max_distance"] < size / 2


@pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")
@pytest.mark.parametrize("path", [part("bracket.step")] + shared("t20_component8_67k.step", "as1_assembly_442k.stp"),
                         ids=os.path.basename)
def test_other_parts(path):
    job, result = mesh(path, "outputs=msh")
    found = determinants(job)
    assert found["bad"] == 0
    assert result["second_order"]["least_determinant"] == pytest.approx(found["least"], abs=2e-3)


def test_a_ring_thinner_than_its_elements_needs_no_second_strategy():
    job, result = mesh(os.path.join(FIELD, "thin_ring.step"), "max_size_mm=10")
    first = run("mesh", os.path.join(FIELD, "thin_ring.step"), "max_size_mm=10").json("result.json")
    assert len(result["attempts"]) == 1
    assert result["counts"]["tetrahedra"] == first["counts"]["tetrahedra"]
    told = result["second_order"]
    warning = " ".join(result["warnings"])
    assert f"{told['bent_elements']} of {result['counts']['tetrahedra']}" in warning and "towards straight" in warning
    assert job.json("quality.json")["second_order"] == told
    report = job.read("report.html").decode()
    assert f"{told['moved_nodes']} middle nodes moved towards straight" in report


def test_a_sound_mesh_is_left_alone():
    job, result = mesh(part("block.step"))
    told = result["second_order"]
    assert told["bent_elements"] == told["moved_nodes"] == told["max_distance"] == 0
    assert told["curved_elements"] > 0 and 0.1 < told["least_determinant"] < 1
    assert result["warnings"] == []
    assert "second_order" not in run("mesh", part("block.step")).json("result.json")


def surface_nodes(job):
    """The places of the nodes that mesh.msh (text) gives to points, curves and faces."""
    lines = job.read("mesh.msh").decode().splitlines()
    at = lines.index("$Nodes") + 2
    while lines[at] != "$EndNodes":
        dim, _, _, count = map(int, lines[at].split())
        if dim < 3:
            yield from (tuple(map(float, line.split())) for line in lines[at + 1 + count:at + 1 + 2 * count])
        at += 1 + 2 * count


def test_middle_nodes_lie_on_the_cad():
    """A sphere has a seam and two poles, where parameters jump or say nothing."""
    job, result = mesh(os.path.join(FIELD, "sphere.step"), "max_size_mm=4", "outputs=msh", "binary=false")
    radii = [sum(x * x for x in p) ** 0.5 for p in surface_nodes(job)]
    assert len(radii) > 500 and max(abs(r - 10) for r in radii) < 1e-6
    deviation = result["deviation"]
    assert abs(deviation["volume"]) < 3e-4, "0.03 with flat elements of this size"
    assert 1e-4 < deviation["chord_error"] < 0.01, "what is left between the nodes"
    assert deviation["solids"][0]["mesh_volume"] == pytest.approx(result["mesh_volume"], rel=1e-6)


def test_a_straightened_node_is_a_deviation():
    _, result = mesh(os.path.join(FIELD, "thin_ring.step"), "max_size_mm=10")
    assert result["deviation"]["chord_error"] >= result["second_order"]["max_distance"] * (1 - 1e-5)


def test_every_file_has_the_moved_nodes():
    """What is moved in our arrays is moved in Gmsh's model, which writes the other formats."""
    job, result = mesh(os.path.join(FIELD, "fillet.step"), "max_size_mm=5", "outputs=msh,vtu", "binary=false")
    assert result["second_order"]["moved_nodes"] > 0
    text = job.read("mesh.msh").decode().splitlines()
    at = text.index("$Nodes")
    end = text.index("$EndNodes")
    written = {tuple(round(float(x), 9) for x in line.split()) for line in text[at:end] if len(line.split()) == 3}
    points = read_vtu(job.read("mesh.vtu"))["points"]
    ours = {tuple(round(x, 9) for x in points[i:i + 3]) for i in range(0, len(points), 3)}
    assert len(ours - written) <= len(ours) / 1000


def test_exhaustive_takes_ten_nodes_too():
    _, result = mesh(os.path.join(FIELD, "thin_ring.step"), "max_size_mm=10", "strategy=exhaustive",
                     "strategy_order=frontal-delaunay,frontal-delaunay-polished")
    assert result["second_order"]["bent_elements"] > 0
    assert [a["accepted"] for a in result["attempts"]] == [True, True]
