# SPDX-License-Identifier: MIT
"""Real CAD files end to end, and files that are none: a clear end each time, nothing left, the next job fine."""
import glob
import gzip
import json
import os
import shutil
import struct
import subprocess

import pytest
from daemon import LATHE, PATIENCE, PLUGINS, REPO, Daemon, children_of, clean_env, cpu_seconds, wait_until

HERE = os.path.join(REPO, "tests", "fixtures", "cad")
SHARED = os.path.join(REPO, "..", "shared", "data", "cad")

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(PLUGINS, "local-gmsh.so")),
                                reason="local-gmsh is not built")

PARTS = sorted(p for end in ("step", "stp", "stl", "brep", "iges") for p in glob.glob(os.path.join(HERE, "*." + end)))
SOLID = [os.path.join(SHARED, name) for name in ("cube_8k.stp", "t20_component8_67k.step", "hinge_318k.stl")]
SMALL = SOLID + [os.path.join(SHARED, name) for name in ("bottle_401k.brep", "hammer_1039k.iges")]
BAD = sorted(glob.glob(os.path.join(SHARED, "bad", "*")))
# Content that is a sound part under the wrong name: served by its content.
MISNAMED = ("step_named.stl", "stl_named.step")


def present(paths):
    return [p for p in paths if os.path.exists(p)]


def ids_of(path):
    """The id of a file's test; pytest asks for one also where there is no file."""
    return os.path.basename(path) if isinstance(path, str) else "none"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    base = {"backend local": {"plugin": "local-gmsh", "workers": 2}}
    d = Daemon(tmp_path_factory.mktemp("mesh"), base, base={})
    try:
        yield d.start()
        d.stop()
    finally:
        d.kill()


def send(client, kind, path, **fields):
    with open(path, "rb") as file:
        data = file.read()
    return client.form(f"/api/jobs/{kind}", [("file", os.path.basename(path), data)], fields)


def run(client, kind, path, **fields):
    return client.wait(send(client, kind, path, **fields).expect(202).json["job_id"], seconds=180)


def read_json(client, job, name):
    return json.loads(client.artifact(job["job_id"], name).expect(200).body)


def check_glb(data):
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    doc = json.loads(data[20:20 + size])
    assert doc["asset"]["version"] == "2.0" and doc["meshes"][0]["primitives"]
    return doc


@pytest.mark.parametrize("path", present(PARTS + SMALL), ids=ids_of)
def test_preview(client, path):
    job = run(client, "preview", path)
    assert job["status"] == "completed", job["error"]
    assert {a["name"] for a in job["artifacts"]} >= {"preview.glb", "preview.json", "result.json"}
    flat = read_json(client, job, "preview.json")
    assert flat["numTriangles"] > 0 and flat["isPreview"] is True
    assert len(flat["vertices"]) == 9 * flat["numTriangles"] == 3 * flat["numVertices"]
    assert len(flat["colors"]) == len(flat["vertices"])
    doc = check_glb(client.artifact(job["job_id"], "preview.glb").body)
    assert client.artifact(job["job_id"], "preview.glb").header("content-type") == "model/gltf-binary"
    drawn = sum(doc["accessors"][p["indices"]]["count"] for p in doc["meshes"][0]["primitives"]) // 3
    assert drawn == flat["numTriangles"]
    assert read_json(client, job, "result.json") == job["result"]
    stages = [e.data["stage"] for e in client.events(job["job_id"]) if e.name == "progress"]
    order = ["import", "edges", "faces", "write"]
    assert [s for i, s in enumerate(stages) if s not in stages[:i]] == [s for s in order if s in stages]


@pytest.mark.parametrize("path", present(PARTS + SOLID), ids=ids_of)
def test_mesh(client, path):
    job = run(client, "mesh", path)
    assert job["status"] == "completed", job["error"]
    assert {a["name"] for a in job["artifacts"]} >= {"mesh.msh", "mesh.vtu", "result.json", "quality.json"}
    counts = job["result"]["counts"]
    assert counts["tetrahedra"] > 0 and counts["nodes"] > 0
    assert client.artifact(job["job_id"], "mesh.msh", {"Range": "bytes=0-20"}).body.startswith(b"$MeshFormat\n4.1 1")
    quality = json.dumps(read_json(client, job, "quality.json"))
    for word in ("min", "mean", "histogram", "sicn", "gamma"):
        assert word in quality
    log = client.get(f"/api/jobs/{job['job_id']}/log").expect(200).text
    assert "strategy" in log and "nodes" in log, log[:300]


