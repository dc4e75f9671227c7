# SPDX-License-Identifier: BSD-2-Clause
"""The inbound interfaces of akamu and rapidmx, written anew after their sources (czinda/akamu: src/routes/email_webhook.rs,
src/validation/email_reply_00.rs; rapidmx/acme-server: src/routes/InboundMailRoute.ts, src/services/ChallengeService.ts,
src/lib/mail/InboundReply.ts; both of 2026), since neither server is to be had from a registry. Each rule of theirs that a
request of ours could break is here. `challenges` are those of the reference server: their JSON objects."""
import base64
import email
import email.policy
import hashlib
import hmac
import json
import re

import dkim

from . import acme
from .endpoints import HttpServer

BEGIN, END = "-----BEGIN ACME RESPONSE-----", "-----END ACME RESPONSE-----"


class _Receiver(HttpServer):
    """What has become of a challenge is in `states`, by its token-part1: valid or invalid."""

    def __init__(self, path, name, secret, challenges):
        super().__init__(path, name)
        self.name, self.secret, self.challenges = name, secret, challenges
        self.requests, self.states = [], {}

    def answer(self, path, headers, body, peer):
        self.requests.append((headers, body))
        return (self.take(headers, body) if path == self.name else 404), {}

    def decide(self, challenge, is_right):
        self.states[challenge["tokenPart1"]] = "valid" if is_right else "invalid"


class Akamu(_Receiver):
    """200 whatever it thinks of the reply; 403 for another HMAC."""

    def __init__(self, path, secret, challenges):
        super().__init__(path, "/acme/email-webhook", secret, challenges)

    def take(self, headers, body):
        wanted = "sha256=" + hmac.new(self.secret.encode(), body, "sha256").hexdigest()
        if not hmac.compare_digest(headers.get("x-akamu-signature", ""), wanted):
            return 403
        payload = json.loads(body)
        if all(isinstance(payload.get(name), str) for name in ("from", "in_reply_to", "dkim_domain", "dkim_status", "body")):
            self.verify(payload)
        return 200

    def verify(self, payload):
        found = [each for each in self.challenges if each["messageId"] == payload["in_reply_to"]]
        if not found or found[0]["tokenPart1"] in self.states:
            return
        challenge = found[0]
        local, _, domain = payload["from"].partition("@")
        wanted_local, _, wanted_domain = challenge["identifier"].partition("@")
        is_author = (local, domain.lower()) == (wanted_local, wanted_domain.lower())
        is_signed = payload["dkim_domain"].lower() == domain.lower() and payload["dkim_status"].lower() == "pass"
        self.decide(challenge, is_author and is_signed and self.digest(payload["body"]) == acme.digest_of(challenge))

    @staticmethod
    def digest(body):
        """The first block, white space removed; padding is an error."""
        start = body.find(BEGIN)
        end = body.find(END, start)
        text = re.sub(r"[ \t\n\r\f]", "", body[start + len(BEGIN):end]) if 0 <= start < end else ""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True) if "=" not in text else b""
        except ValueError:
            return None
        return text if len(raw) == hashlib.sha256().digest_size else None


class Rapidmx(_Receiver):
    """202 whatever it thinks of the reply; 401 for another secret, 404 where it has none. `records` maps names to TXT."""

    def __init__(self, path, secret, challenges, records):
        super().__init__(path, "/internal/mail/inbound", secret, challenges)
        self.records = records

    def take(self, headers, body):
        if not self.secret:
            return 404
        if headers.get("authorization") != "Bearer " + self.secret:
            return 401
        if not body:
            return 400
        self.verify(body)
        return 202

    def verify(self, raw):
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        token = re.search(r"\bACME:\s*([A-Za-z0-9_-]+)", mail["Subject"], re.I)
        found = [each for each in self.challenges if token and each["tokenPart1"] == token.group(1)]
        authors = mail["From"].addresses
        if not found or found[0]["tokenPart1"] in self.states or len(authors) != 1:
            return
        challenge, domain = found[0], authors[0].domain.lower()
        if authors[0].addr_spec.lower() == challenge["identifier"].lower() and domain in self.signing_domains(raw):
            text = mail.get_body(("plain",)).get_content()
            self.decide(challenge, self.digest(text) == acme.digest_of(challenge))

    def signing_domains(self, raw):
        """d= of each signature that verifies and signs From."""
        def lookup(name, timeout=5):  # pylint: disable=unused-argument
            return self.records.get(name.decode().rstrip("."), "").encode()
        verifier = dkim.DKIM(raw)
        count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
        found = set()
        for number in range(count):
            try:
                is_good = verifier.verify(idx=number, dnsfunc=lookup)
            except dkim.DKIMException:
                continue
            if is_good and b"from" in [name.lower() for name, _ in verifier.signed_headers]:
                found.add(verifier.domain.decode().lower())
        return found

    @staticmethod
    def digest(text):
        """Between the first two marks, quoting and white space removed; at most four lines."""
        lines = [line.lstrip(" \t>").strip() for line in re.split(r"\r\n|\r|\n", text)]
        if BEGIN not in lines or END not in lines[lines.index(BEGIN):]:
            return None
        inside = lines[lines.index(BEGIN) + 1:]
        inside = inside[:inside.index(END)]
        return "".join(inside) if len(inside) <= 4 else None
