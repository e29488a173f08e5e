# SPDX-License-Identifier: MIT
"""lathe-plugin-check: every plugin that we ship passes, and every check is failed by some plugin.

A faulty plugin fails exactly the check that is there for its fault; checks that build on that one are
skipped.  The plugins are tests/fixtures/check/bad.c with a fault chosen by BAD_FAULT, and those of
tests/fixtures/plugins that do not load at all.
"""
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from daemon import BUILD, PLUGINS, REPO, SANITIZED, TEST_PLUGINS, clean_env

CHECK = os.path.join(BUILD, "bin", "lathe-plugin-check")
BAD = os.path.join(BUILD, "tests", "check")


def check(plugin, *args, settings=(), fault=None, env=None, tmp=None):
    # A sanitizer would turn signals into exits.
    extra = {"ASAN_OPTIONS": "handle_segv=0:handle_abort=0", **(env or {})}
    if fault:
        extra["BAD_FAULT"] = fault
        args += ("--env", "BAD_FAULT")
    if tmp:
        extra["TMPDIR"] = str(tmp)
    return subprocess.run([CHECK, *args, str(plugin), *settings], capture_output=True, text=True, timeout=300,
                          env=clean_env(extra), check=False)


def tap(run):
    """Check -> "ok", "failed" or "skipped", and the text of each failure."""
    verdicts, texts, last = {}, {}, None
    for line in run.stdout.splitlines():
        match = re.match(r"(not ok|ok) (\d+) - ([a-z-]+): [^#]*(# SKIP .*)?$", line)
        if match:
            last = match.group(3)
            assert int(match.group(2)) == len(verdicts) + 1, run.stdout
            verdicts[last] = "failed" if match.group(1) == "not ok" else "skipped" if match.group(4) else "ok"
            texts[last] = ""
        elif line.startswith("# ") and last:
            texts[last] += line[2:] + "\n"
    assert f"1..{len(verdicts)}" in run.stdout.splitlines(), run.stdout + run.stderr
    return verdicts, texts