def test_parameters_take_effect(client):
    path = present(PARTS + SOLID)[0]
    coarse = run(client, "mesh", path)["result"]["counts"]["tetrahedra"]
    flat = read_json(client, run(client, "preview", path), "preview.json")
    size = flat["geometry"]["bbox_diagonal"] / 60
    fine = run(client, "preview", path, max_size_mm=size)
    assert read_json(client, fine, "preview.json")["numTriangles"] > 2 * flat["numTriangles"]
    second = run(client, "mesh", path, element_order=2, binary="no")
    assert second["status"] == "completed", second["error"]
    head = client.artifact(second["job_id"], "mesh.msh", {"Range": "bytes=0-30"}).body
    assert head.startswith(b"$MeshFormat\n4.1 0")
    assert second["result"]["counts"]["nodes"] > 2 * coarse / 10


@pytest.mark.parametrize("kind", ["preview", "mesh"])
@pytest.mark.parametrize("path", BAD, ids=ids_of)
def test_bad_files_end_clearly(client, daemon, path, kind):
    name = os.path.basename(path)
    r = send(client, kind, path)
    if r.status != 202:
        assert r.status in (400, 413, 415, 422), r
        assert r.json["detail"]
        return
    job = client.wait(r.json["job_id"], seconds=150)
    if job["status"] == "completed":
        assert name in MISNAMED, job["result"]
        return
    error = job["error"]
    assert job["status"] == "failed" and job["artifacts"] == []
    assert len(error["detail"]) > 20 and error["title"], error
    assert error["type"] == "/problems/job-bad-input", error
    assert len(job["attempts"]) == 1, "bad input is never tried again"
    assert daemon.folder not in json.dumps(error), "a path of the server is told"


def test_scripts_are_refused(client):
    """A Gmsh script can run commands: neither its ending nor its content gets anywhere near the parser."""
    script = b'SystemCall "touch /tmp/lathe-was-here";\nPoint(1) = {0,0,0};\n'
    for ending in ("geo", "msh", "pos", "geo_unrolled", "step.geo", "py", "zip"):
        name = f"attack.{ending}"
        client.form("/api/jobs/mesh", [("file", name, script)]).problem(415, "unsupported-media-type")
    for name in ("attack.step", "attack.stl", "attack.brep", "attack.igs", "attack", "attack.STEP", "attack.gz", "attack.stpz", "attack.p21"):
        r = client.form("/api/jobs/preview", [("file", name, script)])
        if r.status == 202:
            job = client.wait(r.json["job_id"])
            assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-bad-input", job
    assert not os.path.exists("/tmp/lathe-was-here")


def test_nothing_is_left_behind(client, daemon):
    for path in BAD[:4] + present(PARTS)[:1]:
        r = send(client, "preview", path)
        if r.status == 202:
            client.wait(r.json["job_id"])
    wait_until(lambda: daemon.files("work", "uploads") == [], "work folders are empty")
    with_files = {f.split("/")[1] for f in daemon.files("output")}
    completed = {j["job_id"] for j in client.all_jobs(state="completed")}
    assert with_files <= completed, "failed jobs left files"


def everything_below(pid):
    """The descendants of a process."""
    below = set(children_of(pid))
    return below.union(*(everything_below(child) for child in below))


def job_processes(daemon):
    """What workers forked and has computed for 50 ms: a job's processes, not the spare that waits."""
    workers = set(children_of(daemon.pid))
    return {pid for pid in everything_below(daemon.pid) - workers if cpu_seconds(pid) >= 0.05}


def test_cancel_of_a_running_mesh(client, daemon):
    path = present(PARTS + SOLID)[0]
    flat = read_json(client, run(client, "preview", path), "preview.json")
    r = send(client, "mesh", path, max_size_mm=flat["geometry"]["bbox_diagonal"] / 400)
    job_id = r.expect(202).json["job_id"]
    wait_until(lambda: client.job(job_id)["progress"]["percent"] > 0, "it has begun")
    wait_until(lambda: job_processes(daemon), "a child works on it")
    working = job_processes(daemon)
    client.cancel(job_id).expect(200)
    job = client.wait(job_id)
    assert job["status"] == "cancelled" and job["artifacts"] == []
    wait_until(lambda: not working & everything_below(daemon.pid), "the child is gone")
    assert run(client, "preview", path)["status"] == "completed"
    wait_until(lambda: daemon.files("work") == [], "its work folder is removed")


def test_timeout_of_a_mesh(client):
    path = os.path.join(HERE, "bracket.step")
    flat = read_json(client, run(client, "preview", path), "preview.json")
    job = run(client, "mesh", path, max_size_mm=flat["geometry"]["bbox_diagonal"] / 150, timeout_s=1)
    assert job["status"] == "failed"
    assert job["error"]["type"] == "/problems/job-timeout", job["error"]
    assert run(client, "preview", path)["status"] == "completed"


def test_without_its_mesher_the_backend_says_so(tmp_path):
    """local-gmsh.so loads the rest when it is created: here only half of it was copied."""
    alone = shutil.copy(os.path.join(PLUGINS, "local-gmsh.so"), tmp_path)
    d = Daemon(tmp_path / "daemon", {"backend half": {"plugin": alone, "workers": 1}})
    try:
        d.start()

        def message():
            backend, = [b for b in d.client().get("/api/backends").json["backends"] if b["name"] == "half"]
            return backend["state"] == "failed" and backend["message"]

        said = wait_until(message, "the backend has failed")
        assert "mesher.so" in said and "install both anew" in said
        wait_until(lambda: f"{tmp_path}/local-gmsh/mesher.so" in d.log(1000), "the log says which file")
        d.stop()
    finally:
        d.kill()


