# SPDX-License-Identifier: BSD-2-Clause
"""MaxConcurrentReplies and MaxMemory over the socket: who trickles in stops nobody, a reload begins no new count, and what is
beyond a limit is deferred, never lost."""
import concurrent.futures
import contextlib
import fcntl
import select
import signal
import termios

import pytest

from harness.dns import SIGNED, UNSIGNED
from harness.held import HeldDns, HeldServer
from harness.mail_exchanger import CHALLENGE_ADDRESS
from harness.milter_client import MilterClient
from harness.process import unix_socket_answers, wait_for
from harness.replies import good_reply

LONG = "300s"
STOPPING = 64  # the default of MaxConcurrentReplies
COMING_IN, PIECE = 24, 60000
BUSY, ROUNDS = 12, 12


def reply_from(exchange):
    return exchange.author, [CHALLENGE_ADDRESS], exchange.sign(good_reply(exchange))


def connect(stack, server):
    return stack.enter_context(MilterClient(server.socket)).negotiate().greet()


def begin(client, author):
    assert client.envelope(author, [CHALLENGE_ADDRESS])[0] == "c"
    return client


def end_reply(client, exchange):
    """A whole reply, whose answer is not waited for."""
    author, _, data = reply_from(exchange)
    begin(client, author).header(data)
    client.body(data)
    client.packet("E")
    return client


def is_overload(answer):
    return answer[0] == "y" and answer[1].startswith(b"451 4.3.2 ")


def wait_at(server, exchange, stack, held, count):
    """As many replies, each of which waits for the ACME server."""
    clients = [end_reply(connect(stack, server), exchange) for _ in range(count)]
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
        third = end_reply(connect(stack, server), exchange)
        wait_for(lambda: len(held.asked) > 2 or select.select([third.socket], [], [], 0)[0], "the third is answered, or waits")
        assert len(held.asked) == 2
        assert is_overload(third.answer())
        held.let_go()
        assert [client.answer()[0] for client in waiting] == ["d", "d"]
        assert connect(stack, server).mail(*reply_from(exchange))[0][0] == "d"


def is_read(client):
    """Whether the milter has read all that the client sent."""
    return fcntl.ioctl(client.socket, termios.TIOCOUTQ, bytes(4)) == bytes(4)


def test_what_comes_in_is_bounded_and_given_back(running, exchange):
    server = running(("MaxMemory", "1M"))
    author, recipients, data = reply_from(exchange)
    with contextlib.ExitStack() as stack:
        clients = [begin(connect(stack, server), author) for _ in range(COMING_IN)]
        for client in clients:
            client.header(data)
            client.body(b"\r\n\r\n" + b"x" * PIECE)
        # No body is answered: an end that overtakes the others' bodies would give memory back before they come.
        wait_for(lambda: all(is_read(client) for client in clients), "all bodies are read")
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




def converse(server, exchange, rounds):
    """Connections of one after the other: whole mails, and what ends before. The answers of the whole ones."""
    author, recipients, data = reply_from(exchange)
    answers = []
    for number in rounds:
        with contextlib.ExitStack() as stack:
            client = connect(stack, server)
            if number % 4:
                begin(client, author)
            if number % 4 > 1:
                client.header(data)
                client.body(data if number % 4 == 2 else b"\r\n\r\n" + b"x" * PIECE)
            if number % 2 == 0:
                client.packet("A")
                answers.append(client.mail(author, recipients, data)[0])
    return answers


def test_storm_of_connections_and_reloads_then_an_end(running, exchange):
    """Limits that change at each reload, mails that stop at each step, and an end while replies wait."""
    server = running(("EndpointTimeout", LONG), ("EndpointPeerUser", "none"), ("MaxMemory", "1M"))
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(HeldServer(server.data / "acme.sock"))
        server.set("Endpoint", held.url)
        assert server.reload_and_wait()
        held.let_go()
        with concurrent.futures.ThreadPoolExecutor(BUSY) as pool:
            busy = [pool.submit(converse, server, exchange, range(first, first + ROUNDS)) for first in range(BUSY)]
            for most in range(2, 1000):
                server.set("MaxConcurrentReplies", str(2 + most % 3))
                assert server.reload_and_wait()
                if most > 4 and all(each.done() for each in busy):
                    break
        answers = [answer for each in busy for answer in each.result()]
        assert len(answers) == BUSY * ROUNDS / 2
        assert all(answer[0] == "d" or is_overload(answer) for answer in answers), answers
        held.hold()
        waiting = wait_at(server, exchange, stack, held, 2)
        server.process.send(signal.SIGTERM)
        wait_for(lambda: not unix_socket_answers(server.socket), "nobody is let in any more")
        held.let_go()
        assert [client.answer()[0] for client in waiting] == ["d", "d"]
        assert server.process.popen.wait(60) == 0
