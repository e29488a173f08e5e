# SPDX-License-Identifier: MIT
"""docs/switching.md followed word by word, in an empty folder, with an installation below a prefix: one shell is both machines."""
import os
import re
import shlex

import pytest
from sshd import USER, Sshd, free_port, why_not

from daemon import REPO, SANITIZED
from installed import Prefix, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")
GUIDE = os.path.join(REPO, "docs", "switching.md")
TOKEN = "read -r LATHE_SECRET_second\n"
KEY = "ssh-ed25519 AAAA... lathe"


def text_of():
    with open(GUIDE, encoding="utf-8") as file:
        return file.read()


def blocks():
    """(machine, whether it is about SSH, commands) of each block."""
    return [(where, bool(ssh), text) for where, ssh, text in re.findall(r"^```sh (first|second)( ssh)?\n(.*?)^```$", text_of(), re.M | re.S)]


def once(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def script(folder, ssh):
    """Each block where its machine is; nothing of it stays running."""
    out = f"set -euo pipefail\nfirst_in={folder}/first second_in={folder}/second\nmkdir $first_in $second_in\n"
    out += "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n"
    for number, (where, of_ssh, text) in enumerate(blocks(), 1):
        if ssh or not of_ssh:
            out += f"echo '== block {number}'\ncd \"${where}_in\"\n{text}{where}_in=$PWD\n"
    out = out.replace("second=192.0.2.7\n", "second=127.0.0.1\n").replace("8090", str(free_port())).replace("8091", str(free_port()))
    out = once(out, TOKEN, f"read -r LATHE_SECRET_second <<< \"$(sed 's/^first:\\(.*\\) submit$/\\1/' $second_in/tokens)\"\n")
    if ssh:
        out = once(out, "ssh-keyscan -p 22 ", f"ssh-keyscan -p {ssh.port} ")
        out = once(out, "port = 22\n", f"port = {ssh.port}\n")
        out = once(out, KEY, "'\"$(cat $first_in/id_ed25519.pub)\"'")
        out = once(out, "mkdir -p -m 700 ~/.ssh\n", "")
        out = once(out, "~/.ssh/authorized_keys", shlex.quote(ssh.authorized))
    return out


def said_by(tmp_path, ssh):
    """What each block said, by its number."""
    text = script(tmp_path, ssh)
    said = run("bash", "-c", text, cwd=tmp_path, env=Prefix(tmp_path).env(USER=USER, TMPDIR="/tmp"))
    return dict(re.findall(r"^== block (\d+)\n(.*?)(?=^== block |\Z)", said, re.M | re.S))


def holding(said, words):
    """What the one block said whose commands hold these words."""
    numbers = [n for n, (_, _, text) in enumerate(blocks(), 1) if words in text]
    assert len(numbers) == 1, (words, numbers)
    return said[str(numbers[0])]


def check(said):
    assert "completed on here" in holding(said, "lathe watch") and "completed on second" in holding(said, "lathe watch")
    assert "completed on second" in holding(said, "lathe list --limit 1\n")
    by_hand = holding(said, "lathe backends drain")
    assert "goes to here first" in by_hand and 'from "here" back to null' in by_hand and "completed on here" in by_hand
    assert 1 <= int(holding(said, "seq 40")) < 30
    assert "Recommended: " in holding(said, "lathe bench")
    broken = holding(said, "fail=crash")
    assert "completed on second" in broken and re.search(r"here +breaker ", broken) and "here is ready" in broken
    assert "completed on here" in holding(said, "second.*paused") and "completed on second" in holding(said, "second.*ready")
    money = holding(said, "lathe costs")
    assert re.search(r"completed on second.*completed on second.*completed on here", money, re.S) and re.search(r"second +budget ", money)
    for word in ("config.start", "config.reload", "route.use (undone)", "backend.drain", "rollback", "a new disk"):
        assert word in money, word


def test_the_guide(tmp_path):
    said = said_by(tmp_path, None)
    assert list(said) == [str(n) for n, (_, ssh, _) in enumerate(blocks(), 1) if not ssh]
    check(said)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_the_guide_over_ssh(tmp_path):
    sshd = Sshd(tmp_path / "sshd").start()
    try:
        said = said_by(tmp_path, sshd)
    finally:
        sshd.stop()
    assert len(said) == len(blocks())
    check(said)
    assert "(ED25519)" in holding(said, "ssh-keygen -lf")
    assert holding(said, "plugin = ssh-tunnel").count("completed on tunnel") == 2


def test_the_packages_are_installed_as_the_admins_guide_says():
    """Those commands have their own tests: test_packages.py and, below a prefix, this file."""
    with open(os.path.join(REPO, "docs", "admin.md"), encoding="utf-8") as file:
        admin = file.read()
    lines = re.findall(r"^    ((?:cmake|sudo) .*)$", text_of(), re.M)
    assert len(lines) == 3 and all(line in admin for line in lines[:2]), lines
