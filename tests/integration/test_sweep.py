# SPDX-License-Identifier: MIT
"""What no row names goes: at the start, by retention, and after the daemon was killed at any moment."""
import os
import random
import re
import threading
import time

from daemon import TEST_PLUGINS, wait_until
from ledger import GONE

SEED = int(os.environ.get("LATHE_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = 6
REPEATABLE = os.path.join(TEST_PLUGINS, "repeatable.so")
ID = "01ARZ3NDEKTSV4RRFFQ69G"


def orphan(daemon, name, files=("a.bin", "b.bin")):
    folder = os.path.join(daemon.data, "output", name)
    os.makedirs(folder)
    for file in files:
        with open(os.path.join(folder, file), "wb") as out:
            out.write(b"x" * 1000)
    return folder


def swept(client, what="output"):
    found = re.search(rf'^lathe_swept_total{{what="{what}"}} (\d+)', client.get("/metrics").text, re.M)
    return int(found.group(1))


def test_at_the_start(make_daemon):
    daemon = make_daemon({"retention": {"interval": "1h"}}, base={"backend one": {"plugin": REPEATABLE}})
    c = daemon.client()
    first = c.run(input="data:,abc")["job_id"]
    repeat = c.post("/api/jobs/echo", {"input": "data:,abc"}).json  # shows the files of the first
    assert repeat["cached"]
    c.request("DELETE", f"/api/jobs/{first}")
    daemon.stop()
    for n in range(600):  # more than one turn of the sweep takes
        orphan(daemon, f"{ID}{n:04d}", ())
    kept = os.path.join(daemon.data, "output", "notes-of-the-admin")
    os.makedirs(kept)
    for name in ("work/echo-1/in/x", "uploads/7"):
        os.makedirs(os.path.dirname(os.path.join(daemon.data, name)), exist_ok=True)
        with open(os.path.join(daemon.data, name), "w", encoding="ascii"):
            pass
    daemon.start()
    c = daemon.client()
    wait_until(lambda: len(os.listdir(os.path.join(daemon.data, "output"))) == 2, "the orphans go")
    assert os.path.isdir(kept), "it was not made by lathed"
    assert c.get(c.job(repeat["job_id"])["artifacts"][0]["url"]).status == 200
    wait_until(lambda: swept(c) == 600, "they are counted")
    daemon.says("that no job needs")
    assert daemon.files("work", "uploads") == []
    wait_until(lambda: not os.path.exists(os.path.join(daemon.data, "removed")), "the leftovers go")


def test_by_retention(make_daemon):
    daemon = make_daemon({"retention": {"interval": "1s"}})
    c = daemon.client()
    job_id = c.run(params={"output_bytes": 10})["job_id"]
    folder = orphan(daemon, f"{ID}0000")
    wait_until(lambda: not os.path.exists(folder), "the orphan goes while the daemon runs")
    assert c.artifact(job_id, "output.bin").status == 200
    assert swept(c) >= 1


def client_of(daemon, number, stop, errors):
    """Submits, deletes, cancels, retries, until the daemon is gone."""
    rng, c, mine = random.Random(SEED + number), daemon.client(), []
    try:
        while not stop.is_set():
            r = c.post("/api/jobs/echo", {"input": f"data:,{rng.random()}", "params": {
                "output_bytes": 100, "sleep_ms": rng.choice((0, 0, 3, 8))}})
            if r.status == 202:
                mine.append(r.json["job_id"])
            if mine and rng.random() < 0.6:
                c.request("DELETE", f"/api/jobs/{rng.choice(mine)}")
            if mine and rng.random() < 0.4:
                c.post(f"/api/jobs/{mine[-1]}/cancel")
            if mine and rng.random() < 0.1:
                c.post(f"/api/jobs/{rng.choice(mine)}/retry")
    except GONE:
        pass
    except AssertionError as e:
        errors.append(e)


def one_round(daemon, rng):
    stop, errors = threading.Event(), []
    threads = [threading.Thread(target=client_of, args=(daemon, n, stop, errors)) for n in range(4)]
    for t in threads:
        t.start()
    time.sleep(rng.uniform(0.1, 1.3))
    daemon.kill()
    stop.set()
    for t in threads:
        t.join()
    assert not errors, errors


def rows_and_folders(daemon):
    rows = {j["job_id"]: j for j in daemon.client().all_jobs()}
    return rows, set(os.listdir(os.path.join(daemon.data, "output")))


def agree(daemon):
    """Each folder has a row, each row of a completed job its files."""
    rows, folders = rows_and_folders(daemon)
    return all(j["status"] in ("completed", "failed", "cancelled") for j in rows.values()) and folders <= set(rows)


def test_kills_leave_no_folder_without_a_row_and_no_row_without_files(make_daemon):
    print(f"LATHE_SEED={SEED}")
    rng = random.Random(SEED)
    daemon = make_daemon({"retention": {"interval": "1s", "jobs_max": 60}, "route echo": {
        "backends": "echo", "attempts": 50}})
    for _ in range(ROUNDS):
        one_round(daemon, rng)
        daemon.start(ready=False)
    daemon.wait_ready()
    wait_until(lambda: agree(daemon), "folders and rows agree")
    # Retention goes on meanwhile: a row of the list may be gone when its files are asked for.
    rows, _ = rows_and_folders(daemon)
    c, looked = daemon.client(), 0
    for job in rows.values():
        for artifact in job["artifacts"]:
            r = c.get(artifact["url"])
            assert r.status == 200 or c.get(f"/api/jobs/{job['job_id']}").status == 404, (r, job)
            assert r.status != 200 or len(r.body) == artifact["bytes"]
            looked += r.status == 200
    assert looked > 20, "hardly any load"
    assert daemon.files("uploads", "work") == []
