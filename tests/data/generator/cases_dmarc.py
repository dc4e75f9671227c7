# SPDX-License-Identifier: BSD-2-Clause
"""DMARC: which record applies and what it asks (RFC 9989, RFC 7489). A reply that gets here is always aligned."""

from .building import case, reply, txt
from .signing import Signature, key_record

KEY = txt("s1._domainkey.example.com", key_record("rsa2048"))
REJECT = "v=DMARC1; p=reject"

case("A48-no-record", reply(), "J14 A48 dmarc-none", "The domain publishes none", dmarc=None, findings=["dmarc-none"],
     more_dns=["_dmarc.example.com SECURE", "_dmarc.com SECURE"],
     result={"dmarc": {"result": "none", "policy": None, "policyDomain": None},
             "assurance": {"policyEnforced": False}})
case("A48-no-record-strict", reply(), "J14 A48 dmarc-none", "Refused under strict", dmarc=None, reason="dmarc-none",
     conf=["Policy strict"])
case("A49-record-and-dkim-only", reply(), "J14 A49", "SPF fails, DKIM is aligned: DMARC passes",
     more_dns=txt("example.com", "v=spf1 -all"), result={"dmarc": {"result": "pass", "policy": "reject"}})
case("J14-policy-none", reply(), "J14 dmarc-policy-none", "p=none", dmarc="v=DMARC1; p=none; rua=mailto:d@example.com",
     findings=["dmarc-policy-none"], result={"dmarc": {"result": "pass", "policy": "none"},
                                             "assurance": {"policyEnforced": False}})
case("J14-policy-none-strict", reply(), "J14 dmarc-policy-none", "Refused under strict", dmarc="v=DMARC1; p=none",
     reason="dmarc-policy-none", conf=["Policy strict"])
case("J14-policy-quarantine", reply(), "J14", "p=quarantine is enforced too", dmarc="v=DMARC1;p=quarantine",
     result={"dmarc": {"policy": "quarantine"}, "assurance": {"policyEnforced": True}})
case("J14-testing", reply(), "J14 dmarc-policy-none", "t=y takes the force away (RFC 9989 4.7)",
     dmarc="v=DMARC1; p=reject; t=y", findings=["dmarc-policy-none"], result={"assurance": {"policyEnforced": False}})
case("J14-strict-alignment", reply(), "J14", "adkim=s is met by an equal domain",
     dmarc="v=DMARC1; p=reject; adkim=s; aspf=s",
     result={"dmarc": {"result": "pass", "dkimAlignment": "strict"}})
case("J14-relaxed-alignment", reply(), "J14", "adkim=r is reported as the domain's wish",
     dmarc="v=DMARC1; p=reject; adkim=r", result={"dmarc": {"result": "pass", "dkimAlignment": "relaxed"}})
case("J14-unknown-tags", reply(), "J14", "Tags that nobody knows, and one that RFC 9989 took out",
     dmarc="v=DMARC1; p=reject; pct=100; zz=1; fo=1; rf=afrf; ri=86400",
     result={"dmarc": {"result": "pass", "policy": "reject"}})
case("J14-record-with-odd-blanks", reply(), "J14", "White space is allowed around = and ;",
     dmarc="v=DMARC1 ;  p = reject ; ", result={"dmarc": {"result": "pass", "policy": "reject"}})

case("J14-two-records", reply(), "J14 dmarc-permerror", "Several records: the domain has none to go by",
     findings=["dmarc-permerror"], more_dns=txt("_dmarc.example.com", "v=DMARC1; p=none"))
case("J14-two-records-strict", reply(), "J14 dmarc-permerror", "Refused under strict", reason="dmarc-permerror",
     more_dns=txt("_dmarc.example.com", "v=DMARC1; p=none"), conf=["Policy strict"])
case("J14-record-and-other-text", reply(), "J14", "Other TXT records at the name are no DMARC records",
     more_dns=txt("_dmarc.example.com", "google-site-verification=x") + txt("_dmarc.example.com", "v=spf1 -all"),
     result={"dmarc": {"result": "pass", "policy": "reject"}})
case("J14-version-not-first", reply(), "J14 dmarc-none", "v= must come first: this is no DMARC record",
     dmarc="p=reject; v=DMARC1", reason=None, findings=["dmarc-none"], more_dns=["_dmarc.com SECURE"],
     result={"dmarc": {"result": "none"}})
case("J14-version-in-lower-case", reply(), "J14 dmarc-none", "v= is compared with case", dmarc="v=dmarc1; p=reject",
     findings=["dmarc-none"], more_dns=["_dmarc.com SECURE"], result={"dmarc": {"result": "none"}})

for word in ("SERVFAIL", "TIMEOUT"):
    case("J14-dmarc-" + word.lower(), reply(), "J14 dmarc-temperror", "The record is not known now",
         reason="dmarc-temperror", dns=KEY + ["_dmarc.example.com " + word], conf=["DNSTimeout 1s"])
