# SPDX-License-Identifier: BSD-2-Clause
"""The log in systemd's journal: the same lines, with their keys as fields, asked for by journalctl."""
import pytest

from harness import journal, milter
from harness.process import Process, system_user, unix_socket_answers, wait_for
from harness.replies import good_reply

# As systemd starts a service: standard error is the journal's, and the variable says so.
AS_SYSTEMD = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr); exec "$@"'
# The variable of a parent, standard error somewhere else.
ELSEWHERE = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr); exec "$@" 2>"$0"'


@pytest.fixture(scope="module")
def journald(folder):
    assert not journal.missing(), "not installed: " + ", ".join(journal.missing())
    system_user(milter.USER)
    server = journal.Journal(folder)
    yield server
    server.stop()


class Logged(milter.Milter):
    """A milter whose standard error systemd-cat has joined to the journal."""

    def __init__(self, folder, settings, name, journald, how=AS_SYSTEMD):
        super().__init__(folder, settings, name)
        self.journald, self.how = journald, how

    def start(self, *options):
        self.write_conf()
        argv = self.journald.command("systemd-cat", "--identifier=stderr", "sh", "-c", self.how, self.folder / "log",
                                     milter.program(), "-f", "-c", self.conf, *options)
        self.process = Process(argv, self.folder / "starter")
        self.process.wait_until(lambda: unix_socket_answers(self.socket), "the milter listens")


def judged(mx, exchange, server):
    with mx.with_milter(server):
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
        return mx.queue_id()


def test_a_reply_has_its_fields(mx, exchange, journald, folder, milter_settings):
    queue_id = judged(mx, exchange, Logged(folder, milter_settings, "milter-journal", journald))
    entry = journald.wait_entry(f"ACME_MILTER_QUEUE_ID={queue_id}", "ACME_MILTER_EVENT=reply")
    (result,) = mx.acme.results_for(exchange.challenge)
    assert entry["MESSAGE"].startswith(f"{queue_id}: reply verdict=pass from={exchange.author} ")
    told = milter.logfmt(entry["MESSAGE"])
    fields = {name[len("ACME_MILTER_"):].lower(): value for name, value in entry.items() if name.startswith("ACME_MILTER_")}
    assert fields == {**told, "event": "reply", "queue_id": queue_id}
    assert fields["id"] == result["id"]
    assert (entry["PRIORITY"], entry["SYSLOG_FACILITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "2", "acme-milter")
    assert entry["_TRANSPORT"] == "journal"
    assert journald.entries("SYSLOG_IDENTIFIER=stderr") == [], "a line came by standard error too"


def test_what_stderr_leads_to_decides(mx, exchange, journald, folder, milter_settings):
    server = Logged(folder, milter_settings, "milter-elsewhere", journald, ELSEWHERE)
    queue_id = judged(mx, exchange, server)
    wait_for(lambda: f"{queue_id}: reply verdict=pass" in server.log().decode(), "the line in the file")
    assert journald.entries(f"ACME_MILTER_QUEUE_ID={queue_id}") == []


def test_in_the_background_too(mx, exchange, journald, folder, milter_settings):
    """Instead of syslog, whose lines would reach the journal without fields."""
    server = milter.BackgroundMilter(folder, milter_settings, "milter-behind", journald)
    queue_id = judged(mx, exchange, server)
    started = journald.wait_entry("ACME_MILTER_EVENT=started", f"ACME_MILTER_SOCKET=unix:{server.socket}")
    assert journald.wait_entry(f"ACME_MILTER_QUEUE_ID={queue_id}")["_PID"] == started["_PID"]
    journald.wait_entry("ACME_MILTER_EVENT=stopped", f"_PID={started['_PID']}")
