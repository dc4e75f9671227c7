# SPDX-License-Identifier: BSD-2-Clause
"""The shapes that clients, mail programs and providers give to a reply."""

import base64

from .building import BEGIN, DIGEST, END, PUBLISHED, TOKEN, Mail, block, case, parts, reply, typed
from .cases_body import qp, quoted, wrapped_base64
from .cases_form import b_word
from .signing import Signature

COLUMNS = ("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
           "content-type", "content-transfer-encoding")
PLAIN = "Content-Type: text/plain; charset=\"UTF-8\""
HTML = "Content-Type: text/html; charset=\"UTF-8\""
QUOTE = "On Tue, 24 Nov 2026 at 05:55, Some CA <acme@ca.example> wrote:\r\n\r\n" + quoted(
    "Please answer this mail with the text that your\r\nACME client shows.\r\n")
PARAGRAPHS = "<div dir=\"ltr\">%s<br>%s<br>%s<br></div>" % (BEGIN, DIGEST, END)


def alternative(text, html=PARAGRAPHS, **changes):
    """Without Content-Transfer-Encoding at the top, as all of them write it."""
    return reply(parts("0000000000001", (PLAIN, text), (HTML + "\r\nContent-Transfer-Encoding: quoted-printable", html)),
                 Content_Type="multipart/alternative; boundary=\"0000000000001\"", Content_Transfer_Encoding=None,
                 **changes)


def signed_names(row, mail):
    """h= of a provider. O: once more than the field stands there; P: only if it is there; -: never."""
    names = []
    for name, letter in zip(COLUMNS, row):
        count = mail.names().count(name)
        names += [name] * (count + 1 if letter == "O" else count if letter == "P" else 0)
    return ":".join(names)


# provider: h= by column, canonicalisation, mail, findings besides those of all (dkim-coverage-full and -should)
PROVIDERS = {
    "gmail": ("O-OOOOOPPO-P", "relaxed/relaxed", alternative(block() + "\r\n" + QUOTE), ["dkim-coverage-present"],
              "v=DMARC1; p=none; sp=quarantine; rua=mailto:d@gmail.example"),
    "outlook": ("P----PP--PP-", "relaxed/relaxed",
                alternative(block() + "\r\n________________________________\r\nFrom: Some CA <acme@ca.example>\r\n"
                            "Sent: Tuesday, November 24, 2026 5:55 AM\r\nTo: Alice <alice@outlook.example>\r\n"
                            "Subject: ACME: " + TOKEN + "\r\n", Subject="RE: ACME: " + TOKEN),
                ["dkim-coverage-present"], PUBLISHED),
    "yahoo": ("O-OPPOPPP---", "relaxed/relaxed", alternative(block() + "\r\n    On Tuesday, Some CA wrote:\r\n"),
              ["dkim-coverage-present"], PUBLISHED),
    "icloud": ("P--P-PP--PP-", "relaxed/relaxed",
               typed("text/plain; charset=utf-8", qp((block() + "\r\nSent from my phone\u00a0\r\n").encode()),
                     "quoted-printable"), ["dkim-coverage-present"], "v=DMARC1; p=quarantine"),
    "proton": ("O-OOOOOPPO--", "relaxed/relaxed",
               typed("text/plain; charset=utf-8", wrapped_base64((block() + "\r\nSent with a secure mail\r\n").encode()),
                     "base64"), ["dkim-coverage-present"], "v=DMARC1; p=quarantine"),
    "fastmail": ("O-OOOOOOPPOP", "relaxed/relaxed", reply(block() + "\r\n" + QUOTE), [], "v=DMARC1; p=none;"),
    "zoho": ("O-OOOOOPPOPP", "relaxed/relaxed", reply(), [], PUBLISHED),
    "amazon-ses": ("P--PPPPPPPPP", "relaxed/simple", reply(), [], PUBLISHED),
    "mailgun": ("OOPO-OP--PPP", "relaxed/relaxed", reply(), ["dkim-coverage-present"], PUBLISHED),
    "sendgrid": ("P-PP-P----PP", "relaxed/relaxed", reply(), ["dkim-coverage-present"], PUBLISHED),
    "gmx": ("P--PPPPPP---", "relaxed/simple", reply(), ["dkim-coverage-present"], "v=DMARC1; p=quarantine"),
    "yandex": ("P--PPPPPPP--", "relaxed/relaxed", reply(), ["dkim-coverage-present"], PUBLISHED),
    "qq": ("P--PPPPPP---", "relaxed/relaxed",
           typed("text/plain; charset=\"gb18030\"", wrapped_base64(("\u4f60\u597d\r\n" + block()).encode("gb18030")),
                 "base64", Subject=b_word("\u56de\u590d\uff1aACME: " + TOKEN, "gb18030")),
           ["dkim-coverage-present", "subject-charset", "dkim-key-1024"], "v=DMARC1; p=quarantine"),
}
for name, (row, canon, mail, findings, policy) in PROVIDERS.items():
    domain = name + ".example"
    mail.replace("From", "Alice Example <alice@%s>" % domain)
    more = ["dmarc-policy-none"] if "p=none" in policy else []
    case("provider-" + name, mail, "R-26 R-27 A14 dkim-coverage-present dkim-coverage-full dnssec-none",
         "Signs what %s signs" % name, author="alice@" + domain, domain=domain, dmarc=policy, secure=False,
         findings=["dkim-coverage-full", "dkim-coverage-should", "dnssec-none"] + findings + more,
         sign=[Signature(d=domain, s="20261124", c=canon, h=signed_names(row, mail),
                         key="rsa1024" if name == "qq" else "rsa2048")])


