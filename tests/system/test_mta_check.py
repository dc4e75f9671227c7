# SPDX-License-Identifier: BSD-2-Clause
"""acme-milter -n says whether the MTA will reach the socket: held against what a real Postfix, set up so, then does."""
import grp
import os
import pwd
import re
import shutil
import subprocess

import pytest

from harness import milter
from harness.mail_exchanger import CA_DOMAIN, MailExchanger
from harness.milter import Milter
from harness.postfix import Postfix
from harness.process import free_port, with_bound
from harness.replies import good_reply
from harness.sendmail import Sendmail

SOCKET = "acme/milter.sock"


@pytest.fixture
def own(folder):
    """A folder for one test's Postfix."""
    made = type(folder)("postfix")
    yield made
    made.remove()


def check(settings_file, bound):
    """acme-milter -n where each (source, target) of `bound` is seen; its hints, after what may never change."""
    argv = [milter.program(), "-n", "-c", settings_file]
    for source, target in bound:
        argv = with_bound(source, target, argv)
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=20)
    plain = milter.run("-n", "-c", settings_file)
    assert (done.returncode, done.stdout) == (0, plain.stdout.decode())
    others = [line for line in done.stderr.splitlines() if not re.match(r"hint: (/|Socket)|/\S+: configuration: ", line)]
    assert others == []
    return done.stderr


