# SPDX-License-Identifier: BSD-2-Clause
"""The whole chain: a mail goes by SMTP to a real Postfix, which asks the real milter, which asks a real DNS and the
reference ACME server. What is judged in a mail has its own tests; here it is that each verdict arrives, and what
happens when a part of the chain fails."""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest

from harness import mail, milter, signer
from harness.dns import SIGNED, UNSIGNED
from harness.process import unix_socket_answers, wait_for
from harness.replies import assert_not_posted, assert_refused, good_reply

from conftest import CHALLENGE_ADDRESS


# --- a reply that passes


@pytest.mark.parametrize("key", ["rsa2048", "ed25519"])
def test_R25_signed_reply_passes(mx, exchange, key):
    answer = mx.send(exchange, exchange.sign(good_reply(exchange), key=key))
    assert (answer.code, answer.stage) == (250, "DATA"), str(answer)
    assert mx.acme.status(exchange.challenge) == "valid"
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["verdict"] == "pass" and result["reason"] is None
    assert result["from"] == exchange.author and result["challengeAddress"] == CHALLENGE_ADDRESS
    assert result["digest"] == exchange.digest and result["tokenPart1"] == exchange.token
    assert result["dkim"]["domain"] == SIGNED and result["dkim"]["selector"] == key
    assert result["dkim"]["algorithm"] == {"rsa2048": "rsa-sha256", "ed25519": "ed25519-sha256"}[key]
    assert result["dkim"]["dnssec"] == "secure" and result["dmarc"]["dnssec"] == "secure"
    assert (result["dmarc"]["result"], result["dmarc"]["policy"]) == ("pass", "reject")
    assert result["assurance"] == {"dkimKeyDnssec": True, "dmarcDnssec": True, "policyEnforced": True,
                                   "fullHeaderCoverage": True}
    assert result["smtp"]["clientAddress"] == "127.0.0.1" and result["smtp"]["mailFrom"] == exchange.author
    assert result["smtp"]["queueId"] == mx.queue_id() and result["smtp"]["helo"] == "mail.acme-lab.net"
    # The default disposition: taken, and in nobody's mailbox.
    assert mx.delivered(exchange) == []


def test_R25_pass_is_one_line_in_the_log(mx, exchange):
    assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    line = mx.milter.wait_reply_line(exchange.token)
    assert len(mx.milter.reply_lines(exchange.token)) == 1
    assert f"{mx.queue_id()}: reply " in line
    words = milter.logfmt(line)
    assert {name: words[name] for name in ("verdict", "from", "domain", "selector", "algorithm", "dmarc", "policy",
                                           "dnssec", "endpoint")} == {
        "verdict": "pass", "from": exchange.author, "domain": SIGNED, "selector": "rsa2048",
        "algorithm": "rsa-sha256", "dmarc": "pass", "policy": "reject", "dnssec": "secure", "endpoint": "200"}
    # The keys and their order are the contract's; what it does not have stands behind them.
    assert list(words)[-16:] == ["verdict", "from", "domain", "selector", "algorithm", "dmarc", "policy", "dnssec", "token",
                                 "endpoint", "dns_ms", "endpoint_ms", "total_ms", "findings", "id", "to"]
    assert exchange.token not in mx.milter.log().decode()  # LogTokens is off


def test_idempotency_key_and_content_type(mx, exchange):
    assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    (request,) = [each for each in mx.acme.requests() if exchange.token in each["body"]]
    assert request["headers"]["content-type"] == "application/json"
    assert request["headers"]["idempotency-key"] == f'"{json.loads(request["body"])["id"]}"'


def test_short_key_and_unsigned_zone_are_findings_not_reasons(mx, new_exchange):
    exchange = new_exchange("alice@" + UNSIGNED)
    assert mx.send(exchange, exchange.sign(good_reply(exchange), key="rsa1024")).code == 250
    (result,) = mx.acme.results_for(exchange.challenge)
    assert {"dkim-key-1024", "dnssec-none"} <= {finding["id"] for finding in result["findings"]}
    assert result["dkim"]["dnssec"] == "insecure" and result["dkim"]["keyBits"] == 1024


@pytest.mark.parametrize("canon", ["simple/simple", "relaxed/simple", "simple/relaxed"])
def test_R25_bytes_reach_the_verifier_as_they_were_sent(mx, exchange, canon):
    reply = good_reply(exchange)
    reply.add("Subject", reply.get("Subject").replace("ACME: ", "ACME:\n  "), first=True)
    reply.fields = [field for number, field in enumerate(reply.fields) if number == 0 or field[0] != "Subject"]
    reply.body += "\ntext  with   blanks  \n\n\n"
    data = reply.bytes().replace(b"Date: ", b"Date:   ").replace(b"To: ", b"To:", 1)
    answer = mx.send(exchange, exchange.sign(data, canon=canon))
    assert answer.code == 250, str(answer)


# --- replies that are refused


def test_R25_unsigned_reply_is_refused(mx, exchange):
    assert_refused(mx, exchange, good_reply(exchange), 550, "5.7.20", "dkim-none")


