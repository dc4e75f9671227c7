# SPDX-License-Identifier: BSD-2-Clause
"""The author: who a certificate would name. The published attacks on From and DKIM, each signed so that only the
strict reading of From stands between it and a certificate."""

from .building import block, case, reply
from .cases_form import swap
from .signing import Signature

ATTACK = {"d": "attack.example", "s": "a1", "key": "rsa2048b"}
BOTH = [Signature(**ATTACK), Signature()]
ADMIN = "admin@example.com"


def good(name, value, rules, note, **rest):
    case(name, reply(From=value), rules, note, **rest)


good("A38-display-name-is-an-address", '"victim@example.net" <alice@example.com>', "R-34 A38",
     "A quoted display name decides nothing")
good("R34-bare-address", "alice@example.com", "R-34", "No display name")
good("R34-comment-behind", "alice@example.com (Alice Example)", "R-34", "The old way to name oneself")
good("R34-folded", "Alice\r\n Example\r\n\t<alice@example.com>", "R-34", "Folded twice")
good("R34-encoded-display-name", "=?utf-8?B?w4RsaWNl?= =?utf-8?Q?_Example?= <alice@example.com>", "R-34",
     "Encoded-words in the phrase")
good("R34-dots-in-the-phrase", "A. Example Jr. <alice@example.com>", "R-34", "obs-phrase, written everywhere")
good("R34-comma-in-quotes", '"Example, Alice" <alice@example.com>', "R-34", "A comma in a quoted string is no list")
good("R34-local-part-kept", "<A.Li-Ce+tag@example.com>", "R-34 T-14 J5", "The local part is the host's business",
     author="A.Li-Ce+tag@example.com")
good("R34-atext-of-all-kinds", "<a!#$%&'*+-/?=^_`{|}~z@example.com>", "R-34", "Every character that an atom may hold",
     author="a!#$%&'*+-/?=^_`{|}~z@example.com")
EAI = "\u7528\u6237@\u4f8b\u3048.example"
good("A39-eai-u-label", EAI, "R-01 R-50 A39", "RFC 6532 author, d= as U-label (RFC 8616)",
     sign=[Signature(d="\u4f8b\u3048.example")], domain="xn--r8jz45g.example",
     author="\u7528\u6237@xn--r8jz45g.example", result={"dkim": {"domain": "xn--r8jz45g.example"}},
     todo="libopendkim refuses U-labels in d=, so the reply is rejected")
good("A39-eai-a-label", "alice@\u4f8b\u3048.example", "R-01 R-50 A39", "d= as A-label, From as U-label",
     sign=[Signature(d="xn--r8jz45g.example")], domain="xn--r8jz45g.example", author="alice@xn--r8jz45g.example")
good("A39-a-label-author", "alice@XN--R8JZ45G.example", "R-01 A39", "Both as A-label, in another case",
     sign=[Signature(d="xn--r8jz45g.example")], domain="xn--r8jz45g.example", author="alice@xn--r8jz45g.example")

good("R01-u-label-in-capitals", "alice@B\u00dcCHER.example", "R-01 R-50", "Case of a U-label",
     sign=[Signature(d="xn--bcher-kva.example")], domain="xn--bcher-kva.example", author="alice@xn--bcher-kva.example")
good("R01-sharp-s-is-not-ss", "alice@stra\u00dfe.example", "R-01 R-28 T-09",
     "IDNA of 2003 and of 2008 make two domains of it", reason=["dkim-unaligned", "author-ambiguous"],
     sign=[Signature(d="strasse.example")], domain="strasse.example")
good("R01-cyrillic-letter", "alice@ex\u0430mple.com", "R-01 R-28 dkim-unaligned", "It only looks like example.com",
     reason="dkim-unaligned")

