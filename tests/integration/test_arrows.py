# SPDX-License-Identifier: MIT
"""tools/check-arrows: this tree is clean, and each sort of violation is found in a small tree of its own."""
import os
import shutil
import subprocess

import pytest
from daemon import REPO

SCRIPT = os.path.join(REPO, "tools", "check-arrows")
SPDX = "/* SPDX-License-Identifier: MIT */\n"
FILES = {
    "core/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nlathe_room(base LINK PkgConfig::X)\n"
                           "lathe_room(http USES base LINK PkgConfig::Y)\nlathe_room(api USES base http)\n"
                           "target_link_libraries(lathe-worker PRIVATE lathe_base Threads::Threads)\n",
    "core/base/buf.h": SPDX,
    "core/http/http.h": SPDX + '#include "base/buf.h"\n#include <base/buf.h>\n#include <stdio.h>\n',
    "core/http/private.h": SPDX,
    "core/http/tls/private.h": SPDX,
    "core/api/api.c": SPDX + '#include "http/http.h"\n',
    "core/worker/host.c": SPDX + '#include "base/buf.h"\n#include <lathe/plugin.h>\n',
    "core/main.c": SPDX + '#include "api/api.c"\n',
    "plugin-sdk/include/lathe/plugin.h": SPDX,
    "plugins/echo/echo.c": SPDX + "#include <lathe/plugin.h>\n#include <stdlib.h>\n",
}


def check(folder, files):
    for path, text in {**FILES, "tools/check-arrows": None, **files}.items():
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            shutil.copy(SCRIPT, path)
        else:
            path.write_text(text)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return subprocess.run(["/usr/bin/python3", str(folder / "tools/check-arrows")], capture_output=True, text=True)


def test_this_tree():
    done = subprocess.run(["/usr/bin/python3", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_clean_tree(tmp_path):
    done = check(tmp_path, {})
    assert done.returncode == 0 and not done.stdout, done.stdout


@pytest.mark.parametrize("path, text, said", [
    ("core/base/x.c", SPDX + '\n#include "http/http.h"\n', "core/base/x.c:3: room base may not include room http"),
    ("core/http/x.c", SPDX + "#include <api/api.c>\n", "core/http/x.c:2: room http may not include room api"),
    ("core/api/x.c", SPDX + '#include "http/private.h"\n', "private to room http"),
    ("core/worker/x.c", SPDX + '#include "http/http.h"\n', "room worker may not include room http"),
    ("core/http/x.c", SPDX + '#include "../../plugins/echo/echo.c"\n', "core/ may not include plugins/echo/echo.c"),
    ("core/http/x.c", SPDX + '#include "lathe/plugin.h"\n', "may not include the plugins' ABI"),
    ("core/http/x.c", SPDX + '#include "nowhere.h"\n', "is not a file of the project"),
    ("core/cellar/x.c", SPDX + '#include "base/buf.h"\n', "room cellar is not named"),
    ("plugins/echo/x.c", SPDX + '#include "base/buf.h"\n', "a plugin includes lathe/plugin.h and its own files only"),
    ("plugins/other/x.c", SPDX + '#include "../echo/echo.c"\n', "a plugin includes lathe/plugin.h"),
    ("core/http/x.c", SPDX + "#include <sqlite3.h>\n", "only core/store/sqlite/ may include <sqlite3.h>"),
    ("plugins/echo/x.c", SPDX + "#include <sqlite3.h>\n", "only core/store/sqlite/ may include <sqlite3.h>"),
    ("core/http/x.c", SPDX + '#include "http/tls/private.h"\n', "core/http/tls/private.h is private to core/http/tls"),
    ("tools/x.sh", "#!/bin/sh\n\n\n# SPDX-License-Identifier: MIT\n", "tools/x.sh:1: no SPDX-License-Identifier"),
])
def test_violations(tmp_path, path, text, said):
    done = check(tmp_path, {path: text})
    assert done.returncode == 1
    assert said in done.stdout, done.stdout
    assert done.stdout.count("\n") == 1, done.stdout


MANY = {
    "plugins/many/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nset(FOLDERS low high)\n",
    "plugins/many/low/a.h": SPDX,
    "plugins/many/high/b.c": SPDX + '#include "low/a.h"\n',
    "plugins/many/plugin.c": SPDX + '#include "high/b.c"\n',
}


@pytest.mark.parametrize("text, said", [
    ('#include "low/a.h"\n', None),
    ('#include "high/b.c"\n', "sub-folder low may not include high, which stands behind it"),
    ('#include "plugin.c"\n', "sub-folder low may not include plugins/many/plugin.c"),
])
def test_sub_folders_of_a_plugin(tmp_path, text, said):
    done = check(tmp_path, {**MANY, "plugins/many/low/x.c": SPDX + text})
    assert done.returncode == (1 if said else 0), done.stdout
    assert not said or "plugins/many/low/x.c:2: " + said in done.stdout, done.stdout


@pytest.mark.parametrize("size", [4, 5])
def test_rings_in_a_room(tmp_path, size):
    """By what they call; the header that a room shows to others makes no ring."""
    ring = {f"core/api/r{i}.c": SPDX + '#include "api/api.h"\n'
            f"int f{i}(int x) {{\n  return f{(i + 1) % size}(x);\n}}\n" for i in range(size)}
    done = check(tmp_path, {**ring, "core/api/api.h": SPDX, "core/api/api.c": SPDX + "int f(void) {\n  return f0(1);\n}\n"})
    assert done.returncode == (1 if size > 4 else 0), done.stdout
    assert ("core/api/r0.c:1: 5 files use each other in a ring: r0 r1 r2 r3 r4" in done.stdout) == (size > 4), done.stdout


@pytest.mark.parametrize("size", [4, 5])
def test_rings_in_a_sub_folder(tmp_path, size):
    """Each calls the next, and the last one the first, which it includes."""
    ring = {f"plugins/many/low/r{i}.c": SPDX + f"/* f{(i + 2) % size} is not called here */\n"
            f"int f{i}(int x) {{\n  return f{i + 1}(x);\n}}\n" for i in range(size - 1)}
    ring |= {f"plugins/many/low/r{size - 1}.c": SPDX + f'#include "low/r0.h"\nint f{size - 1}(int x) {{\n  return x;\n}}\n',
             "plugins/many/low/r0.h": SPDX + "int f0(int x);\n"}
    done = check(tmp_path, {**MANY, **ring})
    assert done.returncode == (1 if size > 4 else 0), done.stdout
    assert ("5 files use each other in a ring: r0 r1 r2 r3 r4" in done.stdout) == (size > 4), done.stdout
