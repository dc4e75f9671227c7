# SPDX-License-Identifier: BSD-2-Clause
"""What the milter posts: the result object and the JWS around it; and the digest as a client computes it."""
import base64
import datetime
import hashlib
import hmac
import itertools
import json

READINGS = ("text", "bytes")
_numbers = itertools.count(1)


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def joined_token(challenge, reading):
    """RFC 8823 section 3 step 6 "concatenates": the two texts, or the bytes that they stand for."""
    part1, part2 = challenge["tokenPart1"], challenge["tokenPart2"]
    return part1 + part2 if reading == "text" else b64url(unb64url(part1) + unb64url(part2))


def digest_of(challenge, reading):
    authorization = joined_token(challenge, reading) + "." + challenge["thumbprint"]
    return b64url(hashlib.sha256(authorization.encode()).digest())


WRONG_DIGEST = b64url(bytes(32))


def rfc3339(time):
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def result_id(result):
    """Each part as its length in bytes, a colon and its bytes."""
    names = ("challengeAddress", "tokenPart1", "digest", "from", "messageId")
    parts = ["1"] + [result[name] if isinstance(result[name], str) else "" for name in names]
    text = b"".join(b"%d:%s" % (len(part), part) for part in (p.encode("utf-8", "surrogatepass") for p in parts))
    return b64url(hashlib.sha256(text).digest())


def lower_domain(address):
    local, _, domain = address.rpartition("@")
    return local + "@" + domain.lower()


def good_result(challenge, reading, **changes):
    """The pass of a reply as a good mail system sends it. A change replaces a member; the id follows from the rest."""
    author = lower_domain(challenge["identifier"])
    domain = author.rpartition("@")[2]
    message_id = f"<{next(_numbers)}.{now().timestamp():.6f}@{domain}>"
    result = {
        "version": 1, "id": None, "verdict": "pass", "reason": None, "challengeType": "email-reply-00",
        "challengeAddress": challenge["from"], "tokenPart1": challenge["tokenPart1"],
        "digest": digest_of(challenge, reading), "from": author, "messageId": message_id, "inReplyTo": None,
        "receivedAt": rfc3339(now()), "messageSha256": hashlib.sha256(message_id.encode()).hexdigest(),
        "findings": [{"id": "dnssec-none", "severity": "note", "detail": f"s1._domainkey.{domain}"}],
        "dkim": {"result": "pass", "domain": domain, "selector": "s1", "algorithm": "rsa-sha256", "keyBits": 2048,
                 "identity": "@" + domain, "signedFields": ["from", "to", "subject"], "signedAt": None,
                 "expiresAt": None, "bodyLengthLimited": False, "dnssec": "insecure"},
        "signatures": [{"domain": domain, "selector": "s1", "result": "pass"}],
        "dmarc": {"result": "pass", "policy": "reject", "policyDomain": domain, "dkimAlignment": "relaxed",
                  "dnssec": "insecure"},
        "assurance": {"dkimKeyDnssec": False, "dmarcDnssec": False, "policyEnforced": True, "fullHeaderCoverage": False},
        "smtp": {"clientAddress": "192.0.2.1", "clientName": None, "helo": "mail." + domain, "mailFrom": author,
                 "queueId": "4X8kQz1Bm3z1", "tlsVersion": "TLSv1.3"},
        "milter": {"name": "mx.conformance.example", "version": "conformance"},
        "settings": ["Policy interop"],
    }
    result.update(changes)
    if "id" not in changes:
        result["id"] = result_id(result)
    return result


def rejected(result, **changes):
    """The same reply as the milter posts it with ReportRejects."""
    reason = {"finding": "dkim-fail", "code": 550, "enhanced": "5.7.20",
              "text": "The DKIM signature of your domain does not verify. [dkim-fail]"}
    return dict(result, **{"verdict": "reject", "reason": reason, "dkim": None, **changes})


class Signer:
    """An Ed25519 key (PEM), and results signed with it. Needs python3-cryptography."""

    def __init__(self, key):
        from cryptography.hazmat.primitives import serialization
        self.key = key
        self.public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public_pem = key.public_key().public_bytes(serialization.Encoding.PEM,
                                                        serialization.PublicFormat.SubjectPublicKeyInfo)
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64url(self.public)}
        thumbprint = hashlib.sha256(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode())
        self.header = {"alg": "EdDSA", "kid": b64url(thumbprint.digest()), "typ": "acme-email-reply+json"}

    @classmethod
    def load(cls, path):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        with open(path, "rb") as file:
            key = load_pem_private_key(file.read(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("an Ed25519 key is wanted")
        return cls(key)

    @classmethod
    def make(cls):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        return cls(Ed25519PrivateKey.generate())

    def private_pem(self):
        from cryptography.hazmat.primitives import serialization
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def sign(self, payload, **header):
        """Flattened JSON, as a dict. A change to the header with value None leaves the member out."""
        header = {name: value for name, value in {**self.header, **header}.items() if value is not None}
        protected, payload = b64url(json.dumps(header).encode()), b64url(payload)
        signed = f"{protected}.{payload}".encode()
        signature = {"none": lambda: b"", "HS256": lambda: hmac.digest(self.public_pem, signed, "sha256")}.get(
            header.get("alg"), lambda: self.key.sign(signed))()
        return {"payload": payload, "protected": protected, "signature": b64url(signature)}
