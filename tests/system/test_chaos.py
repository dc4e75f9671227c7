# SPDX-License-Identifier: BSD-2-Clause
"""Honest and forged replies while everything fails: the milter, the ACME server, the DNS, the links between them, and the disk
of the evidence. Counts decide, never time. More of them, or the same again:

  tests/system/run -s -k test_chaos --replies 5000 --seed 1234
"""
import collections
import contextlib
import itertools
import math
import os
import random
import time

import pytest

from conftest import Exchange
from harness import acme, chaos_audit
from harness.chaos import FAULTS, World
from harness.chaos_mails import FORGERIES, Senders, forged, honest
from harness.dns import SIGNED, UNSIGNED
from harness.process import DEADLINE, Folder

REPLIES_A_FAULT = 4
MET = 4  # answers that come while a fault lasts
TWO_AT_ONCE = 0.25
FORGED_SHARE, VICTIMS_SHARE = 12, 40  # one reply of so many
SENDERS = 8
TRIES_WHEN_CALM = 40
SHOWN, LINES_SHOWN = 20, 6


class Author(Exchange):
    """Of a domain of its own, so that no cache has its key."""
    key = "ed25519"


class Chaos:
    def __init__(self, folder, keys, seed, replies):
        self.keys, self.seed, self.replies, self.chance = keys, seed, replies, random.Random(seed)
        self.victim_count = math.ceil(replies / VICTIMS_SHARE)
        self.authors = [(f"alice@d{number}.{SIGNED if number % 2 else UNSIGNED}", ("ed25519", "rsa2048")[number // 2 % 2])
                        for number in range(replies + self.victim_count + 1)]
        self.world = World(folder, seed, replies, self.publish, keys["rsa1024"].txt())
        self.events, self.letters, self.victims, self.senders = [], [], [], None

    def publish(self, server):
        for author, key in self.authors:
            domain = author.partition("@")[2]
            server.add(f"{key}._domainkey.{domain}", self.keys[key].txt())
            server.add(f"_dmarc.{domain}", "v=DMARC1; p=reject; adkim=s")

    def exchange(self, author, key):
        challenge = self.world.challenge(author)
        made = Author(challenge, acme.digest_of(challenge), author, self.keys)
        made.key = key
        return made

    def write(self):
        """Honest replies, forgeries against their challenges, and forgeries against challenges that nobody answers."""
        *exchanges, stranger = (self.exchange(*author) for author in self.authors)
        honest_ones, self.victims = exchanges[:self.replies], [*exchanges[self.replies:], stranger]
        self.letters = [honest(each, self.chance) for each in honest_ones]
        kinds = itertools.cycle(FORGERIES)
        targets = self.chance.sample(honest_ones, math.ceil(self.replies / FORGED_SHARE)) + self.victims[:-1]
        self.letters += [forged(each, next(kinds), self.chance, stranger) for each in targets]
        self.chance.shuffle(self.letters)

    def faults(self):
        """Each once, then each again in another order, sometimes two of different kinds at once."""
        while True:
            deck = self.chance.sample(sorted(FAULTS), len(FAULTS))
            while deck:
                first = deck.pop()
                others = [name for name in deck if name.partition("-")[0] != first.partition("-")[0]]
                if others and self.chance.random() < TWO_AT_ONCE:
                    deck.remove(others[0])
                    yield first, others[0]
                else:
                    yield (first,)

    def run(self):
        with contextlib.closing(Senders(self.world.postfix.port, SENDERS, self.seed)) as self.senders:
            size = math.ceil(len(self.letters) / max(len(FAULTS), self.replies // REPLIES_A_FAULT))
            for start, names in zip(range(0, len(self.letters), size), self.faults()):
                self.events.append(names)
                self.senders.add(self.letters[start:start + size])
                with contextlib.ExitStack() as stack:
                    for name in names:
                        stack.enter_context(FAULTS[name](self.world, self.chance))
                    self.senders.wait_answers(MET, DEADLINE)
            self.world.milter.reload_and_wait()  # libunbound keeps what it found bogus for a minute
            self.senders.finish(TRIES_WHEN_CALM)

    def wrong(self):
        evidence = chaos_audit.Evidence(self.world)
        found = [*chaos_audit.senders(self.letters), *chaos_audit.acme_server(self.world, self.letters, self.victims),
                 *evidence.check()]
        return found, self.figures(evidence)

    def figures(self, evidence):
        events = collections.Counter(name for names in self.events for name in names)
        world = self.world
        return "\n".join([
            f"honest {self.replies}, forged {len(self.letters) - self.replies}; answers to their senders "
            f"{dict(sorted(self.senders.answers.items()))}",
            f"faults {len(self.events)}: {dict(sorted(events.items()))}",
            f"requests damaged: ACME {world.acme_link.damaged}, DNS {world.dns_link.damaged}; "
            f"posts that the ACME server saw {len(world.acme.requests())}",
            f"evidence: {len(evidence.folders)} folders replayed, {evidence.unanswered} of them without an answer; "
            f"{evidence.lines} lines in {len(evidence.logs())} logs"])

    def told(self, found):
        """What is wrong, and what a developer needs to see why."""
        lines = [f"{len(found)} wrong; again: tests/system/run -s -k test_chaos --replies {self.replies} --seed {self.seed} "
                 "(ACME_MILTER_KEEP=1 leaves the folder)"]
        for token, text in found[:SHOWN]:
            lines.append(f"- {text}")
            if token:
                lines += [f"    log: {line}" for line in self.world.milter.log_lines() if token in line][-LINES_SHOWN:]
                lines += [f"    ACME server: {request['status']}" for request in self.world.acme.requests()
                          if token in request["body"]][-LINES_SHOWN:]
        return "\n".join([*lines, "faults: " + " ".join("+".join(names) for names in self.events),
                          "end of the milter's log:", *self.world.milter.log_lines()[-LINES_SHOWN:]])


@pytest.fixture
def chaos_folder():
    folder = Folder("chaos")
    yield folder
    if "ACME_MILTER_KEEP" in os.environ:
        print(f"\nkept: {folder.path}")
    else:
        folder.remove()


def test_every_honest_reply_is_accepted_once_and_no_forged_one(chaos_folder, keys, request):
    seed = request.config.getoption("--seed") or random.randrange(1 << 32)
    print(f"\nchaos: --seed {seed}")
    chaos = Chaos(chaos_folder, keys, seed, request.config.getoption("--replies"))
    began = time.monotonic()
    with chaos.world.running():
        chaos.write()
        chaos.run()
        found, figures = chaos.wrong()
        print(f"{figures}\n{time.monotonic() - began:.0f} s")
        if found:
            pytest.fail(chaos.told(found), pytrace=False)
