# SPDX-License-Identifier: BSD-2-Clause
"""The body of a reply: media types, encodings, the block and its digest."""

import base64
import quopri

from .building import BEGIN, DIGEST, END, OTHER_DIGEST, block, case, parts, reply, typed

HTML = "<html><body><p>%s<br>%s<br>%s</p></body></html>" % (BEGIN, DIGEST, END)
NO_BLOCK = "Please see the other part.\r\n"
TEXT = "Content-Type: text/plain; charset=utf-8"


def wrapped_base64(data):
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def qp(data):
    return quopri.encodestring(data.replace(b"\r\n", b"\n")).decode().replace("\n", "\r\n")


def quoted(text, mark="> "):
    return "".join(mark + line + "\r\n" for line in text.rstrip("\r\n").split("\r\n"))


case("A01-baseline", reply("%s\r\n%s\r\n%s=\r\n%s\r\n" % (BEGIN, OTHER_DIGEST[:30], OTHER_DIGEST[30:], END)),
     "R-25 R-26 R-27 R-28 R-29 R-30 R-34 R-35 R-39 R-40 R-42 A01", "The RFC's own shape: split and padded digest",
     digest=OTHER_DIGEST,
     result={"challengeType": "email-reply-00", "challengeAddress": "acme@ca.example", "version": 1,
             "messageId": "<reply-1@example.com>", "inReplyTo": "<challenge-1@ca.example>",
             "receivedAt": "2026-11-24T05:00:00Z",
             "dkim": {"result": "pass", "domain": "example.com", "selector": "s1", "algorithm": "rsa-sha256",
                      "keyBits": 2048, "identity": "@example.com", "bodyLengthLimited": False, "dnssec": "secure"},
             "signatures": [{"domain": "example.com", "selector": "s1", "result": "pass"}],
             "dmarc": {"result": "pass", "policy": "reject", "policyDomain": "example.com", "dnssec": "secure"},
             "assurance": {"dkimKeyDnssec": True, "dmarcDnssec": True, "policyEnforced": True,
                           "fullHeaderCoverage": True}})
case("A01-baseline-lf", reply(), "R-25 R-40 A01", "The same kind of mail, stored with LF line ends", eol="lf")
case("A02-one-line-unpadded", reply(), "R-07 R-40 A02", "43 characters on one line")
case("A03-one-character-a-line", reply(block("\r\n".join(DIGEST))), "R-42 A03", "CRLFs inside the digest are ignored")
case("R42-blank-lines-and-blanks", reply(block("\r\n  %s\t\r\n\r\n\t%s \r\n" % (DIGEST[:20], DIGEST[20:]))),
     "R-42", "White space of any kind")
case("R40-marker-with-trailing-blanks", reply(block(begin=BEGIN + "  ", end=END + "\t ")), "R-40 J10",
     "Blanks that programs leave behind")
case("R43-text-around", reply("Hello,\r\n\r\nhere it is:\r\n%s\r\nRegards\r\n-- \r\nAlice\r\n" % block()), "R-43",
     "Text before and after is ignored")
case("A31-utf8-around", typed("text/plain; charset=utf-8", "Gr\u00fc\u00dfe \u2709\r\n%sTsch\u00fc\u00df\r\n" % block(),
                              "8bit"), "R-43 R-44 A31", "8-bit text around the block")
case("R43-latin1-around", typed("text/plain; charset=ISO-8859-1",
                                "Gr\u00fc\u00dfe\r\n".encode("latin-1") + block().encode(), "8bit"), "R-43 R-44",
     "Another charset of the body is no fault")
case("R44-windows-1252-qp", typed("text/plain; charset=\"windows-1252\"",
                                  qp("\u201eGr\u00fc\u00dfe\u201c\r\n".encode("cp1252") + block().encode()),
                                  "quoted-printable"), "R-44", "As Outlook writes it")
case("A30-qp-soft-break-in-digest",
     typed("text/plain; charset=utf-8", "Gr=C3=BC=C3=9Fe\r\n" + block(DIGEST[:25] + "=\r\n" + DIGEST[25:]),
           "quoted-printable"), "R-42 R-44 A30", "As nodemailer breaks it")
case("R44-qp-padded-digest", typed("text/plain; charset=utf-8", block(DIGEST + "=3D"), "quoted-printable"), "R-44",
     "The padding arrives encoded")
case("A30-base64", typed("text/plain; charset=utf-8", wrapped_base64(("Gr\u00fc\u00dfe\r\n" + block()).encode()),
                         "base64"), "R-44 A30", "Base64 is permitted")
case("R44-base64-without-crlf-inside", typed("text/plain; charset=utf-8",
                                             wrapped_base64(block().replace("\r\n", "\n").encode()), "base64"),
     "R-44 R-41", "LF inside base64 is not on the wire; many programs write it")
