# SPDX-License-Identifier: MIT
"""The programs that read our meshes: Python libraries in a venv (tests/readers), CalculiX and OpenFOAM from Debian."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import toolchains
from daemon import REPO

READERS = os.path.join(REPO, "tests", "readers")
FOAM = "/usr/share/openfoam"
CONTROL = """FoamFile { version 2.0; format ascii; class dictionary; object controlDict; }
application none; startFrom startTime; startTime 0; stopAt endTime; endTime 1; deltaT 1; writeControl timeStep; writeInterval 1;
"""
SCHEMES = "".join(f"{name}Schemes {{ default none; }}\n" for name in ("ddt", "grad", "div", "laplacian", "interpolation", "snGrad"))


def venv():
    with open(os.path.join(READERS, "requirements.txt"), encoding="utf-8") as file:
        key = file.read() + sys.version
    try:
        return toolchains.kept("readers", key, toolchains.venv_with("-r", os.path.join(READERS, "requirements.txt")))
    except (AssertionError, OSError, subprocess.TimeoutExpired) as why:
        pytest.skip(f"pip cannot bring the readers of tests/readers/requirements.txt: {str(why)[-300:]}")


def read_all(pairs, python=None):
    """What each (reader, path) finds, as tests/readers/read.py says it; {"error": ...} where the library fails."""
    done = subprocess.run([python or os.path.join(venv(), "bin", "python"), os.path.join(READERS, "read.py"),
                           *(word for pair in pairs for word in pair)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"read.py: exit code {done.returncode}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def read(reader, path):
    """What the library `reader` finds in the file; fails with the library's own complaint."""
    found = read_all([(reader, path)])[0]
    assert "error" not in found, f"{reader} does not read {os.path.basename(path)}: {found['error'][-3000:]}"
    return found


def program(name, package):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return name


def run(command, cwd, **more):
    """Runs it in the folder; fails with its output where it fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


class FoamCase:
    """An OpenFOAM case in `folder`, with nothing but a mesh in it."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(os.path.join(self.folder, "system"), exist_ok=True)
        for name, text in (("controlDict", CONTROL), ("fvSchemes", self.head("fvSchemes") + SCHEMES), ("fvSolution", self.head("fvSolution"))):
            with open(os.path.join(self.folder, "system", name), "w", encoding="ascii") as file:
                file.write(text)

    @staticmethod
    def head(name):
        return f"FoamFile {{ version 2.0; format ascii; class dictionary; object {name}; }}\n"

    def run(self, *command):
        return run([program(command[0], "openfoam"), *command[1:]], self.folder, WM_PROJECT_DIR=FOAM)

    def patches(self):
        """Name of each patch -> its faces, the empty ones left out."""
        with open(os.path.join(self.folder, "constant", "polyMesh", "boundary"), encoding="ascii") as file:
            found = re.findall(r"^\s*(\S+)\s*\{[^}]*?nFaces\s+(\d+);", file.read(), re.M)
        return {name: int(count) for name, count in found if int(count)}

    def check(self):
        """checkMesh's volume of all cells; fails where it does not say "Mesh OK"."""
        said = self.run("checkMesh")
        assert "Mesh OK." in said, said[-3000:]
        return float(re.search(r"Total volume = ([0-9.e+-]+)\.", said).group(1))
