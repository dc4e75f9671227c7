# SPDX-License-Identifier: BSD-2-Clause
"""Every command of the documents is run, in their order, on a machine that is an overlay over this one.

What cannot be run here stands in ELSEWHERE, with what runs it or stands for it, and in NOT_RUN, with the reason.
"""
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import documents, smtp
from harness.dns import SIGNED
from harness.machine import Machine, Services
from harness.process import free_port, wait_for
from harness.replies import good_reply

TOP = Path(__file__).resolve().parents[2]
SOURCE = "/usr/src/acme-milter"
ADDRESS = "alice@" + SIGNED
CHALLENGE_ADDRESS = "acme@ca.example"
NEEDED = ("apt-get", "jq", "logrotate", "systemd-analyze", "systemd-cat", "promtool", "fail2ban-client", "mtail", "lognormalizer",
          "rsyslogd")
DOCUMENTS = ("README", "HACKING", "doc/operations.md", "doc/acme-milter.8", "doc/acme-milter.conf.5", "doc/acme-challenge-mail.1",
             "doc/acme-milter-conformance.1", "doc/endpoint/README.md",
             "contrib/log/README", "contrib/prometheus/README", "contrib/reference-server/README", "contrib/reference-server/acme-reference-server.1", "contrib/container/README",
             "contrib/debian/README.Debian")
# Command: what runs it, as a file and what stands in it.
ELSEWHERE = {
    "../../configure --enable-developer --sysconfdir=/etc": ("contrib/run-tests", "build sanitized --enable-developer"),
    "make": ("contrib/run-tests", "make -k -j\"$(nproc)\" all"),
    "make check": ("contrib/run-tests", "make -C \"$work/sanitized\" -k -j\"$(nproc)\" check"),
    "make lint": ("contrib/run-tests", "\"$top/tests/lint/run\""),
    "tests/system/run": ("contrib/run-tests", "\"$top/tests/system/run\""),
    "contrib/run-tests": (".ci/run", "contrib/run-tests"),
    "contrib/run-interop": (".ci/run", "contrib/run-interop"),
    "contrib/container/try": (".ci/run", "contrib/container/try"),
    "systemctl status acme-milter": ("tests/system/test_live_systemd.py", "systemctl status acme-milter"),
    "systemctl stop acme-milter && systemctl enable --now acme-milter.socket":
        ("tests/system/test_live_systemd.py", "systemctl stop acme-milter && systemctl enable --now acme-milter.socket"),
    "make tests/unit/test_mailbox": ("tests/unit/Makefile.inc", "tests/unit/test_mailbox"),
    "tests/unit/test_mailbox": ("tests/unit/Makefile.inc", "TESTS += $(UNIT_TESTS)"),
    "./acme-milter -t -D dns.txt reply.eml": ("doc/acme-milter.8", ".Dl acme-milter -t -D dns.txt reply.eml"),
    "CC=clang ../../configure --enable-developer --enable-fuzzers": ("contrib/run-tests", "CC=clang build fuzzers --enable-developer --enable-fuzzers"),
}
NOT_RUN = {
    ".ci/run": "it runs what runs this",
    "make format": "changes the tree; make lint tells whether it is needed",
    "make bench": "measures for minutes, alone on a machine",
    "tests/bench/growth --build .": "as long; test_growth.py runs it with fewer mails",
    "tests/fuzz/fuzz_mailbox -max_total_time=60 NEW ../../tests/fuzz/corpus/mailbox": "fuzzes for a minute; make check runs its corpus",
    "afl-fuzz -i ../../tests/fuzz/corpus/mailbox -o NEW -- tests/fuzz/fuzz_mailbox": "never ends by itself",
    "tests/fuzz/mutate-mails 1800": "half an hour",
    "badkeys --update-bl": "fetches from the project's site; contrib/run-interop has the program, and holds our reading of the list against its own",
    "acme-milter-conformance http://unix:/run/your/socket:/email-reply --new-challenge 'your-server new-challenge' --status 'your-server status'":
        "the server is the reader's; acme-milter-conformance(1) has it with ours",
}
PODMAN = "contrib/container/try runs it by podman, and builds the same images by buildah: that needs no registry"


# --- the machine


