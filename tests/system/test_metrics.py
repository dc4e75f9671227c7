# SPDX-License-Identifier: BSD-2-Clause
"""What the milter counts, as promtool, node_exporter, Prometheus and our rules and dashboard for them read it."""
import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as older_families

from harness import mail, prometheus
from harness.dns import BOGUS, SIGNED, UNSIGNED
from harness.process import wait_for

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "contrib/prometheus/acme-milter.rules.yml"
DASHBOARD = TOP / "contrib/grafana/acme-milter.json"


def samples(text):
    """{(name, ((label, value), ...)): value} as a strict OpenMetrics reader sees them."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(text) for s in family.samples}


def value(text, name, **labels):
    return samples(text)[(name, tuple(sorted(labels.items())))]


@pytest.fixture(scope="module")
def counted(mx, new_exchange, new_milter):
    """Mails of each fate through a milter of its own, then its MetricsFile; the milter stays up."""
    server = new_milter()
    file = server.data / "acme-milter.prom"
    server.popen = {"umask": 0o077}
    for keyword, setting in (("MetricsFile", file), ("MetricsInterval", "1s"), ("MaxMessageSize", "8k"),
                             ("MaxMIMEDepth", "1")):
        server.set(keyword, setting)
    good, unsigned, plain, bogus, wrong = (new_exchange("alice@" + zone)
                                           for zone in (SIGNED, SIGNED, UNSIGNED, BOGUS, SIGNED))
    with mx.with_milter(server):
        assert mx.send(good, good.sign(mail.reply(good.challenge, good.digest))).code == 250
        assert mx.send(plain, plain.sign(mail.reply(plain.challenge, plain.digest))).code == 250
        assert mx.send(unsigned, mail.reply(unsigned.challenge, unsigned.digest)).code == 550
        assert mx.send(bogus, bogus.sign(mail.reply(bogus.challenge, bogus.digest))).code == 451
        assert mx.send(wrong, wrong.sign(mail.reply(wrong.challenge, good.digest))).code == 550
        assert mx.send(good, b"From: <alice@signed.acme-lab.net>\r\n\r\n" + b"x" * 60 + b"\r\n" * 5000).code == 552
        assert mx.send(good, mail.reply(good.challenge, good.digest), "postmaster@ca.acme-lab.net").code == 250
        server.reload()

        def is_complete():
            text = file.read_text() if file.exists() else ""
            return 'acme_milter_reloads_total{result="done"} 1\n' in text and \
                'acme_milter_replies_in_flight 0\n' in text and text
        text = wait_for(is_complete, "all is counted")
        yield text, file


def test_each_reply_is_counted_once_everywhere(counted):
    text, _ = counted
    for verdict, count in (("pass", 3), ("reject", 2), ("temperror", 1)):
        assert value(text, "acme_milter_replies_total", verdict=verdict, mode="enforce") == count, verdict
        assert value(text, "acme_milter_replies_total", verdict=verdict, mode="shadow") == 0, verdict
    for finding, count in (("dkim-none", 1), ("dnssec-bogus", 1), ("message-too-large", 1), ("dkim-fail", 0)):
        assert value(text, "acme_milter_reasons_total", finding=finding) == count, finding
    assert value(text, "acme_milter_findings_total", finding="dnssec-none", severity="note") == 1
    assert value(text, "acme_milter_findings_total", finding="dkim-none", severity="reject") == 1
    assert value(text, "acme_milter_endpoint_answers_total", outcome="accepted") == 2
    assert value(text, "acme_milter_endpoint_answers_total", outcome="refused") == 1
    assert value(text, "acme_milter_endpoint_attempts_total") == 3
    assert value(text, "acme_milter_passed_through_total") == 1
    assert value(text, "acme_milter_limits_total", limit="MaxMessageSize") == 1
    assert value(text, "acme_milter_limits_total", limit="MaxMIMEDepth") == 0
    assert value(text, "acme_milter_reloads_total", result="failed") == 0
    assert value(text, "acme_milter_replies_in_flight_limit") == 64


def test_dns_and_times_are_counted(counted):
    text, _ = counted
    for record, secure in (("dkim", 2), ("dmarc", 3)):  # the unsigned reply has no key, but a policy
        assert value(text, "acme_milter_dns_lookups_total", record=record, result="found") == secure + 1, record
        assert value(text, "acme_milter_dns_lookups_total", record=record, result="bogus") == 1, record
        assert value(text, "acme_milter_dnssec_total", record=record, status="secure") == secure, record
        assert value(text, "acme_milter_dnssec_total", record=record, status="insecure") == 1, record
    for step, count in (("dns", 5), ("dkim", 3), ("endpoint", 3), ("total", 6)):
        assert value(text, "acme_milter_step_seconds_count", step=step) == count, step
        assert value(text, "acme_milter_step_seconds_bucket", step=step, le="+Inf") == count, step
        assert 0 < value(text, "acme_milter_step_seconds_sum", step=step) < 100, step


def test_both_formats_are_met(counted):
    text, _ = counted
    assert prometheus.promtool("check", "metrics", stdin=text) == (0, "")
    assert text.endswith("# EOF\n")
    ours = {name for name, _ in samples(text)}
    assert ours == {s.name for family in older_families(text) for s in family.samples}


def test_the_manual_names_what_is_there(counted):
    text, _ = counted
    manual = (TOP / "doc/acme-milter.8").read_text()
    told = set(re.findall(r"^\.It Cm (acme_milter_\w+)", manual, re.M))
    assert told == {re.sub(r"_(bucket|count|sum)$", "", name) for name, _ in samples(text)}


@pytest.fixture(scope="module")
def watched(counted, tmp_path_factory):
    """node_exporter and Prometheus over the milter's file."""
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = prometheus.Exporter(folder, counted[1].parent)
    server = prometheus.Prometheus(folder, [exporter], RULES)
    yield exporter, server
    server.stop()
    exporter.stop()


