# SPDX-License-Identifier: BSD-2-Clause
"""A machine to install on: an overlay over this one's files in a mount namespace. What is done in it stays in it.

There is no systemd in it: `Services` does what systemctl is asked for, by the units as they stand in it.
"""
import re
import shlex
import signal
import subprocess
from pathlib import Path

from . import journal
from .process import Process, wait_for

SETUP = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --bind /dev "$1/root/dev"
mount --rbind /sys "$1/root/sys"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
chmod 1777 "$1/root/tmp"
machine=$1/root
shift
for pair; do
    mkdir -p "$machine${pair#*=}"
    mount --bind "${pair%%=*}" "$machine${pair#*=}"
done
exec chroot "$machine" sh -c 'touch /run/ready; exec sleep infinity'
"""
# A login shell's.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """`shared`: {folder here: where it is in the machine}."""

    def __init__(self, folder, name, shared):
        self.folder = folder.sub(name)
        pairs = [f"{here}={there}" for here, there in shared.items()]
        self.process = Process(["unshare", "--mount", "sh", "-c", SETUP, "sh", self.folder, *pairs],
                               folder.path / f"{name}.log")
        self.process.wait_until(self.path("/run/ready").exists, "the machine is there")
        self.children = []

    def path(self, inside):
        """Where a file of the machine is to be seen from here."""
        return Path(f"/proc/{self.process.pid}/root{inside}")

    def command(self, *argv, cwd="/"):
        return ["nsenter", f"--target={self.process.pid}", "--mount", "--root", f"--wd={self.path(cwd)}", *map(str, argv)]

    def run(self, text, cwd="/", code=0, **variables):
        """A line of bash; its standard output and error."""
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **variables}
        done = subprocess.run(self.command("bash", "-c", text, cwd=cwd), env=environment, stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=900)
        assert done.returncode == code, f"{text}: {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def write(self, inside, text):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *argv, log):
        child = Process(self.command(*argv), self.path(log), env={"PATH": PATH})
        self.children.append(child)
        return child

    def start_journal(self):
        self.run("mkdir -p /run/systemd/journald.conf.d /run/systemd/journal /run/log/journal")
        self.write("/run/systemd/journald.conf.d/test.conf", journal.CONFIGURATION)
        child = self.start(journal.JOURNALD, log="/run/journald.log")
        child.wait_until(self.path(journal.SOCKET).exists, "journald listens")

    def stop(self):
        for child in reversed(self.children):
            child.stop()
        self.process.stop(signal.SIGKILL)  # sleep, the first process of nothing, does not hear SIGTERM


class Services:
    """systemctl for acme-milter and postfix."""

    def __init__(self, machine):
        self.machine, self.main = machine, None

    def settings(self, unit="acme-milter"):
        """[Service] of the unit and its drop-ins: {name: [values]}."""
        found = {}
        drop_ins = sorted(self.machine.path(f"/etc/systemd/system/{unit}.service.d").glob("*.conf"))
        for path in [self.machine.path(f"/lib/systemd/system/{unit}.service"), *drop_ins]:
            section = None
            for line in path.read_text().splitlines():
                section = line.strip("[]") if line.startswith("[") else section
                if section == "Service" and re.match(r"\w+=", line):
                    name, _, value = line.partition("=")
                    found.setdefault(name, []).append(value)
        return found

    def verify(self):
        """What systemd itself thinks of the unit."""
        said = self.machine.run("systemd-analyze verify acme-milter.service 2>&1 | grep acme-milter || true")
        assert said == "", said

    def systemctl(self, *words):
        verb, units = words[0], [word for word in words[1:] if not word.startswith("-")]
        if verb == "daemon-reload":
            self.verify()
        if verb == "enable":
            self.machine.run("systemctl enable " + " ".join(units))
        if verb == "enable" and "--now" in words:
            verb = "start"
        for unit in units:
            assert unit in ("acme-milter", "postfix"), unit
            if verb not in ("daemon-reload", "enable"):
                getattr(self, f"{verb}_{unit.replace('-', '_')}")()

    def start_acme_milter(self):
        if self.main and self.main.running():
            return
        settings = self.settings()
        user = settings.get("User", ["root"])[-1]
        groups = [group for line in settings.get("SupplementaryGroups", []) for group in line.split()]
        for kind, base in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            for name in " ".join(settings.get(kind, [])).split():
                self.machine.run(f"install -d -o {user} -g {user} {base}/{name}")
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups" if not groups else f"--groups={','.join([user] + groups)}"]
        argv = ([] if user == "root" else words) + shlex.split(settings["ExecStart"][-1])
        how = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr); exec "$@"'
        self.main = self.machine.start("systemd-cat", "-t", "acme-milter", "sh", "-c", how, "sh", *argv, log="/run/acme-milter.log")
        self.main.wait_until(lambda: "ACME_MILTER_EVENT" in self.said("started"), "the milter has started")

    def said(self, event):
        text = "journalctl ACME_MILTER_EVENT={} _PID={} -o verbose -q || true"
        return self.machine.run(text.format(event, self.pid()))

    def pid(self):
        return self.main.pid

    def reload_acme_milter(self):
        before = self.said("reloaded").count("MESSAGE=")
        self.machine.run(f"MAINPID={self.pid()}; " + self.settings()["ExecReload"][-1].replace("$MAINPID", str(self.pid())))
        wait_for(lambda: self.said("reloaded").count("MESSAGE=") > before, "the configuration is read again")

    def stop_acme_milter(self):
        assert self.main.stop() == 0
        self.machine.children.remove(self.main)

    def restart_acme_milter(self):
        self.stop_acme_milter()
        self.start_acme_milter()

    def start_postfix(self):
        self.machine.run("postfix start")

    def reload_postfix(self):
        self.machine.run("postfix reload")

    def stop_postfix(self):
        self.machine.run("postfix stop")
