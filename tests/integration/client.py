# SPDX-License-Identifier: MIT
"""A small client of the REST and SSE interface, on http.client alone."""
import collections
import http.client
import json
import socket
import time
import uuid

Event = collections.namedtuple("Event", "name id data")
FINAL = ("completed", "failed", "cancelled")


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name, default=None):
        return self.headers.get(name, default)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"

    def expect(self, *statuses):
        assert self.status in statuses, f"{self.status} instead of {statuses}: {self.text[:600]}"
        return self

    def problem(self, status, slug):
        """Asserts that this is the RFC 9457 problem `slug`, with a text for people."""
        assert self.status == status, f"{self.status} instead of {status}: {self.text[:600]}"
        assert self.header("content-type", "").startswith("application/problem+json"), self.headers
        value = self.json
        assert value["type"] == f"/problems/{slug}", value
        assert value["status"] == status, value
        assert value["title"] and value["detail"], value
        return value


def multipart(files=(), fields=()):
    """(content type, body) of a form; files: (field, file name, bytes)."""
    mark = uuid.uuid4().hex
    out = []
    for name, value in dict(fields).items():
        out.append(f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                   .encode())
    for field, name, data in files:
        out.append(f'--{mark}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
                   "Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n")
    out.append(f"--{mark}--\r\n".encode())
    return f"multipart/form-data; boundary={mark}", b"".join(out)


class Client:
    def __init__(self, port, token=None, patience=30, host="127.0.0.1"):
        self.port = port
        self.host = host
        self.token = token
        self.patience = patience

    # ---- HTTP ----

    def _headers(self, headers):
        out = dict(headers or {})
        if self.token:
            out.setdefault("Authorization", f"Bearer {self.token}")
        return out

    def open(self, method, path, body=None, headers=None):
        """(connection, response) with the body unread; the caller closes the connection."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.patience)
        connection.request(method, path, body=body, headers=self._headers(headers))
        return connection, connection.getresponse()

    def request(self, method, path, body=None, headers=None):
        connection, r = self.open(method, path, body, headers)
        try:
            headers = {k.lower(): v for k, v in r.getheaders()}
            return Response(r.status, headers, r.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, value=None, headers=None):
        headers = dict(headers or {})
        body = None
        if value is not None:
            headers.setdefault("Content-Type", "application/json")
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body, headers)

    def form(self, path, files=(), fields=(), headers=None):
        kind, body = multipart(files, fields)
        return self.request("POST", path, body, {"Content-Type": kind, **(headers or {})})

    def raw(self, data, seconds=None):
        """Sends bytes as they are and returns all that comes back until the server closes."""
        with socket.create_connection((self.host, self.port), seconds or self.patience) as s:
            s.sendall(data)
            out = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return out
                out += piece

    # ---- jobs ----

    def submit(self, kind="echo", headers=None, **body):
        """Submits as JSON and returns the job's id; the answer must be the 202 of the interface."""
        r = self.post(f"/api/jobs/{kind}", body, headers).expect(202)
        answer = r.json
        assert r.header("location") == f"/api/jobs/{answer['job_id']}", r.headers
        assert answer["status"] in ("queued", "running"), answer
        return answer["job_id"]

    def echo(self, **params):
        return self.submit("echo", params=params)

    def job(self, job_id):
        return self.get(f"/api/jobs/{job_id}").expect(200).json

    def wait(self, job_id, states=FINAL, seconds=None):
        end = time.monotonic() + (seconds or self.patience)
        while True:
            job = self.job(job_id)
            if job["status"] in states:
                return job
            assert time.monotonic() < end, f"never {states}: {job}"
            time.sleep(0.01)

    def run(self, kind="echo", **body):
        return self.wait(self.submit(kind, **body))

    def all_jobs(self, **filters):
        """Every job that the list has, page by page."""
        query = "".join(f"&{k}={v}" for k, v in filters.items())
        jobs, token = [], None
        while True:
            page = self.get(f"/api/jobs?limit=200{query}" + (f"&page_token={token}" if token else "")).expect(200).json
            jobs += page["jobs"]
            token = page["next_page_token"]
            if not token:
                return jobs

    def cancel(self, job_id):
        return self.post(f"/api/jobs/{job_id}/cancel")

    def artifact(self, job_id, name, headers=None):
        return self.get(f"/api/jobs/{job_id}/artifacts/{name}", headers)

    def log(self, job_id):
        return self.get(f"/api/jobs/{job_id}/log").expect(200).text

    def backend(self, name):
        return next(b for b in self.get("/api/backends").expect(200).json["backends"] if b["name"] == name)

    # ---- events ----

    def stream(self, path, last=None):
        """Yields ("event", Event), ("comment", text) and ("retry", text) until the server ends the stream."""
        headers = {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        connection, r = self.open("GET", path, headers=headers)
        try:
            if r.status == 204:  # the job has ended and `last` is its last event
                return
            assert r.status == 200, r.read()
            assert r.getheader("content-type", "").startswith("text/event-stream")
            fields = {}
            while True:
                line = r.readline()
                if not line:
                    return
                line = line.decode().rstrip("\r\n")
                if line.startswith(":"):
                    yield "comment", line[1:].strip()
                elif line:
                    name, _, value = line.partition(":")
                    fields.setdefault(name, []).append(value.removeprefix(" "))
                else:
                    if "data" in fields:
                        yield "event", Event(fields.get("event", ["message"])[0],
                                             fields.get("id", [None])[0],
                                             json.loads("\n".join(fields["data"])))
                    elif "retry" in fields:
                        yield "retry", fields["retry"][0]
                    fields = {}
        finally:
            connection.close()

    def events(self, job_id, last=None):
        """All events of a job, once its stream has ended."""
        return [value for what, value in self.stream(f"/api/jobs/{job_id}/events", last)
                if what == "event"]