# Where the socket is, what smtpd_milters says ({queue}: the queue directory, {out}: another folder), our settings, the
# mode and group of the socket's folder, and a word of the hint that is due; None: Postfix reaches it.
GROUP = ("SocketGroup", "postfix")
SETUPS = {
    "plain": (False, "{out}", "unix:{out}", [GROUP], (0o755, None), None),
    "open": (False, "{out}", "unix:{out}", [("SocketGroup", "none"), ("SocketMode", "0666")], (0o755, None), None),
    "folder-of-the-group": (False, "{out}", "unix:{out}", [GROUP], (0o710, "postfix"), None),
    "in-braces": (False, "{out}", "{{ unix:{out}, default_action=tempfail }}", [GROUP], (0o755, None), None),
    "no-group": (False, "{out}", "unix:{out}", [("SocketGroup", "none")], (0o755, None), "set SocketGroup"),
    "mode-without-group": (False, "{out}", "unix:{out}", [GROUP, ("SocketMode", "0600")], (0o755, None), "SocketMode 0660"),
    "closed-folder": (False, "{out}", "unix:{out}", [GROUP], (0o700, None), "cannot enter this folder"),
    "folder-of-another-group": (False, "{out}", "unix:{out}", [GROUP], (0o710, "daemon"), "cannot enter this folder"),
    "relative": (False, "{queue}", "unix:" + SOCKET, [GROUP], (0o755, None), None),
    "chrooted": (True, "{queue}", "unix:/" + SOCKET, [GROUP], (0o750, "postfix"), None),
    "chrooted-relative": (True, "{queue}", "unix:" + SOCKET, [GROUP], (0o755, None), None),
    "chrooted-outside": (True, "{out}", "unix:{out}", [GROUP], (0o755, None), "runs chrooted"),
    "chrooted-whole-path": (True, "{queue}", "unix:{queue}", [GROUP], (0o755, None), "runs chrooted"),
    "chrooted-closed-folder": (True, "{queue}", "unix:/" + SOCKET, [GROUP], (0o700, None), "cannot enter this folder"),
    "not-chrooted-inner-path": (False, "{queue}", "unix:/" + SOCKET, [GROUP], (0o755, None), "runs not chrooted"),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_hints_agree_with_what_postfix_does(own, milter_settings, acme_server, dns_server, exchange, setup):
    is_chrooted, where, address, settings, (mode, group), hint = SETUPS[setup]
    paths = {"queue": f"{own.path}/postfix/queue/{SOCKET}", "out": f"{own.path}/{SOCKET}"}
    postfix = Postfix(own, CA_DOMAIN, address.format(**paths), is_chrooted=is_chrooted)
    path = where.format(**paths)
    server = Milter(own, milter_settings + [("Socket", "unix:" + path)] + settings)
    server.socket = path
    socket_folder = os.path.dirname(path)
    os.mkdir(socket_folder)
    os.chown(socket_folder, pwd.getpwnam(milter.USER).pw_uid, grp.getgrnam(group or "root").gr_gid)
    os.chmod(socket_folder, mode)
    server.start()
    try:
        hints = check(server.conf, [(postfix.conf, "/etc/postfix")])
        with MailExchanger(postfix, None, server, acme_server, dns_server).running() as mx:
            answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    finally:
        server.stop()
    assert (hints == "") == (answer.code == 250) == (hint is None), f"{answer}\n{hints}"
    assert hint is None or hint in hints
    assert answer.code in (250, 451)


# Further lines of main.cf and master.cf ({milter}: the socket, {port}: another one's port, {folder}: Postfix's), the recipient,
# whether the milter saw what was sent to Postfix's own port or to {port}, and what -n says; None: nothing.
OTHER = "{port} inet n - n - - smtpd"
INSIDE = "127.0.0.1:{port} inet n - n - - smtpd -o content_filter= -o smtpd_proxy_filter="
BYPASSES = {
    "as it should be": ("", "", "acme", True, None),
    "no_milters": ("receive_override_options = no_milters", "", "acme", False, "with no_milters acme-milter sees no mail"),
    "proxy": ("smtpd_proxy_filter = 127.0.0.1:{port}", INSIDE + " -o smtpd_milters=", "acme", False, "with smtpd_proxy_filter this"),
    "behind-proxy": ("smtpd_proxy_filter = 127.0.0.1:{port}", INSIDE, "acme", True, None),
    "content-filter": ("content_filter = smtp:[127.0.0.1]:{port}", INSIDE + " -o smtpd_milters=", "acme", True, None),
    "content-filter-twice": ("content_filter = smtp:[127.0.0.1]:{port}", INSIDE, "acme", True, "takes mail back from content_filter"),
    "second-smtpd": ("", OTHER + " -o smtpd_milters=", "acme", False, "this smtpd takes mail from other hosts"),
    "second-smtpd-too": ("", OTHER, "acme", True, None),
    "milter-maps": ("smtpd_milter_maps = cidr:{{{{127.0.0.0/8 DISABLE}}}}", "", "acme", False, "mail of these clients is not shown"),
    "milter-maps-with-it": ("smtpd_milter_maps = cidr:{{{{127.0.0.0/8 {milter}}}}}", "", "acme", True, None),
    "header-checks-discard": ("header_checks = regexp:{folder}/checks", "", "acme", False, "thrown away and not shown to acme-milter"),
    "header-checks-redirect": ("header_checks = regexp:{{{{/^Subject:/ REDIRECT acme@" + CA_DOMAIN + "}}}}", "", "bob", False,
                               "mail for other addresses comes into the mailbox"),
    "header-checks-elsewhere": ("header_checks = regexp:{{{{/^Subject:/ REDIRECT bob@" + CA_DOMAIN + "}}}}", "", "acme", False,
                                "a reply that this matches goes elsewhere and is not shown"),
    "body-checks-discard": ("body_checks = regexp:{{{{/ACME RESPONSE/ DISCARD}}}}", "", "acme", False, "thrown away and not shown"),
    "delimiters": ("recipient_delimiter = +-", "", "acme-7f", False, "Postfix delivers subaddresses to the mailbox"),
    "old-protocol": ("milter_protocol = 4", "", "acme", True, "set milter_protocol = 6"),
    "not-the-last": ("smtpd_milters = {milter}, {{ inet:127.0.0.1:1, default_action=accept }}", "", "acme", True,
                     "put acme-milter last"),
}


@pytest.mark.parametrize("setup", BYPASSES)
def test_hints_agree_with_what_the_milter_sees(own, milter_settings, acme_server, dns_server, exchange, setup):
    """An unsigned reply: a milter that sees it has it rejected."""
    settings, services, local, is_seen, hint = BYPASSES[setup]
    server = Milter(own, milter_settings + [("SocketGroup", "postfix")])
    names = {"milter": f"unix:{server.socket}", "port": free_port(), "folder": own.path}
    (own.path / "checks").write_text("/^Subject: .*ACME:/ DISCARD\n")
    postfix = Postfix(own, CA_DOMAIN, names["milter"], settings.format(**names) + "\n", services=services.format(**names) + "\n")
    if "second" in setup:
        postfix.port = names["port"]
    server.start()
    try:
        hints = check(server.conf, [(postfix.conf, "/etc/postfix")])
        with MailExchanger(postfix, None, server, acme_server, dns_server).running() as mx:
            answer = mx.send(exchange, good_reply(exchange), f"{local}@{CA_DOMAIN}")
    finally:
        server.stop()
    assert (answer.code == 550) == is_seen == bool(server.reply_lines(exchange.token)), f"{answer}\n{hints}"
    assert is_seen or answer.code == 250, str(answer)
    assert (hint or "") in hints and (hint is None) == (hints == ""), hints


def test_groups_that_the_mta_is_a_member_of_count(own, milter_settings, acme_server, dns_server, exchange):
    """SocketGroup may be any group that postfix was added to."""
    members = own.path / "group"
    members.write_text("".join(
        line.rstrip(":\n") + ":postfix\n" if line.startswith(milter.USER + ":") else line for line in open("/etc/group")))
    server = Milter(own, milter_settings + [("SocketGroup", milter.USER)])
    postfix = Postfix(own, CA_DOMAIN, f"unix:{server.socket}", bound=[(members, "/etc/group")])
    server.start()
    try:
        bound = [(postfix.conf, "/etc/postfix")]
        assert "set SocketGroup" in check(server.conf, bound)
        assert check(server.conf, bound + [(members, "/etc/group")]) == ""
        with MailExchanger(postfix, None, server, acme_server, dns_server).running() as mx:
            assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    finally:
        server.stop()


def test_hints_for_sendmail(own, milter_settings, tls_files):
    """The configuration that m4 makes of contrib/sendmail/acme-milter.mc."""
    sendmail = Sendmail(own, CA_DOMAIN, own.path, *tls_files)
    bound = [(own.sub("empty"), "/etc/postfix"), (sendmail.folder, "/etc/mail")]
    ours = Milter(own, milter_settings + [("Socket", "unix:/run/acme-milter/milter.sock")])
    ours.write_conf()
    assert check(ours.conf, bound) == ""
    other = Milter(own, milter_settings, "other")
    other.write_conf()
    assert f"no filter has S=local:{other.socket}: add INPUT_MAIL_FILTER" in check(other.conf, bound)
    text = sendmail.conf.read_text()
    sendmail.conf.write_text(text.replace(", F=T", ""))
    assert "without F=T" in check(ours.conf, bound)
    sendmail.conf.write_text(text.replace("O InputMailFilters=acme-milter", "O InputMailFilters=acme-milter, other"))
    assert "InputMailFilters has a filter after acme-milter" in check(ours.conf, bound)


@pytest.fixture
def behind_sendmail(own, milter_settings, tls_files):
    """A milter whose socket no group has, and a Sendmail that is not started: (milter, sendmail, a check of the two)."""
    server = Milter(own, milter_settings + [("SocketGroup", "none")])
    sendmail = Sendmail(own, CA_DOMAIN, server.folder, *tls_files)
    bound = [(own.sub("empty"), "/etc/postfix"), (sendmail.folder, "/etc/mail"), (server.folder, "/run/acme-milter")]

    def hints():
        where = server.settings[:]
        server.set("Socket", "unix:/run/acme-milter/milter.sock")
        server.write_conf()
        server.settings = where
        return check(server.conf, bound)
    yield server, sendmail, hints
    sendmail.stop()
    server.stop()


@pytest.mark.parametrize("mode, user", [(0o755, "root"), (0o750, milter.USER), (0o700, milter.USER)])
def test_sendmail_reaches_a_socket_that_no_group_has(behind_sendmail, acme_server, dns_server, exchange, mode, user):
    server, sendmail, hints = behind_sendmail
    shutil.chown(server.folder, user)
    server.folder.chmod(mode)
    server.start()
    with MailExchanger(sendmail, None, server, acme_server, dns_server).running() as mx:
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    assert hints() == ""


@pytest.mark.parametrize("was, now, hint", [
    ("O InputMailFilters=acme-milter", "#O InputMailFilters", "InputMailFilters is not set, so that acme-milter sees no mail"),
    ("Name=MTA,", "Name=MTA, InputMailFilters=,", "InputMailFilters does not name acme-milter"),
], ids=["no-list", "daemon-without"])
def test_sendmail_shows_no_mail_to_a_filter_that_no_list_has(behind_sendmail, acme_server, dns_server, exchange, was, now, hint):
    server, sendmail, hints = behind_sendmail
    text = sendmail.conf.read_text()
    assert was in text
    sendmail.conf.write_text(text.replace(was, now))
    server.start()
    with MailExchanger(sendmail, None, server, acme_server, dns_server).running() as mx:
        assert mx.send(exchange, good_reply(exchange)).code == 250
    assert server.reply_lines(exchange.token) == []
    assert hint in hints()


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777])
def test_sendmail_does_not_start_with_a_socket_below_a_writable_folder(behind_sendmail, mode):
    server, sendmail, hints = behind_sendmail
    server.folder.chmod(mode)
    server.set("RequireSafeFiles", "no")  # the configuration is in that folder too
    server.start()
    with pytest.raises(RuntimeError, match="ritable directory"):
        sendmail.start()
    assert "hint: /run/acme-milter: Sendmail does not start" in hints()


def test_no_mta_no_hints(own, milter_settings):
    server = Milter(own, milter_settings)
    server.write_conf()
    nothing = own.sub("empty")
    assert check(server.conf, [(nothing, "/etc/postfix"), (nothing, "/etc/mail")]) == ""


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)],
                         ids=["fifo", "device", "loop"])
@pytest.mark.parametrize("name", ["main.cf", "master.cf", "sendmail.cf"])
def test_no_file_of_an_mta_keeps_the_check_waiting(own, milter_settings, name, put):
    server = Milter(own, milter_settings)
    server.write_conf()
    folder = own.sub("mta")
    (folder / "main.cf").touch()
    (folder / name).unlink(missing_ok=True)
    put(folder / name)
    assert check(server.conf, [(folder, "/etc/postfix"), (folder, "/etc/mail")]) == ""
