#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A service to try @NAME@ with: it sorts lines, takes its time, and forgets everything when it ends.  Prints its URL."""
import http.server
import json
import sys
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
jobs = {}  # key: (when it began, the input)


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, code, body=b""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        jobs.setdefault(self.path.split("/")[2], (time.monotonic(), body))  # the same key begins nothing anew
        self.reply(201)

    def do_GET(self):
        _, _, key, *more = self.path.split("/")
        if key not in jobs:
            return self.reply(404)
        began, body = jobs[key]
        done = min(1, (time.monotonic() - began) / SECONDS)
        if more:
            return self.reply(200, b"".join(sorted(body.splitlines(keepends=True))))
        self.reply(200, json.dumps({"done": done}).encode())

    def do_DELETE(self):
        began, _ = jobs.pop(self.path.split("/")[2], (None, None))
        self.reply(200, b"late" if began and time.monotonic() - began > SECONDS else b"stopped")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
