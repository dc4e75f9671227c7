# SPDX-License-Identifier: BSD-2-Clause
"""The same signed mail judged by dkimpy, opendkim, rspamd and us: where two differ, tests/data/dkim/verifiers.txt says
so and why. (Signatures of other domains than the author's count for nobody here.)"""
import datetime
import json
import re
import subprocess
from pathlib import Path

import pytest

from harness import milter, verifiers
from harness.process import Folder

DATA = Path(__file__).resolve().parent.parent / "data" / "dkim"
NOW = 1795500000  # when the mails were signed: see make-dkim-cases
# The others are about the DNS itself: tests/unit/test_auth_dkim and test_resolver_unbound.
CASES = sorted(path.parent.name for path in DATA.glob("*/dns.txt") if verifiers.read_records(path) is not None)
CONFIGURATION = f"""ChallengeAddress acme@ca.example
AuthservID mx.ca.example
TestTime {datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}
"""


def read_table(name, separator):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split(separator, 2) for line in lines if line and not line.startswith("#")]
    return {row[0].strip(): row[1:] for row in rows}


DIFFERENCES = read_table("verifiers.txt", "|")
DKIMPY = {line.split()[0]: line.split()[1:] for line in (DATA / "dkimpy.txt").read_text().splitlines()}


@pytest.fixture(scope="module")
def others():
    missing = verifiers.missing()
    if missing:
        pytest.fail("not installed: " + ", ".join(missing) + " (see contrib/packages)")
    folder = Folder("verifiers")
    dns = verifiers.CaseDns(folder)
    rspamd = verifiers.Rspamd(folder, dns.port)
    yield folder, dns, rspamd
    rspamd.stop()
    dns.stop()
    folder.remove()


def a_label(domain):
    domain = domain.decode().lower()
    return domain if domain.isascii() else domain.encode("idna").decode()


def author_domain(mail):
    """Of the last From: what the signer saw, when another was put above it later."""
    return a_label(re.findall(rb"(?im)^From[ \t]*:.*@([^>\s]+)", mail.split(b"\r\n\r\n", 1)[0])[-1])


def ours(folder, case):
    conf = folder.path / "acme-milter.conf"
    conf.write_text(CONFIGURATION)
    done = subprocess.run([milter.program(), "-t", "-c", conf, "-D", case / "dns.txt", case / "message.eml"],
                          stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.returncode
    return {s["domain"] for s in json.loads(done.stdout)["signatures"] if s["result"] == "pass"}


def dkimpy_takes(case, mail, domain):
    """Its answers are kept, one a signature from the top (make-dkim-cases asked it)."""
    header = mail.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    signatures = [field for field in header if field.lower().startswith(b"dkim-signature")]
    domains = [re.search(rb"\bd=\s*([^;\s]+)", field) for field in signatures]
    return any(word == "pass" and a_label(d[1]) == domain for word, d in zip(DKIMPY[case], domains) if d)


def passing(found):
    return {domain for domain, word in found.items() if word == "pass"}


@pytest.mark.parametrize("name", CASES)
def test_who_takes_a_signature(name, others):
    folder, dns, rspamd = others
    case = DATA / name
    records = verifiers.read_records(case / "dns.txt")
    mail = (case / "message.eml").read_bytes()
    domain = author_domain(mail)
    dns.use(records)
    takes = {"dkimpy": dkimpy_takes(name, mail, domain),
             "opendkim": domain in passing(verifiers.opendkim_verify(folder.path, case / "message.eml", records, NOW)),
             "acme-milter": domain in ours(folder, case)}
    if not re.search(rb"[;\s]x=\d", mail):  # rspamd knows no other time than today's
        takes["rspamd"] = domain in passing(rspamd.verify(mail))
    who = {judge for judge, yes in takes.items() if yes}
    if name in DIFFERENCES:
        assert who == set(DIFFERENCES[name][0].split()) & set(takes)
        assert len(DIFFERENCES[name][1].strip()) > 10
    else:
        assert who in (set(), set(takes)), f"{name}: taken by {sorted(who)} only, and verifiers.txt does not say why"


def test_every_difference_is_of_a_case():
    assert set(DIFFERENCES) <= set(CASES)
