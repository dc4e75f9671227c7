# SPDX-License-Identifier: BSD-2-Clause
"""A second opinion on every reply that acme-milter lets pass, with nothing of acme-milter in it.

Python's email package must see one From field with one address, the very one of the result; and python3-dkim must
verify a signature whose d= is exactly that address's domain, that covers From and Subject, and that has no l=. Neither
shares code or authors with the milter or with libopendkim.
"""

import email
import email.policy
import re

import dkim

POLICY = email.policy.SMTPUTF8


def ascii_domain(domain):
    return domain.encode("idna").decode().lower() if not domain.isascii() else domain.lower()


def read_dns(text):
    """name -> list of TXT texts, out of the file format of -D."""
    records = {}
    for line in text.splitlines():
        match = re.match(r"(\S+)\s+(?:\d+\s+)?TXT\s+(.*)$", line)
        if match:
            strings = re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(2))
            records.setdefault(match.group(1).lower(), []).append(
                "".join(re.sub(r"\\(.)", r"\1", s) for s in strings))
    return records


def lookup_in(records):
    def lookup(name, timeout=5):
        del timeout
        name = (name.decode() if isinstance(name, bytes) else name).rstrip(".")
        found = records.get(".".join(ascii_domain(label) for label in name.split(".")))
        return found[0].encode() if found else None
    return lookup


def author_of(message):
    """The one address of the one From field with its domain in A-labels, or a fault."""
    fields = message.get_all("From", [])
    if len(fields) != 1:
        return None, "%d From fields" % len(fields)
    if len(fields[0].groups) != 1 or fields[0].groups[0].display_name is not None:
        return None, "From holds a group or several entries"
    if len(fields[0].addresses) != 1:
        return None, "From holds %d addresses" % len(fields[0].addresses)
    address = fields[0].addresses[0]
    return (address.username, ascii_domain(address.domain)), None


def tags_of(value):
    tags = {}
    for item in value.split(";"):
        name, _, text = item.partition("=")
        tags[re.sub(r"\s", "", name)] = re.sub(r"\s", "", text)
    return tags


def verifies(data, index, records, now):
    """Whether python3-dkim verifies the index-th signature at that time."""
    real = dkim.time.time
    dkim.time.time = lambda: now
    try:
        return dkim.DKIM(data, minkey=1024).verify(index, dnsfunc=lookup_in(records))
    except (dkim.DKIMException, ValueError, IndexError) as error:
        del error
        return False
    finally:
        dkim.time.time = real


def covers(tags, message):
    names = tags.get("h", "").lower().split(":")
    return all(names.count(name) >= len(message.get_all(name, [])) > 0 for name in ("from", "subject"))


def faults(data, dns_text, result, now):
    """What speaks against a verdict "pass": an empty list if nothing does. data: the mail with CRLF line ends."""
    message = email.message_from_string(data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape"), policy=POLICY)
    author, fault = author_of(message)
    if fault:
        return [fault]
    found = []
    if result["from"] != "%s@%s" % author:
        found.append("the email package reads the author as %s@%s" % author)
    records = read_dns(dns_text)
    reasons = []
    for index, value in enumerate(message.get_all("DKIM-Signature", [])):
        tags = tags_of(str(value))
        if ascii_domain(tags.get("d", "")) != author[1]:
            reasons.append("d=%s" % tags.get("d"))
        elif "l" in tags:
            reasons.append("l=")
        elif not covers(tags, message):
            reasons.append("From or Subject not covered")
        elif not verifies(data, index, records, now):
            reasons.append("python3-dkim does not verify it")
        else:
            return found
    return found + ["no signature of the author's domain holds: " + (", ".join(reasons) or "there is none")]