case("J14-dmarc-bogus", reply(), "J14 T-02 dnssec-bogus", "The record's answer failed validation",
     reason="dnssec-bogus", dns=KEY + ["_dmarc.example.com BOGUS"])
case("J14-dmarc-unknown-and-bad-signature", reply(), "J14 A46 dkim-fail", "A broken signature is never put off",
     reason="dkim-fail", sign=[Signature(flaw="signature")], dns=KEY + ["_dmarc.example.com SERVFAIL"])

case("J14-policy-in-capitals", reply(), "J14", "The words of p= know no case", dmarc="v=DMARC1; p=REJECT",
     result={"dmarc": {"policy": "reject"}})
case("J14-unknown-policy", reply(), "J14 dmarc-permerror", "p= with a word of nobody", dmarc="v=DMARC1; p=always",
     findings=["dmarc-permerror"])
case("J14-record-in-two-strings", reply(), "J14", "The strings of a record are joined",
     dns=KEY + ['_dmarc.example.com TXT "v=DMARC1; p=re" "ject"', "_dmarc.example.com SECURE"],
     result={"dmarc": {"policy": "reject"}})

# Where the record stands. The author writes from a domain below the one that has it.
CHILD = {"mail": reply(From="alice@mail.example.com"), "author": "alice@mail.example.com",
         "sign": [Signature(d="mail.example.com")], "domain": "example.com"}
CHILD_SECURE = ["_dmarc.mail.example.com SECURE", "_dmarc.com SECURE"]


def child(name, note, record, policy, more=(), findings=(), conf=(), reason=None, policy_domain="example.com"):
    result = {} if reason else {"dmarc": {"result": "pass", "policy": policy, "policyDomain": policy_domain}}
    case(name, rules="J14", note=note, dmarc=record, more_dns=list(more) or CHILD_SECURE, findings=findings, conf=conf,
         reason=reason, result=result, **CHILD)


child("J14-record-of-the-parent", "Found by the tree walk", REJECT, "reject")
child("J14-record-of-the-parent-psl", "Found by the public suffix list", REJECT, "reject",
      conf=["DMARCDiscovery rfc7489"])
child("J14-record-of-the-parent-both", "Both ways agree", REJECT, "reject", conf=["DMARCDiscovery both"])
child("J14-sp-weaker", "sp= is meant for domains below", "v=DMARC1; p=reject; sp=none", "none",
      findings=["dmarc-policy-none"])
child("J14-sp-stronger", "sp= may be stronger", "v=DMARC1; p=none; sp=reject", "reject")
child("J14-own-record-first", "The domain's own record wins", "v=DMARC1; p=none; sp=none", "reject",
      more=txt("_dmarc.mail.example.com", REJECT), policy_domain="mail.example.com")
child("J14-unknown-on-the-way", "The nearer name cannot be looked up: the parent's record must not take its place",
      REJECT, None, more=["_dmarc.mail.example.com SERVFAIL"], reason="dmarc-temperror")

case("J14-deep-name", reply(From="alice@a.b.c.d.e.f.g.h.i.example.com"), "J14",
     "The walk skips names between the author's domain and seven labels",
     sign=[Signature(d="a.b.c.d.e.f.g.h.i.example.com")], author="alice@a.b.c.d.e.f.g.h.i.example.com",
     more_dns=["_dmarc.%s SECURE" % n for n in ("a.b.c.d.e.f.g.h.i.example.com", "e.f.g.h.i.example.com",
                                                "f.g.h.i.example.com", "g.h.i.example.com", "h.i.example.com",
                                                "i.example.com", "com")],
     result={"dmarc": {"result": "pass", "policy": "reject", "policyDomain": "example.com"}})
case("J14-psd-n-ends-the-walk", reply(From="alice@mail.unit.example.com"), "J14",
     "psd=n marks an organisation of its own below example.com", sign=[Signature(d="mail.unit.example.com")],
     author="alice@mail.unit.example.com", domain="unit.example.com", dmarc="v=DMARC1; p=quarantine; psd=n",
     more_dns=txt("_dmarc.example.com", "v=DMARC1; p=none") + ["_dmarc.mail.unit.example.com SECURE"],
     result={"dmarc": {"result": "pass", "policy": "quarantine", "policyDomain": "unit.example.com"}})
case("J14-suffix-owner", reply(From="alice@github.io"), "J14 R-28 dkim-unaligned",
     "A tenant of a suffix signs for its owner", reason="dkim-unaligned", sign=[Signature(d="mallory.github.io")],
     domain="github.io")
case("J14-suffix-tenants", reply(From="alice@alice.github.io"), "J14 R-28 dkim-unaligned",
     "One tenant signs for another", reason="dkim-unaligned", sign=[Signature(d="mallory.github.io")],
     domain="github.io")
case("R48-policy-without-dnssec", reply(), "R-48 dnssec-none", "Only the policy comes from an unsigned zone",
     findings=["dnssec-none"], dns=KEY + txt("_dmarc.example.com", REJECT, secure=False),
     result={"assurance": {"dkimKeyDnssec": True, "dmarcDnssec": False}, "dmarc": {"dnssec": "insecure"}})
