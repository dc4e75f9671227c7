# SPDX-License-Identifier: BSD-2-Clause
"""The header of a reply: Subject, To, In-Reply-To, single fields, bytes that no header may hold."""

import base64

from .building import BEGIN, TOKEN, block, case, reply, typed
from .signing import FULL, Signature

HALF = len(TOKEN) // 2
PADDED_TOKEN = "3qp7v1kQ0aZr9xW2bT5nY8mC6dF4gH1jK0lP3sU7eIo="
LONG_TOKEN = "b3M6R0tqV2hYcDlUMXlFZkx1Q2l3Tm1IYVpzR2tQeFJ2VWpCcU9lQ3lEdEZnSTRKbk1iTDVLcFdyWHNZ"


def b_word(text, charset="utf-8", codec=None):
    return "=?%s?B?%s?=" % (charset, base64.b64encode(text.encode(codec or charset)).decode())


# Subject that passes, name -> (value, findings)
SUBJECTS = {
    "A20-prefix-aw-re2": ("AW: Re[2]: ACME: " + TOKEN, "R-30 R-32 A20", "Prefixes of German and of The Bat! programs"),
    "A20-prefix-upper-two-blanks": ("RE: ACME:  " + TOKEN, "R-30 R-32 A20", "Upper-case prefix, two blanks"),
    "R32-prefix-external-tag": ("[EXT] Antw: SV: ACME: " + TOKEN, "R-32", "A gateway's tag and two prefixes"),
    "R32-prefix-raw-utf8": ("\u56de\u590d\uff1aACME: " + TOKEN, "R-32 R-50",
                            "A Chinese prefix in raw UTF-8 (RFC 6532), glued to the label"),
    "R32-prefix-b-word-utf8": (b_word("\u56de\u590d\uff1a") + " ACME: " + TOKEN, "R-31 R-32",
                               "A Chinese prefix as an encoded-word"),
    "R30-no-prefix": ("ACME: " + TOKEN, "R-30", "A new mail with the challenge's subject"),
    "A21-token-folded": ("Re: ACME: %s\r\n %s" % (TOKEN[:HALF], TOKEN[HALF:]), "R-33 A21",
                         "White space inside the token is ignored"),
    "R33-token-folded-thrice-with-tabs": ("Re: ACME:\r\n\t%s\r\n \t%s\r\n\t %s" % (TOKEN[:4], TOKEN[4:20], TOKEN[20:]),
                                          "R-33", "Folded at odd places, with tabs"),
    "R33-blanks-inside-the-token": ("Re: ACME: %s %s" % (TOKEN[:8], TOKEN[8:]), "R-33", "A blank without a fold"),
    "R33-folded-behind-the-label": ("Re: ACME:\r\n " + TOKEN, "R-33", "As nodemailer and Jakarta Mail fold"),
    "R33-empty-first-line": ("\r\n Re: ACME: " + TOKEN, "R-33", "As Python's email package folds a long subject"),
    "A22-subject-b-word": (b_word("Re: ACME: " + TOKEN), "R-31 A22", "All of it in one base64 encoded-word"),
    "A22-subject-q-word": ("=?UTF-8?Q?Re:_ACME:_%s?=" % TOKEN.replace("_", "=5F"), "R-31 A22",
                           "All of it in one quoted-printable encoded-word"),
    "A22-token-split-over-two-words": ("Re: %s\r\n %s" % (b_word("ACME: " + TOKEN[:HALF]), b_word(TOKEN[HALF:])),
                                       "R-31 R-33 A22", "Blanks between adjacent encoded-words are not text"),
    "R31-q-word-behind-plain-text": ("Re: =?utf-8?q?ACME=3A?= " + TOKEN, "R-31", "Only the label is encoded"),
    "A23-word-with-language": ("=?us-ascii*en?Q?Re=3A_ACME=3A_%s?=" % TOKEN, "R-13 R-31 A23",
                               "RFC 2231 language tag in an encoded-word"),
}
for name, (value, rules, note) in SUBJECTS.items():
    case(name, reply(Subject=value), rules, note)

