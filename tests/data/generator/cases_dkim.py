# SPDX-License-Identifier: BSD-2-Clause
"""DKIM: who signs, what is covered, with which key; RFC 6376, 8301, 8463, 8616."""

from .building import block, case, reply, txt
from .cases_form import swap
from .signing import FULL, NOW, TWELVE, Signature, key_record

ESP = {"d": "esp.example", "s": "e1", "key": "rsa2048b"}
KEY = "s1._domainkey.example.com"
EVEN_EXPONENT = key_record("rsa2048").replace("IDAQAB", "IDAQAA")
DMARC = txt("_dmarc.example.com", "v=DMARC1; p=reject")
FAIL = {"dkim": {"result": "fail", "domain": "example.com"}, "dmarc": {"result": "fail"}}


def without(names, h=FULL):
    gone = names.split(":")
    return ":".join(n for n in h.split(":") if n not in gone)


case("A04-no-signature", reply(), "R-25 A04 dkim-none dmarc-fail", "Not signed at all", reason="dkim-none",
     findings=["dmarc-fail"], sign=[], result={"dkim": None, "signatures": []})
case("A50-spf-only", reply(), "R-25 A50 T-24 dkim-none", "Whatever SPF says: no signature", reason="dkim-none", sign=[],
     more_dns=txt("example.com", "v=spf1 +all"))
case("A05-body-changed", reply(), "R-25 A05 dkim-fail", "bh= does not match; never a temporary error",
     reason="dkim-fail", after=swap(b"\r\nAjXW0h9_", b"\r\nBjXW0h9_"), result=FAIL)
case("R25-subject-changed", reply(), "R-25 dkim-fail T-05", "Another token in the Subject", reason="dkim-fail",
     after=swap(b"ACME: LgYem", b"ACME: XgYem"), result=FAIL)
case("R25-from-changed", reply(), "R-25 dkim-fail", "Another author of the same domain", reason="dkim-fail",
     after=swap(b"<alice@", b"<bob@"))
case("R25-gateway-footer", reply(), "R-25 T-15 dkim-fail", "A disclaimer added behind the text", reason="dkim-fail",
     after=lambda data: data + b"\r\nThis mail is confidential.\r\n")
case("R25-signature-bits", reply(), "R-25 dkim-fail", "One character of b= is wrong", reason="dkim-fail",
     sign=[Signature(flaw="signature")], result=FAIL)
case("A06-child-of-the-signer", reply(From="alice@mail.example.com"), "R-28 A06 dkim-unaligned",
     "d= is a parent of the author's domain", reason="dkim-unaligned", domain="mail.example.com",
     dmarc="v=DMARC1; p=reject; adkim=r")
case("A07-parent-of-the-signer", reply(), "R-28 A07 dkim-unaligned",
     "d= lies below the author's domain: DMARC may align, RFC 8823 does not", reason="dkim-unaligned",
     sign=[Signature(d="mail.example.com")], dmarc="v=DMARC1; p=reject; adkim=r")
case("R28-other-domain", reply(), "R-28 dkim-unaligned dmarc-fail", "Signed by a mail provider only",
     reason="dkim-unaligned", findings=["dmarc-fail"], sign=[Signature(**ESP)], result={"dmarc": {"result": "fail"}})
case("R28-suffix-without-dot", reply(From="alice@notexample.com"), "R-28 dkim-unaligned",
     "example.com is the end of notexample.com, not its parent", reason="dkim-unaligned", domain="notexample.com")
case("R28-identity-of-another-domain", reply(From="alice@example.org"), "R-28 dkim-unaligned",
     "i= is no domain to rely on", reason="dkim-unaligned", sign=[Signature(tags={"i": "alice@example.com"})],
     domain="example.org")
case("A08-case-of-domains", reply(From="Alice <Alice@Example.COM>"), "R-28 A08", "Domains know no case",
     sign=[Signature(d="EXAMPLE.com")], author="Alice@example.com")
