# SPDX-License-Identifier: MIT
"""The plugin ABI: what 1.0 froze stays, plugins of other times run, and broken ones are reported.

tests/fixtures/abi/VERSION/plugin.h are the headers as they were released; plugins are built with each
of them and with one of a minor that is yet to come (tests/fixtures/abi/CMakeLists.txt).
"""
import glob
import os
import re
import shutil
import subprocess

import pytest
from daemon import BUILD, ECHO, LATHE, PATIENCE, PLUGINS, REPO, TEST_PLUGINS, clean_env, merged, wait_until

HEADER = os.path.join(REPO, "plugin-sdk", "include", "lathe", "plugin.h")
ABI = os.path.join(BUILD, "tests", "abi")
FROZEN = sorted(glob.glob(os.path.join(REPO, "tests", "fixtures", "abi", "*", "plugin.h")))
SHAPES = ("fork", "process", "shared", "remote")


def version_of(path):
    return os.path.basename(os.path.dirname(path))


# ---- the header ----

def bare(path):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    return re.sub(r"\\\n", " ", text)


def structures(path):
    """Name -> declarations, in order, white space made one."""
    found = {}
    for name, body in re.findall(r"struct (lathe_\w+) \{(.*?)\n\};", bare(path), flags=re.S):
        found[name] = [" ".join(d.split()) for d in body.split(";") if d.strip()]
    return found


def fields(declarations):
    """The names that the declarations declare."""
    out = []
    for declaration in declarations:
        pointer = re.search(r"\(\*(\w+)\)\(", declaration)
        out += [pointer.group(1)] if pointer else re.findall(r"\**(\w+)\s*(?=,|$)", declaration)
    return out


def constants(path):
    """Macros that stand for a value, but for the minor version and the guard."""
    found = dict(re.findall(r"^#define (LATHE_\w+)[ \t]+(\S.*?)\s*$", bare(path), flags=re.M))
    found.pop("LATHE_ABI_MINOR")
    return found


