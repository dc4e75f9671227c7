# SPDX-License-Identifier: BSD-2-Clause
"""What must hold behind every MTA; section 8 of the contract among it. A test file with a fixture mx inherits it."""
from . import mail, smtp
from .dns import BOGUS, SIGNED
from .mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from .replies import assert_not_posted, good_reply

BOB, CAROL = "bob@" + CA_DOMAIN, "carol@" + CA_DOMAIN


class BehindEachMta:
    def test_mail_to_others_crosses_no_socket(self, mx, exchange):
        other = "untouched@" + CA_DOMAIN
        forged = good_reply(exchange).set("To", other)  # looks like a reply, is not for a challenge address
        assert mx.send(exchange, forged, recipients=other).code == 250
        assert mx.delivered(exchange) == [other]
        (message,) = mx.proxy.messages_to(other)
        assert message.from_mta["R"] <= 1 and message.from_mta["T"] <= 1
        for letter in "LNBE":
            assert message.from_mta[letter] == 0, message.from_mta
        assert mx.milter.reply_lines(exchange.token) == []
        # The same proxy does see them when the mail is for the milter: the zero above is not the proxy's.
        recipient = CHALLENGE_ADDRESS
        before = len(mx.proxy.messages_to(recipient))
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
        counts = mx.proxy.messages_to(recipient)[before].from_mta
        assert counts["L"] >= 10 and counts["N"] == 1 and counts["B"] >= 1 and counts["E"] == 1

    def test_mixed_recipients_get_their_copy_when_the_reply_passes(self, mx, exchange):
        answer = mx.send(exchange, exchange.sign(good_reply(exchange)), recipients=[BOB, CHALLENGE_ADDRESS, CAROL])
        assert answer.code == 250, str(answer)
        assert mx.delivered(exchange) == [BOB, CAROL]
        assert mx.acme.status(exchange.challenge) == "valid"

    def test_mixed_recipients_are_refused_together(self, mx, exchange):
        answer = mx.send(exchange, good_reply(exchange), recipients=[BOB, CHALLENGE_ADDRESS])
        assert (answer.code, answer.enhanced) == (550, "5.7.20"), str(answer)
        assert mx.delivered(exchange) == []
        assert_not_posted(mx, exchange)

    def test_mails_of_one_connection_are_strangers_to_each_other(self, mx, new_exchange):
        connection = smtp.connect(mx.mta.port)
        try:
            for _ in range(2):
                good, bad, other = new_exchange(), new_exchange(), new_exchange()
                assert mx.send(bad, good_reply(bad), connection=connection).code == 550
                assert mx.send(good, good.sign(good_reply(good)), connection=connection).code == 250
                assert mx.send(other, good_reply(other), recipients=BOB, connection=connection).code == 250
                connection.docmd("MAIL", f"FROM:<{good.author}>")
                connection.docmd("RCPT", f"TO:<{CHALLENGE_ADDRESS}>")
                connection.rset()
                assert mx.acme.status(good.challenge) == "valid"
                assert_not_posted(mx, bad)
                assert mx.delivered(other) == [BOB]
        finally:
            connection.close()

    def test_delivered_reply_carries_our_results_and_no_forged_ones(self, mx, exchange, new_milter):
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
        assert not any("forged.acme-lab.net" in value for value in fields)
        assert any(value.startswith("other.acme-lab.net") for value in fields)
        (ours,) = [value for value in fields if value.startswith("mx." + CA_DOMAIN)]
        assert "dkim=pass" in ours and SIGNED in ours

    def test_R48_bogus_answers_are_temporary(self, mx, new_exchange):
        exchange = new_exchange("alice@" + BOGUS)
        answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
        assert answer.code == 451 and answer.enhanced in ("4.4.3", "4.7.5"), str(answer)
        assert_not_posted(mx, exchange)

    def test_large_reply_is_refused(self, mx, exchange):
        data = exchange.sign(good_reply(exchange, body=mail.block(exchange.digest) + ("y" * 70 + "\n") * 4000))
        answer = mx.send(exchange, data)
        assert (answer.code, answer.enhanced) == (552, "5.3.4"), str(answer)
        assert_not_posted(mx, exchange)

    def test_acme_server_outage_is_temporary(self, mx, exchange):
        data = exchange.sign(good_reply(exchange))
        mx.acme.stop()
        try:
            answer = mx.send(exchange, data)
            assert (answer.code, answer.enhanced) == (451, "4.3.0"), str(answer)
        finally:
            mx.acme.start()
        answer = mx.send(exchange, data)
        assert answer.code == 250, str(answer)
        assert mx.acme.status(exchange.challenge) == "valid"
