# SPDX-License-Identifier: MIT
"""A data folder whose database is gone, empty, older or another's is not taken for a new one."""
import os
import shutil
import subprocess

import pytest

from daemon import LATHED, clean_env, wait_until


def refused(daemon, *words):
    """It does not start, and says why, where and what to do."""
    r = subprocess.run([LATHED, "--config", daemon.ini], capture_output=True, text=True, timeout=60,
                       env=clean_env(), check=False)
    assert r.returncode == 1, r
    for word in (*words, "--accept-empty", daemon.data):
        assert word in r.stderr, r.stderr
    return r.stderr


def accepted(daemon):
    """Starts it once with --accept-empty."""
    program, daemon.program = daemon.program, os.path.join(daemon.folder, "accepting")
    with open(daemon.program, "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec "{program}" --accept-empty "$@"\n')
    os.chmod(daemon.program, 0o755)
    daemon.start()
    daemon.program = program
    return daemon.client()


@pytest.fixture
def used(make_daemon):
    """A daemon that has done two jobs, and was killed."""
    daemon = make_daemon({"retention": {"interval": "1s"}})
    daemon.ids = [daemon.client().run(params={"output_bytes": n})["job_id"] for n in (10, 20)]
    daemon.kill()
    return daemon


def remove_wal(d):
    os.unlink(d + "/lathe.db-wal")


def empty_wal(d):
    os.truncate(d + "/lathe.db-wal", 0)


def remove_database(d):
    os.unlink(d + "/lathe.db")


def empty_database(d):
    os.truncate(d + "/lathe.db", 0)


def remove_all(d):
    for name in os.listdir(d):
        if name.startswith("lathe.db"):
            os.unlink(os.path.join(d, name))


@pytest.mark.parametrize("harm", [remove_wal, empty_wal, remove_database, empty_database, remove_all])
def test_what_is_missing_is_missed(used, harm):
    harm(used.data)
    before = used.files("output", "blobs")
    refused(used, "lathe.db")
    refused(used, "lathe.db")  # also the second time
    assert used.files("output", "blobs") == before
    c = accepted(used)
    wait_until(lambda: len(used.files("set-aside/output")) == 2, "the files that no row names are kept for the admin")
    wait_until(lambda: "2 folders of results that no job needs to set-aside/" in used.log(), "the log says it")
    new = c.run(params={"output_bytes": 5})["job_id"]
    used.restart()  # no word of it any more
    assert used.client().job(new)["status"] == "completed"
    kept = used.files("output") + used.files("set-aside/output")
    for i in used.ids:
        assert any(i in f for f in kept), "a result was removed"


def test_an_older_copy(make_daemon, tmp_path):
    daemon = make_daemon()
    first = daemon.client().run(params={"output_bytes": 10})["job_id"]
    daemon.stop()
    copy = str(tmp_path / "old.db")
    shutil.copy(daemon.data + "/lathe.db", copy)
    daemon.start()
    second = daemon.client().run(params={"output_bytes": 20})["job_id"]
    daemon.stop()
    shutil.copy(copy, daemon.data + "/lathe.db")
    refused(daemon, "older")
    c = accepted(daemon)
    wait_until(lambda: any(second in f for f in daemon.files("set-aside")), "it is set aside")
    assert c.artifact(first, "output.bin").status == 200
    c.get(f"/api/jobs/{second}").problem(404, "unknown-job")


def test_another_folders_database(make_daemon):
    mine, other = make_daemon(), make_daemon()
    for d in (mine, other):
        d.client().run(params={"output_bytes": 10})
        d.stop()
    shutil.copy(other.data + "/lathe.db", mine.data + "/lathe.db")
    refused(mine, "another data folder")


def test_files_without_a_database(make_daemon):
    """A folder of an older version, which kept no lathe.db.id."""
    daemon = make_daemon(start=False)
    os.makedirs(daemon.data + "/blobs/ab")
    with open(f"{daemon.data}/blobs/ab/ab{'0' * 62}", "w", encoding="ascii"):
        pass
    refused(daemon, "files of jobs")


def test_a_new_folder_starts(make_daemon):
    daemon = make_daemon()
    daemon.stop()
    daemon.start()
    for _ in range(3):  # killed before it wrote much, and while it starts
        daemon.kill()
        daemon.start(ready=False)
    daemon.wait_ready()


def test_sqlite_may_look(used):
    """An admin's sqlite3 after a crash moves the WAL into the database: nothing is lost by that."""
    import sqlite3
    db = sqlite3.connect(used.data + "/lathe.db")
    assert db.execute("SELECT count(*) FROM jobs").fetchone() == (2,)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    used.start()
    assert used.client().job(used.ids[1])["status"] == "completed"
