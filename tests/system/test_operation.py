# SPDX-License-Identifier: BSD-2-Clause
"""Mail for others, the log, the process and its signals, dispositions: the milter in a running Postfix."""
import json
import pwd
import re

import pytest

from harness import milter
from harness.dns import BOGUS, SIGNED, UNSIGNED
from harness.each_mta import BehindEachMta
from harness.process import wait_for
from harness.replies import assert_not_posted, assert_refused, good_reply

from conftest import CHALLENGE_ADDRESS


class TestPostfix(BehindEachMta):
    pass


# --- judged without an MTA


def test_test_mode_gives_the_same_object(mx, exchange, keys, tmp_path):
    data = exchange.sign(good_reply(exchange))
    assert mx.send(exchange, data).code == 250
    (result,) = mx.acme.results_for(exchange.challenge)
    records = "".join(f"{name} TXT " + " ".join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))
                      + f"\n{name} SECURE\n" for name, text in (
                          (f"rsa2048._domainkey.{SIGNED}", keys["rsa2048"].txt()),
                          (f"_dmarc.{SIGNED}", "v=DMARC1; p=reject; adkim=s")))
    (tmp_path / "dns.txt").write_text(records)
    (tmp_path / "mail.eml").write_bytes(data)
    done = milter.run("-t", "-c", mx.milter.conf, "-D", tmp_path / "dns.txt", tmp_path / "mail.eml")
    assert done.returncode == 0, done.stderr
    offline = json.loads(done.stdout)
    assert offline.keys() == result.keys()
    for member in result.keys() - {"smtp", "receivedAt", "milter"}:
        assert offline[member] == result[member], member
    assert offline["smtp"].keys() == result["smtp"].keys()
    assert offline["milter"]["version"] == result["milter"]["version"]


# --- the log


def unprintable_lines(log):
    """Those not all printable ASCII, which is what a terminal or a log shipper can be trusted with."""
    return [line for line in log.split(b"\n") if not re.fullmatch(rb"[ -~]*", line)]


@pytest.mark.parametrize("field, value", [
    ("From", b"alice@" + SIGNED.encode() + b"\x1b[2J"),
    ("From", b'"\x1b]0;x\x07" <alice@' + SIGNED.encode() + b">"),
    ("From", b"Al\xc3\xafce \xe2\x80\xae <alice@" + SIGNED.encode() + b">"),
    ("From", b'"x verdict=pass\\" " <alice@' + SIGNED.encode() + b">"),
    ("From", b'"a\\"b verdict=pass"@' + SIGNED.encode()),
    ("Message-ID", b"<1@x>\x08\x08 verdict=pass \xff\xfe"),
    ("Subject", b"Re: ACME: TOKEN\x1b[31m"),
    ("Subject", b"=?utf-8?Q?Re:=0D=0AX1234567:_reply_verdict=3Dpass_=1B[31m?= ACME: TOKEN"),
    ("Subject", b"Re: ACME: TOKEN\n injected: reply verdict=pass"),
])
def test_log_takes_nothing_that_could_be_read_as_another_line(mx, exchange, field, value):
    reply = good_reply(exchange)
    reply.set(field, value.replace(b"TOKEN", exchange.token.encode()))
    lines_before = len(mx.milter.log_lines())
    signed = exchange.sign(reply, fields=("From", "Date", "Content-Type"))
    answer = mx.send(exchange, signed, helo="x\x1b[31m\x7fverdict=pass")
    assert answer.code in (550, 250), str(answer)
    queue_id = mx.queue_id()
    lines = wait_for(lambda: [line for line in mx.milter.log_lines()[lines_before:]
                              if f"{queue_id}: reply " in line], "the log line of the reply")
    assert len(lines) == 1
    assert unprintable_lines(mx.milter.log()) == []
    others = [line for line in mx.milter.log_lines()[lines_before:] if queue_id not in line]
    assert not any("verdict=pass" in line and line.lstrip().startswith(("injected", "X1234567")) for line in others)
    if answer.code == 550:
        assert milter.logfmt(lines[0])["verdict"] == "reject"


# --- the process


def test_milter_runs_as_its_own_user(mx):
    assert mx.milter.user_id() == pwd.getpwnam(milter.USER).pw_uid != 0


def test_bad_configuration_at_reload_changes_nothing(mx, exchange, new_milter):
    with mx.with_milter(new_milter()) as server:
        server.set("MaxSignatures", "nonsense")
        server.reload()
        wait_for(lambda: b"MaxSignatures" in server.log(), "the bad setting is logged")
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250


