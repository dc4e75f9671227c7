# SPDX-License-Identifier: BSD-2-Clause
"""Mail of all kinds through one Postfix and two milters for a while, with what happens to a CA meanwhile."""
import concurrent.futures
import math
import random
import time

from .dns import BOGUS, SIGNED, UNSIGNED
from .mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from .replies import good_reply

ZONES = {"plain": UNSIGNED, "bogus": BOGUS}
# The reply of each kind, from its exchange.
MAKERS = {
    "good": lambda it: it.sign(good_reply(it)),
    "edwards": lambda it: it.sign(good_reply(it), key="ed25519"),
    "short": lambda it: it.sign(good_reply(it), key="rsa1024"),
    "plain": lambda it: it.sign(good_reply(it)),
    "bogus": lambda it: it.sign(good_reply(it)),
    "wrong": lambda it: it.sign(good_reply(it, body=good_reply(it).body.replace(it.digest, "A" * 43))),
    "unsigned": good_reply,
    "foreign": lambda it: it.sign(good_reply(it), domain=UNSIGNED),
    "damaged": lambda it: it.sign(good_reply(it)) + b"-- \r\nSent through a gateway\r\n",
    "tokenless": lambda it: it.sign(good_reply(it, Subject="Re: your mail")),
    "blockless": lambda it: it.sign(good_reply(it, body="Please issue it.\n")),
    "listed": lambda it: it.sign(good_reply(it, List_Id="<staff.acme-lab.net>")),
    "large": lambda it: it.sign(good_reply(it).bytes() + b"x" * 70 + b"\r\n" * 5000),
    "other": good_reply,
}
KINDS = ["good"] * 22 + ["plain"] * 8 + ["edwards"] * 4 + ["other"] * 8 + ["unsigned"] * 4 + ["damaged"] * 2 + \
    ["short", "wrong", "foreign", "tokenless", "blockless", "listed", "bogus", "large"]
OUTAGE = (0.6, 0.75)  # of the time, in which the ACME server is away
GATEWAY = (0.25, 0.4)  # in which some applicants' mail is damaged on its way
A_SECOND = 2  # mails, on the average of a run of minutes
SENDERS = 8


class Traffic:
    """`milters` are two that run, of which the second is restarted; `mx` has a proxy, which sends each mail to one of them."""

    def __init__(self, mx, milters, new_exchange, seconds):
        self.mx, self.milters, self.new_exchange = mx, milters, new_exchange
        self.seconds, self.chance = seconds, random.Random(8823)
        self.begin = self.end = 0
        self.events = [(0.15, milters[0].reload), (0.5, self.restart), (OUTAGE[0], self.lose_acme), (OUTAGE[1], mx.acme.start)]

    def choose(self, server):
        self.mx.proxy.milter_socket = str(server.socket)

    def restart(self):
        self.milters[1].stop()
        self.milters[1].start()

    def lose_acme(self):
        """However short the outage is, one mail meets it."""
        self.mx.acme.stop()
        self.choose(self.milters[0])
        self.send("good")

    def passed(self):
        """The share of the time that is over."""
        return (time.time() - self.begin) / self.seconds

    def send(self, kind):
        exchange = self.new_exchange("alice@" + ZONES.get(kind, SIGNED))
        self.mx.send(exchange, MAKERS[kind](exchange), "somebody@" + CA_DOMAIN if kind == "other" else CHALLENGE_ADDRESS)

    def kind(self):
        if GATEWAY[0] < self.passed() < GATEWAY[1] and self.chance.random() < 0.2:
            return "damaged"
        return self.chance.choice(KINDS)

    def pause(self):
        """More mails come at the busy times than on the average; a run of seconds does not wait."""
        rate = A_SECOND * (1 - 0.7 * math.cos(self.passed() * 4 * math.pi))
        return self.chance.expovariate(rate) if self.seconds > 60 else 0

    def run(self):
        """Each kind once by the first milter, then as chance has it until the time is over and all has happened."""
        self.begin, waiting = time.time(), list(self.events)
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            self.choose(self.milters[0])
            sent = [pool.submit(self.send, kind) for kind in MAKERS]
            concurrent.futures.wait(sent)
            while waiting or self.passed() < 1:
                if waiting and self.passed() >= waiting[0][0]:
                    waiting.pop(0)[1]()
                self.choose(self.chance.choices(self.milters, (2, 1))[0])
                sent.append(pool.submit(self.send, self.kind()))
                time.sleep(self.pause())
                while len([each for each in sent if not each.done()]) >= SENDERS:
                    time.sleep(0.01)
        for each in sent:
            each.result()
        self.end = time.time()
