# SPDX-License-Identifier: BSD-2-Clause
"""Answers a challenge mail with the imap plugin of certbot-castle: the task is read from standard input, the reply is
written to standard output. The plugin's IMAP and SMTP servers are objects here; its checks of the mail are its own."""
import json
import os
import re
import sys

import dns.resolver
import josepy
from acme import messages
from certbot import achallenges
from certbot._internal.display import obj as display
from certbot_castle.plugins.imap import Authenticator
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Inbox:
    """One new mail, as imapclient tells of it."""

    def __init__(self, mail):
        self.mail = mail

    def idle(self):
        pass

    def idle_done(self):
        pass

    def idle_check(self, timeout):
        return [(1, b"EXISTS")]

    def fetch(self, uid, parts):
        return {uid: {b"RFC822": self.mail}}

    def add_flags(self, uid, flags):
        pass


class Outbox:
    """What smtplib would have sent: it makes CRLF of every line end."""
    sent = None

    def sendmail(self, sender, recipient, message):
        self.sent = re.sub(r"\r\n|\n|\r(?!\n)", "\r\n", message).encode("ascii")


def use_nameserver(address):
    host, _, port = address.partition("@")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [host], int(port)
    dns.resolver.default_resolver = resolver


def challenge_of(task):
    with open(task["keyFile"], "rb") as file:
        key = josepy.JWKEC(key=josepy.ComparableECKey(load_pem_private_key(file.read(), None)))
    body = messages.ChallengeBody.from_json({"type": "email-reply-00", "url": "https://ca.example/challenge",
                                             "status": "pending", "token": task["tokenPart2"], "from": task["from"]})
    return achallenges.KeyAuthorizationAnnotatedChallenge(challb=body, domain=task["identifier"], account_key=key)


def main():
    task = json.load(sys.stdin)
    use_nameserver(task["nameserver"])
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        display.set_display(display.NoninteractiveDisplay(nowhere))
        plugin = Authenticator(config=None, name="castle-imap")
        plugin.imap, plugin.smtp = Inbox(task["mail"].encode()), Outbox()
        plugin._perform_emailreply00(challenge_of(task))
    sys.stdout.buffer.write(plugin.smtp.sent)


main()
