# SPDX-License-Identifier: BSD-2-Clause
"""Processes, folders, ports and waiting, as every server of the harness needs them."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

DEADLINE = 30  # of anything waited for; only a hang is ever this slow, so it decides no test


def wait_for(condition, what, deadline=DEADLINE):
    """Poll until `condition` is true and return its value. A busy machine makes this slower, never wrong."""
    end = time.monotonic() + deadline
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port(kinds=(socket.SOCK_STREAM,)):
    """A loopback port that is free for all the kinds of socket asked for."""
    while True:
        with socket.socket(socket.AF_INET, kinds[0]) as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for kind in kinds[1:]:
                    with socket.socket(socket.AF_INET, kind) as other:
                        other.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Folder:
    """A temporary folder that servers under other users can enter. Under /run, since Sendmail and
    Postfix want no world-writable folder above a socket."""

    def __init__(self, name):
        base = "/run" if os.access("/run", os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix=f"acme-milter-{name}-", dir=base))
        self.path.chmod(0o755)

    def sub(self, name, user=None, mode=0o755):
        path = self.path / name
        path.mkdir()
        path.chmod(mode)
        if user:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def with_bound(source, target, argv):
    """`argv` run so that it, and nobody else, finds `source` (a file or a folder) at `target`. An empty folder that is
    made for that stays behind: taking it away would undo what others mounted there."""
    if not os.path.exists(target):
        os.makedirs(target, exist_ok=True)
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', source, target, *argv]


def system_user(name):
    """Make a user that may own nothing but a process, unless it is there."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                        "--shell", "/usr/sbin/nologin", name], check=True)
        return pwd.getpwnam(name)


class Process:
    """A server that stays in the foreground, its output in a file."""

    def __init__(self, argv, output, **popen):
        self.argv = [str(arg) for arg in argv]
        self.output = Path(output)
        with open(self.output, "ab") as log:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=subprocess.STDOUT, **popen)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def text(self):
        return self.output.read_text(encoding="utf-8", errors="backslashreplace")

    def wait_until(self, ready, what, deadline=DEADLINE):
        """Wait for `ready`, and say what the server said if it ended before."""
        def check():
            if not self.running():
                raise RuntimeError(f"{self.argv[0]} ended with {self.popen.returncode}: {self.text()[-3000:]}")
            return ready()
        return wait_for(check, what, deadline)

    def send(self, number):
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """End it; returns the exit code (negative: the signal that killed it)."""
        if self.running():
            self.popen.send_signal(signal.SIGCONT)  # one that a test had stopped would not hear the other
            self.popen.send_signal(number)
        try:
            return self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise RuntimeError(f"{self.argv[0]} did not end within {DEADLINE} s") from None


def unix_socket_answers(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as client:
        try:
            client.connect(str(path))
            return True
        except OSError:
            return False