case("A09-two-good-signatures", reply(), "R-25 A09", "The provider's signature above, the author's domain's below",
     sign=[Signature(**ESP), Signature()], result={"dkim": {"domain": "example.com"}})
case("A09-two-good-signatures-other-order", reply(), "R-25 A09", "Their order says nothing",
     sign=[Signature(), Signature(**ESP)], result={"dkim": {"domain": "example.com"}})
case("A10-own-broken-other-good", reply(), "R-25 R-28 A10 dkim-fail",
     "A good signature of another domain does not heal it", reason="dkim-fail",
     sign=[Signature(flaw="signature"), Signature(**ESP)])
case("R25-own-broken-and-own-good", reply(), "R-25 A09", "One good signature of the author's domain is enough",
     sign=[Signature(s="s0", key="rsa2048b", flaw="signature"), Signature()], result={"dkim": {"selector": "s1"}})
case("R25-other-broken", reply(), "R-25 A09", "A broken signature of another domain is no matter",
     sign=[Signature(flaw="signature", **ESP), Signature()])
case("R25-nine-others-first", reply(), "R-25 T-19", "The author's domain's signature counts wherever it stands",
     sign=[Signature(d="esp%d.example" % n, s="e", key="rsa2048b", h="from", publish=False) for n in range(9)] +
     [Signature()], result={"dkim": {"domain": "example.com", "result": "pass"}})

# Coverage
case("A11-subject-not-signed", reply(), "R-26 A11 dkim-coverage-core", "Anybody could put his token there",
     reason="dkim-coverage-core", sign=[Signature(h=without("subject"))])
case("R26-from-not-signed", reply(), "R-26 dkim-coverage-core", "RFC 6376 wants From signed",
     reason=["dkim-fail", "dkim-coverage-core"], sign=[Signature(h=without("from"))])
case("A12-absent-fields-not-named", reply(), "R-27 A12 dkim-coverage-full",
     "Cc, Sender and Reply-To are not in the mail and not in h=: they could be added",
     sign=[Signature(h=without("cc:sender:reply-to"))], findings=["dkim-coverage-full"])
case("A12-absent-fields-not-named-rfc8823", reply(), "R-27 A12 dkim-coverage-full", "The letter of the RFC",
     sign=[Signature(h=without("cc:sender:reply-to"))], reason="dkim-coverage-full", conf=["Policy rfc8823"])
case("A13-complete-only-together", reply(), "R-25 R-26 A13 dkim-coverage-full",
     "Two signatures that only together name all twelve", reason="dkim-coverage-full", conf=["Policy rfc8823"],
     sign=[Signature(h=without("cc:sender")), Signature(s="s2", key="rsa2048b", h=without("reply-to"))])
for number, field in enumerate(without("from:subject", TWELVE).split(":")):
    mail = reply(Sender="alice@example.com", Reply_To="alice@example.com", Cc="bob@example.net")
    case("R26-unsigned-" + field, mail, "R-26 A14 dkim-coverage-present dkim-coverage-full",
         "%s is in the mail and not in h=" % field, sign=[Signature(h=without(field))],
         findings=["dkim-coverage-present", "dkim-coverage-full"])
case("A14-content-type-not-signed-rfc8823", reply(), "R-26 A14 dkim-coverage-present", "The letter of the RFC",
     sign=[Signature(h=without("content-type"))], reason="dkim-coverage-present", conf=["Policy rfc8823"])
case("A15-should-list-not-named", reply(), "R-29 A15 dkim-coverage-should", "The twelve and no more",
     sign=[Signature(h=TWELVE)], findings=["dkim-coverage-should"],
     result={"assurance": {"fullHeaderCoverage": True}, "dkim": {"signedFields": TWELVE.split(":")}})
case("R29-should-list-in-part", reply(), "R-29 dkim-coverage-should", "All but one of the recommended names",
     sign=[Signature(h=without("list-post"))], findings=["dkim-coverage-should"])