def copy_tree(machine):
    """What git has or would take, else all, as a release has it."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                          cwd=TOP, stdout=subprocess.PIPE, check=False)
    names = [name for name in done.stdout.decode().split("\0") if name and (TOP / name).is_file()]
    if done.returncode != 0:
        names = [str(path.relative_to(TOP)) for path in TOP.rglob("*") if path.is_file() and "build" not in path.relative_to(TOP).parts[0]]
    target = machine.path(SOURCE)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, target / name, follow_symlinks=False)


class Site:
    """A machine with the source, Debian's Postfix for ca.example, the ACME server's socket, and our DNS."""

    def __init__(self, folder, name, acme_server, dns_server):
        self.machine = Machine(folder, name, {folder.path: folder.path, acme_server.folder: "/run/acme-server"})
        self.services = Services(self.machine)
        self.port = free_port()
        self.resolver = f"Nameservers {dns_server.address}\n"
        shutil.copy(dns_server.trust_anchor, self.machine.path("/usr/share/dns/root.key"))
        copy_tree(self.machine)
        self.machine.start_journal()
        self.set_up_postfix()

    def set_up_postfix(self):
        """As Debian's package leaves it, smtpd in its chroot, but for the port, the log and no DNS."""
        self.machine.run("cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf; cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf")
        master = self.machine.path("/etc/postfix/master.cf")
        text = re.sub(r"^smtp( +inet .*smtpd)$", rf"127.0.0.1:{self.port}\1", master.read_text(), flags=re.M)
        assert re.search(rf"^127.0.0.1:{self.port} +inet +n +- +y ", text, re.M), "Debian's smtpd is not chrooted any more"
        master.write_text(text)
        settings = {"myhostname": "mx.ca.example", "mydestination": "", "inet_protocols": "ipv4", "disable_dns_lookups": "yes",
                    "virtual_mailbox_domains": "ca.example", "virtual_mailbox_maps": "static:unused", "virtual_transport": "discard:", "default_transport": "discard:",
                    "smtpd_relay_restrictions": "permit_mynetworks, reject", "maillog_file": "/var/log/mail.log", "alias_maps": "",
                    "alias_database": "", "recipient_delimiter": "+"}
        self.machine.run("postconf -e " + " ".join(shlex.quote(f"{key}={value}") for key, value in settings.items()))
        self.machine.run("postfix start")

    def stop(self):
        self.machine.run("postfix stop")
        self.machine.stop()


class Reader:
    """Does what a document says, as somebody who types it in does, and puts in what is his to replace."""

    def __init__(self, site, new_exchange, cwd=SOURCE):
        self.site, self.machine, self.cwd, self.new_exchange = site, site.machine, cwd, new_exchange
        self.codes, self.words, self.said = {}, {}, {}
        self.make_words = dict

    def write(self, step):
        """A setting replaces one of the same name; another file is as it is shown."""
        path = self.machine.path(step.path)
        if step.path == "/etc/acme-milter.conf":
            shown = {line.split()[0] for line in step.text.splitlines() if line.strip()}
            old = path.read_text().splitlines() if path.exists() else []
            kept = [line for line in old if line.split()[:1] and line.split()[0] not in shown and not line.startswith("#")]
            path.write_text("\n".join([line for line in kept if not line.startswith("Nameservers")]) + "\n" + step.text + self.site.resolver)
            path.chmod(0o644)
        else:
            self.machine.write(step.path, step.text)

    def replace(self, text):
        if re.search(r"\b(QUEUEID|FOLDER|DAY|ADDRESS|BACKUP|TOKEN-PART1)\b", text) and not self.words:
            self.words = self.make_words()
        return re.sub(r"\b(QUEUEID|FOLDER|DAY/ID|ADDRESS|BACKUP|TOKEN-PART1)\b", lambda match: self.words[match.group()], text)

    def do(self, step):
        if step.path:
            self.write(step)
        elif step.text in ELSEWHERE:
            file, text = ELSEWHERE[step.text]
            assert text in (TOP / file).read_text(), f"{step}: {file} does not run it any more"
        elif step.text in NOT_RUN or step.text.startswith("podman "):
            print(f"not run: {step}: {NOT_RUN.get(step.text, PODMAN)}")
        elif step.text.startswith("cd "):
            self.cwd = f"{self.cwd}/{step.text[3:]}"
        elif step.text.startswith("systemctl "):
            self.site.services.systemctl(*shlex.split(step.text)[1:])
        else:
            self.said[step.text] = self.machine.run(self.replace(step.text), self.cwd, self.codes.get(step.text, 0), DEB_BUILD_OPTIONS="nocheck")

    def read(self, name, until=None):
        for step in documents.steps(TOP, name):
            if until and until(step):
                break
            self.do(step)


@pytest.fixture(scope="module")
def new_site(folder, acme_server, dns_server):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    assert not missing, "not installed: " + ", ".join(missing) + " (see contrib/packages)"
    sites = []

    def make(name):
        sites.append(Site(folder, name, acme_server, dns_server))
        return sites[-1]
    yield make
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def new_exchange(acme_server, keys):
    """Challenges of the address that the documents name."""
    from conftest import Exchange, acme  # pylint: disable=import-outside-toplevel

    def make(author=ADDRESS):
        challenge = acme_server.new_challenge(author, CHALLENGE_ADDRESS)
        return Exchange(challenge, acme.digest_of(challenge), author, keys)
    return make