case("R39-no-content-type", reply(Content_Type=None, Content_Transfer_Encoding=None, MIME_Version=None), "R-39",
     "text/plain in US-ASCII is the default")
case("R39-content-type-in-capitals", typed("TEXT/PLAIN; CHARSET=US-ASCII", block(), "7BIT"), "R-39",
     "Types and encodings know no case")
case("R39-flowed", typed("text/plain; charset=utf-8; format=flowed",
                         "Hello, this is a line that \r\nflows on.\r\n" + block() + "> quoted\r\n"), "R-39 R-43",
     "format=flowed")
case("R42-flowed-delsp", typed("text/plain; charset=utf-8; format=flowed; delsp=yes",
                               block(DIGEST[:20] + " \r\n" + DIGEST[20:])), "R-42", "A soft break in the digest")
case("A27-alternative", typed("multipart/alternative; boundary=\"b1\"",
                              parts("b1", (TEXT, block()), ("Content-Type: text/html; charset=utf-8", HTML))),
     "R-39 A27", "Plain text and HTML")
case("R39-alternative-html-first", typed("multipart/alternative; boundary=b1",
                                         parts("b1", ("Content-Type: text/html", HTML), (TEXT, block()))), "R-39",
     "The order is wrong, the text is there")
case("A28-block-in-html-only", typed("multipart/alternative; boundary=b1",
                                     parts("b1", (TEXT, NO_BLOCK), ("Content-Type: text/html", HTML))),
     "R-39 R-40 A28 block-missing", "HTML is never read", reason="block-missing")
case("A29-html-only", typed("text/html; charset=utf-8", HTML + "\r\n"), "R-39 A29 body-no-text body-type",
     "No text/plain at all", reason="body-no-text", findings=["body-type"])
case("R39-html-only-rfc8823", typed("text/html; charset=utf-8", HTML + "\r\n"), "R-39 body-type",
     "Under the RFC's letter the type itself is refused", reason="body-type", conf=["Policy rfc8823"])
PDF = ("Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n"
       "Content-Disposition: attachment; filename=a.pdf", wrapped_base64(b"%PDF-1.4\n%%EOF\n").rstrip())
case("A29-mixed-with-pdf", typed("multipart/mixed; boundary=b1", parts("b1", (TEXT, block()), PDF)),
     "R-39 A29 J11 body-type", "Not one of the two types that the RFC names", findings=["body-type"])
case("R39-mixed-with-footer", typed("multipart/mixed; boundary=b1",
                                    parts("b1", (TEXT, block()), (TEXT, "This mail was checked.\r\n"))),
     "R-39 J11 body-type", "A gateway added a part", findings=["body-type"])
SIGNED = "multipart/signed; boundary=b1; micalg=pgp-sha512; protocol=\"application/pgp-signature\""
case("R39-pgp-signed", typed(SIGNED, parts("b1", (TEXT, block()),
                                           ("Content-Type: application/pgp-signature", "(no real signature)"))),
     "R-39 J11 body-type", "PGP/MIME around the text", findings=["body-type"])
case("R39-pgp-encrypted",
     typed("multipart/encrypted; boundary=b1; protocol=\"application/pgp-encrypted\"",
           parts("b1", ("Content-Type: application/pgp-encrypted", "Version: 1"),
                 ("Content-Type: application/octet-stream", "(no text)"))),
     "R-39 body-no-text", "Nothing to read", reason="body-no-text")
INNER = parts("b2", (TEXT, block()), ("Content-Type: text/html", HTML))
case("R39-alternative-in-mixed", typed("multipart/mixed; boundary=b1",
                                       parts("b1", ("Content-Type: multipart/alternative; boundary=b2", INNER), PDF)),
     "R-39 J11 body-type", "As Proton sends it with a key attached", findings=["body-type"])
case("R39-related-in-alternative",
     typed("multipart/alternative; boundary=b1",
           parts("b1", (TEXT, block()),
                 ("Content-Type: multipart/related; boundary=b2",
                  parts("b2", ("Content-Type: text/html", HTML),
                        ("Content-Type: image/gif\r\nContent-Transfer-Encoding: base64", "R0lGODlhAQABAAAAADs="))))),
     "R-39", "Apple Mail with a picture in the HTML")
case("R39-unknown-charset", typed("text/plain; charset=x-klingon", block()), "R-39 body-no-text",
     "A charset that nobody can read", reason="body-no-text")
case("R44-unknown-encoding", typed("text/plain", block(), "x-uuencode"), "R-44 body-no-text",
     "A transfer encoding that nobody can undo", reason="body-no-text")


