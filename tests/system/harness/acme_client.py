# SPDX-License-Identifier: BSD-2-Clause
"""An ACME client (RFC 8555, with the email identifiers of RFC 8823), so that a test can say each step of an order."""
import base64
import hashlib
import json
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .process import wait_for

LIMIT_SECONDS = 60


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Refused(Exception):
    """An error answer; `problem` is its document."""

    def __init__(self, status, problem):
        super().__init__(f"{status}: {problem}")
        self.status, self.problem = status, problem


class AcmeClient:
    """`key` and `account` (its URL): those of an earlier run, else a new key is made."""

    def __init__(self, directory, key=None, account=None):
        self.key = serialization.load_pem_private_key(key, None) if key else ec.generate_private_key(ec.SECP256R1())
        numbers = self.key.public_key().public_numbers()
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64url(numbers.x.to_bytes(32, "big")),
                    "y": b64url(numbers.y.to_bytes(32, "big"))}
        text = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        self.thumbprint = b64url(hashlib.sha256(text.encode()).digest())
        self.account = account
        with urllib.request.urlopen(directory, timeout=LIMIT_SECONDS) as answer:
            self.directory = json.load(answer)

    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def _nonce(self):
        request = urllib.request.Request(self.directory["newNonce"], method="HEAD")
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
            return answer.headers["Replay-Nonce"]

    def post(self, url, payload):
        """A signed request; None as payload is POST-as-GET. Returns the header fields and the body as text."""
        protected = {"alg": "ES256", "nonce": self._nonce(), "url": url}
        protected.update({"kid": self.account} if self.account else {"jwk": self.jwk})
        parts = [b64url(json.dumps(protected).encode()),
                 "" if payload is None else b64url(json.dumps(payload).encode())]
        r, s = decode_dss_signature(self.key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
        body = {"protected": parts[0], "payload": parts[1], "signature": b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/jose+json"})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
                return answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode("utf-8", "replace")) from None

    def post_json(self, url, payload=None):
        return json.loads(self.post(url, payload)[1])

    def new_account(self, contact):
        headers, _ = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True, "contact": ["mailto:" + contact]})
        self.account = headers["Location"]

    def new_order(self, address):
        """The order (with its `url`) and the authorization's one challenge."""
        headers, text = self.post(self.directory["newOrder"], {"identifiers": [{"type": "email", "value": address}]})
        order = dict(json.loads(text), url=headers["Location"])
        (challenge,) = [each for each in self.post_json(order["authorizations"][0])["challenges"]
                        if each["type"] == "email-reply-00"]
        return order, challenge

    def digest(self, token1, challenge):
        """RFC 8823 section 3."""
        return b64url(hashlib.sha256(f"{token1}{challenge['token']}.{self.thumbprint}".encode()).digest())

    def respond(self, challenge):
        """Tell the server that the reply is on its way; returns the challenge's status as answered."""
        return self.post_json(challenge["url"], {})["status"]

    def wait_decided(self, order):
        """The status of the order's authorization once it is no longer pending."""
        def status():
            found = self.post_json(order["authorizations"][0])["status"]
            return found if found not in ("pending", "processing") else None
        return wait_for(status, "the authorization is decided", LIMIT_SECONDS)

    def finalize(self, order, address):
        """Returns the certificate chain in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
            x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False).sign(key, hashes.SHA256())
        self.post(order["finalize"], {"csr": b64url(request.public_bytes(serialization.Encoding.DER))})

        def issued():
            found = self.post_json(order["url"])
            if found["status"] == "invalid":
                raise AssertionError(found)
            return found.get("certificate") if found["status"] == "valid" else None
        return self.post(wait_for(issued, "the certificate is issued", LIMIT_SECONDS), None)[1]
