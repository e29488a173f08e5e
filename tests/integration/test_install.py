# SPDX-License-Identifier: MIT
"""`cmake --install`: what lies where, that it may be moved, and that a plugin can be built with it alone."""
import os
import shutil
import subprocess

import pytest

from daemon import BUILD, REPO, SANITIZED
from installed import Prefix, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")

SDK_PLUGIN = """\
#include <lathe/plugin.h>
#include <cstring>
static const lathe_host *host;
void helper_that_stays_inside() {}
static int32_t create(const lathe_host *h, void **self) { host = h; *self = nullptr; return LATHE_OK; }
static void destroy(void *) {}
static int32_t run(void *, lathe_job *job, const lathe_request *) { host->progress(job, 1000, "done"); return LATHE_OK; }
static const char *const kinds[] = {"own", nullptr};
static const lathe_option *const options[] = {nullptr};
const lathe_plugin *lathe_plugin_v1() {
  static lathe_plugin p = {};
  p = {LATHE_PLUGIN_INIT};
  p.name = "own", p.version = "1", p.summary = "A plugin of the tests", p.license = "MIT";
  p.kinds = kinds, p.options = options, p.device = "cpu", p.isolation = LATHE_FORK, p.max_concurrency = 1;
  p.create = create, p.destroy = destroy, p.run = run;
  return &p;
}
"""
KIND = """{"kind": "own", "title": "Own", "summary": "Does nothing.", "inputs": {"min": 0, "max": 0}, "params": [],
 "artifacts": [], "stages": ["done"], "resources": {}, "limits": {}}"""
