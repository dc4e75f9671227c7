# SPDX-License-Identifier: BSD-2-Clause
"""The contract's table of rules, written down once more: what the cases are held against."""

POLICIES = ("rfc8823", "interop", "strict")
SEVERITY = {"r": "reject", "n": "note", "t": "temporary"}

# finding, one letter for each policy, SMTP code, enhanced code; in order of precedence
FINDINGS = [
    ("message-too-large", "rrr", 552, "5.3.4"),
    ("header-malformed", "rrr", 550, "5.6.0"),
    ("header-8bit", "nnn", 550, "5.6.0"),
    ("header-duplicate", "rrr", 550, "5.6.0"),
    ("author-ambiguous", "rrr", 550, "5.6.0"),
    ("delivery-report", "rrr", 550, "5.6.0"),
    ("list-field", "rrr", 550, "5.7.1"),
    ("subject-no-token", "rrr", 550, "5.6.0"),
    ("subject-charset", "rnr", 550, "5.6.0"),
    ("token-short", "nnr", 550, "5.6.0"),
    ("to-mismatch", "rnr", 550, "5.6.0"),
    ("in-reply-to-missing", "nnr", 550, "5.6.0"),
    ("body-type", "rnr", 550, "5.6.1"),
    ("body-no-text", "rrr", 550, "5.6.1"),
    ("block-missing", "rrr", 550, "5.6.0"),
    ("block-ambiguous", "rrr", 550, "5.6.0"),
    ("block-quoted", "rnr", 550, "5.6.0"),
    ("digest-malformed", "rrr", 550, "5.6.0"),
    ("dkim-none", "rrr", 550, "5.7.20"),
    ("dkim-unaligned", "rrr", 550, "5.7.22"),
    ("dkim-fail", "rrr", 550, "5.7.20"),
    ("dkim-expired", "rrr", 550, "5.7.21"),
    ("dkim-algorithm", "rrr", 550, "5.7.21"),
    ("dkim-key-weak", "rrr", 550, "5.7.21"),
    ("dkim-key-short", "rrr", 550, "5.7.21"),
    ("dkim-key-1024", "nnr", 550, "5.7.21"),
    ("dkim-key-testing", "rrr", 550, "5.7.21"),
    ("dkim-body-length", "rrr", 550, "5.7.21"),
    ("dkim-coverage-core", "rrr", 550, "5.7.21"),
    ("dkim-coverage-present", "rnr", 550, "5.7.21"),
    ("dkim-coverage-full", "rnr", 550, "5.7.21"),
    ("dkim-coverage-should", "nnn", None, None),
    ("dkim-temperror", "ttt", 451, "4.7.5"),
    ("dmarc-none", "nnr", 550, "5.7.1"),
    ("dmarc-policy-none", "nnr", 550, "5.7.1"),
    ("dmarc-permerror", "nnr", 550, "5.7.1"),
    ("dmarc-fail", "rrr", 550, "5.7.26"),
    ("dmarc-temperror", "ttt", 451, "4.4.3"),
    ("dnssec-none", "nnr", 550, "5.7.1"),
    ("dnssec-bogus", "ttt", 451, "4.4.3"),
]

ORDER = [row[0] for row in FINDINGS]
ROWS = {row[0]: row for row in FINDINGS}

# Every member of the result object, those inside objects too.
MEMBERS = [
    "version", "id", "verdict", "reason", "challengeType", "challengeAddress", "tokenPart1", "digest", "from",
    "messageId", "inReplyTo", "receivedAt", "messageSha256", "findings", "dkim", "signatures", "dmarc",
    "assurance", "smtp", "milter",
]
INNER_MEMBERS = {
    "reason": ["finding", "code", "enhanced", "text"],
    "dkim": ["result", "domain", "selector", "algorithm", "keyBits", "identity", "signedFields", "signedAt",
             "expiresAt", "bodyLengthLimited", "dnssec"],
    "dmarc": ["result", "policy", "policyDomain", "dkimAlignment", "dnssec"],
    "assurance": ["dkimKeyDnssec", "dmarcDnssec", "policyEnforced", "fullHeaderCoverage"],
    "smtp": ["clientAddress", "clientName", "helo", "mailFrom", "queueId", "tlsVersion"],
    "milter": ["name", "version"],
}
RESULT_WORDS = {"pass", "fail", "neutral", "policy", "temperror", "permerror", "none"}
DNSSEC_WORDS = {"secure", "insecure", "bogus", "unknown"}


def severity(finding, policy):
    """What a finding means under a policy: "reject", "note" or "temporary"."""
    return SEVERITY[ROWS[finding][1][POLICIES.index(policy)]]


def verdict(findings, policy, overrides=()):
    """(verdict, finding that is the reason or None) of a set of findings."""
    weight = {f: dict(overrides).get(f, severity(f, policy)) for f in findings}
    ordered = sorted(findings, key=ORDER.index)
    for word, result in (("reject", "reject"), ("temporary", "temperror")):
        for finding in ordered:
            if weight[finding] == word:
                return result, finding
    return "pass", None