def listed():
    out = subprocess.run([CHECK, "--list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in out.splitlines()]


def passes(plugin, *args, **more):
    run = check(plugin, "--tap", *args, **more)
    verdicts, texts = tap(run)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert "failed" not in verdicts.values(), texts
    return verdicts


# ---- what we ship ----

def test_echo_passes():
    assert passes(os.path.join(PLUGINS, "echo.so"), "--params", '{"sleep_ms": 100, "steps": 5}')["cancel"] == "ok"


@pytest.mark.skipif(not os.path.exists(os.path.join(PLUGINS, "local-gmsh.so")), reason="local-gmsh was not built")
def test_local_gmsh_passes():
    part = os.path.join(REPO, "tests", "fixtures", "cad", "block.step")
    verdicts = passes(os.path.join(PLUGINS, "local-gmsh.so"), "--input", part, "--limit", "200")
    assert [c for c, v in verdicts.items() if v == "skipped"] == ["resume"]


def test_exec_passes(tmp_path):
    """The command offers two kinds; the option `kinds`, which `config` tries other values of, picks one."""
    kind = {"kind": "turn", "title": "Turn", "summary": "Does what a test asks.", "inputs": {"min": 0, "max": 1},
            "params": [{"name": "act", "type": "string", "default": "ok", "help": "For the test."}], "artifacts": [],
            "stages": [], "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 2, "timeout": "60s"}}
    (tmp_path / "turn.json").write_text(json.dumps(kind))
    command = f"{sys.executable} {os.path.join(REPO, 'tests', 'fixtures', 'exec', 'polite.py')}"
    verdicts = passes(os.path.join(PLUGINS, "exec.so"), "--kinds", str(tmp_path),
                      settings=["command=" + command, "kinds=turn"])
    assert [c for c, v in verdicts.items() if v == "skipped"] in (["resume"], ["cancel", "resume"])


PAINT = {"kind": "paint", "title": "Paint", "summary": "Has a bit of everything.", "stages": [],
         "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 2, "timeout": "60s"},
         "inputs": {"roles": [{"role": "image", "formats": [".txt"]}, {"role": "mask", "min": 0}]},
         "params": [{"name": "scanPoints", "type": "array", "help": "Required.", "schema": {
                        "minItems": 2, "items": {"type": "object", "required": ["x"], "properties": {
                            "x": {"type": "number", "exclusiveMinimum": 0}}}}},
                    {"name": "step", "type": "enum", "choices": [2, 4], "help": "Required too."}],
         "artifacts": [{"name": "frame-*.txt", "media_type": "text/plain"}]}


def painter(tmp_path, kind):
    """A command of exec that brings its kind along, and gives an artifact for each point."""
    script = tmp_path / "paint.py"
    script.write_text("import json, lathe_plugin\n"
                      "plugin = lathe_plugin.Plugin('paint', '1')\n"
                      f"@plugin.kind(json.loads({json.dumps(kind)!r}))\n"
                      "def paint(job):\n"
                      "    assert job.inputs[0]['role'] == 'image', job.inputs\n"
                      "    for i, point in enumerate(job.params['scanPoints']):\n"
                      "        open(f'frame-{i}.txt', 'w').write(str(point['x']))\n"
                      "        job.artifact(f'frame-{i}.txt', media_type='text/plain')\n"
                      "plugin.run()\n")
    return [f"command={sys.executable} {script}"]


def test_a_kind_that_the_plugin_declares(tmp_path):
    """Its schema, roles and globs are known to the check, without a file."""
    verdicts = passes(os.path.join(PLUGINS, "exec.so"), settings=painter(tmp_path, PAINT))
    assert verdicts["job"] == "ok", verdicts


def test_a_declaration_that_is_wrong_fails(tmp_path):
    wrong = {**PAINT, "params": [{"name": "mail", "type": "string", "help": "h", "schema": {"format": "email"}}]}
    run = check(os.path.join(PLUGINS, "exec.so"), settings=painter(tmp_path, wrong))
    assert run.returncode == 1 and 'the keyword "format"' in run.stdout + run.stderr, run


@pytest.mark.parametrize("fixture, skipped", [
    ("fork", ["resume"]), ("process", ["resume"]), ("shared", ["resume"]), ("remote", ["config"])])
def test_the_fixture_without_a_fault_passes(fixture, skipped, tmp_path):
    verdicts = passes(os.path.join(BAD, f"bad_{fixture}.so"), tmp=tmp_path)
    assert list(verdicts) == listed()
    assert [c for c, v in verdicts.items() if v == "skipped"] == skipped


# ---- what is found ----

# fault -> (check that fails, what it says, isolation)
FAULTS = {
    "descriptor_summary": ("descriptor", "summary is missing"),
    "descriptor_license": ("descriptor", "license is not UTF-8"),
    "descriptor_kind": ("descriptor", "not a name for a kind"),
    "descriptor_unknown": ("descriptor", "nothing declares the kind nobody-declares-this"),
    "descriptor_twice": ("descriptor", "named twice"),
    "descriptor_zero": ("descriptor", "must be 0"),
    "options_key": ("options", "not a key for an option"),
    "options_twice": ("options", "twice"),
    "options_empty": ("options", "empty"),
    "options_range": ("options", "write it as 1..64"),
    "options_fallback": ("options", "9 is outside of 1..8"),
    "options_help": ("options", "help is missing"),
    "options_utf8": ("options", "not UTF-8"),
    "options_enum": ("options", "choices"),
    "options_size": ("options", "struct_size is 8"),
    "scan_slow": ("scan", "at the best of 5"),
    "scan_thread": ("scan", "1 thread"),
    "scan_socket": ("scan", "socket"),
    "scan_process": ("scan", "process"),
    "create_fails": ("create", "the model is missing"),
    "create_silent": ("create", "no message"),
    "create_crashes": ("create", r"SIGABRT.* in create\(\)"),
    "create_hangs": ("create", r"create\(\) did not end within 3 s"),
    "create_thread": ("create", "1 thread running"),
    "create_destroy": ("create", r"in destroy\(\)"),
    "config_crashes": ("config", "with name=xxx.*SIGABRT"),
    "config_silent": ("config", 'with name="".*without a message'),
    "kind_ok": ("unknown-kind", "the result 0"),
    "kind_retry": ("unknown-kind", "the result 3000"),
    "kind_silent": ("unknown-kind", "without a message"),
    "kind_crashes": ("unknown-kind", "SIGABRT"),
    "job_fails": ("job", "no luck today"),
    "job_crashes": ("job", "SIGABRT|exit code"),
    "job_missing": ("job", "did not give the artifact out.txt"),
    "job_undeclared": ("job", "more.txt, which the kind does not declare"),
    "job_type": ("job", "as text/html and the kind declares text/plain"),
    "job_elsewhere": ("job", r"retry_after\(\) on another thread"),
    "progress_back": ("progress", "went back from 500"),
    "progress_outside": ("progress", "called with -1"),
    "cancel_lock": ("cancel", "the last job never ended"),
    "cancel_deaf": ("cancel", "had not returned 2 s later", "shared"),
    "old_table": ("old-host", r"SIGSEGV.* in create\(\)"),
    "old_request": ("old-host", r"SIGSEGV.* in run\(\)"),
    "new_table": ("new-host", "but one size of host"),
    "new_request": ("new-host", "but one size of request"),
    "leaks_malloc": ("leaks", "malloc grows by 65", "process"),
    "leaks_little": ("leaks", r"malloc grows by 2\d\d\d bytes", "process"),
    "leaks_map": ("leaks", r"grows by \d\d KiB a job", "process"),
    "leaks_file": ("leaks", "files open", "process"),
    "leaks_thread": ("leaks", "threads running", "process"),
    "leaks_create": ("leaks", r"destroy\(\) leaves 1 files"),
    "descriptor_step": ("descriptor", "submit, find, poll", "remote"),
    "descriptor_fork": ("descriptor", "LATHE_SHARED", "remote"),
    "job_unsaved": ("job", r"without a checkpoint|checkpoint\(\)", "remote"),
    "cancel_twice": ("cancel", "when it was repeated gave 4000", "remote"),
    "cancel_pending": ("cancel", "still gives 1 after", "remote"),
    "resume_twice": ("resume", "the job runs twice there", "remote"),
    "resume_poll_many": ("resume", "poll_many.. gave 1 for a job of which poll.. says 0", "remote"),
    "resume_finds_all": ("resume", "never submitted gave 0", "remote"),
    "resume_unsaved": ("resume", r"find\(\) gave LATHE_OK without", "remote"),
    "resume_memory": ("resume", "no such job is known", "remote"),
    "resume_fetch_once": ("resume", "when it was repeated: it was given out", "remote"),
    "resume_cancel_over": ("resume", "a job that is over gave 4000", "remote"),
    "resume_two_steps": ("resume", "past checkpoint 1, poll", "remote"),
    "two_lock": ("two", "another instance runs"),
    "two_busy": ("two", "one at a time", "shared"),
}
# A sanitizer has a heap of its own, and in the worker it sees what is read past the end of a request.
NOT_SANITIZED = {"leaks_malloc", "leaks_little", "leaks_map", "old_request"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Fault -> its run.  They sleep most of the time, so several go at once."""
    folders = {fault: tmp_path_factory.mktemp(fault) for fault in FAULTS}

    def run(fault):
        isolation = (*FAULTS[fault], "fork")[2]
        limit = "3" if fault in ("create_hangs", "cancel_pending") else "60"
        return check(os.path.join(BAD, f"bad_{isolation}.so"), "--tap", "--limit", limit,
                     fault=fault, tmp=folders[fault])

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(FAULTS, pool.map(run, FAULTS)))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_check_and_no_other(runs, fault):
    if SANITIZED and fault in NOT_SANITIZED:
        pytest.skip("a sanitizer stands between")
    name, says = FAULTS[fault][:2]
    verdicts, texts = tap(runs[fault])
    assert [c for c, v in verdicts.items() if v == "failed"] == [name], texts
    assert re.search(says, texts[name].replace("\n", " ")), texts[name]
    assert runs[fault].returncode == 1


@pytest.mark.parametrize("plugin,what", (("process", "caches"), ("process", "reserves"), ("fork", "reserves")))
def test_what_is_no_fault(plugin, what, tmp_path):
    """A cache that comes to an end, and addresses that are reserved."""
    run = check(os.path.join(BAD, f"bad_{plugin}.so"), "--tap", fault=what, tmp=tmp_path)
    assert run.returncode == 0, tap(run)[1]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow is memory too")
@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_memory_that_a_job_holds_is_limited(isolation, tmp_path):
    run = check(os.path.join(BAD, f"bad_{isolation}.so"), "--tap", "--only", "job", "--memory", "200", fault="hoards",
                tmp=tmp_path)
    _, texts = tap(run)
    assert run.returncode == 1 and "200 MiB are allowed" in texts["job"], texts


def test_it_cleans_up(tmp_path):
    check(os.path.join(BAD, "bad_fork.so"), tmp=tmp_path)
    check(os.path.join(BAD, "bad_fork.so"), fault="job_crashes", tmp=tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fault, says", [
    ("more", "helper_of_mine.*-fvisibility=hidden"), ("weak", "1 is of C.. templates.*--version-script")])
def test_what_is_exported_besides(fault, says):
    run = check(os.path.join(BAD, f"bad_exports_{fault}.so"), "--tap")
    verdicts, texts = tap(run)
    assert [c for c, v in verdicts.items() if v == "failed"] == ["exports"], texts
    assert re.search(says, texts["exports"].replace("\n", " ")), texts


@pytest.mark.parametrize("plugin, name, says", [
    ("faulty_symbol", "load", "a_function_that_nobody_has"),
    ("faulty_constructor", "load", "SIGABRT.*constructors"),
    ("faulty_exit", "load", "ended its process with exit code 0 in loading"),
    ("faulty_magic", "descriptor", "magic 0x12345678"),
    ("faulty_major", "descriptor", "ABI 7.* speaks 1"),
    ("faulty_minor", "descriptor", "needs ABI 1.99 or later"),
    ("faulty_size", "descriptor", "has 40 bytes"),
    ("faulty_flags", "descriptor", "features 0x00400000"),
    ("faulty_null", "descriptor", "gave no descriptor"),
    ("faulty_both", "descriptor", "exactly one of run and remote"),
])
def test_what_lathe_does_not_take(plugin, name, says):
    run = check(os.path.join(TEST_PLUGINS, plugin + ".so"), "--tap")
    verdicts, texts = tap(run)
    assert [c for c, v in verdicts.items() if v == "failed"] == [name], texts
    assert re.search(says, texts[name].replace("\n", " ")), texts


def test_a_file_that_is_no_plugin(tmp_path):
    text = tmp_path / "text.so"
    text.write_text("not an ELF file\n" * 100)
    verdicts, texts = tap(check(text, "--tap"))
    assert verdicts["load"] == "failed" and "invalid ELF header" in texts["load"]
    assert "failed" not in [v for c, v in verdicts.items() if c != "load"]


def test_every_check_can_fail():
    found = {f[0] for f in FAULTS.values()} | {"load", "exports"}
    assert found == set(listed()), "a check that nothing fails is none"


# ---- how it is used ----

def test_only_and_seed():
    plugin = os.path.join(BAD, "bad_fork.so")
    run = check(plugin, "--only", "exports", "--only", "progress", "--seed", "42")
    assert run.returncode == 0
    rows = [line.split()[1] for line in run.stdout.splitlines() if re.match(r"(ok|FAIL|skip) ", line)]
    assert rows == ["exports", "progress"] and "seed 42" in run.stdout
    run = check(plugin, "--only", "progress", fault="create_fails")
    assert run.returncode == 1 and "the model is missing" in run.stdout, "what it builds on is shown when it fails"


def test_options_of_the_plugin():
    plugin = os.path.join(BAD, "bad_fork.so")
    run = subprocess.run([CHECK, "--only", "create", plugin, "threads=9"], capture_output=True, text=True,
                         env=clean_env(), check=False)
    assert run.returncode == 1 and "threads: 9 is outside of 1..8" in run.stdout
    run = subprocess.run([CHECK, "--only", "create", plugin, "thread=2"], capture_output=True, text=True,
                         env=clean_env(), check=False)
    assert run.returncode == 1 and "did you mean threads?" in run.stdout


@pytest.mark.parametrize("args, says", [
    ([], "which plugin"), (["/nowhere.so"], "/nowhere.so cannot be read"), (["--only", "x", "p"], 'no check "x"'),
    (["--seed", "x", "p"], "--seed wants a number"), (["--params", "[1]", "{echo}"], "not a JSON object"),
    (["--input", "/nowhere", "{echo}"], "the input /nowhere cannot be read"), (["{echo}", "word"], "not KEY=VALUE"),
    (["--worker", "/nowhere", "{echo}"], "/nowhere cannot be run")])
def test_wrong_use_is_explained(args, says):
    echo = os.path.join(PLUGINS, "echo.so")
    run = subprocess.run([CHECK, *[a.format(echo=echo) for a in args]], capture_output=True, text=True,
                         env=clean_env(), check=False)
    assert run.returncode == 2 and says in run.stderr, run
    assert run.stdout == ""


def test_help_names_every_option():
    text = subprocess.run([CHECK, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("--list", "--only", "--input", "--params", "--kinds", "--seed", "--limit", "--tap", "--verbose"):
        assert word in text
