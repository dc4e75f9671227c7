# SPDX-License-Identifier: BSD-2-Clause
"""The milter protocol without an MTA: what Postfix and Sendmail say only now and then, and what neither would."""
import signal
import struct

import pytest

from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from harness.milter_client import ALL_STEPS, LEADING_BLANK, MilterClient
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


# --- versions 2 and 3, which have no DATA; the others are in test_miltertest.py


@pytest.fixture(scope="module")
def shared(new_milter):
    made = new_milter()
    made.start()
    yield made
    assert made.stop() == 0


@pytest.mark.parametrize("version, steps", [(2, 0x7f), (3, 0x17f)])
def test_R25_versions_without_data(shared, exchange, acme_server, version, steps):
    good, unsigned = exchange.sign(good_reply(exchange)), good_reply(exchange).bytes()
    with MilterClient(shared.socket, version, 0x3f, steps) as client:
        client.negotiate().greet()
        assert client.version == version
        for _ in range(2):
            assert client.envelope(exchange.author, ["bob@" + CA_DOMAIN]) == ("c", b"")
            assert client.step("L", b"From\0x\0") == "a"  # all there is to see of a mail for others
            (letter, text), edits = client.mail(exchange.author, [CHALLENGE_ADDRESS], unsigned)
            assert letter == "y" and text.startswith(b"550 5.7.20 ") and edits == []
            assert client.mail(exchange.author, [CHALLENGE_ADDRESS], good) == (("d", b""), [])
            client.packet("A")
    assert acme_server.status(exchange.challenge) == "valid"


# --- fields as they stood


@pytest.mark.parametrize("steps, canon, letter", [
    (ALL_STEPS, "simple/simple", "d"),
    (ALL_STEPS, "relaxed/simple", "d"),
    (ALL_STEPS & ~LEADING_BLANK, "relaxed/simple", "d"),
    # An MTA that cannot tell what stood before a value: it is taken to be one blank, as nearly everybody writes.
    (ALL_STEPS & ~LEADING_BLANK, "simple/simple", "y"),
])
def test_R25_leading_blanks_of_fields(shared, exchange, acme_server, steps, canon, letter):
    data = good_reply(exchange).bytes().replace(b"Date: ", b"Date:   ").replace(b"To: ", b"To:", 1)
    with MilterClient(shared.socket, steps=steps) as client:
        client.negotiate().greet()
        assert client.mail(exchange.author, [CHALLENGE_ADDRESS], exchange.sign(data, canon=canon))[0][0] == letter
    assert acme_server.status(exchange.challenge) == ("valid" if letter == "d" else "pending")


# --- who the client is


@pytest.mark.parametrize("address", ["2001:db8::1", None])
def test_client_addresses(shared, exchange, acme_server, address):
    with MilterClient(shared.socket) as client:
        client.negotiate().greet(address=address)
        assert client.mail(exchange.author, [CHALLENGE_ADDRESS], exchange.sign(good_reply(exchange)))[0][0] == "d"
    (result,) = acme_server.results_for(exchange.challenge)
    assert result["smtp"]["clientAddress"] == address


def test_macros_of_each_step(shared, exchange, acme_server):
    """The queue id of Postfix is known at DATA only, that of Sendmail at MAIL; the last one counts."""
    data = exchange.sign(good_reply(exchange))
    with MilterClient(shared.socket) as client:
        client.negotiate().greet()
        client.macros("M", i="first", tls_version="TLSv1.1")
        client.macros("T", i="4X7bQz1Yp5z")
        client.envelope(exchange.author, [CHALLENGE_ADDRESS])
        client.header(data)
        client.body(data)
        client.macros("E", i="4X7bQz1Yp5z", tls_version="TLSv1.3")
        assert client.end()[0][0] == "d"
    (result,) = acme_server.results_for(exchange.challenge)
    assert (result["smtp"]["queueId"], result["smtp"]["tlsVersion"]) == ("4X7bQz1Yp5z", "TLSv1.3")
    assert "4X7bQz1Yp5z: reply " in shared.wait_reply_line(exchange.token)


# --- what no MTA says


def packet(letter, data=b""):
    return struct.pack("!I", 1 + len(data)) + letter + data


OFFER = packet(b"O", struct.pack("!III", 6, 0x1ff, ALL_STEPS))
HOST = packet(b"C", b"mail.acme-lab.net\x004\0\x19192.0.2.1\0")
HELO = packet(b"H", b"mail.acme-lab.net\0")
MAIL = packet(b"M", b"<alice@signed.acme-lab.net>\0")
RCPT = packet(b"R", f"<{CHALLENGE_ADDRESS}>\0".encode())
DATA, END_OF_HEADER, END, ABORT, QUIT, QUIT_MAIL = (packet(letter) for letter in (b"T", b"N", b"E", b"A", b"Q", b"K"))
UNKNOWN = packet(b"U", b"NONSENSE\0")
FIELD, BODY = packet(b"L", b"Subject\0 x\0"), packet(b"B", b"text\r\n")
START = OFFER + HOST + HELO
ENVELOPE = START + MAIL + RCPT + DATA

