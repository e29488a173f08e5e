#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A worker daemon of the older mesh service, unmodified, as a backend of lathe.

    command = python3 original_backend.py COMMAND OF THE DAEMON...

The daemon reads lines of JSON {"action": "generate" | "ping" | "shutdown", ...} and writes [READY], [RESULT]{json},
[ERROR] text and [PONG] among whatever else it prints, which becomes the job's log.  How it names the fields of a
generate is told by `options`.
"""
import lathe_plugin  # first: from here on print() is the job's log

import json
import os
import subprocess
import sys

plugin = lathe_plugin.Plugin("original", "1.0")
plugin.option("input_field", "string", default="input_file", help="Field of the part's path.")
plugin.option("output_field", "string", default="output_dir", help="Field of the folder for results.")
plugin.option("params_field", "string", default="quality_params", help="Field of the parameters.")
daemon = None


def answer(*marks):
    """The next line that begins with one of the marks, as (mark, rest)."""
    for line in daemon.stdout:
        for mark in marks:
            if line.startswith(mark):
                return mark, line[len(mark):].strip()
        print(line, end="")
    # This process ends with the daemon: lathe starts both again, and the job elsewhere or later.
    sys.exit(f"the worker daemon ended with {daemon.wait()}")


def ask(**request):
    daemon.stdin.write(json.dumps(request) + "\n")
    daemon.stdin.flush()


@plugin.warm
def start(options):
    global daemon
    daemon = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answer("[READY]")


@plugin.kind("mesh-original")
def mesh(job):
    o = plugin.options
    ask(action="generate", **{o["input_field"]: job.input, o["output_field"]: job.workdir,
                              o["params_field"]: job.params["quality_params"]})
    mark, text = answer("[RESULT]", "[ERROR]")
    result = json.loads(text) if mark == "[RESULT]" else {"success": False, "message": text}
    if not result.get("success"):
        raise lathe_plugin.Permanent(result.get("message") or "the worker daemon gave no reason")
    job.artifact(os.path.basename(result["output_file"]), result["output_file"], "model/mesh")
    return result


plugin.run()
if daemon:
    ask(action="shutdown")
    daemon.wait(1)