case("A24-subject-iso-8859-1", reply(Subject="=?iso-8859-1?Q?R=E9p=3A_ACME=3A_%s?=" % TOKEN),
     "R-13 R-31 A24 subject-charset", "A charset that RFC 8823 forbids", findings=["subject-charset"])
case("A24-prefix-gb18030", reply(Subject=b_word("\u56de\u590d\uff1a", "gb18030") + " ACME: " + TOKEN),
     "R-31 R-32 A24 subject-charset", "The prefix of QQ and 163 before a plain label", findings=["subject-charset"])
case("R31-charset-rejects-in-rfc8823", reply(Subject=b_word("\u56de\u590d\uff1a", "gb18030") + " ACME: " + TOKEN),
     "R-31 A24 subject-charset", "The same under the letter of the RFC", reason="subject-charset",
     conf=["Policy rfc8823"])
case("R12-token-padded", reply(Subject="Re: ACME: " + PADDED_TOKEN), "R-12 R-33",
     "Padding is kept as received: the client used it as it stood", token=PADDED_TOKEN)
case("R31-token-padded-in-a-q-word", reply(Subject="=?utf-8?Q?Re=3A_ACME=3A_%s?=" % PADDED_TOKEN.replace("=", "=3D")),
     "R-12 R-31", "The padding is encoded", token=PADDED_TOKEN)
case("R33-token-long-folded", reply(Subject="Re: ACME: %s\r\n %s" % (LONG_TOKEN[:60], LONG_TOKEN[60:])), "R-33",
     "A token of 61 bytes", token=LONG_TOKEN)
case("R05-token-short", reply(Subject="Re: ACME: " + TOKEN[:20]), "R-05 A25 token-short", "120 bits only",
     findings=["token-short"], token=TOKEN[:20])
case("R05-token-128-bits", reply(Subject="Re: ACME: " + TOKEN[:21] + "w"), "R-05", "22 characters are just enough",
     token=TOKEN[:21] + "w")
case("R05-token-short-strict", reply(Subject="Re: ACME: " + TOKEN[:20]), "R-05 A25 token-short",
     "Refused under strict", reason="token-short", conf=["Policy strict"])

NO_TOKEN = {
    "A25-subject-without-label": ("Re: your certificate", "A25 R-30"),
    "A25-label-without-token": ("Re: ACME:", "A25 R-30"),
    "A25-token-with-plus": ("Re: ACME: LgYemJLy3F1LDkiJ+dIGbEzyFJyOyf6v", "A25 R-30"),
    "A25-token-cut-by-dots": ("Re: ACME: LgYemJLy3F1LDk...", "A25 R-30"),
    "A26-text-behind-the-token": ("Re: ACME: %s (was: hello)" % TOKEN, "A26 R-33"),
    "A26-two-labels-text-behind": ("Re: ACME: %s ACME: %s [EXT]" % (TOKEN, TOKEN[::-1]), "A26 R-32"),
    "A26-two-labels": ("Re: ACME: %s ACME: %s" % (TOKEN, TOKEN[::-1]), "A26 R-32"),
    "R30-label-in-lower-case": ("Re: acme: " + TOKEN, "R-30"),
    "R31-word-with-broken-base64": ("Re: =?utf-8?B?QUNNRTog!!!!?= " + TOKEN, "R-31"),
    "R31-word-inside-a-word-is-not-decoded": ("Re: =?utf-8?Q?=3D=3Futf-8=3FQ=3FACME=3A=3F=3D?= " + TOKEN, "R-31"),
}
for name, (value, rules) in NO_TOKEN.items():
    case(name, reply(Subject=value), rules + " subject-no-token", "No label followed by one base64url token",
         reason="subject-no-token", result={"tokenPart1": None})
case("R30-no-subject", reply(Subject=None), "R-30 subject-no-token", "No Subject at all", reason="subject-no-token")

# To, Cc and the ids
case("A40-to-another-address", reply(To="certificates@ca.example", Cc="acme@ca.example"), "R-35 A40 to-mismatch",
     "The challenge address stands in Cc only", findings=["to-mismatch"])
case("A40-to-mismatch-rfc8823", reply(To="certificates@ca.example", Cc="acme@ca.example"), "R-35 A40 to-mismatch",
     "Refused by the letter of the RFC", reason="to-mismatch", conf=["Policy rfc8823"])
