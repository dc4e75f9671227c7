# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package on a Debian whose process 1 is systemd: what its administrator does, and what systemd makes of it.

The service is set up as contrib/debian/README.Debian says, behind Debian's own Postfix with its smtpd in a chroot.
"""
import concurrent.futures
import itertools
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from harness import documents, smtp, threads
from harness.acme import AcmeServer, digest_of
from harness.booted import Booted, NotAllowed
from harness.dns import BOGUS, SIGNED, UNSIGNED, DnsServer
from harness.hosts import Hosts
from harness.process import wait_for
from harness.replies import good_reply

from conftest import CA_DOMAIN, CHALLENGE_ADDRESS, TOP, Exchange

HOST = "live"
PACKAGES = "/srv/packages"
PLACE = "/var/spool/postfix/acme-milter"
CONF = "/etc/acme-milter.conf"
LISTEN = "systemctl stop acme-milter && systemctl enable --now acme-milter.socket"  # doc/operations.md
README = "contrib/debian/README.Debian"
OVERRIDES = "/etc/systemd/system/acme-milter.service.d"
POSTFIX = {"mydestination": "", "inet_protocols": "ipv4", "disable_dns_lookups": "yes", "smtpd_peername_lookup": "no",
           "virtual_mailbox_domains": CA_DOMAIN, "virtual_mailbox_maps": "static:unused", "virtual_transport": "discard:",
           "smtpd_relay_restrictions": "permit_mynetworks, reject", "in_flow_delay": "0",
           "smtpd_milters": "unix:/acme-milter/milter.sock", "milter_default_action": "tempfail",
           "milter_protocol": "6"}


class Host(Booted):
    """With our packages in a folder, and nothing of them installed."""

    def __init__(self, hosts, folder, name, deb):
        super().__init__(folder, name, hosts.on(HOST), {folder.path: folder.path})
        self.hosts = hosts
        self.path(PACKAGES).mkdir()
        for package in deb.glob("acme-milter_*.deb"):
            shutil.copy(package, self.path(PACKAGES))

    def install(self):
        self.run(f"dpkg -i {PACKAGES}/acme-milter_*.deb")

    def service(self, *names):
        return self.show("acme-milter.service", *names)

    def state(self):
        return self.service("ActiveState")["ActiveState"]

    def main_pid(self):
        return int(self.service("MainPID")["MainPID"])

    def override(self, text, unit="service"):
        """A drop-in; none for no text."""
        self.write(f"/run/systemd/system/acme-milter.{unit}.d/test.conf", text)
        self.run("systemctl daemon-reload")

    def call(self, function, *arguments, **how):
        return self.hosts.call(HOST, lambda: function(*arguments, **how))


class Site:
    """A host that takes replies, and the other ends: an ACME server whose socket it sees, a DNS on its loopback."""

    def __init__(self, host, acme_server, dns_server, keys):
        self.host, self.acme, self.dns, self.keys = host, acme_server, dns_server, keys
        self.settings = "".join(f"{name} {value}\n" for name, value in (
            ("ChallengeAddress", CHALLENGE_ADDRESS), ("Endpoint", acme_server.endpoint), ("EndpointPeerUser", "root"),
            ("AuthservID", "mx." + CA_DOMAIN), ("Nameservers", dns_server.address), ("TrustAnchorFile", dns_server.trust_anchor),
            ("EvidenceDirectory", "/var/lib/acme-milter/evidence"), ("MetricsFile", "/var/lib/acme-milter/metrics.prom"),
            ("SocketGroup", "postfix")))
        self.attached = self.settings + f"Socket unix:{PLACE}/milter.sock\n"

    def set_up(self):
        """The commands of README.Debian, and the files that it shows."""
        host, readme = self.host, " ".join((TOP / README).read_text().split())
        host.install()
        os.chown(self.acme.socket, 0, int(host.run("id -g acme-milter")))
        host.run("install -d -o acme-milter -g acme-milter -m 0750 /var/lib/acme-milter/evidence")
        assert f"[Service] SupplementaryGroups=postfix ReadWritePaths={PLACE}" in readme
        host.write(f"{OVERRIDES}/postfix.conf", f"[Service]\nSupplementaryGroups=postfix\nReadWritePaths={PLACE}\n")
        assert f"Socket unix:{PLACE}/milter.sock SocketGroup postfix" in readme
        host.write(CONF, self.attached)
        for name in ("smtpd_milters", "milter_default_action", "milter_protocol"):
            assert f"{name} = {POSTFIX[name]}" in readme
        host.run("postconf -e " + " ".join(f"'{name}={value}'" for name, value in POSTFIX.items()))
        host.run("systemctl daemon-reload")  # as systemctl edit does
        said = {step.text: host.run(step.text) for step in documents.steps(TOP, README)}
        assert "systemctl enable --now acme-milter" in said and "hint:" not in said["acme-milter -n"], said

    def new_exchange(self):
        author = "alice@" + SIGNED
        challenge = self.acme.new_challenge(author, CHALLENGE_ADDRESS)
        return Exchange(challenge, digest_of(challenge), author, self.keys)

    def send(self, exchange, is_signed=True, **how):
        mail = good_reply(exchange)
        return self.host.call(smtp.send, 25, exchange.author, CHALLENGE_ADDRESS,
                              exchange.sign(mail) if is_signed else mail.bytes(), **how)

    def assert_judges(self):
        exchange = self.new_exchange()
        answer = self.send(exchange)
        assert answer.code == 250, str(answer)
        assert self.acme.status(exchange.challenge) == "valid"
        return exchange

    def restart(self):
        """By its administrator, however often systemd has started it meanwhile."""
        self.host.run("systemctl reset-failed acme-milter; systemctl restart acme-milter")


@pytest.fixture(scope="module")
def own(folder):
    """A folder of this module's own: its servers are in another network."""
    own = type(folder)("live")
    yield own
    own.remove()


