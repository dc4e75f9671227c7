# SPDX-License-Identifier: BSD-2-Clause
"""acme-milter --doctor: what it says of a configuration and of a real MTA, held against what that MTA does."""
import re
import subprocess

import pytest

from harness import milter
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS, MailExchanger
from harness.milter import Milter
from harness.postfix import Postfix
from harness.process import with_bound
from harness.replies import assert_not_posted, good_reply
from harness.sendmail import Sendmail

CHALLENGE = [("ChallengeAddress", CHALLENGE_ADDRESS)]


@pytest.fixture
def own(folder):
    made = type(folder)("doctor")
    yield made
    made.remove()


def ask(settings_file, bound, within=()):
    """Exit status, and the lines by their first words."""
    argv = [*within, milter.program(), "--doctor", "-c", settings_file]
    for source, target in bound:
        argv = with_bound(source, target, argv)
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    lines = {word: [] for word in ("ok", "warn", "fail")}
    for line in done.stdout.splitlines():
        assert re.fullmatch(r"(ok  |warn|fail) [ -~]+", line)
        lines[line[:4].strip()].append(line[5:])
    worst = 78 if lines["fail"] else 1 if lines["warn"] else 0
    assert (done.returncode, done.stderr) == (worst, ""), done.stdout
    return lines


def hints(settings_file, bound):
    """What -n says of aliases."""
    argv = [milter.program(), "-n", "-c", settings_file]
    for source, target in bound:
        argv = with_bound(source, target, argv)
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("hint: ") for line in done.stderr.splitlines() if "leads to the mailbox" in line]


ALIASES = """\
virtual_alias_maps = inline:{{help@{domain}=ACME@{domain}}}, hash:{folder}/virtual
recipient_canonical_maps = texthash:{folder}/canonical
"""
LEADING = ["help", "second", "third", "fourth"]


@pytest.fixture
def with_aliases(own):
    """A Postfix where `help` leads to the challenge address, `second` to it by help, `third` by both, `fourth` by rewriting."""
    (own.path / "virtual").write_text(f"second@{CA_DOMAIN}\thelp@{CA_DOMAIN}\nthird@{CA_DOMAIN} bob@{CA_DOMAIN}, "
                                      f"second@{CA_DOMAIN}\ncarol@{CA_DOMAIN} bob@{CA_DOMAIN}\n")
    (own.path / "canonical").write_text(f"fourth@{CA_DOMAIN} help@{CA_DOMAIN}\n")

    def make(server, more=""):
        postfix = Postfix(own, CA_DOMAIN, f"unix:{server.socket}", ALIASES.format(domain=CA_DOMAIN, folder=own.path) + more)
        subprocess.run(["postmap", "-c", postfix.conf, f"hash:{own.path}/virtual"], check=True)
        return postfix
    return make


def test_aliases_of_postfix(own, with_aliases, milter_settings, acme_server, dns_server, new_exchange):
    """What the doctor names comes into the mailbox unjudged, until it is a ChallengeAddress."""
    server = Milter(own, milter_settings)
    postfix = with_aliases(server)
    server.start()
    bound = [(postfix.conf, "/etc/postfix")]
    try:
        said = ask(server.conf, bound)
        named = [re.search(r": (\S+)@\S+ leads to the mailbox of a challenge address", line).group(1) for line in said["fail"]]
        assert sorted(named) == sorted(LEADING) and said["warn"] == []
        assert hints(server.conf, bound) == said["fail"]
        assert any(line == f"virtual_alias_maps: help@{CA_DOMAIN} leads to the mailbox of a challenge address, and acme-milter "
                   f"takes it for another address: take it away, or add ChallengeAddress help@{CA_DOMAIN} to {server.conf}"
                   for line in said["fail"])
        with MailExchanger(postfix, None, server, acme_server, dns_server).running() as mx:
            for name in LEADING:
                exchange = new_exchange()
                assert mx.send(exchange, good_reply(exchange), f"{name}@{CA_DOMAIN}").code == 250
                assert any(address.lower() == CHALLENGE_ADDRESS for address in mx.delivered(exchange))
                assert_not_posted(mx, exchange)
            for name in LEADING:
                server.set("ChallengeAddress", f"{name}@{CA_DOMAIN}")
            assert server.reload_and_wait()
            for name in LEADING:
                exchange = new_exchange()
                assert mx.send(exchange, good_reply(exchange), f"{name}@{CA_DOMAIN}").code == 550
        said = ask(server.conf, bound)
        assert said["fail"] == said["warn"] == [] == hints(server.conf, bound)
        assert [line.split(":")[0] for line in said["ok"]] == [str(server.conf), "Postfix", "aliases"]
    finally:
        server.stop()