def test_a_link_to_the_plugin_finds_its_mesher(tmp_path):
    link = tmp_path / "meshes.so"
    link.symlink_to(os.path.join(PLUGINS, "local-gmsh.so"))
    d = Daemon(tmp_path / "daemon", {"backend linked": {"plugin": str(link), "workers": 1}}, base={})
    try:
        d.start()
        assert run(d.client(), "preview", os.path.join(HERE, "block.step"))["status"] == "completed"
        d.stop()
    finally:
        d.kill()


def test_four_meshes_on_two_slots(client):
    path = present(SOLID + PARTS)[0]
    ids = [send(client, "mesh", path).expect(202).json["job_id"] for _ in range(4)]
    jobs = [client.wait(i, seconds=120) for i in ids]
    assert [j["status"] for j in jobs] == ["completed"] * 4
    counts = {j["result"]["counts"]["tetrahedra"] for j in jobs}
    assert len(counts) == 1, "one thread repeats its result exactly"


@pytest.mark.parametrize("outputs, package", (("cgns", "libcgns-dev"), ("med", "libhdf5-dev")))
def test_a_file_by_a_library_of_a_worker(client, outputs, package):
    """The library is loaded in the job's own process, which sees little of the machine."""
    answer = send(client, "mesh", os.path.join(HERE, "block.step"), outputs=outputs, max_size_mm="8").expect(202)
    job = client.wait(answer.json["job_id"], seconds=180)
    if "built without" in json.dumps(job):
        pytest.skip(f"{package} was missing when local-gmsh was built")
    assert job["status"] == "completed", job
    assert client.artifact(job["job_id"], f"mesh.{outputs}").expect(200).body.startswith(b"\x89HDF")


# ---- endings: the content decides ----

PART = os.path.join(HERE, "block.step")


@pytest.mark.parametrize("name", ["x.p21", "x.STEP", "x.stpz", "x.stpZ", "x.step.gz", "x.gz", "x.igs", "x"])
def test_endings(client, name):
    """Whatever of its endings a STEP file has; one that says something else is told."""
    data = open(PART, "rb").read()
    packed = name.lower().endswith(("z", ".gz"))
    r = client.form("/api/jobs/preview", [("file", name, gzip.compress(data) if packed else data)])
    job = client.wait(r.expect(202).json["job_id"], seconds=180)
    assert job["status"] == "completed", job["error"]
    result = read_json(client, job, "result.json")
    assert result["format"] == "step" and result["geometry"]["volumes"] == 1
    assert bool(result["warnings"]) == (name == "x.igs"), result["warnings"]


@pytest.mark.parametrize("how,says", [("bomb", "times its size"), ("cut", "cut off"), ("damaged", "damaged"),
                                      ("twice", "inside another"), ("script", "not a CAD file"), ("empty", "nothing in it")])
def test_packed_files_that_are_refused(client, how, says):
    data = gzip.compress(open(PART, "rb").read())
    content = {"bomb": gzip.compress(bytes(48 << 20)), "cut": data[:len(data) // 2], "twice": gzip.compress(data),
               "damaged": data[:200] + bytes(40) + data[240:], "empty": gzip.compress(b""),
               "script": gzip.compress(b'SystemCall "true";\n')}[how]
    r = client.form("/api/jobs/mesh", [("file", "x.step.gz", content)])
    job = client.wait(r.expect(202).json["job_id"], seconds=180)
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-bad-input", job
    assert says in job["error"]["detail"], job["error"]


def test_a_name_of_another_kind_is_refused_with_the_list(client):
    p = client.form("/api/jobs/mesh", [("file", "x.zip", b"PK\x03\x04")]).problem(415, "unsupported-media-type")
    assert ".p21" in p["detail"] and ".stpz" in p["detail"] and ".gz" in p["detail"]


def test_the_command_line_tells_of_warnings(daemon):
    """A mesh that is not what was asked for: whoever waits for it at a terminal reads why."""
    sizes = json.dumps({"fine": {"faces": [1], "size_mm": 9}})
    done = subprocess.run([LATHE, "-s", daemon.url, "submit", "mesh", os.path.join(HERE, "block.step"), "--wait", "-p", "max_size_mm=8", "-p",
                           f"local_sizes={sizes}"], capture_output=True, text=True, env=clean_env(), timeout=PATIENCE + 30)
    assert done.returncode == 0 and "completed" in done.stderr, done.stderr
    assert "warning: local_sizes: \"fine\" asks for 9, which changes nothing" in done.stderr, done.stderr
