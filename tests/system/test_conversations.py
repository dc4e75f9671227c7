# SPDX-License-Identifier: BSD-2-Clause
"""Conversations at random with the real libmilter: whatever came before, the mail at the end of each gets the verdict of
-t, and no mail passes whose packets came in an order that no mail has. CONVERSATIONS and CONVERSATIONS_SEED: how many, and
which. With a build with sanitizers as ACME_MILTER it finds more."""
import json
import os
import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from harness import milter
from harness.milter_client import ALL_STEPS, LEADING_BLANK, NO_DATA, NO_UNKNOWN, MilterClient

CASES = Path(__file__).resolve().parents[1] / "data/cases"
NAMES = ("A01-baseline", "A27-alternative", "A04-no-signature", "A05-body-changed")
COUNT = int(os.environ.get("CONVERSATIONS", "2000"))
SEED = int(os.environ.get("CONVERSATIONS_SEED", "1"))
TIME = "1795496400"
HOST = b"mail.example.com\0"
FIXED = {"M": b"<alice@example.com>\0", "R": b"<acme@ca.example>\0", "r": b"<bob@ca.example>\0", "C": HOST + b"4\0\x19192.0.2.1\0",
         "H": HOST, "U": HOST, "D": b"Ti\x004XTEST\0"}
# What an MTA may offer; the first has the milter wait with most answers until the end.
OFFERS = [(6, ALL_STEPS), (6, ALL_STEPS & ~NO_UNKNOWN), (6, NO_DATA), (4, 0x3ff), (3, 0x17f), (2, 0x7f)]
# M MAIL, R a challenge recipient, r another, T DATA, L a field, N the header's end, B body, E the end, U an unknown command,
# A abort, C connect, H HELO, O negotiation, D macros. What does not matter to a mail is left out of what was said.
LETTERS = "MRrTLNBEUACHOD"
WHOLE = {True: re.compile("M[Rr]*R[Rr]*TL+NB*E"), False: re.compile("M[Rr]*R[Rr]*L+NB*E")}


def packet(letter, data=b""):
    return struct.pack("!I", 1 + len(data)) + letter.encode() + data


class Mail:
    def __init__(self, name, verdict):
        self.name, self.verdict = name, verdict
        header, _, body = (CASES / name / "message.eml").read_bytes().partition(b"\r\n\r\n")
        text = re.sub(rb"\r\n([ \t])", rb"\n\1", header)
        self.fields = [tuple(field.split(b":", 1)) for field in text.split(b"\r\n")]
        self.pieces = [body[at:at + 500] for at in range(0, len(body), 500)]


@pytest.fixture(scope="module")
def settings():
    return [("ChallengeAddress", "acme@ca.example"), ("AuthservID", "mx.ca.example"), ("Endpoint", "none"),
            ("Disposition", "deliver"), ("TestDNSData", CASES / NAMES[0] / "dns.txt"), ("TestTime", TIME)]


@pytest.fixture(scope="module")
def mails(settings, tmp_path_factory):
    """Each with the verdict of -t, which drives the session straight."""
    conf = tmp_path_factory.mktemp("conversations") / "acme-milter.conf"
    conf.write_text("".join(f"{keyword} {value}\n" for keyword, value in settings), "ascii")

    def verdict(name):
        done = subprocess.run([milter.program(), "-t", "-c", conf, CASES / name / "message.eml"],
                              stdout=subprocess.PIPE, check=False)
        return json.loads(done.stdout)["verdict"]
    found = [Mail(name, verdict(name)) for name in NAMES]
    assert {mail.verdict for mail in found} == {"pass", "reject"}
    return found


class Speaker:
    """Writes down packets, and what of them a mail consists of."""

    def __init__(self, chance, mails, offer):
        self.chance, self.mails, self.offer = chance, mails, offer
        self.mail, self.packets, self.letters, self.said, self.passes = mails[0], [], "", "", 0
        self.field = self.piece = 0

    def data_of(self, letter):
        if letter == "L":
            name, value = self.mail.fields[self.field] if self.field < len(self.mail.fields) else (b"X-More", b" x")
            self.field += 1
            return name + b"\0" + (value if self.offer[1] & LEADING_BLANK else value.removeprefix(b" ")) + b"\0"
        if letter == "B":
            self.piece += 1
            return self.mail.pieces[self.piece - 1] if self.piece <= len(self.mail.pieces) else b"more\r\n"
        if letter == "O":
            return struct.pack("!III", self.offer[0], 0x1ff if self.offer[0] > 3 else 0x3f, self.offer[1])
        return FIXED.get(letter, b"")

    def say(self, letter):
        # A second MAIL begins no mail, unless libmilter has forgotten the first: it may pass, and need not.
        if letter in "MA":
            self.said = ""
        if letter == "M":
            self.mail, self.field, self.piece = self.chance.choice(self.mails), 0, 0
        self.packets.append(packet(letter.upper(), self.data_of(letter)))
        self.letters += letter
        if letter not in "AUD":
            self.said += letter
        if letter == "E":
            form = WHOLE["T" in self.said]
            self.passes += self.mail.verdict == "pass" and form.fullmatch(self.said) is not None
            self.said = ""

    def whole(self):
        for letter in "MR" + ("T" if self.offer[0] > 3 else ""):
            self.say(letter)
        for _ in self.mail.fields:
            self.say("L")
        self.say("N")
        for _ in self.mail.pieces:
            self.say("B")
        self.say("E")


def conversation(chance, mails):
    """What is said over one connection; the mail at its end is speaker.mail."""
    speaker = Speaker(chance, mails, chance.choice(OFFERS))
    for letter in "OCH":
        speaker.say(letter)
    for _ in range(chance.randrange(4)):
        odd = chance.choice((1, 1, 8, 30))
        plan = "MRT" + "L" * chance.randrange(20) + "N" + "B" * chance.randrange(4) + "E"
        for letter in plan:
            speaker.say(chance.choice(LETTERS) if chance.randrange(odd) == 0 else letter)
        if chance.randrange(4) == 0:
            speaker.whole()
    # An abort alone may not reach the milter: libmilter drops it after a packet that it has dropped.
    for letter in "AMA":
        speaker.say(letter)
    speaker.whole()
    return speaker


def answers(path, data):
    """Every (letter, data) until the milter hangs up."""
    with MilterClient(path) as client:
        client.raw(data)
        got = []
        while True:
            try:
                got.append(client.answer())
            except (EOFError, ConnectionError):
                return got


def is_pass(answer):
    return answer[0] == "i" and b"dkim=pass" in answer[1]


def test_conversations_at_random(new_milter, settings, mails):
    server = new_milter(*settings)
    server.start()
    chance = random.Random(SEED)
    passes = 0
    for number in range(COUNT):
        speaker = conversation(chance, mails)
        got = answers(server.socket, b"".join([*speaker.packets, packet("Q")]))
        told = f"seed {SEED}, conversation {number}, {speaker.offer}: {speaker.letters} ({speaker.mail.name}) was answered by {got}"
        verdict = "pass" if got and got[-1][0] == "a" and is_pass(got[-2]) else "reject" if got and got[-1][1][:3] == b"550" else None
        assert verdict == speaker.mail.verdict, told
        passed = sum(map(is_pass, got))
        assert passed <= speaker.passes, told
        assert not [answer for answer in got if answer[0] == "d"], told
        passes += passed
    print(f"seed {SEED}: {COUNT} conversations, {passes} mails passed")
    assert passes > COUNT // 4
    assert server.stop() == 0
