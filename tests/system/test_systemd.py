# SPDX-License-Identifier: BSD-2-Clause
"""The files of contrib/systemd, by systemd's own tools, which need no running systemd."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import milter

TOP = Path(__file__).resolve().parent.parent.parent
FILES = TOP / "contrib" / "systemd"
SERVICE = FILES / "acme-milter.service"
MOST_EXPOSED = "1.5"


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False, **options)
    return done.returncode, done.stdout


def setting(name, text=None):
    return re.findall(rf"^{name}=(.*)$", SERVICE.read_text() if text is None else text, re.M)


def exposure(path, threshold):
    code, text = run("systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", path)
    return code, float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))


def test_service_is_exposed_no_more_than_we_say(tmp_path):
    tenths = int(float(MOST_EXPOSED) * 10)
    code, level = exposure(SERVICE, tenths)
    assert code == 0 and level <= float(MOST_EXPOSED), level
    weaker = tmp_path / "acme-milter.service"
    weaker.write_text(re.sub(r"^(NoNewPrivileges|SystemCallFilter|RestrictNamespaces)=.*\n", "", SERVICE.read_text(), flags=re.M))
    assert exposure(weaker, tenths)[0] != 0  # the tool does see a worse one


@pytest.mark.parametrize("name", ["acme-milter.service", "acme-milter.socket"])
def test_systemd_finds_no_fault_in_the_unit(tmp_path, name):
    """With the program and the manual where the unit looks for them."""
    for unit in ("acme-milter.service", "acme-milter.socket"):
        text = (FILES / unit).read_text().replace("/usr/sbin/acme-milter", str(milter.program()))
        (tmp_path / unit).write_text(text)
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "MANPATH": str(tmp_path / "man")}
    for section, page in (("8", "acme-milter.8"), ("5", "acme-milter.conf.5")):
        folder = tmp_path / "man" / f"man{section}"
        folder.mkdir(parents=True)
        (folder / page).write_text((TOP / "doc" / page).read_text())
    code, text = run("systemd-analyze", "verify", tmp_path / name, env=environment)
    ours = [line for line in text.splitlines() if "acme-milter" in line]
    assert code == 0 and ours == [], text


def filtered_calls():
    """The system calls that the unit's SystemCallFilter= lines let pass, as systemd reads them: in order."""
    allowed = set()
    for line in setting("SystemCallFilter"):
        names = line.lstrip("~").split()
        calls = set().union(*(expand(name) for name in names))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed | expand("@default")


def expand(name):
    if not name.startswith("@"):
        return {name}
    code, text = run("systemd-analyze", "syscall-filter", name)
    assert code == 0, text
    words = [line.strip() for line in text.splitlines() if line.startswith("    ") and not line.strip().startswith("#")]
    return set().union(*(expand(word) for word in words))


def test_unit_lets_the_sandbox_be_made_and_used():
    """Each call that the program keeps for itself, and those it enters its sandbox with."""
    source = (TOP / "milter" / "sandbox_seccomp.c").read_text()
    table = re.search(r"allowed\[\] = \{(.*?)\n\};", source, re.S).group(1)
    calls = set(re.findall(r'"(\w+)"', re.sub(r"/\*.*?\*/", "", table, flags=re.S)))
    conditions = re.search(r"conditions\[\] = \{(.*?)\n\};", source, re.S).group(1)
    calls |= set(re.findall(r'\{"(\w+)"', conditions))
    assert {"openat", "accept", "clone", "mprotect"} <= calls
    calls |= {"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "tgkill", "capget",
              "listen", "chown", "chmod", "prlimit64"}
    assert calls - filtered_calls() == set()


def test_service_asks_for_what_the_program_does():
    assert setting("Type") == ["notify"] and setting("NotifyAccess") == ["main"]
    assert setting("ExecStart") == ["/usr/sbin/acme-milter -f"]
    assert int(setting("WatchdogSec")[0].rstrip("s")) >= 30
    assert int(setting("TimeoutStopSec")[0].rstrip("s")) > 30  # the drain
    assert setting("User") == [milter.USER]


def test_sysusers_makes_the_user(tmp_path):
    (tmp_path / "etc").mkdir()
    code, text = run("systemd-sysusers", f"--root={tmp_path}", FILES / "acme-milter.sysusers")
    assert code == 0, text
    line = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("acme-milter:"))
    fields = line.split(":")
    assert 0 < int(fields[2]) < 1000 and fields[6].endswith("nologin")
    assert re.search(rf"^acme-milter:[^:]*:{fields[3]}:", (tmp_path / "etc/group").read_text(), re.M)
    code, _ = run("systemd-sysusers", f"--root={tmp_path}", FILES / "acme-milter.sysusers")
    assert code == 0 and (tmp_path / "etc/passwd").read_text().splitlines().count(line) == 1


def test_tmpfiles_makes_the_folders(tmp_path):
    (tmp_path / "etc").mkdir()
    assert run("systemd-sysusers", f"--root={tmp_path}", FILES / "acme-milter.sysusers")[0] == 0
    code, text = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", FILES / "acme-milter.tmpfiles")
    assert code == 0, text
    passwd = dict((line.split(":")[0], line.split(":")) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    user, group = int(passwd["acme-milter"][2]), int(passwd["acme-milter"][3])
    for name, mode in (("run/acme-milter", 0o755), ("var/lib/acme-milter", 0o750)):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (user, group, mode), name
