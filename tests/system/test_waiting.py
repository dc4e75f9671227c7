# SPDX-License-Identifier: BSD-2-Clause
"""Replies that wait keep nobody waiting: libmilter's pool may promise another connection's packet to the thread that waits.
Counts decide: whoever is answered while nobody lets the replies go needs no clock."""
import contextlib
import os
import shutil
import signal
import socket

import pytest

from harness import milter, threads
from harness.held import HeldDns, HeldServer
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from harness.milter_client import MilterClient
from harness.process import Process, free_port, wait_for
from harness.replies import good_reply
from harness.service_manager import inheritance

MAILS = 200
LONG = "300s"


def socket_of(kind, place, stack):
    """The setting, where a client connects, and how the milter is started."""
    if kind == "unix":
        return f"unix:{place}/own.sock", place / "own.sock", ((), {})
    if kind == "systemd":
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(place / "own.sock"))
        listening.listen(128)
        shutil.chown(place / "own.sock", milter.USER)
        return "fd:systemd", place / "own.sock", inheritance(listening)
    family, host = kind.split("@")
    port = free_port()
    return f"{family}:{port}@{host}", ("::1" if family == "inet6" else "127.0.0.1", port), ((), {})


@contextlib.contextmanager
def serving(server, wrapper, popen):
    server.write_conf()
    server.process = Process([*wrapper, milter.program(), "-f", "-c", server.conf], server.folder / "log", **popen)
    try:
        server.process.wait_until(lambda: b" started version=" in server.log(), "the milter serves")
        yield
    finally:
        server.process.popen.kill()
        server.process.popen.wait()


class Connections:
    """Those of `count` replies, and one of other people's mail."""

    def __init__(self, address, stack, exchange, data, count):
        self.replies = [stack.enter_context(MilterClient(address)) for _ in range(count)]
        self.other = stack.enter_context(MilterClient(address))
        for each in [*self.replies, self.other]:
            each.negotiate().greet()
        self.exchange, self.data = exchange, data

    def begin_replies(self):
        """All but their ends."""
        for each in self.replies:
            assert each.envelope(self.exchange.author, [CHALLENGE_ADDRESS])[0] == "c"
            each.header(self.data)
            each.body(self.data)

    def end_replies_and_send_another(self, pid):
        """All in the same moment: the milter stands still meanwhile. Whether the other mail is answered."""
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: threads.status(pid)["State"].startswith("T"), "the milter stands still")
        for each in self.replies:
            each.packet("E")
        self.other.raw(packet("M", b"<a@x>\0") + packet("R", f"<bob@{CA_DOMAIN}>\0".encode()) + packet("T", b""))
        os.kill(pid, signal.SIGCONT)
        try:
            return self.other.answer() == ("a", b"")
        except TimeoutError:
            return False


def packet(letter, data):
    return (1 + len(data)).to_bytes(4, "big") + letter.encode() + data


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("waits_for", ["server", "dns"])
@pytest.mark.parametrize("kind", ["unix", "systemd", "inet@127.0.0.1", "inet@0.0.0.0", "inet6@::"])
def test_other_mail_is_answered_while_replies_wait(folder, new_milter, exchange, kind, waits_for, count):
    data = exchange.sign(good_reply(exchange))
    server = new_milter(("EndpointTimeout", LONG), ("EndpointRetryFor", LONG), ("DNSTimeout", LONG))
    place = folder.sub("own-" + os.urandom(4).hex(), milter.USER)
    with contextlib.ExitStack() as stack:
        setting, address, how = socket_of(kind, place, stack)
        server.set("Socket", setting)
        if waits_for == "dns":
            held = stack.enter_context(HeldDns())
            server.set("Nameservers", held.address)
            server.set("TrustAnchorFile", "none")
        else:
            held = stack.enter_context(HeldServer(place / "acme.sock"))
            server.set("Endpoint", held.url)
            server.set("EndpointPeerUser", "none")
        stack.enter_context(serving(server, *how))
        connections = Connections(address, stack, exchange, data, count)
        for answered in range(MAILS):
            connections.begin_replies()
            assert connections.end_replies_and_send_another(server.process.pid), f"{answered} of {MAILS} were answered"
            if waits_for == "server":
                wait_for(lambda: len(held.asked) == count, "each reply waits for the ACME server")
            held.let_go()
            for reply in connections.replies:
                assert reply.answer()[0] == ("d" if waits_for == "server" else "y")
            held.hold()