# {mail}: a good reply from its first field to the last byte of its body.
BROKEN = {
    "nothing": b"",
    "no-length": b"\0\0",
    "length-0": struct.pack("!I", 0) + OFFER,
    "length-0-in-a-mail": ENVELOPE + FIELD + struct.pack("!I", 0) + b"{mail}" + END,
    "length-of-4-gigabytes": struct.pack("!I", 0xffffffff) + b"O",
    "length-of-2-gigabytes-in-a-mail": ENVELOPE + b"{mail}" + struct.pack("!I", 0x7fffffff) + b"B" + b"x" * 1000,
    "a-field-of-a-megabyte": ENVELOPE + packet(b"L", b"Subject\0" + b"x" * 1000000 + b"\0") + b"{mail}" + END,
    "a-body-of-a-megabyte": ENVELOPE + FIELD + END_OF_HEADER + packet(b"B", b"x" * 1000000) + END,
    "cut-off-in-a-field": ENVELOPE + FIELD[:-3],
    "cut-off-in-the-body": ENVELOPE + b"{mail}"[:-2],
    "http": b"GET / HTTP/1.0\r\n\r\n",
    "smtp": b"EHLO x\r\nMAIL FROM:<a@b>\r\n",
    "offer-of-nothing": packet(b"O") + HOST + MAIL,
    "offer-cut-off": packet(b"O", b"\0\0\0\6\0\0") + HOST + MAIL,
    "offer-twice": OFFER + OFFER + HOST + HELO + OFFER + MAIL + RCPT + DATA + OFFER + b"{mail}" + END,
    "version-0": packet(b"O", struct.pack("!III", 0, 0x1ff, ALL_STEPS)) + HOST + MAIL,
    "version-1": packet(b"O", struct.pack("!III", 1, 0x1ff, ALL_STEPS)) + HOST + MAIL,
    "rcpt-without-mail": START + RCPT + DATA + b"{mail}" + END,
    "data-without-rcpt": START + MAIL + DATA + b"{mail}" + END,
    "data-without-mail": START + DATA + b"{mail}" + END,
    "field-without-mail": START + b"{mail}" + END,
    "end-without-mail": START + END + END + END,
    "end-without-data": START + MAIL + RCPT + END,
    "end-without-header": ENVELOPE + END,
    "end-twice": ENVELOPE + FIELD + END_OF_HEADER + BODY + END + END + b"{mail}" + END,
    "mail-twice": START + MAIL + RCPT + MAIL + DATA + b"{mail}" + END,
    "rcpt-after-data": START + MAIL + DATA + RCPT + b"{mail}" + END,
    "header-after-body": ENVELOPE + END_OF_HEADER + BODY + b"{mail}" + END,
    "body-first": ENVELOPE + BODY + b"{mail}" + END,
    "rcpt-after-abort": START + MAIL + RCPT + ABORT + RCPT + DATA + b"{mail}" + END,
    "rcpt-after-an-abort-in-a-mail": ENVELOPE + FIELD + ABORT + RCPT + DATA + b"{mail}" + END,
    "rcpt-after-unknown": START + UNKNOWN + RCPT + DATA + b"{mail}" + END,
    "data-after-unknown": START + UNKNOWN + DATA + b"{mail}" + END,
    "body-after-unknown": START + UNKNOWN + BODY + END,
    "end-after-unknown": START + UNKNOWN + END,
    "body-in-an-envelope-after-unknown": START + MAIL + RCPT + UNKNOWN + BODY + b"{mail}" + END,
    "end-in-an-envelope-after-unknown": START + MAIL + RCPT + UNKNOWN + END,
    "mail-twice-around-unknown": START + MAIL + RCPT + UNKNOWN + MAIL + RCPT + DATA + b"{mail}" + END,
    "abort-first": ABORT + ABORT + START + ABORT + RCPT + b"{mail}" + END,
    "mail-after-quit": START + QUIT + MAIL + RCPT + DATA + b"{mail}" + END,
    "rcpt-after-a-new-start": ENVELOPE + QUIT_MAIL + RCPT + DATA + b"{mail}" + END,
    "mail-of-nobody": START + packet(b"M") + packet(b"M", b"\0") + packet(b"R") + packet(b"R", b"\0") + DATA + b"{mail}" + END,
    "no-nul-in-mail": START + packet(b"M", b"<a@b>") + RCPT + DATA + b"{mail}" + END,
    "no-nul-in-rcpt": START + MAIL + packet(b"R", b"<a@b>") + DATA + b"{mail}" + END,
    "no-nul-in-a-field": ENVELOPE + packet(b"L", b"Subject x") + b"{mail}" + END,
    "a-field-of-nothing": ENVELOPE + packet(b"L") + packet(b"L", b"\0\0") + packet(b"L", b"\0") + b"{mail}" + END,
    "an-empty-body": ENVELOPE + FIELD + END_OF_HEADER + packet(b"B") + END,
    "no-nul-in-macros": START + packet(b"D", b"Mi\x004X") + packet(b"D") + packet(b"D", b"M") + packet(b"D", b"\xff\0\0"),
    "no-nul-in-the-host": OFFER + packet(b"C", b"mail") + packet(b"C", b"mail\x004\0") + packet(b"C") + HELO + MAIL,
    "a-host-of-no-family": OFFER + packet(b"C", b"mail\0\xff\0\x19192.0.2.1\0") + HELO + MAIL + RCPT,
    "an-address-that-is-none": OFFER + packet(b"C", b"mail\x006\0\x19not an address\0") + HELO + MAIL + RCPT,
    "unknown-letters": START + b"".join(packet(bytes([byte]), b"x\0") for byte in b"\0\1\xffXZ09{") + MAIL + RCPT,
    "answers": START + MAIL + RCPT + packet(b"a") + packet(b"d") + packet(b"y", b"250 2.0.0 ok\0") + packet(b"c"),
}


