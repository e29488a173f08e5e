# SPDX-License-Identifier: MIT
"""The built programs and plugins, and those in the Debian packages, are hardened: read from the ELF files.

cmake/hardening.cmake says what is asked for; another build tree (clang's) is looked at with LATHE_BUILD."""
import glob
import os
import platform
import re
import shutil
import subprocess

import pytest

from daemon import BUILD, SANITIZED
from test_packages import debs  # noqa: F401 (a fixture)

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="sanitizers take the place of some of it"),
    pytest.mark.skipif(not shutil.which("readelf") or not shutil.which("objdump"), reason="binutils are missing")]

X86 = platform.machine() == "x86_64"
# Each has a checked twin (NAME_chk) that -D_FORTIFY_SOURCE always takes.  snprintf stays where the compiler has proved
# that the text's place is large enough.
PRINTERS = {"printf", "fprintf", "vprintf", "vfprintf", "dprintf", "vdprintf", "asprintf", "vasprintf"}
NOTHING_TO_CHECK = {"wrap.so"}  # C++ that prints nothing, and copies what it has counted itself
PAGE = 4096


def read(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def is_elf(path):
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def elf_files(*folders):
    found = [path for folder in folders for path in glob.glob(f"{folder}/**", recursive=True)]
    return sorted(path for path in found if is_elf(path) and not path.endswith(".o"))


BUILT = elf_files(os.path.join(BUILD, "bin"), os.path.join(BUILD, "plugins"))


class Elf:
    """What `readelf` and `objdump` say of one file."""

    def __init__(self, path):
        self.path = path
        self.header = read("readelf", "-hW", path)
        self.segments = read("readelf", "-lW", path)
        self.dynamic = read("readelf", "-dW", path)
        lines = [line.split() for line in read("readelf", "--dyn-syms", "-W", path).splitlines()]
        symbols = [words for words in lines if len(words) >= 8 and words[0][:-1].isdigit()]
        self.imports = {words[7].partition("@")[0] for words in symbols if words[6] == "UND"}
        self.exports = {words[7].partition("@")[0]: int(words[1], 16) for words in symbols if words[6] != "UND"}
        self.code = read("objdump", "-d", "--no-show-raw-insn", path)

    def is_plugin(self):
        return "lathe_plugin_v1" in self.exports

    def executable(self):
        return "INTERP" in self.segments


def faults_of(elf):
    """What is not as it has to be, as short sentences."""
    found = []

    def need(condition, fault):
        if not condition:
            found.append(fault)

    need(re.search(r"Type:\s+DYN", elf.header), "it is not position independent")
    need(not elf.executable() or re.search(r"FLAGS_1.*\bPIE\b", elf.dynamic), "it is not a PIE")
    need(re.search(r"GNU_STACK\s.*\sRW\s", elf.segments), "its stack is executable")
    need(not re.search(r"LOAD\s.*\sRWE\s", elf.segments), "a segment is writable and executable")
    need("GNU_RELRO" in elf.segments, "it has no RELRO")
    need(re.search(r"FLAGS(_1)?\).*\b(BIND_NOW|NOW)\b", elf.dynamic), "it has no BIND_NOW, so RELRO is partial")
    need("TEXTREL" not in elf.dynamic, "its code is relocated")
    need("__stack_chk_fail" in elf.imports, "it has no stack protector")
    plain = sorted(PRINTERS & elf.imports)
    need(not plain, f"{', '.join(plain)} came without _FORTIFY_SOURCE")
    need(any(name.endswith("_chk") for name in elf.imports) or os.path.basename(elf.path) in NOTHING_TO_CHECK,
         "it has no checked call of _FORTIFY_SOURCE")
    if X86:
        frames = [int(x, 16) for x in re.findall(r"\bsub +\$0x([0-9a-f]+),%rsp", elf.code)]
        frames = [size for size in frames if size < 1 << 63]  # a negative one gives the stack back
        need(max(frames, default=0) <= PAGE,
             f"a stack frame of {max(frames, default=0)} bytes is not probed: no stack-clash protection")
        need(has_cet(elf), "its functions do not begin with endbr64: no -fcf-protection")
    return found


def has_cet(elf):
    """A plugin's entry is called through a pointer; a program has dozens of such functions."""
    if elf.is_plugin():
        return re.search(rf"^ *{elf.exports['lathe_plugin_v1']:x}:\s+endbr64", elf.code, re.M)
    return elf.code.count("endbr64") > 10


def test_there_are_programs_and_plugins():
    names = {os.path.relpath(path, BUILD) for path in BUILT}
    assert {"bin/lathed", "bin/lathe", "bin/lathe-worker", "plugins/echo.so", "plugins/exec.so"} <= names


@pytest.mark.parametrize("path", BUILT, ids=[os.path.relpath(path, BUILD) for path in BUILT])
def test_it_is_hardened(path):
    assert faults_of(Elf(path)) == []


def test_what_the_packages_hold_is_hardened(debs, tmp_path):  # noqa: F811 (a fixture)
    names = set()
    for name, deb in debs.items():
        read("dpkg-deb", "-x", deb, tmp_path / name)
        for path in elf_files(tmp_path / name):
            names.add(os.path.basename(path))
            assert (path, faults_of(Elf(path))) == (path, [])
    assert {"lathed", "lathe", "lathe-worker", "lathe-plugin-check", "echo.so", "exec.so"} <= names


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is missing")
@pytest.mark.parametrize("flags, fault", [
    (["-no-pie"], "it is not position independent"), (["-Wl,-z,lazy"], "it has no BIND_NOW"),
    (["-Wl,-z,norelro"], "it has no RELRO"), (["-z", "execstack"], "its stack is executable"),
    (["-fno-stack-protector"], "it has no stack protector"), (["-U_FORTIFY_SOURCE"], "printf came without _FORTIFY_SOURCE"),
    pytest.param(["-fno-stack-clash-protection"], "no stack-clash protection", marks=pytest.mark.skipif(not X86, reason="x86")),
    pytest.param(["-fcf-protection=none"], "no -fcf-protection", marks=pytest.mark.skipif(not X86, reason="x86"))])
def test_each_lack_is_seen(tmp_path, flags, fault):
    source = tmp_path / "a.c"
    source.write_text("#include <stdio.h>\n" + "".join(f"int f{i}(int x);\nint f{i}(int x) {{ return x + {i}; }}\n" for i in range(12))
                      + "int main(int c, char **v) { char a[9000]; return printf(\"%s%p%d\", v[c - 1], (void *)f0, f3(c)) + snprintf(a, sizeof a - c, \"%s\", v[0]) + puts(a); }\n")
    hardened = ["-O2", "-fPIE", "-pie", "-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=2",
                "-Wl,-z,now", "-Wl,-z,relro"] + (["-fcf-protection=full"] if X86 else [])
    read("gcc", *hardened, source, "-o", tmp_path / "good")
    assert faults_of(Elf(tmp_path / "good")) == []
    read("gcc", *hardened, *flags, source, "-o", tmp_path / "bad")
    assert any(fault in found for found in faults_of(Elf(tmp_path / "bad")))
