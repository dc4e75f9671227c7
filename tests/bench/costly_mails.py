# SPDX-License-Identifier: BSD-2-Clause
"""Mails of about 256 kB, each of a shape that could make a reader work: held against plain text of the same size."""
import base64

from mails import CHALLENGE_ADDRESS, DIGEST, mail, plain_reply

BYTES = 255 * 1024
TOP = 1024  # what the other fields take
LINE = "The quick brown fox jumps over the lazy dog, and again, until the line is as long as most.\n"


def _repeat(text, size):
    return (text * (size // len(text.replace("\n", "\r\n")) + 1))[:size]


def _field(name, value):
    return plain_reply().set(name, value)


def _body(text, **changes):
    """The block, then text to the size."""
    made = mail.block(DIGEST) + text
    return plain_reply(body=made[:BYTES - TOP - made.count("\n")], **changes)


def _folded(text, size):
    return "".join(f"\n {text}" for _ in range(size // (len(text) + 3)))


def _coded(text, **changes):
    return plain_reply(Content_Transfer_Encoding="base64", body=base64.encodebytes(text.encode()).decode(), **changes)


def _multipart(part, size, depth=1):
    """Parts in `depth` multiparts within each other, until they are of that size."""
    head = "".join(f'--b{n}\nContent-Type: multipart/alternative; boundary="b{n + 1}"\n\n' for n in range(depth - 1))
    tail = "".join(f"--b{n}--\n" for n in reversed(range(depth)))
    text = f"--b{depth - 1}\n{part}\n"
    first = f"--b{depth - 1}\nContent-Type: text/html\n\n{mail.block(DIGEST)}\n"
    size -= len(head) + len(tail) + len(first) + TOP
    return plain_reply(Content_Type='multipart/alternative; boundary="b0"',
                  body=head + first + text * (size // len(text.replace("\n", "\r\n"))) + tail)


def _many(name, value, count):
    made = plain_reply()
    for number in range(count):
        made.add(name.format(number), value)
    return made


IN_BASE64 = BYTES * 3 // 4 - 8192

SHAPES = {
    "nested multiparts": lambda: _multipart("Content-Type: text/html\n\nx", BYTES, 8),
    "parts without header or text": lambda: _multipart("\n", BYTES),
    "multiparts of an unknown boundary": lambda: _body(_repeat("--c\n\n", BYTES), Content_Type='multipart/mixed; boundary="b"'),
    "64 levels": lambda: _multipart("Content-Type: text/html\n\nx", BYTES, 64),
    "10,000 encoded-words": lambda: _field("Subject", "Re: ACME:" + _folded("=?utf-8?q?abcd?=", 10000 * 19)),
    "encoded-words in another charset": lambda: _field("Subject", "Re:" + _folded("=?iso-8859-1?b?5A==?=", BYTES - 8192)),
    "one header field": lambda: _field("X-Filler", _repeat("filler ", BYTES - 4096)),
    "one header field, folded": lambda: _field("X-Filler", _folded("x", BYTES - 4096)),
    "one From": lambda: _field("From", "a" + _repeat("(b)", BYTES - 4096) + "@author.example"),
    "one From of open brackets": lambda: _field("From", _repeat("(", BYTES - 4096)),
    "one To of many addresses": lambda: _field("To", _repeat("a@b.example, ", BYTES - 4096) + CHALLENGE_ADDRESS),
    "one Subject of labels": lambda: _field("Subject", _repeat("ACME: ", BYTES - 4096)),
    "one Content-Type": lambda: _field("Content-Type", "text/plain" + _repeat("; a=b", BYTES - 4096)),
    "one In-Reply-To": lambda: _field("In-Reply-To", _repeat("<a@b> ", BYTES - 4096)),
    "one DKIM-Signature": lambda: _field("DKIM-Signature", "v=1; d=author.example; h=" + _repeat("from:", BYTES - 4096)),
    "signatures": lambda: _many("DKIM-Signature", "v=1; a=rsa-sha256; d=author.example; s=s{0}; h=" + _repeat("from:", 1000)
                                + "from; bh=" + "A" * 43 + "=; b=" + "A" * 344, 180),
    "list fields": lambda: _many("List-{0}", _repeat("filler ", 1200), 180),
    "base64": lambda: _coded(mail.block(DIGEST) + _repeat(LINE, IN_BASE64)),
    "quoted-printable": lambda: _body(_repeat("=41" * 25 + "=\n", BYTES), Content_Transfer_Encoding="quoted-printable"),
    "UTF-16": lambda: _coded(_repeat(LINE, IN_BASE64), Content_Type="text/plain; charset=utf-16"),
    "one long line": lambda: _coded(mail.block(DIGEST) + "x" * IN_BASE64),
    "one long line in the block": lambda: _coded(f"{mail.BEGIN}\n" + "x" * IN_BASE64 + f"\n{mail.END}\n"),
    "blanks": lambda: _coded(f"{mail.BEGIN}\n" + " \u00a0" * (IN_BASE64 // 3) + f"\n{mail.END}\n"),
    "quotation marks": lambda: _coded("> " * (IN_BASE64 // 2) + "\n" + mail.block(DIGEST)),
    "dashes": lambda: _coded(_repeat("\u2014" * 8 + "BEGIN ACME RESPONSE " + "\u2014" * 9 + "\n", IN_BASE64 // 2)),
    "lines that begin with dashes": lambda: _body(_repeat("-- ACME\n", BYTES)),
    "blocks": lambda: _body(_repeat(mail.block(DIGEST), BYTES)),
    "blocks that do not end": lambda: _body(_repeat(f"{mail.BEGIN}\n", BYTES)),
    "empty lines": lambda: _body(_repeat("\n", BYTES)),
    "characters beyond ASCII": lambda: _body(_repeat("\u00e4\u20ac" * 30 + "\n", BYTES * 3 // 8), Content_Type="text/plain; charset=utf-8"),
}


def plain():
    """What each shape is held against."""
    return _body(_repeat(LINE, BYTES))