@pytest.mark.parametrize("author, signed_by", [
    ("alice@sub." + SIGNED, SIGNED),     # the parent: a DMARC pass in relaxed mode, and still not RFC 8823's
    ("alice@" + SIGNED, UNSIGNED),
])
def test_R28_unaligned_signature_is_refused(mx, new_exchange, author, signed_by):
    exchange = new_exchange(author)
    data = exchange.sign(good_reply(exchange), domain=signed_by)
    assert_refused(mx, exchange, data, 550, "5.7.22", "dkim-unaligned")


def test_R28_signature_of_a_subdomain_is_refused(mx, dns_server, keys, exchange):
    dns_server.add(f"rsa2048._domainkey.child.{SIGNED}", keys["rsa2048"].txt())
    dns_server.reload()
    data = exchange.sign(good_reply(exchange), domain="child." + SIGNED)
    assert_refused(mx, exchange, data, 550, "5.7.22", "dkim-unaligned")


@pytest.mark.parametrize("part, instead", [
    (b"RESPONSE-----\r\n", b"RESPONSE-----\r\n "),
    (b"Re: ACME:", b"Re: [x] ACME:"),
    (b"Content-Type: text/plain", b"Content-Type: text/plain; x=y"),
])
def test_R25_reply_changed_after_signing_is_refused(mx, exchange, part, instead):
    data = exchange.sign(good_reply(exchange), canon="relaxed/simple")
    assert part in data
    assert_refused(mx, exchange, data.replace(part, instead), 550, "5.7.20", "dkim-fail")


def test_R25_key_that_does_not_exist_is_refused_for_good(mx, exchange):
    data = exchange.sign(good_reply(exchange), selector="nothing")
    assert_refused(mx, exchange, data, 550, "5.7.20", "dkim-fail")


def test_R26_subject_must_be_signed(mx, exchange):
    fields = [name for name in signer.REPLY_FIELDS if name != "Subject"]
    assert_refused(mx, exchange, exchange.sign(good_reply(exchange), fields=fields), 550, "5.7.21",
                   "dkim-coverage-core")


def test_R38_reply_through_a_list_is_refused(mx, exchange):
    data = exchange.sign(good_reply(exchange, List_Id="<people.acme-lab.net>"))
    assert_refused(mx, exchange, data, 550, "5.7.1", "list-field")


def test_R40_reply_without_a_block_is_refused(mx, exchange):
    data = exchange.sign(good_reply(exchange, body="I am on holiday.\n"))
    assert_refused(mx, exchange, data, 550, "5.6.0", "block-missing")


def test_real_sha1_signature_is_refused(mx, exchange, keys):
    data = signer.sign_sha1_with_opendkim(good_reply(exchange).bytes(), keys["rsa2048"], SIGNED, "rsa2048")
    assert_refused(mx, exchange, data, 550, "5.7.21", "dkim-algorithm")


def test_body_length_limit_is_refused(mx, exchange):
    data = exchange.sign(good_reply(exchange), length=True)
    assert_refused(mx, exchange, data, 550, "5.7.21", "dkim-body-length")


# --- what the ACME server says


def test_R49_wrong_digest_hears_the_acme_servers_words(mx, exchange):
    reply = mail.reply(exchange.challenge, "A" * 43)
    answer = mx.send(exchange, exchange.sign(reply))
    assert (answer.code, answer.enhanced) == (550, "5.7.1")
    assert "the digest does not belong to this challenge" in answer.text
    assert mx.acme.status(exchange.challenge) == "invalid"


def test_unknown_token_hears_the_acme_servers_words(mx, exchange):
    stranger = dict(exchange.challenge, tokenPart1="A" * 32)
    answer = mx.send(exchange, exchange.sign(mail.reply(stranger, exchange.digest)))
    assert (answer.code, answer.enhanced) == (550, "5.7.1")
    assert "no challenge has this token" in answer.text


@pytest.mark.parametrize("canned_answer, code, enhanced, text", [
    ("404:This challenge is not known here", 550, "5.7.1", "This challenge is not known here"),
    ("409:zwölf\r\n250 2.0.0 Ok\x1b[1m", 550, "5.7.1", None),
    ("422", 550, "5.7.1", "as asked by --answer"),
    ("401", 451, "4.3.5", None),
    ("403", 451, "4.3.5", None),
    ("429", 451, "4.3.0", None),
    ("503", 451, "4.3.0", None),
    ("202", 250, "2.0.0", None),
    ("204", 250, "2.0.0", None),
])
def test_answer_of_the_acme_server_decides(mx, canned, exchange, canned_answer, code, enhanced, text):
    canned(canned_answer)
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert (answer.code, answer.enhanced) == (code, enhanced), str(answer)
    assert re.fullmatch(r"[ -~]*", answer.text)
    if text:
        assert text in answer.text


def test_detail_is_cut_to_200_characters(mx, canned, exchange):
    canned("410:" + "d" * 1000)
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert answer.code == 550 and "d" * 180 in answer.text and "d" * 201 not in answer.text