def layout(path, folder):
    """What a compiler makes of the names of the frozen header."""
    include = os.path.join(folder, "include")
    os.makedirs(os.path.join(include, "lathe"), exist_ok=True)
    shutil.copy(path, os.path.join(include, "lathe", "plugin.h"))
    lines = ["#include <lathe/plugin.h>", "#include <stdio.h>", "int main(void) {"]
    for name, declarations in structures(FROZEN[0]).items():
        for field in fields(declarations):
            at = f"struct {name}, {field}"
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({at}), sizeof(((struct {name} *)0)->{field}));')
    for name, value in constants(FROZEN[0]).items():
        if re.fullmatch(r"(0x)?[0-9a-f]+u?", value):
            lines.append(f'printf("{name} %lld\\n", (long long){name});')
    source, program = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
    with open(source, "w", encoding="ascii") as file:
        file.write("\n".join([*lines, "return 0; }", ""]))
    subprocess.run([compiler("gcc", "clang", "cc"), "-I", include, source, "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def compiler(*names):
    found = [n for n in names if shutil.which(n)]
    return found[0] if found else pytest.skip("there is no C compiler")


def test_the_parser_sees_everything():
    """Or the tests below would hold nothing against nothing."""
    today = structures(HEADER)
    assert {"lathe_host", "lathe_plugin", "lathe_option", "lathe_request", "lathe_remote", "lathe_kinds"} <= set(today)
    assert fields(today["lathe_remote"]) == ["struct_size", "poll_many_max", "submit", "find", "poll", "fetch", "cancel",
                                               "poll_many"]
    assert fields(today["lathe_plugin"])[:4] == ["magic", "struct_size", "abi_major", "abi_minor"]
    assert fields(today["lathe_host"])[3:5] == ["config", "log"] and len(fields(today["lathe_host"])) == 20
    assert constants(HEADER)["LATHE_RETRY_MEM"] == "3200" and "LATHE_PLUGIN_INIT" in constants(HEADER)


@pytest.mark.parametrize("frozen", FROZEN, ids=version_of)
def test_todays_header_holds_all_that_was_released(frozen, tmp_path):
    today, old = structures(HEADER), structures(frozen)
    for name, declarations in old.items():
        assert today.get(name, [])[:len(declarations)] == declarations, \
            f"struct {name}: fields of a release keep their place and type; new ones go to the end"
    values = constants(HEADER)
    for name, value in constants(frozen).items():
        assert values.get(name) == value, f"{name} of a release keeps its value"
    assert layout(HEADER, str(tmp_path / "today")) == layout(frozen, str(tmp_path / "frozen"))


@pytest.mark.parametrize("frozen", FROZEN[-1:], ids=version_of)
def test_what_was_appended_has_a_new_minor(frozen):
    minor = [int(re.search(r"#define LATHE_ABI_MINOR +(\d+)", bare(h)).group(1)) for h in (HEADER, frozen)]
    grown = structures(HEADER) != structures(frozen)
    assert minor[0] > minor[1] or not grown, \
        "fields were appended: raise LATHE_ABI_MINOR and freeze a copy in tests/fixtures/abi when it is released"


@pytest.mark.parametrize("name, language", [
    ("gcc", "c11"), ("clang", "c11"), ("g++", "c++17"), ("clang++", "c++17")])
def test_it_compiles_without_a_warning(name, language, tmp_path):
    source = tmp_path / ("use.cc" if "++" in name else "use.c")
    source.write_text("""#include <lathe/plugin.h>
        int has(const struct lathe_host *h);
        int has(const struct lathe_host *h) { return LATHE_HAS(h, extension); }
        static const struct lathe_plugin plugin = {LATHE_PLUGIN_INIT, 0, 0, 0, 0, "n", "1", "s", "l", 0, 0, "cpu",
                                                   LATHE_FORK, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        const struct lathe_plugin *lathe_plugin_v1(void) { return &plugin; }\n""")
    subprocess.run([compiler(name), f"-std={language}", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror",
                    "-I", os.path.dirname(os.path.dirname(HEADER)), "-c", str(source), "-o", str(tmp_path / "use.o")],
                   check=True)


# ---- plugins of other times ----

@pytest.fixture(scope="module")
def versions():
    return [version_of(path) for path in FROZEN] + ["newer"]


def test_plugins_of_other_times_run(make_daemon, versions, tmp_path):
    backends = {f"{v}-{s}": os.path.join(ABI, f"abi_{v}_{s}.so") for v in versions for s in SHAPES}
    config = {f"backend {name}": {"plugin": path, "workers": 1} for name, path in backends.items()}
    c = make_daemon(config, base={}, env={"TMPDIR": str(tmp_path)}).client()
    for name in backends:
        job = c.wait(c.submit("bad", backend=name))
        assert job["status"] == "completed" and job["backend"] == name, job
        assert [a["name"] for a in job["artifacts"]] == ["out.txt"]


def test_unknown_low_flags_are_ignored(make_daemon, tmp_path):
    config = {"backend odd": {"plugin": os.path.join(ABI, "abi_newer_fork.so"), "workers": 1}}
    c = make_daemon({"server": {"worker_env": "BAD_*"}, **config}, base={},
                    env={"TMPDIR": str(tmp_path), "BAD_FAULT": "flags_low"}).client()
    assert c.wait(c.submit("bad"))["status"] == "completed"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("version, checks", [(version_of(p), []) for p in FROZEN] +
                         [("newer", ["descriptor", "options", "job", "old-host"])])
def test_plugins_of_other_times_pass_the_check(version, checks, shape, tmp_path):
    only = [word for check in checks for word in ("--only", check)]
    run = subprocess.run([os.path.join(BUILD, "bin", "lathe-plugin-check"), *only,
                          os.path.join(ABI, f"abi_{version}_{shape}.so")], capture_output=True, text=True, check=False,
                         timeout=300, env=clean_env({"TMPDIR": str(tmp_path)}))
    assert run.returncode == 0, run.stdout + run.stderr


# ---- broken plugins ----

# name -> (plugin, options, what the backend's message says)
BROKEN = {
    "magic": ("faulty_magic.so", {}, "magic 0x12345678 where this lathe .ABI 1"),
    "major": ("faulty_major.so", {}, r"built for ABI 7\.\d+ and this lathe speaks 1\.\d+"),
    "minor": ("faulty_minor.so", {}, r"needs ABI 1\.99 or later and this lathe speaks 1\.\d+"),
    "flags": ("faulty_flags.so", {}, r"ABI 1\.\d+. asks for features 0x00400000 that this lathe .ABI 1\.\d+"),
    "rights": ("faulty_rights.so", {}, r"ABI 1\.\d+. asks for rights 0x00800000 that this lathe .ABI 1\.\d+"),
    "size": ("faulty_size.so", {}, r"40 bytes and ABI 1\.0 needs"),
    "symbol": ("faulty_symbol.so", {}, "undefined symbol: a_function_that_nobody_has"),
    "null": ("faulty_null.so", {}, "gave no descriptor"),
    "both": ("faulty_both.so", {}, "exactly one of run and remote"),
    "abort": ("faulty_constructor.so", {}, r"while it loaded its plugin .*(signal 6|exit code)"),
    "exit": ("faulty_exit.so", {}, "while it loaded its plugin .*exit code 0"),
    "hang": ("scripted_fork.so", {"start": "hang", "ready_timeout": "500ms"}, "ready"),
    "refuse": ("scripted_fork.so", {"start": "refuse"}, "the model file is missing"),
    "later": ("scripted_fork.so", {"start": "later"}, "the other side does not answer"),
    "crash": ("scripted_fork.so", {"start": "crash"}, r"while its plugin started .create. .*(signal 6|exit code)"),
    "text": ("{tmp}/text.so", {}, "invalid ELF header"),
    "missing": ("{tmp}/missing.so", {}, "missing.so"),
}


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "text.so").write_text("This is a text.\n" * 20)
    config = {}
    for name, (plugin, options, _) in BROKEN.items():
        path = os.path.join(TEST_PLUGINS, plugin.format(tmp=tmp_path))
        config[f"backend {name}"] = {"plugin": path, "workers": 1, "restart_backoff": "50ms",
                                     "restart_backoff_max": "1s", **options}
    return config


def is_reported(daemon):
    """Each of them is on its backend, by the API and by the CLI, and echo works."""
    c, seen = daemon.client(), {}

    def all_told():
        for b in c.get("/api/backends").json["backends"]:
            says = BROKEN.get(b["name"], (None, None, "$never"))[2]
            if b["state"] in ("failed", "restarting") and re.search(says, b["message"] or ""):
                seen[b["name"]] = b
        return set(seen) == set(BROKEN)

    try:
        wait_until(all_told, "every fault is on its backend")
    except AssertionError:
        rest = [b for b in c.get("/api/backends").json["backends"] if b["name"] in BROKEN and b["name"] not in seen]
        raise AssertionError("\n".join(f"{b['name']}: {b['state']}: {b['message']}" for b in rest)) from None
    table = subprocess.run([LATHE, "--server", daemon.url, "backends"], capture_output=True, text=True, check=True,
                           env=clean_env(), timeout=PATIENCE).stdout
    for name in BROKEN:
        row, = [line for line in table.splitlines() if line.split()[0] == name]
        assert re.search(r"failed|restarting|starting", row), row
    assert c.run("echo")["status"] == "completed"
    assert daemon.process.poll() is None


def test_broken_plugins_never_stop_the_start(make_daemon, broken):
    daemon = make_daemon(broken, ready=False)
    wait_until(lambda: [b for b in daemon.client().get("/api/backends").json["backends"]
                        if b["name"] == "echo" and b["state"] == "ready"], "echo is ready")
    is_reported(daemon)


def test_broken_plugins_never_stop_a_reload(make_daemon, broken):
    daemon = make_daemon()
    pid = daemon.pid
    daemon.write_config(merged(ECHO, broken))
    daemon.reload()
    is_reported(daemon)
    daemon.write_config(ECHO)
    daemon.reload()
    wait_until(lambda: len(daemon.client().get("/api/backends").json["backends"]) == 1, "they are gone again")
    assert daemon.pid == pid and daemon.client().run("echo")["status"] == "completed"


def test_a_plugin_that_comes_later_is_taken_by_a_reload(make_daemon, tmp_path):
    late = tmp_path / "late.so"
    daemon = make_daemon({"backend late": {"plugin": str(late), "workers": 1}})
    c = daemon.client()

    def state():
        return [b["state"] for b in c.get("/api/backends").json["backends"] if b["name"] == "late"][0]

    wait_until(lambda: state() == "failed", "it is not there")
    shutil.copy(os.path.join(PLUGINS, "echo.so"), late)
    daemon.reload()
    wait_until(lambda: state() == "ready", "it is there")