AMBIGUOUS = {
    "A37-two-mailboxes": ("alice@example.com, bob@example.com", "RFC 5322 allows several authors"),
    "A37-two-equal-mailboxes": ("alice@example.com, alice@example.com", "Two are two"),
    "A37-group": ("Friends: alice@example.com;", "RFC 6854 allows a group"),
    "A37-empty-group": ("undisclosed-recipients:;", "A group of nobody"),
    "A37-route": ("<@attack.example:alice@example.com>", "obs-route"),
    "A37-empty": ("", "Nothing"),
    "A37-empty-angle": ("Alice <>", "No address in the brackets"),
    "A37-domain-literal": ("alice@[192.0.2.1]", "No domain"),
    "A37-no-domain": ("alice", "A local name"),
    "A37-one-label": ("alice@localhost", "No domain of the net"),
    "R34-trailing-dot": ("alice@example.com.", "RFC 5322 has no trailing dot"),
    "R34-empty-label": ("alice@example..com", "An empty label"),
    "R34-underscore": ("alice@exa_mple.com", "No letter, digit or hyphen"),
    "R34-hyphen-first": ("alice@-example.com", "A label that begins with a hyphen"),
    "R34-long-label": ("alice@" + "a" * 64 + ".example", "64 bytes in a label"),
    "R34-long-local-part": ("a" * 65 + "@example.com", "RFC 5321 ends at 64"),
    "R02-wildcard": ("*@example.com", "RFC 8823 allows no wildcard"),
    "R34-dot-at-the-end-of-local": ("alice.@example.com", "No dot-atom"),
    "R34-two-at-signs": ("alice@attack.example@example.com", "Which one?"),
    "R34-quoted-at": ('"alice@attack.example"@example.com', "Programs take the inner one"),
    "R34-quoted-angle": ('"x <alice@attack.example>"@example.com', "Two libraries read two domains"),
    "R34-quoted-pair": ('"al\\"ice"@example.com', "Escapes in the local part"),
    "R34-address-in-a-comment": ("alice@example.com (<bob@attack.example>)", "Two libraries read two domains"),
    "R34-comment-in-the-address": ("alice(x)@example.com", "Old syntax that many do not know"),
    "R34-blank-in-the-address": ("alice @example.com", "Old syntax"),
    "R34-angles-twice": ("x <alice@attack.example> <alice@example.com>", "Two libraries read two domains"),
    "R34-semicolon": ("alice@example.com; bob@example.com", "A list as Outlook users write it"),
    "R34-bidi-override": ("<alice\u202e@example.com>", "An unseen character in the address"),
    "R34-zero-width-space": ("<ali\u200bce@example.com>", "An unseen character in the address"),
    "R34-fullwidth-at": ("alice\uff20example.com", "Not the sign that it looks like"),
    "R34-encoded-word-address": ("=?utf-8?Q?alice=40example=2Ecom?=", "An encoded-word is never an address"),
    "R34-encoded-word-in-angles": ("Alice <=?utf-8?Q?alice?=@example.com>", "Nor a part of one"),
    "R34-unclosed-quote": ('"Alice <alice@example.com>', "A quoted string without an end"),
    "R34-unclosed-angle": ("Alice <alice@example.com", "An angle bracket without an end"),
    "R34-unclosed-comment": ("alice@example.com (Alice", "A comment without an end"),
}
for name, (value, note) in AMBIGUOUS.items():
    good(name, value, "R-34 A37 J6 T-08 author-ambiguous", note, reason="author-ambiguous", result={"from": None})
case("R34-no-from", reply(From=None), "R-34 T-08 author-ambiguous", "No From at all", reason="author-ambiguous",
     sign=[], result={"from": None})
case("R34-sender-takes-no-place", reply(From=None, Sender=ADMIN), "R-34 author-ambiguous", "Sender is no author",
     reason="author-ambiguous", sign=[])

# espoofer's cases ("Composition kills", USENIX Security 2020), with valid signatures of the attacker and, where the trick
# is about From, of the victim as well


def espoofer(name, mail, note, reason="author-ambiguous", rules="", **rest):
    if "sign" not in rest:
        rest["sign"] = BOTH
    case("espoofer-" + name, mail, "T-09 R-34 " + rules, note, reason=reason, **rest)


