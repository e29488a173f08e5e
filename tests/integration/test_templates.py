# SPDX-License-Identifier: MIT
"""`lathe plugin new`: every combination is made, built both ways, checked and run with the installed SDK."""
import contextlib
import http.server
import json
import os
import subprocess
import threading

import pytest

from daemon import SANITIZED, clean_env, wait_until
from installed import Prefix, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")

COMBINATIONS = [("run", "c"), ("run", "c++"), ("remote", "c"), ("remote", "c++"), ("remote", "python"),
                ("exec", "python"), ("exec", "c"), ("exec", "c++")]
REFUSED = [("run", "python")]
WORDS = "be be that question whether\n"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return Prefix(tmp_path_factory.mktemp("prefix"))


def new(prefix, *arguments, code=0, cwd=None):
    """lathe plugin new ...: (stdout, stderr)"""
    done = subprocess.run([prefix.path("bin/lathe"), "plugin", "new", *map(str, arguments)], cwd=cwd, text=True,
                          capture_output=True, env=clean_env(), timeout=60, check=False)
    assert done.returncode == code, done
    return done.stdout, done.stderr


def section(prefix, shape, project, built):
    """The [backend demo] of the project's own demo.ini, for a plugin that is not installed."""
    keys = {}
    for line in (project / "demo.ini").read_text().splitlines():
        if line and line[0] not in ";[":
            key, _, value = line.partition(" = ")
            keys[key] = value
    if shape != "exec" and sources(project):
        keys["plugin"] = built
    return {"server": {"kinds_path": project / "kinds"}, "backend demo": keys}


def set_url(config, url):
    """A plugin has an option for it; the command behind exec-remote finds it in its `options`."""
    keys = config["backend demo"]
    keys.update({"url": url} if "url" in keys else {"options": f"url={url}"})


@contextlib.contextmanager
def service_of(project, config):
    """The stand-in for a service, where the template has one."""
    if not (project / "service.py").exists():
        yield
        return
    with subprocess.Popen(["python3", project / "service.py"], stdout=subprocess.PIPE, text=True) as service:
        try:
            set_url(config, service.stdout.readline().strip())
            yield
        finally:
            service.kill()


def run_a_job(prefix, shape, project, built):
    config = section(prefix, shape, project, built)
    with service_of(project, config):
        run_with(prefix, shape, project, config)


def run_with(prefix, shape, project, config):
    daemon = prefix.daemon(project / "lathed", config)
    daemon.start()
    try:
        c = daemon.client()
        job = c.wait(c.form("/api/jobs/demo", [("file", "text.txt", WORDS.replace(" ", "\n").encode())]).json["job_id"])
        assert job["status"] == "completed", job
        if shape == "remote":
            assert c.artifact(job["job_id"], "output.txt").text == "be\nbe\nquestion\nthat\nwhether\n"
        else:
            assert c.artifact(job["job_id"], "words.txt").text == "that\nquestion\nwhether\n"
            assert job["result"] == {"words": 5, "listed": 3}
        daemon.stop()
    finally:
        daemon.kill()


def sources(project):
    return [p for p in project.iterdir() if p.name in ("plugin.c", "plugin.cpp")]


@pytest.mark.parametrize("shape,lang", [c for c in COMBINATIONS if c[1] != "python"])
def test_what_a_template_does_not_expect(prefix, tmp_path, shape, lang):
    """A second kind is not done as the first; "throw 42" is a failed job and no crash."""
    new(prefix, "demo", "--shape", shape, "--lang", lang, cwd=tmp_path)
    project = tmp_path / "demo"
    source, = sources(project)
    text = source.read_text()
    if shape == "exec":
        text = text.replace('s:[s], s:[]}', 's:[s,s], s:[]}').replace('"kinds", "demo", "options"', '"kinds", "demo", "other", "options"')
    else:
        text = text.replace('kinds[] = {"demo", NULL}', 'kinds[] = {"demo", "other", NULL}').replace(
            'kinds[] = {"demo", nullptr}', 'kinds[] = {"demo", "other", nullptr}')
    assert '"other"' in text
    if lang == "c++":
        at = {"run": "    count(self, job", "remote": "    Json spec(", "exec": "    json_t *result = count("}[shape]
        assert at in text
        text = text.replace(at, "    throw 42;\n" + at)
    source.write_text(text)
    kind = json.loads((project / "kinds/demo.json").read_text())
    (project / "kinds/other.json").write_text(json.dumps({**kind, "kind": "other", "limits": {"attempts": 1}}))
    (project / "kinds/demo.json").write_text(json.dumps({**kind, "limits": {"attempts": 1}}))
    run("make", cwd=project, env=prefix.env(CFLAGS="-O1", CXXFLAGS="-O1"))
    daemon = prefix.daemon(project / "lathed", section(prefix, shape, project, project / "build/demo.so"))
    daemon.start()
    try:
        c = daemon.client()

        def fails(kind):
            job = c.wait(c.form(f"/api/jobs/{kind}", [("file", "text.txt", b"be\n")]).json["job_id"])
            assert job["status"] == "failed", job
            return job["error"]
        assert "no such kind" in fails("other")["detail"]
        if lang == "c++":
            error = fails("demo")
            assert "not a std::exception" in error["detail"] and error["type"] != "/problems/job-crashed", error
        daemon.stop()
    finally:
        daemon.kill()