def test_R08_same_mail_again_is_the_same_result(mx, exchange):
    data = exchange.sign(good_reply(exchange))
    assert mx.send(exchange, data).code == 250
    assert mx.send(exchange, data).code == 250
    first, second = mx.acme.results_for(exchange.challenge)
    assert first["id"] == second["id"] and len(first["id"]) == 43
    assert mx.acme.status(exchange.challenge) == "valid"


# --- outages: the sender's MTA keeps the mail, and it passes when all is back


def test_dns_outage_is_temporary(mx, new_exchange, dns_server, new_milter, keys):
    domain = "outage." + SIGNED
    dns_server.add(f"rsa2048._domainkey.{domain}", keys["rsa2048"].txt())
    dns_server.add(f"_dmarc.{domain}", "v=DMARC1; p=reject")
    dns_server.reload()
    exchange = new_exchange("alice@" + domain)
    data = exchange.sign(good_reply(exchange))
    with mx.with_milter(new_milter(("DNSTimeout", "2s"))):
        dns_server.stop()
        try:
            answer = mx.send(exchange, data)
            assert (answer.code, answer.enhanced[0]) == (451, "4"), str(answer)
            assert_not_posted(mx, exchange)
        finally:
            dns_server.start()
        answers = []

        def passes():  # as a sender's MTA tries again
            answers.append(mx.send(exchange, data).code)
            return answers[-1] == 250
        wait_for(passes, "the same mail passes", deadline=120)
        assert set(answers) <= {451, 250}
    assert mx.acme.status(exchange.challenge) == "valid"


def test_silent_dns_is_temporary_within_the_deadline(mx, exchange, dns_server, new_milter):
    with mx.with_milter(new_milter(("DNSTimeout", "1s"))) as server:
        dns_server.pause()
        try:
            answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
        finally:
            dns_server.resume()
        assert (answer.code, answer.enhanced) == (451, "4.7.5"), str(answer)
        assert milter.logfmt(server.wait_reply_line(exchange.token))["verdict"] == "temperror"
    assert_not_posted(mx, exchange)


class Sending:
    """A mail that is on its way while a test goes on."""

    def __init__(self, mx, exchange, data):
        self.answers = []
        self.thread = threading.Thread(target=lambda: self.answers.append(mx.send(exchange, data)))
        self.thread.start()

    def answer(self):
        self.thread.join(120)
        return self.answers[0]


@contextlib.contextmanager
def acme_server_away(mx):
    """Yields a function that waits for the milter's first attempt at an ACME server that is not there. Who stands in
    its place takes that one connection, says nothing, and is not of the server's user."""
    mx.acme.stop()
    try:
        with socket.socket(socket.AF_UNIX) as stand_in:
            stand_in.bind(str(mx.acme.socket))
            os.chmod(mx.acme.socket, 0o666)
            stand_in.listen(1)
            stand_in.settimeout(60)
            yield lambda: stand_in.accept()[0].close()
    finally:
        mx.acme.start()


def test_restart_of_the_acme_server_is_ridden_out(mx, exchange, new_milter):
    with mx.with_milter(new_milter(("EndpointRetryFor", "60s"), ("EndpointPeerUser", "none"))):
        with acme_server_away(mx) as attempted:
            sending = Sending(mx, exchange, exchange.sign(good_reply(exchange)))
            attempted()
        assert sending.answer().code == 250
    assert mx.acme.status(exchange.challenge) == "valid"


def test_sigterm_lets_the_mail_under_way_end(mx, exchange, new_milter):
    server = new_milter(("EndpointRetryFor", "60s"), ("EndpointPeerUser", "none"))
    with mx.with_milter(server):
        with acme_server_away(mx) as attempted:
            sending = Sending(mx, exchange, exchange.sign(good_reply(exchange)))
            attempted()
            server.process.send(signal.SIGTERM)
            wait_for(lambda: not unix_socket_answers(server.socket), "no new connections are taken")
        answer = sending.answer()
        assert answer.code == 250, str(answer)
        assert server.stop() == 0
    assert mx.acme.status(exchange.challenge) == "valid"


def test_stranger_on_the_socket_is_told_nothing(mx, exchange, new_milter):
    """EndpointPeerUser: who took the ACME server's place does not get the digest."""
    heard = []
    mx.acme.stop()
    try:
        with socket.socket(socket.AF_UNIX) as stranger, mx.with_milter(new_milter(("EndpointRetryFor", "1s"))):
            stranger.bind(str(mx.acme.socket))
            os.chmod(mx.acme.socket, 0o666)
            stranger.listen(8)

            def listen():
                while True:
                    try:
                        connection, _ = stranger.accept()
                    except OSError:
                        return
                    with connection:
                        heard.append(connection.recv(4096))
            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
            stranger.shutdown(socket.SHUT_RDWR)
            listener.join(30)
    finally:
        mx.acme.start()
    assert answer.code == 451
    assert b"".join(heard) == b""
    assert_not_posted(mx, exchange)
