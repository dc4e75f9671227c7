# SPDX-License-Identifier: BSD-2-Clause
"""The whole chain behind a real Sendmail, attached to it by contrib/sendmail/acme-milter.mc as it stands."""
import ssl

import pytest

from harness import smtp
from harness.dns import BOGUS, SIGNED
from harness.mail_exchanger import MailExchanger
from harness.milter_proxy import MilterProxy
from harness.replies import assert_not_posted, assert_refused, good_reply
from harness.sendmail import Sendmail

from conftest import CA_DOMAIN, CHALLENGE_ADDRESS

BOB, CAROL = "bob@" + CA_DOMAIN, "carol@" + CA_DOMAIN


@pytest.fixture(scope="module")
def mx(folder, shared_milter, acme_server, dns_server, tls_files):
    """Sendmail sees the folder of the proxy's socket as /run/acme-milter."""
    socket_folder = folder.sub("sendmail-milter")
    proxy = MilterProxy(socket_folder / "milter.sock", shared_milter.socket)
    sendmail = Sendmail(folder, CA_DOMAIN, socket_folder, *tls_files)
    with MailExchanger(sendmail, proxy, shared_milter, acme_server, dns_server).running() as exchanger:
        yield exchanger


def test_R25_signed_reply_passes(mx, exchange):
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert (answer.code, answer.stage) == (250, "DATA"), str(answer)
    assert mx.acme.status(exchange.challenge) == "valid"
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["verdict"] == "pass" and result["digest"] == exchange.digest
    assert result["smtp"] == {"clientAddress": "127.0.0.1", "clientName": "localhost", "helo": "mail.acme-lab.net",
                              "mailFrom": exchange.author, "queueId": mx.queue_id(), "tlsVersion": None}
    assert mx.delivered(exchange) == []
    line = mx.milter.wait_reply_line(exchange.token)
    assert f"{mx.queue_id()}: reply " in line


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_version_is_in_the_result(mx, exchange, version, name):
    connection = smtp.connect(mx.mta.port, tls=version)
    assert mx.send(exchange, exchange.sign(good_reply(exchange)), connection=connection).code == 250
    connection.close()
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["smtp"]["tlsVersion"] == name


@pytest.mark.parametrize("canon", ["simple/simple", "relaxed/simple", "simple/relaxed"])
def test_R25_bytes_reach_the_verifier_as_they_were_sent(mx, exchange, canon):
    reply = good_reply(exchange)
    reply.set("Subject", reply.get("Subject").replace("ACME: ", "ACME:\n  "))
    reply.body += "\n.\n..two dots\ntext  with   blanks  \n\n\n"
    data = reply.bytes().replace(b"Date: ", b"Date:   ").replace(b"To: ", b"To:", 1)
    answer = mx.send(exchange, exchange.sign(data, canon=canon))
    assert answer.code == 250, str(answer)


# --- refused, and put off


def test_R25_refusal_reaches_the_client_word_by_word(mx, exchange):
    answer = assert_refused(mx, exchange, good_reply(exchange), 550, "5.7.20", "dkim-none")
    assert answer.text.endswith("[dkim-none]")


def test_R49_wrong_digest_hears_the_acme_servers_words(mx, exchange):
    reply = good_reply(exchange, body=good_reply(exchange).body.replace(exchange.digest, "A" * 43))
    answer = mx.send(exchange, exchange.sign(reply))
    assert (answer.code, answer.enhanced) == (550, "5.7.1"), str(answer)
    assert "the digest does not belong to this challenge" in answer.text
    assert mx.acme.status(exchange.challenge) == "invalid"


def test_large_reply_is_refused(mx, exchange):
    data = exchange.sign(good_reply(exchange, body=good_reply(exchange).body + ("y" * 70 + "\n") * 4000))
    answer = mx.send(exchange, data)
    assert (answer.code, answer.enhanced) == (552, "5.3.4"), str(answer)
    assert_not_posted(mx, exchange)


def test_R48_bogus_answers_are_temporary(mx, new_exchange):
    exchange = new_exchange("alice@" + BOGUS)
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert answer.code == 451 and answer.enhanced in ("4.4.3", "4.7.5"), str(answer)
    assert_not_posted(mx, exchange)


def test_silent_dns_is_temporary(mx, exchange, dns_server, new_milter):
    data = exchange.sign(good_reply(exchange))
    with mx.with_milter(new_milter(("DNSTimeout", "1s"))):
        dns_server.pause()
        try:
            answer = mx.send(exchange, data)
        finally:
            dns_server.resume()
        assert (answer.code, answer.enhanced) == (451, "4.7.5"), str(answer)
        assert_not_posted(mx, exchange)
    answer = mx.send(exchange, data)
    assert answer.code == 250, str(answer)


