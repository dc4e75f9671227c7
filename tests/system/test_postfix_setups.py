# SPDX-License-Identifier: BSD-2-Clause
"""The ways in which a milter is attached to Postfix, and what becomes of mail when it goes away: each test has a real
Postfix of its own that is set up so."""
import contextlib
import smtplib
import socket
import ssl
from pathlib import Path

import pytest

from harness import smtp
from harness.each_mta import RestartsBehindEachMta
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS, MailExchanger
from harness.postfix import Postfix
from harness.process import wait_for
from harness.replies import assert_not_posted, good_reply

from test_postfix import Sending, acme_server_away

SNIPPET = Path(__file__).resolve().parents[2] / "contrib" / "postfix" / "main.cf.snippet"


@pytest.fixture
def own(folder):
    """A folder for one test's Postfix."""
    made = type(folder)("postfix")
    yield made
    made.remove()


@pytest.fixture
def attach(own, acme_server, dns_server):
    """A running Postfix with `server` as its milter; `milter_address` where it is not that of the server's socket."""
    with contextlib.ExitStack() as stack:
        def make(server, settings="", milter_address=None, **how):
            address = milter_address or f"unix:{server.socket}"
            postfix = Postfix(own, CA_DOMAIN, address, settings.format(milter=address), **how)
            return stack.enter_context(MailExchanger(postfix, None, server, acme_server, dns_server).running())
        yield make


@contextlib.contextmanager
def started(server):
    server.start()
    try:
        yield server
    finally:
        server.stop()


def kill(server):
    server.process.popen.kill()
    server.process.popen.wait()


def passes_once(mx, exchange, data):
    assert mx.send(exchange, data).code == 250
    assert mx.acme.status(exchange.challenge) == "valid"
    assert len({result["id"] for result in mx.acme.results_for(exchange.challenge)}) == 1
    assert mx.delivered(exchange) == []


# --- as contrib/postfix says


EXCLUDES_NOBODY = "smtpd_forbid_bare_newline_exclusions =\n"  # the default is $mynetworks, where these tests are

def test_snippet_as_it_stands(own, acme_server, dns_server, exchange, new_milter):
    server = new_milter()
    postfix = Postfix(own, CA_DOMAIN, None, SNIPPET.read_text() + EXCLUDES_NOBODY, bound=[(server.folder, "/run/acme-milter")])
    with started(server), MailExchanger(postfix, None, server, acme_server, dns_server).running() as mx:
        data = exchange.sign(good_reply(exchange))
        kill(server)
        assert mx.send(exchange, data).code == 451
        assert_not_posted(mx, exchange)
        server.start()
        passes_once(mx, exchange, data)
        assert answers_to_bare_newlines(postfix.port) == [550, 221]


