# SPDX-License-Identifier: BSD-2-Clause
"""acme-milter itself, as installed: started by root, running as its own user."""
import atexit
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from .process import DEADLINE, Folder, Process, system_user, unix_socket_answers, wait_for

USER = "acme-milter"
# Inside the sandbox of the daemon LeakSanitizer cannot start the process that it looks for leaks from.
NO_LEAKS = "detect_leaks=0"


def program():
    """The binary under test: $ACME_MILTER, else the one that make built at the top."""
    default = Path(__file__).resolve().parents[3] / "acme-milter"
    return Path(os.environ.get("ACME_MILTER", default)).resolve()


@functools.cache
def program_for_all():
    """A copy of it where every user comes: of a checkout below /root only root may read."""
    folder = Folder("program")
    atexit.register(folder.remove)
    return shutil.copy(program(), folder.path)


def logfmt(line):
    """The key=value words of a log line."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return dict(word.split("=", 1) for word in words if "=" in word)


class Milter:
    """`settings` are (keyword, value) pairs; a later pair replaces an earlier one, except for repeatable keywords."""
    REPEATABLE = ("ChallengeAddress", "OnFinding")

    def __init__(self, folder, settings=(), name="milter"):
        system_user(USER)
        self.folder = folder.sub(name)
        # The log's folder is root's; what the milter itself writes must be where its user may.
        self.data = folder.sub(f"{name}/data", USER)
        self.socket = self.folder / "milter.sock"
        self.conf = self.folder / "acme-milter.conf"
        self.settings = [("Socket", f"unix:{self.socket}"), ("SocketGroup", "postfix"), ("UserID", USER),
                         ("LogLevel", "debug")] + list(settings)
        self.process = None
        self.wrapper, self.popen = (), {}  # a command to start it by, and arguments of Popen

    def set(self, keyword, value):
        self.settings.append((keyword, value))

    def write_conf(self):
        last = {}
        for number, (keyword, _) in enumerate(self.settings):
            last[keyword.lower()] = number
        repeatable = [word.lower() for word in self.REPEATABLE]
        lines = [f"{keyword} {value}\n" for number, (keyword, value) in enumerate(self.settings)
                 if keyword.lower() in repeatable or last[keyword.lower()] == number]
        self.conf.write_text("".join(lines))
        self.conf.chmod(0o644)

    def start(self, *options):
        self.write_conf()
        self.process = Process([*self.wrapper, program(), "-f", "-c", self.conf, *options], self.folder / "log", **self.popen)
        self.process.wait_until(lambda: unix_socket_answers(self.socket), "the milter listens")

    def stop(self):
        code = self.process.stop() if self.process else 0
        self.process = None
        return code

    def start_and_wait(self):
        """start() is content with the socket, which is there before the process has given up all that it will."""
        before = self.log().count(b" started version=") if (self.folder / "log").exists() else 0
        self.start()
        self.process.wait_until(lambda: self.log().count(b" started version=") > before, "the milter serves")

    def try_to_start(self, *wrapper, background=False, **popen):
        """A start that should come to nothing; exit code and standard error."""
        self.write_conf()
        started = program_for_all() if "user" in popen else program()
        done = subprocess.run([*wrapper, str(started), *([] if background else ["-f"]), "-c", self.conf.name],
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                              env={**os.environ, "ASAN_OPTIONS": NO_LEAKS}, **popen)
        return done.returncode, done.stderr

    def move_socket(self):
        """To where the milter's user may take it away."""
        self.socket = self.data / "milter.sock"
        self.set("Socket", f"unix:{self.socket}")

    def reload_and_wait(self):
        """Whether the new configuration was taken."""
        before = len(self.log_lines())

        def outcome():
            return [line for line in self.log_lines()[before:] if " reloaded file=" in line or " reload-failed " in line]
        self.reload()
        return " reloaded " in wait_for(outcome, "the configuration was read again")[0]

    def reload(self):
        self.write_conf()
        self.process.send(signal.SIGHUP)

    def log(self):
        return (self.folder / "log").read_bytes()

    def log_lines(self):
        return self.log().decode("utf-8", "backslashreplace").splitlines()

    def reply_lines(self, token_part1):
        """The info lines of one challenge's replies; tokens stand there by their first six characters."""
        return [line for line in self.log_lines()
                if re.search(rf"\breply verdict=.*\btoken=\"?{re.escape(token_part1[:6])}", line)]

    def wait_reply_line(self, token_part1, count=1):
        """The last of them, once there are `count`."""
        return wait_for(lambda: self.reply_lines(token_part1)[count - 1:], "the log line of the reply")[-1]

    def user_id(self):
        """The user that the process runs as now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1))


class BackgroundMilter(Milter):
    """One that goes to the background, as without -f, in the mount namespace of `where` (a Journal or a Syslog)."""

    def __init__(self, folder, settings, name, where):
        super().__init__(folder, settings, name)
        self.where, self.pid = where, None

    def start(self, *options):
        self.write_conf()
        done = subprocess.run(self.where.command(program(), "-c", self.conf, *options), check=False, timeout=DEADLINE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        wait_for(lambda: unix_socket_answers(self.socket), "the milter listens")
        self.pid = wait_for(self.find, "the milter's process")

    def find(self):
        """The process that has our configuration on its command line and no parent of ours."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == os.fsencode(program()) and os.fsencode(self.conf) in words:
                return int(path.parent.name)
        return None

    def reload(self):
        self.write_conf()
        os.kill(self.pid, signal.SIGHUP)

    def stop(self):
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            wait_for(lambda: self.find() is None, "the milter ends")
        self.pid = None


def run(*arguments, stdin=None, timeout=60, within=(), **popen):
    """acme-milter on the command line, which `within` goes before; returns the completed process with bytes in stdout and
    stderr."""
    if "-f" in arguments:
        popen["env"] = {"ASAN_OPTIONS": NO_LEAKS, **popen.get("env", os.environ)}
    started = program_for_all() if "user" in popen else program()
    return subprocess.run([*within, started, *[str(argument) for argument in arguments]], input=stdin, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **popen)
