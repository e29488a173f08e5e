# SPDX-License-Identifier: MIT
"""docs/security.md is the one place that names every trust boundary: the files that it says check it, and those that
it says show so, are there."""
import os
import re

from daemon import REPO

PAGE = os.path.join(REPO, "docs", "security.md")
BOUNDARIES = [("client", "API"), ("upload", "mesher"), ("upload", "disk"), ("job (FORK)", "zygote"), ("worker", "daemon"),
              ("artifact (work folder)", "storage (`output/`)")]


def rows():
    with open(PAGE, encoding="utf-8") as file:
        section = file.read().partition("\n## The boundaries\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def paths(cell):
    return [name for name in re.findall(r"`([^`]+)`", cell) if name.startswith(("core/", "plugins/", "tests/"))]


def test_every_boundary_has_its_line():
    table = rows()
    assert all(len(row) == 6 for row in table), table
    assert not {b for b in BOUNDARIES} - {(row[0], row[1]) for row in table}


def test_who_checks_and_what_shows_it_are_files():
    for row in rows():
        checks, shown = paths(row[3]), paths(row[5])
        assert checks and shown, row
        assert all(name.startswith("tests/") for name in shown), row
        missing = [name for name in checks + shown + paths(row[4]) if not os.path.exists(os.path.join(REPO, name))]
        assert not missing, missing
