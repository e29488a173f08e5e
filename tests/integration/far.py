# SPDX-License-Identifier: MIT
"""Two daemons, one of which sends its jobs to the other; and a proxy between them that fails as it is told."""
import http.server
import json
import os
import socket
import threading
import urllib.parse

from daemon import REPO, Daemon, wait_until


def near_config(url, name="far", kinds=None, **options):
    """The sections of a daemon whose jobs are done at `url`."""
    keys = {"plugin": "http-remote", "url": url, "workers": 16, "restart_backoff": "50ms",
            "restart_backoff_max": "500ms", "health_interval": "1s", **options}
    if kinds:
        keys["kinds"] = kinds
    return {f"backend {name}": keys}


class Pair:
    """`far` does the work; `near` has no backend but `far`."""

    def __init__(self, folder, far_config=None, far_env=None, near_env=None, via=None, **options):
        self.folder = folder
        self.far = Daemon(folder / "far", far_config, env=far_env).start()
        self.options = options
        url = via.url if via else self.far.url
        self.near = Daemon(folder / "near", near_config(url, **options), env=near_env, base={})

    def start(self):
        self.near.start()
        wait_until(self.is_ready, "the far daemon's backend is ready")
        return self

    def is_ready(self):
        return self.near.client().backend("far")["state"] == "ready"

    def stop(self):
        self.near.stop()
        self.far.stop()

    def far_again(self):
        """The far daemon's next life, at the same address."""
        self.far.server["server"]["listen"] = f"127.0.0.1:{self.far.port}"
        self.far.write_config({k: v for k, v in self.far.config.items() if k != "server"})
        self.far.start()


class Proxy:
    """Passes bytes between `near` and `far`, until `cut` says otherwise."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.pairs = []
        self.refuse = False       # new connections are closed at once
        self.cut_after = None     # bytes from the far side, then a connection is cut
        self.only = b""           # of connections whose first bytes hold this
        self.cuts = 0
        self.sent = 0             # bytes from the near side
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refuse:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            pair = {"near": near, "far": far, "asked": b"", "left": None}
            self.pairs.append(pair)
            for source, sink in (("near", "far"), ("far", "near")):
                threading.Thread(target=self._pass, args=(pair, source, sink), daemon=True).start()

    def _pass(self, pair, source, sink):
        try:
            while data := pair[source].recv(65536):
                if source == "near":
                    self.sent += len(data)
                    pair["asked"] = data[:2000]
                    pair["left"] = self.cut_after if self.only in data[:2000] else None
                elif pair["left"] is not None:
                    if len(data) >= pair["left"]:
                        pair[sink].sendall(data[:pair["left"]])
                        self.cuts += 1
                        break
                    pair["left"] -= len(data)
                pair[sink].sendall(data)
        except OSError:
            pass
        self._close(pair)

    @staticmethod
    def _close(pair):
        for end in ("near", "far"):
            try:
                pair[end].shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            pair[end].close()

    def cut(self):
        """All connections, now."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._close(pair)

    def stop(self):
        self.listener.close()
        self.cut()


class StandIn:
    """Answers as a far daemon would, but for what a test changes: `answers` maps (method, path without its query)
    to a function of the request that answers instead (and returns True), or to (status, headers, body)."""

    JOB = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

    def __init__(self):
        with open(os.path.join(REPO, "plugin-sdk", "kinds", "echo.json"), encoding="utf-8") as file:
            self.kind = json.load(file)
        self.answers = {}
        self.asked = []           # (method, path, headers, body)
        self.stopping = threading.Event()
        self.events = []          # of the job: (name, data)
        self.job = {"job_id": self.JOB, "kind": "echo", "status": "completed", "artifacts": [], "attempts": [],
                    "result": None, "error": None, "created_at": 1.0, "started_at": 1.0, "ended_at": 2.0}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                path = urllib.parse.urlsplit(self.path).path
                owner.asked.append((self.command, self.path, dict(self.headers), body))
                answer = owner.answers.get((self.command, path)) or owner.usual(self.command, path)
                if callable(answer):
                    answer = answer(self)
                if isinstance(answer, tuple):
                    self.reply(*answer)

            do_GET = do_POST = do_HEAD = do_DELETE = handle_any

            def reply(self, status, headers, body):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, method, path):
        return [a for a in self.asked if a[0] == method and a[1].split("?")[0] == path]

    @staticmethod
    def problem(status, word, detail="the stand-in says so", **headers):
        return (status, {"Content-Type": "application/problem+json", **headers},
                {"type": f"/problems/{word}", "title": word, "status": status, "detail": detail})

    def stream(self, events):
        text = "retry: 2000\n\n"
        for number, (name, data) in enumerate(events, 1):
            text += f"id: {number}\nevent: {name}\ndata: {json.dumps({'job_id': self.JOB, 'at': 1.0, **data})}\n\n"
        return 200, {"Content-Type": "text/event-stream"}, text.encode()

    def usual(self, method, path):
        own = f"/api/jobs/{self.JOB}"
        if path == "/api/health":
            return 200, {}, {"status": "ok", "version": "9", "instance": "stand-in", "uptime_s": 1.0, "queued": 0,
                             "running": 0}
        if path == "/api/kinds":
            return 200, {}, {"kinds": [{**self.kind, "declared_by": None, "backends": ["echo"]}], "problems": []}
        if path == "/api/backends":
            return 200, {}, {"backends": [{"name": "echo", "state": "ready", "kinds": ["echo"], "slots": 4}]}
        if path == "/api/jobs" and method == "GET":
            return 200, {}, {"jobs": [], "next_page_token": None}
        if path == "/api/jobs/echo" and method == "POST":
            return 202, {}, {"job_id": self.JOB, "status": "queued"}
        if path == own + "/events":
            return self.stream(self.events or [("queued", {}), ("completed", {})])
        if path == own:
            return 200, {}, self.job
        return self.problem(404, "not-found")
