#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark: one command, one table.

    tests/bench/run.py [--build DIR] [--only NAME,...] [--seconds N] [--json FILE]

Starts the real daemon on throw-away data folders and measures it from outside; beanstalkd (with an
fsync for every write) runs beside it in turn where it is installed.  Every figure is the median of
several rounds, since the machine may be shared.
"""
import argparse
import contextlib
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

ECHO_ONLY = """
[server]
listen = 127.0.0.1:0
data_dir = {data}
[limits]
queue_max = 20000000
[retention]
jobs_max = 0
[backend echo]
plugin = echo
workers = {workers}
"""
EXEC_ONLY = ECHO_ONLY.replace("plugin = echo", "plugin = exec\ncommand = {python} {here}/noop.py")
DEFAULT = """
[server]
listen = 127.0.0.1:0
data_dir = {data}
[backend local]
plugin = local-gmsh
workers = 2
[backend echo]
plugin = echo
workers = 4
"""


class Daemon:
    """A lathed of its own on a free port; `with Daemon(...) as d`."""

    def __init__(self, build, folder, config, **values):
        self.build, self.folder = build, folder
        self.data = os.path.join(folder, "data")
        path = os.path.join(folder, "lathe.ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config.format(data=self.data, **values))
        self.log = open(os.path.join(folder, "lathed.log"), "ab")
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [os.path.join(build, "bin/lathed"), "--config", path],
            stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        self.start_seconds = time.perf_counter() - begin
        if "listening on http://" not in line:
            self.process.kill()
            sys.exit(f"bench: lathed did not start; see {self.log.name}: {line!r}")
        self.port = int(line.split("http://")[1].split()[0].rsplit(":", 1)[1].rstrip("/"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def ready(self):
        for _ in range(600):
            if self.request("GET", "/api/ready")[0] == 200:
                return self
            time.sleep(0.05)
        sys.exit("bench: the daemon was not ready within 30 s: "
                 + self.request("GET", "/api/ready")[1].decode())

    def resident_mb(self):
        return resident_mb(self.process.pid)

    def context_switches(self):
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/status", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return total


class Bench:
    def __init__(self, arguments):
        self.build = os.path.abspath(arguments.build)
        self.seconds = arguments.seconds
        self.rounds = arguments.rounds
        self.rows = []

    def program(self, path):
        return os.path.join(self.build, path)

    def row(self, what, value, unit, goal="", beside=""):
        self.rows.append((what, value, unit, goal, beside))
        print(f"  {what}: {value} {unit}" + (f"   (goal {goal})" if goal else "")
              + (f"   [{beside}]" if beside else ""), flush=True)

    def load(self, mode, port, connections, seconds=None, body=None):
        command = [os.path.join(self.build, "tests/load"), mode, str(port), str(connections),
                   str(seconds or self.seconds)]
        out = subprocess.run(command + ([body] if body else []), stdout=subprocess.PIPE, check=False)
        try:
            return json.loads(out.stdout)
        except ValueError:
            sys.exit(f"bench: {' '.join(command)} failed")

    @contextlib.contextmanager
    def folder(self):
        path = tempfile.mkdtemp(prefix="lathe-bench.")
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def daemon(self, folder, config, **values):
        return Daemon(self.build, folder, config, **values)


@contextlib.contextmanager
def beanstalkd(folder):
    """A beanstalkd that syncs every write, or None where it is not installed."""
    program = shutil.which("beanstalkd")
    if not program:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.makedirs(folder, exist_ok=True)
    process = subprocess.Popen([program, "-l", "127.0.0.1", "-p", str(port), "-b", folder, "-f", "0"])
    try:
        for _ in range(50):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def submits(b):
    """Durable submits: nothing runs (the only worker sleeps), every 202 is on disk."""
    goals = {64: "20,000"}
    results = {}
    for _ in range(b.rounds):
        with b.folder() as folder, beanstalkd(os.path.join(folder, "peer")) as peer, \
                b.daemon(folder, ECHO_ONLY, workers=1) as d:
            d.ready()
            d.request("POST", "/api/jobs/echo", '{"params": {"sleep_ms": 600000}}',
                      {"Content-Type": "application/json"})
            for connections in (1, 16, 64):
                results.setdefault(("lathe", connections), []).append(
                    b.load("submit", d.port, connections))
                if peer:
                    results.setdefault(("beanstalkd", connections), []).append(
                        b.load("bput", peer, connections))
    for connections in (1, 16, 64):
        rates = {name: statistics.median(r["per_second"] for r in results[name, connections])
                 for name in ("lathe", "beanstalkd") if (name, connections) in results}
        p99 = statistics.median(r["p99_us"] for r in results["lathe", connections]) / 1000
        beside = f"p99 {p99:.1f} ms"
        if "beanstalkd" in rates:
            beside += f"; beanstalkd -f 0 put {rates['beanstalkd']:,.0f}/s"
        b.row(f"durable submits, {connections} connections", f"{rates['lathe']:,.0f}", "/s",
              goals.get(connections, ""), beside)


def end_to_end(b):
    """No-op jobs from the request to the answer that they completed (Prefer: wait)."""
    results, peers = {}, {}
    for _ in range(b.rounds):
        with b.folder() as folder, beanstalkd(os.path.join(folder, "peer")) as peer, \
                b.daemon(folder, ECHO_ONLY, workers=2) as d:
            d.ready()
            b.load("wait", d.port, 1, 0.5)
            for connections in (1, 64, 256):
                results.setdefault(connections, []).append(b.load("wait", d.port, connections))
                if peer and connections <= 64:
                    peers.setdefault(connections, []).append(b.load("bcycle", peer, connections))
    one = results[1]
    b.row("no-op job alone, p50", f"{statistics.median(r['p50_us'] for r in one) / 1000:.2f}", "ms",
          "1.00", f"p99 {statistics.median(r['p99_us'] for r in one) / 1000:.2f} ms")
    for connections, goal in ((1, ""), (64, "10,000"), (256, "10,000")):
        rate = statistics.median(r["per_second"] for r in results[connections])
        beside = ""
        if connections in peers:
            peer = statistics.median(r["per_second"] for r in peers[connections])
            beside = f"beanstalkd -f 0 put-reserve-delete {peer:,.0f}/s"
        b.row(f"no-op jobs end to end, {connections} connections", f"{rate:,.0f}", "/s", goal, beside)


def exec_noop(b):
    """A no-op in Python behind the plugin exec, beside echo, which is a C plugin."""
    results = {}
    for _ in range(b.rounds):
        for name, config in (("echo", ECHO_ONLY), ("exec", EXEC_ONLY)):
            with b.folder() as folder, b.daemon(folder, config, workers=2, python=sys.executable, here=HERE) as d:
                d.ready()
                b.load("wait", d.port, 1, 0.5)
                for connections in (1, 64):
                    results.setdefault((name, connections), []).append(b.load("wait", d.port, connections))
    p50 = {name: statistics.median(r["p50_us"] for r in results[name, 1]) / 1000 for name in ("echo", "exec")}
    b.row("no-op job in Python (exec) alone, p50", f"{p50['exec']:.2f}", "ms", "", f"echo {p50['echo']:.2f} ms")
    rate = {name: statistics.median(r["per_second"] for r in results[name, 64]) for name in ("echo", "exec")}
    b.row("no-op jobs in Python (exec), 2 processes, 64 connections", f"{rate['exec']:,.0f}", "/s", "",
          f"echo {rate['echo']:,.0f}/s")


def sample_files():
    shared = os.path.join(os.path.dirname(TOP), "shared/data/cad")
    names = [("cube_8k.stp", "8 KB cube"), ("t20_component8_67k.step", "67 KB part"),
             ("nist_ftc_07_395k.stp", "395 KB part")]
    found = [(os.path.join(shared, name), label) for name, label in names
             if os.path.exists(os.path.join(shared, name))]
    own = os.path.join(TOP, "tests/fixtures/cad")
    return found or [(os.path.join(own, "block.step"), "sample block"),
                     (os.path.join(own, "bracket.step"), "sample bracket")]


def upload(d, path):
    with open(path, "rb") as file:
        status, data = d.request("POST", "/api/blobs", file.read(),
                                 {"Content-Type": "application/octet-stream"})
    if status not in (200, 201):
        sys.exit(f"bench: upload of {path}: {data}")
    return json.loads(data)["sha256"]


def submit_blob(d, kind, blob, name, wait, params=None, cached=False):
    body = json.dumps({"input": {"name": name, "blob": blob}, "params": params or {}})
    headers = {"Content-Type": "application/json"}
    if not cached:
        headers["Cache-Control"] = "no-cache"
    if wait:
        headers["Prefer"] = "wait=60"
    begin = time.perf_counter()
    status, data = d.request("POST", f"/api/jobs/{kind}", body, headers)
    return time.perf_counter() - begin, status, json.loads(data)


def preview_first(b):
    """The first preview after `ready` against the second, each with the upload in the request."""
    path, label = sample_files()[0]
    first, second = [], []
    for _ in range(max(5, b.rounds)):
        with b.folder() as folder, b.daemon(folder, DEFAULT) as d:
            d.ready()
            for times in (first, second):
                blob = upload(d, path)
                seconds, status, job = submit_blob(d, "preview", blob, os.path.basename(path), True)
                if status != 200 or job["status"] != "completed":
                    sys.exit(f"bench: preview failed: {job}")
                times.append(seconds * 1000)
    b.row(f"first preview of the {label} after start", f"{statistics.median(first):.1f}", "ms",
          "no slower than the second", f"second {statistics.median(second):.1f} ms")


def overhead(b):
    """A job against its own work and Gmsh's calls alone in a warm process, in turn; nothing parked or cached."""
    config = DEFAULT.replace("plugin = local-gmsh", "plugin = local-gmsh\npark_memory = 0")
    if not os.path.exists(b.program("tests/gmsh-bare")):
        print("  (gmsh-bare is not built: left out)")
        return
    with b.folder() as folder, b.daemon(folder, config) as d:
        d.ready()
        for kind in ("preview", "mesh"):
            for path, label in sample_files()[:3 if kind == "preview" else 2]:
                overhead_of(b, d, kind, path, label)


