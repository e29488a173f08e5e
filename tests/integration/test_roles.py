# SPDX-License-Identifier: MIT
"""What a token's role allows: read, submit (and act on one's own jobs), admin."""
import re

import pytest

from daemon import LATHED, clean_env, wait_until
import subprocess

WORD = "0123456789abcdef"
TOKENS = {"root": ("", "admin"), "ops": ("admin", "admin"), "ci": ("submit", "submit"), "other": ("submit", "submit"),
          "page": ("read", "read")}


def token(name):
    return f"{WORD}-{name}"


def write_tokens(path, roles):
    path.write_text("".join(f"{name}:{token(name)} {role}".rstrip() + "\n" for name, role in roles.items()))
    path.chmod(0o600)


@pytest.fixture
def guarded(make_daemon, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, {name: role for name, (role, _) in TOKENS.items()})
    daemon = make_daemon({"server": {"token_file": path}})
    daemon.tokens = path
    return daemon


def refused(answer, needed, own):
    """A 403 that names both roles, and no token."""
    problem = answer.problem(403, "forbidden-role")
    assert re.search(rf"the role {needed}\b.*the role {own}\b", problem["detail"]), problem
    assert WORD not in answer.text
    return problem["detail"]


def slow_job(c):
    return c.post("/api/jobs/echo", {"params": {"sleep_ms": 60000}}).expect(202).json["job_id"]


def test_every_operation_of_the_document_asks_for_the_role_that_it_states(guarded):
    """With a token of the role before the one needed each operation is refused, and with it none is."""
    rank = ["read", "submit", "admin"]
    of = {"read": "page", "submit": "ci", "admin": "ops"}
    doc = guarded.client(token("page")).get("/api/openapi.json").json
    seen = set()
    for path, item in doc["paths"].items():
        for method, operation in item.items():
            if method == "parameters" or operation.get("security") == []:
                continue
            needed = operation["x-role"]
            assert "/problems/forbidden-role" in str(operation["responses"]["403"]), path
            seen.add(needed)
            place = re.sub(r"\{id\}", "echo" if (method, path) == ("post", "/api/jobs/{id}") else "01" + "0" * 24, path)
            place = re.sub(r"\{[a-z]+\}", "nothing", place)
            for role in rank:
                r = guarded.client(token(of[role])).request(method.upper(), place + ("?limit=x" if "event" in path else ""))
                if rank.index(role) < rank.index(needed):
                    refused(r, needed, role)
                else:
                    assert r.status != 403, (method, path, role, r.text)
    assert seen == set(rank)


def test_a_token_without_a_role_is_an_admins(guarded):
    root, ci = guarded.client(token("root")), guarded.client(token("ci"))
    job = slow_job(ci)
    assert root.post("/api/backends/echo/resume").expect(200).json["name"] == "echo"
    root.post(f"/api/jobs/{job}/cancel").expect(200)


def test_reading_is_all_that_the_role_read_allows(guarded):
    ci, page = guarded.client(token("ci")), guarded.client(token("page"))
    job = ci.run("echo", input={"name": "a.txt", "data": "aGk="})
    url = job["artifacts"][0]["url"]
    assert page.get(url).body == b"hi"
    assert [j["job_id"] for j in page.get("/api/jobs").json["jobs"]] == [job["job_id"]]
    refused(page.post("/api/jobs/echo", {}), "submit", "read")
    refused(page.post("/api/blobs", b"x"), "submit", "read")
    refused(page.post("/original/api/jobs/echo", {}), "submit", "read")
    refused(page.request("DELETE", f"/api/jobs/{job['job_id']}"), "submit", "read")
    # a link is for reading too, and its holder needs no token
    signed = page.post("/api/links", {"paths": [url]}).expect(200).json["links"][0]["url"]
    assert guarded.client().get(signed).body == b"hi"


