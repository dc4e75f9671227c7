# SPDX-License-Identifier: BSD-2-Clause
"""DKIM signers that are not the project's own: python3-dkim, and opendkim-testmsg of libopendkim."""
import base64
import subprocess
import tempfile

import dkim

# RFC 8823 3.2 (9): what the h= of a reply has to name, and 3.1 (6): of a challenge.
REPLY_FIELDS = ("From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "In-Reply-To", "References",
                "Message-ID", "Content-Type", "Content-Transfer-Encoding")
CHALLENGE_FIELDS = REPLY_FIELDS + ("Auto-Submitted",)


def _openssl(*command, stdin=None):
    return subprocess.run(["openssl", *command], check=True, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout


class Key:
    """A key pair. `kind` is rsa or ed25519; `pem` one that is there already."""

    def __init__(self, kind="rsa", bits=2048, pem=None):
        self.kind = kind
        self.bits = bits if kind == "rsa" else None
        if pem is not None:
            self.pem = _openssl("pkey", "-traditional", stdin=pem) if kind == "rsa" else pem
        elif kind == "rsa":
            self.pem = _openssl("genrsa", "-traditional", str(bits))
        else:
            self.pem = _openssl("genpkey", "-algorithm", "ed25519")
        self._public = None

    def public(self):
        """What p= holds: RFC 6376 3.6.1, for Ed25519 the bare 32 bytes of RFC 8463."""
        if self._public is None:
            der = _openssl("pkey", "-pubout", "-outform", "DER", stdin=self.pem)
            self._public = base64.b64encode(der if self.kind == "rsa" else der[-32:]).decode()
        return self._public

    def txt(self, extra="", public=None):
        """The key record. `extra` is further tags, such as "t=y; "; `public` may be "" for a revoked key."""
        return f"v=DKIM1; k={self.kind}; {extra}p={self.public() if public is None else public}"

    def for_dkimpy(self):
        if self.kind == "rsa":
            return self.pem
        der = _openssl("pkey", "-outform", "DER", stdin=self.pem)
        return base64.b64encode(der[-32:])


class _Dkim(dkim.DKIM):
    """python3-dkim writes neither x= nor a t= of the caller's; the tags are set where it makes them."""
    tags = {}

    def gen_header(self, fields, *args, **kwargs):
        fields = [(name, self.tags.get(name, value)) for name, value in fields if self.tags.get(name, value) is not None]
        present = [name for name, _ in fields]
        extra = [(name, value) for name, value in self.tags.items() if name not in present and value is not None]
        place = present.index(b"h")
        return super().gen_header(fields[:place] + extra + fields[place:], *args, **kwargs)


def sign(mail, key, domain, selector, fields=REPLY_FIELDS, canon="relaxed/relaxed", algorithm=None, length=False,
         identity=None, tags=None):
    """The mail with one more signature on top. `tags` sets or removes (None) any tag, e.g. {"x": 1, "t": None};
    `length` adds l=. Everything is signed as asked for, sensible or not."""
    signer = _Dkim(mail)
    signer.tags = {name.encode(): None if value is None else str(value).encode() for name, value in (tags or {}).items()}
    algorithm = algorithm or ("rsa-sha256" if key.kind == "rsa" else "ed25519-sha256")
    field = signer.sign(
        selector.encode(), domain.encode(), key.for_dkimpy(), signature_algorithm=algorithm.encode(),
        canonicalize=tuple(part.encode() for part in canon.split("/")),
        include_headers=[name.encode() for name in fields], length=length,
        identity=identity.encode() if identity else None)
    return field + mail


def sign_sha1_with_opendkim(mail, key, domain, selector):
    """By libopendkim. Its opendkim-testmsg chooses h= itself and signs with rsa-sha1, which RFC 8301 forbids: a real
    signature, good in all else, that must be refused."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key.pem)
        file.flush()
        out = subprocess.run(["opendkim-testmsg", "-C", "-d", domain, "-s", selector, "-k", file.name],
                             input=mail.replace(b"\r\n", b"\n"), check=True, stdout=subprocess.PIPE).stdout
    return out.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def verifies(mail, records):
    """What python3-dkim thinks of the first signature; `records` maps names to TXT. To check the harness itself."""
    def lookup(name, timeout=5):
        return records.get(name.decode().rstrip("."), "").encode()
    try:
        return dkim.DKIM(mail).verify(dnsfunc=lookup)
    except dkim.DKIMException:
        return False