case("R26-names-in-capitals", reply(), "R-26", "Names of h= know no case",
     sign=[Signature(h=FULL.title().replace("Cc", "CC"))])
case("R26-names-twice", reply(), "R-26 J2", "Oversigned", sign=[Signature(h="from:subject:to:" + FULL)])
case("R26-blanks-in-h", reply(), "R-26", "Blanks around the colons", sign=[Signature(h=FULL.replace(":", " : "))])

# Keys and algorithms
case("A45-ed25519", reply(), "A45 J13", "RFC 8463", sign=[Signature(key="ed25519")],
     result={"dkim": {"algorithm": "ed25519-sha256", "result": "pass"}})
case("A45-ed25519-and-rsa", reply(), "A45", "Signed twice, with two selectors",
     sign=[Signature(key="ed25519", s="ed"), Signature()])
case("R25-canonicalisation-simple", reply(), "R-25", "c=simple/simple", sign=[Signature(c="simple/simple")])
case("R25-canonicalisation-simple-odd-blanks",
     reply(block() + "\r\n\r\n", From=None, Date=None).insert(0, "From", "  Alice \t <alice@example.com>").insert(
         1, "Date", "Tue, 24 Nov 2026 04:59:30 +0000"), "R-25",
     "Simple canonicalisation keeps each blank behind the colon", sign=[Signature(c="simple/simple")])
case("R25-canonicalisation-mixed", reply(), "R-25", "c=simple/relaxed", sign=[Signature(c="simple/relaxed")])
case("A44-rsa-sha1", reply(), "A44 dkim-algorithm", "RFC 8301", reason="dkim-algorithm",
     sign=[Signature(a="rsa-sha1")])
case("A44-key-weak", reply(), "A44 dkim-key-weak", "An RSA key that nobody made: its exponent is even",
     reason="dkim-key-weak", findings=["dmarc-fail"], sign=[Signature(key="rsa2048", record=EVEN_EXPONENT)])
case("A44-key-weak-and-good", reply(), "A44 A09 dkim-key-weak", "One signature by another key is enough",
     sign=[Signature(key="rsa2048", s="weak", record=EVEN_EXPONENT), Signature()], result={"dkim": {"selector": "s1"}})
case("A45-ed25519-zero", reply(), "A45 dkim-fail", "A placeholder of zeros is a point of order 4", reason="dkim-fail",
     sign=[Signature(key="ed25519", record="v=DKIM1; k=ed25519; p=" + "A" * 43 + "=")])
case("A44-rsa-512", reply(), "A44 dkim-key-short", "RFC 8301", reason="dkim-key-short",
     sign=[Signature(key="rsa512")])
case("A44-rsa-1023", reply(), "A44 dkim-key-short", "One bit short", reason="dkim-key-short",
     sign=[Signature(key="rsa1023")])
for name, key in (("512", "rsa512"), ("1023", "rsa1023")):
    case("A44-rsa-%s-allowed" % name, reply(), "A44 J13 dkim-key-short", "RFC 8301 3.2 is not the CA's to relax",
         reason="dmarc-fail", sign=[Signature(key=key)], conf=["OnFinding dkim-key-short note"],
         findings=["dkim-key-short"], overrides={"dkim-key-short": "note"})
case("A44-rsa-512-all-allowed", reply(), "A44 J13 dkim-key-short", "Nor where DMARC is relaxed as well", reason="dkim-fail",
     sign=[Signature(key="rsa512")], conf=["OnFinding dkim-key-short note", "OnFinding dmarc-fail note"],
     findings=["dkim-key-short", "dmarc-fail"], overrides={"dkim-key-short": "note", "dmarc-fail": "note"})
case("A44-rsa-512-allowed-good-below", reply(), "A44 J13", "The short one does not come before the good one",
     sign=[Signature(key="rsa512", s="s2"), Signature()], conf=["OnFinding dkim-key-short note"],
     overrides={"dkim-key-short": "note"}, result={"dkim": {"keyBits": 2048}})
