# SPDX-License-Identifier: BSD-2-Clause
"""The milter protocol without an MTA: what Postfix and Sendmail say only now and then, and what neither would."""
import signal

import pytest

from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from harness.milter_client import MilterClient
from harness.process import unix_socket_answers, wait_for
from harness.replies import good_reply


@pytest.fixture
def server(new_milter):
    made = new_milter()
    made.start()
    yield made
    made.stop()


def test_sigterm_lets_a_mail_end_that_is_still_being_sent(server, exchange, acme_server):
    data = exchange.sign(good_reply(exchange))
    with MilterClient(server.socket) as client:
        client.negotiate().greet()
        assert client.envelope(exchange.author, [CHALLENGE_ADDRESS])[0] == "c"
        client.header(data)
        server.process.send(signal.SIGTERM)
        wait_for(lambda: not unix_socket_answers(server.socket), "no new connections are taken")
        client.body(data)
        assert client.end() == (("d", b""), [])
    assert server.stop() == 0
    assert acme_server.status(exchange.challenge) == "valid"
    assert "stopped" in server.log_lines()[-1] and "drain-timeout" not in server.log_lines()[-1]


def test_reply_that_begins_while_the_milter_ends_is_put_off(server, new_exchange, acme_server):
    first, second = new_exchange(), new_exchange()
    data = first.sign(good_reply(first))
    with MilterClient(server.socket) as client, MilterClient(server.socket) as late:
        client.negotiate().greet()
        late.negotiate().greet()
        assert client.envelope(first.author, [CHALLENGE_ADDRESS])[0] == "c"
        server.process.send(signal.SIGTERM)
        wait_for(lambda: not unix_socket_answers(server.socket), "no new connections are taken")
        verdict, edits = late.mail(second.author, [CHALLENGE_ADDRESS], second.sign(good_reply(second)))
        assert verdict[0] == "y" and verdict[1].startswith(b"451 4.3.2 ") and edits == []
        assert late.mail(second.author, ["bob@" + CA_DOMAIN], b"Subject: x\r\n\r\n") == (("a", b""), [])
        client.header(data)
        client.body(data)
        assert client.end() == (("d", b""), [])
    assert server.stop() == 0
    assert acme_server.status(first.challenge) == "valid" and acme_server.status(second.challenge) == "pending"
