# SPDX-License-Identifier: MIT
"""A real browser (Debian's chromium, without a window) on pages of a small web server of the test's.

    with Site({"/": html}) as site:               # an origin of its own: http://127.0.0.1:PORT
        report = visit(site, "/", folder)         # what the page's script told with tell({...})

A page includes TELL; its script calls tell(value) once, when it is done.
"""
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading

from daemon import PATIENCE

CHROMIUM = shutil.which("chromium")
TELL = "<script>const tell = value => fetch('/told', {method: 'POST', body: JSON.stringify(value)});</script>"


class Site:
    """Serves the pages of a dict; keeps what a page tells.  `host` names the same machine in another way."""

    def __init__(self, pages, host="127.0.0.1"):
        self.told = None
        self.asked = []  # paths, in the order in which they were asked for
        self._news = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(pages))
        self.origin = f"http://{host}:{self._server.server_address[1]}"

    def _handler(self, pages):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                self._answer(200 if self.path in pages else 404, pages.get(self.path, "").encode())

            def do_POST(self):
                site.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(204, b"")
                site._news.set()

            def _answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds):
        return self._news.wait(seconds)


def command(folder, *arguments):
    """Chromium with a profile of its own under `folder`; downloads go to folder/downloads."""
    profile = os.path.join(folder, "profile")
    os.makedirs(os.path.join(profile, "Default"), exist_ok=True)
    with open(os.path.join(profile, "Default", "Preferences"), "w", encoding="utf-8") as file:
        json.dump({"download": {"default_directory": os.path.join(folder, "downloads"), "prompt_for_download": False}}, file)
    # Without its sandbox: root may not have one, many containers cannot, and the pages are ours.
    return [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={profile}", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
            "--window-size=1000,1400", "--hide-scrollbars", *arguments]


def run(folder, *arguments, until):
    """Runs it until until(seconds) is true, or fails with what it said."""
    with open(os.path.join(folder, "chromium.log"), "w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(command(folder, *arguments), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                              env={**os.environ, "HOME": str(folder)}) as process:
            try:
                done = until(process)
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        assert done, "the browser did not come to an end: " + log.read()[-3000:]


def visit(site, path, folder, after=lambda: True):
    """Opens the page and returns what it told; `after` is a last wait while the browser still runs."""
    os.makedirs(folder, exist_ok=True)
    run(str(folder), site.origin + path, until=lambda _: site.wait(2 * PATIENCE) and after())
    return site.told


def screenshot(url, folder):
    """The path of a PNG of the page as a person sees it."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "page.png")

    def ended(process):
        process.wait(2 * PATIENCE)
        return os.path.exists(path)

    run(str(folder), f"--screenshot={path}", url, until=ended)
    return path
