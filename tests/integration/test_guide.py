# SPDX-License-Identifier: MIT
"""docs/plugins.md followed word by word, in an empty folder: first with an installation below a prefix, then with
the packages alone."""
import os
import re
import socket

import pytest

from daemon import REPO, SANITIZED, wait_until
from installed import Prefix, run
from test_packages import debs, machine  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")

GUIDE = os.path.join(REPO, "docs", "plugins.md")


def shell_blocks():
    with open(GUIDE, encoding="utf-8") as file:
        return re.findall(r"^```sh\n(.*?)^```$", file.read(), re.M | re.S)


def script(blocks):
    """One shell for all, which tells each block and ends at the first failure; nothing of it stays running."""
    return "set -eu\ntrap 'kill ${lathed:-} 2>/dev/null || :' EXIT\n" + "".join(
        f"echo '== block {i}'\n{block}" for i, block in enumerate(blocks, 1))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_the_guide_with_an_installation_of_ones_own(tmp_path):
    """All but the last block, which installs as root."""
    prefix = Prefix(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    *blocks, last = shell_blocks()
    assert len(blocks) >= 4 and "sudo make install" in last
    text = script(blocks).replace("8099", str(free_port()))
    said = run("bash", "-c", text, cwd=empty, env=prefix.env())
    assert "0 failed" in said
    assert '{"words": 26, "listed": 10}' in said, said


def test_the_guide_with_the_packages(machine, debs):  # noqa: F811
    """Word by word; there is no init inside, so the daemon is started as its unit says instead of reloaded."""
    machine.run("dpkg", "-i", *machine.put(*debs.values()))
    machine.run("sh", "-c", "printf '#!/bin/sh\\nexec \"$@\"\\n' >/usr/local/bin/sudo && chmod +x /usr/local/bin/sudo")
    text = script(shell_blocks())
    assert text.count("sudo systemctl reload lathed\n") == 1
    text = text.replace("sudo systemctl reload lathed\n", "")
    said = machine.run("sh", "-c", "mkdir /tmp/empty && cd /tmp/empty && exec bash -c \"$1\"", "sh", text)
    assert "0 failed" in said
    assert "/etc/lathe/lathe.ini is fine: " in said
    with machine.lathed() as daemon:
        wait_until(lambda: machine.is_ready(daemon), "lathed is ready")
        machine.run("sh", "-c", "cd /tmp/empty/thumbnail && lathe submit thumbnail example.txt --out result2/")
        assert '{"words": 26, "listed": 8}' in machine.run("cat", "/tmp/empty/thumbnail/result2/result.json")


def test_no_link_of_the_guide_is_dead():
    with open(GUIDE, encoding="utf-8") as file:
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read())
    assert links
    for link in links:
        assert os.path.exists(os.path.join(os.path.dirname(GUIDE), link)), link


def test_every_file_that_the_guide_names_is_made(tmp_path):
    prefix = Prefix(tmp_path)
    run(prefix.path("bin/lathe"), "plugin", "new", "thumbnail", cwd=tmp_path)
    for name in ("README.md", "plugin.c", "kinds/thumbnail.json", "thumbnail.ini", "check", "CMakeLists.txt", "Makefile"):
        assert (tmp_path / "thumbnail" / name).is_file(), name
