# SPDX-License-Identifier: BSD-2-Clause
"""rsyslogd in a mount namespace with a /dev of its own and no journal: what runs in it logs by syslog(3) to real files."""
import os
import socket
import subprocess

from .process import Process, unix_socket_answers

SETUP = """
set -e
mount -t tmpfs tmpfs /run/systemd 2>/dev/null || true
mount -t tmpfs tmpfs "$1/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$1/dev"
ln -s /proc/self/fd "$1/dev/fd"
mount --bind "$1/etc" /etc/rsyslog.d
mount --bind "$1/log" /var/log
mount --move "$1/dev" /dev
exec rsyslogd -n -i "$1/pid" -f "$1/rsyslog.conf"
"""
# As Debian's rsyslog.conf, but for the kernel's messages.
CONFIGURATION = """\
module(load="imuxsock")
$WorkDirectory {folder}
$IncludeConfig /etc/rsyslog.d/*.conf
mail.* /var/log/mail.log
"""


class Syslog:
    """`log` is what /var/log is inside, `etc` what /etc/rsyslog.d is; put files there before start."""

    def __init__(self, folder):
        self.folder = folder.sub("syslog")
        self.etc, self.log = folder.sub("syslog/etc"), folder.sub("syslog/log")
        folder.sub("syslog/dev")
        self.conf = self.folder / "rsyslog.conf"
        self.conf.write_text(CONFIGURATION.format(folder=self.folder))
        self.process = None

    def start(self):
        subprocess.run(["mkdir", "-p", "/run/systemd", "/etc/rsyslog.d"], check=True)
        self.process = Process(["unshare", "--mount", "sh", "-c", SETUP, "sh", self.folder], self.folder / "output")
        device = f"/proc/{self.process.pid}/root/dev/log"
        self.process.wait_until(lambda: os.path.exists(device), "rsyslogd listens")

    def restart(self, pid):
        """As an upgrade does; pid: of a process that keeps the namespace meanwhile."""
        self.process.stop()
        start = ["nsenter", "--mount", f"--target={pid}", "rsyslogd", "-n", "-i", self.folder / "pid", "-f", self.folder / "rsyslog.conf"]
        device = f"/proc/{pid}/root/dev/log"
        self.process = Process(start, self.folder / "output")
        self.process.wait_until(lambda: unix_socket_answers(device, socket.SOCK_DGRAM), "rsyslogd listens again")

    def command(self, *argv):
        """The words that run a program where it listens."""
        return ["nsenter", "--mount", f"--target={self.process.pid}", *map(str, argv)]

    def lines(self, name="mail.log"):
        path = self.log / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def stop(self):
        if self.process:
            self.process.stop()
