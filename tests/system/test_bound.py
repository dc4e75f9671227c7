# SPDX-License-Identifier: BSD-2-Clause
"""No reply is held longer than DNSTimeout + EndpointRetryFor + 1 s, whatever hangs: by what the running milter says of itself."""
import contextlib
import socket
import threading
import time

import pytest

from harness import acme, challenge, milter
from harness.dns import UNSIGNED
from harness.endpoints import Endpoint, TlsServer, read_message
from harness.mail_exchanger import CA_DOMAIN
from harness.milter_client import MilterClient
from harness.process import Folder, free_port
from harness.replies import good_reply

from conftest import Exchange
from test_daemon import full_backlog

AUTHOR = "alice@" + UNSIGNED
DNS_MS, RETRY_MS = 6000, 3000
BOUND_MS = DNS_MS + RETRY_MS + 1000
BUSY_MS = 4000  # until a thread of a busy machine runs; what has no bound takes at least 20 s here
HANGS_MS = 60000
LATE_MS = 1500  # when the answers for the mail come: within DNSTimeout, so that a reply waits for both
HEAD = b"HTTP/1.1 200 OK\r\nX: y"
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\nx"


class LateDns:
    """Between the milter and a name server: silent until late_ms after begin(), and for ever of names below silent.example."""

    def __init__(self, behind, late_ms):
        address, port = behind.split("@")
        self.behind, self.late_ms, self.held, self.began = (address, int(port)), late_ms, [], None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1@%d" % self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def begin(self):
        self.began = time.monotonic()

    def _serve(self):
        self.socket.settimeout(0.05)
        while self.socket.fileno() >= 0:
            with contextlib.suppress(TimeoutError, OSError):
                self.held.append(self.socket.recvfrom(4096))
            if self.began and time.monotonic() - self.began > self.late_ms / 1000:
                while self.held:
                    threading.Thread(target=self._pass_on, args=self.held.pop(), daemon=True).start()

    def _pass_on(self, query, client):
        if b"\6silent\7example" in query.lower():
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.settimeout(10)
            server.sendto(query, self.behind)
            self.socket.sendto(server.recv(65535), client)


def say(connection, text, drips):
    """A text that is no whole answer, and then nothing, or its last byte every half a second."""
    with contextlib.suppress(OSError):
        connection.sendall(text)
        while drips:
            time.sleep(0.5)
            connection.sendall(text[-1:])
        while connection.recv(65536):
            pass


class HangingUnix(Endpoint):
    def __init__(self, path, text, drips):
        super().__init__(path)
        self.text, self.drips = text, drips

    def serve(self, connection):
        if read_message(connection):
            say(connection, self.text, self.drips)


class HangingTls(TlsServer):
    def __init__(self, identity, text, drips):
        super().__init__(identity)
        self.text, self.drips = text, drips

    def serve(self, tls):
        if read_message(tls):
            say(tls, self.text, self.drips)


class HangingHandshake(HangingTls):
    """Says no more than the beginning of a TLS record, or not even that."""

    def _handle(self, connection):
        say(connection, self.text, self.drips)


@contextlib.contextmanager
def full_port():
    """A port of which the kernel drops what comes: nobody takes the connections that wait there."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"https://localhost:{listener.getsockname()[1]}/p"


@contextlib.contextmanager
def full_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(0)
        with full_backlog(path):
            yield f"http://unix:{path}:/p"


def hanging(stack, place, identity):
    """The URL of each kind of server that does not get done."""
    urls = {
        "names": "https://acme.silent.example/p",
        "unix refused": f"http://unix:{place}/nobody.sock:/p",
        "tls refused": f"https://localhost:{free_port()}/p",
        "unix backlog": stack.enter_context(full_socket(place / "full.sock")),
        "tls backlog": stack.enter_context(full_port()),
    }
    texts = {"silent": (b"", False), "header": (HEAD, False), "header drips": (HEAD, True), "body": (BODY, False), "body drips": (BODY, True)}
    for number, (name, how) in enumerate(texts.items()):
        urls["unix " + name] = stack.enter_context(HangingUnix(place / f"{number}.sock", *how)).url
        urls["tls " + name] = stack.enter_context(HangingTls(identity, *how)).url
    for name, how in {"silent": (b"", False), "drips": (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", True)}.items():
        urls["handshake " + name] = stack.enter_context(HangingHandshake(identity, *how)).url
    return urls


@pytest.fixture(scope="module")
def authority():
    folder = Folder("tls")
    yield challenge.Authority(folder.path)
    folder.remove()


@pytest.fixture
def hold(folder, new_milter, acme_server, keys, dns_server, authority):
    """Sends a reply to each kind of server, all in the same moment; gives of each kind what the log says."""
    def run(late_ms):
        server = new_milter(("EndpointTimeout", "1s"), ("EndpointRetryFor", "3s"), ("DNSTimeout", "6s"), ("EndpointPeerUser", "none"),
                            ("TrustAnchorFile", "none"), ("EndpointCAFile", server_file(authority.root, folder)))
        with contextlib.ExitStack() as stack:
            name_server = stack.enter_context(LateDns(dns_server.address, late_ms))
            server.set("Nameservers", name_server.address)
            urls = hanging(stack, server.data, authority.host("server", "localhost"))
            addresses = {kind: f"{kind.replace(' ', '-')}@{CA_DOMAIN}" for kind in urls}
            for kind, url in urls.items():
                server.set("ChallengeAddress", f"{addresses[kind]} {url}")
            server.start_and_wait()
            stack.callback(server.stop)
            replies = {}
            for kind, address in addresses.items():
                asked = acme_server.new_challenge(AUTHOR, address)
                exchange = Exchange(asked, acme.digest_of(asked), AUTHOR, keys)
                data = exchange.sign(good_reply(exchange))
                client = stack.enter_context(MilterClient(server.socket))
                assert client.negotiate().greet().envelope(AUTHOR, [address])[0] == "c"
                client.header(data)
                client.body(data)
                replies[kind] = client, exchange
            name_server.begin()
            for client, _ in replies.values():
                client.packet("E")
            for kind, (client, _) in replies.items():
                assert client.answer()[1].startswith(b"451 "), kind
            return {kind: milter.logfmt(server.wait_reply_line(exchange.token)) for kind, (_, exchange) in replies.items()}
    return run


def server_file(path, folder):
    """A copy where the milter's user may read it."""
    copy = folder.path / "bound-ca.pem"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o644)
    return copy


def test_late_name_servers_and_an_acme_server_that_hangs(hold):
    lines = hold(LATE_MS)
    times = {kind: tuple(int(line[name]) for name in ("dns_ms", "endpoint_ms", "total_ms")) for kind, line in lines.items()}
    print(times)
    for kind, (dns_ms, endpoint_ms, total_ms) in times.items():
        assert dns_ms > LATE_MS / 2 and endpoint_ms > 500, (kind, times)  # it did wait for both
        assert total_ms < BOUND_MS + BUSY_MS, (kind, times)


def test_silent_name_servers(hold):
    lines = hold(HANGS_MS)
    print({kind: line["total_ms"] for kind, line in lines.items()})
    for kind, line in lines.items():
        assert line["verdict"] == "temperror" and int(line["total_ms"]) < DNS_MS + 1000 + BUSY_MS, (kind, line)
