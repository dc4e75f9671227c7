# SPDX-License-Identifier: BSD-2-Clause
"""DKIM signers: one of our own that can also sign what it should not, and two real ones."""

import base64
import hashlib
import os
import re
import subprocess

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding

KEYS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "keys")
NOW = 1795496400  # 2026-11-24T05:00:00Z

TWELVE = ("from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:content-type:"
          "content-transfer-encoding")
SHOULD = ("resent-date:resent-from:resent-to:resent-cc:list-id:list-help:list-unsubscribe:list-subscribe:"
          "list-post:list-owner:list-archive:list-unsubscribe-post")
FULL = TWELVE + ":" + SHOULD


def key_path(name):
    return os.path.join(KEYS, name + ".pem")


def load_key(name):
    with open(key_path(name), "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


def public_base64(name):
    public = load_key(name).public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(raw).decode()


def key_record(name, before="v=DKIM1; ", after=""):
    kind = "ed25519" if name.startswith("ed25519") else "rsa"
    return "%sk=%s; p=%s%s" % (before, kind, public_base64(name), after)


def relaxed_header(name, value):
    value = re.sub(rb"\r\n(?=[ \t])", b"", value)
    value = re.sub(rb"[ \t]+", b" ", value).strip(b" \t")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def canonical_header(field, mode):
    name, value = field
    return relaxed_header(name, value) if mode == "relaxed" else name + b":" + value + b"\r\n"


def canonical_body(body, mode):
    if mode == "relaxed":
        body = re.sub(rb"[ \t]+(?=\r\n)", b"", body)
        body = re.sub(rb"[ \t]+", b" ", body)
    body = re.sub(rb"(\r\n)*\Z", b"", body)
    return body + b"\r\n" if body or mode == "simple" else b""


def select_fields(fields, names):
    """RFC 6376 5.4.2: a name that stands several times in h= selects fields from the bottom up."""
    left = {}
    for field in fields:
        left.setdefault(field[0].strip(b" \t").lower(), []).append(field)
    for name in names:
        candidates = left.get(name.strip().lower())
        if candidates:
            yield candidates.pop()


class Signature:
    """What one DKIM-Signature shall be. h: names with colons; tags: more tags, or changed ones (None drops one)."""

    def __init__(self, d="example.com", s="s1", key="rsa2048", a=None, c="relaxed/relaxed", h=FULL, by="own",
                 publish=True, record=None, tags=None, order=None, fold=True, flaw=None):
        self.d, self.s, self.key, self.c, self.h, self.by = d, s, key, c, h, by
        self.a = a or ("ed25519-sha256" if key.startswith("ed25519") else "rsa-sha256")
        self.publish, self.record = publish, record
        self.tags, self.order, self.fold, self.flaw = tags or {}, order, fold, flaw

    def dns_name(self):
        d = self.d if self.d.isascii() else self.d.encode("idna").decode()
        return "%s._domainkey.%s" % (self.s, d)

    def dns_record(self):
        return self.record if self.record is not None else key_record(self.key)

    def make(self, fields, body):
        """The value of the DKIM-Signature field for a mail: bytes behind the colon."""
        return {"own": self._own, "dkimpy": self._dkimpy, "mail-dkim": self._mail_dkim}[self.by](fields, body)

    def _own(self, fields, body):
        header_mode, body_mode = (self.c.split("/") + ["simple"])[:2]
        sha1 = self.a.endswith("sha1")
        canon = canonical_body(body, body_mode)
        if "l" in self.tags:
            canon = canon[:int(self.tags["l"])]
        digest = hashlib.new("sha1" if sha1 else "sha256", canon).digest()
        tags = {"v": "1", "a": self.a, "c": self.c, "d": self.d, "s": self.s, "t": str(NOW - 30), "h": self.h,
                "bh": base64.b64encode(digest).decode()}
        tags.update(self.tags)
        tags = {k: v for k, v in tags.items() if v is not None}
        order = self.order or list(tags)
        separator = ";\r\n\t" if self.fold else "; "
        value = " " + separator.join("%s=%s" % (k, self._folded(tags[k])) for k in order) + separator + "b="
        value = value.encode()
        names = [n.encode() for n in self.h.split(":")]
        data = b"".join(canonical_header(f, header_mode) for f in select_fields(fields, names))
        data += canonical_header((b"DKIM-Signature", value), header_mode)[:-2]
        signature = base64.b64encode(self._sign(data, sha1)).decode()
        if self.flaw == "signature":
            signature = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
        return value + self._folded(signature, 72).encode()

    def _folded(self, text, width=60):
        if not self.fold or len(text) <= width or "=?" in text:
            return text
        if ":" in text:
            lines, line = [], ""
            for name in text.split(":"):
                if len(line) + len(name) > width:
                    lines.append(line)
                    line = ""
                line += ":" + name
            text = "\r\n\t ".join(lines + [line])
            return text.lstrip(":").replace("\r\n\t :", ":\r\n\t ")
        return "\r\n\t ".join(text[i:i + width] for i in range(0, len(text), width))

    def _sign(self, data, sha1):
        key = load_key(self.key)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(hashlib.sha256(data).digest())
        return key.sign(data, padding.PKCS1v15(), hashes.SHA1() if sha1 else hashes.SHA256())

    def _mail(self, fields, body):
        return b"".join(n + b":" + v + b"\r\n" for n, v in fields) + b"\r\n" + body

    def _dkimpy(self, fields, body):
        import dkim
        with open(key_path(self.key), "rb") as f:
            secret = f.read()
        if self.key.startswith("ed25519"):
            secret = base64.b64encode(load_key(self.key).private_bytes(
                serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()))
        real_time = dkim.time.time
        dkim.time.time = lambda: NOW - 30
        try:
            c = tuple(part.encode() for part in self.c.split("/"))
            # A name of h= that is not in the mail stays in it: dkimpy drops none that it is told.
            line = dkim.DKIM(self._mail(fields, body)).sign(
                self.s.encode(), self.d.encode(), secret, signature_algorithm=self.a.encode(), canonicalize=c,
                include_headers=[n.encode() for n in self.h.split(":")])
        finally:
            dkim.time.time = real_time
        return re.sub(rb"\r?\n", b"\r\n", line.rstrip(b"\r\n"))[len(b"DKIM-Signature:"):]

    def _mail_dkim(self, fields, body):
        script = r"""
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey;
my ($alg, $c, $d, $s, $h, $file, $t) = @ARGV;
my $signer = Mail::DKIM::Signer->new(Algorithm => $alg, Method => $c, Domain => $d, Selector => $s, KeyFile => $file,
    Headers => $h, Timestamp => $t);
binmode STDIN; local $/; $signer->PRINT(<STDIN>); $signer->CLOSE;
binmode STDOUT; print $signer->signature->as_string;
"""
        out = subprocess.run(["perl", "-e", script, self.a, self.c, self.d, self.s, self.h, key_path(self.key),
                              str(NOW - 30)], input=self._mail(fields, body), stdout=subprocess.PIPE, check=True)
        return re.sub(rb"\r?\n", b"\r\n", out.stdout.rstrip(b"\r\n"))[len(b"DKIM-Signature:"):]
