# SPDX-License-Identifier: MIT
"""A lathe backend in Python (3.9 or later, no other module): a command of the plugin `exec` or `exec-remote`; see
docs/exec.md.

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

Remote, further down, is for jobs that run elsewhere.
"""
import base64
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
    """How a job fails; any other exception counts as Permanent (in a Remote: as Retry), with its traceback in the log.
    code: a word for programs (a-z 0-9 . _ -); request_id: the service's own; both are shown with the attempt."""
    word = "permanent"
    def __init__(self, message, retry_after_s=None, code=None, request_id=None):
        super().__init__(message)
        self.retry_after_s, self.code, self.request_id = retry_after_s, code, request_id

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

class Quota(Failure):
    """Quota, credit or budget is used up, for all jobs."""
    word = "quota"

class Down(Failure):
    """The service was not reached, or failed by its own fault."""
    word = "down"

class RetryAnew(Failure):
    """Of a Remote: what was submitted is over there without a result; the job may be submitted again."""
    word = "retry_anew"

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
    """One job.  params: a dict that holds every declared parameter.  inputs: dicts with name, path, bytes, sha256, role (if the kind has any).
    workdir: its private folder.  deadline: seconds since the epoch, or None.  threads: how many are set aside for it;
    memory_bytes: its limit, or None."""

    def __init__(self, plugin, m, request=None):
        self._plugin = plugin
        self._about = {"id": m["id"]} if request is None else {"id": m["id"], "request": request}
        for key in ("id", "kind", "attempt", "params", "inputs", "workdir", "deadline", "idem_key", "threads",
                    "memory_bytes"):
            setattr(self, key, m.get(key))
        self.cancelled = False

    def _send(self, **message):
        self._plugin._send(**message, **self._about)

    @property
    def input(self):  # the path of the first one
        return self.inputs[0]["path"]

    @property
    def seconds_left(self):
        return None if self.deadline is None else self.deadline - time.time()

    def progress(self, percent, stage="", current=0, total=0):
        self._send(type="progress", percent=percent, stage=stage, current=current, total=total)

    def log(self, text, level="info"):
        self._send(type="log", level=level, text=str(text))

    def report(self, key, value):
        """A fact of this attempt, kept also when it fails: cost.actual, cost.currency, device, model, seed, quality.*, ..."""
        self._send(type="report", key=key, value=value)

    def artifact(self, name, path=None, media_type=None, provisional=False):
        """Gives the finished file `path` (`name` in the work folder) as the artifact `name`.  provisional: it is shown
        while the job runs (a preview), and a later one of this name takes its place."""
        root = os.path.realpath(self.workdir)
        path = os.path.realpath(os.path.join(root, path or name))
        if os.path.commonpath([root, path]) != root:
            path = shutil.copyfile(path, os.path.join(root, name))
        self._send(type="artifact", name=name, path=os.path.relpath(path, root), media_type=media_type,
                   provisional=provisional)

    def put(self, name, data=None, url=None, media_type=None, provisional=False, **about):
        """An artifact that is not a file here: bytes (up to 700 KiB), or the url at which it stays, about which `bytes`,
        `expires` (seconds since the epoch) and `sha256` may be told."""
        if data is not None:
            about["data"] = base64.b64encode(data).decode()
        self._send(type="artifact", name=name, url=url, media_type=media_type, provisional=provisional, **about)