@pytest.mark.parametrize("ended", (False, True))
def test_with_the_role_submit_a_client_acts_on_its_own_jobs_alone(guarded, ended):
    ci, other, root = (guarded.client(token(name)) for name in ("ci", "other", "root"))
    job = slow_job(ci)
    if ended:
        root.post(f"/api/jobs/{job}/cancel").expect(200)
        wait_until(lambda: root.job(job)["status"] == "cancelled", "it ends")
    for method, path in (("POST", f"/api/jobs/{job}/cancel"), ("POST", f"/original/api/jobs/{job}/cancel"),
                         ("POST", f"/api/jobs/{job}/retry"), ("DELETE", f"/api/jobs/{job}")):
        detail = refused(other.request(method, path), "admin", "submit")
        assert "not one of other's" in detail
    assert root.job(job)["status"] == ("cancelled" if ended else root.job(job)["status"]) != "completed"
    if not ended:
        ci.post(f"/api/jobs/{job}/cancel").expect(200)
        wait_until(lambda: ci.job(job)["status"] == "cancelled", "its own client may end it")
    ci.post(f"/api/jobs/{job}/retry").expect(202)
    ci.post(f"/api/jobs/{job}/cancel").expect(200)
    wait_until(lambda: ci.job(job)["status"] == "cancelled", "and again")
    assert ci.request("DELETE", f"/api/jobs/{job}").status == 204
    other.post(f"/api/jobs/{job}/cancel").problem(404, "unknown-job")


def test_batches_belong_to_their_client_too(guarded):
    ci, other = guarded.client(token("ci")), guarded.client(token("other"))
    batch = ci.post("/api/batches", {"kind": "echo", "files": ["aGk=", "aGk="], "params": {"sleep_ms": 60000}}).expect(202).json["batch_id"]
    refused(other.post(f"/api/batches/{batch}/cancel"), "admin", "submit")
    refused(other.request("DELETE", f"/api/batches/{batch}"), "admin", "submit")
    ci.post(f"/api/batches/{batch}/cancel").expect(200)
    wait_until(lambda: ci.get(f"/api/batches/{batch}").json["status"] == "cancelled", "the batch ends")
    refused(other.request("DELETE", f"/api/batches/{batch}"), "admin", "submit")
    assert ci.request("DELETE", f"/api/batches/{batch}").status == 204
    other.post(f"/api/batches/{batch}/cancel").problem(404, "unknown-batch")


def test_a_reload_changes_roles_at_once(guarded):
    ci = guarded.client(token("ci"))
    refused(ci.post("/api/backends/echo/resume"), "admin", "submit")
    write_tokens(guarded.tokens, {"root": "", "ci": "admin"})
    guarded.reload()
    wait_until(lambda: ci.post("/api/backends/echo/resume").status == 200, "ci is an admin now")
    guarded.client(token("page")).get("/api/jobs").problem(401, "unauthorized")
    write_tokens(guarded.tokens, {"root": "", "ci": "read"})
    guarded.reload()
    wait_until(lambda: ci.post("/api/jobs/echo", {}).status == 403, "and now it may only read")
    # A file with a fault changes nothing.
    write_tokens(guarded.tokens, {"root": "", "ci": "reed"})
    guarded.reload()
    guarded.says("tokens:2: what stands after the token is not a role (did you mean 'read'?)")
    ci.get("/api/jobs").expect(200)
    refused(ci.post("/api/jobs/echo", {}), "submit", "read")


def test_without_tokens_everything_is_allowed(client):
    job = slow_job(client)
    client.post(f"/api/jobs/{job}/cancel").expect(200)
    client.post("/api/backends/echo/resume").expect(200)


def test_a_wrong_role_is_told_before_the_start(tmp_path):
    (tmp_path / "tokens").write_text(f"# who may\nci:{WORD} submitt\n")
    (tmp_path / "tokens").chmod(0o600)
    (tmp_path / "lathe.ini").write_text("[server]\ntoken_file = tokens\n")
    r = subprocess.run([LATHED, "--check-config", "--config", tmp_path / "lathe.ini"], capture_output=True, text=True,
                       env=clean_env(), timeout=60, check=False)
    assert r.returncode != 0
    said = r.stdout + r.stderr
    assert "tokens:2:" in said and "did you mean 'submit'?" in said and WORD not in said, said
