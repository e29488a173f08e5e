# SPDX-License-Identifier: MIT
"""A lathe backend in Python (3.9 or later, no other module): a command of the plugin `exec`; see docs/exec.md.

    import lathe_plugin          # first: from here on print() is the job's log
    plugin = lathe_plugin.Plugin("thumbs", "1.0")
    plugin.option("quality", "int", default=80, min=1, max=100, help="Of the JPEG.")
    @plugin.warm
    def load(options): ...       # once, before the backend counts as ready
    @plugin.kind("thumbnail")
    def thumbnail(job):
        job.progress(50, "scale")
        job.artifact("small.jpg", media_type="image/jpeg")
        return {"width": 128}
    plugin.run()
"""
import ctypes
import errno
import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback

PROTOCOL, LINE_MOST = 1, 1 << 20


class Failure(Exception):
    """How a job fails; any other exception counts as Permanent, with its traceback in the log."""
    word = "permanent"
    def __init__(self, message, retry_after_s=None):
        super().__init__(message)
        self.retry_after_s = retry_after_s

class BadInput(Failure):
    """The job is wrong, here and elsewhere; say where."""
    word = "bad_input"

class Retry(Failure):
    """It may work later, or on another backend."""
    word = "retry"

class RateLimit(Failure):
    """Too many requests somewhere; retry_after_s says until when."""
    word = "rate_limit"

class Permanent(Failure):
    """It will not work here; another backend may do it."""

class Auth(Failure):
    """A person must mend a credential."""
    word = "auth"

class Cancelled(Failure):
    """When job.cancelled was seen to be true."""
    word = "cancelled"


def _take_pipes():
    """Keeps stdin and stdout for the protocol; what the program prints goes to stderr, the job's log."""
    pipes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "rb") as null:
        os.dup2(null.fileno(), 0)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    return pipes


_pipes = _take_pipes() if os.environ.pop("LATHE_EXEC", None) else None


class Job:
    """One job.  params: a dict that holds every declared parameter.  inputs: dicts with name, path, bytes, sha256.
    workdir: its private folder.  deadline: seconds since the epoch, or None."""

    def __init__(self, plugin, m):
        self._send = plugin._send
        for key in ("id", "kind", "attempt", "params", "inputs", "workdir", "deadline", "idem_key"):
            setattr(self, key, m[key])
        self.cancelled = False

    @property
    def input(self):  # the path of the first one
        return self.inputs[0]["path"]

    @property
    def seconds_left(self):
        return None if self.deadline is None else self.deadline - time.time()

    def progress(self, percent, stage="", current=0, total=0):
        self._send(type="progress", id=self.id, percent=percent, stage=stage, current=current, total=total)

    def log(self, text, level="info"):
        self._send(type="log", id=self.id, level=level, text=str(text))

    def artifact(self, name, path=None, media_type=None):
        """Gives the finished file `path` (`name` in the work folder) as the artifact `name`."""
        root = os.path.realpath(self.workdir)
        path = os.path.realpath(os.path.join(root, path or name))
        if os.path.commonpath([root, path]) != root:
            path = shutil.copyfile(path, os.path.join(root, name))
        self._send(type="artifact", id=self.id, name=name, path=os.path.relpath(path, root), media_type=media_type)


class Plugin:
    def __init__(self, name, version, chdir=True):
        """chdir: each job runs with its work folder as the current one."""
        self.name, self.version, self.options = name, version, {}
        self._chdir, self._home = chdir, os.getcwd()
        self._kinds, self._declared, self._warm = {}, [], []
        self._jobs, self._job, self._lock = queue.SimpleQueue(), None, threading.Lock()

    def option(self, name, type, **rest):
        """Declares an option of the backend.  type: int, real, bool, string, enum, path or secret; default (without
        one it is required; None: may be left out), min, max, choices, help."""
        self._declared.append({"name": name, "type": type, **rest})

    def kind(self, *names):
        """Decorates function(job), which does these kinds and returns the result: a dict, or None."""
        def decorate(function):
            self._kinds.update((name, function) for name in names)
            return function
        return decorate

    def warm(self, function):
        """Decorates function(options), called once before the backend is ready."""
        self._warm.append(function)
        return function

    def _send(self, **message):
        line = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        line = line.encode("utf-8", "replace") + b"\n"
        if len(line) > LINE_MOST:
            raise ValueError(f"a message \"{message['type']}\" of {len(line)} bytes; 1 MiB is the most")
        with self._lock:
            while line:
                line = line[_pipes[1].write(line):]

    def _receive(self):
        return json.loads(_pipes[0].readline() or b'{"type": "stop"}')

    def _listen(self):  # a thread of its own: pings are answered and cancels seen while a job runs
        for m in iter(self._receive, None):
            if m["type"] == "ping":
                self._send(type="pong")
            elif m["type"] == "cancel" and self._job and self._job.id == m["id"]:
                self._job.cancelled = True
            elif m["type"] == "job":
                self._job = Job(self, m)
                self._jobs.put(self._job)
            elif m["type"] == "stop":
                return self._jobs.put(None)

    def _fail(self, error, **about):
        word, text = getattr(error, "word", "permanent"), str(error)
        if not isinstance(error, Failure):
            traceback.print_exception(type(error), error, error.__traceback__)
            text = f"{type(error).__name__}: {text}; the job's log has the traceback"
        if isinstance(error, MemoryError):
            word, text = "memory", "out of memory; use a simpler input, or raise job_memory of the backend"
        elif isinstance(error, OSError) and error.errno == errno.EFBIG:
            text = "a file grew too large; use coarser parameters, or raise job_output of the backend"
        elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
            word = "retry"
        self._send(type="error", message=text[:4000], retry_after_s=getattr(error, "retry_after_s", None),
                   **{"class": word}, **about)

    def _work(self, job):
        try:
            os.chdir(job.workdir if self._chdir else self._home)
            result = self._kinds[job.kind](job)
            sys.stdout.flush()
            ctypes.CDLL(None).fflush(None)  # what libraries in C printed belongs to this job
            self._send(type="done", id=job.id, result=result)
        except Exception as error:
            self._fail(error, id=job.id)
        os.chdir(self._home)

    def run(self):
        """Says hello, warms up and serves jobs until lathe says stop."""
        if not _pipes:
            sys.exit(f"{self.name} is a backend of lathe: give it to a [backend NAME] with plugin = exec")
        self._receive()
        self._send(type="hello", protocol=PROTOCOL, name=self.name, version=self.version, ping=True,
                   kinds=list(self._kinds), options=self._declared)
        self.options = self._receive().get("options", {})
        try:
            for function in self._warm:
                function(self.options)
        except Exception as error:
            self._fail(error)
            sys.exit(1)
        self._send(type="ready")
        threading.Thread(target=self._listen, daemon=True).start()
        for job in iter(self._jobs.get, None):
            self._work(job)
