# SPDX-License-Identifier: BSD-2-Clause
"""The mails of the chaos test, honest and forged, and the senders' MTAs: each keeps a mail until it was answered for good."""
import collections
import queue
import random
import re
import smtplib
import threading
import time

from . import smtp
from .mail_exchanger import CHALLENGE_ADDRESS
from .replies import good_reply


HONEST = "honest"
REPEATED, RELAYED = 0.1, 0.2  # shares of the honest replies


def _signed(exchange, **changes):
    return exchange.sign(good_reply(exchange, **changes), exchange.key)


def _other_letter(letter):
    return b"A" if letter.lower() != b"a" else b"B"


def _changed(exchange, chance, _stranger):
    """One letter or digit anywhere but in the signature and in what is not signed."""
    data = _signed(exchange)
    begin = data.index(b"\r\nFrom: ") + 2
    unsigned = re.search(rb"MIME-Version: [^\r]*", data).span()
    places = [place for place in range(begin, len(data))
              if data[place:place + 1].isalnum() and not unsigned[0] <= place < unsigned[1]]
    place = chance.choice(places)
    return data[:place] + _other_letter(data[place:place + 1]) + data[place + 1:]


def _replaced(exchange, old, new):
    data = _signed(exchange)
    assert old in data
    return data.replace(old, new)


def _other_digest(exchange, _chance, _stranger):
    digest = exchange.digest.encode()
    return _replaced(exchange, digest, _other_letter(digest[:1]) + digest[1:])


# {name: mail}: from the exchange, a random.Random, and a stranger's exchange, whose domain signs for the forger.
FORGERIES = {
    "unsigned": lambda it, chance, stranger: good_reply(it).bytes(),
    "foreign": lambda it, chance, stranger: stranger.sign(good_reply(it), stranger.key),
    "digest": _other_digest,
    "from": lambda it, chance, stranger: _replaced(it, b"\r\nFrom: " + it.author.encode(), b"\r\nFrom: " + stranger.author.encode()),
    "token": lambda it, chance, stranger: _replaced(it, it.token.encode(), stranger.token.encode()),
    "two-from": lambda it, chance, stranger: b"From: " + stranger.author.encode() + b"\r\n" + _signed(it),
    "changed": _changed,
    "expired": lambda it, chance, stranger: it.sign(good_reply(it), it.key, tags={"t": 1700000000, "x": 1700086400}),
    "longer": lambda it, chance, stranger: _signed(it) + b"Sent through a gateway\r\n",
    # Signed as it should be, by one who is not the victim: only the ACME server can tell.
    "stranger": lambda it, chance, stranger: stranger.sign(
        good_reply(it, From=stranger.author, Message_ID=f"<{chance.random()}@{stranger.domain}>"), stranger.key),
    "colleague": lambda it, chance, stranger: it.sign(good_reply(it, From="mallory@" + it.domain), it.key),
}


class Letter:
    """A mail, and what its sender was told of it. Some are sent once more after they were accepted (`times`), as if the sender
    had not heard so; of some each attempt comes by another relay, which adds a field (`is_relayed`)."""

    def __init__(self, exchange, kind, data, times=1, is_relayed=False):
        self.exchange, self.kind, self.data, self.times, self.is_relayed = exchange, kind, data, times, is_relayed
        self.told = []

    @property
    def is_honest(self):
        return self.kind == HONEST

    def bytes(self):
        if not self.is_relayed:
            return self.data
        return f"Received: from relay-{len(self.told)}.acme-lab.net by mx.acme-lab.net\r\n".encode() + self.data

    def is_over(self):
        classes = [answer.code // 100 for answer in self.told]
        return 5 in classes or classes.count(2) >= self.times

    def __str__(self):
        codes = collections.Counter(answer.code for answer in self.told)
        return f"{self.kind} token={self.exchange.token} from={self.exchange.author} told={dict(codes)} last={self.told[-1:]}"


def honest(exchange, chance):
    return Letter(exchange, HONEST, _signed(exchange), 2 if chance.random() < REPEATED else 1, chance.random() < RELAYED)


def forged(exchange, kind, chance, stranger):
    return Letter(exchange, kind, FORGERIES[kind](exchange, chance, stranger))


class Senders:
    """Nothing is decided by time: a mail is tried again however often, and once all is calm `tries` times at most."""
    PAUSE = (0.05, 0.3)

    def __init__(self, port, count, seed):
        self.port, self.waiting, self.answers = port, queue.SimpleQueue(), collections.Counter()
        self.changed, self.open = threading.Condition(), 0
        self.most, self.tries_left, self.given_up = 0, None, []
        self.threads = [threading.Thread(target=self._run, args=(random.Random(f"{seed}-{number}"),)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def add(self, letters):
        with self.changed:
            self.open += len(letters)
        for letter in letters:
            self.waiting.put(letter)

    def _run(self, chance):
        while letter := self.waiting.get():
            answer = self._try(letter)
            with self.changed:
                letter.told.append(answer)
                self.answers[answer.code] += 1
                is_over = letter.is_over() or self._gives_up(letter)
                self.open -= is_over
                self.changed.notify_all()
            if not is_over:
                time.sleep(chance.uniform(*self.PAUSE))
                self.waiting.put(letter)

    def _gives_up(self, letter):
        if self.tries_left is None:
            return False
        left = self.tries_left[id(letter)] = self.tries_left.get(id(letter), self.most) - 1
        if left <= 0:
            self.given_up.append(letter)
        return left <= 0

    def _try(self, letter):
        try:
            return smtp.send(self.port, letter.exchange.author, CHALLENGE_ADDRESS, letter.bytes())
        except (OSError, smtplib.SMTPException) as error:
            return smtp.Answer(0, "", repr(error), "lost")

    def wait_answers(self, count, deadline):
        """Until so many more came, or no mail is left. Slow is not wrong."""
        with self.changed:
            wanted = self.answers.total() + count
            self.changed.wait_for(lambda: self.answers.total() >= wanted or self.open == 0, deadline)

    def finish(self, tries):
        """All is calm from now on."""
        with self.changed:
            self.most, self.tries_left = tries, {}
            self.changed.wait_for(lambda: self.open == 0)

    def close(self):
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            thread.join()
