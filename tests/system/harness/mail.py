# SPDX-License-Identifier: BSD-2-Clause
"""Mails, made byte by byte: the baseline good reply of RFC 8823 section 3.2 and any departure from it."""
import itertools
import time
from email.utils import formatdate

_numbers = itertools.count(1)

BEGIN = "-----BEGIN ACME RESPONSE-----"
END = "-----END ACME RESPONSE-----"


class Mail:
    """Fields in order, each (name, value) with the value as it stands after the colon and one blank, and a body.
    Text may use LF; bytes() makes CRLF of it. A field's value or the body given as bytes is left alone."""

    def __init__(self, fields, body):
        self.fields = list(fields)
        self.body = body

    def get(self, name):
        return next((value for field, value in self.fields if field.lower() == name.lower()), None)

    def set(self, name, value):
        """Replace the first field of that name, or add it at the end; None removes all of them."""
        if value is None:
            self.fields = [(field, old) for field, old in self.fields if field.lower() != name.lower()]
            return self
        for number, (field, _) in enumerate(self.fields):
            if field.lower() == name.lower():
                self.fields[number] = (field, value)
                return self
        self.fields.append((name, value))
        return self

    def add(self, name, value, first=False):
        self.fields.insert(0 if first else len(self.fields), (name, value))
        return self

    def bytes(self):
        return b"".join(name.encode() + b": " + _crlf(value) + b"\r\n" for name, value in self.fields) \
            + b"\r\n" + _crlf(self.body)


def _crlf(text):
    return text if isinstance(text, bytes) else text.encode("utf-8").replace(b"\n", b"\r\n")


def block(digest):
    return f"{BEGIN}\n{digest}\n{END}\n"


def reply(challenge, digest, **changes):
    """RFC 8823 Figure 2. A change names a field with _ for -, or `body`; its value replaces the field (None: removes)."""
    mail = Mail([
        ("From", challenge["identifier"]),
        ("To", challenge["from"]),
        ("Subject", "Re: ACME: " + challenge["tokenPart1"]),
        ("Date", formatdate()),
        ("Message-ID", f"<{next(_numbers)}.{time.time_ns()}@{challenge['identifier'].rpartition('@')[2]}>"),
        ("In-Reply-To", challenge["messageId"]),
        ("References", challenge["messageId"]),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=us-ascii"),
        ("Content-Transfer-Encoding", "7bit"),
    ], block(digest))
    for name, value in changes.items():
        if name == "body":
            mail.body = value
        else:
            mail.set(name.replace("_", "-"), value)
    return mail
