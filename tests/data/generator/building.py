# SPDX-License-Identifier: BSD-2-Clause
"""Replies and cases: what a table row is made of, and how it becomes a folder."""

import json
import os

from .contract import ORDER, ROWS, verdict
from .signing import Signature

TOKEN = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"
DIGEST = "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
OTHER_DIGEST = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
BEGIN = "-----BEGIN ACME RESPONSE-----"
END = "-----END ACME RESPONSE-----"

CASES = []


def block(digest=DIGEST, begin=BEGIN, end=END):
    return "%s\r\n%s\r\n%s\r\n" % (begin, digest, end)


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


class Mail:
    """Header fields in order, as they stand behind the colon, and a body."""

    def __init__(self, fields, body):
        self.fields = [(to_bytes(n), to_bytes(v)) for n, v in fields]
        self.body = to_bytes(body)

    def names(self):
        return [n.decode("latin-1").strip().lower() for n, _ in self.fields]

    def replace(self, name, value):
        """The field of that name with another value; None drops it; a new name comes last."""
        at = self.names().index(name.lower()) if name.lower() in self.names() else len(self.fields)
        spelled = self.fields[at][0] if at < len(self.fields) else to_bytes(name)
        self.fields[at:at + 1] = [] if value is None else [(spelled, b" " + to_bytes(value))]
        return self

    def insert(self, at, name, value):
        self.fields.insert(at, (to_bytes(name), to_bytes(value)))
        return self

    def append(self, name, value):
        return self.insert(len(self.fields), name, b" " + to_bytes(value))

    def to_bytes(self):
        return b"".join(n + b":" + v + b"\r\n" for n, v in self.fields) + b"\r\n" + self.body


def reply(body=None, **changes):
    """The plain good reply with fields changed: Reply_To stands for Reply-To; None drops a field."""
    mail = Mail([
        ("From", " Alice Example <alice@example.com>"),
        ("To", " acme@ca.example"),
        ("Subject", " Re: ACME: " + TOKEN),
        ("Date", " Tue, 24 Nov 2026 04:59:30 +0000"),
        ("Message-ID", " <reply-1@example.com>"),
        ("In-Reply-To", " <challenge-1@ca.example>"),
        ("References", " <challenge-1@ca.example>"),
        ("MIME-Version", " 1.0"),
        ("Content-Type", " text/plain; charset=us-ascii"),
        ("Content-Transfer-Encoding", " 7bit"),
    ], block() if body is None else body)
    for name, value in changes.items():
        mail.replace(name.replace("_", "-"), value)
    return mail


def typed(content_type, body, encoding="7bit", **changes):
    return reply(body, Content_Type=content_type, Content_Transfer_Encoding=encoding, **changes)


def parts(boundary, *entities):
    """A multipart body; an entity is a (header, body) pair of texts."""
    out = "This is a message in several parts.\r\n"
    for head, body in entities:
        out += "--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, body)
    return out + "--%s--\r\n" % boundary


def txt(name, text, secure=True):
    """A TXT record, cut into strings of 255 bytes as DNS wants, and whether its zone is signed."""
    strings = [text[i:i + 255] for i in range(0, len(text), 255)] or [""]
    quoted = " ".join('"%s"' % s.replace("\\", "\\\\").replace('"', '\\"') for s in strings)
    return ["%s TXT %s" % (name, quoted)] + (["%s SECURE" % name] if secure else [])


PUBLISHED = "v=DMARC1; p=reject"


