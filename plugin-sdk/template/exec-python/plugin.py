#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""@NAME@: a backend of lathe.  The example counts the words of a text; put your work into count()."""
import lathe_plugin  # first: from here on print() is the job's log

import time

plugin = lathe_plugin.Plugin("@NAME@", "0.1")


@plugin.warm
def load(options):
    """Once, before the backend counts as ready: import and load here what every job needs."""


@plugin.kind("@NAME@")
def count(job):
    total, listed = 0, []
    with open(job.input, encoding="utf-8", errors="replace") as text:
        for word in text.read().split():
            total += 1
            if len(word.encode()) >= job.params["min_length"]:
                listed.append(word)
            time.sleep(job.params["pause_ms"] / 1000)
    job.progress(90, "count")
    with open("words.txt", "w", encoding="utf-8") as out:
        out.writelines(word + "\n" for word in listed)
    job.artifact("words.txt", media_type="text/plain")
    job.progress(100, "count")
    return {"words": total, "listed": len(listed)}


plugin.run()
