# SPDX-License-Identifier: BSD-2-Clause
"""A CA whose milter, ACME server, DNS, links and disk fail, one after another and together. A fault is a context manager in
FAULTS, made from a World: what it breaks is whole again at its end."""
import contextlib
import io
import json
import shutil
import signal
import subprocess
from importlib.machinery import SourceFileLoader
from types import ModuleType, SimpleNamespace

from . import acme, milter
from .chaos_links import AcmeLink, DnsLink
from .dns import UNSIGNED, DnsServer
from .mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from .postfix import Postfix

DISK_KB, DISK_KB_A_REPLY, FREE_MAX_BYTES = 4096, 64, 65536
# What is discarded never reaches the queue manager, and Postfix paces what it accepts by what that has delivered. Nor may it
# take a sender for a local one: to a forged mail without From it would add the field as it was signed.
MAIN = "in_flow_delay = 0\nlocal_header_rewrite_clients =\n"
SETTINGS = [("ChallengeAddress", CHALLENGE_ADDRESS), ("AuthservID", "mx." + CA_DOMAIN), ("LogLevel", "info"), ("LogTokens", "yes"),
            # Short waits: a fault must not take a test minutes.
            ("EndpointTimeout", "1s"), ("EndpointRetryFor", "1s"), ("DNSTimeout", "1s")]
FAULTS = {}


class World:
    """`publish` adds the authors' records to the DnsServer before it starts; `stranger` is the key record that the DNS lies of."""

    def __init__(self, folder, seed, replies, publish, stranger):
        milter.system_user(milter.USER)
        self.dns = DnsServer(folder)
        publish(self.dns)
        self.acme = acme.AcmeServer(folder)
        # In this process: thousands of challenges by a command each would take minutes.
        self.reference = ModuleType("acme_reference_server")
        SourceFileLoader("acme_reference_server", str(acme.PROGRAM)).exec_module(self.reference)
        self.acme_link = AcmeLink(folder.path / "acme-link.sock", self.acme.socket, f"{seed}-acme")
        self.dns_link = DnsLink(self.dns.port, UNSIGNED, stranger, f"{seed}-dns")
        self.milter = milter.Milter(folder, SETTINGS)
        self.disk = self.milter.data / "disk"
        self.evidence, self.log, self.rotated = self.disk / "evidence", self.disk / "evidence.log", []
        self.disk_kb = DISK_KB + DISK_KB_A_REPLY * replies
        for pair in (("Endpoint", self.acme_link.url), ("Nameservers", self.dns_link.address),
                     ("TrustAnchorFile", self.dns.trust_anchor), ("EvidenceDirectory", self.evidence), ("EvidenceLog", self.log)):
            self.milter.set(*pair)
        self.postfix = Postfix(folder, CA_DOMAIN, f"unix:{self.milter.socket}", MAIN)

    @contextlib.contextmanager
    def running(self):
        with contextlib.ExitStack() as stack:
            self._mount()
            stack.callback(subprocess.run, ["umount", "-l", self.disk], check=True)
            for server in (self.dns, self.acme, self.milter, self.postfix):
                stack.callback(server.stop)
                server.start()
            stack.enter_context(self.acme_link)
            stack.enter_context(self.dns_link)
            yield self

    def _mount(self):
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.disk_kb}k,mode=0755", "tmpfs", self.disk], check=True)
        self.evidence.mkdir(mode=0o750)
        for path in (self.disk, self.evidence):
            shutil.chown(path, milter.USER, milter.USER)

    def challenge(self, identifier):
        """As acme-reference-server new-challenge prints it."""
        options = SimpleNamespace(state=self.acme.state, identifier=identifier, sender=CHALLENGE_ADDRESS, token_part1=None,
                                  token_part2=None, jwk_thumbprint=None, created=None, json=True)
        with contextlib.redirect_stdout(io.StringIO()) as text:
            self.reference.new_challenge(options)
        return json.loads(text.getvalue())

    def known(self, challenge):
        """What the ACME server has on its disk of a challenge."""
        return self.reference.Store(self.acme.state).load(challenge["tokenPart1"])

    def milter_ends(self, number):
        code = self.milter.process.stop(number)
        assert code == (0 if number == signal.SIGTERM else -number), f"the milter ended with {code} after signal {number}"


def fault(function):
    FAULTS[function.__name__.replace("_", "-")] = contextlib.contextmanager(function)


def link_fault(link, name):
    def broken(world, _chance):
        getattr(world, link).set(name)
        yield
        getattr(world, link).set(None)
    FAULTS[f"{link.partition('_')[0]}-{name}"] = contextlib.contextmanager(broken)


for each in ("refused", "silent", "lost", "cut", "half", "lies"):
    link_fault("acme_link", each)
for each in ("silent", "failing", "short", "broken", "lies"):
    link_fault("dns_link", each)


@fault
def milter_killed(world, _chance):
    world.milter_ends(signal.SIGKILL)
    yield
    world.milter.start_and_wait()


@fault
def milter_killed_soon(world, chance):
    """As it starts, or while it reads its configuration."""
    for _ in range(chance.randrange(1, 4)):
        world.milter_ends(signal.SIGKILL)
        world.milter.start()
    world.milter_ends(signal.SIGKILL)
    world.milter.start_and_wait()
    world.milter.reload()
    world.milter_ends(signal.SIGKILL)
    yield
    world.milter.start_and_wait()


@fault
def milter_ended(world, _chance):
    world.milter_ends(signal.SIGTERM)
    yield
    world.milter.start_and_wait()


@fault
def milter_reloaded(world, chance):
    for _ in range(chance.randrange(1, 4)):
        assert world.milter.reload_and_wait()
    yield


@fault
def milter_log_rotated(world, _chance):
    moved = world.log.with_name(f"evidence.log.{len(world.rotated)}")
    if world.log.exists():
        world.log.rename(moved)
        world.rotated.append(moved)
    assert world.milter.reload_and_wait()
    yield


@fault
def disk_full(world, chance):
    """To the last page, or so that a piece of a reply still has room."""
    filler = world.disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        file.truncate(max(0, file.tell() - chance.randrange(FREE_MAX_BYTES)))
    yield
    filler.unlink()


@fault
def acme_killed(world, _chance):
    world.acme.process.stop(signal.SIGKILL)
    yield
    world.acme.start()


@fault
def dns_stopped(world, _chance):
    world.dns.pause()
    yield
    world.dns.resume()
