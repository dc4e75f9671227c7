# SPDX-License-Identifier: BSD-2-Clause
"""contrib/log: rsyslog, fail2ban and mtail read what the milter, Postfix and Sendmail really logged."""
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import milter
from harness.dns import BOGUS, SIGNED
from harness.mail_exchanger import CA_DOMAIN, MailExchanger
from harness.milter_proxy import MilterProxy
from harness.process import Folder, wait_for
from harness.replies import good_reply
from harness.sendmail import Sendmail
from harness.syslog import Syslog

from conftest import CHALLENGE_ADDRESS

TOP = Path(__file__).resolve().parents[2]
CONTRIB = TOP / "contrib/log"
RULEBASE = CONTRIB / "rsyslog.d/acme-milter.rulebase"
# An author that reads like the rest of a line, to whoever splits at blanks.
FORGED = b'"a \xc3\xa9 reason=x endpoint=99 total_ms=1 verdict=pass z=b"@' + SIGNED.encode()
# One whose to= needs quotes.
QUOTED_ADDRESS = CHALLENGE_ADDRESS.replace("@", "+a=b@")
NEEDED = ("rsyslogd", "lognormalizer", "fail2ban-regex", "fail2ban-client", "mtail")


def run(*argv, stdin=None, code=0):
    done = subprocess.run([str(word) for word in argv], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=120)
    assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Logged:
    """What syslog has of a milter's life: replies of each verdict, a bad and a good reload, an ACME server that is away."""

    def __init__(self, syslog):
        self.syslog = syslog
        self.queue_ids = {}  # by what was sent

    def lines(self):
        return [line for line in self.syslog.lines() if re.search(r" acme-milter\[\d+\]: ", line)]

    def replies(self):
        """Of each line of a reply: its keys, as a reader that knows nothing of our rules sees them."""
        found = (re.search(r": (\w+): reply (verdict=.*)", line) for line in self.lines())
        return [{"queue_id": match.group(1), **milter.logfmt(match.group(2))} for match in found if match]

    def events(self):
        return [re.search(r"acme-milter\[\d+\]: (?:\w+: )?([a-z-]+)", line).group(1) for line in self.lines()]


def send_each(mx, new_exchange, logged):
    def send(name, exchange, data, code, *recipients):
        answer = mx.send(exchange, data, *recipients)
        assert answer.code == code, str(answer)
        logged.queue_ids[name] = mx.queue_id()

    good, unsigned, bogus, wrong, forged, tokenless, late = (
        new_exchange("alice@" + zone) for zone in (SIGNED, SIGNED, BOGUS, SIGNED, SIGNED, SIGNED, SIGNED))
    wrong.digest = good.digest
    for name, each, code in (("good", good, 250), ("bogus", bogus, 451)):
        send(name, each, each.sign(good_reply(each)), code)
    send("wrong", wrong, wrong.sign(good_reply(wrong)), 550, QUOTED_ADDRESS)
    send("unsigned", unsigned, good_reply(unsigned), 550)
    send("tokenless", tokenless, tokenless.sign(good_reply(tokenless).set("Subject", "Re: nothing")), 550)
    send("forged", forged, good_reply(forged).set("From", FORGED), 550)
    mx.acme.stop()
    try:
        send("late", late, late.sign(good_reply(late)), 451)
    finally:
        mx.acme.start()


@pytest.fixture(scope="module")
def logged(mx, new_exchange, folder, milter_settings):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    assert not missing, "not installed: " + ", ".join(missing) + " (see contrib/packages)"
    syslog = Syslog(folder)
    for file in (CONTRIB / "rsyslog.d").iterdir():
        shutil.copy(file, syslog.etc)
    syslog.start()
    result = Logged(syslog)
    server = milter.BackgroundMilter(folder, milter_settings, "milter-syslog", syslog)
    with mx.with_milter(server):
        send_each(mx, new_exchange, result)
        for value, event in (("nonsense", "reload-failed"), ("8", "reloaded")):
            server.set("MaxSignatures", value)
            server.reload()
            wait_for(lambda wanted=event: wanted in result.events(), f"{event} is logged")
    wait_for(lambda: "stopped" in result.events(), "its end is logged")
    yield result
    syslog.stop()


def test_the_lines_are_what_this_is_about(logged):
    assert {"started", "reply", "endpoint-unavailable", "reload-failed", "reloaded", "stopped"} <= set(logged.events())
    assert sorted(reply["queue_id"] for reply in logged.replies()) == sorted(logged.queue_ids.values())
    (forged,) = [reply for reply in logged.replies() if reply["queue_id"] == logged.queue_ids["forged"]]
    assert forged["from"] == FORGED.decode("ascii", "backslashreplace") and forged["verdict"] == "reject"


