# SPDX-License-Identifier: BSD-2-Clause
"""Other milters, as a CA's Postfix may have them before ours: they verify with the DNS of the tests, add their fields,
and refuse nothing. tests/bench runs them too, with settings of its own behind those here."""
import os
import shutil

from .process import Process, unix_socket_answers, with_bound
from .signer import CHALLENGE_FIELDS

NO_HOST_OF_OURS = "192.0.2.1"  # these programs trust mail from loopback unless somebody else is named


class Filter:
    """A milter on a socket in a folder of its own; `folder` is the Folder that it goes into, `dns` the address to ask,
    `more` lines for its configuration in place of those that the tests want."""

    def __init__(self, folder, name, user, dns, authserv_id, more=None):
        self.folder, self.name, self.more = folder.sub(name, user), name, more
        self.socket = self.folder / "milter.sock"
        self.conf = self.folder / "conf"
        self.dns, self.authserv_id = dns, authserv_id
        self.hosts = self.folder / "hosts"
        self.hosts.write_text(NO_HOST_OF_OURS + "\n")
        self.process = None

    @property
    def address(self):
        return f"unix:{self.socket}"

    def command(self):
        """Writes the configuration."""
        raise NotImplementedError

    def start(self):
        argv, resolv = self.command(), self.folder / "resolv.conf"
        resolv.write_text(f"nameserver {self.dns}\n")
        self.process = Process(with_bound(resolv, os.path.realpath("/etc/resolv.conf"), argv), self.folder / "log")
        self.process.wait_until(lambda: unix_socket_answers(self.socket), f"{argv[0]} listens")

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None


class Opendkim(Filter):
    def __init__(self, folder, dns, authserv_id, more=None):
        super().__init__(folder, "opendkim", "opendkim", dns, authserv_id, more)

    def command(self):
        more = f"Syslog no\nAlwaysAddARHeader yes\nInternalHosts {self.hosts}\n" if self.more is None else self.more
        self.conf.write_text(f"Mode v\nUserID opendkim\nUMask 000\nSocket local:{self.socket}\nNameservers {self.dns}\n"
                             f"AuthservID {self.authserv_id}\n" + more)
        return ["opendkim", "-f", "-x", self.conf]


class OpendkimSigner(Filter):
    """Signs what `domain` sends, with all the fields that RFC 8823 lists for a challenge, there or not."""

    def __init__(self, folder, dns, domain, selector, key):
        super().__init__(folder, "opendkim-signer", "opendkim", dns, domain)
        self.selector, self.key = selector, self.folder / "key.pem"
        self.key.write_bytes(key.pem)
        self.key.chmod(0o600)
        shutil.chown(self.key, "opendkim", "opendkim")
        self.hosts.write_text("127.0.0.1\n")

    def command(self):
        fields = ",".join(CHALLENGE_FIELDS).lower()
        self.conf.write_text(f"Mode s\nSyslog no\nUserID opendkim\nUMask 000\nSocket local:{self.socket}\nInternalHosts {self.hosts}\n"
                             f"Domain {self.authserv_id}\nSelector {self.selector}\nKeyFile {self.key}\n"
                             f"Canonicalization relaxed/relaxed\nSignHeaders {fields}\nOversignHeaders {fields}\n")
        return ["opendkim", "-f", "-x", self.conf]


class Opendmarc(Filter):
    def __init__(self, folder, dns, authserv_id, more=None):
        super().__init__(folder, "opendmarc", "opendmarc", dns, authserv_id, more)

    def command(self):
        more = f"Syslog false\nTrustedAuthservIDs {self.authserv_id}\nIgnoreHosts {self.hosts}\n" if self.more is None else self.more
        self.conf.write_text(f"UserID opendmarc\nUMask 0000\nSocket local:{self.socket}\nRejectFailures false\n"
                             f"AuthservID {self.authserv_id}\n" + more)
        return ["opendmarc", "-f", "-c", self.conf]


class Rspamd(Filter):
    """Writes its results under the name that the MTA calls itself."""

    def __init__(self, folder, dns, suffixes=None, more=None):
        super().__init__(folder, "rspamd-milter", "_rspamd", dns, None, more)
        self.suffixes = suffixes

    def command(self):
        short = self.folder / "suffixes"
        short.write_text("net\n")  # the whole list takes rspamd minutes to compile
        self.conf.write_text(RSPAMD.format(folder=self.folder, socket=self.socket, dns=self.dns, suffixes=self.suffixes or short) +
                             (RSPAMD_FIELDS if self.more is None else self.more))
        return ["rspamd", "-i", "-f", "-c", self.conf, "-u", "_rspamd", "-g", "_rspamd"]


RSPAMD = """\
options {{
    pidfile = "{folder}/pid"; rundir = "{folder}"; temp_dir = "{folder}"; cores_dir = "{folder}";
    hs_cache_dir = "{folder}"; control_socket = "{folder}/control mode=0600"; cache_file = "{folder}/symbols.cache";
    url_tld = "{suffixes}"; filters = "dkim"; local_addrs = [];
    dns {{ nameserver = ["{dns}:53"]; timeout = 5s; retransmits = 2; }}
}}
logging {{ type = "console"; level = "notice"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules {{ path = "/usr/share/rspamd/plugins/dmarc.lua"; }}
worker "rspamd_proxy" {{
    bind_socket = "{socket} mode=0666"; milter = yes; timeout = 120s; count = 1;
    upstream "local" {{ default = yes; self_scan = yes; }}
}}
dkim {{ dkim_cache_size = 2k; trusted_only = false; skip_multi = false; check_local = true; }}
dmarc {{ }}
metric "default" {{ actions {{ reject = 1000; }} }}
"""
RSPAMD_FIELDS = """\
modules { path = "/usr/share/rspamd/plugins/milter_headers.lua"; }
milter_headers {
    use = ["authentication-results", "x-spamd-bar", "x-rspamd-server"]; skip_local = false; skip_authenticated = false;
}
"""