def reply_packets(data):
    """A whole mail as an MTA sends it between DATA and the end."""
    header, _, body = data.partition(b"\r\n\r\n")
    fields = header.replace(b"\r\n", b"\n").replace(b"\n ", b"\0 ").split(b"\n")
    parts = [packet(b"L", field.replace(b"\0", b"\n").replace(b":", b"\0", 1) + b"\0") for field in fields]
    return b"".join(parts) + END_OF_HEADER + packet(b"B", body)


def talk(path, data):
    """Send it all and hang up; the letters of the answers to it."""
    with MilterClient(path) as client:
        letters = ""
        try:
            client.raw(data)
            client.socket.shutdown(1)
            while True:
                letters += client.answer()[0]
        except (OSError, EOFError, ValueError):
            return letters


@pytest.mark.parametrize("begin, letters", [(ENVELOPE, "Ocd"), (HOST + HELO + MAIL + RCPT + DATA, 17 * "c" + "d")])
def test_replies_of_the_raw_client_pass(shared, exchange, acme_server, begin, letters):
    """The packets are right: what is wrong below is only what is meant to be. Who offers nothing is answered each time."""
    assert talk(shared.socket, begin + reply_packets(exchange.sign(good_reply(exchange))) + END + QUIT) == letters
    assert acme_server.status(exchange.challenge) == "valid"


@pytest.fixture(scope="module")
def victim(new_exchange):
    """Whose good reply nobody may take from a broken conversation."""
    return new_exchange()


@pytest.fixture(scope="module")
def follower(new_exchange):
    """(author, reply): a good one that passes after each of them, the same each time."""
    exchange = new_exchange()
    return exchange.author, exchange.sign(good_reply(exchange))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_packets_are_never_a_pass(shared, victim, follower, acme_server, name):
    data = BROKEN[name].replace(b"{mail}", reply_packets(victim.sign(good_reply(victim))))
    assert "d" not in talk(shared.socket, data)
    assert acme_server.results_for(victim.challenge) == []
    with MilterClient(shared.socket) as client:
        client.negotiate().greet()
        assert client.mail(follower[0], [CHALLENGE_ADDRESS], follower[1])[0][0] == "d"
    assert shared.process.running()


def test_too_many_challenge_recipients_put_a_reply_off(shared, exchange, acme_server):
    """RFC 5321 4.5.3.1.8: a hundred recipients are never too many; 4.5.3.1.10: what is, is 452."""
    data = exchange.sign(good_reply(exchange))
    with MilterClient(shared.socket) as client:
        client.negotiate().greet()
        (letter, text), _ = client.mail(exchange.author, 101 * [CHALLENGE_ADDRESS], data)
        assert letter == "y" and text.startswith(b"452 4.5.3 ") and b"too many challenge addresses" in text
        assert " put-off reason=recipients" in shared.log_lines()[-1] and "memory" not in shared.log_lines()[-1]
        assert client.mail(exchange.author, 100 * [CHALLENGE_ADDRESS], data)[0][0] == "d"
    assert acme_server.status(exchange.challenge) == "valid"


def test_shadow_mode_lets_a_mail_to_too_many_through(new_milter, exchange):
    server = new_milter(("Mode", "shadow"))
    server.start()
    with MilterClient(server.socket) as client:
        client.negotiate().greet()
        data = exchange.sign(good_reply(exchange))
        assert client.mail(exchange.author, 101 * [CHALLENGE_ADDRESS], data) == (("a", b""), [])
    assert server.stop() == 0


def test_of_a_hundred_recipients_the_others_get_their_mail(shared, exchange):
    others = ["bob@" + CA_DOMAIN] * 2
    data = exchange.sign(good_reply(exchange))
    with MilterClient(shared.socket) as client:
        client.negotiate().greet()
        (letter, _), edits = client.mail(exchange.author, [*others, *100 * [CHALLENGE_ADDRESS], *others], data)
    assert letter == "a" and [edit[0] for edit in edits] == ["-"] * 100
