# SPDX-License-Identifier: MIT
"""exec.so and exec-remote.so: kinds that a command brings along, declares later and withdraws."""
import json
import os
import signal

import pytest
from daemon import SANITIZED, is_alive, wait_until
from test_exec import act, kind, make, polite, rude  # noqa: F401 (make: a fixture)
from test_exec_remote import done, make as make_remote, remote, tell as tell_remote, there  # noqa: F401 (fixtures)
from test_remote_many import resident_bytes

MOST = 2**64 - 1


def late(name="late", most=MOST, **params):
    whole = kind(name, **params)
    whole["params"] += [{"name": "seed", "type": "int", "min": 0, "max": most, "default": min(most, 2**53 + 1), "help": "For the test."},
                        {"name": "sleep_ms", "type": "int", "default": 0, "help": "Time to take."}]
    whole["resources"]["threads"] = 3
    return whole


def seed_of(client, name="late"):
    """The largest value of the kind's seed; None: there is no such kind."""
    answer = client.get(f"/api/kinds/{name}")
    return next((p["max"] for p in answer.json["params"] if p["name"] == "seed"), None) if answer.status == 200 else None


def is_exact(client):
    """Every digit of the kind counts, and of a job's parameter."""
    wait_until(lambda: seed_of(client) == MOST, "the kind is known")
    told = client.get("/api/kinds/late").json
    assert told["declared_by"] == "turner" and f'"default":{2**53 + 1}' in client.get("/api/kinds/late").text.replace(" ", "")
    job = client.wait(client.submit("late", params={"act": "params", "seed": MOST}))
    assert job["status"] == "completed" and job["result"]["params"]["seed"] == str(MOST), job


def test_a_whole_kind_in_hello_is_taken_exactly(make):  # noqa: F811
    """Other integers of the same line stay integers: the protocol's number, and an option's default."""
    client = make(polite(), {"server": {"worker_env": "WHOLE"}}, env={"WHOLE": json.dumps(late(act="ok"))}).client()
    is_exact(client)
    threads, = (w["threads"] for w in act(client, "ok")["result"]["warmed"])
    assert threads == 2 and isinstance(threads, int)


def test_a_kind_that_is_learned_before_the_command_is_ready(make, tmp_path):  # noqa: F811
    (tmp_path / "late.json").write_text(json.dumps(late(act="ok")))
    client = make(polite(options=f"title=learn model={tmp_path / 'late.json'}")).client()
    is_exact(client)
    client = make(rude("kinds_later")).client()  # with none in its hello
    assert act(client, "ok")["status"] == "completed"


def test_a_command_declares_and_withdraws_kinds_later(make, tmp_path):  # noqa: F811
    daemon = make(polite())
    client = daemon.client()
    path = tmp_path / "follow"

    def tell(*words):
        (tmp_path / "new").write_text(json.dumps(words))
        os.rename(tmp_path / "new", path)
        wait_until(lambda: not path.exists(), f"{words[0]} is told")

    client.wait(client.submit("turn", params={"act": "follow", "note": str(path)}))
    assert seed_of(client) is None
    tell("kind", late(act="ok"))  # while it has no job
    is_exact(client)
    busy = client.submit("turn", params={"act": "obey"})
    client.wait(busy, ("running",))
    tell("kind", late(act="ok", most=10))
    wait_until(lambda: seed_of(client) == 10, "the kind has changed")
    before = client.submit("late", params={"act": "ok"})  # is it on its way by now, or does it wait?  Either is well
    tell("withdraw", "late")
    wait_until(lambda: seed_of(client) is None, "the kind is taken back")
    client.post("/api/jobs/late", {}).problem(404, "unknown-kind")
    tell("withdraw", "nobody")
    tell("kind", {**late(act="ok"), "kind": "No Kind"})
    daemon.says('names the kind \\"No Kind\\", which was refused')
    tell("kind", late(act="ok", most=2**64))  # no reader would have each digit of it
    daemon.says('names the kind \\"late\\", which was refused')
    daemon.says("an integer past 64 bits")
    client.cancel(busy).expect(200)
    assert client.wait(busy)["status"] == "cancelled"
    assert sorted(client.backend("turner")["kinds"]) == ["mill", "turn"]
    tell("kind", "late")  # a kind that no file declares; the one before is no longer meant
    wait_until(lambda: "late" in client.backend("turner")["kinds"], "it is declared once more")
    tell("kind", late(act="ok", most=11))
    assert client.wait(before)["status"] == "completed"
    assert client.backend("turner")["restarts"] == 0


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what was freed")
def test_names_that_were_withdrawn_long_ago_are_forgotten(make):  # noqa: F811
    client = make(polite()).client()

    def size_after(act_name):
        keeper = act(client, act_name)["result"]["parent"]
        with open(f"/proc/{keeper}/stat", encoding="utf-8") as file:
            worker = int(file.read().rpartition(")")[2].split()[1])
        return resident_bytes(worker)

    before = size_after("parent")
    assert size_after("churn") - before < 3 << 20  # 60,000 names have more than 7 MB
    assert act(client, "ok")["status"] == "completed"


def test_a_kind_that_comes_and_goes_counts_once(make):  # noqa: F811
    client = make(polite(), {"server": {"worker_env": "WHOLE"}}, env={"WHOLE": json.dumps(late(act="ok"))}).client()
    act(client, "flap")  # 40 MB; a backend may have 32 MiB of different ones
    wait_until(lambda: seed_of(client) == MOST, "the kind is there in the end")
    assert client.backend("turner")["warnings"] == []


def test_kinds_that_are_not_asked_for_are_not_served_later_either(make, tmp_path):  # noqa: F811
    (tmp_path / "late.json").write_text(json.dumps(late(act="ok")))
    learn = f"title=learn model={tmp_path / 'late.json'}"
    assert make(polite(options=learn, kinds="mill")).client().backend("turner")["kinds"] == ["mill"]
    assert make(polite(options=learn, kinds="late")).client().backend("turner")["kinds"] == ["late"]


def test_a_remote_command_declares_and_withdraws_kinds(make_remote, remote):  # noqa: F811
    client = make_remote().client()
    pid = done(client, remote, client.echo())["result"]["pid"]
    tell_remote(remote, "declare", late())
    wait_until(lambda: seed_of(client) == MOST, "the kind is known")
    waiting = client.submit("late", params={"sleep_ms": 1000, "seed": MOST})
    there(client, waiting)
    os.kill(pid, signal.SIGKILL)  # the next process knows the kinds of its hello
    wait_until(lambda: not is_alive(pid) and seed_of(client) is None, "the kind went with the process that told of it")
    result = done(client, remote, waiting)["result"]
    assert (result["threads"], result["memory_bytes"]) == (3, None)  # nothing limits the memory of what runs there
    tell_remote(remote, "declare", late(most=10))
    wait_until(lambda: seed_of(client) == 10, "the kind is known again")
    tell_remote(remote, "withdraw", "late")
    wait_until(lambda: seed_of(client) is None, "the kind is taken back")
    assert client.backend("far")["kinds"] == ["echo"]
