# SPDX-License-Identifier: MIT
"""What attempts cost: by the price of their backend, in the job, in GET /api/costs, in `lathe costs`, in the metrics."""
import datetime
import json
import os
import re
import subprocess
import time
import zoneinfo

import pytest
from daemon import LATHE, LATHED, SANITIZED, TEST_PLUGINS, clean_env, wait_until
from test_clock import clocked  # noqa: F401 (a fixture)
from test_facts import scripted  # noqa: F401 (a fixture)

SECOND, JOB = "0.5", "0.25"
PRICED = {"cost": {"currency": "EUR", "time_zone": "Europe/Berlin"},
          "backend echo": {"plugin": "echo", "workers": 2, "cost_per_second": SECOND, "cost_per_job": JOB, "job_timeout": "900s"}}


@pytest.fixture
def priced(make_daemon):
    return make_daemon(PRICED)


def costs(client, query=""):
    return client.get("/api/costs" + query).expect(200).json


def price_of(attempt):
    return float(JOB) + float(SECOND) * (attempt["ended_at"] - attempt["started_at"])


def row_of(answer, **want):
    rows = [r for r in answer["costs"] if all(r[k] == v for k, v in want.items())]
    assert len(rows) == 1, answer
    return rows[0]


def close(a, b):
    return abs(a - b) < 1e-6


def test_time_and_start_have_a_price(priced):
    c = priced.client()
    job = c.run(params={"sleep_ms": 300})
    attempt = job["attempts"][0]
    assert close(attempt["cost"]["actual"], price_of(attempt)) and attempt["cost"]["actual"] > 0.4
    assert attempt["cost"]["source"] == "price" and attempt["cost"]["currency"] == "EUR"
    assert attempt["cost"]["priced"] == attempt["cost"]["actual"]
    assert attempt["cost"]["estimated"] == 0.25 + 0.5 * 900  # of its time limit, at first
    assert job["cost"] == {k: v for k, v in attempt["cost"].items() if k != "priced"}
    priced.restart()
    assert priced.client().job(job["job_id"]) == job


def test_a_running_job_shows_what_is_reserved(priced):
    c = priced.client()
    job_id = c.echo(sleep_ms=60000)
    wait_until(lambda: c.job(job_id)["status"] == "running", "it runs")
    job = c.job(job_id)
    assert job["cost"] == {"estimated": 450.25, "actual": None, "currency": "EUR", "source": None}
    row = row_of(costs(c), backend="echo", kind="echo")
    assert row["running"] == 1 and row["reserved"] == 450.25 and row["cost"] == 0
    c.cancel(job_id)
    wait_until(lambda: c.job(job_id)["status"] == "cancelled", "it is cancelled")
    row = row_of(costs(c), backend="echo", kind="echo")
    assert row["running"] == 0 and row["reserved"] == 0 and row["cancelled"] == 1
    assert close(row["cost"], price_of(c.job(job_id)["attempts"][0]))


def test_failed_attempts_cost_too_each_of_them(make_daemon):
    c = make_daemon({**PRICED, "limits": {"backoff_base": "1ms"}}).client()
    job = c.run(params={"fail": "retry"})
    assert job["status"] == "failed" and len(job["attempts"]) == 3
    assert close(job["cost"]["actual"], sum(map(price_of, job["attempts"])))
    row = row_of(costs(c), backend="echo")
    assert row["attempts"] == row["failed"] == 3 and close(row["cost"], job["cost"]["actual"])


def test_a_kind_without_prices_has_no_row(daemon):
    c = daemon.client()
    job = c.run()
    assert job["cost"] is None and job["attempts"][0]["cost"] is None
    answer = costs(c)
    assert answer["costs"] == [] and answer["prices"][0]["cost_per_second"] is None
    assert "lathe_cost_total" not in c.get("/metrics").text


