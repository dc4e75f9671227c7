# SPDX-License-Identifier: BSD-2-Clause
"""MaxConcurrentReplies and MaxMemory over the socket: who trickles in stops nobody, a reload begins no new count, and what is
beyond a limit is deferred, never lost."""
import contextlib

import pytest

from harness.dns import SIGNED, UNSIGNED
from harness.held import HeldDns, HeldServer
from harness.mail_exchanger import CHALLENGE_ADDRESS
from harness.milter_client import MilterClient
from harness.process import wait_for
from harness.replies import good_reply

LONG = "300s"
STOPPING = 64  # the default of MaxConcurrentReplies
COMING_IN, PIECE = 24, 60000


def reply_from(exchange):
    return exchange.author, [CHALLENGE_ADDRESS], exchange.sign(good_reply(exchange))


def connect(stack, server):
    return stack.enter_context(MilterClient(server.socket)).negotiate().greet()


def begin(client, author):
    assert client.envelope(author, [CHALLENGE_ADDRESS])[0] == "c"
    return client


def is_overload(answer):
    return answer[0] == "y" and answer[1].startswith(b"451 4.3.2 ")


def wait_at(server, exchange, stack, held, count):
    """As many replies, each of which waits for the ACME server."""
    clients = [connect(stack, server) for _ in range(count)]
    for client in clients:
        author, recipients, data = reply_from(exchange)
        assert client.envelope(author, recipients)[0] == "c"
        client.header(data)
        client.body(data)
        client.packet("E")
    wait_for(lambda: len(held.asked) == count, "each reply waits for the ACME server")
    return clients


def test_clients_that_stop_after_data_do_not_stop_the_next_reply(running, exchange):
    server = running()
    with contextlib.ExitStack() as stack:
        for _ in range(STOPPING):
            begin(connect(stack, server), exchange.author)
        assert connect(stack, server).mail(*reply_from(exchange))[0][0] == "d"


def test_a_reload_keeps_the_count(running, folder, exchange):
    server = running(("MaxConcurrentReplies", "2"), ("EndpointTimeout", LONG), ("EndpointRetryFor", LONG), ("EndpointPeerUser", "none"))
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(HeldServer(server.data / "acme.sock"))
        server.set("Endpoint", held.url)
        assert server.reload_and_wait()
        waiting = wait_at(server, exchange, stack, held, 2)
        assert server.reload_and_wait()
        assert is_overload(connect(stack, server).mail(*reply_from(exchange))[0])
        held.let_go()
        assert [client.answer()[0] for client in waiting] == ["d", "d"]
        assert connect(stack, server).mail(*reply_from(exchange))[0][0] == "d"


def test_what_comes_in_is_bounded_and_given_back(running, exchange):
    server = running(("MaxMemory", "1M"))
    author, recipients, data = reply_from(exchange)
    with contextlib.ExitStack() as stack:
        clients = [begin(connect(stack, server), author) for _ in range(COMING_IN)]
        for client in clients:
            client.header(data)
            client.body(b"\r\n\r\n" + b"x" * PIECE)
        answers = [client.end()[0] for client in clients]
        deferred = [client for client, answer in zip(clients, answers) if is_overload(answer)]
        assert 0 < len(deferred) < COMING_IN, answers
        assert all(answer[0] == "y" and answer[1].startswith(b"5") for answer in answers if not is_overload(answer))
        assert any(" overload reason=MaxMemory" in line for line in server.log_lines())
        for client in clients:
            assert client.mail(author, recipients, data)[0][0] == "d"  # all was given back


# Bodies, in pieces, of mails that are rejected for their form.
NO_BLOCK = {
    "words": (b"BEGIN ACME RESPONSE\r\n", b"and no more\r\n"),
    "begin-line": (b"-----BEGIN ACME RESPONSE-----\r\n", b"AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk\r\n"),
    "malformed": (b"-----BEGIN ACME RESPONSE-----\r\nAjXW\r\n-----END ACME RESPONSE-----\r\n", b"\r\n"),
    "too-large": (b"-----BEGIN ACME RESPONSE-----\r\n", *[b"x" * 70 + b"\r\n"] * 4000),
}


@pytest.mark.parametrize("kind", NO_BLOCK)
def test_a_mail_without_a_whole_block_asks_the_dns_nothing(running, new_exchange, kind):
    bad, good = new_exchange("alice@" + UNSIGNED), new_exchange("alice@" + SIGNED)
    with HeldDns() as held, contextlib.ExitStack() as stack:
        server = running(("Nameservers", held.address), ("TrustAnchorFile", "none"), ("DNSTimeout", LONG))
        client = begin(connect(stack, server), bad.author)
        client.header(bad.sign(good_reply(bad)))
        for piece in NO_BLOCK[kind]:
            client.body(b"\r\n\r\n" + piece)
        assert client.end()[0][1].startswith(b"55"), kind
        client = begin(connect(stack, server), good.author)
        data = good.sign(good_reply(good))
        client.header(data)
        client.body(data)
        first = SIGNED.partition(".")[0].encode(), UNSIGNED.partition(".")[0].encode()
        wait_for(lambda: any(first[0] in query for query, _ in held.held), "a whole block asks before the mail ends")
        assert not any(first[1] in query for query, _ in held.held)