case("J13-rsa-1024-minimum-2048-allowed", reply(), "J13 dkim-key-short", "Above that floor it is",
     sign=[Signature(key="rsa1024")], conf=["MinimumKeyBits 2048", "OnFinding dkim-key-short note"],
     findings=["dkim-key-short"], overrides={"dkim-key-short": "note"},
     independent="the CA allows what the independent check refuses")
case("J13-rsa-1024", reply(), "J13 dkim-key-1024", "Allowed, and noted", findings=["dkim-key-1024"],
     sign=[Signature(key="rsa1024")], result={"dkim": {"keyBits": 1024}})
case("J13-rsa-1024-minimum-2048", reply(), "J13 dkim-key-short", "Below the MinimumKeyBits of this CA",
     reason="dkim-key-short", sign=[Signature(key="rsa1024")], conf=["MinimumKeyBits 2048"])
case("J13-rsa-4096", reply(), "J13", "A long key, in several strings of its record", sign=[Signature(key="rsa4096")],
     result={"dkim": {"keyBits": 4096}})
case("J13-rsa-1024-strict", reply(), "J13 dkim-key-1024", "Refused under strict", reason="dkim-key-1024",
     sign=[Signature(key="rsa1024")], conf=["Policy strict"])
for name, record in (("y", "t=y; "), ("y-and-s", "t=s:y; ")):
    case("A43-key-testing-" + name, reply(), "A43 J12 dkim-key-testing", "The domain asks not to rely on it",
         reason="dkim-key-testing", sign=[Signature(record=key_record("rsa2048", "v=DKIM1; " + record))])
