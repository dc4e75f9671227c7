# SPDX-License-Identifier: BSD-2-Clause
"""Name servers that drop, delay, cut and lie. Whatever they say, a reply passes with the right key only, what cannot be
known is put off, and what validation refutes is dnssec-bogus."""
import threading

import dns.flags
import dns.name
import dns.rcode
import pytest

from harness import mail
from harness.lying_dns import DAY, ORIGIN, LyingDns, Signer, answer, rrset, txt
from harness.process import wait_for

PASS, TEMPORARY, REJECT = 0, 75, 1


@pytest.fixture(scope="module")
def liar(folder):
    server = LyingDns(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def key(keys):
    """The right key's record."""
    return keys["ed25519"].txt()


@pytest.fixture
def wrong(keys):
    """A key that somebody else has: what he signs must not pass, and what the domain signs does not verify by it."""
    return keys["rsa2048"].txt()


@pytest.fixture
def ask(liar, judge_by):
    """Has maker answer for the key of a domain of that label; returns the exit code, the result and the key's name."""
    def ask(label, maker, anchor="none", more=()):
        domain = f"{label}.{ORIGIN.to_text(omit_final_dot=True)}"
        name = f"s._domainkey.{domain}"
        liar.says(name, lambda query, is_tcp: maker(query, is_tcp, dns.name.from_text(name)))
        for other, kind, other_maker in more:
            liar.says(f"{other}.{domain}" if other else domain, other_maker, kind)
        return judge_by(domain, liar.address, anchor, "DNSTimeout 3s")
    return ask


def is_put_off(result, finding="dkim-temperror"):
    return result["verdict"] == "temperror" and result["reason"]["finding"] == finding


def test_honest_answer(ask, liar, key):
    code, result = ask("honest", lambda query, _, name: answer(query, txt(name, key)))
    assert (code, result["dkim"]["dnssec"]) == (PASS, "unknown")
    code, result = ask("secure", lambda query, _, name: answer(query, liar.signer.sign(txt(name, key))), liar.trust_anchor)
    assert (code, result["dkim"]["dnssec"]) == (PASS, "secure")


def test_silence_is_put_off(ask):
    code, result = ask("silent", lambda *_: None)
    assert code == TEMPORARY and is_put_off(result)


def test_answer_that_was_cut_is_asked_for_by_tcp(ask, liar, key):
    def maker(query, is_tcp, name):
        return answer(query, txt(name, key)) if is_tcp else answer(query, flags=dns.flags.TC)
    code, result = ask("cut", maker)
    assert (code, result["verdict"]) == (PASS, "pass")
    assert [is_tcp for name, is_tcp in liar.asked if name.labels[:3] == (b"s", b"_domainkey", b"cut")] == [False, True]


@pytest.mark.parametrize("label, has_key", [("cut-empty", False), ("cut-whole", True)])
def test_answer_that_was_cut_and_no_tcp_is_put_off(ask, liar, key, label, has_key):
    """Also where the cut answer holds the key: there could be another one behind it."""
    liar.no_tcp.add(dns.name.from_text(f"s._domainkey.{label}", ORIGIN))
    code, result = ask(label, lambda query, _, name: answer(query, *([txt(name, key)] if has_key else []), flags=dns.flags.TC))
    assert code == TEMPORARY and is_put_off(result)


def test_answer_larger_than_was_asked_for(ask, key):
    """5 kB by UDP, where 1232 were offered: the key in it is the right one, and there are other records beside it."""
    def maker(query, _, name):
        return answer(query, txt(name, key), *[txt(name, f"{number} " + "x" * 600) for number in range(8)])
    code, result = ask("large", maker)
    assert (code, result["verdict"]) == (PASS, "pass")


def changed_id(message):
    message.id ^= 1
    return message


def other_question(message, name):
    wire = bytearray(message.to_wire())
    label = name.labels[0]
    assert wire[12] == len(label)
    wire[13] ^= 1  # "s" becomes "r"
    return bytes(wire)


def test_forged_answers_before_the_right_one_are_not_taken(ask, key, wrong):
    """Another id, another question, a question pretending to be an answer."""
    def maker(query, _, name):
        return [changed_id(answer(query, txt(name, wrong))), other_question(answer(query, txt(name, wrong)), name), b"", b"\0" * 12,
                query, answer(query, txt(name, key))]
    code, result = ask("forged", maker)
    assert (code, result["verdict"]) in ((PASS, "pass"), (TEMPORARY, "temperror"))


FORGERIES = {
    "id": lambda query, name, key: changed_id(answer(query, txt(name, key))),
    "question": lambda query, name, key: other_question(answer(query, txt(name, key)), name),
    "query-bit": lambda query, name, key: answer(query, txt(name, key)).to_wire()[:2] + b"\1" + answer(query, txt(name, key)).to_wire()[3:],
    "half": lambda query, name, key: answer(query, txt(name, key)).to_wire()[:-9],
    "garbage": lambda query, name, key: query.to_wire()[:2] + b"\x81\x80" + b"\xc0" * 60,
}


@pytest.mark.parametrize("label", FORGERIES)
def test_forged_answer_alone_is_put_off(ask, key, label):
    """Even one with the right key: it is not an answer to what was asked."""
    code, result = ask("alone-" + label, lambda query, _, name: FORGERIES[label](query, name, key))
    assert code == TEMPORARY and is_put_off(result)


def test_records_of_other_names_are_not_taken(ask, wrong):
    """Neither in the answer nor beside it, nor later from a cache."""
    def maker(query, _, name):
        other = dns.name.from_text("s._domainkey.poisoned", ORIGIN)
        message = answer(query, txt(other, wrong), authority=[txt(other, wrong)])
        message.additional.append(txt(other, wrong))
        return message
    code, result = ask("poison", maker)
    assert (code, result["reason"]["finding"]) == (REJECT, "dkim-fail")
    code, result = ask("poisoned", lambda *_: None)
    assert code == TEMPORARY and is_put_off(result)


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "YXDOMAIN", "NOTAUTH"])
def test_error_is_put_off_even_with_a_key_in_it(ask, key, rcode):
    code, result = ask("error-" + rcode.lower(), lambda query, _, name: answer(query, txt(name, key), rcode=dns.rcode.from_text(rcode)))
    assert code == TEMPORARY and is_put_off(result)