# --- the documents


def test_no_document_is_forgotten():
    found = {str(path.relative_to(TOP)) for pattern in ("README*", "*.md", "HACKING", "DESIGN", "CHANGES", "doc/*", "doc/**/*.md", "contrib/**/README*", "contrib/**/*.1")
             for path in TOP.glob(pattern) if path.is_file() and path.name != "Makefile.inc"}
    assert set(DOCUMENTS) <= found
    others = {name: documents.steps(TOP, name) for name in found - set(DOCUMENTS) if not name.endswith((".png", "update-findings"))}
    assert {name: steps for name, steps in others.items() if steps} == {}, "add it to DOCUMENTS, and a test that reads it"


def test_commands_are_found():
    with pytest.raises(AssertionError, match="without a prompt"):
        documents.plain("x", "Then:\n\n    make install\n")
    with pytest.raises(AssertionError, match="not fenced"):
        documents.markdown("x", "Then:\n\n    make install\n")
    assert [step.text for step in documents.plain("x", "    $ a \\\n        b \\\n        c    what it is\n\n  # d\n")] == ["a b c", "d"]
    assert len(documents.steps(TOP, "doc/operations.md")) > 40 and len(documents.steps(TOP, "README")) > 7


def test_what_is_run_elsewhere_is_still_shown():
    shown = {step.text for name in DOCUMENTS for step in documents.steps(TOP, name)}
    assert set(ELSEWHERE) | set(NOT_RUN) <= shown


def put_reply(site, exchange, cwd=SOURCE):
    """reply.eml, as an applicant sends one, and dns.txt with what the DNS says of its author."""
    site.machine.path(f"{cwd}/reply.eml").write_bytes(exchange.sign(good_reply(exchange)))
    key = exchange.keys["rsa2048"].txt()
    strings = " ".join(f'"{key[at:at + 200]}"' for at in range(0, len(key), 200))
    site.machine.write(f"{cwd}/dns.txt", f'rsa2048._domainkey.{exchange.domain} TXT {strings}\n_dmarc.{exchange.domain} TXT "v=DMARC1; p=reject"\n')


@pytest.fixture(scope="module")
def built(new_site, new_exchange):
    """README, followed on a machine that has the source only."""
    site = new_site("source")
    site.machine.run("umount /run/acme-server")
    reader = Reader(site, new_exchange)
    put_reply(site, new_exchange())
    for step in documents.steps(TOP, "README"):
        reader.do(step)
        if step.text == "contrib/quickstart":
            site.machine.run("userdel acme-milter")  # what follows is for another machine
        if step.text.startswith("cp contrib/acme-milter.conf.sample "):  # "and edit it"
            with site.machine.path("/etc/acme-milter.conf").open("a") as file:
                file.write(site.resolver)
    return reader


def test_readme(built):
    assert "verdict" in built.said["acme-milter -t --explain reply.eml"]
    assert built.machine.path("/usr/local/share/man/man8/acme-milter.8").exists()


def test_hacking(built, new_exchange):
    Reader(built.site, new_exchange).read("HACKING")


def test_manual_of_the_challenge_mail(built, new_exchange):
    reader = Reader(built.site, new_exchange, "/srv")
    reader.read("doc/acme-challenge-mail.1")
    wait_for(lambda: "to=<alice@example.com>" in built.machine.path("/var/log/mail.log").read_text(), "the challenge mail is sent")


def test_examples_of_the_manual(built, new_exchange):
    reader = Reader(built.site, new_exchange)
    built.machine.run("install -d /run/acme-server /run/acme-staging; useradd acme-server 2>/dev/null || true")
    reader.read("doc/acme-milter.conf.5")
    reader.machine.run("acme-milter -n")
    put_reply(built.site, new_exchange())
    reader.codes["journalctl ACME_MILTER_EVENT=reply ACME_MILTER_VERDICT=reject -o cat"] = 0
    reader.read("doc/acme-milter.8")


def steps_of(*names):
    return [step for name in names for step in documents.steps(TOP, name)]


def test_reference_server(built, new_exchange):
    reader = Reader(built.site, new_exchange, "/srv")
    built.machine.run(f"ln -s {SOURCE}/contrib/reference-server/acme-reference-server /usr/local/bin; mkdir -p /var/lib/acme-server /run/acme-server")
    built.machine.run("mkdir -p /run/ca /var/lib/ca")
    for step in steps_of("contrib/reference-server/README", "contrib/reference-server/acme-reference-server.1", "doc/acme-milter-conformance.1"):
        if " serve " in step.text:
            words = shlex.split(step.text.rstrip("&"))
            built.machine.start(*words, log="/run/reference.log")
            wait_for(built.machine.path(words[words.index("--socket") + 1]).exists, "the ACME server listens")
            continue
        if "TOKEN-PART1" in step.text:
            mail = built.machine.path("/srv/challenge.eml").read_text()
            reader.words = {"TOKEN-PART1": re.search(r"^Subject: ACME: (\S+)", mail, re.M).group(1)}
        reader.do(step)
    assert set(step.text for step in documents.steps(TOP, "doc/endpoint/README.md")) <= set(NOT_RUN)


