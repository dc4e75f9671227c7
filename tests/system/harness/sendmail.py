# SPDX-License-Identifier: BSD-2-Clause
"""A real Sendmail in a folder of its own. Debian's conflicts with Postfix, so its files are unpacked, not installed
(contrib/packages). It runs in namespaces of its own: its host has a full name, which it would else wait a minute for,
and `milter_folder` is /run/acme-milter, as contrib/sendmail/acme-milter.mc has it.
Its limits of load average are out of reach: a busy machine must not change what it does.
Mail for `domain` becomes a file a recipient, so that a test sees what became of each."""
import email
import re
import subprocess
from pathlib import Path

from .process import Process, free_port, wait_for, with_bound
from .smtp import greets

TOP = Path(__file__).resolve().parents[3]
SNIPPET = TOP / "contrib" / "sendmail" / "acme-milter.mc"

CONFIGURATION = """\
divert(0)dnl
VERSIONID(`acme-milter tests')dnl
OSTYPE(`linux')dnl
DOMAIN(`generic')dnl
define(`confDOMAIN_NAME', `mx.{domain}')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `{folder}/helpfile')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')dnl
define(`confDEF_USER_ID', `nobody:nogroup')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confDELAY_LA', `10000')dnl
define(`confPRIVACY_FLAGS', `authwarnings')dnl
dnl However busy the machine is: above a load of 12 it would not even greet.
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confSERVER_CERT', `{certificate}')dnl
define(`confSERVER_KEY', `{key}')dnl
define(`confCACERT', `{certificate}')dnl
define(`confCACERT_PATH', `{folder}')dnl
define(`LOCAL_MAILER_PATH', `{folder}/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u $i')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`nocanonify')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-Afmrw')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
include(`{snippet}')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Cw{domain}
"""


def unpack():
    """The folder with Debian's Sendmail, downloaded now unless contrib/run-tests did it."""
    script = '. "$1"/contrib/packages && packages_unpack "$SENDMAIL_ROOT" $SENDMAIL_PACKAGES >&2 && echo "$SENDMAIL_ROOT"'
    done = subprocess.run(["sh", "-c", script, "sh", TOP], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=300)
    if done.returncode != 0:
        raise RuntimeError("There is no Sendmail to test with: contrib/run-tests downloads it in its first step, which "
                           f"needs the network once. {done.stderr.strip()}")
    return Path(done.stdout.strip())


class Sendmail:
    """`milter_folder` holds milter.sock; `certificate` is a PEM file with a certificate, `key` one with its key."""

    def __init__(self, folder, domain, milter_folder, certificate, key):
        self.root = unpack()
        self.domain, self.milter_folder = domain, milter_folder
        self.port = free_port()
        self.folder = folder.sub("sendmail")
        self.inbox = folder.sub("sendmail/inbox", "nobody")
        folder.sub("sendmail/queue", mode=0o700)
        (self.folder / "service.switch").write_text("hosts files\n")
        self._write_mailer()
        self.traffic = self.folder / "traffic"
        self.process = None
        # A copy that is not setgid, as Debian's is.
        self.binary = self.folder / "sendmail"
        self.binary.write_bytes((self.root / "usr/libexec/sendmail/sendmail").read_bytes())
        self.binary.chmod(0o755)
        self.conf = self.folder / "sendmail.cf"
        self._write_conf(certificate, key)

    def _write_mailer(self):
        """Our end of local delivery: the mail as Sendmail hands it over, under the recipient's name and the queue id."""
        program = self.folder / "deliver"
        program.write_text(f'#!/bin/sh\ncat >"{self.inbox}/.$1.$2" && mv "{self.inbox}/.$1.$2" "{self.inbox}/$1.$2"\n')
        program.chmod(0o755)

    def _write_conf(self, certificate, key):
        macros = self.root / "usr/share/sendmail/cf"
        source = self.folder / "sendmail.mc"
        source.write_text(CONFIGURATION.format(folder=self.folder, domain=self.domain, port=self.port, snippet=SNIPPET,
                                               certificate=certificate, key=key))
        made = subprocess.run(["m4", f"-I{macros}/", f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", source],
                              check=True, text=True, stdout=subprocess.PIPE).stdout
        # A file of further local host names, which DOMAIN(generic) demands.
        self.conf.write_text("".join(line + "\n" for line in made.splitlines() if not line.startswith("Fw")))

    def start(self):
        argv = [self.binary, "-C", self.conf, "-bD", "-q1h", "-X", self.traffic]
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', f"mx.{self.domain}", *argv]
        self.process = self.launch(with_bound(self.milter_folder, "/run/acme-milter", named))
        self.process.wait_until(lambda: greets(self.port), "Sendmail greets")

    def launch(self, argv):
        return Process(argv, self.folder / "log")

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def delivered(self, marker):
        """The recipients whose copy of the mail that holds `marker` (bytes) was delivered."""
        return sorted(f"{path.name.split('.')[0]}@{self.domain}" for path in self._copies(marker))

    def _copies(self, marker):
        return [path for path in self.inbox.iterdir() if not path.name.startswith(".") and marker in path.read_bytes()]

    def copy_of(self, marker):
        """The one delivered mail that holds `marker`, as Sendmail handed it over."""
        (path,) = self._copies(marker)
        return path.read_bytes()

    def fields_of(self, marker, name):
        """The values of a header field in it, unfolded."""
        return [" ".join(value.split()) for value in email.message_from_bytes(self.copy_of(marker)).get_all(name, [])]

    def wait_queue_empty(self):
        """Until nothing is left to be delivered: what has not arrived now never will."""
        wait_for(lambda: not any((self.folder / "queue").iterdir()), "the queue of Sendmail is empty")

    def queue_ids(self):
        """Of the mails that Sendmail said to have taken."""
        return re.findall(r"250 2\.0\.0 (\w+) Message accepted for delivery", self.traffic.read_text("latin-1"))
