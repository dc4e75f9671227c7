# SPDX-License-Identifier: BSD-2-Clause
"""EndpointFormat akamu and rapidmx, through Postfix, against receivers made after those servers' sources."""
import base64
import contextlib
import shutil

import pytest

from harness import mail, milter
from harness.dns import SIGNED
from harness.other_servers import Akamu, Rapidmx
from harness.replies import assert_refused, good_reply

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def behind(mx, folder, new_milter, exchange, keys):
    """Puts a milter for one of the servers behind Postfix; the server is made with `secret`."""
    token = folder.path / "other.secret"
    token.write_text(SECRET + "\n")
    token.chmod(0o640)
    shutil.chown(token, group=milter.USER)
    records = {f"{name}._domainkey.{SIGNED}": key.txt() for name, key in keys.items()}

    @contextlib.contextmanager
    def run(kind, secret=SECRET):
        path = folder.path / "other.sock"
        path.unlink(missing_ok=True)
        more = [records] if kind is Rapidmx else []
        with kind(path, secret, [exchange.challenge], *more) as server, mx.with_milter(new_milter(
                ("EndpointFormat", kind.__name__.lower()), ("Endpoint", server.url), ("EndpointPeerUser", "none"),
                ("EndpointTokenFile", token))):
            yield server
    return run


def odd_body(exchange):
    """What a step on the way could change: dots, blanks, tabs, eight bits, a long line."""
    return "\u00a1Hola!\n.\n..two\n \ttrailing \t \n" + "x" * 900 + "\n\n" + mail.block(exchange.digest) + "\n.\n"


BOTH = pytest.mark.parametrize("kind", [Akamu, Rapidmx])


@BOTH
def test_signed_reply_makes_the_challenge_valid(behind, mx, exchange, kind):
    with behind(kind) as server:
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    assert server.states == {exchange.token: "valid"}


@BOTH
@pytest.mark.parametrize("canon", ["simple/simple", "relaxed/relaxed"])
def test_mail_of_odd_lines_makes_the_challenge_valid(behind, mx, exchange, kind, canon):
    """rapidmx verifies the signature again, on what it was sent: not a byte may differ."""
    reply = good_reply(exchange, body=odd_body(exchange), Content_Type="text/plain; charset=utf-8",
                       Content_Transfer_Encoding="8bit", Subject=f"Re:\n\tACME:   {exchange.token}")
    reply.add("X-Odd", "  two blanks before,\n  folded,\tand \t one behind ")
    data = exchange.sign(reply, canon=canon)
    with behind(kind) as server:
        answer = mx.send(exchange, data)
    assert answer.code == 250 and server.states == {exchange.token: "valid"}, (str(answer), server.requests)
    assert kind is not Rapidmx or [body for _, body in server.requests] == [data]


@BOTH
def test_encoded_body_makes_the_challenge_valid(behind, mx, exchange, kind):
    body = base64.encodebytes(("Hello,\r\n" + mail.block(exchange.digest)).encode()).decode()
    reply = good_reply(exchange, body=body, Content_Transfer_Encoding="base64")
    with behind(kind) as server:
        assert mx.send(exchange, exchange.sign(reply)).code == 250
    assert server.states == {exchange.token: "valid"}


def test_akamu_gets_a_block_that_it_can_read(behind, mx, exchange):
    """It decodes no padding and takes the first block, as it stands; we read more than that."""
    reply = good_reply(exchange, body=f"{mail.BEGIN}\n{exchange.digest[:20]}\n{exchange.digest[20:]}=\n{mail.END}\n")
    with behind(Akamu) as server:
        assert mx.send(exchange, exchange.sign(reply)).code == 250
    assert server.states == {exchange.token: "valid"}


@BOTH
def test_wrong_digest_is_taken_and_fails_the_challenge(behind, mx, exchange, kind):
    with behind(kind) as server:
        assert mx.send(exchange, exchange.sign(good_reply(exchange, body=mail.block("A" * 43)))).code == 250
    assert server.states == {exchange.token: "invalid"}


@BOTH
def test_refused_reply_is_not_told(behind, mx, exchange, kind):
    with behind(kind) as server:
        assert_refused(mx, exchange, good_reply(exchange).bytes(), 550, "5.7.20", "dkim-none")
    assert server.requests == [] and server.states == {}


@BOTH
def test_secret_that_does_not_fit_keeps_the_mail(behind, mx, exchange, kind):
    with behind(kind, secret="another-secret-of-more-than-32-bytes") as server:
        answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert (answer.code, answer.enhanced) == (451, "4.3.5") and server.states == {}


def test_akamu_cannot_find_a_reply_that_names_no_mail(behind, mx, exchange):
    with behind(Akamu) as server:
        answer = mx.send(exchange, exchange.sign(good_reply(exchange, In_Reply_To=None)))
    assert (answer.code, answer.enhanced) == (550, "5.7.1") and "In-Reply-To" in answer.text and server.requests == []


def test_rapidmx_without_a_secret_refuses_all(behind, mx, exchange):
    with behind(Rapidmx, secret="") as server:
        answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert (answer.code, answer.enhanced) == (550, "5.7.1") and server.states == {}


def test_rapidmx_is_told_the_envelope(behind, mx, exchange):
    with behind(Rapidmx) as server:
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    ((headers, _),) = server.requests
    assert headers["x-envelope-from"] == exchange.author and headers["x-remote-address"] == "127.0.0.1"
    assert headers["content-type"] == "message/rfc822"