def test_zero_is_a_price_and_nothing_is_none(make_daemon):
    """A: three backends: unset, 0, 0.01."""
    config = {f"backend {name}": {"plugin": "echo", "workers": 1, **({"cost_per_job": price} if price else {})}
              for name, price in (("unset", None), ("zero", "0"), ("cent", "0.01"))}
    c = make_daemon(config, base={}).client()
    jobs = {name: c.run(backend=name) for name in ("unset", "zero", "cent")}
    assert jobs["unset"]["cost"] is None
    assert jobs["zero"]["cost"]["actual"] == 0 and jobs["cent"]["cost"]["actual"] == 0.01
    answer = costs(c)
    assert {r["backend"]: r["cost"] for r in answer["costs"]} == {"zero": 0, "cent": 0.01}
    assert {p["backend"]: p["cost_per_job"] for p in answer["prices"]} == {"unset": None, "zero": 0, "cent": 0.01}


def test_what_a_plugin_says_goes_before_the_price(scripted):  # noqa: F811
    plugin = os.path.join(TEST_PLUGINS, "scripted_fork.so")
    daemon = scripted("fork", {"backend scripted": {"plugin": plugin, "workers": 1, "cost_per_job": "7", "currency": "EUR"}})
    c = daemon.client()
    job = c.run("scripted", params={"act": "facts"})
    assert job["attempts"][0]["cost"] == {"estimated": 0.25, "actual": 0.2, "currency": "EUR", "source": "reported", "priced": 7}
    row = row_of(costs(c), backend="scripted")
    assert row["cost"] == row["reported"] == 0.2
    plain = c.run("scripted", params={"act": "ok"})
    assert plain["cost"] == {"estimated": 7, "actual": 7, "currency": "EUR", "source": "price"}
    other = c.run("scripted", params={"act": "facts_again"})  # says dollars, and then nothing
    assert {a["cost"]["currency"] for a in other["attempts"]} >= {"USD"}, other
    assert {r["currency"] for r in costs(c)["costs"]} == {"EUR", "USD"}


def test_the_ledger_outlives_its_jobs_and_the_daemon(priced):
    c = priced.client()
    job = c.run()
    before = costs(c)["costs"]
    c.request("DELETE", f"/api/jobs/{job['job_id']}")
    assert costs(c)["costs"] == before and before[0]["attempts"] == 1
    priced.kill()
    priced.start()
    assert costs(priced.client())["costs"] == before


def test_an_attempt_that_a_crash_cut_off_keeps_what_was_reserved(make_daemon):
    daemon = make_daemon({**PRICED, "backend echo": {**PRICED["backend echo"], "job_timeout": "100s"}})
    c = daemon.client()
    job_id = c.echo(sleep_ms=1500)
    wait_until(lambda: c.job(job_id)["status"] == "running", "it runs")
    daemon.kill()
    daemon.start()
    job = daemon.client().wait(job_id)
    first, second = job["attempts"]
    assert first["status"] == "interrupted" and first["cost"]["source"] == "reserved", first
    assert first["cost"]["actual"] == first["cost"]["estimated"] == 50.25
    assert second["cost"]["source"] == "price" and close(second["cost"]["actual"], price_of(second))
    assert job["cost"]["source"] == "mixed"
    row = row_of(costs(daemon.client()), backend="echo")
    assert row["given_back"] == 1 and row["completed"] == 1 and close(row["cost"], job["cost"]["actual"])


def test_the_reservation_is_learned_also_over_a_restart(priced):
    c = priced.client()
    for _ in range(6):
        c.run()
    assert c.run()["cost"]["estimated"] < 1
    priced.restart()
    c = priced.client()
    wait_until(lambda: c.run()["cost"]["estimated"] < 1, "the ledger was read")