class Plugin:
    _host, _log, _hello = "exec", "the job's log", {}

    def __init__(self, name, version, chdir=True):
        """chdir: each job runs with its work folder as the current one."""
        self.name, self.version, self.options = name, version, {}
        self._chdir, self._home = chdir, os.getcwd()
        self._kinds, self._whole, self._declared, self._warm = {}, {}, [], []
        self._jobs, self._job = queue.SimpleQueue(), None
        self._lock, self._introduced = threading.RLock(), False  # introduced: hello was said

    def option(self, name, type, **rest):
        """Declares an option of the backend.  type: int, real, bool, string, enum, path or secret; default (without
        one it is required; None: may be left out), min, max, choices, help."""
        self._declared.append({"name": name, "type": type, **rest})

    def kind(self, *names):
        """Decorates function(job), which does these kinds and returns the result: a dict, or None.  A name alone: the admin
        has a file of the kind; a dict: the whole kind, as such a file has it.  At any time, from any thread, also again
        for a kind that has changed: plugin.kind(whole)(function)."""
        def decorate(function):
            self._declare(names, function)
            return function
        return decorate

    def _declare(self, kinds, function=None):
        with self._lock:
            for kind in kinds:
                name = kind["kind"] if isinstance(kind, dict) else kind
                self._kinds[name], self._whole[name] = function, kind
                if self._introduced:
                    self._send(type="kind", kind=kind)

    def withdraw(self, name):
        """No new job of this kind, please; one that is on its way may still come, and is done."""
        with self._lock:
            if self._introduced:
                self._send(type="withdraw_kind", kind=name)
            else:
                del self._kinds[name]

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

    def _explain(self, error):
        """The members of an error."""
        word, text = getattr(error, "word", "permanent"), str(error)
        if not isinstance(error, Failure):
            traceback.print_exception(type(error), error, error.__traceback__)
            text = f"{type(error).__name__}: {text}; {self._log} has the traceback"
        if isinstance(error, MemoryError):
            word, text = "memory", "out of memory; use a simpler input, or raise job_memory of the backend"
        elif isinstance(error, OSError) and error.errno == errno.EFBIG:
            text = "a file grew too large; use coarser parameters, or raise job_output of the backend"
        elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
            word = "retry"
        said = vars(error) if isinstance(error, Failure) else {}
        members = {name: said[name] for name in ("retry_after_s", "code", "request_id") if said.get(name) is not None}
        return {"class": word, "message": text[:4000], **members}

    def _fail(self, error, **about):
        self._send(type="error", **self._explain(error), **about)

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
            sys.exit(f"{self.name} is a backend of lathe: give it to a [backend NAME] with plugin = {self._host}")
        self._receive()
        with self._lock:
            self._send(type="hello", protocol=PROTOCOL, name=self.name, version=self.version, ping=True,
                       kinds=[self._whole[name] for name in self._kinds], options=self._declared, **self._hello)
            self._introduced = True
        self.options = self._receive().get("options", {})
        try:
            for function in self._warm:
                function(self.options)
        except Exception as error:
            self._fail(error)
            sys.exit(1)
        self._send(type="ready")
        self._serve()

    def _serve(self):
        threading.Thread(target=self._listen, daemon=True).start()
        for job in iter(self._jobs.get, None):
            self._work(job)


# ---- jobs that run elsewhere ----

TOO_LATE, CHARGED = "too_late", "charged"  # what Remote.cancel() may return


class RemoteJob(Job):
    """A job in one step of a Remote.  ref: its reference, a string, once it was submitted.  note: what note() kept last.
    job_deadline: when the job's own time is over; deadline: when lathe waits no more for this step.  params and inputs
    are there in submit, find and fetch, as threads is, and the inputs' paths and workdir in submit and fetch."""

    def __init__(self, plugin, m, request):
        super().__init__(plugin, m, request)
        self.ref, self.note_text, self.job_deadline = m.get("ref"), m.get("note"), m.get("job_deadline")
        self._kept, self._after_s = queue.SimpleQueue(), None

    def checkpoint(self, ref):
        """In submit and find: returns when the reference is on the disk of lathe.  Returning it does the same."""
        self._send(type="checkpoint", ref=ref)
        if not self._kept.get():
            raise Retry("the reference could not be kept")
        self.ref = ref

    def note(self, text):
        """Keeps up to 1024 bytes beside the reference: job.note_text in a later step."""
        self._send(type="note", text=text)

    def retry_after(self, seconds):
        """In poll: not before so many seconds."""
        self._after_s = seconds


class _Task:  # a step, or a part of one: what a thread does in one go
    def __init__(self, number, lane, jobs, work):
        self.number, self.lane, self.jobs, self.work = number, lane, jobs, work
        self.running = self.dropped = self.replaced = False  # replaced: another thread is there for this one's


