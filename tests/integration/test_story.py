# SPDX-License-Identifier: MIT
"""A week of an admin: two other daemons, one of them also over SSH; each thing that happens is seen, and undone."""
import json

import pytest
from sshd import USER, Sshd, why_not

from client import FINAL
from daemon import Daemon, wait_until
from far import near_config
from test_breaker import open_it

QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}


class Week:
    def __init__(self, folder):
        self.fars = {name: Daemon(folder / name).start() for name in ("one", "two")}
        self.sections = {**QUICK, "backend here": {"plugin": "echo", "workers": 4}, "route echo": {"backends": "here"}}
        self.near = Daemon(folder / "near", self.sections, base={}).start()
        self.jobs = []

    @property
    def c(self):
        return self.near.client()

    def reload(self, **sections):
        before = len(self.audit("config.reload"))
        self.sections.update({name.replace("_", " "): keys for name, keys in sections.items()})
        self.near.write_config(self.sections)
        self.near.reload()
        wait_until(lambda: len(self.audit("config.reload")) > before, "the reload is in the audit log")

    def restart(self, power_cut=False):
        if power_cut:
            self.near.kill()
            self.near.start()
        else:
            self.near.restart()
        wait_until(lambda: all(b["state"] == "ready" for b in self.c.get("/api/backends").json["backends"]), "all are back")

    def await_state(self, name, state):
        wait_until(lambda: self.c.backend(name)["state"] == state, f"{name} is {state}")

    def job(self, **body):
        job = self.c.run("echo", **body)
        assert job["status"] == "completed", job
        self.jobs.append(job["job_id"])
        return job

    def considered(self, job):
        return {x["backend"]: x["reason"] for x in job["attempts"][-1]["decision"]["considered"]}

    def route(self):
        return self.c.get("/api/routes/echo").expect(200).json

    def audit(self, what):
        return self.c.get(f"/api/audit?what={what}").expect(200).json["audit"]

    def metric(self, begin):
        return [float(x.rpartition(" ")[2]) for x in self.c.get("/metrics").text.splitlines() if x.startswith(begin)]

    def use(self, name):
        self.c.request("PUT", "/api/routes/echo/override", json.dumps({"backend": name}).encode(),
                       {"Content-Type": "application/json"}).expect(200)

    def stop(self):
        for daemon in (self.near, *self.fars.values()):
            daemon.kill()


@pytest.fixture
def week(tmp_path):
    made = Week(tmp_path)
    yield made
    made.stop()


def a_canary(week):
    assert week.job()["backend"] == "here"
    week.reload(**{f"backend_{n}": near_config(week.fars[n].url, n)[f"backend {n}"] for n in ("one", "two")},
                route_echo={"backends": "here", "canary": "one 50%", "sticky": "none"})
    week.await_state("one", "ready")
    assert week.route()["canary"]["share"] == 0.5
    jobs = [week.job() for _ in range(30)]
    for job in jobs:
        drawn = job["attempts"][0]["decision"]["canary"]
        assert job["backend"] == ("one" if drawn["draw"] <= 0.5 else "here"), job
    assert {j["backend"] for j in jobs} == {"here", "one"}
    week.reload(route_echo={"backends": "one, two, here"})
    assert week.route()["canary"] is None and week.job()["backend"] == "one"


def switches_by_hand(week):
    week.use("two")
    week.restart()
    assert week.route()["override"]["backend"] == "two" and week.job()["backend"] == "two"
    week.c.post("/api/backends/two/drain", {"why": "a disk"}).expect(200)
    week.restart(power_cut=True)
    job = week.job()
    assert job["backend"] == "one" and week.considered(job)["two"] == "drained"
    week.c.post("/api/rollback", {}).expect(200)
    assert week.c.backend("two")["drained"] is None and week.job()["backend"] == "two"
    week.c.post("/api/rollback", {}).expect(200)
    assert week.route()["override"] is None and week.job()["backend"] == "one"
    assert len(week.audit("rollback")) == 2 and all(x["undone"] for x in week.audit("route.use") + week.audit("backend.drain"))


def a_daemon_dies(week):
    far = week.fars["one"]
    far.kill()
    week.await_state("one", "paused")
    job = week.job()
    assert job["backend"] == "two" and week.considered(job)["one"] == "not_ready"
    assert week.metric('lathe_backend_ready{backend="one"}') == [0]
    far.server["server"]["listen"] = f"127.0.0.1:{far.port}"
    far.write_config({k: v for k, v in far.config.items() if k != "server"})
    far.start()
    week.await_state("one", "ready")
    assert week.job()["backend"] == "one"


def a_backend_goes_bad(week):
    week.reload(route_echo={"backends": "here, one, two"})
    open_it(week.c, "here")
    week.near.says("event=breaker.open")
    assert week.metric('lathe_breaker_state{backend="here"}') in ([1], [2])
    job = week.job()
    assert job["backend"] == "one" and week.considered(job)["here"] == "breaker", job
    started = [e for e in week.c.events(job["job_id"]) if e.name == "started"]
    assert started[0].data["backend"] == "one"
    for _ in range(3):  # each waits until it is let through
        assert week.job(backend="here")["backend"] == "here"
    wait_until(lambda: week.c.backend("here")["breaker"]["state"] == "closed", "the breaker is closed by its probes")
    assert week.job()["backend"] == "here"


def a_backend_gets_expensive(week):
    cheap = week.sections["backend two"]
    week.reload(backend_two={**cheap, "cost_per_job": "1", "budget_month": "2"}, route_echo={"backends": "two, one, here"})
    week.await_state("two", "ready")
    assert [week.job()["backend"] for _ in range(2)] == ["two", "two"]
    week.restart()
    job = week.job()
    assert job["backend"] == "one" and week.considered(job)["two"] == "budget"
    assert week.metric('lathe_budget_spent{backend="two"') == [2]
    week.reload(backend_two={**cheap, "cost_per_job": "1", "budget_month": "3"})
    week.await_state("two", "ready")
    assert week.job()["backend"] == "two" and week.job()["backend"] == "one"


def the_end(week):
    for job_id in week.jobs:
        names = [e.name for e in week.c.events(job_id)]
        assert [n for n in names if n in FINAL] == ["completed"], names


def test_a_week(week):
    for day in (a_canary, switches_by_hand, a_daemon_dies, a_backend_goes_bad, a_backend_gets_expensive, the_end):
        day(week)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_tunnel(week, tmp_path):
    """A way that goes, and comes back; the switch to it by hand lives through both, and is undone."""
    sshd = Sshd(tmp_path / "sshd").start()
    try:
        week.reload(backend_tunnel={
            "plugin": "ssh-tunnel", "host": sshd.host, "port": sshd.port, "user": USER, "key": sshd.key, "known_hosts": sshd.known_hosts,
            "far": f"127.0.0.1:{week.fars['two'].port}", "workers": 8})
        week.await_state("tunnel", "ready")
        week.use("tunnel")
        assert week.job()["backend"] == "tunnel"
        sshd.stop()
        week.await_state("tunnel", "paused")
        assert "connection refused" in week.c.backend("tunnel")["message"]
        job = week.job()
        assert job["backend"] == "here" and week.considered(job)["tunnel"] == "not_ready"
        sshd.start()
        week.await_state("tunnel", "ready")
        week.restart()
        assert week.job()["backend"] == "tunnel"
        week.c.post("/api/rollback", {}).expect(200)
        assert week.job()["backend"] == "here"
        the_end(week)
        week.near.stop()
    finally:
        week.near.kill()
        sshd.stop()