@pytest.mark.parametrize("more, word, says", [
    ("virtual_alias_maps = regexp:{{/x/ y}}\n", "warn", "virtual_alias_maps: regexp:{{/x/ y}}: postmap cannot list it"),
    ("virtual_alias_maps = inline:{{@{domain}=acme@{domain}}}\n", "fail", "virtual_alias_maps: @{domain} leads to"),
    ("virtual_alias_maps =\nreceive_override_options = no_milters\n", "fail", "no_milters acme-milter sees no mail"),
    ("virtual_alias_maps =\nmilter_protocol = 2\n", "warn", "milter_protocol = 2: "),
    ("virtual_alias_maps =\n", None, None),
], ids=["regexp", "catch-all", "fault", "warning", "none"])
def test_worst_of_all_checks(own, with_aliases, milter_settings, more, word, says):
    server = Milter(own, milter_settings)
    server.write_conf()
    server.folder.chmod(0o755)
    more = "recipient_canonical_maps =\n" + more.format(domain=CA_DOMAIN)
    said = ask(server.conf, [(with_aliases(server, more).conf, "/etc/postfix")])
    told = [each for each in ("warn", "fail") if said[each]]
    assert told == ([word] if word else []), said
    assert word is None or any(says.format(domain=CA_DOMAIN) in line for line in said[word]), said


@pytest.mark.parametrize("does", ["exec yes", "exec sleep 600", "exit 1"])
def test_a_program_of_the_mta_is_bounded(own, with_aliases, milter_settings, does):
    """Without an end of its output, or of itself."""
    server = Milter(own, milter_settings)
    server.write_conf()
    program = own.path / "postmap"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    postfix = with_aliases(server, "recipient_canonical_maps =\nvirtual_alias_maps = texthash:/x\n")
    said = ask(server.conf, [(postfix.conf, "/etc/postfix"), (program, "/usr/sbin/postmap")])
    assert said["fail"] == [] and "texthash:/x: postmap cannot list it" in said["warn"][0], said


def test_no_mta_and_no_user(own, milter_settings):
    nothing = own.sub("empty")
    bound = [(nothing, "/etc/postfix"), (nothing, "/etc/mail")]
    server = Milter(own, milter_settings)
    server.write_conf()
    assert "run this as root on the host of the MTA" in ask(server.conf, bound)["warn"][0]
    server.set("UserID", "no-such-user")
    server.write_conf()
    assert "UserID: " in ask(server.conf, bound)["fail"][0]


def test_bad_configuration(own):
    conf = own.path / "bad.conf"
    conf.write_text("ChallengeAddress x\n")
    done = milter.run("--doctor", "-c", conf)
    assert (done.returncode, done.stdout) == (78, b"") and f"{conf}:1: ChallengeAddress" in done.stderr.decode()


def test_aliases_of_sendmail(own, milter_settings, tls_files):
    """As sendmail -bv follows them, over several levels."""
    sendmail = Sendmail(own, CA_DOMAIN, own.path, *tls_files)
    text = sendmail.conf.read_text()
    text = re.sub(r"^O AliasFile=.*", f"O AliasFile={sendmail.folder}/aliases", text, flags=re.M)
    sendmail.conf.write_text(re.sub(r"^(Mlocal,.* F=)", r"\1A", text, flags=re.M))
    (sendmail.folder / "aliases").write_text(f"# x: acme\nhelp: acme\nsecond: bob, help\nbob: carol@{CA_DOMAIN}\n"
                                             "postmaster: root\n")
    bound = [(own.sub("empty"), "/etc/postfix"), (sendmail.folder, "/etc/mail"), (sendmail.binary, "/usr/sbin/sendmail")]
    within = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', f"mx.{CA_DOMAIN}"]
    made = [*within, sendmail.binary, "-C", sendmail.conf, "-bi"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, timeout=60)
    server = Milter(own, milter_settings + [("Socket", "unix:/run/acme-milter/milter.sock")])
    server.write_conf()
    said = ask(server.conf, bound, within)
    named = [line.split(": ")[1].split(" ")[0] for line in said["fail"] if "leads to the mailbox" in line]
    assert named == ["help", "second"], said
    for name in named:
        server.set("ChallengeAddress", f"{name}@{CA_DOMAIN}")
    server.write_conf()
    said = ask(server.conf, bound, within)
    assert said["fail"] == said["warn"] == [] and said["ok"][-1].startswith("aliases: Sendmail leads no address but"), said