LONE = [Signature(**ATTACK)]
espoofer("server-a01-subdomain-envelope", reply(From=ADMIN), "A helper domain passes SPF; only the attacker signs",
         "dkim-unaligned", sign=LONE)
espoofer("server-a02-empty-envelope", reply(From=ADMIN).append("Return-Path", "<(any@example.com>"),
         "A comment makes the envelope look empty", "dkim-unaligned", sign=LONE)
NUL = Signature(**ATTACK | {"d": "example.com"})
espoofer("server-a03-nul-in-selector", reply(From=ADMIN),
         "s= holds a NUL so that the key's name ends in the attacker's domain",
         "header-malformed", sign=[NUL],
         after=swap(b"s=a1;", b"s=a1._domainkey.attack.example.\0.x;"))
espoofer("server-a03-dots-in-selector", reply(From=ADMIN),
         "The same without the NUL: the name asked for stays below example.com", "dkim-fail",
         sign=[Signature(**ATTACK | {"d": "example.com", "s": "a1._domainkey.attack.example.x", "publish": False})])
espoofer("server-a04-quote-in-domain", reply(From=ADMIN), "d= with a quote, to be read as two names",
         "dkim-unaligned", sign=[Signature(**ATTACK | {"d": "example.com'a.attack.example", "publish": False})])
espoofer("server-a05-comment-in-domain", reply(From=ADMIN), "The same with a parenthesis", "dkim-unaligned",
         sign=[Signature(**ATTACK | {"d": "example.com(a.attack.example", "publish": False})])
espoofer("server-a06-quote-in-envelope", reply(From=ADMIN).append("Return-Path", "<any@example.com'@any.attack.example>"),
         "The envelope is never an author", "dkim-unaligned", sign=LONE)
espoofer("server-a07-route-in-envelope",
         reply(From=ADMIN).append("Return-Path", "<@example.com,@any.example:'any@attack.example>"),
         "Nor is a route in it", "dkim-unaligned", sign=LONE)
espoofer("server-a08-two-from", reply(From="<first@attack.example>").insert(1, "From", " <admin@example.com>"),
         "Two From fields, both signed for", "header-duplicate", rules="header-duplicate", findings=["author-ambiguous"])
espoofer("server-a09-blank-before-from", reply(From=ADMIN), "The first header line begins with a blank",
         "header-malformed", after=lambda data: b" From: <first@attack.example>\r\n" + data)
espoofer("server-a10-space-before-colon", reply(From=ADMIN).insert(1, "From ", " <first@attack.example>"),
         "From and From with a blank before its colon", "header-malformed", rules="header-malformed")
espoofer("server-a10-space-before-colon-first", reply(From=ADMIN).insert(0, "From ", " <first@attack.example>"),
         "The same in the other order", "header-malformed")
espoofer("server-a11-folded-name", reply(From=ADMIN), "A field name folded before its colon", "header-malformed",
         after=swap(b"\r\nFrom: ", b"\r\nFrom\r\n : <first@attack.example>\r\nFrom: "))
espoofer("server-a12-sender-for-from", reply(From=None, Sender=ADMIN), "A broken From and a Sender", "header-malformed",
         sign=[], after=lambda data: b"From\r\n : <first@attack.example>\r\n" + data)
espoofer("server-a13-resent-from", reply(From=None, Resent_From=ADMIN), "A broken From and a Resent-From",
         "header-malformed", sign=[], after=lambda data: b"From\r\n : <first@attack.example>\r\n" + data)