@pytest.mark.parametrize("shape,lang", COMBINATIONS)
def test_a_new_plugin_is_built_checked_and_run(prefix, tmp_path, shape, lang):
    if shape == "exec" and not os.path.exists(prefix.path("lib/lathe/plugins/exec.so")):
        pytest.skip("the plugin exec is not built")
    out, err = new(prefix, "demo", "--shape", shape, "--lang", lang, cwd=tmp_path)
    project = tmp_path / "demo"
    assert out == f"{project}\n"
    assert "make check" in err
    for root, _, names in os.walk(project):
        for name in names:
            with open(os.path.join(root, name), encoding="utf-8") as file:
                text = file.read()
            assert not any(f"@{word}@" in text for word in ("NAME", "PWD", "SHARE", "SOURCE", "COMMAND")), name
    checks = os.path.exists(prefix.path("bin/lathe-plugin-check"))
    flags = prefix.env(CFLAGS="-O3 -D_FORTIFY_SOURCE=2 -Wall -Wextra -Werror", CXXFLAGS="-O3 -D_FORTIFY_SOURCE=2 -Wall -Wextra -Werror")

    # Both ways build; the check, which takes its time, goes once: by ctest for C++, else by make.
    run("make", *(["check"] if checks and lang != "c++" else []), cwd=project, env=flags)
    run_a_job(prefix, shape, project, project / "build/demo.so")
    installed = tmp_path / "installed"
    run("make", "install", cwd=project, env={**flags, "DESTDIR": str(installed)})
    by_make = sorted(os.path.relpath(os.path.join(r, n), installed) for r, _, names in os.walk(installed) for n in names)
    assert [r for r, folders, names in os.walk(installed) if not folders and not names] == []  # nothing but what is needed

    run("cmake", "-S", ".", "-B", "by-cmake", cwd=project, env=flags)
    run("cmake", "--build", "by-cmake", cwd=project, env=flags)
    if checks and lang == "c++":
        run("ctest", "--test-dir", "by-cmake", "--output-on-failure", cwd=project, env=flags)
    installed = tmp_path / "installed-by-cmake"
    run("cmake", "--install", "by-cmake", cwd=project, env={**flags, "DESTDIR": str(installed)})
    by_cmake = sorted(os.path.relpath(os.path.join(r, n), installed) for r, _, names in os.walk(installed) for n in names)
    assert [os.path.basename(p) for p in by_make] == [os.path.basename(p) for p in by_cmake]
    assert any(p.endswith("/plugins/kinds/demo.json") for p in by_cmake)


@pytest.mark.parametrize("lang", ["c", "c++"])
def test_a_remote_of_the_template_outlives_a_crash(prefix, tmp_path, lang):
    """The daemon is killed while the job is elsewhere; the next one takes it up, and it was submitted once."""
    new(prefix, "demo", "--shape", "remote", "--lang", lang, cwd=tmp_path)
    project = tmp_path / "demo"
    run("make", cwd=project, env=prefix.env())
    config = section(prefix, "remote", project, project / "build/demo.so")
    go, asked = threading.Event(), []
    with moody_service([], go, asked) as url:
        set_url(config, url)
        daemon = prefix.daemon(project / "lathed", config)
        daemon.start()
        try:
            c = daemon.client()
            job_id = c.form("/api/jobs/demo", [("file", "text.txt", b"b\na\n")]).json["job_id"]
            wait_until(lambda: any(a.startswith("GET ") for a in asked), "the job is polled")
            daemon.kill()
            daemon.start()
            go.set()
            job = daemon.client().wait(job_id)
            assert job["status"] == "completed", job
            assert daemon.client().artifact(job_id, "output.txt").text == "sorted"
            assert [a for a in asked if a.startswith("PUT ")] == [f"PUT /jobs/{job_id}"]
            daemon.stop()
        finally:
            daemon.kill()


@pytest.mark.parametrize("lang", ["c", "c++"])
def test_a_remote_of_the_template_stops_its_job(prefix, tmp_path, lang):
    """A cancel is passed on; a service that is not there is no failure of the job."""
    new(prefix, "demo", "--shape", "remote", "--lang", lang, cwd=tmp_path)
    project = tmp_path / "demo"
    run("make", cwd=project, env=prefix.env())
    config = section(prefix, "remote", project, project / "build/demo.so")
    asked = []
    with moody_service([], threading.Event(), asked) as url:
        set_url(config, url)
        daemon = prefix.daemon(project / "lathed", config)
        daemon.start()
        try:
            c = daemon.client()
            job_id = c.form("/api/jobs/demo", [("file", "text.txt", b"b\na\n")]).json["job_id"]
            wait_until(lambda: any(a.startswith("GET ") for a in asked), "the job is polled")
            c.cancel(job_id).expect(200)
            assert c.wait(job_id)["status"] == "cancelled"
            wait_until(lambda: f"DELETE /jobs/{job_id}" in asked, "the service is told")
            daemon.stop()
        finally:
            daemon.kill()


