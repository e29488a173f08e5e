# SPDX-License-Identifier: MIT
"""Signals that others send by habit do not end the daemon, and SIGHUP does not while it starts."""
import os
import signal
import subprocess
import time

import pytest

from daemon import PATIENCE, wait_until


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE])
def test_ignored(make_daemon, number):
    daemon = make_daemon()
    for _ in range(3):
        daemon.process.send_signal(number)
    assert daemon.client().run()["status"] == "completed"
    assert daemon.process.poll() is None


def held(pid):
    """Does the process hold SIGHUP back, or catch it?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        masks = dict(line.split(":", 1) for line in file)
    return any(int(masks[name], 16) & 1 for name in ("SigBlk", "SigCgt"))


def test_hangup_while_it_starts(make_daemon):
    """As soon as the program's own code runs it is safe; the reload comes when the loop does."""
    daemon = make_daemon(start=False)
    with open(daemon.log_path, "ab") as log:
        process = subprocess.Popen([daemon.program, "--config", daemon.ini], stdout=subprocess.PIPE, stderr=log, env=daemon.env, text=True)
    try:
        end = time.monotonic() + PATIENCE
        while not held(process.pid):
            assert process.poll() is None and time.monotonic() < end
        os.kill(process.pid, signal.SIGHUP)
        assert "listening" in process.stdout.readline()
        wait_until(lambda: "config.reload" in daemon.log(), "the reload that was asked for at the start")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