FROMS = {
    "server-a14-two-mailboxes": "<first@attack.example>, <admin@example.com>",
    "server-a15-encoded-list": "=?utf-8?B?PGFkbWluQGV4YW1wbGUuY29tPg==?=,<second@attack.example>",
    "server-a16-route": "<@attack.example,@any.example:admin@example.com>",
    "server-a17-quoted-pair": "<admin@example.com>\\,<second@attack.example>",
    "server-a18-list-of-two-kinds": "admin@example.com,<second@attack.example>",
    "server-a19-text-behind": "<any@attack.example>admin@example.com",
    "server-a19-text-behind-reversed": "<admin@example.com>any@attack.example",
}
for name, value in FROMS.items():
    sender = reply(From=value, Sender=ADMIN) if "a14" in name else reply(From=value)
    espoofer(name, sender, "One From that programs read differently", result={"from": None})
espoofer("client-a1-two-from", reply(From="<mallory@example.com>").insert(1, "From", " <admin@example.com>"),
         "The provider signs whatever its user sends", "header-duplicate", sign=[Signature()], rules="A36")
espoofer("client-a2-two-mailboxes", reply(From="<mallory@example.com>, <admin@example.com>"),
         "The provider signs whatever its user sends", sign=[Signature()])
espoofer("client-a3-same-provider", reply(From=ADMIN),
         "A provider that lets its user name another: nobody can see that (T-25); token-part1 is what protects", None,
         sign=[Signature()], author=ADMIN, rules="T-25")

# More of the kind
case("attack-from-added-above", reply(), "T-06 R-34 header-duplicate", "A From put above the signed one",
     reason="header-duplicate", after=lambda data: b"From: <admin@example.org>\r\n" + data)
case("attack-subject-added-above", reply(), "T-06 header-duplicate", "A Subject put above the signed one",
     reason="header-duplicate", after=lambda data: b"Subject: ACME: " + b"A" * 32 + b"\r\n" + data)
case("attack-content-type-swapped",
     reply(block() + "--b\r\nContent-Type: text/plain\r\n\r\n" + block("B" * 42 + "A") + "--b--\r\n"),
     "T-07 R-26 dkim-fail", "Another Content-Type makes another part the text", reason="dkim-fail",
     after=swap(b"text/plain; charset=us-ascii", b"multipart/alternative; boundary=b"))
case("attack-content-type-added", reply(Content_Type=None), "T-07 dkim-fail",
     "Oversigning keeps out a field that was not there", reason="dkim-fail",
     after=swap(b"\r\nDate: ", b"\r\nContent-Type: text/plain; charset=utf-8\r\nDate: "))
case("attack-in-reply-to-added", reply(In_Reply_To=None), "T-17 dkim-fail",
     "Nor can a reply be made of what is none, where h= names the field", reason="dkim-fail",
     after=swap(b"\r\nDate: ", b"\r\nIn-Reply-To: <challenge-1@ca.example>\r\nDate: "))
case("attack-replayed-to-another-token", reply(), "T-05 dkim-fail", "A genuine reply with another challenge's Subject",
     reason="dkim-fail", after=swap(b"ACME: LgYemJLy", b"ACME: AAAAAAAA"))

SMUGGLED = reply(From=ADMIN).to_bytes()
OUTER = "Hello,\r\nnothing special.\r\n"
for name, end in (("lf-dot-crlf", "\n.\r\n"), ("lf-dot-lf", "\n.\n"), ("cr-dot-cr", "\r.\r"), ("crlf-dot-lf", "\r\n.\n")):
    case("smuggling-" + name, reply(OUTER + end + "MAIL FROM:<x@example.com>\r\n" + block()),
         "T-24 R-41 header-malformed", "An end of data that only some servers see, still inside the mail",
         reason="header-malformed")
case("smuggling-second-mail", None, "T-24 R-25 dkim-none", "What a server makes of the second mail: it is not signed",
     reason="dkim-none", sign=[], raw=SMUGGLED)
case("smuggling-second-mail-signed-by-another", reply(From=ADMIN), "T-24 R-28 dkim-unaligned",
     "The second mail may bring the attacker's own signature", reason="dkim-unaligned", sign=LONE)
case("smuggling-signed-first-mail", reply(OUTER), "T-24 block-missing", "The first mail alone is harmless",
     reason="block-missing")
