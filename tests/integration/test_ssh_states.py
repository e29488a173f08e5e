# SPDX-License-Identifier: MIT
"""Every state of a tunnel, produced by a real sshd, or by what stands in its place when it is broken."""
import http.server
import json
import os
import queue
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from sshd import USER, Sshd, free_port, make_key, ssh_processes, why_not

from daemon import BUILD, PATIENCE, REPO, is_alive, wait_until

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
DRIVE = os.path.join(BUILD, "tests", "tunnel-drive")


class Far(http.server.ThreadingHTTPServer):
    """What stands for the far daemon: it answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_POST(self):
            left = int(self.headers["Content-Length"])
            while left > 0 and (piece := self.rfile.read(min(left, 65536))):
                left -= len(piece)
            self.do_GET()

        def log_message(self, *args):
            pass

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), self.Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"

    def stop(self):
        self.shutdown()
        self.server_close()


class Drive:
    """tunnel-drive as a process; its states as they come."""

    def __init__(self, folder, within=(), env=None, **options):
        self.folder = str(folder)
        words = [f"{key}={value}" for key, value in options.items()]
        env = {**os.environ, "TMPDIR": self.folder, "SHELL": "/usr/sbin/nologin", **(env or {})}
        self.process = subprocess.Popen([*within, DRIVE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self):
        status = self.lines.get(timeout=PATIENCE)
        assert status, f"it ended; before that: {self.seen}"
        self.seen.append(status)
        assert status["text"].startswith(status["state"] + ": "), status
        assert status["text"].isprintable() and "{" not in status["text"], status
        return status

    def until(self, *states):
        while True:
            try:
                status = self.next()
            except queue.Empty:
                raise AssertionError(f"none of {states}, but {self.seen}") from None
            if status["state"] in states:
                return status

    def suspect(self):
        self.process.stdin.write("suspect\n")
        self.process.stdin.flush()

    def processes(self):
        return ssh_processes(self.folder)

    def stop(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        assert self.process.returncode in (0, -signal.SIGKILL)


@pytest.fixture
def far():
    server = Far()
    yield server
    server.stop()


@pytest.fixture
def make_sshd(tmp_path):
    made = []

    def make(options="", start=True, **more):
        made.append(Sshd(tmp_path / f"sshd{len(made)}", options, **more))
        return made[-1].start() if start else made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def run():
    """Where tunnels have their folders: the path is short, since a socket's has 107 letters at most."""
    with tempfile.TemporaryDirectory(prefix="ssh-", dir="/tmp") as folder:
        yield folder


@pytest.fixture
def drive(run):
    made = []

    def begin(server, far, **options):
        made.append(Drive(run, **{"host": server.host, "port": server.port, "user": USER, "key": server.key,
                                       "known_hosts": server.known_hosts, "far": far, **options}))
        return made[-1]

    yield begin
    for d in made:
        d.stop()
    for d in made:
        wait_until(lambda d=d: not d.processes(), "no ssh is left", 2)
        if all(d.process.returncode == 0 for d in made):
            assert os.listdir(d.folder) == []