CMAKE = """cmake_minimum_required(VERSION 3.18)
project(own LANGUAGES CXX)
find_package(lathe-plugin 1.0 REQUIRED)
lathe_add_plugin(own SOURCES own.cpp KINDS own.json)
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return Prefix(tmp_path_factory.mktemp("prefix"))


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in {"own.cpp": SDK_PLUGIN, "own.json": KIND, "CMakeLists.txt": CMAKE}.items():
        (folder / name).write_text(text)
    return folder


def exported(plugin):
    listing = run("nm", "-D", "--defined-only", plugin)
    return sorted(line.split()[-1] for line in listing.splitlines())


def one_job(daemon, kind, **body):
    daemon.start()
    try:
        job = daemon.client().run(kind, **body)
        assert job["status"] == "completed", job
        daemon.stop()
    finally:
        daemon.kill()


def test_everything_is_where_it_belongs(prefix):
    for name in ("bin/lathed", "bin/lathe", "bin/lathe-worker", "lib/lathe/plugins/echo.so", "share/lathe/kinds/echo.json",
                 "include/lathe/plugin.h", "include/lathe/net.h", "lib/liblathe-net.a", "share/pkgconfig/lathe-net.pc", "share/pkgconfig/lathe-plugin.pc", "share/lathe/plugin.map",
                 "lib/cmake/lathe-plugin/lathe-plugin-config.cmake", "etc/lathe/lathe.ini",
                 "lib/systemd/system/lathed.service", "share/doc/lathe/MIT.txt", "share/doc/lathe/admin.md",
                 "share/bash-completion/completions/lathe", "bin/lathe-plugin-check", "share/man/man8/lathed.8.gz",
                 "share/man/man3/lathe-plugin.3.gz", "share/lathe/template/run-c/plugin.c"):
        assert os.path.isfile(prefix.path(name)), name


def test_every_shipped_plugin_is_installed(prefix):
    built = {n for n in os.listdir(os.path.join(BUILD, "plugins")) if n.endswith(".so")}
    assert built == {n for n in os.listdir(prefix.path("lib/lathe/plugins")) if n.endswith(".so")}
    for name in built:
        assert exported(prefix.path("lib/lathe/plugins", name)) == ["lathe_plugin_v1"]


def test_a_moved_tree_runs_with_the_configuration_it_came_with(prefix, tmp_path):
    """Without --config and without an environment: programs, plugins, kinds and lathe.ini find each other."""
    text = run(prefix.path("bin/lathed"), "--check-config", cwd=tmp_path)
    assert f"{prefix.root}/bin/../etc/lathe/lathe.ini is fine" in text
    shown = run(prefix.path("bin/lathed"), "--print-config", cwd=tmp_path)
    assert f"{prefix.root}/bin/../etc/lathe/lathe.ini:" in shown
    if os.path.exists(prefix.path("lib/lathe/plugins/local-gmsh.so")):
        assert "[backend local]" in shown
        assert "conf.d/local-gmsh.ini" in shown
    one_job(prefix.daemon(tmp_path / "d", {"backend echo": {"plugin": "echo"}}), "echo")


def test_installing_again_keeps_the_admins_file(tmp_path):
    ini = tmp_path / "p/etc/lathe/lathe.ini"
    run("cmake", "--install", BUILD, "--prefix", tmp_path / "p", "--component", "runtime")
    ini.write_text("[backend mine]\nplugin = echo\n")
    text = run("cmake", "--install", BUILD, "--prefix", tmp_path / "p", "--component", "runtime")
    assert f"Kept: {ini}" in text
    assert "mine" in ini.read_text()


def test_plugins_are_found_where_debian_puts_libraries(prefix, tmp_path):
    triplet = subprocess.run(["cc", "-print-multiarch"], capture_output=True, text=True, check=False).stdout.strip()
    if not triplet:
        pytest.skip("this compiler knows no multiarch folder")
    root = tmp_path / "usr"
    shutil.copytree(prefix.root, root)
    (root / "lib" / triplet).mkdir()
    shutil.move(root / "lib/lathe", root / "lib" / triplet / "lathe")
    assert "is fine" in run(root / "bin/lathed", "--check-config", cwd=tmp_path)


def test_a_plugin_is_built_with_cmake_alone(prefix, project, tmp_path):
    run("cmake", "-S", project, "-B", project / "build", env=prefix.env())
    run("cmake", "--build", project / "build", env=prefix.env())
    assert exported(project / "build/own.so") == ["lathe_plugin_v1"]
    run("cmake", "--install", project / "build", env=prefix.env(DESTDIR=str(tmp_path / "stage")))
    installed = f"{tmp_path}/stage{prefix.root}/lib/lathe/plugins"
    assert sorted(os.listdir(installed)) == ["kinds", "own.so"]
    one_job(prefix.daemon(tmp_path / "d", {"server": {"plugin_path": installed}, "backend own": {"plugin": "own"}}), "own")


def test_cmake_says_which_abi_is_missing(prefix, project):
    (project / "CMakeLists.txt").write_text(CMAKE.replace("lathe-plugin 1.0", "lathe-plugin 2.0"))
    text = run("cmake", "-S", project, "-B", project / "build", env=prefix.env(), code=1)
    assert "lathe-plugin" in text and '"2.0"' in text, text


def test_a_plugin_is_built_with_pkg_config_alone(prefix, project, tmp_path):
    flags = run("pkg-config", "--cflags", "--libs", "lathe-plugin", env=prefix.env()).split()
    assert f"-I{prefix.root}/share/pkgconfig/../../include" in flags
    run("c++", "-fPIC", "-o", "own.so", "own.cpp", *flags, cwd=project)
    assert exported(project / "own.so") == ["lathe_plugin_v1"]
    folder = run("pkg-config", "--variable=plugindir", "lathe-plugin", env=prefix.env()).strip()
    assert os.path.samefile(folder, prefix.path("lib/lathe/plugins"))
    (project / "kinds").mkdir()
    shutil.copy(project / "own.json", project / "kinds/own.json")
    one_job(prefix.daemon(tmp_path / "d", {"backend own": {"plugin": f"{project}/own.so"}}), "own")


def test_the_unit_is_sound(prefix, tmp_path):
    """systemd's own reading of the unit: no unknown key, and little that a break-in could use."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    shutil.copy(prefix.path("lib/systemd/system/lathed.service"), tmp_path)
    unit = tmp_path / "lathed.service"
    unit.write_text(unit.read_text().replace(os.path.dirname(prefix.root) + "/made", prefix.root))
    said = run("systemd-analyze", "verify", "--man=no", unit)
    assert "lathed.service" not in said, said
    score = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert "OK" in score.splitlines()[-1], score


def test_what_the_docs_of_the_sdk_name_is_there(prefix):
    assert os.path.isfile(prefix.path("share/doc/lathe/kinds.md"))
    with open(os.path.join(REPO, "plugins/echo/echo.c"), encoding="utf-8") as file:
        source = file.read()
    with open(prefix.path("share/doc/lathe/examples/echo.c"), encoding="utf-8") as file:
        assert file.read() == source