class Remote(Plugin):
    """Jobs that run elsewhere: `plugin = exec-remote`.  Subclass it; the methods are called on several threads, those of
    one job one after another, and keep nothing of a job but its reference:

        class Cloud(lathe_plugin.Remote):
            def submit(self, job): ...     # begins the work under job.idem_key; returns the reference
            def find(self, job): ...       # the reference of what was begun under job.idem_key, or None
            def poll(self, job): ...       # True: ready to fetch; False: not yet
            def fetch(self, job): ...      # job.artifact(...); returns the result, a dict or None
            def cancel(self, job): ...     # None: stopped; TOO_LATE; CHARGED: stopped, but paid for

        Cloud("cloud", "1.0", kinds=["render"]).run()

    Instead of poll: poll_many(jobs), which returns a list of what poll would return or raise, for each job."""

    _host, _log = "exec-remote", "the daemon's log"

    def __init__(self, name, version, kinds, concurrency=8):
        """concurrency: steps at a time; 1: never two, for a library that is not made for threads."""
        super().__init__(name, version, chdir=False)
        self._declare(kinds)
        self._hello = {"remote": True, "concurrency": concurrency, "poll_many": 100}
        first = queue.SimpleQueue()
        lanes = [first] * 3 if concurrency == 1 else [first, queue.SimpleQueue(), queue.SimpleQueue()]
        self._lanes = dict(zip(("submit", "poll", "cancel"), lanes))
        self._lanes.update(find=self._lanes["submit"], fetch=self._lanes["poll"])
        kept = max(1, concurrency // 4)  # so that polls which hang hold no submission, and neither a cancel
        self._hands = [(lanes[0], 1)] if concurrency == 1 else [
            (lanes[0], kept), (lanes[1], concurrency - kept), (lanes[2], max(2, kept))]
        self._tasks, self._guard = {}, threading.Lock()  # sets, by the number of the request

    def backend_state(self, state, for_s=0, why=None):
        """How the service is for all jobs: well, slowed or paused, for so many seconds (0: until it is told otherwise)."""
        self._send(type="backend_state", state=state, for_s=for_s, why=why)

    def declare(self, *kinds):
        """The service does these, too, or they have changed: names, or whole kinds as dicts.  At any time, from any thread."""
        self._declare(kinds)

    def capacity(self, jobs):
        """How many jobs the service takes from us at a time."""
        self._send(type="capacity", jobs=jobs)

    def wake(self, ref):
        """The job with this reference is worth a poll now."""
        self._send(type="wake", ref=ref)

    def _explain(self, error):
        members = super()._explain(error)
        if not isinstance(error, (Failure, MemoryError)):
            members["class"] = "retry"  # what is there is paid for: nothing unforeseen ends it
        return members

    # ---- steps, on a thread of their own ----

    def _submit(self, job):
        return {"ref": self.submit(job) or job.ref}

    def _find(self, job):
        ref = self.find(job) or job.ref
        return {"ref": ref} if ref else {"state": "not_found"}

    def _fetch(self, job):
        return {"result": self.fetch(job)}

    def _cancel(self, job):
        return {"state": self.cancel(job) or "done"}

    def _step(self, number, word, job):
        try:
            self._send(type="answer", request=number, **getattr(self, "_" + word)(job))
        except BaseException as error:  # sys.exit(), too: it would end this thread alone
            self._fail(error, request=number)

    def _polled(self, job, outcome):
        if isinstance(outcome, BaseException):
            return {"id": job.id, **self._explain(outcome)}
        after = {} if job._after_s is None else {"retry_after_s": job._after_s}
        return {"id": job.id, "state": "done" if outcome else "pending", **after}

    def _poll(self, number, jobs):
        try:
            outcomes = list(self.poll_many(jobs)) if hasattr(self, "poll_many") else [self.poll(jobs[0])]
            if len(outcomes) != len(jobs):
                raise ValueError(f"poll_many() was given {len(jobs)} jobs and returned {len(outcomes)} outcomes")
        except BaseException as error:
            outcomes = [error] * len(jobs)
        self._send(type="answer", request=number, polls=[self._polled(*pair) for pair in zip(jobs, outcomes)])

    # ---- threads ----

    def _hand(self, tasks):
        for task in iter(tasks.get, None):
            with self._guard:
                task.running = not task.dropped
            if task.running:
                task.work()
            else:
                kind = RetryAnew if task.lane == "submit" else Cancelled
                self._fail(kind("nobody waited for it any more when its turn came"), request=task.number)
            with self._guard:
                left = self._tasks[task.number]
                left.discard(task)
                if not left:
                    del self._tasks[task.number]
                if task.replaced:
                    return

    def _begin(self, number, lane, jobs, work):
        task = _Task(number, lane, jobs, work)
        with self._guard:
            self._tasks.setdefault(number, set()).add(task)
        self._lanes[lane].put(task)

    def _drop(self, number):
        """Nobody waits for it any more.  A thread that hangs in it is replaced; lathe replaces the process of a single one."""
        with self._guard:
            tasks = [t for t in self._tasks.get(number, ()) if not t.dropped]
            for task in tasks:
                task.dropped = True
                for job in task.jobs:
                    job.cancelled = True
                if task.running and len(self._hands) > 1:
                    task.replaced = True
                    self._start_hand(self._lanes[task.lane])

    def _start_hand(self, tasks):
        threading.Thread(target=self._hand, args=(tasks,), daemon=True).start()

    def _take(self, m):
        word, number = m["type"], m["request"]
        if word == "drop":
            self._drop(number)
        elif word == "checkpointed":
            with self._guard:
                jobs = [job for task in self._tasks.get(number, ()) for job in task.jobs]
            for job in jobs:
                job._kept.put(m["ok"])
        elif word == "poll":
            jobs = [RemoteJob(self, one, number) for one in m["polls"]]
            for part in [jobs] if hasattr(self, "poll_many") else [[job] for job in jobs]:
                self._begin(number, word, part, lambda part=part: self._poll(number, part))
        elif word in self._lanes:
            job = RemoteJob(self, m, number)
            self._begin(number, word, [job], lambda: self._step(number, word, job))

    def _serve(self):
        for tasks, count in self._hands:
            for _ in range(count):
                self._start_hand(tasks)
        for m in iter(self._receive, None):
            if m["type"] == "ping":
                self._send(type="pong")
            elif m["type"] == "stop":
                return
            elif "request" in m:
                self._take(m)
