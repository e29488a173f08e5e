# SPDX-License-Identifier: MIT
"""exec.so and exec-remote.so: outputs that are not simply files, and a preview while the job runs."""
from daemon import wait_until
from test_exec import make, polite  # noqa: F401 (make: a fixture)
from test_exec_remote import make as make_remote, remote  # noqa: F401 (fixtures)


def shown(client, job_id):
    return {a["name"]: a for a in client.job(job_id)["artifacts"] if a.get("provisional")}


def check_shown(client, job_id, name, content):
    wait_until(lambda: name in shown(client, job_id), f"{name} is shown")
    answer = client.artifact(job_id, name).expect(200)
    assert answer.body == content and answer.header("cache-control") == "no-store"


def check_kept(client, job):
    """What both commands leave: bytes, which become a file, and a URL, to which clients are sent."""
    assert job["status"] == "completed", job
    files = {a["name"]: a for a in job["artifacts"]}
    assert not [a for a in files.values() if a.get("provisional")], files
    assert client.artifact(job["job_id"], "bytes.bin").expect(200).body == bytes(range(256))
    assert (files["bytes.bin"]["bytes"], files["bytes.bin"]["media_type"]) == (256, "application/x-bytes")
    far = files["far.bin"]
    assert (far["location"], far["bytes"], far["sha256"], far["expires_at"]) == ("remote", 3, "ab" * 32, None), far
    assert client.get(far["url"]).expect(307).header("location") == "https://example.org/far?a=1"
    return files


def test_a_command_puts_bytes_urls_and_previews(make, tmp_path):  # noqa: F811
    client = make(polite()).client()
    go = tmp_path / "go"
    job_id = client.submit("turn", params={"act": "put", "note": str(go)})
    check_shown(client, job_id, "shown.txt", b"half of it")
    check_shown(client, job_id, "page.txt", b"a page")
    assert client.job(job_id)["status"] == "running"
    go.touch()
    files = check_kept(client, client.wait(job_id))
    assert sorted(files) == ["bytes.bin", "far.bin", "shown.txt"]
    assert client.artifact(job_id, "shown.txt").expect(200).body == b"all of it"


def test_a_remote_command_puts_bytes_urls_and_previews(make_remote):  # noqa: F811
    client = make_remote("many").client()
    job_id = client.echo(sleep_ms=600000)
    check_shown(client, job_id, "shown.txt", b"half of it")
    client.cancel(job_id).expect(200)
    assert client.wait(job_id)["artifacts"] == []
    job_id = client.echo(sleep_ms=100)
    assert sorted(check_kept(client, client.wait(job_id))) == ["bytes.bin", "far.bin", "out.txt", "result.json"]
