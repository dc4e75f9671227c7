# SPDX-License-Identifier: BSD-2-Clause
"""The CA's mail exchanger as a test sees it: an MTA, a counting proxy behind it or none, and behind that a milter."""
import contextlib

from . import smtp
from .process import wait_for

CA_DOMAIN = "ca.acme-lab.net"
CHALLENGE_ADDRESS = "acme@" + CA_DOMAIN


class MailExchanger:
    """`mta`: a Postfix or a Sendmail of the harness. `proxy`: None where the MTA has the milter's own socket."""

    def __init__(self, mta, proxy, server, acme_server, dns_server):
        self.mta, self.proxy = mta, proxy
        self.milter, self.acme, self.dns = server, acme_server, dns_server
        self._mails_before = 0

    def start(self):
        if self.proxy:
            self.proxy.start()
        self.mta.start()

    def stop(self):
        self.mta.stop()
        if self.proxy:
            self.proxy.stop()

    @contextlib.contextmanager
    def running(self):
        self.start()
        try:
            yield self
        finally:
            self.stop()

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
        self._mails_before = len(self.mta.queue_ids())
        return smtp.send(self.mta.port, exchange.author, recipients, data, **how)

    def queue_id(self):
        """Of the last mail sent here; the MTA's log comes a little after its answer."""
        return wait_for(lambda: self.mta.queue_ids()[self._mails_before:], "the mail stands in the MTA's log")[-1]

    def delivered(self, exchange):
        self.mta.wait_queue_empty()
        return self.mta.delivered(exchange.token.encode())
