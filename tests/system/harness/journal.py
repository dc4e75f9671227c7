# SPDX-License-Identifier: BSD-2-Clause
"""systemd-journald in a mount namespace, without systemd: what runs in it finds the journal where it always is."""
import json
import shutil
import subprocess
from pathlib import Path

from .process import Process, wait_for

JOURNALD = "/lib/systemd/systemd-journald"
SOCKET = "/run/systemd/journal/socket"
# Volatile, of nobody but us: neither the kernel's messages nor its audit.
CONFIGURATION = "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToSyslog=no\nRateLimitBurst=0\n"
SETUP = """
set -e
mkdir -p /run/systemd /run/log
mount -t tmpfs tmpfs /run/systemd
mount --bind "$1" /run/log
mkdir -p /run/systemd/journald.conf.d /run/systemd/journal /run/log/journal
printf '%s' "$2" >/run/systemd/journald.conf.d/test.conf
exec """ + JOURNALD


class Journal:
    def __init__(self, folder):
        self.files = folder.sub("journal")
        self.process = Process(["unshare", "--mount", "sh", "-c", SETUP, "sh", self.files, CONFIGURATION],
                               folder.path / "journald.log")
        inside = Path(f"/proc/{self.process.pid}/root{SOCKET}")
        self.process.wait_until(inside.exists, "journald listens")

    def command(self, *argv):
        """The words that run a program where the journal is."""
        return ["nsenter", "--mount", f"--target={self.process.pid}", *map(str, argv)]

    def entries(self, *matches):
        """What journalctl finds for FIELD=value, as dicts."""
        done = subprocess.run(["journalctl", f"--directory={self.files}/journal", "--output=json", "--all", "--no-pager", *matches],
                              stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_entry(self, *matches):
        return wait_for(lambda: self.entries(*matches), f"{matches} in the journal")[-1]

    def stop(self):
        self.process.stop()


def missing():
    return [name for name in (JOURNALD, "systemd-cat", "journalctl", "nsenter") if shutil.which(name) is None]