@pytest.mark.parametrize("shape,lang", REFUSED)
def test_a_combination_without_sense_is_refused(prefix, tmp_path, shape, lang):
    _, err = new(prefix, "demo", "--shape", shape, "--lang", lang, cwd=tmp_path, code=2)
    assert "c or c++" in err and "use --shape exec" in err, err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("arguments,said", [
    (["demo", "--shape", "batch"], "there is no shape \"batch\"; --shape is run"),
    (["demo", "--lang", "rust"], "--lang is c, c++ or python. Any other language can do --shape exec"),
    (["Demo"], "\"Demo\" cannot be a plugin's name"),
    (["../demo"], "cannot be a plugin's name"),
    (["d" * 41], "cannot be a plugin's name"),
    ([""], "cannot be a plugin's name"),
    (["demo-"], "not ending with '-'"),
    (["echo"], "\"echo\" is a name of lathe's own"),
    (["demo", "--dir", "nowhere"], "cannot make the folder nowhere/demo: No such file"),
])
def test_what_cannot_be_made_is_said(prefix, tmp_path, arguments, said):
    _, err = new(prefix, *arguments, cwd=tmp_path, code=2)
    assert said in err, err
    assert not os.listdir(tmp_path)


def test_nothing_is_overwritten(prefix, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/plugin.c").write_text("mine")
    _, err = new(prefix, "demo", "--dir", tmp_path, code=2)
    assert "is there already; nothing was changed" in err
    assert (tmp_path / "demo/plugin.c").read_text() == "mine"
    assert os.listdir(tmp_path / "demo") == ["plugin.c"]


def test_without_templates_it_says_which_package_has_them(prefix, tmp_path):
    os.rename(prefix.path("share/lathe/template"), prefix.path("share/lathe/hidden"))
    try:
        _, err = new(prefix, "demo", cwd=tmp_path, code=2)
    finally:
        os.rename(prefix.path("share/lathe/hidden"), prefix.path("share/lathe/template"))
    assert "they come with the package lathe-dev" in err
    assert not os.listdir(tmp_path)


@contextlib.contextmanager
def moody_service(refusals, go=None, asked=None):
    """Yields its URL.  It answers PUT with the refusals, one after another (status, headers), then takes jobs, which are
    done at once, or when go is set.  What it is asked goes into asked."""
    taken = set()
    asked = [] if asked is None else asked

    class Service(http.server.BaseHTTPRequestHandler):
        def reply(self, status, headers=(), body=b""):
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(f"PUT {self.path}")
            answer = refusals.pop(0) if refusals else (201,)
            if answer[0] == 201:
                taken.add(self.path)
            self.reply(*answer)

        def do_GET(self):
            job, output, _ = self.path.partition("/output")
            asked.append(f"GET {self.path}")
            done = b'{"done": 1}' if go is None or go.is_set() else b'{"done": 0.5}'
            self.reply(*((404,) if job not in taken else (200, (), b"sorted" if output else done)))

        def do_DELETE(self):
            asked.append(f"DELETE {self.path}")
            self.reply(200, (), b"stopped")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("lang", ["python", "c", "c++"])
def test_what_a_service_refuses_is_told_as_the_guide_says(prefix, tmp_path, lang):
    """402 pauses the backend, 429 slows it (Retry-After may be a date), and neither costs the job an attempt; 404 to a submission is
    no submission."""
    if lang == "python" and not os.path.exists(prefix.path("lib/lathe/plugins/exec.so")):
        pytest.skip("the plugin exec is not built")
    new(prefix, "demo", "--shape", "remote", "--lang", lang, cwd=tmp_path)
    project = tmp_path / "demo"
    if lang != "python":
        run("make", cwd=project, env=prefix.env())
    kind = json.loads((project / "kinds/demo.json").read_text())
    (project / "kinds/demo.json").write_text(json.dumps({**kind, "limits": {"attempts": 1}}))
    refusals = [(402,), (429, [("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")])]
    config = section(prefix, "remote", project, project / "build/demo.so")
    with moody_service(refusals) as url:
        set_url(config, url)
        daemon = prefix.daemon(project / "lathed", config)
        daemon.start()
        try:
            c = daemon.client()

            def submit():
                return c.form("/api/jobs/demo", [("file", "text.txt", b"be\n")]).json["job_id"]
            job = submit()
            wait_until(lambda: c.backend("demo")["state"] == "paused", "402 pauses the backend")
            assert c.backend("demo")["reason"] == "quota"
            wait_until(lambda: c.job(job)["status"] == "queued", "the job waits again")  # said after the pause
            c.post("/api/backends/demo/resume").expect(200)
            job = c.wait(job)
            assert job["status"] == "completed" and not refusals, job

            refusals.append((404,))
            job = c.wait(submit())
            assert job["status"] == "failed" and "takes no jobs" in job["error"]["detail"], job
            daemon.stop()
        finally:
            daemon.kill()
