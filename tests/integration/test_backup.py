# SPDX-License-Identifier: MIT
"""lathed --backup while it runs and --verify: whole or not at all, and what is wrong is found, file by file."""
import os
import subprocess
import threading

import pytest

from daemon import LATHED, clean_env
from ledger import GONE


def lathed(*args):
    return subprocess.run([LATHED, *args], capture_output=True, text=True, timeout=120, env=clean_env(), check=False)


def backup(daemon, to):
    return lathed("--config", daemon.ini, "--backup", to)


def verify(folder, code=0):
    r = lathed("--verify", folder)
    assert r.returncode == code, r
    return r.stdout


def load(daemon, stop, errors):
    """Jobs come and go while the backup is made."""
    c, mine = daemon.client(), []
    try:
        while not stop.is_set():
            r = c.post("/api/jobs/echo", {"input": f"data:,{len(mine)}", "params": {"output_bytes": 100}})
            if r.status == 202:
                mine.append(r.json["job_id"])
            if len(mine) % 2 and len(mine) > 3:
                c.request("DELETE", f"/api/jobs/{mine[len(mine) // 2]}")
    except GONE as e:
        errors.append(e)


def test_while_it_runs(make_daemon, tmp_path):
    daemon = make_daemon()
    c = daemon.client()
    kept = [c.run(input="data:,abc", params={"output_bytes": n})["job_id"] for n in (10, 20)]
    stop, errors = threading.Event(), []
    threads = [threading.Thread(target=load, args=(daemon, stop, errors)) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        folders = [str(tmp_path / f"backup{n}") for n in range(3)]
        results = [backup(daemon, f + "/" * n) for n, f in enumerate(folders)]
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not errors
    for r, folder in zip(results, folders):
        assert r.returncode == 0, r
        assert "is fine" in verify(folder)
        assert not os.path.exists(folder + ".partial")
    again = backup(daemon, folders[0])
    assert again.returncode == 1 and "is there already" in again.stderr
    # Restored: a daemon starts on it, and has what was there.
    restored = make_daemon(start=False)
    os.makedirs(restored.folder, exist_ok=True)
    os.rename(folders[0], restored.data)
    restored.start()
    for i in kept:
        assert restored.client().job(i)["status"] == "completed"
        assert restored.client().artifact(i, "output.bin").status == 200


def test_what_is_wrong_is_found(make_daemon, tmp_path):
    daemon = make_daemon()
    c = daemon.client()
    ids = [c.run(input=f"data:,{n}", params={"output_bytes": 100 + n})["job_id"] for n in range(3)]
    r = lathed("--verify", daemon.data)
    assert r.returncode == 1 and str(daemon.pid) in r.stdout, "it runs"
    daemon.stop()
    assert "is fine" in verify(daemon.data)
    before = daemon.files("output", "blobs")
    longer, other, gone = (f"{daemon.data}/output/{i}/output.bin" for i in ids)
    os.chmod(longer, 0o600)
    os.chmod(other, 0o600)
    with open(longer, "ab") as file:
        file.write(b"x")
    with open(other, "r+b") as file:
        file.write(b"!")
    os.unlink(gone)
    blob = os.path.join(daemon.data, [f for f in before if f.startswith("blobs")][0])
    os.chmod(blob, 0o600)
    with open(blob, "r+b") as file:
        file.write(b"!")
    orphan = f"{daemon.data}/output/01ARZ3NDEKTSV4RRFFQ69G5FAV"
    os.makedirs(orphan)
    said = verify(daemon.data, 1)
    for path in (longer, other, gone, blob, orphan):
        assert path in said, said
    assert "5 things are wrong" in said
    assert "has 101 bytes, and the database says 100" in said, said


def test_a_damaged_database_is_found(make_daemon, tmp_path):
    daemon = make_daemon()
    daemon.client().run()
    daemon.stop()
    with open(daemon.data + "/lathe.db", "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    assert "damaged" in verify(daemon.data, 1) or "malformed" in verify(daemon.data, 1)
    os.unlink(daemon.data + "/lathe.db")
    assert "no database" in verify(daemon.data, 1)


def test_a_backup_that_fails_leaves_nothing(make_daemon, tmp_path):
    daemon = make_daemon()
    daemon.client().run()
    r = backup(daemon, str(tmp_path / "absent" / "backup"))
    assert r.returncode in (0, 1)
    r = backup(daemon, daemon.ini + "/backup")  # below a file
    assert r.returncode == 1 and "no backup was made" in r.stderr
    assert not os.path.exists(daemon.ini + "/backup")
    for place in ("/in", "/in/deep/", "/../data/in"):
        r = backup(daemon, daemon.data + place)
        assert r.returncode == 1 and "inside the data folder" in r.stderr, r
    assert not os.path.exists(daemon.data + "/in") and not os.path.exists(daemon.data + "/in.partial")


def test_a_lost_file_is_named(make_daemon, tmp_path):
    daemon = make_daemon()
    lost, kept = (daemon.client().run(input=f"data:,{n}", params={"output_bytes": 10})["job_id"] for n in range(2))
    daemon.stop()
    os.unlink(f"{daemon.data}/output/{lost}/output.bin")
    r = backup(daemon, str(tmp_path / "backup"))
    assert r.returncode == 1 and f"{lost}/output.bin is gone" in r.stderr and kept not in r.stderr, r
    assert sorted(os.listdir(tmp_path / "backup")) == ["blobs", "lathe.db", "lathe.db.id", "output"]
    assert "1 thing is wrong" in verify(str(tmp_path / "backup"), 1)


@pytest.mark.parametrize("args", [["--backup"], ["--verify"]])
def test_a_folder_must_follow(args):
    r = lathed(*args)
    assert r.returncode == 2 and "folder" in r.stderr
