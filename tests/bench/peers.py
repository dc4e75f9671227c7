# SPDX-License-Identifier: BSD-2-Clause
"""The filters that are held against each other, each started once for the whole run."""
import shutil
from dataclasses import dataclass, field

from harness.process import system_user
from lab import DNS_ADDRESS, children

USER = "acme-milter"


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
             "TrustAnchorFile": "none", "AuthservID": "mx.ca.example"}
    words.update(settings)
    conf.write_text("".join(f"{word} {value}\n" for word, value in words.items()))
    process = lab.start_on_socket([lab.build / "acme-milter", "-f", "-c", conf], name, socket)
    return Peer(name, socket, process, process.output)


def opendkim(lab):
    folder = _folder(lab, "opendkim", "opendkim")
    socket, conf = folder / "milter.sock", folder / "conf"
    conf.write_text(f"Syslog yes\nSyslogSuccess yes\nCanonicalization relaxed/simple\nOversignHeaders From\nMode v\n"
                    f"UserID opendkim\nUMask 000\nSocket local:{socket}\nNameservers {DNS_ADDRESS}\nAuthservID mx.ca.example\n")
    return Peer("opendkim", socket, lab.start_on_socket(["opendkim", "-f", "-x", conf], "opendkim", socket))


def opendmarc(lab):
    folder = _folder(lab, "opendmarc", "opendmarc")
    socket, conf = folder / "milter.sock", folder / "conf"
    conf.write_text(f"PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\nSocket local:{socket}\nSyslog true\n"
                    "UMask 0000\nUserID opendmarc\nAuthservID mx.ca.example\n")
    return Peer("opendmarc", socket, lab.start_on_socket(["opendmarc", "-f", "-c", conf], "opendmarc", socket))


def dkimpy_milter(lab):
    folder = _folder(lab, "dkimpy", "dkimpy-milter")
    socket, conf = folder / "milter.sock", folder / "conf"
    conf.write_text(f"Syslog yes\nUMask 000\nMode v\nPidFile {folder}/pid\nSocket local:{socket}\nUserID dkimpy-milter\n"
                    "AuthservID mx.ca.example\n")
    return Peer("dkimpy-milter", socket, lab.start_on_socket(["dkimpy-milter", conf], "dkimpy", socket))


def rspamd(lab):
    folder = _folder(lab, "rspamd", "_rspamd")
    socket, conf = folder / "milter.sock", folder / "rspamd.conf"
    conf.write_text(RSPAMD.format(folder=folder, socket=socket, dns=DNS_ADDRESS))
    argv = ["rspamd", "-i", "-f", "-c", conf, "-u", "_rspamd", "-g", "_rspamd"]
    return Peer("rspamd", socket, lab.start_on_socket(argv, "rspamd", socket), lab.folder.path / "rspamd.log")


def missing():
    programs = ("opendkim", "opendmarc", "rspamd", "dkimpy-milter", "unbound", "unbound-control", "knotd", "kdig", "ip", "postfix", "dovecot", "haproxy",
                "valgrind")
    return [name for name in programs if shutil.which(name) is None]


RSPAMD = """\
options {{
    pidfile = "{folder}/pid"; rundir = "{folder}"; temp_dir = "{folder}"; cores_dir = "{folder}";
    hs_cache_dir = "{folder}"; control_socket = "{folder}/control mode=0600"; cache_file = "{folder}/symbols.cache";
    url_tld = "/usr/share/rspamd/effective_tld_names.dat"; filters = "dkim"; local_addrs = [];
    dns {{ nameserver = ["{dns}"]; timeout = 5s; retransmits = 2; }}
}}
logging {{ type = "console"; level = "notice"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules {{ path = "/usr/share/rspamd/plugins/dmarc.lua"; }}
worker "rspamd_proxy" {{
    bind_socket = "{socket} mode=0666"; milter = yes; timeout = 120s; count = 1;
    upstream "local" {{ default = yes; self_scan = yes; }}
}}
dkim {{ dkim_cache_size = 2k; trusted_only = false; skip_multi = false; }}
dmarc {{ }}
metric "default" {{ actions {{ reject = 1000; }} }}
"""
