# SPDX-License-Identifier: MIT
"""A tunnel between two network namespaces: cuts, no route, and delay and loss where the kernel has netem."""
import os
import shutil
import subprocess
import sys

import pytest
from sshd import Sshd, why_not
from test_ssh_states import Drive, USER, fetch, run, upload  # noqa: F401

from daemon import wait_until

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
HERE, THERE = "10.77.0.1", "10.77.0.2"
FAR = """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        self.do_GET()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()
"""


def sh(*words):
    return subprocess.run(words, capture_output=True, text=True)


class Net:
    """Two namespaces and a wire between them."""

    def __init__(self):
        self.names = [f"lathe{os.getpid()}{side}" for side in "ab"]
        self.a, self.b = self.names
        self.broken = None
        wire = f"l{os.getpid() % 100000}"
        for words in (*(("netns", "add", n) for n in self.names),
                      ("link", "add", wire + "a", "netns", self.a, "type", "veth", "peer", "name", wire + "b", "netns", self.b),
                      ("-n", self.a, "addr", "add", HERE + "/24", "dev", wire + "a"),
                      ("-n", self.b, "addr", "add", THERE + "/24", "dev", wire + "b"),
                      ("-n", self.a, "link", "set", wire + "a", "up"), ("-n", self.b, "link", "set", wire + "b", "up"),
                      ("-n", self.a, "link", "set", "lo", "up"), ("-n", self.b, "link", "set", "lo", "up")):
            done = sh("ip", *words)
            if done.returncode:
                self.broken = f"ip {' '.join(words)}: {done.stderr.strip()}"
                return
        self.wires = wire + "a", wire + "b"

    def within(self, name):
        return ["ip", "netns", "exec", name]

    def cut(self, whole=False):
        """No byte goes through; the ends are not told."""
        assert sh("ip", "-n", self.b, "link", "set", self.wires[1], "down" if not whole else "up").returncode == 0

    def impair(self, *words):
        for name, wire in zip(self.names, self.wires):
            done = sh("tc", "-n", name, "qdisc", "replace", "dev", wire, "root", "netem", *words)
            if done.returncode:
                pytest.skip(f"tc netem: {done.stderr.strip()}")

    def remove(self):
        for name in self.names:
            sh("ip", "netns", "del", name)


@pytest.fixture
def net():
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces are root's, and need ip (apt install iproute2)")
    n = Net()
    try:
        if n.broken:
            pytest.skip(n.broken)
        yield n
    finally:
        n.remove()


@pytest.fixture
def there(net, tmp_path):
    """sshd and a far daemon's stand-in on the other side."""
    server = Sshd(tmp_path / "sshd", address=THERE, within=net.within(net.b)).start()
    far = subprocess.Popen([*net.within(net.b), sys.executable, "-c", FAR], stdout=subprocess.PIPE, text=True)
    server.far = "127.0.0.1:" + far.stdout.readline().strip()
    yield server
    server.stop()
    far.kill()
    far.wait()
    far.stdout.close()


@pytest.fixture
def drive(net, run):
    made = []

    def begin(server, **options):
        made.append(Drive(run, within=net.within(net.a), **{
            "host": server.host, "port": server.port, "user": USER, "key": server.key, "known_hosts": server.known_hosts,
            "far": server.far, **options}))
        return made[-1]

    yield begin
    for d in made:
        d.stop()
        wait_until(lambda d=d: not d.processes(), "no ssh is left", 2)


def test_a_cut_wire_is_noticed_and_a_whole_one_used_again(net, there, drive):
    d = drive(there)
    assert fetch(d.until("up")["path"])
    net.cut()
    assert d.until("frozen", "connection lost")["state"] == "frozen"
    assert d.until("no route", "timeout", "frozen")
    net.cut(whole=True)
    assert fetch(d.until("up")["path"])


def test_no_route(net, there, drive):
    assert "unreachable" in drive(there, host="192.0.2.1").until("no route")["text"]
    assert "No route to host" in drive(there, host="10.77.0.3").until("no route", "timeout")["text"]


@pytest.mark.parametrize("words", [("delay", "150ms", "30ms"), ("delay", "40ms", "loss", "5%"), ("delay", "300ms", "loss", "2%")])
def test_a_bad_wire_is_no_dead_one(net, there, drive, words):
    net.impair(*words)
    d = drive(there)
    up = d.until("up")
    assert upload(up["path"], 100 * 8192).startswith(b"HTTP/1.0 200")
    assert [s["state"] for s in d.seen] == ["starting", "up"]
    assert d.lines.empty()