def answers_to_bare_newlines(port):
    """The codes for a mail that holds a second one behind a line break that is none, and for QUIT."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        lines = client.makefile("rb")
        lines.readline()
        for command in ("HELO x", "MAIL FROM:<>", f"RCPT TO:<{CHALLENGE_ADDRESS}>", "DATA"):
            client.sendall(command.encode() + b"\r\n")
            assert lines.readline()[:1] in b"23", command
        client.sendall(b"Subject: x\r\n\r\ny\n.\nMAIL FROM:<>\r\n.\r\n")
        first = lines.readline()
        client.sendall(b"QUIT\r\n")
        return [int(line[:3]) for line in (first, *lines)]


# --- the milter goes away


@pytest.mark.parametrize("action, code", [("tempfail", 451), ("accept", 250)])
def test_default_action_while_the_milter_is_gone(attach, exchange, new_milter, action, code):
    """accept is dangerous, as doc/acme-milter.8 says: an unsigned reply is taken and nobody hears of it."""
    server = new_milter()
    with started(server):
        mx = attach(server, f"milter_default_action = {action}\n")
        kill(server)
        answer = mx.send(exchange, good_reply(exchange))
        assert answer.code == code, str(answer)
        assert mx.delivered(exchange) == ([CHALLENGE_ADDRESS] if action == "accept" else [])
        assert_not_posted(mx, exchange)


def test_milter_default_action_reject_turns_all_mail_away(attach, new_milter):
    server = new_milter()
    with started(server):
        mx = attach(server, "milter_default_action = reject\n")
        kill(server)
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtp.connect(mx.mta.port)
        assert refused.value.smtp_code == 554


def test_milter_killed_while_it_waits_for_the_acme_server(attach, exchange, new_milter):
    server = new_milter(("EndpointRetryFor", "60s"), ("EndpointPeerUser", "none"))
    data = exchange.sign(good_reply(exchange))
    with started(server):
        mx = attach(server)
        with acme_server_away(mx) as attempted:
            sending = Sending(mx, exchange, data)
            attempted()
            kill(server)
            assert sending.answer().code == 451
        server.start()
        passes_once(mx, exchange, data)


class TestPostfix(RestartsBehindEachMta):
    pass


# --- what the MTA tells of a mail


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_version_is_in_the_result(attach, tls_files, exchange, shared_milter, version, name):
    certificate, key = tls_files
    mx = attach(shared_milter, f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}\n"
                               f"smtpd_tls_key_file = {key}\n")
    connection = smtp.connect(mx.mta.port, tls=version)
    assert mx.send(exchange, exchange.sign(good_reply(exchange)), connection=connection).code == 250
    connection.close()
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["smtp"]["tlsVersion"] == name
    assert result["smtp"]["queueId"] == mx.queue_id()
    assert f"{mx.queue_id()}: reply " in shared_milter.wait_reply_line(exchange.token)


def test_R25_long_fields_are_judged(attach, exchange, shared_milter):
    """Postfix takes a field of 100 kB (header_size_limit), which is more than milters are usually sent at once."""
    mx = attach(shared_milter)
    reply = good_reply(exchange, X_Long="\n ".join(1300 * ["x" * 68]))
    answer = mx.send(exchange, exchange.sign(reply, canon="simple/simple"))
    assert answer.code == 250, str(answer)
    assert mx.acme.status(exchange.challenge) == "valid"


# --- milter_protocol


BLANKS = {"blank": b"References: ", "tab": b"References:\t", "fold": b"References:\r\n ", "nothing": b"References:"}


@pytest.mark.parametrize("protocol", [2, 3, 4, 6])
def test_blanks_after_the_colon_by_milter_protocol(attach, new_exchange, new_milter, protocol):
    """What the manual says of it: below 6 a signature with simple canonicalization is lost unless one blank follows."""
    server = new_milter()
    with started(server):
        mx = attach(server, f"milter_protocol = {protocol}\n")
        codes = {}
        for canon in ("simple/simple", "relaxed/relaxed"):
            for name, start in BLANKS.items():
                exchange = new_exchange()
                data = good_reply(exchange).bytes().replace(b"References: ", start)
                codes[name, canon[:6]] = mx.send(exchange, exchange.sign(data, canon=canon)).code
        lost = [key for key, code in codes.items() if code == 550]
        assert lost == ([] if protocol == 6 else [("tab", "simple"), ("fold", "simple"), ("nothing", "simple")]), codes
        assert set(codes.values()) <= {250, 550}
        told = [line for line in server.log_lines() if " mta reason=leading-blanks lost=" in line]
        assert len(told) == (protocol < 6)


# --- mail that did not come by SMTP


LOCAL_MAIL = "non_smtpd_milters = {milter}\n"


def test_reply_given_to_sendmail_is_judged_as_one_from_this_host(attach, exchange, shared_milter):
    mx = attach(shared_milter, LOCAL_MAIL)
    mx.mta.inject(exchange.author, [CHALLENGE_ADDRESS], exchange.sign(good_reply(exchange)))
    line = shared_milter.wait_reply_line(exchange.token)
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["smtp"] == {"clientAddress": "127.0.0.1", "clientName": "localhost", "helo": "localhost",
                              "mailFrom": exchange.author, "queueId": line.split()[2].rstrip(":"), "tlsVersion": None}
    assert mx.acme.status(exchange.challenge) == "valid" and mx.delivered(exchange) == []


def test_unsigned_reply_given_to_sendmail_is_bounced(attach, exchange, shared_milter):
    mx = attach(shared_milter, LOCAL_MAIL)
    mx.mta.inject("bob@" + CA_DOMAIN, [CHALLENGE_ADDRESS], good_reply(exchange).bytes())
    shared_milter.wait_reply_line(exchange.token)
    wait_for(lambda: mx.delivered(exchange), "the bounce")
    assert mx.delivered(exchange) == ["bob@" + CA_DOMAIN]
    assert_not_posted(mx, exchange)


def test_reply_given_to_sendmail_waits_for_the_milter(attach, exchange, new_milter):
    server = new_milter()
    with started(server):
        mx = attach(server, LOCAL_MAIL)
        kill(server)
        mx.mta.inject(exchange.author, [CHALLENGE_ADDRESS], exchange.sign(good_reply(exchange)))
        wait_for(lambda: "4.3.0" in mx.mta.log() or "4.7.1" in mx.mta.log(), "it is put off")
        assert_not_posted(mx, exchange)
        server.start()
        mx.mta.try_again()
        server.wait_reply_line(exchange.token)
        wait_for(lambda: mx.acme.status(exchange.challenge) == "valid", "the challenge is valid")
        assert mx.delivered(exchange) == []


def test_reply_given_to_sendmail_passes_unjudged_without_non_smtpd_milters(attach, exchange, shared_milter):
    mx = attach(shared_milter)
    mx.mta.inject(exchange.author, [CHALLENGE_ADDRESS], good_reply(exchange).bytes())
    wait_for(lambda: mx.delivered(exchange), "it is delivered")
    assert_not_posted(mx, exchange)
