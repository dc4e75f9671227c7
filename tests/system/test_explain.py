# SPDX-License-Identifier: BSD-2-Clause
"""-t --explain: what it says to people, and that it changes nothing for programs."""
import os
import pty
import re
import shutil
import subprocess

import pytest

from harness import mail, milter, signer
from harness.process import wait_for
from test_cli import AUTHOR, CA, CHALLENGE, DIGEST, DOMAIN, TOKEN, conf, dns, message  # noqa: F401 pylint: disable=unused-import
from test_evidence import signed_reply, with_evidence  # noqa: F401 pylint: disable=unused-import

STEPS = ["How the mail came", "The challenge that it answers", "The ACME response in its text", "The author",
         "DKIM signatures", "DMARC", "Findings", "The verdict"]


def explain(conf, dns, *arguments, **how):
    done = milter.run("-t", "--explain", "-c", conf, "-D", dns, *arguments, **how)
    return done.returncode, done.stdout.decode("ascii")


def rows(text, step):
    """The rows of a step as (label, value), wrapped lines joined."""
    part = re.search(rf"^\d+\. {re.escape(step)}\n((?:   .*\n)+)", text, re.M).group(1)
    found = []
    for line in part.splitlines():
        assert line[2] == line[26] == " ", line
        label, value = line[3:27].strip(), line[27:]
        if label or not found:
            found.append([label, value])
        else:
            found[-1][1] += " " + value
    return [tuple(row) for row in found]


def row(text, step, label):
    return dict(rows(text, step))[label]


def test_explains_each_step_of_a_pass(conf, dns, message):
    code, text = explain(conf(), dns(), "-s", AUTHOR, "-a", "192.0.2.7", message())
    assert code == 0 and text.splitlines()[0].endswith("mail.eml: pass")
    assert re.findall(r"^\d+\. (.*)", text, re.M) == STEPS + ["What the sender is told"]
    assert row(text, STEPS[0], "challenge address") == CA and row(text, STEPS[0], "MAIL FROM") == f"<{AUTHOR}>"
    assert "192.0.2.7" in row(text, STEPS[0], "client")
    assert row(text, STEPS[1], "Subject").endswith(TOKEN) and row(text, STEPS[1], "token-part1") == f"{TOKEN} (192 bits)"
    assert row(text, STEPS[2], "digest").startswith(DIGEST) and row(text, STEPS[3], "author") == AUTHOR
    dkim, dmarc = dict(rows(text, STEPS[4])), dict(rows(text, STEPS[5]))
    assert dkim["signature"] == f"d={DOMAIN} s=rsa2048 a=rsa-sha256: pass the verdict rests on this one"
    assert dkim["key"] == f"rsa2048._domainkey.{DOMAIN}, 2048 bits, DNSSEC: insecure"
    assert dkim["DNS said"].startswith(f"rsa2048._domainkey.{DOMAIN} ") and "v=DKIM1" in dkim["DNS said"]
    assert dmarc["record"].startswith(f"at _dmarc.{DOMAIN}") and "v=DMARC1; p=reject" in dmarc["DNS said"]
    assert dmarc["result"] == "pass" and dmarc["policy"].startswith("reject")
    assert row(text, STEPS[7], "verdict") == "pass"
    assert row(text, "What the sender is told", "SMTP answer") == "250: taken"


def test_a_refusal_says_what_the_sender_was_told(conf, dns, message):
    code, text = explain(conf(), dns(), message(sign=False))
    told = milter.run("-t", "-c", conf(), "-D", dns(), message(sign=False))
    assert code == told.returncode == 1
    assert row(text, STEPS[6], "dkim-none") == "reject" and row(text, STEPS[4], "none")
    assert row(text, STEPS[7], "because").startswith("of dkim-none, the first that rejects")
    answer = row(text, "What the sender is told", "SMTP answer")
    assert answer.startswith("550 5.7.20 ") and answer.endswith(" [dkim-none]")
    assert f'"{answer[len("550 5.7.20 "):]}"'.encode() in told.stdout