def lame(query, *authority):
    message = answer(query, authority=authority)
    message.flags &= ~dns.flags.RA
    return message


@pytest.mark.parametrize("label, cut", [("lame-net", "net."), ("lame-zone", ORIGIN.to_text())])
def test_lame_server_is_no_proof_of_absence(ask, label, cut):
    """It does not recurse, knows nothing, and sends us elsewhere: not the same as "there is no such key". (Where it sends us
    to the root, libunbound takes that out, and what is left is an answer of RFC 2308 2.2 type 3.)"""
    code, result = ask(label, lambda query, _, name: lame(query, rrset(cut, "NS", "a.root.test.")))
    assert code == TEMPORARY and is_put_off(result)


def test_absence(ask):
    for label, rcode in (("nodata", "NOERROR"), ("nxdomain", "NXDOMAIN")):
        code, result = ask(label, lambda query, _, name, rcode=rcode: answer(query, rcode=dns.rcode.from_text(rcode)))
        assert (code, result["reason"]["finding"]) == (REJECT, "dkim-fail")


def alias(label):
    return f"{label}.{ORIGIN}"


def test_aliases(ask, key):
    """A few are followed; a loop is an error of the DNS, not the absence of a key."""
    for length, want in ((1, {PASS}), (5, {PASS}), (40, {TEMPORARY})):
        hops = [(f"hop{number}", "TXT", lambda query, _, number=number, length=length: answer(query, *(
            [rrset(query.question[0].name, "CNAME", alias(f"hop{number + 1}.chain{length}"))] if number < length else
            [txt(query.question[0].name, key)]))) for number in range(1, length + 1)]
        code, _ = ask(f"chain{length}", lambda query, _, name, length=length:
                      answer(query, rrset(name, "CNAME", alias(f"hop1.chain{length}"))), more=hops)
        assert code in want, length


def test_loops_of_aliases_are_put_off(ask):
    code, result = ask("self", lambda query, _, name: answer(query, rrset(name, "CNAME", name.to_text())))
    assert code == TEMPORARY and is_put_off(result)
    code, result = ask("loop", lambda query, _, name: answer(query, rrset(name, "CNAME", alias("back.loop"))), more=[
        ("back", "TXT", lambda query, _: answer(query, rrset(query.question[0].name, "CNAME", alias("s._domainkey.loop"))))])
    assert code == TEMPORARY and is_put_off(result)