def mua(name, mail, note, rules="R-32 R-39 R-43", **rest):
    case("mua-" + name, mail, rules, note, **rest)


mua("gmail-web", alternative(block() + "\r\n" + QUOTE), "Answer above the quotation")
mua("gmail-wrapped", alternative("Hi, here it is: " + BEGIN + "\r\n" + DIGEST + "\r\n" + END + "\r\n"),
    "The marker line was joined with the text before it", reason="block-missing", rules="R-40")
mua("android-both-base64",
    reply(parts("b", (PLAIN + "\r\nContent-Transfer-Encoding: base64", wrapped_base64(block().encode()).rstrip()),
                (HTML + "\r\nContent-Transfer-Encoding: base64", wrapped_base64(PARAGRAPHS.encode()).rstrip())),
          Content_Type="multipart/alternative; boundary=b", Content_Transfer_Encoding=None), "Both parts in base64")
mua("outlook-alternative",
    reply(parts("_000_", ("Content-Type: text/plain; charset=\"iso-8859-1\"\r\n"
                          "Content-Transfer-Encoding: quoted-printable",
                          qp(("Gr\u00fc\u00dfe\r\n" + block()).encode("latin-1"))),
                ("Content-Type: text/html; charset=\"iso-8859-1\"\r\nContent-Transfer-Encoding: quoted-printable",
                 PARAGRAPHS.replace("=", "=3D"))),
          Subject="AW: ACME: " + TOKEN, Content_Type="multipart/alternative;\r\n\tboundary=\"_000_\"",
          Content_Transfer_Encoding=None, Thread_Topic="ACME: " + TOKEN, Thread_Index="AdwK"),
    "Localised prefix, Thread-Topic, iso-8859-1")
mua("outlook-html-only", typed("text/html; charset=\"iso-8859-1\"", qp(PARAGRAPHS.encode()), "quoted-printable",
                               Subject="RE: ACME: " + TOKEN), "HTML and nothing else", rules="R-39 A29 body-no-text",
    reason="body-no-text")
mua("outlook-autocorrect",
    alternative("\u2014\u2013\u2014BEGIN ACME RESPONSE\u2014\u2013\u2014\r\n%s\r\n"
                "\u2014\u2013\u2014END ACME RESPONSE\u2014\u2013\u2014\r\n" % DIGEST), "Autocorrected dashes",
    findings=["block-quoted"], rules="R-40 block-quoted")
mua("apple-mail", typed("text/plain;\r\n\tcharset=utf-8", qp((block() + "\u00a0\r\n" + QUOTE).encode()),
                        "quoted-printable", MIME_Version="1.0 (Mac OS X Mail 16.0 \\(3696.120.41.1.1\\))"),
    "Comments in MIME-Version, a no-break space")
mua("ios", typed("text/plain; charset=us-ascii", "\r\n" + block() + "\r\nSent from my iPhone\r\n", "7bit",
                 MIME_Version="1.0 (1.0)"), "Quotation left out")
mua("thunderbird-flowed", typed("text/plain; charset=UTF-8; format=flowed", QUOTE + "\r\n" + block()),
    "Answer below the quotation, flowed text")
mua("thunderbird-alternative",
    reply("This is a multi-part message in MIME format.\r\n" + parts(
        "------------b", ("Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 7bit",
                          block() + "\r\n" + QUOTE), (HTML + "\r\nContent-Transfer-Encoding: 7bit", PARAGRAPHS)),
          Content_Type="multipart/alternative;\r\n boundary=\"------------b\"", Content_Transfer_Encoding=None),
    "A boundary of dashes")
mua("yahoo", alternative(block().replace("\r\n", "  \r\n") + "\r\n    On Tuesday wrote:\r\n"),
    "Blanks behind each line", rules="R-40 J10")
mua("mutt", typed("text/plain; charset=us-ascii", QUOTE + "\r\n" + block() + "\r\n-- \r\nAlice\r\n", "7bit",
                  Content_Disposition="inline", User_Agent="Mutt/2.2"), "Content-Disposition: inline")
