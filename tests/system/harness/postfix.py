# SPDX-License-Identifier: BSD-2-Clause
"""A real Postfix in a folder of its own: own configuration, queue and log, an unprivileged port, no DNS.
Mail for `domain` ends in a Maildir, so that a test sees what became of each recipient; all else is discarded."""
import mailbox
import os
import pwd
import re
import signal
import subprocess

from .process import DEADLINE, Process, free_port, wait_for, with_bound
from .smtp import greets

SERVICES = """\
127.0.0.1:{port} inet n - {chroot} - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - {chroot} - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
local     unix - n n - - local
virtual   unix - n n - - virtual
tlsmgr    unix - - n 1000? 1 tlsmgr
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
recipient_delimiter = +
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_helo_required = no
milter_default_action = tempfail
milter_protocol = 6
maillog_file = /dev/stdout
{milters}
"""


class Postfix:
    """`milter` is the socket's address as smtpd_milters takes it, or None; `settings` are further lines of main.cf,
    `services` of master.cf, in which {port} is that of the smtpd above; `bound`: pairs of a file or folder and of the name
    by which it, and nobody else, sees that."""

    def __init__(self, folder, domain, milter=None, settings="", *, name="postfix", is_chrooted=False, bound=(), services=""):
        self.folder = folder.sub(name)
        self.domain, self.bound = domain, bound
        self.port = free_port()
        nobody = pwd.getpwnam("nobody")
        self.inbox = folder.sub(f"{name}/inbox", "nobody")
        self.queue = folder.sub(f"{name}/queue")
        folder.sub(f"{name}/data", "postfix")
        milters = f"smtpd_milters = {milter}\n" if milter else ""
        # A folder of its own: Postfix warns of anything in there that is not root's.
        self.conf = folder.sub(f"{name}/etc")
        (self.conf / "main.cf").write_text(MAIN.format(
            folder=self.folder, domain=domain, uid=nobody.pw_uid, gid=nobody.pw_gid, milters=milters + settings))
        (self.conf / "master.cf").write_text((SERVICES + services).format(
            port=self.port, chroot="y" if is_chrooted else "n"))
        self.master_pid = self.queue / "pid" / "master.pid"
        self.process = None

    def start(self):
        self.master_pid.unlink(missing_ok=True)  # of the one before
        argv = ["postfix", "-c", self.conf, "start-fg"]
        for source, target in self.bound:
            argv = with_bound(source, target, argv)
        self.process = Process(argv, self.folder / "maillog")
        self.process.wait_until(lambda: greets(self.port), "Postfix greets")

    def stop(self):
        """End the master, which ends its children; `postfix start-fg` only waits for it and ends with it. While that is
        still preparing the queue, the master is waited for: ending the scripts would not end what they just started."""
        if self.process:
            master = wait_for(lambda: self._master() or not self.process.running(), "the master of Postfix")
            if master is not True:
                os.kill(master, signal.SIGTERM)
            self.process.popen.wait(DEADLINE)
            self.process = None

    def _master(self):
        try:
            return int(self.master_pid.read_text())
        except (OSError, ValueError):
            return None

    def log(self):
        return self.process.text() if self.process else (self.folder / "maillog").read_text()

    def inject(self, sender, recipients, data):
        """By sendmail(1), as a program on this host does."""
        subprocess.run(["sendmail", "-C", self.conf, "-i", "-f", sender, *recipients], input=data.replace(b"\r\n", b"\n"),
                       check=True)

    def try_again(self):
        """What was put off, now rather than minutes later."""
        subprocess.run(["postkick", "-c", self.conf, "public", "pickup", "W"], check=True)

    def delivered(self, marker):
        """The recipients whose copy of the mail that holds `marker` (bytes) is in the Maildir."""
        found = []
        if not (self.inbox / "new").exists():
            return found  # Postfix makes it with the first delivery
        for message in mailbox.Maildir(self.inbox, create=False):
            if marker in message.as_bytes():
                # Raw, since what an SMTPUTF8 recipient has there is no text to the email package.
                found.append(re.search(rb"^Delivered-To: (.*)$", message.as_bytes(), re.M)[1].decode())
        return sorted(found)

    def fields_of(self, marker, name):
        """The values of a header field, unfolded, in the one delivered mail that holds `marker`."""
        (message,) = [each for each in mailbox.Maildir(self.inbox, create=False) if marker in each.as_bytes()]
        return [" ".join(value.split()) for value in message.get_all(name, [])]

    def wait_queue_empty(self):
        """Until nothing is left to be delivered: what has not arrived now never will."""
        queues = [self.queue / name for name in ("incoming", "active", "maildrop", "deferred")]
        wait_for(lambda: not any(path.is_file() for queue in queues if queue.exists() for path in queue.rglob("*")),
                 "the queue of Postfix is empty")

    def queue_ids(self):
        return re.findall(r": ([0-9A-F]{6,}): client=", self.log())