def test_acme_server_outage_is_temporary(mx, exchange):
    data = exchange.sign(good_reply(exchange))
    mx.acme.stop()
    try:
        answer = mx.send(exchange, data)
        assert (answer.code, answer.enhanced) == (451, "4.3.0"), str(answer)
    finally:
        mx.acme.start()
    assert mx.send(exchange, data).code == 250
    assert mx.acme.status(exchange.challenge) == "valid"


def test_mail_is_kept_by_its_sender_while_the_milter_is_gone(mx, exchange, new_milter):
    """F=T of our snippet."""
    server = new_milter()
    data = exchange.sign(good_reply(exchange))
    with mx.with_milter(server):
        server.process.popen.kill()
        server.process.popen.wait()
        answer = mx.send(exchange, data)
        assert answer.code // 100 == 4, str(answer)
        assert_not_posted(mx, exchange)
        server.start()
        assert mx.send(exchange, data).code == 250
    assert mx.acme.status(exchange.challenge) == "valid"


# --- others' mail


def test_mail_to_others_crosses_no_socket(mx, exchange):
    other = "untouched@" + CA_DOMAIN
    forged = good_reply(exchange).set("To", other)
    assert mx.send(exchange, forged, recipients=other).code == 250
    assert mx.delivered(exchange) == [other]
    (message,) = mx.proxy.messages_to(other)
    assert message.from_mta["R"] <= 1 and message.from_mta["T"] <= 1
    for letter in "LNBE":
        assert message.from_mta[letter] == 0, message.from_mta
    before = len(mx.proxy.messages_to(CHALLENGE_ADDRESS))
    assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    counts = mx.proxy.messages_to(CHALLENGE_ADDRESS)[before].from_mta
    assert counts["L"] >= 10 and counts["N"] == 1 and counts["B"] >= 1 and counts["E"] == 1


def test_mixed_recipients_get_their_copy_when_the_reply_passes(mx, exchange):
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)), recipients=[BOB, CHALLENGE_ADDRESS, CAROL])
    assert answer.code == 250, str(answer)
    assert mx.delivered(exchange) == [BOB, CAROL]
    assert mx.acme.status(exchange.challenge) == "valid"


def test_mixed_recipients_are_refused_together(mx, exchange):
    answer = mx.send(exchange, good_reply(exchange), recipients=[BOB, CHALLENGE_ADDRESS])
    assert (answer.code, answer.enhanced) == (550, "5.7.20"), str(answer)
    assert mx.delivered(exchange) == []
    assert_not_posted(mx, exchange)


def test_mails_of_one_connection_are_strangers_to_each_other(mx, new_exchange):
    connection = smtp.connect(mx.mta.port)
    try:
        good, bad, other = new_exchange(), new_exchange(), new_exchange()
        assert mx.send(bad, good_reply(bad), connection=connection).code == 550
        assert mx.send(good, good.sign(good_reply(good)), connection=connection).code == 250
        assert mx.send(other, good_reply(other), recipients=BOB, connection=connection).code == 250
        assert mx.acme.status(good.challenge) == "valid"
        assert_not_posted(mx, bad)
        assert mx.delivered(other) == [BOB]
    finally:
        connection.close()


def test_delivered_reply_carries_our_results_and_no_forged_ones(mx, exchange, new_milter):
    forged = f"mx.{CA_DOMAIN}; dkim=pass header.d=forged.acme-lab.net"
    reply = good_reply(exchange)
    for _ in range(3):
        reply.add("Authentication-Results", forged, first=True)
    reply.add("Authentication-Results", "other.acme-lab.net; dkim=pass", first=True)
    with mx.with_milter(new_milter(("Disposition", "deliver"))):
        answer = mx.send(exchange, exchange.sign(reply))
        assert answer.code == 250, str(answer)
    assert mx.delivered(exchange) == [CHALLENGE_ADDRESS]
    fields = mx.mta.fields_of(exchange.token.encode(), "Authentication-Results")
    assert [value for value in fields if "forged.acme-lab.net" in value] == []
    assert any(value.startswith("other.acme-lab.net") for value in fields)
    (ours,) = [value for value in fields if value.startswith("mx." + CA_DOMAIN)]
    assert "dkim=pass" in ours and SIGNED in ours