case("J12-key-strict-identity", reply(), "J12", "t=s with i= of the very domain",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; t=s; "), tags={"i": "alice@example.com"})])
case("J12-key-strict-identity-of-a-child", reply(), "J12 dkim-fail", "t=s forbids i= below d=", reason="dkim-fail",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; t=s; "), tags={"i": "@mail.example.com"})])
case("A43-key-revoked", reply(), "A43 dkim-fail", "An empty p=", reason="dkim-fail",
     sign=[Signature(record="v=DKIM1; k=rsa; p=")])
case("A43-key-for-other-service", reply(), "A43 dkim-fail", "s= of the key leaves out mail", reason="dkim-fail",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; s=tlsrpt; "))])
case("A43-key-for-sha1-only", reply(), "A43 dkim-fail", "h= of the key leaves out sha256", reason="dkim-fail",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; h=sha1; "))])
case("A43-key-of-another-version", reply(), "A43 dkim-fail", "v=DKIM2 is not ours to read", reason="dkim-fail",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM2; "))])
case("A43-key-of-another-type", reply(), "A43 dkim-fail", "An Ed25519 key for an RSA signature", reason="dkim-fail",
     sign=[Signature(record=key_record("ed25519"))])
case("A43-key-is-no-key", reply(), "A43 dkim-fail", "p= holds no key", reason="dkim-fail",
     sign=[Signature(record="v=DKIM1; k=rsa; p=AAAA")])
case("A43-key-without-version", reply(), "A43", "v= and k= may be left out of a key record",
     sign=[Signature(record=key_record("rsa2048", "").replace("k=rsa; ", ""))])
case("A43-key-with-more-tags", reply(), "A43", "Notes and unknown tags",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; n=hello; x_y=1; s=email; h=sha256:sha512; "))])
case("A47-key-nxdomain", reply(), "A47 dkim-fail", "No such key is no temporary error", reason="dkim-fail",
     sign=[Signature(publish=False)], result={"dkim": {"result": "permerror"}})
for word in ("SERVFAIL", "TIMEOUT"):
    case("A46-key-" + word.lower(), reply(), "A46 dkim-temperror", "The key is not known now", reason="dkim-temperror",
         dns=["%s %s" % (KEY, word)] + DMARC, conf=["DNSTimeout 1s"], result={"dkim": {"result": "temperror"}})
case("A46-key-bogus", reply(), "A46 T-02 dnssec-bogus", "The key's answer failed validation", reason="dnssec-bogus",
     dns=[KEY + " BOGUS"] + DMARC, result={"dkim": {"result": "temperror", "dnssec": "bogus"}})
case("A46-other-key-unknown", reply(), "A46", "A key that the verdict does not need",
     sign=[Signature(publish=False, **ESP), Signature()], more_dns=["e1._domainkey.esp.example SERVFAIL"])
case("A46-one-of-two-keys-unknown", reply(), "A46", "The other signature of the same domain is good",
     sign=[Signature(s="s0", publish=False), Signature()], more_dns=["s0._domainkey.example.com SERVFAIL"])
case("A46-unknown-key-and-a-broken-signature", reply(), "A46 dkim-temperror", "The unknown one might be good",
     reason="dkim-temperror", sign=[Signature(s="s0", publish=False), Signature(flaw="signature")],
     more_dns=["s0._domainkey.example.com SERVFAIL"])
case("A46-unknown-key-but-bad-form", reply("hello\r\n"), "A46 block-missing", "What is refused anyway is refused now",
     reason="block-missing", dns=[KEY + " SERVFAIL"])
case("R48-key-without-dnssec", reply(), "R-48 dnssec-none", "An unsigned zone is noted", secure=False,
     findings=["dnssec-none"], result={"assurance": {"dkimKeyDnssec": False, "dmarcDnssec": False},
                                       "dkim": {"dnssec": "insecure"}})
case("R48-key-without-dnssec-strict", reply(), "R-48 dnssec-none", "Refused under strict", reason="dnssec-none",
     secure=False, conf=["Policy strict"])

# Time, length, syntax
case("A43-expired", reply(), "A43 J12 dkim-expired", "x= an hour ago", reason="dkim-expired",
     sign=[Signature(tags={"t": str(NOW - 7200), "x": str(NOW - 3600)})])
case("J12-expired-within-skew", reply(), "J12", "x= is past by less than ClockSkew",
     sign=[Signature(tags={"t": str(NOW - 7200), "x": str(NOW - 120)})],
     result={"dkim": {"signedAt": "2026-11-24T03:00:00Z", "expiresAt": "2026-11-24T04:58:00Z"}})
case("J12-expired-without-skew", reply(), "J12 dkim-expired", "The same with no skew allowed", reason="dkim-expired",
     sign=[Signature(tags={"t": str(NOW - 7200), "x": str(NOW - 120)})], conf=["ClockSkew 0s"])
case("J12-future", reply(), "J12 dkim-expired", "t= an hour from now", reason="dkim-expired",
     sign=[Signature(tags={"t": str(NOW + 3600)})])
case("J12-future-within-skew", reply(), "J12", "t= in two minutes",
     sign=[Signature(tags={"t": str(NOW + 120)})])
case("J12-no-times", reply(), "J12", "Neither t= nor x=", sign=[Signature(tags={"t": None})],
     result={"dkim": {"signedAt": None, "expiresAt": None}})
case("A42-body-length-exact", reply(), "A42 J12 T-07 dkim-body-length", "l= covers the whole body",
     reason="dkim-body-length", sign=[Signature(tags={"l": str(len(block()))})])
case("A42-body-length-and-more-text", reply("hello\r\n"), "A42 T-07 dkim-body-length",
     "The answer was added behind the signed text", reason="dkim-body-length",
     sign=[Signature(tags={"l": "7"})], after=lambda data: data + block().encode())
case("A42-body-length-zero", reply(), "A42 dkim-body-length", "Nothing of the body is signed",
     reason="dkim-body-length", sign=[Signature(tags={"l": "0"})])
SYNTAX = {
    "version-2": Signature(tags={"v": "2"}),
    "no-version": Signature(tags={"v": None}),
    "x-before-t": Signature(tags={"x": str(NOW - 60), "t": str(NOW - 30)}),
    "unknown-algorithm": Signature(tags={"a": "rsa-sha999"}),
    "unknown-canonicalisation": Signature(tags={"c": "loose/loose"}),
    "identity-of-another-domain": Signature(tags={"i": "alice@esp.example"}),
    "body-hash-not-base64": Signature(tags={"bh": "!!!!"}),
    "no-body-hash": Signature(tags={"bh": None}),
    "query-method": Signature(tags={"q": "http"}),
    "tag-twice": Signature(s="s1;s=s1"),
    "tag-twice-differently": Signature(tags={"x1": "1;h=from"}),
    "empty-selector": Signature(tags={"s": ""}),
}
for name, signature in SYNTAX.items():
    case("J12-syntax-" + name, reply(), "R-25 dkim-fail", "The signature itself is wrong",
         reason=["dkim-expired", "dkim-fail"] if name == "x-before-t" else "dkim-fail", sign=[signature],
         dns=txt(KEY, key_record("rsa2048")) + DMARC)
case("J12-two-domains-in-one", reply(), "R-28 T-09", "d= twice: whose signature is it?",
     reason=["dkim-unaligned", "dkim-fail"], sign=[Signature(tags={"d": "example.com;d=attack.example"})])
case("J12-two-domains-in-one-other-order", reply(), "R-28 T-09", "d= twice: whose signature is it?",
     reason=["dkim-unaligned", "dkim-fail"], sign=[Signature(tags={"d": "attack.example;d=example.com"})])
case("J12-unknown-tags", reply(), "R-25", "Unknown tags are ignored", sign=[Signature(tags={"z9": "hello", "q": "dns/txt"})])
case("J12-no-domain-at-all", reply(), "R-28 dkim-unaligned", "No d=: it is nobody's signature",
     reason="dkim-unaligned", sign=[Signature(tags={"d": None})])
case("J12-one-line-signature", reply(), "R-25", "Not folded, no blanks to spare", sign=[Signature(fold=False)])
case("R25-signed-by-dkimpy", reply(), "R-25", "A real signer: Python's dkim", sign=[Signature(by="dkimpy")])
case("R25-signed-by-dkimpy-simple", reply(), "R-25", "A real signer with other canonicalisation",
     sign=[Signature(by="dkimpy", c="simple/simple", h=TWELVE)], findings=["dkim-coverage-should"])
case("R25-signed-by-dkimpy-ed25519", reply(), "R-25 A45", "A real signer with Ed25519",
     sign=[Signature(by="dkimpy", key="ed25519")])
case("R25-signed-by-mail-dkim", reply(), "R-25", "A real signer: Perl's Mail::DKIM, which names only fields that are there",
     sign=[Signature(by="mail-dkim", h=FULL)], findings=["dkim-coverage-full", "dkim-coverage-should"])
case("R25-signed-by-mail-dkim-mixed", reply(), "R-25", "A real signer, relaxed/simple",
     sign=[Signature(by="mail-dkim", c="relaxed/simple", h=FULL)],
     findings=["dkim-coverage-full", "dkim-coverage-should"])

# What a CA may change
case("conf-note-for-key-testing", reply(), "J12 dkim-key-testing", "OnFinding makes a rejection a note",
     sign=[Signature(record=key_record("rsa2048", "v=DKIM1; t=y; "))], conf=["OnFinding dkim-key-testing note"],
     findings=["dkim-key-testing"], overrides={"dkim-key-testing": "note"}, result={"dmarc": {"result": "pass"}})
for name, finding, signature in (
        ("body-length", "dkim-body-length", Signature(tags={"l": str(len(block()))})),
        ("expired", "dkim-expired", Signature(tags={"t": str(NOW - 7200), "x": str(NOW - 3600)}))):
    case("conf-note-for-" + name, reply(), "J12 " + finding, "What the CA allows it answers for", sign=[signature],
         conf=["OnFinding %s note" % finding], findings=[finding], overrides={finding: "note"},
         independent="the CA allows what the independent check refuses")
for name, body, length, extra in (("and-more-text", "hello\r\n", "7", block()), ("zero", block(), "0", "")):
    case("conf-note-for-body-length-" + name, reply(body), "J12 T-07 dkim-body-length", "Nobody signed what stands behind l=",
         sign=[Signature(tags={"l": length})], after=lambda data, extra=extra: data + extra.encode(), reason="dkim-fail",
         conf=["OnFinding dkim-body-length note", "OnFinding dmarc-fail note"], findings=["dkim-body-length", "dmarc-fail"],
         overrides={"dkim-body-length": "note", "dmarc-fail": "note"})
case("conf-reject-for-1024", reply(), "J13 dkim-key-1024", "OnFinding makes a note a rejection",
     sign=[Signature(key="rsa1024")], conf=["OnFinding dkim-key-1024 reject"], reason="dkim-key-1024")
case("conf-reject-for-to-mismatch", reply(To="ca@ca.example"), "R-35 to-mismatch", "Two overrides",
     conf=["OnFinding to-mismatch reject", "OnFinding body-type reject"], reason="to-mismatch")
case("conf-interop-with-coverage-present", reply(), "R-26 dkim-coverage-present", "J1's middle way by two overrides",
     sign=[Signature(h=without("cc:sender:reply-to"))],
     conf=["OnFinding dkim-coverage-present reject"], findings=["dkim-coverage-full"])

# Which of several signatures of the author's domain
SECOND = Signature(s="s2", key="rsa2048b")
OTHERS = {
    "sha1": Signature(a="rsa-sha1"),
    "expired": Signature(tags={"t": str(NOW - 7200), "x": str(NOW - 3600)}),
    "body-length": Signature(tags={"l": str(len(block()))}),
    "subject-unsigned": Signature(h=without("subject")),
    "short-key": Signature(key="rsa512"),
    "testing": Signature(record=key_record("rsa2048", "v=DKIM1; t=y; ")),
    "revoked": Signature(record="v=DKIM1; p="),
    "syntax": Signature(tags={"v": "2"}),
}
for name, signature in OTHERS.items():
    case("R25-good-below-" + name, reply(), "R-25 A09", "A useless signature of the same domain harms nothing",
         sign=[signature, SECOND], result={"dkim": {"selector": "s2", "result": "pass"}})
case("R25-best-coverage-counts", reply(), "R-25 R-26", "Two that verify: the one that covers all is relied on",
     sign=[Signature(h="from:subject"), SECOND], result={"dkim": {"selector": "s2"}})
case("R25-signature-below-the-fields", reply(), "R-25", "Its place in the header is free",
     after=lambda data: data[data.index(b"From: "):].replace(
         b"\r\n\r\n", b"\r\n" + data[:data.index(b"From: ")] + b"\r\n", 1))
case("R25-body-without-final-line-end", reply(block().rstrip("\r\n")), "R-25 R-40", "The last line does not end")
case("R25-blank-lines-at-the-end", reply(block() + "\r\n" * 5), "R-25", "Simple and blank lines at the end of the body",
     sign=[Signature(c="simple/simple")])
case("R25-empty-fields", reply(Cc="", Reply_To=""), "R-25 R-36", "Cc and Reply-To with nothing in them")
case("R25-subject-folded-at-the-colon-simple", reply(Subject="\r\n\tRe: ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"),
     "R-25 R-33", "Older libraries broke on a fold behind the colon", sign=[Signature(c="simple/simple")])
case("R25-selector-with-dots", reply(), "R-25", "A selector of several labels", sign=[Signature(s="2026.mail-1")],
     result={"dkim": {"selector": "2026.mail-1"}})
case("A43-key-with-blanks-inside", reply(), "A43", "White space within p=",
     sign=[Signature(record=key_record("rsa2048").replace("AQ8A", "AQ 8\tA"))])
case("A43-two-keys-at-the-selector", reply(), "A43 J13 dkim-fail", "Which key?", reason="dkim-fail",
     more_dns=txt(KEY, key_record("rsa2048b")))
