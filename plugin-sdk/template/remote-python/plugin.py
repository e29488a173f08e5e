#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""@NAME@: a backend of lathe whose jobs run elsewhere.  The example gives a text to the service in service.py, which
sorts its lines; put your service, or its own Python module, in place of ask().

Each step may be repeated, in another process, with nothing but the reference: keep no state here.  They are called on
several threads, those of one job one after another.
"""
import lathe_plugin  # first: from here on print() goes to the daemon's log

import json
import urllib.error
import urllib.request


class Elsewhere(lathe_plugin.Remote):
    def ask(self, method, path, body=None):
        """The answer of the service, or the failure that lathe should know of.  None: it has no such job."""
        request = urllib.request.Request(self.options["url"] + path, data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            about = {"code": f"http-{error.code}", "request_id": error.headers.get("X-Request-Id")}
            if error.code in (401, 403):
                raise lathe_plugin.Auth("the service refuses the credential", **about) from error
            if error.code == 402:
                raise lathe_plugin.Quota("the service's quota or credit is used up", **about) from error
            wait = error.headers.get("Retry-After", "")
            wait = int(wait) if wait.isdecimal() else None  # it may also be a date: then lathe chooses
            if error.code == 429 or (error.code == 503 and wait):
                raise lathe_plugin.RateLimit("the service limits the rate", wait, **about) from error
            if error.code < 500:
                raise lathe_plugin.BadInput(f"the service refused the job: {error.reason}", **about) from error
            raise lathe_plugin.Down(f"the service failed: {error.reason}", **about) from error
        except OSError as error:
            raise lathe_plugin.Down(f"the service was not reached: {error}") from error

    def submit(self, job):
        """Begins the work under job.idem_key; the same key must never begin it twice."""
        if job.kind != "@NAME@":  # a second kind gets its own work here
            raise lathe_plugin.Permanent("there is no such kind here")
        with open(job.input, "rb") as file:
            if self.ask("PUT", f"/jobs/{job.idem_key}", file.read()) is None:
                raise lathe_plugin.Permanent("the service takes no jobs at this url")
        return job.idem_key  # the reference: most services give one of their own

    def find(self, job):
        """lathe asks after a crash, before it submits again: the reference, or None."""
        return job.idem_key if self.ask("GET", f"/jobs/{job.idem_key}") else None

    def poll(self, job):
        answer = self.ask("GET", f"/jobs/{job.ref}")
        if answer is None:
            raise lathe_plugin.RetryAnew("the service does not know the job any more")
        state = json.loads(answer)
        job.progress(100 * state["done"], "there")
        job.retry_after(0.05)
        return state["done"] == 1

    def fetch(self, job):
        job.progress(100, "fetch")
        output = self.ask("GET", f"/jobs/{job.ref}/output")
        if output is None:
            raise lathe_plugin.RetryAnew("the service does not know the job any more")
        with open(f"{job.workdir}/output.txt", "wb") as file:
            file.write(output)
        job.artifact("output.txt", media_type="text/plain")

    def cancel(self, job):
        if self.ask("DELETE", f"/jobs/{job.ref}") == b"late":
            return lathe_plugin.TOO_LATE


plugin = Elsewhere("@NAME@", "0.1", kinds=["@NAME@"])
plugin.option("url", "string", help="Of the service.")
plugin.run()
