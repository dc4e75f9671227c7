# SPDX-License-Identifier: BSD-2-Clause
"""The fixtures of the system tests: real servers, started once for all tests of a run unless a test stops them."""
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import acme, mail, milter, signer
from harness.dns import BOGUS, SIGNED, UNSIGNED, DnsServer
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS, MailExchanger
from harness.milter_proxy import MilterProxy
from harness.postfix import Postfix
from harness.process import Folder

TOP = Path(__file__).resolve().parents[2]
_milters = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--replies", type=int, default=200, help="how many honest ones test_chaos sends")
    parser.addoption("--seed", type=int, help="of the chance in test_chaos; a new one where it is not given")


def pytest_collection_modifyitems(items):
    """Who runs these without what they need is told so, not shown a green line."""
    if items and os.geteuid() != 0:
        pytest.exit("the system tests start servers under their own users: run them as root", returncode=2)
    missing = [name for name in ("knotd", "keymgr", "valgrind", "haproxy", "ip", "postfix", "openssl", "unbound-host", "opendkim-testmsg",
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


@pytest.fixture
def judge_by(keys, tmp_path):
    """Judges a good reply of that domain by -t and these name servers; returns the exit code and the result."""
    def judge_by(domain, nameservers, anchor, *lines, key="ed25519", selector="s", within=()):
        conf, message = tmp_path / "acme-milter.conf", tmp_path / "mail.eml"
        conf.write_text("\n".join([f"ChallengeAddress {CHALLENGE_ADDRESS}", f"Nameservers {nameservers}",
                                   f"TrustAnchorFile {anchor}", *lines]) + "\n")
        challenge = {"identifier": "alice@" + domain, "from": CHALLENGE_ADDRESS, "messageId": f"<2@{CA_DOMAIN}>",
                     "tokenPart1": "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"}
        reply = mail.reply(challenge, "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk").bytes()
        message.write_bytes(signer.sign(reply, keys[key], domain, selector))
        done = milter.run("-t", "-c", conf, message, within=within)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)
    return judge_by


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


class Mx(MailExchanger):
    """Postfix, a counting proxy behind it, and behind that one milter or another."""

    def __init__(self, folder, server, acme_server, dns_server):
        proxy = MilterProxy(folder.path / "proxy.sock", server.socket)
        self.postfix = Postfix(folder, CA_DOMAIN, proxy.address)
        super().__init__(self.postfix, proxy, server, acme_server, dns_server)


@pytest.fixture(scope="session")
def mx(folder, shared_milter, acme_server, dns_server):
    exchanger = Mx(folder, shared_milter, acme_server, dns_server)
    exchanger.start()
    yield exchanger
    exchanger.stop()


@pytest.fixture(scope="session")
def tls_files(folder):
    """A certificate that we made ourselves, and its key, as an MTA reads them."""
    certificate, key = folder.path / "mx.pem", folder.path / "mx-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx." + CA_DOMAIN,
                    "-out", certificate, "-keyout", key], check=True, stderr=subprocess.DEVNULL)
    key.chmod(0o600)
    return certificate, key


@pytest.fixture(scope="session")
def new_milter(folder, milter_settings):
    """A milter of the test's own, not started yet, with further settings."""
    def make(*settings):
        name = f"milter-{next(_milters)}"  # short: a UNIX socket's path may have 107 bytes
        return milter.Milter(folder, milter_settings + list(settings), name)
    return make


@pytest.fixture
def running(new_milter):
    """Starts milters of the test's own, with these settings and attributes, and ends those that the test did not."""
    started = []

    def start(*settings, **attributes):
        server = new_milter(*settings)
        vars(server).update(attributes)
        started.append(server)
        server.start_and_wait()
        return server
    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The folder with the Debian packages that contrib/package makes of this checkout."""
    target = tmp_path_factory.mktemp("deb")
    done = subprocess.run([TOP / "contrib/package", "deb", target], env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"}, umask=0o022,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return target


@pytest.fixture
def canned(mx):
    """Have the ACME server give one answer to everything until the test ends."""
    def answer(text):
        mx.acme.stop()
        mx.acme.start("--answer", text)
    yield answer
    mx.acme.stop()
    mx.acme.start()