def test_temporary_errors_keep_their_exit_code(conf, dns, message):
    code, text = explain(conf("DNSTimeout 1s"), dns(key=f"rsa2048._domainkey.{DOMAIN} SERVFAIL"), message())
    assert code == 75
    assert row(text, STEPS[6], "dkim-temperror") == "temporary"
    assert row(text, STEPS[4], "DNS said") == f"rsa2048._domainkey.{DOMAIN} SERVFAIL"
    assert "tries again by itself" in row(text, "What the sender is told", "the sender has to")


@pytest.mark.parametrize("lines, severity, why", [
    ([], "note", "Policy interop says so; rfc8823: reject; strict: reject"),
    (["Policy rfc8823"], "reject", "Policy rfc8823 says so; interop: note"),
    (["OnFinding to-mismatch reject"], "reject", "OnFinding says so"),
])
def test_why_a_finding_has_its_severity(conf, dns, message, lines, severity, why):
    _, text = explain(conf(*lines), dns(), message(To="other@" + DOMAIN))
    found = rows(text, STEPS[6])
    at = found.index(("to-mismatch", severity))
    assert found[at + 1] == ("why", why)
    assert found[at + 2][0] == "text" and found[at + 3] == ("rule", "RFC 8823 3.2 (3)")


def test_why_a_finding_has_the_severity_of_its_challenge_address(conf, dns, message):
    address = f"ChallengeAddress {CA} OnFinding=to-mismatch:reject"
    _, text = explain(conf(address, "OnFinding to-mismatch note", base=False), dns(), message(To="other@" + DOMAIN))
    found = rows(text, STEPS[6])
    assert found[found.index(("to-mismatch", "reject")) + 1] == ("why", "OnFinding of this challenge address says so")


def test_all_that_the_dns_said_of_a_key(conf, dns, message):
    _, text = explain(conf(), dns(f"rsa2048._domainkey.{DOMAIN} SECURE"), message())
    said = row(text, STEPS[4], "DNS said")
    assert "v=DKIM1" in said and said.endswith(f" rsa2048._domainkey.{DOMAIN} SECURE")


def test_a_fixed_finding_says_so(conf, dns, message):
    _, text = explain(conf(), dns(), message(sign=False))
    found = rows(text, STEPS[6])
    assert found[found.index(("dkim-none", "reject")) + 1][1].startswith("fixed: ")


def test_a_signature_of_another_domain_is_named_and_why_it_does_not_count(conf, dns, tmp_path, keys):
    file = tmp_path / "other.eml"
    file.write_bytes(signer.sign(mail.reply(CHALLENGE, DIGEST).bytes(), keys["rsa2048"], "esp.example", "rsa2048"))
    code, text = explain(conf(), dns(), file)
    assert code == 1 and ("dkim-unaligned", "reject") in rows(text, STEPS[6])
    assert row(text, STEPS[4], "signature") == ("d=esp.example s=rsa2048 a=rsa-sha256: not verified "
                                                "not used: its d= is not the author's domain itself, so it is not verified")


def test_why_each_of_several_signatures_was_used_or_not(conf, dns, tmp_path, keys):
    def uses(more=(), *names):
        data = mail.reply(CHALLENGE, DIGEST).bytes()
        for name in names:
            data = signer.sign(data, keys[name.split("-")[0]], DOMAIN, name)
        file = tmp_path / "several.eml"
        file.write_bytes(data)
        found = rows(explain(conf(), dns(*more), file)[1], STEPS[4])
        return {value.split()[1]: value for label, value in found if label == "signature"}
    key, ed25519 = f"rsa2048._domainkey.{DOMAIN} SECURE", f'ed25519._domainkey.{DOMAIN} TXT "{keys["ed25519"].txt()}"'
    found = uses((), "rsa2048-none", "rsa2048")
    assert "permerror, no key not used: another one of the author's domain is better" in found["s=rsa2048-none"]
    assert found["s=rsa2048"].endswith("pass the verdict rests on this one")
    found = uses((), "rsa2048-none")
    assert "the best there is of the author's domain: it is judged" in found["s=rsa2048-none"]
    found = uses((key, ed25519), "ed25519", "rsa2048")  # the last one stands on top
    assert found["s=rsa2048"].endswith("pass the verdict rests on this one")
    assert found["s=ed25519"].endswith("not verified not needed: a flawless one was found before it")