def test_node_exporter_reads_it(counted, watched):
    text = watched[0].text()
    assert "node_textfile_scrape_error 0\n" in text
    assert re.search(r'^acme_milter_replies_total\{.*verdict="pass"\} 3$', text, re.M)
    assert len(re.findall(r"^acme_milter_", text, re.M)) == len(samples(counted[0]))


def expressions():
    return [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]


def names_in(text):
    return set(re.findall(r"\b(?:acme_milter|node_textfile)_\w+", text))


def test_rules_and_dashboard_name_what_is_there(counted, watched):
    there = {name for name, _ in samples(counted[0])} | names_in(watched[0].text())
    told = names_in(" ".join(expressions())) | names_in(RULES.read_text())
    assert len(told) > 15 and told - there == set()
    variable = json.loads(DASHBOARD.read_text())["templating"]["list"][1]["query"]
    assert names_in(variable) <= there


def test_alerts_are_good_and_tried(watched):
    code, said = prometheus.promtool("check", "rules", RULES)
    assert code == 0, said
    code, said = prometheus.promtool("test", "rules", RULES.with_suffix("").with_suffix(".rules.test.yml"))
    assert code == 0, said
    tried = RULES.with_suffix("").with_suffix(".rules.test.yml").read_text()
    for name in re.findall(r"alert: (\w+)", RULES.read_text()):
        assert f"name: {name} fires\n" in tried and f"alertname: {name}}}" in tried, name


def test_an_alert_rings_in_a_real_prometheus(counted, watched):
    """One on what a second milter of the host tells, whose disk is full."""
    _, server = watched
    assert server.alerts() == set()
    text, file = counted
    name = "acme_milter_evidence_failures_total"
    (about,) = re.findall(rf"^# HELP {name} .*\n", text, re.M)
    other = file.parent / "other.prom"
    for count in (0, 1):
        other.write_text(f'{about}{name}{{host="b"}} {count}\n')
        wait_for(lambda: server.query(f'{name}{{host="b"}} == {count}'), "it is seen")
    wait_for(lambda: server.alerts() == {"AcmeMilterEvidenceFailing"}, "the alert rings")
    other.unlink()


def test_the_counters_are_kept_in_a_readable_place(counted):
    """node_exporter runs as another user; counted's milter was started with a umask of 077."""
    _, file = counted
    assert file.stat().st_mode & 0o777 == 0o644
    assert subprocess.run(["ls", file.parent], capture_output=True, text=True, check=True).stdout.split().count(file.name) == 1


def test_a_file_that_cannot_be_written_is_told_once(new_milter):
    """A folder in its place: each attempt comes to nothing, and shows in the time of the folder around it."""
    server = new_milter(("MetricsInterval", "1s"))
    file = server.data / "acme-milter.prom"
    server.set("MetricsFile", file)

    def told():
        return [line for line in server.log_lines() if f"metrics file={file} error=" in line]

    def put_a_folder():
        file.unlink(missing_ok=True)
        try:
            file.mkdir()
        except FileExistsError:
            return False
        return True

    def wait_for_an_attempt():
        before = server.data.stat().st_mtime_ns
        wait_for(lambda: server.data.stat().st_mtime_ns != before, "it is tried again")
    put_a_folder()
    server.start()
    for count in (1, 2):
        wait_for(lambda wanted=count: len(told()) == wanted, "the failure is told")
        wait_for_an_attempt()
        wait_for_an_attempt()
        assert len(told()) == count and re.search(r'error="(Permission denied|Is a directory)"$', told()[-1])  # with Landlock and without
        file.rmdir()
        wait_for(file.is_file, "it is written")
        wait_for(put_a_folder, "a folder is in its place")
    assert server.stop() == 0
    assert [path.name for path in server.data.iterdir()] == [file.name]
