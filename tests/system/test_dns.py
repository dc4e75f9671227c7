# SPDX-License-Identifier: BSD-2-Clause
"""The milter's own resolver against a real DNS with real signatures, by -t: nothing but DNS is in the way."""
import socket
import time

import pytest

from harness.dns import BOGUS, SIGNED, UNSIGNED

CHILD = "child." + SIGNED
TWO = "two." + SIGNED
LARGE = "large." + SIGNED
ALIAS = "alias." + SIGNED
MALFORMED = "malformed." + SIGNED


@pytest.fixture(scope="module")
def zones(dns_server, keys):
    """What these tests need beyond the zones' own keys and policies."""
    key = keys["ed25519"].txt()
    for domain in (CHILD, TWO, LARGE, MALFORMED):
        dns_server.add(f"s._domainkey.{domain}", key)
    dns_server.add(f"s._domainkey.{ALIAS}", f"ed25519._domainkey.{UNSIGNED}.", kind="CNAME")
    dns_server.add(f"_dmarc.{ALIAS}", f"_dmarc.{SIGNED}.", kind="CNAME")
    for policy in ("none", "reject"):
        dns_server.add(f"_dmarc.{TWO}", f"v=DMARC1; p={policy}")
    for number in range(10):  # together more than a UDP answer holds
        dns_server.add(f"_dmarc.{LARGE}", f"{number} " + "x" * 400)
    dns_server.add(f"_dmarc.{LARGE}", "v=DMARC1; p=quarantine")
    dns_server.add(f"_dmarc.{MALFORMED}", "v=DMARC1; p=reject; p=none")
    dns_server.reload()
    return dns_server


@pytest.fixture
def judge(zones, judge_by):
    """Judges a good reply of that domain; returns the exit code and the result."""
    def judge(domain, *lines, nameservers=None, anchor=None, **how):
        return judge_by(domain, nameservers or zones.address, anchor or zones.trust_anchor, *lines, **how)
    return judge


def findings(result):
    return {each["id"] for each in result["findings"]}


@pytest.mark.parametrize("zone, want", [(SIGNED, "secure"), (UNSIGNED, "insecure")])
def test_dnssec_status_of_key_and_policy(judge, zone, want):
    code, result = judge(zone, selector="ed25519")
    assert (code, result["dkim"]["dnssec"], result["dmarc"]["dnssec"]) == (0, want, want)
    assert result["assurance"]["dkimKeyDnssec"] == result["assurance"]["dmarcDnssec"] == (want == "secure")
    assert ("dnssec-none" in findings(result)) == (want == "insecure")


def test_without_proc_the_same_servers_are_asked(judge, zones, tmp_path):
    """As in a bare chroot, where libunbound finds no file that has no name."""
    without_proc = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    anchor = tmp_path / "no.key"
    anchor.write_text("example. DS nonsense\n")
    with pytest.raises(AssertionError, match=f"{anchor}: "):
        judge(SIGNED, selector="ed25519", anchor=anchor, within=without_proc)
    for servers in (None, f"127.0.0.1@1, {zones.address}"):
        code, result = judge(SIGNED, "DNSTimeout 30s", selector="ed25519", nameservers=servers, within=without_proc)
        assert (code, result["dkim"]["dnssec"]) == (0, "secure")


def test_bogus_is_temporary(judge):
    code, result = judge(BOGUS, selector="ed25519")
    assert (code, result["verdict"], result["reason"]["code"]) == (75, "temperror", 451)
    assert "dnssec-bogus" in findings(result)


def test_without_validation_nothing_is_known_of_dnssec(judge):
    for zone in (SIGNED, BOGUS):
        code, result = judge(zone, selector="ed25519", anchor="none")
        assert (code, result["dkim"]["dnssec"], result["dmarc"]["dnssec"]) == (0, "unknown", "unknown")


def test_a_signed_alias_of_an_unsigned_key_is_insecure(judge):
    code, result = judge(ALIAS)
    assert (code, result["dkim"]["dnssec"], result["dmarc"]["dnssec"]) == (0, "insecure", "secure")


def test_missing_key_is_permanent(judge):
    code, result = judge(SIGNED, selector="nothing")
    assert (code, result["reason"]["finding"]) == (1, "dkim-fail")


@pytest.mark.parametrize("discovery", ["rfc9989", "rfc7489", "both"])
def test_policy_of_the_parent_with_proof_that_the_child_has_none(judge, discovery):
    # By the public suffix list the organisational domain is acme-lab.net, which publishes nothing.
    code, result = judge(CHILD, f"DMARCDiscovery {discovery}")
    assert code == 0
    differs = [each for each in result["findings"] if each["id"] == "dmarc-discovery-differs"]
    assert differs == ([{"id": "dmarc-discovery-differs", "severity": "note", "detail": "rfc9989: reject; rfc7489: no record"}]
                       if discovery == "both" else [])
    if discovery == "rfc7489":
        assert result["dmarc"]["result"] == "none" and "dmarc-none" in findings(result)
    else:
        dmarc = result["dmarc"]
        assert (dmarc["result"], dmarc["policy"], dmarc["policyDomain"]) == ("pass", "reject", SIGNED)
        assert dmarc["dnssec"] == "secure"


def test_difference_of_discovery_can_be_made_a_reason(judge):
    code, result = judge(CHILD, "DMARCDiscovery both", "OnFinding dmarc-discovery-differs reject")
    assert (code, result["reason"]["finding"]) == (1, "dmarc-discovery-differs")


@pytest.mark.parametrize("domain", [TWO, MALFORMED])
def test_broken_policy_is_a_permerror(judge, domain):
    code, result = judge(domain)
    assert (code, result["dmarc"]["result"]) == (0, "permerror") and "dmarc-permerror" in findings(result)
    code, result = judge(domain, "OnFinding dmarc-permerror reject")
    assert (code, result["reason"]["finding"]) == (1, "dmarc-permerror")


def test_an_answer_too_large_for_udp(judge):
    code, result = judge(LARGE)
    assert (code, result["dmarc"]["policy"], result["dmarc"]["dnssec"]) == (0, "quarantine", "secure")


@pytest.fixture
def silent():
    """A name server that takes questions and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield f"127.0.0.1@{udp.getsockname()[1]}"


def test_one_of_two_name_servers_is_dead(judge, zones, silent):
    for servers in (f"{silent}, {zones.address}", f"{zones.address}, {silent}"):
        code, result = judge(SIGNED, "DNSTimeout 30s", selector="ed25519", nameservers=servers)
        assert (code, result["dkim"]["dnssec"]) == (0, "secure")


def test_no_name_server_answers(judge, silent):
    start = time.monotonic()
    code, result = judge(SIGNED, "DNSTimeout 1s", selector="ed25519", nameservers=silent)
    assert (code, result["verdict"]) == (75, "temperror")
    assert {"dkim-temperror", "dmarc-temperror"} & findings(result)
    assert time.monotonic() - start < 20  # one deadline for all questions, and a process to start
