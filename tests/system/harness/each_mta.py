# SPDX-License-Identifier: BSD-2-Clause
"""What must hold behind every MTA; section 8 of the contract among it. A test file with a fixture mx, or one with a
fixture attach, inherits it."""
import queue
import signal
import smtplib
import threading

from . import mail, smtp
from .dns import BOGUS, SIGNED
from .mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from .process import DEADLINE
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

    def test_detail_of_the_acme_server_keeps_its_percent_signs(self, mx, exchange, canned):
        detail = "Ask at https://ca.acme-lab.net/a%20b: 100% sure %d %s %%"
        canned("410:" + detail)
        answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
        assert (answer.code, answer.enhanced) == (550, "5.7.1"), str(answer)
        assert answer.text.endswith(detail), str(answer)

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


class Load:
    """Senders that send what is added, again and again until it is taken, and what they were told."""

    def __init__(self, mx, senders=4):
        self.mx = mx
        self.told = []  # (mail, code), as they come; 0: the server went away without an answer
        self.waiting = queue.SimpleQueue()
        self.changed = threading.Condition()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send_all) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def add(self, mails):
        """A mail is (exchange, data)."""
        for each in mails:
            self.waiting.put(each)

    def _send_all(self):
        while (each := self.waiting.get()) and not self.over.is_set():
            code = self._send(*each)
            with self.changed:
                self.told.append((each, code))
                self.changed.notify_all()
            if code // 100 == 4:
                self.over.wait(0.05)
                self.waiting.put(each)

    def _send(self, exchange, data):
        try:
            return self.mx.send(exchange, data).code
        except OSError as error:  # smtplib's are of this kind
            return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0

    def count(self, kind):
        return sum(code // 100 == kind for _, code in self.told)

    def wait(self, kind, count, deadline=DEADLINE):
        """Until `count` answers of that kind, 2 or 4, have come, or one that nobody should hear."""
        with self.changed:
            self.changed.wait_for(lambda: self.count(kind) >= count or self.count(5) or self.count(0), deadline)
        assert self.count(kind) >= count, [code for _, code in self.told]

    def last_taken(self):
        return [mail for mail, code in self.told if code == 250][-1]

    def codes(self, exchange):
        return [code for mail, code in self.told if mail[0] is exchange]

    def end(self):
        self.over.set()
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            thread.join()


class RestartsBehindEachMta:
    """attach: starts the MTA with a milter of ours, without a proxy between, and returns the MailExchanger."""

    def test_R08_restarts_under_load_lose_nothing_and_count_nothing_twice(self, attach, new_exchange, running):
        server = running()
        mx = attach(server)
        batches = [[new_exchange() for _ in range(8)] for _ in range(4)]
        load = Load(mx)
        try:
            for batch, end in zip(batches, (signal.SIGTERM, signal.SIGKILL) * 2):
                self._restart_under(load, [(each, each.sign(good_reply(each))) for each in batch], server, end)
            load.wait(2, sum(len(batch) + 1 for batch in batches), deadline=120)
        finally:
            load.end()
        exchanges = sum(batches, [])
        for exchange in exchanges:
            codes = load.codes(exchange)
            assert codes[-1] == 250 and all(code == 250 or code // 100 == 4 for code in codes), codes
            assert mx.acme.status(exchange.challenge) == "valid"
            results = mx.acme.results_for(exchange.challenge)
            assert len({result["id"] for result in results}) == 1 and len(results) >= codes.count(250)
        mx.mta.wait_queue_empty()
        assert [each for each in exchanges if mx.mta.delivered(each.token.encode())] == []

    @staticmethod
    def _restart_under(load, mails, server, end):
        """The milter ends while some of the mails are under way, and is away while others come. One that was taken comes
        again, as if its sender had not heard so."""
        half = len(mails) // 2
        before = load.count(2)
        load.add(mails[:half])
        load.wait(2, before + 1)
        taken = load.last_taken()
        assert server.process.stop(end) == (0 if end == signal.SIGTERM else -end)
        # More than there are senders: one at least began its mail after the milter's end.
        before = load.count(4)
        load.add(mails[half:])
        load.wait(4, before + len(load.threads) + 1)
        server.start()
        load.add([taken])