def overhead_of(b, d, kind, path, label):
    bare, plugin = b.program("tests/gmsh-bare"), b.program("plugins/local-gmsh.so")
    blob = upload(d, path)
    jobs, work, calls = [], [], []
    count = 10 if kind == "preview" and os.path.getsize(path) < 100000 else 3
    for _ in range(6):
        out = subprocess.run([bare, "--plugin", plugin, "--here", "--quiet", "--repeat", str(count + 1), kind, path],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        work += [json.loads(line)["milliseconds"] for line in out.stdout.splitlines()[1:]]
        out = subprocess.run([bare, kind, path, str(count)], stdout=subprocess.PIPE, check=True)
        calls += json.loads(out.stdout)["milliseconds"]
        for _ in range(count):
            seconds, status, job = submit_blob(d, kind, blob, os.path.basename(path), True)
            if status != 200 or job["status"] != "completed":
                sys.exit(f"bench: {kind} failed: {job}")
            jobs.append(seconds * 1000)
    same = statistics.median(work)
    over = statistics.median(jobs) - same
    b.row(f"overhead of a {kind} over the same work in a warm process, {label}, p50", f"{over:.1f}", "ms", "3.0",
          f"job {statistics.median(jobs):.1f} ms, work {same:.1f} ms, Gmsh's calls alone "
          f"{statistics.median(calls):.1f} ms; p99 {percentile(jobs, 0.99) - same:.1f} ms (goal 10)")


def cached(b):
    """The same preview again and again: answered with the first one's result; beside a run."""
    path, label = sample_files()[0]
    with b.folder() as folder, b.daemon(folder, DEFAULT) as d:
        d.ready()
        blob = upload(d, path)
        runs, answers = [], []
        for i in range(300):
            anew = i % 15 == 0
            seconds, status, job = submit_blob(d, "preview", blob, os.path.basename(path), True,
                                               cached=not anew)
            if status != 200 or job["status"] != "completed" or job["cached"] == anew:
                sys.exit(f"bench: cached preview failed: {job}")
            (runs if anew else answers).append(seconds * 1000)
    b.row(f"preview of the {label} answered from the cache, p50", f"{statistics.median(answers):.2f}", "ms",
          "2.0", f"p99 {percentile(answers, 0.99):.2f} ms; a run {statistics.median(runs):.1f} ms")


def batches(b):
    """A thousand no-op jobs as one batch, and an archive of 256 MiB read as fast as it comes."""
    accepted, done, rates = [], [], []
    for _ in range(b.rounds):
        with b.folder() as folder, b.daemon(folder, ECHO_ONLY, workers=2) as d:
            d.ready()

            def submit(params):
                begin = time.perf_counter()
                status, data = d.request("POST", "/api/batches", json.dumps({"kind": "echo", "params": params}),
                                         {"Content-Type": "application/json"})
                if status != 202:
                    sys.exit(f"bench: batch: {data}")
                first = time.perf_counter() - begin
                batch = json.loads(data)
                d.request("GET", batch["events"])  # ends with the batch
                return batch["url"], first * 1000, (time.perf_counter() - begin) * 1000

            _, first, whole = submit([{}] * 1000)
            accepted.append(first)
            done.append(whole)
            url, _, _ = submit([{"output_bytes": 32 << 20}] * 8)
            begin = time.perf_counter()
            _, data = d.request("GET", url + "/archive")
            rates.append(len(data) / 1e6 / (time.perf_counter() - begin))
    b.row("a batch of 1000 no-op jobs accepted", f"{statistics.median(accepted):.0f}", "ms", "",
          f"all completed after {statistics.median(done):.0f} ms")
    b.row("archive of a batch, 256 MiB as zip", f"{statistics.median(rates):.0f}", "MB/s")


def cancel(b):
    """From the cancel request until the job's processes are gone, while it meshes."""
    path, label = sample_files()[-1]
    times = []
    with b.folder() as folder, b.daemon(folder, DEFAULT) as d:
        d.ready()
        blob = upload(d, path)
        for i in range(100):
            _, _, job = submit_blob(d, "mesh", blob, os.path.basename(path), False)
            before = busy_children(d.process.pid)
            deadline = time.time() + 10
            while not before and time.time() < deadline:
                time.sleep(0.002)
                before = busy_children(d.process.pid)
            time.sleep(0.05 + (i % 10) * 0.02)
            before = busy_children(d.process.pid)
            begin = time.perf_counter()
            d.request("POST", f"/api/jobs/{job['job_id']}/cancel")
            while any(stat_of(pid)[0] not in "XZ" for pid in before):
                if time.perf_counter() - begin > 5:
                    sys.exit("bench: a cancelled job's process stayed")
            times.append((time.perf_counter() - begin) * 1000)
    b.row(f"cancel of a running mesh ({label}) until its processes are gone, p99",
          f"{percentile(times, 0.99):.1f}", "ms", "10", f"p50 {statistics.median(times):.1f} ms")


def children(pid):
    with contextlib.suppress(OSError):
        found = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(x) for x in file.read().split()]
        return found
    return []


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def stat_of(pid):
    """(state, processor time in clock ticks) of a process; ("X", 0) when it is gone."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
            return fields[0], int(fields[11]) + int(fields[12])
    return "X", 0


def busy_children(daemon):
    """The processes that workers forked, and those that these forked, as far as they compute: a
    job's, not the spare that waits."""
    found, look = [], [job for worker in children(daemon) for job in children(worker)]
    while look:
        found += look
        look = [child for pid in look for child in children(pid)]
    return [pid for pid in found if stat_of(pid)[1] >= 3]