def test_reload_takes_the_new_configuration(mx, new_exchange, new_milter):
    first, second = new_exchange(), new_exchange("alice@" + UNSIGNED)
    with mx.with_milter(new_milter()) as server:
        assert mx.send(first, first.sign(good_reply(first))).code == 250
        server.set("Policy", "strict")
        server.reload()
        data = second.sign(good_reply(second, In_Reply_To=None))

        def is_strict():
            return mx.send(second, data, recipients=CHALLENGE_ADDRESS).code == 550
        wait_for(is_strict, "the strict policy is in force")


def test_sigterm_ends_it_with_0(mx, new_milter):
    server = new_milter()
    server.start()
    assert server.stop() == 0


def test_mail_is_kept_by_its_sender_when_the_milter_is_gone(mx, exchange, new_milter):
    server = new_milter()
    data = exchange.sign(good_reply(exchange))
    with mx.with_milter(server):
        server.stop()
        answer = mx.send(exchange, data)
        assert answer.code == 451, str(answer)
        server.start()
        assert mx.send(exchange, data).code == 250


# --- other dispositions


def test_without_an_endpoint_the_verdict_alone_decides(mx, new_exchange, new_milter):
    good, bad = new_exchange(), new_exchange()
    with mx.with_milter(new_milter(("Disposition", "deliver"), ("Endpoint", "none"))) as server:
        assert mx.send(good, good.sign(good_reply(good))).code == 250
        line = milter.logfmt(server.wait_reply_line(good.token))
        assert line["verdict"] == "pass" and "endpoint" not in line
        assert_refused(mx, bad, good_reply(bad).bytes(), 550, "5.7.20", "dkim-none")
    assert mx.delivered(good) == [CHALLENGE_ADDRESS]
    assert_not_posted(mx, good)


def test_shadow_mode_lets_everything_through_and_posts_nothing(mx, new_exchange, new_milter):
    good, bad = new_exchange(), new_exchange()
    with mx.with_milter(new_milter(("Mode", "shadow"))) as server:
        assert mx.send(good, good.sign(good_reply(good))).code == 250
        assert mx.send(bad, good_reply(bad)).code == 250
        line = milter.logfmt(server.wait_reply_line(bad.token))
        assert (line["verdict"], line["mode"]) == ("reject", "shadow")
    for exchange in (good, bad):
        assert mx.delivered(exchange) == [CHALLENGE_ADDRESS]
        assert_not_posted(mx, exchange)


def test_shadow_mode_counts_and_leaves_nothing_else(mx, new_exchange, new_milter):
    """Whatever a milter in force would have put off, refused, changed or recorded."""
    good, large, bogus = new_exchange(), new_exchange(), new_exchange("alice@" + BOGUS)
    server = new_milter(("Mode", "shadow"), ("MaxMessageSize", "8k"), ("Disposition", "deliver"), ("MetricsInterval", "1s"))
    evidence, log, metrics = server.data / "evidence", server.data / "results.jsonl", server.data / "acme-milter.prom"
    evidence.mkdir(mode=0o777)
    evidence.chmod(0o777)
    for keyword, value in (("EvidenceDirectory", evidence), ("EvidenceLog", log), ("MetricsFile", metrics)):
        server.set(keyword, value)
    with mx.with_milter(server):
        assert mx.send(good, good.sign(good_reply(good))).code == 250
        assert mx.send(bogus, bogus.sign(good_reply(bogus))).code == 250
        assert mx.send(large, large.sign(good_reply(large)) + b"x\r\n" * 8000).code == 250
        wait_for(lambda: metrics.exists() and all(
            f'acme_milter_replies_total{{verdict="{verdict}",mode="shadow"}} 1\n' in metrics.read_text()
            for verdict in ("pass", "reject", "temperror")), "each is counted")
        text = metrics.read_text()
    assert 'acme_milter_replies_total{verdict="pass",mode="enforce"} 0\n' in text
    assert "acme_milter_endpoint_attempts_total 0\n" in text
    assert list(evidence.iterdir()) == [] and (not log.exists() or log.read_text() == "")
    for exchange in (good, bogus, large):
        assert mx.delivered(exchange) == [CHALLENGE_ADDRESS]
        assert_not_posted(mx, exchange)
    assert mx.postfix.fields_of(good.token.encode(), "Authentication-Results") == []


def test_reported_rejects_change_nothing(mx, exchange, new_milter):
    with mx.with_milter(new_milter(("ReportRejects", "yes"))):
        assert mx.send(exchange, good_reply(exchange)).code == 550
    (result,) = mx.acme.results_for(exchange.challenge)
    assert result["verdict"] == "reject" and result["reason"]["finding"] == "dkim-none"
    assert mx.acme.status(exchange.challenge) == "pending"