def test_hostile_bytes_reach_no_terminal(conf, dns, message):
    code, text = explain(conf(), dns(), message(Subject="\x1b[31mACME: \x07\x9b" + TOKEN, sign=False), "-s", "\x1b]0;x\x07@b")
    assert code == 1 and re.fullmatch(r"[ -~\n]+", text)
    assert "\\x1b[31mACME" in row(text, STEPS[1], "Subject")


def test_what_is_no_mail_is_explained_too(conf, dns, tmp_path):
    for number, content in enumerate((b"", b"\0" * 100, b"\xff" * 5000, b"A: b\r\n" * 5000)):
        file = tmp_path / f"{number}.eml"
        file.write_bytes(content)
        code, text = explain(conf(), dns(), file)
        assert code == 1 and re.fullmatch(r"[ -~\n]+", text) and row(text, STEPS[7], "verdict") == "reject"


def on_a_terminal(*arguments, **environment):
    """What the program writes to a terminal of ours."""
    master, slave = pty.openpty()
    process = subprocess.Popen([milter.program(), *map(str, arguments)], stdout=slave, stderr=subprocess.DEVNULL,
                               env={**os.environ, **environment})
    os.close(slave)
    text = b""
    try:
        while True:
            text += os.read(master, 65536)
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait(60) == 0
    return text


def test_colour_only_on_a_terminal_that_wants_it(conf, dns, message):
    arguments = ("-t", "--explain", "-c", conf(), "-D", dns(), message())
    assert b"\x1b[" in on_a_terminal(*arguments, NO_COLOR="", TERM="xterm")
    assert b"\x1b[" not in on_a_terminal(*arguments, NO_COLOR="1", TERM="xterm")
    assert b"\x1b[" not in on_a_terminal(*arguments, NO_COLOR="", TERM="dumb")
    assert b"\x1b" not in milter.run(*arguments).stdout


def test_explain_is_for_tests_only(conf):
    done = milter.run("-n", "--explain", "-c", conf())
    assert (done.returncode, done.stdout) == (64, b"")


def test_an_evidence_folder_says_what_the_acme_server_answered(mx, new_exchange, with_evidence):
    server, folder = with_evidence
    good, second = new_exchange(), new_exchange()
    with mx.with_milter(server):
        assert mx.send(good, signed_reply(good)).code == 250
        wrong = DIGEST  # of another challenge
        refused = mx.send(second, second.sign(mail.reply(second.challenge, wrong)))
        assert refused.code == 550
        wait_for(lambda: len(list(folder.rglob("answer.json"))) == 2, "both answers follow")
    texts = {}
    for place in {path.parent for path in folder.rglob("answer.json")}:
        done = milter.run("-t", "--explain", "-c", server.conf, "--replay", place)
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode("ascii")
        texts[row(text, STEPS[2], "digest")[:43]] = text
        assert row(text, STEPS[7], "verdict") == "pass"
    told = "What the sender was told"
    assert re.match(r"HTTP 20\d, 1 attempts", row(texts[good.digest], told, "ACME server"))
    assert row(texts[good.digest], told, "SMTP answer") == "250: taken"
    assert row(texts[wrong], told, "SMTP answer").startswith("550 5.7.1 ")
    (next(path for path in folder.rglob("answer.json"))).unlink()
    place = next(path.parent for path in folder.rglob("message.eml") if not (path.parent / "answer.json").exists())
    text = milter.run("-t", "--explain", "-c", server.conf, "--replay", place).stdout.decode()
    assert "not recorded" in row(text, told, "ACME server") and "SMTP answer" not in dict(rows(text, told))


