# SPDX-License-Identifier: BSD-2-Clause
"""The whole chain behind a real Sendmail, attached to it by contrib/sendmail/acme-milter.mc as it stands."""
import contextlib
import ssl

import pytest

from harness import smtp
from harness.each_mta import BehindEachMta, RestartsBehindEachMta
from harness.mail_exchanger import MailExchanger
from harness.milter_proxy import MilterProxy
from harness.replies import assert_not_posted, assert_refused, good_reply
from harness.sendmail import Sendmail

from conftest import CA_DOMAIN


@pytest.fixture(scope="module")
def mx(folder, shared_milter, acme_server, dns_server, tls_files):
    """Sendmail sees the folder of the proxy's socket as /run/acme-milter."""
    own = type(folder)("sendmail")  # of its own: test_senders has this fixture, too
    socket_folder = own.sub("milter")
    proxy = MilterProxy(socket_folder / "milter.sock", shared_milter.socket)
    sendmail = Sendmail(own, CA_DOMAIN, socket_folder, *tls_files)
    with MailExchanger(sendmail, proxy, shared_milter, acme_server, dns_server).running() as exchanger:
        yield exchanger
    own.remove()


@pytest.fixture
def attach(folder, acme_server, dns_server, tls_files):
    """A running Sendmail of the test's own, with the folder of `server` as /run/acme-milter."""
    own = type(folder)("sendmail")
    with contextlib.ExitStack() as stack:
        stack.callback(own.remove)

        def make(server):
            sendmail = Sendmail(own, CA_DOMAIN, server.folder, *tls_files)
            return stack.enter_context(MailExchanger(sendmail, None, server, acme_server, dns_server).running())
        yield make


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


class TestSendmail(BehindEachMta, RestartsBehindEachMta):
    pass