case("R35-no-to", reply(To=None), "R-35 to-mismatch", "A blind copy has no To field", findings=["to-mismatch"])
case("R35-to-nobody", reply(To="undisclosed-recipients:;"), "R-35 to-mismatch", "An empty group",
     findings=["to-mismatch"])
case("R35-to-in-other-case", reply(To='"The CA" <ACME@CA.Example>'), "R-35", "Addresses are compared without case")
case("R35-to-among-several", reply(To="Bob <bob@example.net>,\r\n\t\"ca, acme\" <acme@ca.example>"), "R-35 A41",
     "Reply to all")
case("R35-to-in-a-group", reply(To="CAs: Some CA <acme@ca.example>;"), "R-35", "RFC 5322 group syntax in To")
case("R36-cc-is-ignored", reply(Cc="bob@example.net, list@example.org"), "R-36 A41", "Cc never matters")
case("R35-subaddress", reply(To="acme+7f@ca.example"), "R-04 R-35", "A challenge address of its own for a challenge",
     recipient="acme+7f@ca.example", result={"challengeAddress": "acme+7f@ca.example"})
case("R35-subaddress-differs", reply(To="acme@ca.example"), "R-35 to-mismatch",
     "It came to the tagged address and names the plain one", recipient="acme+7f@ca.example",
     findings=["to-mismatch"])
case("R35-whole-domain", reply(To="K3x9@acme.ca.example"), "R-04 R-35", "A whole domain takes replies",
     recipient="K3x9@acme.ca.example", result={"challengeAddress": "K3x9@acme.ca.example"})
case("A18-no-ids", reply(In_Reply_To=None, References=None, Message_ID=None), "R-37 A18 in-reply-to-missing",
     "Minimal clients send none", findings=["in-reply-to-missing"], result={"messageId": None, "inReplyTo": None})
case("R37-in-reply-to-missing-strict", reply(In_Reply_To=None), "R-37 in-reply-to-missing", "Refused under strict",
     reason="in-reply-to-missing", conf=["Policy strict"])
case("A19-in-reply-to-another", reply(In_Reply_To="<something-else@relay.example>"), "R-37 A19",
     "Relays replace Message-IDs: the ACME server gets what stands there",
     result={"inReplyTo": "<something-else@relay.example>", "messageId": "<reply-1@example.com>"})
case("A51-auto-replied", reply(Auto_Submitted="auto-replied"), "A51", "RFC 3834 lets a client answer so")
case("R47-precedence-bulk", reply(Precedence="bulk", Reply_To="Alice <alice@example.net>",
                                  Sender="robot@example.com"), "R-47 R-36",
     "Precedence, Sender and Reply-To decide nothing")
case("A55-forged-authentication-results",
     reply(Authentication_Results="mx.ca.example; dkim=pass header.d=example.com; dmarc=pass"), "A55 T-22 dkim-none",
     "What the mail says of itself is not read", reason="dkim-none", sign=[])

for name, field in (("A16-list-id", "List-Id"), ("A17-list-unsubscribe-post", "List-Unsubscribe-Post"),
                    ("A17-unknown-list-field", "LIST-FOO")):
    case(name, reply().append(field, "<news.example.com>"), "R-38 list-field " + name[:3],
         "No List- field may be there, known or not", reason="list-field")
case("R38-not-a-list-field", reply().append("X-List-Id", "x").append("Listing", "y"), "R-38",
     "Names that only look similar")

# Fields that may stand once. The signature covers both, so nothing but their number is wrong.
SINGLE = [("From", "<alice@example.com>"), ("Sender", "alice@example.com"), ("Reply-To", "alice@example.com"),
          ("To", "acme@ca.example"), ("Cc", "bob@example.net"), ("Subject", "Re: ACME: " + TOKEN),
          ("Date", "Tue, 24 Nov 2026 04:59:31 +0000"), ("Message-ID", "<reply-2@example.com>"),
          ("In-Reply-To", "<challenge-2@ca.example>"), ("References", "<challenge-2@ca.example>"),
          ("MIME-Version", "1.0"), ("Content-Type", "text/plain"), ("Content-Transfer-Encoding", "7bit")]