def test_what_a_record_that_comes_to_another_verdict_was_told_is_not_known(mx, exchange, with_evidence, tmp_path):
    server, folder = with_evidence
    with mx.with_milter(server):
        assert mx.send(exchange, signed_reply(exchange)).code == 250
        (answer,) = wait_for(lambda: list(folder.rglob("answer.json")), "the answer follows")
    copy = tmp_path / "copy"
    shutil.copytree(answer.parent, copy)
    (copy / "dns.txt").unlink()
    (copy / "dns.txt").touch()
    done = milter.run("-t", "--explain", "-c", server.conf, "--replay", copy)
    text = done.stdout.decode("ascii")
    assert done.returncode == 1 and b"the recorded verdict is pass" in done.stderr
    assert "What the sender was told" not in text
    assert row(text, "What the sender is told", "SMTP answer").startswith("550 ")


def test_every_finding_has_a_blank_behind_it(conf, dns, message):
    """Of a name of 20 letters, too; rows() looks at the column."""
    _, text = explain(conf(), dns(), message())
    assert ("dkim-coverage-should", "note") in rows(text, STEPS[6])


@pytest.mark.parametrize("sign, verdict", [(True, "pass"), (False, "reject")])
def test_shadow_mode_is_told(conf, dns, message, sign, verdict):
    _, text = explain(conf("Mode shadow"), dns(), "--post", message(sign=sign))
    told = dict(rows(text, "What the sender is told"))
    assert row(text, STEPS[7], "verdict") == verdict
    assert told["ACME server"] == "not asked: Mode shadow, nothing is posted" and told["SMTP answer"].startswith("250: taken")
    assert ("is not told that this one is refused" in told["the sender has to"]) == (not sign)


def test_values_that_are_cut_say_so(conf, dns, message):
    _, text = explain(conf(), dns(), message(Subject="ACME: " + TOKEN + " x" * 4000, sign=False))
    assert row(text, STEPS[1], "Subject").endswith(" [cut]")
    assert text.count("[cut]") == 1


def test_a_signature_that_cannot_be_read_has_no_key(conf, dns, tmp_path):
    file = tmp_path / "bad.eml"
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={DOMAIN}; s=a..b; h=from:subject; bh=AAAA; b=AAAA\r\n"
    file.write_bytes(field.encode() + mail.reply(CHALLENGE, DIGEST).bytes())
    _, text = explain(conf(), dns(), file)
    found = dict(rows(text, STEPS[4]))
    assert "malformed s=" in found["signature"] and "key" not in found
    _, text = explain(conf(), dns(key="# none"), tmp_path / file)
    assert "0 bits" not in text


def test_a_mail_that_is_too_large_is_told_from_one_without_a_digest(conf, dns, tmp_path):
    file = tmp_path / "large.eml"
    file.write_bytes(mail.reply(CHALLENGE, DIGEST).bytes() + b"x" * 70 + b"\r\n" * 25 * 1024 * 1024)
    code, text = explain(conf(), dns(), file)
    assert code == 1 and row(text, STEPS[7], "because").startswith("of message-too-large")
    assert "not read" in row(text, STEPS[2], "digest") and "not whole" in row(text, STEPS[0], "received")
    assert row(text, STEPS[0], "SHA-256") == "-"


def test_an_evidence_folder_tells_a_server_of_another_user_from_a_silent_one(mx, exchange, with_evidence):
    server, folder = with_evidence
    server.set("EndpointPeerUser", "nobody")
    with mx.with_milter(server):
        answer = mx.send(exchange, signed_reply(exchange))
        assert (answer.code, answer.enhanced) == (451, "4.3.5")
        (place,) = wait_for(lambda: [path.parent for path in folder.rglob("answer.json")], "the answer follows")
    text = milter.run("-t", "--explain", "-c", server.conf, "--replay", place).stdout.decode()
    assert row(text, "What the sender was told", "SMTP answer").startswith("451 4.3.5 ")