def growth(b):
    """Resident memory of the daemon and of local-gmsh's zygote over 500 previews in a row."""
    path, label = sample_files()[0]
    with b.folder() as folder, b.daemon(folder, DEFAULT) as d:
        d.ready()
        blob = upload(d, path)

        def run(count):
            for _ in range(count):
                _, _, job = submit_blob(d, "preview", blob, os.path.basename(path), True)
                if job["status"] != "completed":
                    sys.exit(f"bench: preview failed: {job}")
            zygote = max(children(d.process.pid), key=resident_mb)
            return d.resident_mb(), resident_mb(zygote)

        for _ in range(b.rounds):
            b.load("wait", d.port, 64)
        before, after = run(100), run(500)
    for what, first, last in zip(("daemon", "zygote"), before, after):
        b.row(f"growth of the {what} over 500 previews of the {label}", f"{last - first:+.2f}", "MB", "0",
              f"{first:.1f} MB before, with the database's page cache full")


def idle(b):
    """Resident memory and wake-ups (context switches of all threads) of a daemon without work."""
    with b.folder() as folder, b.daemon(folder, DEFAULT) as d:
        d.ready()
        time.sleep(1)
        before = d.context_switches()
        time.sleep(10)
        after = d.context_switches()
        b.row("idle daemon, resident", f"{d.resident_mb():.1f}", "MB", "20")
        b.row("idle daemon, wake-ups in 10 s", after - before, "", "0")