@pytest.fixture(scope="module")
def new_host(own, deb):
    with Hosts(HOST) as hosts:
        made = []

        def make(name):
            try:
                made.append(Host(hosts, own, name, deb))
            except NotAllowed as reason:
                pytest.skip(f"no systemd boots here: {reason}")
            return made[-1]
        yield make
        for host in made:
            host.stop()


@pytest.fixture(scope="module")
def site(new_host, own, keys):
    host = new_host("host")
    dns_server, acme_server = DnsServer(own), AcmeServer(own)
    for zone in (SIGNED, UNSIGNED, BOGUS):
        for name, key in keys.items():
            dns_server.add(f"{name}._domainkey.{zone}", key.txt())
        dns_server.add(f"_dmarc.{zone}", "v=DMARC1; p=reject; adkim=s")
    host.call(dns_server.start)
    acme_server.start()
    site = Site(host, acme_server, dns_server, keys)
    site.set_up()
    yield site
    acme_server.stop()
    dns_server.stop()


# --- the service


def test_service_is_ready_in_its_sandbox_and_that_of_systemd(site):
    host = site.host
    found = host.service("ActiveState", "SubState", "Type", "StatusText", "NRestarts", "WatchdogTimestampMonotonic")
    assert (found["ActiveState"], found["SubState"], found["Type"], found["NRestarts"]) == ("active", "running", "notify", "0")
    assert found["StatusText"] == f"Serving unix:{PLACE}/milter.sock"
    assert int(found["WatchdogTimestampMonotonic"]) > 0
    pid = host.main_pid()
    status = threads.status(host.host_pid(pid))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and int(status["Seccomp_filters"]) > 1
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    uid, gid, postfix = host.run("id -u acme-milter; id -g acme-milter; getent group postfix | cut -d: -f3").split()
    assert status["Uid"].split() == [uid] * 4 and set(status["Groups"].split()) == {gid, postfix}
    (told,) = host.journal(f"_PID={pid}", "ACME_MILTER_EVENT=sandbox")
    assert told["MESSAGE"] == f"sandbox landlock={told['ACME_MILTER_LANDLOCK']}" and int(told["ACME_MILTER_LANDLOCK"]) > 0
    mounts = dict(re.findall(r"^\S+ \S+ \S+ \S+ (\S+) (r[ow]),", (Path("/proc") / str(host.host_pid(pid)) / "mountinfo").read_text(), re.M))
    assert (mounts["/"], mounts["/var/lib/acme-milter"], mounts[PLACE]) == ("ro", "rw", "rw"), mounts