def send_reply(site, exchange, signed=True):
    data = good_reply(exchange)
    return smtp.send(site.port, exchange.author, CHALLENGE_ADDRESS, exchange.sign(data) if signed else data.bytes())


@pytest.fixture(scope="module")
def running(new_site, new_exchange, acme_server):
    """doc/operations.md, followed from the first line to the last."""
    site = new_site("package")
    reader = Reader(site, new_exchange)

    def make_words():
        """Of the first reply that this machine took."""
        exchange = new_exchange()
        assert send_reply(site, exchange).code == 250
        assert send_reply(site, new_exchange(), signed=False).code == 550
        assert acme_server.status(exchange.challenge) == "valid"
        (result,) = acme_server.results_for(exchange.challenge)
        put_reply(site, new_exchange())
        site.machine.run("mkdir -p /var/backups/acme-milter")
        folder = re.search(r"\S+/evidence/\S+", site.machine.run(f"acme-milter --find {result['id']}")).group()
        return {"QUEUEID": result["smtp"]["queueId"], "FOLDER": folder, "ADDRESS": ADDRESS, "BACKUP": "/var/backups/acme-milter",
                "DAY/ID": folder.partition("/evidence/")[2]}

    reader.make_words = make_words
    site.machine.run("openssl req -x509 -newkey ed25519 -nodes -days 365 -subj /CN=mx -out /etc/acme-milter.crt -keyout /etc/acme-milter.crt.key")
    site.machine.run("mkdir -p ~/.cache/badkeys; printf 1111222233334444 >~/.cache/badkeys/blocklist.dat")  # for badkeys --update-bl
    reader.read("doc/operations.md")
    # "Give the ACME server the new public key before": the document's file is there only now.
    (public,) = site.machine.path("/var/lib/acme-milter").glob("evidence-key-*.pub")
    shutil.copy(public, acme_server.folder / "documents.pub")
    acme_server.stop()
    acme_server.start("--evidence-key", acme_server.folder / "documents.pub")
    yield reader
    acme_server.stop()
    acme_server.start()


def test_operations(running, new_exchange, acme_server):
    """What was followed is a service that works, with the last of the keys."""
    exchange = new_exchange()
    assert send_reply(running.site, exchange).code == 250
    assert acme_server.status(exchange.challenge) == "valid"
    assert running.machine.run("find /var/lib/acme-milter/evidence -name result.jws | head -1").strip()
    assert ADDRESS in running.said["acme-milter --find ADDRESS"]
    assert "pass" in running.said["acme-milter -t --explain --replay FOLDER"]
    assert "verdict=pass" in running.said["journalctl ACME_MILTER_QUEUE_ID=QUEUEID -o cat"]
    assert "reason=dkim-none" in running.machine.run("journalctl ACME_MILTER_VERDICT=reject -o cat")
    assert running.machine.path("/etc/systemd/system/multi-user.target.wants/acme-milter.service").is_symlink()
    running.site.services.verify()


def test_watching_with_prometheus(running, new_exchange):
    metrics = "/var/lib/prometheus/node-exporter/acme-milter.prom"
    reader = Reader(running.site, new_exchange)
    for step in documents.steps(TOP, "contrib/prometheus/README"):
        if "check metrics" in step.text:
            with running.machine.path("/etc/acme-milter.conf").open("a") as file:
                file.write(f"MetricsFile {metrics}\nMetricsInterval 1s\n")
            running.site.services.systemctl("restart", "acme-milter")
            wait_for(running.machine.path(metrics).exists, "the metrics are written")
        reader.do(step)


def test_reading_the_log(running, new_exchange):
    running.machine.run("touch /var/log/auth.log")  # Debian's own jail wants it
    Reader(running.site, new_exchange).read("contrib/log/README")


def test_readme_of_the_package(running, new_exchange):
    Reader(running.site, new_exchange).read("contrib/debian/README.Debian")


def test_the_packages_own_test(running):
    """autopkgtest would run it so: with the installed program, from the source."""
    said = running.machine.run("sh contrib/debian/tests/quickstart", SOURCE)
    assert "quickstart: all of it happened" in said, said[-500:]


def test_containers():
    for step in documents.steps(TOP, "contrib/container/README"):
        assert step.text.startswith("podman ") or step.text in ELSEWHERE