for field, value in SINGLE:
    twice = reply()
    if field.lower() not in twice.names():
        twice.append(field, value)
    case("dup-" + field.lower(), twice.append(field.upper(), value), "header-duplicate T-06 R-34 J2",
         "A second %s, signed as well" % field, reason="header-duplicate",
         sign=[Signature(h=FULL + ":" + field.lower())])


def swap(old, new):
    """A change on the way, after signing."""
    def change(data):
        if data.count(old) < 1:
            raise ValueError("nothing to change")
        return data.replace(old, new, 1)
    return change


MALFORMED = {
    "A54-nul-in-header": (b"Example <alice", b"Exa\0mple <alice"),
    "A54-control-in-header": (b"Example <alice", b"Exa\x07mple <alice"),
    "A54-bare-cr-in-header": (b"Re: ACME", b"Re:\rX-Other: ACME"),
    "A54-bare-lf-in-header": (b"Re: ACME", b"Hello\nSubject: Re: ACME"),
    "A54-line-without-colon": (b"Date: ", b"this is no header field\r\nDate: "),
    "A54-blank-before-colon": (b"Date: ", b"Date : "),
    "A54-latin1-in-header": (b"Example <alice", b"Ex\xe4mple <alice"),
    "A54-truncated-utf8-in-header": (b"Example <alice", b"Ex\xe2\x82 <alice"),
    "A54-nul-in-body": (b"-----BEGIN", b"\0\r\n-----BEGIN"),
    "A54-bare-lf-in-body": (b"\r\n-----END", b"\n-----END"),
    "A54-bare-cr-in-body": (b"-----BEGIN", b"Hello\rworld\r\n-----BEGIN"),
    "A54-cr-cr-lf-in-body": (b"\r\n-----END", b"\r\r\n-----END"),
}
for name, (old, new) in MALFORMED.items():
    case(name, reply(), "R-41 A54 header-malformed", "Bytes that a mail may not hold", reason="header-malformed",
         after=swap(old, new))
case("R41-bare-cr-at-the-end", reply(), "R-41 header-malformed", "The last byte is CR", reason="header-malformed",
     after=lambda data: data + b"bye\r")
case("R41-signed-bare-lf", reply(block().replace("\r\n-----END", "\n-----END")), "R-41 A54 header-malformed",
     "A signature does not heal it", reason="header-malformed")
case("A54-latin1-in-a-field-that-nobody-reads", reply(X_Mailer=b"Gr\xfc\xdfe 1.0", Organization=b"Caf\xe9 R\xe9"), "header-8bit",
     "Raw Latin-1 where nothing rests on it; the signature covers the bytes as they are", findings=["header-8bit"],
     sign=[Signature(h=FULL + ":x-mailer:organization")])
case("A54-latin1-on-finding-reject", reply(X_Mailer=b"Gr\xfc\xdfe 1.0"), "header-8bit", "The same, where OnFinding says so",
     reason="header-8bit", conf=["OnFinding header-8bit reject"])
case("R39-utf8-in-header", reply(From="\u00c4lice <alice@example.com>"), "R-50", "Raw UTF-8 is right (RFC 6532)")
case("limit-message-size", reply(block() + "filler\r\n" * 600), "message-too-large T-19", "Above MaxMessageSize",
     reason="message-too-large", conf=["MaxMessageSize 4k"])
many = reply()
for number in range(40):
    many.append("X-Filler-%d" % number, "x")
case("limit-header-fields", many, "message-too-large T-19", "Above MaxHeaderFields", reason="message-too-large",
     conf=["MaxHeaderFields 40"])
case("limit-header-fields-default", many, "T-19", "Fifty fields are well within the default")
case("limit-one-long-field", reply().append("X-Filler", "x" * 900 + ("\r\n " + "y" * 900) * 60), "T-19",
     "A header field of 55 kB is no reason to refuse a mail within the limits")
case("order-first-in-table-is-the-reason",
     typed("text/html", "<p>%s</p>\r\n" % BEGIN, Subject="hello", From="nobody", List_Id="<a.example.com>"),
     "author-ambiguous", "Of several reasons the first in table order is named", reason="author-ambiguous",
     findings=["list-field", "subject-no-token", "body-no-text"], sign=[], result={"from": None, "digest": None})
