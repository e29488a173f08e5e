# SPDX-License-Identifier: MIT
"""Every relative link of the documents leads somewhere, in the sources and where they are installed; decisions have a date."""
import os
import re
import subprocess

import pytest

from daemon import REPO, SANITIZED
from installed import Prefix

LINK = re.compile(r"\]\(([^)\s]*)\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.S | re.M)


def anchors(text):
    """Of the headings, as forges make them."""
    heads = re.findall(r"^#+ +(.*?) *$", CODE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h)).strip().lower().replace(" ", "-") for h in heads}


def broken(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for link in LINK.findall(CODE.sub("", text)):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if not os.path.exists(there):
            yield f"{path}: {link}: there is no {there}"
        elif anchor and there.endswith(".md"):
            with open(there, encoding="utf-8") as file:
                if anchor not in anchors(file.read()):
                    yield f"{path}: {link}: no such heading"


def documents(root):
    return [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(".md")]


def test_the_links_of_the_sources():
    if not os.path.exists(os.path.join(REPO, ".git")):
        pytest.skip("no list of files")
    names = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=REPO, capture_output=True, text=True, check=True).stdout
    # A template's links are those of a project that is made of it.
    paths = [os.path.join(REPO, n) for n in names.split("\0") if n and "/template/" not in n]
    assert len(paths) > 20
    assert [b for p in paths for b in broken(p)] == []


def test_each_decision_has_a_status_a_date_and_a_line_in_the_table():
    folder = os.path.join(REPO, "docs", "adr")
    pages = sorted(n for n in os.listdir(folder) if n != "README.md")
    with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
        table = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", file.read(), re.M)
    assert [name for _, name, _ in table] == pages and len(pages) > 30
    for number, name, _ in table:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            head = file.read(600)
        assert name.startswith(number + "-") and f"\n# {number}: " in head, name
        assert re.search(r"^Status: (accepted|superseded by \[\d{4}\]\(\S+\)), \d{4}-\d\d-\d\d$", head, re.M), name


@pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")
def test_the_links_of_the_installed_documents(tmp_path):
    prefix = Prefix(tmp_path)
    paths = documents(prefix.path("share", "doc"))
    assert len(paths) > 20
    assert [b for p in paths for b in broken(p)] == []
    with open(prefix.path("share", "doc", "lathe", "README.md"), encoding="utf-8") as file:
        assert "](admin.md)" in file.read()
