# SPDX-License-Identifier: MIT
"""The commands of docs/outputs.md, one by one, on the files of a beam: each ends well and says what the document says."""
import os
import re
import shutil
import subprocess

import pytest

import solvers
from daemon import REPO, SANITIZED
from test_gmsh_plugin import BARE, PLUGIN, folder, run  # noqa: F401 (folder: a fixture)

pytestmark = [pytest.mark.skipif(not (os.path.exists(BARE) and os.path.exists(PLUGIN)), reason="local-gmsh is not built"),
              pytest.mark.skipif(SANITIZED, reason="the files are the same in every build")]
BEAM = os.path.join(REPO, "tests", "fixtures", "field", "cantilever.step")
FILES = {"msh": "mesh.msh", "msh2": "mesh-2.2.msh", "vtu": "mesh.vtu", "stl": "mesh.stl", "su2": "mesh.su2", "inp": "mesh.inp",
         "bdf": "mesh.bdf", "unv": "mesh.unv", "foam": "polyMesh.tar", "cgns": "mesh.cgns", "med": "mesh.med"}
LIBRARIES = {"mesh.cgns": "libcgns-dev", "mesh.med": "libhdf5-dev"}
PACKAGES = {"gmshToFoam": "openfoam", "surfaceCheck": "openfoam", "ideasUnvToFoam": "openfoam", "checkMesh": "openfoam",
            "ccx": "calculix-ccx"}


def section():
    with open(os.path.join(REPO, "docs", "outputs.md"), encoding="utf-8") as file:
        return file.read().split("## Which file for which program\n")[1].split("\n## ")[0]


def blocks():
    """(language, commands, what is to be said) of each block."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", section(), re.M | re.S)
    return [(kind, text, re.findall(r"  # (.*)$", text, re.M)) for kind, text in found]


@pytest.fixture(scope="module")
def beam(tmp_path_factory):
    run.root = str(tmp_path_factory.mktemp("beam"))
    job = run("mesh", BEAM, "outputs=all")
    named = re.search(r"outputs=([\w,]+)", section()).group(1).split(",")
    assert {FILES[word] for word in named} - set(job.artifacts) <= set(LIBRARIES), "which a build may lack"
    return job


@pytest.mark.parametrize("kind, text, said", blocks(), ids=lambda b: b.split()[0] + "-" + b.split()[1] if isinstance(b, str) and "\n" in b else "")
def test_a_block(beam, tmp_path, kind, text, said):
    for program in set(text.split()) & set(PACKAGES):
        solvers.program(program, PACKAGES[program])
    for file, package in LIBRARIES.items():
        if file in text and file not in beam.artifacts:
            pytest.skip(f"{package} was missing when local-gmsh was built")
    case = solvers.FoamCase(tmp_path)
    for name in beam.artifacts:
        shutil.copy(os.path.join(beam.folder, name), case.folder)
    binaries = os.path.join(solvers.venv(), "bin")
    env = {**os.environ, "PATH": binaries + os.pathsep + os.environ["PATH"], "WM_PROJECT_DIR": solvers.FOAM}
    command = {"python": [os.path.join(binaries, "python"), "-c", text], "sh": ["sh", "-euc", text]}[kind]
    done = subprocess.run(command, cwd=case.folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for line in said:
        assert line in (done.stdout.splitlines() if kind == "python" else done.stdout + done.stderr), done.stdout[-3000:] + done.stderr[-1000:]


def test_every_program_of_the_table_has_its_block():
    rows = re.findall(r"^\| (.*?) \| `(\w+)`", section(), re.M)
    assert len(rows) >= 7 and len(blocks()) >= 8
    for program, word in rows:
        assert any(FILES[word] in text for _, text, _ in blocks()), program
    assert sum(bool(said) for _, _, said in blocks()) >= len(blocks()) - 1, "nearly all say something"