class Case:
    """One row. findings: those that the result must hold; on pass they are all that it may hold.

    reason: the finding that the verdict comes from, or a list where the contract leaves the choice; None on pass.
    rules: numbers and findings that the case stands for. dmarc: the text of the author's domain's record, None for
    none. dns: lines that take the place of the generated ones; more_dns: further ones. todo: why the program does not
    yet do what is wanted; independent: why no second opinion is asked.
    """

    def __init__(self, name, mail, rules, note, reason=None, findings=(), absent=(), sign=None, dmarc=PUBLISHED,
                 domain="example.com", secure=True, dns=None, more_dns=(), conf=(), result=None, after=None, eol="crlf",
                 recipient=None, author="alice@example.com", token=TOKEN, digest=DIGEST, raw=None, policies=None,
                 overrides=(), todo=None, independent=None):
        self.name, self.mail, self.rules, self.note = name, mail, rules, note
        self.reasons = [reason] if isinstance(reason, str) else list(reason or [])
        self.findings = set(findings)
        if len(self.reasons) == 1:
            self.findings.add(self.reasons[0])
        self.absent, self.conf, self.after, self.eol = list(absent), list(conf), after, eol
        self.sign = [Signature()] if sign is None else sign
        self.dmarc, self.domain, self.secure = dmarc, domain, secure
        self.dns, self.more_dns, self.result = dns, list(more_dns), dict(result or {})
        self.recipient, self.author, self.token, self.digest = recipient, author, token, digest
        self.raw, self.policies, self.overrides, self.todo = raw, policies, dict(overrides), todo
        self.independent = independent

    def message(self):
        if self.raw is not None:
            return self.raw
        fields, body = list(self.mail.fields), self.mail.body
        signatures = [(b"DKIM-Signature", s.make(fields, body)) for s in self.sign]
        data = Mail(signatures + fields, body).to_bytes()
        if self.after is not None:
            data = self.after(data)
        return data.replace(b"\r\n", b"\n") if self.eol == "lf" else data

    def dns_text(self):
        if self.dns is not None:
            lines = list(self.dns)
        else:
            lines = []
            for s in self.sign:
                new = txt(s.dns_name(), s.dns_record(), self.secure)
                lines += [line for line in new if line not in lines] if s.publish else []
            if self.dmarc is not None:
                lines += txt("_dmarc." + self.domain, self.dmarc, self.secure)
        return "".join(line + "\n" for line in lines + self.more_dns)

    def verdict(self):
        if not self.reasons:
            return "pass"
        return "temperror" if ROWS[self.reasons[0]][2] == 451 else "reject"

    def want(self):
        word = self.verdict()
        result = {"verdict": word}
        if word == "pass":
            result.update({"reason": None, "from": self.author, "tokenPart1": self.token, "digest": self.digest})
        if len(self.reasons) == 1:
            row = ROWS[self.reasons[0]]
            result["reason"] = {"finding": row[0], "code": row[2], "enhanced": row[3]}
        result.update(self.result)
        want = {"rules": self.rules, "exit": {"pass": 0, "reject": 1, "temperror": 75}[word], "result": result,
                "findings": sorted(self.findings, key=ORDER.index), "findingsAreAll": word == "pass"}
        if len(self.reasons) > 1:
            want["reasonIsOneOf"] = self.reasons
        if self.absent:
            want["absentFindings"] = self.absent
        if self.recipient:
            want["recipient"] = self.recipient
        if self.todo:
            want["todo"] = self.todo
        if self.independent:
            want["noIndependentCheck"] = self.independent
        policies = self._policies(word)
        if policies:
            want["policies"] = policies
        return want

    def _policies(self, word):
        """What a passing mail comes to under each policy, by the contract's table."""
        if self.policies is not None or word != "pass":
            return self.policies
        if any(line.lower().startswith("policy") for line in self.conf):
            return None
        out = {}
        for policy in ("rfc8823", "strict"):
            word, reason = verdict(self.findings, policy, self.overrides)
            out[policy] = {"verdict": word, "finding": reason}
        return out

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        files = {"message.eml": self.message(), "dns.txt": self.dns_text().encode(),
                 "want.json": (json.dumps(self.want(), indent=1, ensure_ascii=True) + "\n").encode(),
                 "note": (self.note + "\n").encode()}
        if self.conf:
            files["conf"] = "".join(line + "\n" for line in self.conf).encode()
        for name in os.listdir(folder):
            if name not in files:
                os.unlink(os.path.join(folder, name))
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


def case(name, mail, rules, note, **rest):
    if any(c.name == name for c in CASES):
        raise ValueError("two cases named " + name)
    CASES.append(Case(name, mail, rules.split(), note, **rest))
