# SPDX-License-Identifier: BSD-2-Clause
"""The filters that are held against each other, each started once for the whole run."""
import shutil
from dataclasses import dataclass, field

from harness import filters
from harness.process import system_user
from lab import DNS_ADDRESS, children

USER, AUTHSERV_ID = "acme-milter", "mx.ca.example"


@dataclass
class Peer:
    name: str
    socket: str
    process: object
    log: object = field(default=None)

    @property
    def pids(self):
        return children(self.process.pid)


def _folder(lab, name, user):
    return lab.folder.sub(name, user)


def empty(lab, name, *options):
    socket = lab.folder.path / f"{name}.sock"
    return Peer(name, socket, lab.start_on_socket([lab.tool("empty_milter"), *options, f"unix:{socket}"], name, socket))


def floor(lab, kind):
    socket = lab.folder.path / f"floor-{kind}.sock"
    argv = [lab.tool("floor_milter"), kind, lab.endpoint_socket, f"unix:{socket}"]
    return Peer(f"floor-{kind}", socket, lab.start_on_socket(argv, f"floor-{kind}", socket))


def acme_milter(lab, name="acme-milter", settings=()):
    system_user(USER)
    folder = _folder(lab, name, USER)
    socket, conf = folder / "milter.sock", folder / "conf"
    words = {"Socket": f"unix:{socket}", "SocketMode": "0666", "UserID": USER, "ChallengeAddress": "acme@ca.example",
             "Endpoint": f"http://unix:{lab.endpoint_socket}:/email-reply", "Nameservers": DNS_ADDRESS,
             "TrustAnchorFile": "none", "AuthservID": AUTHSERV_ID}
    words.update(settings)
    conf.write_text("".join(f"{word} {value}\n" for word, value in words.items()))
    process = lab.start_on_socket([lab.build / "acme-milter", "-f", "-c", conf], name, socket)
    return Peer(name, socket, process, process.output)


def _other(lab, other):
    process = lab.start_on_socket(other.command(), other.name, other.socket)
    return Peer(other.name, other.socket, process, process.output)


def opendkim(lab):
    return _other(lab, filters.Opendkim(lab.folder, DNS_ADDRESS, AUTHSERV_ID, "Syslog yes\nSyslogSuccess yes\n"))


def opendmarc(lab):
    suffixes = "PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n"
    return _other(lab, filters.Opendmarc(lab.folder, DNS_ADDRESS, AUTHSERV_ID, "Syslog true\n" + suffixes))


def dkimpy_milter(lab):
    folder = _folder(lab, "dkimpy", "dkimpy-milter")
    socket, conf = folder / "milter.sock", folder / "conf"
    conf.write_text(f"Syslog yes\nUMask 000\nMode v\nPidFile {folder}/pid\nSocket local:{socket}\nUserID dkimpy-milter\n"
                    f"AuthservID {AUTHSERV_ID}\n")
    return Peer("dkimpy-milter", socket, lab.start_on_socket(["dkimpy-milter", conf], "dkimpy", socket))


def rspamd(lab):
    return _other(lab, filters.Rspamd(lab.folder, DNS_ADDRESS, "/usr/share/rspamd/effective_tld_names.dat", ""))


def missing():
    programs = ("opendkim", "opendmarc", "rspamd", "dkimpy-milter", "unbound", "unbound-control", "knotd", "kdig", "ip", "postfix", "dovecot", "haproxy",
                "valgrind")
    return [name for name in programs if shutil.which(name) is None]