def test_live_manager_finds_the_service_exposed_no_more_than_we_say(site):
    host = site.host
    said = host.run("systemd-analyze security --threshold=15 --no-pager acme-milter.service")
    assert float(re.search(r"Overall exposure level for acme-milter.service: ([\d.]+)", said).group(1)) <= 1.5
    said = host.run("systemd-analyze verify --man=no acme-milter.service acme-milter.socket")
    assert "acme-milter" not in said, said


def test_socket_lies_in_the_chroot_of_postfix_and_is_for_it_alone(site):
    said = site.host.run(f"stat -c '%U %G %a' {PLACE} {PLACE}/milter.sock /run/acme-milter /var/lib/acme-milter")
    assert said.splitlines() == ["acme-milter postfix 2750", "acme-milter postfix 660", "acme-milter acme-milter 755",
                                 "acme-milter acme-milter 750"]


def test_milter_is_there_before_postfix_is(site):
    """Which, in Debian, is an instance: postfix.service itself does nothing."""
    after = site.host.show("postfix@-.service", "After")["After"].split()
    assert "acme-milter.service" in after


def test_signed_reply_is_answered_and_stands_in_the_journal(site):
    host = site.host
    exchange = site.assert_judges()
    refused = site.new_exchange()
    answer = site.send(refused, is_signed=False)
    assert (answer.code, answer.enhanced) == (550, "5.7.20") and "[dkim-none]" in answer.text, str(answer)
    assert site.acme.status(refused.challenge) == "pending"
    (result,) = site.acme.results_for(exchange.challenge)
    queue_id = result["smtp"]["queueId"]
    (entry,) = wait_for(lambda: host.journal(f"ACME_MILTER_QUEUE_ID={queue_id}", "ACME_MILTER_EVENT=reply"), "the entry")
    assert (entry["ACME_MILTER_VERDICT"], entry["ACME_MILTER_FROM"], entry["ACME_MILTER_ID"]) == ("pass", exchange.author, result["id"])
    assert (entry["_SYSTEMD_UNIT"], entry["SYSLOG_IDENTIFIER"], entry["_TRANSPORT"]) == ("acme-milter.service", "acme-milter", "journal")
    assert host.run("journalctl -q -u acme-milter ACME_MILTER_VERDICT=reject -o cat").count("reason=dkim-none") == 1
    assert f"{queue_id}: " in host.run("journalctl -q -t postfix/smtpd -o cat")
    assert host.run(f"acme-milter --find {result['id']}").split()[2] == "pass"


def test_reload_of_a_broken_configuration_fails_and_the_service_goes_on(site):
    host, pid = site.host, site.host.main_pid()
    host.run("systemctl reload acme-milter")
    wait_for(lambda: host.journal(f"_PID={pid}", "ACME_MILTER_EVENT=reloaded"), "the configuration is read again")
    host.write(CONF, site.attached + "MaxSignatures nonsense\n")
    code, said = host.try_to_run("systemctl reload acme-milter")
    try:
        assert code != 0 and "Job for acme-milter.service failed" in said
        (told,) = wait_for(lambda: host.journal(f"_PID={pid}", "ACME_MILTER_EVENT=reload-failed"), "the milter says why")
        assert "MaxSignatures" in told["ACME_MILTER_ERROR"]
        wait_for(lambda: "the last reload failed: " in host.run("systemctl status acme-milter"), "systemctl says why")
        assert host.state() == "active" and host.main_pid() == pid
        site.assert_judges()
    finally:
        host.write(CONF, site.attached)
    host.run("systemctl reload acme-milter")
    wait_for(lambda: host.service("StatusText")["StatusText"] == f"Serving unix:{PLACE}/milter.sock", "all is well again")
    assert host.main_pid() == pid