mua("k9", typed("text/plain; charset=utf-8", qp(("Gr\u00fc\u00dfe\r\n" + block()).encode()), "quoted-printable"),
    "Quoted-printable by habit")
mua("nmh", reply("\r\n" + block(), Comments="In-reply-to Some CA <acme@ca.example> message dated \"Tue, 24 Nov 2026\"",
                 Content_ID="<1.2@example.com>", MIME_Version="1.0 (generated by mh)"), "A Comments field")
mua("proton-with-key",
    typed("multipart/mixed; boundary=b1",
          parts("b1", ("Content-Type: multipart/alternative; boundary=b2",
                       parts("b2", (PLAIN + "\r\nContent-Transfer-Encoding: base64",
                                    wrapped_base64(block().encode()).rstrip()), (HTML, PARAGRAPHS))),
                ("Content-Type: application/pgp-keys; name=\"publickey.asc\"\r\nContent-Disposition: attachment; "
                 "filename=\"publickey.asc\"\r\nContent-Transfer-Encoding: base64",
                 base64.b64encode(b"(no real key)").decode()))),
    "The public key attached", findings=["body-type"], rules="R-39 body-type")
mua("the-bat", reply(block() + "\r\n-- \r\nBest regards,\r\n Alice    mailto:alice@example.com\r\n",
                     Subject="Re[2]: ACME: " + TOKEN, X_Mailer="The Bat! (v10)"), "Counted replies")
mua("groupwise", alternative(block() + "\r\n>>> Some CA <acme@ca.example> 11/24/26 5:55 AM >>>\r\n",
                             Subject="Antw: ACME: " + TOKEN), "Its own way to quote")
mua("163-subject-in-two-words",
    typed("text/plain; charset=GBK", wrapped_base64(block().encode()), "base64",
          Subject="%s\r\n %s" % (b_word("\u56de\u590d:ACME: " + TOKEN[:10], "GBK"), b_word(TOKEN[10:], "GBK"))),
    "The token split over two words in GBK", findings=["subject-charset"], rules="R-31 subject-charset")
mua("lotus-prefix-in-words", reply(Subject="=?UTF-8?Q?Antwort=3A?= ACME: " + TOKEN), "An encoded prefix")

# ACME clients
MINIMAL = [("To", " acme@ca.example"), ("From", " alice@example.com"), ("In-Reply-To", " <challenge-1@ca.example>")]


def client(name, mail, note, **rest):
    case("client-" + name, mail, "R-30 R-39 R-40 J1", note, **rest)


client("acmez", Mail(MINIMAL + [("Subject", " RE: ACME: " + TOKEN), ("Content-Type", " text/plain")], block()),
       "No Date, Message-ID or MIME-Version", result={"messageId": None})
client("castle-imap", Mail([("From", " alice@example.com"), ("To", " acme@ca.example"),
                            ("In-Reply-To", " <challenge-1@ca.example>"), ("Subject", " Re: ACME: " + TOKEN)], block()),
       "Four header fields and a body")
client("castle-mapi", alternative(block() + "\r\nFrom: Some CA\r\nSent: Tuesday\r\n", Subject="RE: ACME: " + TOKEN),
       "Through Outlook's Reply()")
client("acme4j", reply("Hello CA\r\n" + block() + "Bye\r\n"), "Header and footer text around the block")
client("acme4j-long-token",
       reply(Subject="Re: ACME:\r\n " + "A1b2C3d4" * 8), "64 characters: Jakarta Mail folds before the token",
       token="A1b2C3d4" * 8)
client("rapidmx-nodemailer",
       typed("text/plain; charset=utf-8", "Gr=C3=BC=C3=9Fe\r\n" + block(DIGEST[:22] + "=\r\n" + DIGEST[22:]),
             "quoted-printable", References="<challenge-0@ca.example> <challenge-1@ca.example>"),
       "nodemailer breaks the digest softly")
client("m365-gateway", reply(Auto_Submitted="auto-generated", Date=None, Message_ID=None,
                             Content_Type="text/plain; charset=\"us-ascii\""),
       "Python's EmailMessage; Auto-Submitted: auto-generated", result={"messageId": None})
client("python-email-long-token",
       reply(Subject="=?utf-8?q?Re=3A_ACME=3A_%s?=\r\n =?utf-8?q?%s?=" % ("Zz09-_" .replace("_", "=5F") * 9, "a1B2" * 8)),
       "86 characters: Python splits the token into two encoded-words", token="Zz09-_" * 9 + "a1B2" * 8)
client("smtplib-lf-body", reply(), "Written with LF, sent by smtplib as CRLF", eol="lf")
client("crlf-digest-at-76", reply(block(DIGEST[:20] + "\r\n" + DIGEST[20:] + "=")), "Wrapped and padded")