def fetch(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(path)
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        out = b""
        try:
            while piece := s.recv(4096):
                out += piece
        except ConnectionResetError:
            pass
    return out


# ---- up, and what may come after ----

def test_up(make_sshd, drive, far):
    server = make_sshd()
    d = drive(server, far.address)
    assert d.next()["state"] == "starting"
    up = d.next()
    assert up["state"] == "up" and up["session"] == 1, up
    assert fetch(up["path"]).startswith(b"HTTP/1.0 200")
    folder = os.path.dirname(up["path"])
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert {n: oct(os.stat(os.path.join(folder, n)).st_mode & 0o777) for n in os.listdir(folder)} == {
        "config": "0o600", "lock": "0o600", os.path.basename(up["path"]): "0o600", "far": "0o600", "control": "0o600"}
    assert fetch(os.path.join(folder, "far")).startswith(b"HTTP/1.0 200")
    assert os.path.basename(up["path"]).startswith(f"{d.process.pid}-")


def test_far_daemon_on_a_unix_socket(make_sshd, drive, tmp_path):
    path = str(tmp_path / "far.sock")
    d = drive(make_sshd(), path)
    down = d.until("far daemon down", "up")
    assert down["state"] == "far daemon down" and "AllowStreamLocalForwarding" in down["text"], down
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()

        def answer():
            while True:
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                c.recv(1000)
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                c.close()

        threading.Thread(target=answer, daemon=True).start()
        d.until("up")


def test_a_cut_session_comes_back_on_a_new_socket(make_sshd, drive, far):
    server = make_sshd()
    d = drive(server, far.address)
    first = d.until("up")
    for n in range(3):
        server.cut()
        assert d.next()["state"] == "connection lost"
        again = d.next()
        assert again["state"] == "up" and again["session"] == n + 2 and again["path"] != first["path"]
        assert fetch(again["path"])
        assert not os.path.exists(first["path"])
        assert os.readlink(os.path.join(os.path.dirname(first["path"]), "far")) == again["path"]
        first = again


def test_a_frozen_server_is_noticed_and_left(make_sshd, drive, far):
    server = make_sshd()
    d = drive(server, far.address)
    d.until("up")
    server.signal(signal.SIGSTOP)
    assert "does not answer" in d.until("frozen")["text"]
    d.process.send_signal(0)
    server.signal(signal.SIGCONT)
    d.until("up")


def test_a_server_that_is_frozen_from_the_start(make_sshd, drive, far):
    server = make_sshd()
    server.signal(signal.SIGSTOP)
    d = drive(server, far.address)
    assert d.until("frozen")
    server.signal(signal.SIGCONT)
    d.until("up")


def test_the_far_daemon_goes_and_comes(make_sshd, drive, far):
    port = far.server_port
    d = drive(make_sshd(), far.address)
    up = d.until("up")
    far.stop()
    assert fetch(up["path"]) == b""  # ssh says so at once, without a question of ours
    assert d.next()["state"] == "far daemon down"
    again = Far(port)
    back = d.next()
    assert back["state"] == "up" and back["session"] == 1 and back["path"] == up["path"]
    again.stop()


def test_a_far_daemon_that_accepts_and_is_silent(make_sshd, drive):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        d = drive(make_sshd(), "127.0.0.1:%d" % s.getsockname()[1])
        assert "accepts" in d.until("far daemon silent")["text"]


def test_a_suspicion_is_looked_into(make_sshd, drive, far):
    d = drive(make_sshd(), far.address)
    d.until("up")
    far.shutdown()  # the port still listens
    d.suspect()
    d.until("far daemon silent")  # a request that was under way may be told first
    threading.Thread(target=far.serve_forever, args=(0.01,), daemon=True).start()
    d.until("up")


def test_what_is_there_is_no_daemon(make_sshd, drive):
    server = make_sshd()
    d = drive(server, f"127.0.0.1:{server.port}")  # it speaks SSH
    assert "does not speak HTTP" in d.until("far daemon down")["text"]


@pytest.mark.parametrize("options", ["AllowTcpForwarding no", "PermitOpen 127.0.0.1:1", "DisableForwarding yes"])
def test_forward_refused(make_sshd, drive, far, options):
    d = drive(make_sshd(options), far.address)
    status = d.until("forward refused", "up", "far daemon down")
    assert status["state"] == "forward refused" and status["person"] and far.address in status["text"], status


def test_a_key_that_may_do_this_one_thing(make_sshd, drive, far):
    """The line of docs/ssh-tunnel.md."""
    server = make_sshd()
    with open(server.key + ".pub", encoding="ascii") as file:
        key = file.read()
    for address, state in ((far.address, "up"), ("127.0.0.1:1", "forward refused")):
        with open(server.authorized, "w", encoding="ascii") as file:
            file.write(f'restrict,port-forwarding,permitopen="{address}" {key}')
        d = drive(server, far.address)
        assert d.until("up", "forward refused", "key refused")["state"] == state
        d.stop()


@pytest.mark.parametrize("options", ["MaxSessions 0", "ForceCommand /bin/false", "ForceCommand sleep 60"])
def test_no_session_is_needed(make_sshd, drive, far, options):
    d = drive(make_sshd(options), far.address)
    assert fetch(d.until("up")["path"])
    wait_until(lambda: len(d.processes()) == 1, "what asked for a session has ended")
    assert fetch(d.seen[-1]["path"]) and d.lines.empty()


# ---- keys ----

def test_key_refused(make_sshd, drive, far, tmp_path):
    server = make_sshd()
    d = drive(server, far.address, key=make_key(tmp_path / "other"))
    status = d.until("key refused")
    assert status["person"] and "authorized_keys" in status["text"] and f"{tmp_path}/other.pub" in status["text"]
    with open(server.authorized, "a", encoding="ascii") as file, open(tmp_path / "other.pub", encoding="ascii") as new:
        file.write(new.read())
    d.until("up")


def test_a_user_that_is_not_there(make_sshd, drive, far):
    assert "nobody-of-that-name" in drive(make_sshd(), far.address, user="nobody-of-that-name").until("key refused")["text"]


def spoil_missing(path):
    os.remove(path)
    return "No such file"


def spoil_open(path):
    os.chmod(path, 0o644)
    return "chmod 600"


def spoil_text(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("not a key\n")
    return "not a private key"


def spoil_public(path):
    os.replace(path + ".pub", path)
    os.chmod(path, 0o600)
    return "without .pub"


def spoil_inside(path):
    os.remove(path + ".pub")
    with open(path, encoding="ascii") as file:
        lines = file.readlines()
    with open(path, "w", encoding="ascii") as file:
        file.writelines(lines[:2] + lines[-1:])
    return "Load key"


def spoil_passphrase(path):
    os.remove(path)
    os.remove(path + ".pub")
    make_key(path, "secret")
    return "passphrase"


def spoil_folder(path):
    os.remove(path)
    os.mkdir(path)
    return "not a file"


@pytest.mark.parametrize("spoil", [spoil_missing, spoil_open, spoil_text, spoil_public, spoil_inside, spoil_passphrase, spoil_folder])
def test_key_file_unusable(make_sshd, drive, far, spoil):
    server = make_sshd()
    key = server.key
    words = spoil(key)
    status = drive(server, far.address).until("key file unusable", "key refused", "up")
    assert status["state"] == "key file unusable" and words in status["text"] and key in status["text"], status
    assert status["person"]


def test_a_key_file_that_is_put_right_is_taken(make_sshd, drive, far):
    server = make_sshd()
    os.chmod(server.key, 0o640)
    d = drive(server, far.address)
    d.until("key file unusable")
    os.chmod(server.key, 0o600)
    d.until("up")


def test_host_key_unknown(make_sshd, drive, far, tmp_path):
    server = make_sshd()
    known = tmp_path / "known"
    d = drive(server, far.address, known_hosts=known)
    status = d.until("host key unknown")
    assert status["person"] and str(known) in status["text"] and f"ssh-keyscan -p {server.port} 127.0.0.1" in status["text"], status
    server.pin(known)
    d.until("up")


def test_host_key_changed(make_sshd, drive, far, tmp_path):
    server = make_sshd()
    d = drive(server, far.address)
    d.until("up")
    server.stop()
    d.until("connection lost")
    server.start(host_key=make_key(tmp_path / "new_host_key"))
    status = d.until("host key changed", "up")
    assert status["state"] == "host key changed" and status["person"], status
    assert f'ssh-keygen -f {server.known_hosts} -R "[127.0.0.1]:{server.port}"' in status["text"]


def test_no_common_algorithm(make_sshd, drive, far):
    d = drive(make_sshd("KexAlgorithms diffie-hellman-group14-sha1"), far.address)
    assert "key exchange method" in d.until("no common algorithm")["text"]


# ---- the host ----

def test_connection_refused_until_sshd_is_started(make_sshd, drive, far):
    server = make_sshd(start=False)
    d = drive(server, far.address)
    assert d.until("connection refused")["text"].startswith(f"connection refused: 127.0.0.1 port {server.port} is there")
    server.start()
    d.until("up")


def test_host_name_unknown(make_sshd, drive, far):
    assert "no-such-host.invalid" in drive(make_sshd(), far.address, host="no-such-host.invalid").until("host name unknown")["text"]


def test_a_port_that_drops_what_is_sent(make_sshd, drive, far):
    """A listener whose queue is full: the kernel drops further requests, as a firewall does."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        waiting = []
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(s.getsockname())
            waiting.append(c)
        d = drive(make_sshd(), far.address, port=s.getsockname()[1])
        assert "did not answer in time" in d.until("timeout")["text"]
        for c in waiting:
            c.close()


def serve_raw(act):
    """A port on which every connection is handed to act()."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()

    def loop():
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            threading.Thread(target=act, args=(c,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return s, s.getsockname()[1]


def close_at_once(c):
    c.close()


def speak_http(c):
    c.recv(100)
    c.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    c.close()


def flood(c):
    try:
        while True:
            c.sendall(b"x" * 1000 + b"\n")
    except OSError:
        c.close()


@pytest.mark.parametrize("act", [close_at_once, speak_http, flood])
def test_no_ssh_server(make_sshd, drive, far, act):
    s, port = serve_raw(act)
    status = drive(make_sshd(), far.address, port=port).until("connection closed", "ssh failed", "frozen")
    assert status["state"] == "connection closed", status
    s.close()


def test_hung_after_the_banner(make_sshd, drive, far):
    """ConnectTimeout ends with the banner: the rest is our own deadline."""
    hold = []

    def act(c):
        c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        hold.append(c)

    s, port = serve_raw(act)
    assert drive(make_sshd(), far.address, port=port).until("timeout", "frozen", "connection closed")["state"] == "timeout"
    s.close()


class Slow:
    """A way to a port that takes `rate` bytes a second, behind a store of `most` bytes: a slow line with deep buffers."""

    def __init__(self, port, rate, most):
        self.port, self.rate, self.most = port, rate, most
        self.listener, self.address = serve_raw(self.join)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

    def join(self, c):
        s = socket.create_connection(("127.0.0.1", self.port))
        stored = queue.Queue(max(1, self.most // 8192))
        threading.Thread(target=self.take, args=(c, stored), daemon=True).start()
        threading.Thread(target=self.back, args=(s, c), daemon=True).start()
        try:
            while piece := stored.get():
                time.sleep(len(piece) / self.rate)
                s.sendall(piece)
        except OSError:
            pass
        s.close()

    @staticmethod
    def take(c, stored):
        try:
            while piece := c.recv(8192):
                stored.put(piece)
        except OSError:
            pass
        stored.put(b"")

    @staticmethod
    def back(s, c):
        try:
            while piece := s.recv(8192):
                c.sendall(piece)
        except OSError:
            pass
        c.close()


def upload(path, size):
    """The answer to a POST of so many bytes; empty where the way was cut."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(2 * PATIENCE)
        try:
            s.connect(path)
            s.sendall(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // 8192):
                s.sendall(bytes(8192))
            return s.recv(1000)
        except OSError:
            return b""


def test_a_slow_way_with_deep_buffers_is_not_cut_for_ever(make_sshd, drive, far):
    """A question stands behind 300 kB there for ten seconds: each early end makes the next session wait longer for its answer."""
    server = make_sshd()
    slow = Slow(server.port, rate=25_000, most=300_000)
    server.pin(server.known_hosts, port=slow.address)
    d = drive(server, far.address, port=slow.address)
    cuts = 0
    while not upload(d.until("up")["path"], 50 * 8192).startswith(b"HTTP/1.0 200"):
        d.until("frozen")
        cuts += 1
        assert cuts < 6
    assert cuts, "the way was not slow"
    slow.listener.close()


# ---- the jump host ----

def jump_text(server):
    return f"{USER}@127.0.0.1:{server.port}"


@pytest.fixture
def pair(make_sshd):
    """A host and a jump host with one key and one known_hosts."""
    host, jump = make_sshd(), make_sshd()
    with open(jump.authorized, "a", encoding="ascii") as file, open(host.key + ".pub", encoding="ascii") as key:
        file.write(key.read())
    jump.pin(host.known_hosts)
    return host, jump


def test_through_a_jump_host(pair, drive, far):
    host, jump = pair
    d = drive(host, far.address, jump=jump_text(jump))
    assert fetch(d.until("up")["path"])
    jump.cut()
    d.until("connection lost", "frozen")
    d.until("up")


def test_jump_host_failed(pair, drive, far):
    host, jump = pair
    jump.stop()
    d = drive(host, far.address, jump=jump_text(jump))
    status = d.until("jump host failed")
    assert "connection refused" in status["text"] and jump_text(jump) in status["text"], status
    jump.start()
    d.until("up")


def test_jump_host_refuses_the_key(make_sshd, drive, far):
    host, jump = make_sshd(), make_sshd()
    jump.pin(host.known_hosts)
    assert ": key refused (" in drive(host, far.address, jump=jump_text(jump)).until("jump host failed")["text"]


def test_jump_host_is_not_pinned(make_sshd, drive, far):
    host, jump = make_sshd(), make_sshd()
    assert ": host key unknown (" in drive(host, far.address, jump=jump_text(jump)).until("jump host failed")["text"]


def test_jump_host_forbids_forwards(pair, make_sshd, drive, far):
    host, jump = pair
    jump.stop()
    jump.options = "AllowTcpForwarding no"
    jump.start()
    assert ": forward refused (" in drive(host, far.address, jump=jump_text(jump)).until("jump host failed")["text"]


def test_behind_the_jump_host_nothing_listens(pair, drive, far):
    host, jump = pair
    host.stop()
    assert drive(host, far.address, jump=jump_text(jump)).until("connection refused", "jump host failed")["state"] == "connection refused"


# ---- this machine ----

def test_ssh_not_installed(make_sshd, drive, far, tmp_path):
    status = drive(make_sshd(), far.address, env={"PATH": str(tmp_path)}).until("ssh not installed")
    assert "apt install openssh-client" in status["text"] and status["person"]


def test_another_program_and_one_that_is_no_ssh(make_sshd, drive, far):
    server = make_sshd()
    drive(server, far.address, ssh="/usr/bin/ssh").until("up")
    assert drive(server, far.address, ssh="/bin/false").until("ssh failed")


# ---- its end ----

def test_nothing_outlives_a_killed_owner(pair, drive, far):
    """Also not while the other machine is frozen, when ssh to the jump host waits for it."""
    host, jump = pair
    for freeze in (False, True):
        d = drive(host, far.address, jump=jump_text(jump))
        d.until("up")
        pids = d.processes()
        assert len(pids) >= 2, "ssh, and ssh to the jump host"
        if freeze:
            host.signal(signal.SIGSTOP)
            jump.signal(signal.SIGSTOP)
        d.process.kill()
        d.process.wait()
        wait_until(lambda p=pids: not any(is_alive(pid) for pid in p), "ssh ends with its owner", 2)
        wait_until(lambda d=d: not d.processes(), "no ssh is left", 2)
        host.signal(signal.SIGCONT)
        jump.signal(signal.SIGCONT)


def test_what_a_killed_one_left_is_cleared_up(make_sshd, drive, far):
    server = make_sshd()
    d = drive(server, far.address)
    left = os.path.dirname(d.until("up")["path"])
    other = drive(server, far.address)
    stays = os.path.dirname(other.until("up")["path"])
    d.process.kill()
    d.process.wait()
    third = drive(server, far.address)
    third.until("up")
    assert not os.path.exists(left) and os.path.exists(stays)
    other.process.kill()
    other.process.wait()
    wait_until(lambda: len(third.processes()) == 1, "the killed one's ssh ends")


def test_the_end_comes_in_every_state(make_sshd, drive, far):
    """No ssh is begun by one that was told to end; the fixture looks."""
    server = make_sshd()
    for wait in (("starting",), ("starting", "up"), ("starting", "up", "connection lost")):
        d = drive(server, far.address)
        for state in wait:
            if state == "connection lost":
                server.cut()
            d.until(state)
        d.stop()
        assert d.processes() == []


# ---- options ----

@pytest.mark.parametrize("options, words", [
    ({"host": "-oProxyCommand=touch /tmp/x"}, "host: "),
    ({"host": "a b"}, "host: "),
    ({"host": "h\nProxyCommand touch x"}, "host: "),
    ({"host": ""}, "host: "),
    ({"host": "`id`"}, "host: "),
    ({"user": "-l"}, "user: "),
    ({"user": "a\nb"}, "user: "),
    ({"user": "$(id)"}, "user: "),
    ({"port": 0}, "port: 0"),
    ({"port": 65536}, "port: 65536"),
    ({"key": "relative"}, "key: "),
    ({"key": '/x"\nProxyCommand y'}, "key: "),
    ({"key": "/x${HOME}"}, "key: "),
    ({"known_hosts": "/x\\y"}, "known_hosts: "),
    ({"known_hosts": ""}, "known_hosts: "),
    ({"jump": "-oProxyCommand=x"}, "jump: "),
    ({"jump": "u@h:x"}, "jump: "),
    ({"jump": "u@"}, "jump: "),
    ({"jump": "-u@h"}, "jump: "),
    ({"jump": "a,b"}, "jump: "),
    ({"far": "8080"}, "far: "),
    ({"far": "h:1\nProxyCommand x"}, "far: "),
    ({"far": "/a b"}, "far: "),
    ({"far": "/a:b"}, "far: "),
    ({"far": "/%h"}, "far: "),
    ({"far": "/" + "a" * 107}, "far: "),
    ({"far": "127.0.0.1:99999"}, "far: "),
    ({"ssh": "sh -c id"}, "ssh: "),
    ({"ssh": "-x"}, "ssh: "),
])
def test_options_that_could_mean_something_else_are_refused(options, words):
    all_of_them = {"host": "h.example", "port": 22, "user": "u", "key": "/k", "known_hosts": "/n", "far": "127.0.0.1:8080", **options}
    done = subprocess.run([DRIVE, *(f"{k}={v}" for k, v in all_of_them.items())], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 2 and done.stderr.startswith(words), done


def test_files_with_blanks_and_percent_signs(make_sshd, drive, far, tmp_path):
    server = make_sshd()
    folder = tmp_path / "100% of, it's (here)"
    folder.mkdir()
    for name in ("key", "known_hosts"):
        os.replace(getattr(server, name), folder / name)
        setattr(server, name, str(folder / name))
    drive(server, far.address).until("up")


def test_a_long_or_strange_place_for_sockets_is_passed_over(make_sshd, drive, far, tmp_path):
    for name in ("x" * 100, "a b%c"):
        place = tmp_path / name
        place.mkdir()
        d = drive(make_sshd(), far.address, env={"TMPDIR": str(place)})
        assert d.until("up")["path"].startswith("/tmp/lathe-ssh-")
        assert os.listdir(place) == []
        d.stop()


def test_the_guide_has_a_row_for_each_state():
    with open(os.path.join(REPO, "plugins", "ssh-tunnel", "ssh_state.c"), encoding="utf-8") as file:
        words = re.findall(r'\[TUNNEL_\w+\] =\s*\{"([^"]+)"', file.read())
    with open(os.path.join(REPO, "docs", "ssh-tunnel.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `([^`]+)` \|", file.read().partition("## States")[2].partition("##")[0], re.M)
    assert len(words) == 22 and sorted(rows) == sorted(words)