def nested(depth):
    entity = (TEXT, block())
    for level in range(depth, 1, -1):
        entity = ("Content-Type: multipart/mixed; boundary=n%d" % level, parts("n%d" % level, entity))
    return typed("multipart/mixed; boundary=n1", parts("n1", entity))


case("limit-mime-depth", nested(12), "R-39 T-19 body-no-text", "Deeper than MaxMIMEDepth", reason="body-no-text")
case("limit-mime-depth-not-reached", nested(4), "R-39 T-19", "Deep, but allowed", findings=["body-type"])
case("limit-mime-parts", typed("multipart/mixed; boundary=b1",
                               parts("b1", *([("Content-Type: image/gif", "x")] * 80 + [(TEXT, block())]))),
     "R-39 T-19 body-no-text", "More parts than MaxMIMEParts", reason="body-no-text")
case("A35-block-in-preamble",
     typed("multipart/alternative; boundary=b1",
           block() + parts("b1", (TEXT, NO_BLOCK), ("Content-Type: text/html", HTML))),
     "R-40 A35 block-missing", "The preamble is no part", reason="block-missing")
case("A35-block-in-epilogue",
     typed("multipart/alternative; boundary=b1",
           parts("b1", (TEXT, NO_BLOCK), ("Content-Type: text/html", HTML)) + block()),
     "R-40 A35 block-missing", "Nor is the epilogue", reason="block-missing")
case("A35-block-in-attached-mail",
     typed("multipart/mixed; boundary=b1",
           parts("b1", (TEXT, NO_BLOCK), ("Content-Type: message/rfc822", "Subject: x\r\n\r\n" + block()))),
     "R-40 A35 block-missing", "A forwarded mail is somebody else's text", reason="block-missing")
case("R39-attached-mail-only", typed("message/rfc822", reply().to_bytes()), "R-39 A35 body-no-text",
     "Forwarded as an attachment, nothing else", reason="body-no-text")

case("R39-boundary-is-a-prefix", typed("multipart/mixed; boundary=b",
                                       parts("b", ("Content-Type: multipart/alternative; boundary=b2", INNER), PDF)),
     "R-39 body-type", "--b2 is no delimiter of boundary b", findings=["body-type"])
case("R39-no-boundary", typed("multipart/alternative", parts("b1", (TEXT, block()))), "R-39 body-no-text",
     "A multipart without a boundary has no parts", reason="body-no-text")
case("R39-comment-in-content-type", typed("text/plain (it is plain); charset=utf-8 (so it is)", block()), "R-39",
     "RFC 2045 allows comments")
case("R39-block-in-attachment",
     typed("multipart/mixed; boundary=b1",
           parts("b1", (TEXT, NO_BLOCK),
                 (TEXT + "\r\nContent-Disposition: attachment; filename=answer.txt", block()))),
     "R-39 R-40 A35 block-missing", "The first text/plain is the text", reason="block-missing")
case("R44-qp-lower-case-hex", typed("text/plain; charset=utf-8", "Gr=c3=bc=c3=9fe\r\n" + block(), "quoted-printable"),
     "R-44", "Wrong, and often seen")
case("R44-qp-with-cr", typed("text/plain; charset=utf-8", ("Gr=C3=BC=C3=9Fe\r\n" + block()).replace("\r\n", "=0D\r\n"),
                             "quoted-printable"), "R-44", "Ruby's mail writes CR as =0D")
case("R39-undeclared-utf8", reply("Gr\u00fc\u00dfe\r\n" + block(), Content_Type=None, MIME_Version=None,
                                  Content_Transfer_Encoding=None, In_Reply_To="Your message of Tuesday\r\n\t"
                                  "<challenge-1@ca.example>", User_Agent="mail (GNU Mailutils 3.15)"), "R-39 R-37",
     "GNU mailutils declares nothing, and puts words before the id",
     result={"inReplyTo": "Your message of Tuesday <challenge-1@ca.example>"})