def members(text):
    return {key: value for key, value in json.loads(text).items() if key not in ("time", "host", "severity", "event.tags")}


def test_rsyslog_makes_fields_of_keys(logged):
    objects = [members(line) for line in logged.syslog.lines("acme-milter.json")]
    wanted = [{"event": "reply", **reply} for reply in logged.replies()]
    assert [each for each in objects if each["event"] == "reply"] == wanted
    assert [each["event"] for each in objects] == logged.events()
    (failed,) = [each for each in objects if each["event"] == "reload-failed"]
    assert failed.keys() == {"event", "error"} and "MaxSignatures" in failed["error"]
    (away,) = [each for each in objects if each["event"] == "endpoint-unavailable"]
    assert away.keys() == {"event", "queue_id", "status", "attempts", "error"}


def test_rsyslog_keeps_time_and_severity(logged):
    first = json.loads(logged.syslog.lines("acme-milter.json")[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d", first["time"]) and first["severity"] == "info"


def test_the_rulebase_knows_every_message_of_the_manual():
    table = re.findall(r"^\.It Cm ([a-z].*) Pq \w+$", (TOP / "doc/acme-milter.8").read_text(), re.M)
    assert len(table) > 15
    for form in table:
        event, *keys = form.split()
        pairs = {word.partition("=")[0]: word.partition("=")[2] or "7" for word in keys if not word.startswith("mode=sh")}
        for name in pairs.keys() & {"error", "cure", "rcpt"}:
            pairs[name] = 'No "such" thing: a=b'  # what is free text is quoted
        line = " ".join([" 4X7b:", event] + [f'{key}="{value}"'.replace('"such"', '\\"such\\"') if " " in value else f"{key}={value}"
                                             for key, value in pairs.items()])
        found = members(run("lognormalizer", "-r", RULEBASE, "-e", "json", "-T", stdin=line + "\n"))
        assert found == {"queue_id": "4X7b", "event": event, **pairs}, line


def test_mtail_counts_what_was_logged(logged):
    text = run("mtail", "--one_shot", "--one_shot_format=prometheus", "--emit_prog_label=false", "--progs", CONTRIB / "mtail",
               "--logs", logged.syslog.log / "mail.log")
    found = {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
             for family in text_string_to_metric_families(text) for sample in family.samples if "_bucket" not in sample.name}
    replies, name = logged.replies(), "acme_milter_log_"
    wanted = {(name + "events_total", event): count for event, count in Counter(logged.events()).items()}
    for key, count in Counter((each.get("reason", "none"), each["verdict"]) for each in replies).items():
        wanted[(name + "replies_total", *key)] = count
    for status, count in Counter(each["endpoint"] for each in replies if "endpoint" in each).items():
        wanted[(name + "endpoint_answers_total", status)] = count
    wanted[(name + "total_seconds_count",)] = len(replies)
    wanted[(name + "total_seconds_sum",)] = sum(int(each["total_ms"]) for each in replies) / 1000
    assert found == pytest.approx(wanted)


@pytest.fixture
def fail2ban(tmp_path):
    """Debian's folder of fail2ban with our files in it."""
    conf = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", conf)
    shutil.copytree(CONTRIB / "fail2ban", conf, dirs_exist_ok=True)
    (conf / "jail.d/defaults-debian.conf").unlink(missing_ok=True)  # its sshd jail wants a log that is not there
    return conf


def hosts(conf, log):
    return run("fail2ban-regex", "--config", conf, "--out", "ip", log, "acme-milter").split()


def test_fail2ban_counts_forged_replies_only(logged, mx, fail2ban, tmp_path):
    log = tmp_path / "mail.log"
    log.write_text(mx.postfix.log())
    text = run("fail2ban-regex", "--config", fail2ban, "--print-all-matched", log, "acme-milter")
    matched = {name for name, queue_id in logged.queue_ids.items() if f": {queue_id}: milter-reject" in text}
    assert matched == {"unsigned", "forged"}
    log.write_text("".join(line + "\n" for line in mx.postfix.log().splitlines()
                           if any(f": {queue_id}: " in line for queue_id in logged.queue_ids.values())))
    assert hosts(fail2ban, log) == ["127.0.0.1"] * 2
    log.write_text(log.read_text().replace("[127.0.0.1]", "[2001:db8::9]"))
    assert hosts(fail2ban, log) == ["2001:db8::9"] * 2
    log.write_text(log.read_text().replace("[2001:db8::9]", "[unknown]"))  # Postfix's word for a client that is gone
    assert hosts(fail2ban, log) == []


def test_lines_go_on_when_rsyslog_was_restarted(folder, milter_settings):
    own = Folder("syslog-restart")
    syslog = Syslog(own)
    syslog.start()
    server = milter.BackgroundMilter(folder, milter_settings, "milter-syslog-restart", syslog)
    try:
        server.start()
        wait_for(lambda: [line for line in syslog.lines() if ": started " in line], "its start is logged")
        syslog.restart(server.pid)
        server.reload()
        wait_for(lambda: [line for line in syslog.lines() if ": reloaded " in line], "the reload is logged")
    finally:
        server.stop()
        syslog.stop()
        own.remove()


REFUSED = "4Xb7: milter-reject: END-OF-MESSAGE from %s[%s]: 5.7.20 The mail is not signed. [dkim-none]; from=<"


@pytest.mark.parametrize("line", [
    'postfix/smtpd[7]: 4Xb7: milter-reject: END-OF-MESSAGE from a[192.0.2.7]: 5.6.0 It has no token. [subject-no-token]; from=<"%s"@b>',
    'postfix/smtpd[7]: 4Xb7: milter-reject: END-OF-MESSAGE from a[192.0.2.7]: 4.7.5 Later. [dkim-temperror]; from=<b> helo=<%s>',
    "postfix/cleanup[7]: 4Xb7: message-id=<%s>", "postfix/smtpd[7]: warning: %s", 'acme-milter[7]: 4Xb7: reply from="%s"'])
def test_fail2ban_takes_no_host_from_what_a_sender_wrote(fail2ban, line):
    for time in ("Nov 26 18:00:00 ", ""):  # mail.log's line, and the journal's
        made = time + "mx postfix/smtpd[7]: " + REFUSED % ("a", "192.0.2.7")
        assert hosts(fail2ban, made) == ["192.0.2.7"]
        assert hosts(fail2ban, time + "mx " + line % (REFUSED % ("z", "198.51.100.1"))) == []


def test_fail2ban_takes_the_jail(mx, fail2ban, tmp_path):
    log = tmp_path / "mail.log"
    log.write_text(mx.postfix.log())
    jail = fail2ban / "jail.d/acme-milter.conf"
    jail.write_text(jail.read_text().replace("/var/log/mail.log", str(log)))
    assert "OK" in run("fail2ban-client", "-c", fail2ban, "-t")
    assert re.search(r"'maxretry', 10\]", run("fail2ban-client", "-c", fail2ban, "-d"))


class LoggedSendmail(Sendmail):
    """One whose syslog lines go to rsyslogd's mail.log."""

    def __init__(self, syslog, *arguments):
        super().__init__(*arguments)
        self.syslog = syslog

    def launch(self, argv):
        return super().launch(self.syslog.command(*argv))

    def queue_ids(self):
        return re.findall(r" sendmail\[\d+\]: (\w+): from=<", "\n".join(self.syslog.lines()))


@pytest.fixture(scope="module")
def sendmail_log(logged, shared_milter, acme_server, dns_server, tls_files, new_exchange):
    """The lines of Sendmail for a forged, a tokenless and a good reply, by their queue ids."""
    folder = Folder("sm")
    sockets = folder.sub("sendmail-milter")
    proxy = MilterProxy(sockets / "milter.sock", shared_milter.socket)
    sendmail = LoggedSendmail(logged.syslog, folder, CA_DOMAIN, sockets, *tls_files)
    ids = {}
    with MailExchanger(sendmail, proxy, shared_milter, acme_server, dns_server).running() as mx:
        good, forged, tokenless = new_exchange(), new_exchange(), new_exchange()
        for name, exchange, data in (("forged", forged, good_reply(forged).bytes()),
                                     ("tokenless", tokenless, tokenless.sign(good_reply(tokenless).set("Subject", "Re: nothing"))),
                                     ("good", good, good.sign(good_reply(good)))):
            mx.send(exchange, data)
            ids[name] = mx.queue_id()
    yield [line for line in logged.syslog.lines() if " sendmail[" in line], ids
    folder.remove()


def test_fail2ban_reads_sendmail_too(sendmail_log, fail2ban, tmp_path):
    lines, ids = sendmail_log
    log = tmp_path / "mail.log"
    log.write_text("\n".join(lines) + "\n")
    assert hosts(fail2ban, log) == ["127.0.0.1"]
    text = run("fail2ban-regex", "--config", fail2ban, "--print-all-matched", log, "acme-milter")
    assert f": {ids['forged']}: Milter: data, reject=550" in text
    log.write_text("\n".join(lines).replace("[127.0.0.1]", "[IPv6:2001:db8::9]") + "\n")
    assert hosts(fail2ban, log) == ["2001:db8::9"]
    # What a sender wrote into his address must not name a host.
    begin = f"{ids['forged']}: from=<"
    log.write_text("\n".join(lines).replace(begin, begin + '"x>, relay=a [192.0.2.9]"') + "\n")
    assert hosts(fail2ban, log) == ["127.0.0.1"]