def test_by_day_kind_backend_and_client(priced):
    c = priced.client()
    for client in ("ann", "ann", "bob"):
        c.run(client=client)
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    today = datetime.datetime.now(zone).date()
    answer = costs(c, "?by=day,client,kind,backend")
    assert {(r["day"], r["kind"], r["backend"], r["client"], r["attempts"]) for r in answer["costs"]} == {
        (str(today), "echo", "echo", "ann", 2), (str(today), "echo", "echo", "bob", 1)}
    assert answer["time_zone"] == "Europe/Berlin"
    first = datetime.datetime(today.year, today.month, 1, tzinfo=zone)
    assert answer["from"] == first.timestamp()
    after = datetime.datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=zone)
    assert answer["to"] == after.timestamp()
    assert [r["attempts"] for r in costs(c, "?by=client&client=bob")["costs"]] == [1]
    assert costs(c, "?kind=mesh")["costs"] == [] and costs(c, "?to=2020-01-31")["costs"] == []
    assert costs(c, f"?from={today}&to={today}")["costs"][0]["attempts"] == 3
    assert costs(c, f"?from={today}")["costs"][0]["attempts"] == 3


@pytest.mark.parametrize("query, first, after", [
    ("month=2026-10", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),  # the clock goes back within
    ("month=2026-03", "2026-02-28T23:00Z", "2026-03-31T22:00Z"),  # and forward
    ("month=2026-12", "2026-11-30T23:00Z", "2026-12-31T23:00Z"),
    ("from=2026-10-25&to=2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
    ("to=2026-10-25", "2026-09-30T22:00Z", "2026-10-25T23:00Z")])
def test_months_and_days_are_those_of_the_zone(priced, query, first, after):
    answer = costs(priced.client(), "?" + query)
    assert [answer["from"], answer["to"]] == [datetime.datetime.fromisoformat(t).timestamp() for t in (first, after)]


@pytest.mark.parametrize("query", ["month=2026", "month=2026-13", "month=2026-1", "month=2026-11&from=2026-11-01", "from=2026-11-31x", "from=soon",
                                   "from=2026-11-02&to=2026-11-01", "by=week", "by=day,,", "by=day&from=1990-01-01", "from=0000-01-01", "day=1"])
def test_what_is_no_range_is_refused(priced, query):
    r = priced.client().get("/api/costs?" + query).expect(400)
    assert r.json["type"] == "/problems/bad-request" and r.json["detail"]


def test_on_the_command_line(priced):
    c = priced.client()
    for client in ("ann", "bob"):
        c.run(client=client)
    env = clean_env({"LATHE_SERVER": f"http://127.0.0.1:{priced.port}"})

    def lathe(*args):
        return subprocess.run([LATHE, *args], capture_output=True, text=True, env=env, timeout=60, check=True)

    out = lathe("costs", "--by", "client,backend").stdout
    assert re.search(r"^BACKEND +CLIENT +COST +CURRENCY +ATTEMPTS", out), out
    assert re.search(r"^echo +ann +0\.25\d* +EUR +1 ", out, re.M) and re.search(r"^total 0\.5\d* EUR$", out, re.M), out
    assert json.loads(lathe("costs", "--json").stdout) == costs(c)
    assert "Nothing cost anything" in lathe("costs", "--month", "2020-01").stderr


def test_in_the_metrics(priced):
    c = priced.client()
    job = c.run()
    line = [l for l in c.get("/metrics").text.splitlines() if l.startswith("lathe_cost_total{")]
    assert len(line) == 1 and 'kind="echo",backend="echo",currency="EUR"' in line[0], line
    assert close(float(line[0].split()[-1]), job["cost"]["actual"])


def test_prices_are_reloaded(priced):
    c = priced.client()
    for _ in range(6):
        c.run()
    config = {**PRICED, "backend echo": {"plugin": "echo", "workers": 2, "cost_per_job": "3"}}
    priced.write_config(config)
    priced.reload()
    wait_until(lambda: costs(c)["prices"][0]["cost_per_job"] == 3, "the new price is in effect")
    assert c.run()["cost"] == {"estimated": 3, "actual": 3, "currency": "EUR", "source": "price"}


def test_the_printed_configuration_says_the_prices(tmp_path):
    ini = tmp_path / "lathe.ini"
    ini.write_text("[cost]\ncurrency = EUR\n[backend a]\nplugin = echo\ncost_per_second = 0.0004\n")
    done = subprocess.run([LATHED, "--config", ini, "--print-config"], capture_output=True, text=True, env=clean_env(), timeout=60, check=True)
    assert re.search(r"^cost_per_second = 0\.0004 ", done.stdout, re.M) and re.search(r"^time_zone = UTC ", done.stdout, re.M), done.stdout




# ---- budgets ----

def budget(client, name="echo"):
    return next(p for p in costs(client)["prices"] if p["backend"] == name)


def started(client):
    return [j for j in client.all_jobs() if j["attempts"]]


def test_a_hundred_jobs_of_one_and_a_budget_of_ten(make_daemon):
    """A: 100 jobs of 1.00, budget 10.00: 10 start; a restart in between does not forget it."""
    daemon = make_daemon({"backend echo": {"plugin": "echo", "workers": 100, "cost_per_job": "1.00", "budget_month": "10.00"}})
    c = daemon.client()
    for _ in range(60):
        c.echo()
    wait_until(lambda: len([j for j in started(c) if j["status"] == "completed"]) == 10, "ten of them ran")
    assert budget(c)["spent"] == 10 and budget(c)["left"] == 0
    daemon.kill()
    daemon.start()
    c = daemon.client()
    last = [c.echo() for _ in range(40)][-1]
    why = wait_until(lambda: c.get(f"/api/jobs/{last}").json, "it is there")
    assert why["status"] == "queued"
    assert len(started(c)) == 10 and budget(c)["spent"] == 10
    assert c.backend("echo")["state"] == "ready", "nothing that the backend did"
    assert "gets no jobs of the kind echo: 0 of its budget of 10 for this month is left" in daemon.log(100000)
    metrics = c.get("/metrics").text
    assert re.search(r'^lathe_budget_spent{backend="echo",currency=""} 10$', metrics, re.M), metrics
    assert re.search(r'^lathe_budget_month{backend="echo",currency=""} 10$', metrics, re.M)
    daemon.write_config({"backend echo": {"plugin": "echo", "workers": 100, "cost_per_job": "1.00", "budget_month": "12"}})
    daemon.reload()
    wait_until(lambda: len(started(c)) == 12, "a larger budget takes effect at once")


def test_concurrent_jobs_do_not_overspend(make_daemon):
    daemon = make_daemon({"backend echo": {"plugin": "echo", "workers": 50, "cost_per_job": "1", "budget_month": "10"}})
    c = daemon.client()
    ids = [c.echo(sleep_ms=60000) for _ in range(50)]
    wait_until(lambda: len([j for j in ids if c.job(j)["status"] == "running"]) == 10, "ten run")
    assert budget(c)["spent"] == 10
    for job_id in ids:
        c.cancel(job_id)
    wait_until(lambda: all(c.job(j)["status"] == "cancelled" for j in ids), "all are cancelled")
    assert len(started(c)) == 10 and budget(c)["spent"] == 10


def test_what_was_reserved_and_not_spent_comes_back(make_daemon):
    """At first the time limit is reserved: one at a time; then what such jobs really cost."""
    daemon = make_daemon({"backend echo": {"plugin": "echo", "workers": 4, "cost_per_second": "1", "budget_month": "15", "job_timeout": "10s"}})
    c = daemon.client()
    ids = [c.echo() for _ in range(12)]
    for job_id in ids:
        job = c.wait(job_id)
        assert job["status"] == "completed" and job["cost"]["actual"] < 1, job
    assert min(c.job(j)["cost"]["estimated"] for j in ids) < 1 < c.job(ids[0])["cost"]["estimated"] == 10
    assert budget(c)["spent"] < 12


def test_the_next_backend_takes_what_the_first_has_no_money_for(make_daemon):
    config = {"backend paid": {"plugin": "echo", "workers": 4, "cost_per_job": "1", "currency": "EUR", "budget_month": "2"},
              "backend free": {"plugin": "echo", "workers": 4}, "route echo": {"backends": "paid, free"}}
    c = make_daemon(config, base={}).client()
    jobs = [c.run() for _ in range(5)]
    assert [j["backend"] for j in jobs] == ["paid", "paid", "free", "free", "free"]
    considered = jobs[-1]["attempts"][0]["decision"]["considered"]
    assert considered[0]["backend"] == "paid" and considered[0]["reason"] == "budget", considered
    assert "0 EUR of its budget of 2 EUR" in considered[0]["detail"] and "may cost 1 EUR" in considered[0]["detail"]
    assert jobs[-1]["cost"] is None and len(jobs[-1]["attempts"]) == 1


def test_a_budget_of_nothing_and_none_at_all(make_daemon):
    """0 means nothing may be spent, and no budget no limit; 0 is a price and fits into 0."""
    config = {"backend none": {"plugin": "echo", "workers": 1, "cost_per_job": "5", "budget_month": ""},
              "backend nil": {"plugin": "echo", "workers": 1, "cost_per_job": "5", "budget_month": "0"},
              "backend gratis": {"plugin": "echo", "workers": 1, "cost_per_job": "0", "budget_month": "0"}}
    c = make_daemon(config, base={}).client()
    assert c.run(backend="none")["cost"]["actual"] == 5 and c.run(backend="gratis")["cost"]["actual"] == 0
    waits = c.submit(backend="nil")
    assert c.run(backend="none")["status"] == "completed" and c.job(waits)["status"] == "queued"
    assert budget(c, "none")["spent"] is None and budget(c, "nil")["left"] == 0


def test_a_job_that_waits_for_money_ends_with_the_reason(make_daemon):
    c = make_daemon({"backend echo": {"plugin": "echo", "workers": 1, "cost_per_job": "1", "budget_month": "0.5"},
                     "limits": {"max_wait": "1s"}}).client()
    job = c.run()
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/no-backend", job
    assert "0.5 of its budget of 0.5 for this month is left" in job["error"]["detail"], job["error"]
    assert job["attempts"] == [] and job["cost"] is None


def test_a_job_has_a_budget_over_its_attempts(make_daemon):
    c = make_daemon({"backend echo": {"plugin": "echo", "workers": 1, "cost_per_job": "1", "budget_job": "2"}, "limits": {"backoff_base": "1ms"}}).client()
    job = c.run(params={"fail": "retry"})
    assert job["status"] == "failed" and len(job["attempts"]) == 2 and job["cost"]["actual"] == 2, job


def test_an_attempt_is_stopped_when_its_money_is_gone(make_daemon):
    c = make_daemon({"backend echo": {"plugin": "echo", "workers": 1, "cost_per_second": "1", "budget_job": "1.2"}}).client()
    job = c.run(params={"sleep_ms": 60000})
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-timeout" and len(job["attempts"]) == 1, job
    assert job["attempts"][0]["cost"]["estimated"] == 1.2 and job["cost"]["actual"] >= 1.2


def test_budgets_on_the_command_line(make_daemon):
    daemon = make_daemon({"cost": {"currency": "EUR"}, "backend echo": {"plugin": "echo", "workers": 1, "cost_per_job": "1", "budget_month": "10"}})
    daemon.client().run()
    env = clean_env({"LATHE_SERVER": f"http://127.0.0.1:{daemon.port}", "TZ": "UTC"})
    out = subprocess.run([LATHE, "costs"], capture_output=True, text=True, env=env, timeout=60, check=True).stdout
    assert re.search(r"^echo: 9 of 10 EUR are left until \d{4}-\d\d-01 00:00 UTC$", out, re.M), out


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's library has to be the first one that is preloaded")
def test_a_month_ends_by_the_clock_of_its_zone(clocked):  # noqa: F811
    """In Berlin October 2026 has an hour more, and ends an hour before it does by UTC."""
    end = datetime.datetime.fromisoformat("2026-10-31T23:00Z").timestamp()
    daemon, _ = clocked({"cost": {"time_zone": "Europe/Berlin"}, "backend echo": {"plugin": "echo", "workers": 1, "cost_per_job": "1", "budget_month": "1"}},
                        shift=int(end - 8 - time.time()))
    c = daemon.client()
    first, second = c.echo(), c.echo()
    assert c.wait(first)["ended_at"] < end and budget(c)["month_ends_at"] == end and budget(c)["left"] == 0
    assert c.job(second)["status"] == "queued"
    assert c.wait(second)["started_at"] >= end, "without a sign from anybody"
    assert budget(c)["month_ends_at"] == datetime.datetime.fromisoformat("2026-11-30T23:00Z").timestamp()
    for month in ("2026-10", "2026-11"):
        assert [r["cost"] for r in costs(c, f"?month={month}")["costs"]] == [1]


# ---- the policy `cheapest` ----

def three(unset=None, zero="0", cent="0.01", **more):
    """A: three backends: unset, 0, 0.01."""
    config = {f"backend {name}": {"plugin": "echo", "workers": 1, **({"cost_per_job": price} if price else {})}
              for name, price in (("unset", unset), ("cent", cent), ("zero", zero))}
    return {**config, "route echo": {"backends": "unset, cent, zero", "policy": "cheapest"}, **more}


def test_the_cheapest_first_and_an_unknown_price_last(make_daemon):
    c = make_daemon(three(), base={}).client()
    ids = []
    for want in ("zero", "cent", "unset"):
        ids.append(c.echo(sleep_ms=60000))
        job = wait_until(lambda: (lambda j: j if j["status"] == "running" else None)(c.job(ids[-1])), "it runs")
        assert job["backend"] == want, job
    considered = c.job(ids[0])["attempts"][0]["decision"]["considered"]
    assert [(x["backend"], x["cost"], x["taken"]) for x in considered] == [("unset", None, False), ("cent", 0.01, False), ("zero", 0, True)]
    for job_id in ids:
        c.cancel(job_id)


def test_what_is_learned_counts_more_than_the_order(make_daemon):
    """Prices for time alone: nobody knows at first; then the time of one tells what the other would take."""
    config = {"backend dear": {"plugin": "echo", "workers": 1, "cost_per_second": "1"},
              "backend cheap": {"plugin": "echo", "workers": 1, "cost_per_second": "0.1"},
              "route echo": {"backends": "dear, cheap", "policy": "cheapest"}}
    c = make_daemon(config, base={}).client()
    for _ in range(5):  # so many are something to go by
        assert c.run(params={"sleep_ms": 50})["backend"] == "dear"
    for _ in range(3):
        job = c.run(params={"sleep_ms": 50})
        assert job["backend"] == "cheap", job["attempts"][0]["decision"]
    costs_of = {x["backend"]: x["cost"] for x in job["attempts"][0]["decision"]["considered"]}
    assert 0 < costs_of["cheap"] < costs_of["dear"]
    route = c.get("/api/routes/echo").expect(200).json
    assert route["policy"] == "cheapest" and route["backend"] == "cheap"


def test_one_that_takes_too_long_comes_after_the_others(make_daemon):
    c = make_daemon(three(), base={}).client()
    for _ in range(5):
        assert c.run(params={"sleep_ms": 1500})["backend"] == "zero"
        c.run(backend="cent")
    job = c.run(timeout_s=1)
    assert job["backend"] == "cent", job
    zero = job["attempts"][0]["decision"]["considered"][2]
    assert zero["cost"] == 0 and zero["too_slow"] is True and zero["run_s"] > 1, zero
    assert c.run(timeout_s=20)["backend"] == "zero"


def test_the_cheapest_has_no_money_left(make_daemon):
    config = three(zero="0.5", cent="0.01", unset="0.1")
    config["backend cent"]["budget_month"] = "0.02"
    c = make_daemon(config, base={}).client()
    assert [c.run()["backend"] for _ in range(4)] == ["cent", "cent", "unset", "unset"]