# The block
BAD_BLOCKS = {
    "A32-no-end": ("%s\r\n%s\r\n" % (BEGIN, DIGEST), "block-missing"),
    "A32-end-before-begin": ("%s\r\n%s\r\n%s\r\n" % (END, DIGEST, BEGIN), "block-missing"),
    "A32-no-begin": ("%s\r\n%s\r\n" % (DIGEST, END), "block-missing"),
    "R40-other-label": (block(begin="-----BEGIN ACME REQUEST-----"), "block-missing"),
    "R40-vacation-text": ("I am away until Monday.\r\n", "block-missing"),
    "R40-empty-body": ("", "block-missing"),
    "A32-digest-of-42": (block(DIGEST[:42]), "digest-malformed"),
    "A32-digest-of-44": (block(DIGEST + "A"), "digest-malformed"),
    "A32-digest-base64-alphabet": (block(DIGEST.replace("_", "/").replace("-", "+")), "digest-malformed"),
    "R45-digest-stray-bits": (block(DIGEST[:-1] + "l"), "digest-malformed"),
    "R45-digest-two-pads": (block(DIGEST + "=="), "digest-malformed"),
    "R45-digest-pad-inside": (block(DIGEST[:20] + "=" + DIGEST[20:]), "digest-malformed"),
    "R45-digest-hex": (block("02" * 32), "digest-malformed"),
    "R45-digest-with-a-comment": (block(DIGEST + "\r\nthanks"), "digest-malformed"),
    "A34-two-digests": (block() + "\r\n" + block(OTHER_DIGEST), "block-ambiguous"),
    "A34-begun-twice": ("%s\r\n%s\r\n%s" % (BEGIN, OTHER_DIGEST, block()), "block-ambiguous"),
    "A34-end-line-goes-on": (block(end=END + "Hello") + quoted(block(OTHER_DIGEST)), "block-missing"),
}
for name, (text, finding) in BAD_BLOCKS.items():
    case(name, reply(text), "R-40 R-45 %s %s" % (name.split("-", maxsplit=1)[0], finding), "A block that is none",
         reason=finding, result={"digest": None})
case("A32-empty-block", reply("%s\r\n%s\r\n" % (BEGIN, END)), "R-40 A32", "Nothing between the lines",
     reason=["block-missing", "digest-malformed"], result={"digest": None})
case("A34-two-equal-blocks", reply(block() + "\r\n" + block()), "R-40 A34", "Twice the same is no doubt")
case("A33-quoted-only", reply("On Tuesday somebody wrote:\r\n" + quoted(block())), "R-40 A33 block-quoted",
     "The block stands in quoted lines only", findings=["block-quoted"])
case("A33-quoted-only-rfc8823", reply(quoted(block())), "R-40 A33 block-quoted", "Refused by the letter",
     reason="block-quoted", conf=["Policy rfc8823"])
case("R40-quoted-twice", reply(quoted(quoted(block(), ">"), ">")), "R-40 block-quoted", "Two levels, without blanks",
     findings=["block-quoted"])
case("R43-quoted-copy-below", reply(block() + "\r\nOn Tuesday somebody wrote:\r\n" + quoted(block())), "R-43",
     "The quoted copy of one's own answer adds nothing")
case("R43-quoted-example-below", reply(block() + "\r\nThe CA wrote:\r\n" + quoted(block("put-your-digest-here"))),
     "R-43 J10", "The challenge may hold an example block: quoted lines are not the answer")
case("R40-em-dashes", typed("text/plain; charset=utf-8",
                            block(begin="\u2014\u2014-BEGIN ACME RESPONSE\u2014\u2014-",
                                  end="\u2014\u2014-END ACME RESPONSE\u2014\u2014-"), "8bit"),
     "R-40 block-quoted", "Outlook and Apple Mail change -- to a dash", findings=["block-quoted"])
case("R40-en-dashes-strict", typed("text/plain; charset=utf-8",
                                   block(begin="\u2013" * 5 + "BEGIN ACME RESPONSE" + "\u2013" * 5,
                                         end="\u2013" * 5 + "END ACME RESPONSE" + "\u2013" * 5), "8bit"),
     "R-40 block-quoted", "Changed dashes are refused under strict", reason="block-quoted", conf=["Policy strict"])

# Not a reply
REPORT = parts("b1", (TEXT, "Your mail could not be delivered.\r\n" + block()),
               ("Content-Type: message/delivery-status",
                "Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; alice@example.com\r\n"
                "Action: failed\r\nStatus: 5.1.1"),
               ("Content-Type: text/rfc822-headers", "Subject: ACME: x"))
case("A53-bounce", typed("multipart/report; report-type=delivery-status; boundary=b1", REPORT,
                         From="MAILER-DAEMON@example.com", Auto_Submitted="auto-replied"),
     "A53 J16 delivery-report", "A bounce that even holds a block", reason="delivery-report")
case("A53-read-receipt",
     typed("multipart/report; report-type=disposition-notification; boundary=b1",
           parts("b1", (TEXT, "Read.\r\n" + block()),
                 ("Content-Type: message/disposition-notification",
                  "Final-Recipient: rfc822; alice@example.com\r\nDisposition: manual-action/MDN-sent-manually; displayed")
                 )), "A53 J16 delivery-report", "A read receipt", reason="delivery-report")
case("A52-vacation", reply("I am away. Your mail was:\r\n> Please answer this mail.\r\n", Auto_Submitted="auto-replied"),
     "A52 T-10 block-missing", "A vacation answer echoes the subject but holds no block", reason="block-missing")
