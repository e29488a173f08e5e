# SPDX-License-Identifier: MIT
"""The command line client over TLS: a private CA, certificates of clients, and what is said where they do not fit."""
import json
import shutil
import ssl
import subprocess

import pytest
from daemon import LATHE, PATIENCE, clean_env
from hostile import Hostile, reply

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")


def openssl(folder, *args):
    subprocess.run(["openssl", *map(str, args)], cwd=folder, check=True, capture_output=True, timeout=60)


class Authority:
    """A CA that signs for 127.0.0.1 and for clients."""

    def __init__(self, folder, name):
        folder.mkdir()
        self.folder, self.cert = folder, folder / "ca.pem"
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
                "-out", "ca.pem", "-days", "2", "-subj", f"/CN={name}")

    def sign(self, name, san=None):
        """(certificate, key)"""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={san or 'DNS:' + name}\n")
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-out", cert, "-extfile", f"{name}.ext")
        return cert, key


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "ours", "Ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "theirs", "Theirs")


def tls_server(authority, clients=None, san="IP:127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", san))
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.cert)
    server = Hostile({"/api/jobs": reply(200, b'{"jobs": [], "next_page_token": null}')},
                     wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    server.url = server.url.replace("http:", "https:")
    return server


def lathe(server, *args, code=0, env=None):
    done = subprocess.run([LATHE, *map(str, args), "list"], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env=clean_env({"LATHE_SERVER": server.url, **{k: str(v) for k, v in (env or {}).items()}}))
    assert done.returncode == code, (args, env, done.returncode, done.stdout, done.stderr)
    return done.stderr


def test_a_private_ca(ours, theirs):
    with tls_server(ours) as server:
        said = lathe(server, code=6)
        assert "certificate" in said and "--cacert FILE" in said and "LATHE_CACERT" in said
        lathe(server, "--cacert", ours.cert)
        lathe(server, f"--cacert={ours.cert}")
        lathe(server, env={"LATHE_CACERT": ours.cert})
        lathe(server, env={"SSL_CERT_FILE": ours.cert})
        # The nearer word counts.
        lathe(server, env={"LATHE_CACERT": ours.cert, "SSL_CERT_FILE": theirs.cert})
        lathe(server, "--cacert", ours.cert, env={"LATHE_CACERT": theirs.cert})
        lathe(server, "--cacert", theirs.cert, code=6, env={"LATHE_CACERT": ours.cert})
        lathe(server, env={"LATHE_CACERT": "", "SSL_CERT_FILE": ours.cert})


def test_the_name_counts(ours):
    with tls_server(ours, san="DNS:elsewhere.example") as server:
        assert "name in its certificate" in lathe(server, "--cacert", ours.cert, code=6)


def test_certificates_of_clients(ours, theirs, tmp_path):
    cert, key = ours.sign("alice")
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    stranger, its_key = theirs.sign("mallory")
    with tls_server(ours, clients=ours) as server:
        known = ["--cacert", ours.cert]
        lathe(server, *known, "--cert", cert, "--key", key)
        lathe(server, *known, "--cert", both)
        lathe(server, *known, env={"LATHE_CERT": cert, "LATHE_KEY": key})
        assert lathe(server, *known, code=4)
        assert lathe(server, *known, "--cert", stranger, "--key", its_key, code=4)
        # Local mistakes are said before anything is sent.
        assert "LATHE_KEY" in lathe(server, *known, code=2, env={"LATHE_KEY": key})
        assert "--key" in lathe(server, *known, "--key", key, code=2)
        assert "--cert" in lathe(server, *known, "--cert", key, "--key", key, code=2)
        assert "--cert" in lathe(server, *known, "--cert", cert, "--key", its_key, code=2)


def test_files_that_are_not_there(ours, tmp_path):
    with tls_server(ours) as server:
        none = tmp_path / "none.pem"
        for option, variable in (("--cacert", "LATHE_CACERT"), ("--cert", "LATHE_CERT")):
            assert f"{option}: cannot read {none}" in lathe(server, option, none, code=2)
            said = lathe(server, code=2, env={variable: none})
            assert f"{variable}: cannot read {none}" in said and "--" + variable not in said
        assert "SSL_CERT_FILE" in lathe(server, code=2, env={"SSL_CERT_FILE": none})
        text = tmp_path / "text.pem"
        text.write_text("not a certificate\n")
        assert "PEM" in lathe(server, "--cacert", text, code=2)
        assert server.requests == []


class At:
    def __init__(self, url):
        self.url = url


def test_tls_where_there_is_none(ours, daemon):
    assert "http://" in lathe(At(daemon.url.replace("http:", "https:")), code=6)
    with tls_server(ours) as server:
        server.url = server.url.replace("https:", "http:")
        assert lathe(server, code=4)
        assert json.loads(subprocess.run([LATHE, "--json", "-s", server.url, "list"], capture_output=True, text=True, timeout=PATIENCE,
                                         env=clean_env(), check=False).stdout)["title"]