# --- when it does not go well


def wait_for_another(host, pid):
    return wait_for(lambda: host.main_pid() not in (0, pid) and host.state() == "active", "systemd has started another one")


def last_fed(host):
    return int(host.service("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])


def test_watchdog_restarts_a_milter_that_hangs(site):
    host = site.host
    host.override("[Service]\nWatchdogSec=4s\n")
    try:
        site.restart()
        pid, begun = host.main_pid(), last_fed(host)
        wait_for(lambda: last_fed(host) > begun + 5_000_000, "one that lives feeds it for longer than it waits")
        assert host.main_pid() == pid
        os.kill(host.host_pid(pid), signal.SIGSTOP)
        wait_for_another(host, pid)
        assert int(host.service("NRestarts")["NRestarts"]) == 1
        assert "Failed with result 'watchdog'." in host.run("journalctl -q -u acme-milter -o cat")
        site.assert_judges()
    finally:
        host.override("")
        site.restart()


def test_milter_that_is_killed_comes_back_however_often(site):
    """More often than systemd's limit of starts: a milter that is down for good has all mail wait until somebody looks."""
    host = site.host
    for _ in range(6):
        pid = host.main_pid()
        os.kill(host.host_pid(pid), signal.SIGKILL)
        wait_for_another(host, pid)
    site.assert_judges()
    site.restart()


def test_configuration_that_only_people_can_mend_is_not_tried_again(site):
    host = site.host
    host.write(CONF, site.attached + "MaxSignatures nonsense\n")
    try:
        assert host.try_to_run("systemctl restart acme-milter")[0] != 0
        found = host.service("ActiveState", "Result", "ExecMainStatus", "NRestarts")
        assert found == {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78", "NRestarts": "0"}
        answer = site.send(site.new_exchange())
        assert answer.code == 451, str(answer)
    finally:
        host.write(CONF, site.attached)
        site.restart()
    site.assert_judges()


def test_stop_lets_the_reply_under_way_end(site):
    host, exchange = site.host, site.new_exchange()
    connection = host.call(smtp.connect, 25)
    assert connection.docmd("MAIL", f"FROM:<{exchange.author}>")[0] == 250
    assert connection.docmd("RCPT", f"TO:<{CHALLENGE_ADDRESS}>")[0] == 250
    assert connection.docmd("DATA")[0] == 354
    host.run("systemctl stop --no-block acme-milter")
    try:
        wait_for(lambda: "replies under way" in host.service("StatusText")["StatusText"], "the milter ends")
        assert host.state() == "deactivating"
        lines = exchange.sign(good_reply(exchange)).replace(b"\r\n.", b"\r\n..")
        connection.send(lines + b".\r\n")
        assert connection.getreply()[0] == 250
        assert site.acme.status(exchange.challenge) == "valid"
        wait_for(lambda: host.state() == "inactive", "the service has ended")
        assert host.service("Result")["Result"] == "success"
        assert not host.path("/run/acme-milter").exists() and not host.path(f"{PLACE}/milter.sock").exists()
        assert host.path(PLACE).exists()
    finally:
        connection.close()
        host.run("systemctl start acme-milter")
    site.assert_judges()


# --- the socket unit


@pytest.fixture
def socket_unit(site):
    """systemd listens, and the service is down."""
    host = site.host
    host.write(CONF, site.settings + "Socket fd:systemd\n")
    host.override(f"[Socket]\nListenStream=\nListenStream={PLACE}/milter.sock\nSocketGroup=postfix\n", "socket")
    host.run(LISTEN)
    yield host
    host.run("systemctl disable --now acme-milter.socket acme-milter.service")
    host.override("", "socket")
    host.write(CONF, site.attached)
    host.run("systemctl reset-failed acme-milter; systemctl enable --now acme-milter")


def test_first_connection_starts_the_service(site, socket_unit):
    host = socket_unit
    assert host.run(f"stat -c '%U %G %a' {PLACE}/milter.sock").split() == ["acme-milter", "postfix", "660"]
    assert host.state() == "inactive"
    site.assert_judges()
    found = host.service("ActiveState", "StatusText", "TriggeredBy")
    assert found == {"ActiveState": "active", "StatusText": "Serving fd:systemd", "TriggeredBy": "acme-milter.socket"}
    host.run("systemctl stop acme-milter")
    assert host.path(f"{PLACE}/milter.sock").exists()
    site.assert_judges()


def test_replies_wait_at_the_socket_while_the_service_restarts(site, socket_unit):
    host = socket_unit
    site.assert_judges()
    pid = host.main_pid()
    host.override("[Service]\nExecStartPre=/bin/sleep 2\n")
    try:
        host.run("systemctl restart --no-block acme-milter")
        wait_for(lambda: host.service("SubState")["SubState"] == "start-pre", "the old milter is gone, the new one not there yet")
        exchanges = [site.new_exchange() for _ in range(3)]
        with concurrent.futures.ThreadPoolExecutor(len(exchanges)) as pool:
            codes = [answer.code for answer in pool.map(site.send, exchanges)]
    finally:
        host.override("")
    assert codes == [250] * len(exchanges) and host.main_pid() not in (0, pid)
    assert {site.acme.status(exchange.challenge) for exchange in exchanges} == {"valid"}


def test_socket_that_a_bad_configuration_took_down_is_started_again(site, socket_unit):
    host = socket_unit
    host.write(CONF, site.settings + "Socket fd:systemd\nMaxSignatures nonsense\n")
    assert site.send(site.new_exchange()).code == 451
    wait_for(lambda: host.show("acme-milter.socket", "ActiveState")["ActiveState"] == "failed", "systemd has given up")
    host.write(CONF, site.settings + "Socket fd:systemd\n")
    exchange = site.new_exchange()

    def passes():
        """Not at once: systemd's limit of starts is one for two seconds."""
        host.run(LISTEN)
        return site.send(exchange).code == 250
    wait_for(passes, "a reply passes")
    assert site.acme.status(exchange.challenge) == "valid"


# --- the package


numbers = itertools.count(1)


@pytest.fixture
def fresh(new_host):
    return new_host(f"fresh-{next(numbers)}")


def traces(host):
    """Files that are ours or tell of us, but for our packages, users, and the log."""
    said = host.run("find / -xdev -name '*acme*milter*'; find /run -name '*acme*milter*'; grep -rl acme-milter /etc || true")
    kept = ("/srv/", "/var/log/", "/run/acme-milter-live-", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
    return sorted({line for line in said.splitlines() if not line.startswith(kept)})


def test_package_lives_and_goes_with_its_service(fresh):
    host = fresh
    assert traces(host) == []
    host.install()
    assert host.try_to_run("systemctl is-enabled acme-milter.service acme-milter.socket")[1].split() == ["disabled", "disabled"]
    assert host.state() == "inactive"
    host.run("systemctl enable --now acme-milter")
    pid = host.main_pid()
    host.install()
    assert host.state() == "active" and host.main_pid() == pid, "an upgrade leaves the restart to the administrator"
    assert host.service("NeedDaemonReload")["NeedDaemonReload"] == "no"
    host.run("systemctl restart acme-milter")
    pid = host.main_pid()
    host.run("dpkg -r acme-milter")
    with pytest.raises(ProcessLookupError):
        host.host_pid(pid)
    assert host.path(CONF).exists()
    host.run("dpkg -P acme-milter")
    assert traces(host) == []
    assert host.run("systemctl is-system-running") == "running\n"


def test_purge_leaves_the_evidence(fresh):
    host = fresh
    host.install()
    host.run("install -d -o acme-milter -g acme-milter -m 0750 /var/lib/acme-milter/evidence/2026-11-26")
    host.run("systemctl enable --now acme-milter.socket && dpkg -P acme-milter")
    assert host.show("acme-milter.socket", "LoadState")["LoadState"] == "not-found"
    assert traces(host) == ["/var/lib/acme-milter"]