def million(b):
    """A store with a million finished jobs: time to start, memory, rates beside an empty store."""
    fill = os.path.join(b.build, "tests/store_fill")
    with b.folder() as folder:
        os.makedirs(os.path.join(folder, "data"))
        begin = time.perf_counter()
        subprocess.run([fill, os.path.join(folder, "data/lathe.db"), "1000000"], check=True)
        print(f"  (filled in {time.perf_counter() - begin:.0f} s, "
              f"{os.path.getsize(os.path.join(folder, 'data/lathe.db')) / 1e6:.0f} MB)")
        starts = []
        for _ in range(5):
            with b.daemon(folder, ECHO_ONLY, workers=2) as d:
                starts.append(d.start_seconds * 1000)
        with b.daemon(folder, ECHO_ONLY, workers=2) as d, b.folder() as other, \
                b.daemon(other, ECHO_ONLY, workers=2) as empty:
            d.ready(), empty.ready()
            full, new = [], []
            for _ in range(b.rounds):
                full.append(b.load("wait", d.port, 64)["per_second"])
                new.append(b.load("wait", empty.port, 64)["per_second"])
            pages = []
            for _ in range(20):
                begin = time.perf_counter()
                d.request("GET", "/api/jobs?limit=50&state=completed")
                pages.append((time.perf_counter() - begin) * 1000)
            b.row("start with a million finished jobs", f"{statistics.median(starts):.0f}", "ms", "100")
            b.row("resident with a million finished jobs, after load", f"{d.resident_mb():.1f}", "MB")
            b.row("no-op jobs end to end, a million in the store", f"{statistics.median(full):,.0f}", "/s",
                  "within 20% of empty", f"empty store {statistics.median(new):,.0f}/s")
            b.row("a page of 50 jobs, a million in the store", f"{statistics.median(pages):.1f}", "ms")


