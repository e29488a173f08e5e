# SPDX-License-Identifier: MIT
"""Each mesh file is read by the programs that people read it with, not by readers of ours."""
import os

import pytest

import solvers
from daemon import SANITIZED
from test_gmsh_plugin import BARE, PLUGIN, folder, part, run  # noqa: F401 (folder: a fixture)

pytestmark = [pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built"),
              pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")]
FACES = {f"face-{i}" for i in range(1, 8)}


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """A part with a mesh in each format, as its defaults write it."""
    run.root = str(tmp_path_factory.mktemp("block"))
    return run("mesh", part("block.step"), "outputs=all", "max_size_mm=4")


def path_of(job, name):
    return os.path.join(job.folder, name)


def test_meshio_reads_what_is_vtu(block):
    counts = block.json("result.json")["counts"]
    found = solvers.read("meshio", path_of(block, "mesh.vtu"))
    assert found["points"] == counts["nodes"] and found["cells"] == {"tetra": counts["tetrahedra"]}


def test_openfoam_takes_msh2_as_text(tmp_path):
    job = run("mesh", part("block.step"), "outputs=msh2", "max_size_mm=4", "binary=false")
    case = solvers.FoamCase(tmp_path)
    case.run("gmshToFoam", path_of(job, "mesh-2.2.msh"))
    assert set(case.patches()) == FACES
    assert case.check() == pytest.approx(job.json("result.json")["mesh_volume"], rel=1e-6)