def test_dname(ask, liar, key):
    """The whole of _domainkey elsewhere, as RFC 6672 makes it."""
    def maker(query, _, name):
        target = dns.name.from_text("s.keys", ORIGIN)
        return answer(query, rrset(dns.name.Name(name.labels[1:]), "DNAME", alias("keys")), rrset(name, "CNAME", target.to_text()),
                      txt(target, key))
    liar.says(alias("s.keys"), lambda query, _: answer(query, txt(query.question[0].name, key)))
    code, _ = ask("dname", maker)
    assert code == PASS


# What validation must refute. Each tells the right key, so that only the proof is at fault.
def expired(liar, query, name, key):
    return answer(query, liar.signer.sign(txt(name, key), begin=-30 * DAY, end=-20 * DAY))


def not_yet(liar, query, name, key):
    return answer(query, liar.signer.sign(txt(name, key), begin=20 * DAY, end=30 * DAY))


def stripped(_liar, query, name, key):
    return answer(query, txt(name, key))


def other_text(liar, query, name, key):
    signed = liar.signer.sign(txt(name, "v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
    return answer(query, [txt(name, key), signed[1]])


def other_key(_liar, query, name, key):
    return answer(query, Signer().sign(txt(name, key)))


def of_another_name(liar, query, name, key):
    signature = liar.signer.sign(txt(dns.name.from_text("other", ORIGIN), key))[1]
    return answer(query, [txt(name, key), dns.rrset.from_rdata(name, 60, signature[0])])


def wildcard_without_proof(liar, query, name, key):
    """Signed as *.lies: it may stand for any name, but only with a proof that the name itself does not exist."""
    signature = liar.signer.sign(txt(dns.name.from_text("*", ORIGIN), key))[1]
    return answer(query, [txt(name, key), dns.rrset.from_rdata(name, 60, signature[0])])


def no_proof(_liar, query, _name, _key):
    return answer(query, rcode=dns.rcode.NXDOMAIN)


def proof_of_another_name(liar, query, _name, _key):
    soa = rrset(ORIGIN, "SOA", f"ns.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 86400 60")
    nsec = rrset(f"a.{ORIGIN}", "NSEC", f"b.{ORIGIN} A RRSIG NSEC")
    return answer(query, authority=[liar.signer.sign(soa), liar.signer.sign(nsec)], rcode=dns.rcode.NXDOMAIN)


def proof_that_there_is_one(liar, query, name, _key):
    soa = rrset(ORIGIN, "SOA", f"ns.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 86400 60")
    nsec = rrset(name, "NSEC", f"z.{ORIGIN} TXT RRSIG NSEC")
    return answer(query, authority=[liar.signer.sign(soa), liar.signer.sign(nsec)])


def unsigned_alias(_liar, query, name, key):
    target = dns.name.from_text("elsewhere.example.net.")
    return answer(query, rrset(name, "CNAME", target.to_text()), txt(target, key))


BOGUS = (expired, not_yet, stripped, other_text, other_key, of_another_name, wildcard_without_proof, no_proof,
         proof_of_another_name, proof_that_there_is_one, unsigned_alias)


@pytest.mark.parametrize("lie", BOGUS, ids=lambda lie: lie.__name__)
def test_what_validation_refutes_is_bogus(ask, liar, key, lie):
    label = "bogus-" + lie.__name__.replace("_", "-")
    code, result = ask(label, lambda query, _, name: lie(liar, query, name, key), liar.trust_anchor)
    assert code == TEMPORARY and is_put_off(result, "dnssec-bogus"), result["findings"]


def test_policy_that_validation_refutes_is_bogus(ask, liar, key):
    """A downgrade of the policy alone: the key is in order."""
    code, result = ask("downgrade", lambda query, _, name: answer(query, liar.signer.sign(txt(name, key))), liar.trust_anchor,
                       more=[("_dmarc", "TXT", lambda query, _: answer(query, rcode=dns.rcode.NXDOMAIN))])
    assert code == TEMPORARY and is_put_off(result, "dnssec-bogus")


def test_zone_of_an_unknown_algorithm_is_insecure(ask, liar, key):
    """RFC 4035 5.2: nobody can validate it here, and its parent says so under its own signature."""
    cut = dns.name.from_text("odd", ORIGIN)
    ds = rrset(cut, "DS", "12345 200 2 " + "ab" * 32)
    code, result = ask("odd", lambda query, _, name: answer(query, txt(name, key)), liar.trust_anchor, more=[
        ("", "DS", lambda query, _: answer(query, liar.signer.sign(ds))),
        ("_dmarc", "TXT", lambda query, _: answer(query, rcode=dns.rcode.NXDOMAIN))])
    assert (code, result["dkim"]["dnssec"]) == (PASS, "insecure")
    assert not result["assurance"]["dkimKeyDnssec"] and "dnssec-none" in {each["id"] for each in result["findings"]}


def test_wrong_ds_is_bogus(ask, liar, key):
    child = Signer(dns.name.from_text("child", ORIGIN))
    ds = rrset(child.origin, "DS", f"{child.ds().key_tag} 13 2 " + "ab" * 32)
    code, result = ask("child", lambda query, _, name: answer(query, child.sign(txt(name, key))), liar.trust_anchor, more=[
        ("", "DS", lambda query, _: answer(query, liar.signer.sign(ds))),
        ("", "DNSKEY", lambda query, _: answer(query, child.sign(dns.rrset.from_rdata(child.origin, 60, child.key))))])
    assert code == TEMPORARY and is_put_off(result, "dnssec-bogus")


def test_late_answer_for_one_mail_does_not_keep_another_waiting(mx, new_exchange, liar, new_milter, key):
    """Two replies at once: the DNS of the first says nothing until the second was taken."""
    server = new_milter(("Nameservers", liar.address), ("TrustAnchorFile", "none"), ("DNSTimeout", "30s"))
    slow, quick = (new_exchange(f"alice@{label}.{ORIGIN.to_text(omit_final_dot=True)}") for label in ("slow", "quick"))
    was_asked, may_answer, answers = threading.Event(), threading.Event(), {}

    def maker(query, _):
        if query.question[0].name.labels[2] == b"slow":
            was_asked.set()
            may_answer.wait(30)
        return answer(query, txt(query.question[0].name, key))
    for exchange in (slow, quick):
        liar.says(f"ed25519._domainkey.{exchange.domain}", maker)

    def send(exchange):
        data = exchange.sign(mail.reply(exchange.challenge, exchange.digest), key="ed25519")
        answers[exchange.domain] = mx.send(exchange, data).code
    with mx.with_milter(server):
        first = threading.Thread(target=send, args=(slow,))
        first.start()
        assert was_asked.wait(30)
        send(quick)
        assert answers[quick.domain] == 250 and slow.domain not in answers
        may_answer.set()
        first.join(60)
    assert answers[slow.domain] == 250


def test_many_silent_domains_do_not_keep_one_from_passing(mx, new_exchange, liar, new_milter, key):
    """Sixteen replies at once whose DNS is dead, and a good one that is sent while they wait."""
    server = new_milter(("Nameservers", liar.address), ("TrustAnchorFile", "none"), ("DNSTimeout", "8s"))
    good = new_exchange(f"alice@living.{ORIGIN.to_text(omit_final_dot=True)}")
    liar.says(f"ed25519._domainkey.{good.domain}", lambda query, _: answer(query, txt(query.question[0].name, key)))
    dead = [new_exchange(f"alice@dead{number}.{ORIGIN.to_text(omit_final_dot=True)}") for number in range(16)]
    asked = set()
    for exchange in dead:
        liar.says(f"ed25519._domainkey.{exchange.domain}", lambda query, _: asked.add(query.question[0].name))
    codes = []

    def send(exchange):
        codes.append(mx.send(exchange, exchange.sign(mail.reply(exchange.challenge, exchange.digest), key="ed25519")).code)
    with mx.with_milter(server):
        threads = [threading.Thread(target=send, args=(exchange,)) for exchange in dead]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(asked) == len(dead), "all of them wait for the DNS")
        assert codes == []
        send(good)
        assert codes == [250]
        for thread in threads:
            thread.join(60)
    assert codes == [250] + 16 * [451]
