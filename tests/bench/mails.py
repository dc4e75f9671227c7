# SPDX-License-Identifier: BSD-2-Clause
"""The mails of the measurements, signed by python3-dkim."""
import base64

from lab import HERE
from harness import mail
from harness.signer import REPLY_FIELDS, Key, sign

AUTHOR_DOMAIN = "author.example"
CHALLENGE_ADDRESS = "acme@ca.example"
OTHER_ADDRESS = "someone@ca.example"
TOKEN = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME"
DIGEST = "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
CHALLENGE = {"identifier": f"alice@{AUTHOR_DOMAIN}", "from": CHALLENGE_ADDRESS, "tokenPart1": TOKEN,
             "messageId": "<challenge.1@ca.example>"}
LARGE_BYTES = 256 * 1024 - 8192
UNCACHED = "uncached"  # the selector whose record has a TTL of 0
SIGNED_AT = 1764000000
FIXED = {"Date": "Mon, 24 Nov 2025 16:00:00 +0000", "Message_ID": "<1@author.example>"}

QUOTED = "".join(f"> {line}\n" for line in (
    "This is an automatically generated message from the certificate authority ca.example.",
    "Someone asked it for a certificate for this mail address. If it was you, answer this mail;",
    "your program does so by itself. If it was not you, there is nothing that you have to do.") * 6)


def plain_reply(**changes):
    """About 3 kB, as a mail provider hands it over."""
    made = mail.reply(CHALLENGE, DIGEST, **FIXED, **changes)
    if "body" not in changes:
        made.body = "Hello,\n\nthe answer is below.\n\n" + mail.block(DIGEST) + "\nOn Tuesday the CA wrote:\n" + QUOTED
    received = ("from out.author.example (out.author.example [192.0.2.1])\n\tby mx.ca.example (Postfix) with ESMTPS "
                "id 4X0123456789\n\tfor <acme@ca.example>; Tue, 24 Nov 2026 16:00:00 +0000 (UTC)")
    for _ in range(2):
        made.add("Received", received, first=True)
    return made.add("User-Agent", "ExampleMail/128.0").add("X-Provider-Trace", "0123456789abcdef" * 8)


class Signer:
    """With keys of tests/data and one time of signing, so that its mails are the same in each run."""

    def __init__(self):
        self.keys, self.records = {}, {}
        self.add("rsa", "rsa2048")
        self.add("ed", "ed25519", "ed25519")
        self.add(UNCACHED, "rsa2048b")
        self.records[f"_dmarc.{AUTHOR_DOMAIN}"] = "v=DMARC1; p=reject; adkim=s; rua=mailto:dmarc@author.example"

    def add(self, selector, file, kind="rsa"):
        pem = (HERE.parent / "data" / "keys" / f"{file}.pem").read_bytes()
        self.keys[selector] = Key(kind, pem=pem)
        self.records[f"{selector}._domainkey.{AUTHOR_DOMAIN}"] = self.keys[selector].txt()

    def sign(self, made, selector="rsa", fields=REPLY_FIELDS):
        data = made if isinstance(made, bytes) else made.bytes()
        return sign(data, self.keys[selector], AUTHOR_DOMAIN, selector, fields=fields, tags={"t": SIGNED_AT})


def other_mail():
    """Somebody's letter, not a reply: what the milter is never to see."""
    text = "The quick brown fox jumps over the lazy dog, and again, until the mail is about as long as most.\n"
    return plain_reply(Subject="Minutes of the meeting", To=OTHER_ADDRESS, body=text * 30)


def with_results(data):
    """As opendkim hands it on to opendmarc."""
    return (b"Authentication-Results: mx.ca.example;\r\n\tdkim=pass (2048-bit key; unprotected) "
            b"header.d=author.example header.i=@author.example\r\n") + data


def _nested(depth):
    body = f"Content-Type: text/plain\n\n{mail.block(DIGEST)}"
    for number in range(depth):
        body = (f'Content-Type: multipart/alternative; boundary="b{number}"\n\n'
                f"--b{number}\n{body}\n--b{number}--\n")
    head, _, rest = body.partition("\n\n")
    return head.partition(": ")[2], rest


def attacks(signer):
    """{name: mail} of what somebody sends who wants us to work."""
    ordinary = signer.sign(plain_reply())
    signature = ordinary[:ordinary.index(b"\r\nReceived") + 2]
    many = b"".join(signature.replace(b"s=rsa;", b"s=r%d;" % number) for number in range(300))
    fields = plain_reply()
    for number in range(200):
        fields.add(f"X-Filler-{number}", "filler " * 10)
    fields.fields = fields.fields[:200 - 1]
    encoded = base64.encodebytes((mail.block(DIGEST) + "x" * (LARGE_BYTES * 3 // 4 - 4096)).encode()).decode()
    large = plain_reply(Content_Transfer_Encoding="base64", body=encoded)
    kind, body = _nested(64)
    return {
        "300 signatures": many + plain_reply().bytes(),
        "200 fields": signer.sign(fields),
        "256 kB of base64": signer.sign(large),
        "64 nested parts": signer.sign(plain_reply(Content_Type=kind, body=body)),
        "no signature, with token": plain_reply().bytes(),
        "signed, no token": signer.sign(plain_reply(Subject="Re: hello")),
        "signed, no block": signer.sign(plain_reply(body=QUOTED)),
    }
