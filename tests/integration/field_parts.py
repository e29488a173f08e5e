# SPDX-License-Identifier: MIT
"""The fixture `parts`: a folder with what tests/fixtures/field/make_assemblies.py makes, made once."""
import os
import subprocess
import sys

import pytest

from daemon import REPO

MAKER = os.path.join(REPO, "tests", "fixtures", "field", "make_assemblies.py")


@pytest.fixture(scope="session", name="parts")
def fixture_parts(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("hollow"))
    done = subprocess.run([sys.executable, MAKER, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    if "No module named 'gmsh'" in done.stdout:
        pytest.skip("Gmsh's Python module is not installed: apt-get install python3-gmsh")
    assert done.returncode == 0, done.stdout[-2000:]
    return path
