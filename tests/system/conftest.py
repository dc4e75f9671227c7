# SPDX-License-Identifier: BSD-2-Clause
"""The fixtures of the system tests: real servers, started once for all tests of a run unless a test stops them."""
import contextlib
import dataclasses
import itertools
import os
import shutil

import pytest

from harness import acme, milter, signer, smtp
from harness.dns import BOGUS, SIGNED, UNSIGNED, DnsServer
from harness.milter_proxy import MilterProxy
from harness.postfix import Postfix
from harness.process import Folder

CA_DOMAIN = "ca.acme-lab.net"
CHALLENGE_ADDRESS = "acme@" + CA_DOMAIN

_milters = itertools.count(1)


def pytest_collection_modifyitems(items):
    """Who runs these without what they need is told so, not shown a green line."""
    if items and os.geteuid() != 0:
        pytest.exit("the system tests start servers under their own users: run them as root", returncode=2)
    missing = [name for name in ("knotd", "keymgr", "postfix", "openssl", "unbound-host", "opendkim-testmsg",
                                "promtool", "prometheus", "prometheus-node-exporter")
               if shutil.which(name) is None]
    if items and missing:
        pytest.exit("not installed: " + ", ".join(missing) + " (see contrib/packages)", returncode=2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the end of what the milter logged."""
    report = (yield).get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, milter.Milter) and (value.folder / "log").exists():
                report.sections.append((f"log of {value.folder.name}", "\n".join(value.log_lines()[-30:])))


@pytest.fixture(scope="session")
def folder():
    folder = Folder("test")
    yield folder
    if "ACME_MILTER_KEEP" in os.environ:
        print(f"\nkept: {folder.path}")
    else:
        folder.remove()


@pytest.fixture(scope="session")
def keys():
    """One key pair of each kind; selectors carry their names."""
    return {"rsa2048": signer.Key("rsa", 2048), "rsa1024": signer.Key("rsa", 1024), "ed25519": signer.Key("ed25519")}


@pytest.fixture(scope="session")
def dns_server(folder, keys):
    """Each zone publishes each key under its name, and p=reject."""
    server = DnsServer(folder)
    for zone in (SIGNED, UNSIGNED, BOGUS):
        for name, key in keys.items():
            server.add(f"{name}._domainkey.{zone}", key.txt())
        server.add(f"_dmarc.{zone}", "v=DMARC1; p=reject; adkim=s")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def acme_server(folder):
    milter.system_user(milter.USER)
    server = acme.AcmeServer(folder, acme.USER, milter.USER)
    server.start()
    yield server
    server.stop()


@dataclasses.dataclass
class Exchange:
    """A challenge, its right digest and a signer for the reply to it."""
    challenge: dict
    digest: str
    author: str
    keys: dict

    @property
    def domain(self):
        return self.author.rpartition("@")[2]

    @property
    def token(self):
        return self.challenge["tokenPart1"]

    def sign(self, mail, key="rsa2048", domain=None, selector=None, **how):
        """`mail` (a Mail or bytes) signed by the author's domain unless told otherwise."""
        data = mail if isinstance(mail, bytes) else mail.bytes()
        return signer.sign(data, self.keys[key], domain or self.domain, selector or key, **how)


@pytest.fixture(scope="session")
def new_exchange(acme_server, keys):
    def make(author="alice@" + SIGNED):
        challenge = acme_server.new_challenge(author, CHALLENGE_ADDRESS)
        return Exchange(challenge, acme.digest_of(challenge), author, keys)
    return make


@pytest.fixture
def exchange(new_exchange):
    return new_exchange()


@pytest.fixture(scope="session")
def milter_settings(dns_server, acme_server):
    """What every milter of these tests has in its configuration. Short waits: an outage must not take a test minutes."""
    return [
        ("ChallengeAddress", CHALLENGE_ADDRESS),
        ("Endpoint", acme_server.endpoint),
        ("EndpointPeerUser", acme.USER),
        ("EndpointTimeout", "5s"),
        ("EndpointRetryFor", "1s"),
        ("AuthservID", "mx." + CA_DOMAIN),
        ("Nameservers", dns_server.address),
        ("TrustAnchorFile", dns_server.trust_anchor),
        ("DNSTimeout", "5s"),
    ]


@pytest.fixture(scope="session")
def shared_milter(folder, milter_settings):
    server = milter.Milter(folder, milter_settings)
    server.start()
    yield server
    server.stop()


class Mx:
    """The CA's mail exchanger: Postfix, a counting proxy behind it, and behind that one milter or another."""

    def __init__(self, folder, server, acme_server, dns_server):
        self.milter, self.acme, self.dns = server, acme_server, dns_server
        self.proxy = MilterProxy(folder.path / "proxy.sock", server.socket)
        self.postfix = Postfix(folder, CA_DOMAIN, self.proxy.address)

    @contextlib.contextmanager
    def with_milter(self, server):
        """Have another milter, started and ended here, take the mail meanwhile."""
        before = self.milter
        server.start()
        self.milter, self.proxy.milter_socket = server, str(server.socket)
        try:
            yield server
        finally:
            self.milter, self.proxy.milter_socket = before, str(before.socket)
            server.stop()

    def send(self, exchange, data, recipients=CHALLENGE_ADDRESS, **how):
        data = data if isinstance(data, bytes) else data.bytes()
        return smtp.send(self.postfix.port, exchange.author, recipients, data, **how)

    def queue_id(self):
        """Of the last mail that Postfix began to take."""
        return self.postfix.queue_ids()[-1]

    def delivered(self, exchange):
        self.postfix.wait_queue_empty()
        return self.postfix.delivered(exchange.token.encode())


@pytest.fixture(scope="session")
def mx(folder, shared_milter, acme_server, dns_server):
    exchanger = Mx(folder, shared_milter, acme_server, dns_server)
    exchanger.proxy.start()
    exchanger.postfix.start()
    yield exchanger
    exchanger.postfix.stop()
    exchanger.proxy.stop()


@pytest.fixture(scope="session")
def new_milter(folder, milter_settings):
    """A milter of the test's own, not started yet, with further settings."""
    def make(*settings):
        name = f"milter-{next(_milters)}"  # short: a UNIX socket's path may have 107 bytes
        return milter.Milter(folder, milter_settings + list(settings), name)
    return make
