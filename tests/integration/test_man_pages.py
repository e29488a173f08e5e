# SPDX-License-Identifier: MIT
"""The manual pages that the build made: sound, and whole."""
import gzip
import os
import re
import shutil
import subprocess

import pytest

from daemon import BUILD, LATHE, LATHED, REPO, SANITIZED

PAGES = ["lathe.1", "lathe-plugin-check.1", "lathe-plugin.3", "lathe-net.3", "lathe.ini.5", "lathed.8", "lathe-worker.8"]
FOLDER = os.path.join(BUILD, "man")

pytestmark = pytest.mark.skipif(SANITIZED or not os.path.isdir(FOLDER), reason="this build makes no manual pages")


def page(name):
    with gzip.open(os.path.join(FOLDER, name + ".gz"), "rt", encoding="utf-8") as file:
        return file.read()


def plain(text):
    """What a reader sees, nearly: without fonts and escapes."""
    return re.sub(r"\\f.|\\&", "", text).replace("\\-", "-").replace("\\(aq", "'").replace("\\(ga", "`").replace("\\e", "\\")


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name, tmp_path):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    (tmp_path / name).write_text(page(name), encoding="utf-8")
    said = subprocess.run(["mandoc", "-T", "lint", "-W", "style", tmp_path / name], text=True, check=False,
                          stdout=subprocess.PIPE, timeout=60).stdout
    # The date is left out on purpose: a page is as old as its program.  References: they are not installed here.
    said = [line for line in said.splitlines() if "missing date" not in line and "referenced manual not found" not in line]
    assert not said, said


def test_every_verb_and_option_of_lathe_is_there():
    text = plain(page("lathe.1"))
    verbs = subprocess.run([LATHE, "complete", "verbs"], text=True, check=True, stdout=subprocess.PIPE).stdout.split()
    assert "submit" in verbs and "plugin" in verbs
    for verb in verbs:
        assert f'.SS "lathe {verb} ' in text, verb
        options = subprocess.run([LATHE, "complete", "options", verb], text=True, check=True, stdout=subprocess.PIPE).stdout
        for option in options.split():
            assert option in text, (verb, option)


def test_every_key_of_the_configuration_is_there():
    text = plain(page("lathe.ini.5"))
    with open(os.path.join(REPO, "docs/configuration.md"), encoding="utf-8") as file:
        keys = re.findall(r"^\| `(\w+)` \|", file.read(), re.M)
    assert len(keys) > 40
    for key in keys:
        assert f".TP\n{key}\n" in text, key
    assert '.SH "[backend NAME]"' in text


def test_the_header_is_whole():
    with open(os.path.join(REPO, "plugin-sdk/include/lathe/plugin.h"), encoding="utf-8") as file:
        header = file.read().partition("clang-format off")[2]
    text = plain(page("lathe-plugin.3"))
    for word in re.findall(r"\bLATHE_[A-Z_0-9]+\b", header):
        assert word in text, word
    assert "const struct lathe_plugin *lathe_plugin_v1(void);" in text


def test_the_header_of_the_client_kit_is_whole():
    with open(os.path.join(REPO, "plugin-sdk/net/include/lathe/net.h"), encoding="utf-8") as file:
        header = file.read()
    text = plain(page("lathe-net.3"))
    names = set(re.findall(r"\blathe_net_\w+", header))
    assert len(names) > 15
    for name in names:
        assert name in text, name


def test_the_daemons_options_and_signals_are_there():
    text = plain(page("lathed.8"))
    for word in re.findall(r"--[a-z-]+", subprocess.run([LATHED, "--help"], text=True, check=True,
                                                        stdout=subprocess.PIPE).stdout):
        assert word in text, word
    assert "SIGHUP" in text and "drain" in text


def test_the_checks_are_there():
    program = os.path.join(BUILD, "bin/lathe-plugin-check")
    text = plain(page("lathe-plugin-check.1"))
    for line in subprocess.run([program, "--list"], text=True, check=True, stdout=subprocess.PIPE).stdout.splitlines():
        assert f".TP\n{line.split()[0]}\n" in text, line
