# SPDX-License-Identifier: MIT
"""Fixtures: real daemons in throw-away folders, and what a failing test prints of them."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from daemon import BUILD, ECHO, LATHED, Daemon  # noqa: E402

running = []


def end_in_order(number, frame):
    raise KeyboardInterrupt


def pytest_sessionstart(session):
    # timeout(1) ends a run with SIGTERM, on which Python dies at once: the daemons of the fixtures would go on for ever.
    signal.signal(signal.SIGTERM, end_in_order)
    if not os.path.exists(LATHED):
        pytest.exit(f"there is no {LATHED}; build first, or name the build tree in LATHE_BUILD", 2)


def pytest_report_header(config):
    return f"lathe build tree: {BUILD}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for daemon in running:
            report.sections.append((f"log of lathed in {daemon.folder}", daemon.log()))


@pytest.fixture
def make_daemon(tmp_path):
    """make_daemon(config=..., env=..., base=...) starts one more daemon; all are ended after the test."""
    made = []

    def make(config=None, env=None, base=ECHO, start=True, ready=True, folder=None):
        daemon = Daemon(folder or tmp_path / f"d{len(made)}", config, env, base)
        made.append(daemon)
        running.append(daemon)
        return daemon.start(ready) if start else daemon

    yield make
    try:
        for daemon in made:
            daemon.stop()
    finally:
        for daemon in made:
            daemon.kill()
            running.remove(daemon)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon with the echo backend for all tests of a file that leave it as they found it."""
    d = Daemon(tmp_path_factory.mktemp("lathed"))
    running.append(d)
    try:
        yield d.start()
        d.stop()
    finally:
        d.kill()
        running.remove(d)


@pytest.fixture
def client(daemon):
    return daemon.client()
