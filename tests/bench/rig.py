# SPDX-License-Identifier: MIT
"""What every bench needs: a daemon of a build on throw-away data, the peer, the load generator, /proc."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
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
shutdown_grace = 0s
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
NOTHING_PARKED = DEFAULT.replace("plugin = local-gmsh", "plugin = local-gmsh\npark_memory = 0")

DAEMON = ("bin/lathed", "bin/lathe-worker", "plugins/echo.so")
LOAD = DAEMON + ("tests/load",)
GMSH = DAEMON + ("plugins/local-gmsh.so", "tests/gmsh-bare")


def missing(build, programs):
    """None, or one line that says which of `programs` the build lacks and what to do."""
    if not os.path.exists(os.path.join(build, "CMakeCache.txt")):
        return (f"{build} is not a build folder. Make one with: "
                f"cmake -S {TOP} -B {build} -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build {build}")
    absent = [name for name in programs if not os.path.exists(os.path.join(build, name))]
    if not absent:
        return None
    if all("gmsh" in name for name in absent):
        return (f"{build} has no {', '.join(absent)}: Gmsh was not found when it was configured. Install libgmsh-dev "
                f"and run: cmake {build} && cmake --build {build}")
    return f"{build} has no {', '.join(absent)}. Build with: cmake --build {build}"


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
            self.process.wait()
            with open(self.log.name, encoding="utf-8", errors="replace") as file:
                sys.exit(f"bench: lathed of {build} did not start; it said: {line}{file.read()[-2000:]}")
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
        self.process.stdout.close()
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


class Rig:
    """One build, and how long each load runs.  `loader`: whose load generator, so that two builds share one."""

    def __init__(self, build, seconds, loader=None):
        self.build, self.seconds = os.path.abspath(build), seconds
        self.loader = os.path.abspath(loader or build)

    def program(self, path):
        return os.path.join(self.build, path)

    def load(self, mode, port, connections, seconds=None, body=None):
        command = [os.path.join(self.loader, "tests/load"), mode, str(port), str(connections),
                   str(seconds or self.seconds)]
        out = subprocess.run(command + ([body] if body else []), stdout=subprocess.PIPE, check=False)
        try:
            result = json.loads(out.stdout)
        except ValueError:
            sys.exit(f"bench: {' '.join(command)} failed")
        if result["errors"]:  # an error is quick: it must not look like speed
            sys.exit(f"bench: {result['errors']} of {result['count']} answers were not as expected: "
                     f"LOAD_VERBOSE=1 {' '.join(command)}")
        return result

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
    """The port of a beanstalkd that syncs every write, or None where it is not installed."""
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