PARTS = [("submits", submits), ("end_to_end", end_to_end), ("exec", exec_noop), ("preview", preview_first),
         ("overhead", overhead), ("cached", cached), ("batches", batches), ("cancel", cancel), ("growth", growth),
         ("idle", idle),
         ("million", million)]


def table(rows):
    lines = ["| what | measured | goal | beside |", "|---|---|---|---|"]
    lines += [f"| {what} | {value} {unit} | {goal} | {beside} |" for what, value, unit, goal, beside in rows]
    return "\n".join(line.replace("  ", " ") for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--only", default="", help="comma-separated: " + ", ".join(n for n, _ in PARTS))
    parser.add_argument("--seconds", type=float, default=3, help="of each load run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the rows there as well")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name]
    b = Bench(arguments)
    print(f"{platform.platform()}, {os.cpu_count()} processors, "
          f"{time.strftime('%Y-%m-%d', time.gmtime())}, {b.rounds} rounds of {b.seconds:g} s")
    for name, part in PARTS:
        if not wanted or name in wanted:
            print(f"{name}: {part.__doc__.splitlines()[0]}", flush=True)
            part(b)
    print("\n" + table(b.rows))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([dict(zip(("what", "value", "unit", "goal", "beside"), r)) for r in b.rows], file, indent=1)


if __name__ == "__main__":
    main()
