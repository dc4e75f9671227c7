# SPDX-License-Identifier: BSD-2-Clause
"""No reply outlasts EndpointRetryFor, whatever of an https endpoint hangs."""
import socket
import time

import pytest

from harness import challenge, milter
from harness.endpoints import TlsServer
from harness.process import Folder

from test_cli import conf, dns, message  # noqa: F401 pylint: disable=unused-import

LIMIT = 3 + 1 + 3  # EndpointRetryFor, the second that the manual allows, and what a busy machine takes to start a program


@pytest.fixture(scope="module")
def authority():
    folder = Folder("tls")
    yield challenge.Authority(folder.path)
    folder.remove()


class EndlessServer(TlsServer):
    """Answers each request with a text that is no whole answer, and then nothing, or its last byte every second."""

    def __init__(self, identity, text, drips):
        super().__init__(identity)
        self.text, self.drips = text, drips

    def serve(self, tls):
        tls.recv(65536)
        tls.sendall(self.text)
        while self.drips:
            time.sleep(1)
            tls.sendall(self.text[-1:])
        while tls.recv(65536):
            pass


class EndsInSilence(TlsServer):
    """Says no length, and ends the connection without close_notify."""

    def serve(self, tls):
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nfine")
        socket.socket(fileno=tls.detach()).close()


@pytest.fixture
def hold(conf, dns, message):
    """Posts a reply; gives how long that took, and what the log says."""
    def run(url, *settings):
        file = conf(f"Endpoint {url}", "EndpointTimeout 1s", "EndpointRetryFor 3s", *settings)
        began = time.monotonic()
        done = milter.run("-t", "-p", "-c", file, "-D", dns(), message("1.eml"))
        assert done.returncode == 75, done.stderr
        return time.monotonic() - began, done.stderr.decode()
    return run


def test_silent_name_servers(hold):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        took, log = hold("https://acme.silent.example/p", f"Nameservers 127.0.0.1@{silent.getsockname()[1]}")
    assert took < LIMIT and "cannot look up acme.silent.example" in log, (took, log)


@pytest.mark.parametrize("drips", [False, True])
@pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\nX: y", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nx"])
def test_an_answer_by_tls_that_does_not_end(hold, authority, text, drips):
    with EndlessServer(authority.host("server", "localhost"), text, drips) as server:
        took, log = hold(server.url, f"EndpointCAFile {authority.root}")
    assert took < LIMIT and "timed out" in log, (took, log)


def test_a_body_without_a_length_by_tls_is_no_answer(hold, authority):
    """RFC 9112 section 8: TLS that ends without close_notify is an incomplete answer."""
    with EndsInSilence(authority.host("server", "localhost")) as server:
        took, log = hold(server.url, f"EndpointCAFile {authority.root}")
    assert took < LIMIT and "endpoint-unavailable" in log, (took, log)
