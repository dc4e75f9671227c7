# SPDX-License-Identifier: BSD-2-Clause
"""Two mail exchangers, a proxy, three milters and one ACME server, as doc/performance has them: none loses a reply."""
import concurrent.futures
import contextlib
import os
import signal
import smtplib
import threading
import time

import pytest

from harness import mail, smtp
from harness.dns import UNSIGNED, txt_chunks
from harness.hosts import HaProxy, HostMilter, HostPostfix, Hosts
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS

MILTERS = ("m1", "m2", "m3")
EXCHANGERS = ("mx1", "mx2")
CLIENTS = 6
HELD = 6  # sessions that are open when the milter is killed: two on each
REPLIES = 40
KILLED_AFTER = 10
TRIES_MAX = 40


class Cluster:
    def __init__(self, folder, hosts, settings):
        self.milters = [HostMilter(hosts, name, folder, settings) for name in MILTERS]
        self.proxy = HaProxy(hosts, "lb", folder, MILTERS)
        self.exchangers = {name: HostPostfix(hosts, name, folder, CA_DOMAIN, self.proxy.address) for name in EXCHANGERS}
        self.servers = [*self.milters, self.proxy, *self.exchangers.values()]
        self.hosts, self.started = hosts, contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for server in self.servers:
                stack.callback(server.stop)
                server.start()
            self.started = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.started.close()

    def kill_first(self):
        """As a crash does: nothing is said to anybody."""
        os.kill(self.milters[0].process.pid, signal.SIGKILL)
        self.milters[0].process.popen.wait()
        self.milters[0].process = None


@pytest.fixture
def cluster(folder, keys, milter_settings):
    dns = folder.sub("dns-file") / "dns.txt"
    dns.write_text(f'rsa2048._domainkey.{UNSIGNED} 3600 TXT {txt_chunks(keys["rsa2048"].txt())}\n'
                   f'_dmarc.{UNSIGNED} 3600 TXT "v=DMARC1; p=reject"\n')
    settings = [pair for pair in milter_settings if pair[0] not in ("Nameservers", "TrustAnchorFile")]
    with Hosts("lb", *MILTERS, *EXCHANGERS) as hosts:
        with Cluster(folder, hosts, [*settings, ("TestDNSData", dns)]) as made:
            yield made


class Senders:
    """Sending MTAs: each keeps a mail until it was taken, as RFC 5321 section 4.5.4.1 has it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.lock = threading.Lock()
        self.killed = threading.Event()
        self.taken, self.others, self.put_off = [], [], 0

    def connect(self, name):
        self.cluster.hosts.enter(name)
        return smtp.connect(self.cluster.exchangers[name].port)

    def _try(self, client, exchange, data):
        try:
            return smtp.send(None, exchange.author, CHALLENGE_ADDRESS, data, connection=client).code
        except (OSError, smtplib.SMTPException):
            return 0
        finally:
            client.close()

    def _count(self, code, exchange):
        with self.lock:
            self.put_off += code // 100 == 4
            if code == 250:
                self.taken.append(exchange.token)
            elif code // 100 == 5:
                self.others.append(code)
            if len(self.taken) == KILLED_AFTER and not self.killed.is_set():
                self.cluster.kill_first()
                self.killed.set()

    def send(self, number, exchange, data):
        """The first ones hold a session with each milter and use it when one has been killed."""
        client = self.connect(EXCHANGERS[number % len(EXCHANGERS)])
        if number < HELD:
            self.killed.wait()
        for attempt in range(TRIES_MAX):
            code = self._try(client, exchange, data)
            self._count(code, exchange)
            if code == 250 or code // 100 == 5:
                return
            time.sleep(0.2)
            client = self.connect(EXCHANGERS[(number + attempt) % len(EXCHANGERS)])


def test_killing_a_milter_loses_no_reply(cluster, new_exchange, acme_server):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        exchanges = list(pool.map(lambda _: new_exchange("alice@" + UNSIGNED), range(REPLIES)))
    mails = [exchange.sign(mail.reply(exchange.challenge, exchange.digest)) for exchange in exchanges]
    senders = Senders(cluster)
    with concurrent.futures.ThreadPoolExecutor(HELD + CLIENTS) as pool:
        list(pool.map(senders.send, range(REPLIES), exchanges, mails))

    assert senders.killed.is_set() and not senders.others
    assert senders.put_off > 0  # those that it held
    assert sorted(senders.taken) == sorted(exchange.token for exchange in exchanges)  # each once
    assert {acme_server.status(exchange.challenge) for exchange in exchanges} == {"valid"}
    ids = [{result["id"] for result in acme_server.results_for(exchange.challenge)} for exchange in exchanges]
    assert all(len(each) == 1 for each in ids)  # what was posted twice is one reply
    for milter in cluster.milters[1:]:
        assert milter.reply_lines("")  # each of the others had its share
