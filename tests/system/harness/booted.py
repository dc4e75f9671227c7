# SPDX-License-Identifier: BSD-2-Clause
"""A Debian of its own with systemd as process 1: the root that contrib/packages has mmdebstrap make, below an overlay
that goes with it, in namespaces and a cgroup of its own. To systemd it is a container (https://systemd.io/CONTAINER_INTERFACE)
with all that it limits services by; the kernel's settings, clock and modules are out of its reach.
"""
import json
import signal
import subprocess
from pathlib import Path

from .process import Process, wait_for

TOP = Path(__file__).resolve().parents[3]
# In a mount namespace: $1 is a folder for all of it, $2 the name of the cgroup. A cgroup namespace begins where its
# first process is.
ENTER = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/cgroup" "$1/upper" "$1/work" "$1/root"
mount -t cgroup2 cgroup2 "$1/cgroup"
own=$1/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/$2
mkdir "$own"
echo $$ >"$own/cgroup.procs"
exec unshare --pid --fork --kill-child --cgroup --ipc --uts --mount sh -c "$BOOT" sh "$@"
"""
# $3 is the Debian, the rest are pairs HERE=THERE of what it shares with this host.
BOOT = """
set -e
root=$1/root
mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
shift 3
for pair; do
    mkdir -p "$root${pair#*=}"
    mount --bind "${pair%%=*}" "$root${pair#*=}"
done
cd "$root"
mkdir -p .before
pivot_root . .before
umount -l /.before
rmdir /.before
cd /
touch /run/set-up
exec env -i container=acme-milter-test PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv \
    --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog,-mac_admin,-mac_override \
    /lib/systemd/systemd systemd.log_target=journal-or-kmsg
"""
REMOVE_CGROUP = """
mount -t cgroup2 cgroup2 "$1"
find "$1$(sed -n s/^0:://p /proc/self/cgroup)/$2" -depth -type d -exec rmdir {} \\;
"""


class NotAllowed(Exception):
    """This host does not let us make the namespaces, mounts or cgroups."""


def debian():
    """The folder with it, made now unless contrib/run-tests did it."""
    script = '. "$1"/contrib/packages && packages_root "$HOST_ROOT" $HOST_PACKAGES >&2 && echo "$HOST_ROOT"'
    done = subprocess.run(["sh", "-c", script, "sh", TOP], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=600)
    if done.returncode != 0:
        raise RuntimeError("There is no Debian to boot: contrib/run-tests makes it in its first step, which needs the "
                           f"network once. {done.stderr.strip()}")
    return done.stdout.strip()


class Booted:
    """`start_by` is what its command line begins with, such as hosts.on(); `shared`: {folder here: where it is there}."""

    def __init__(self, folder, name, start_by, shared):
        self.folder, self.cgroup, self.init = folder.sub(name), f"{folder.path.name}-{name}", None
        pairs = [f"{here}={there}" for here, there in shared.items()]
        argv = ["unshare", "--mount", "sh", "-c", f"BOOT='{BOOT}'\n{ENTER}", "sh", self.folder, self.cgroup, debian(), *pairs]
        self.process = Process([*start_by, *argv], folder.path / f"{name}.log")
        try:
            self._wait_for_systemd()
        except BaseException:
            self.stop()
            raise

    def _wait_for_systemd(self):
        wait_for(lambda: not self.process.running() or self._is_set_up(), "the namespaces are there")
        if not self.process.running():
            raise NotAllowed(self.process.text().strip().partition("\n")[0])
        self.process.wait_until(lambda: self.try_to_run("systemctl is-system-running")[1].strip() in ("running", "degraded"),
                                "systemd has booted", 60)
        assert self.try_to_run("systemctl --failed --no-legend") == (0, "")

    def _is_set_up(self):
        try:
            self.init = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])
            return Path(f"/proc/{self.init}/comm").read_text() == "systemd\n" and self.path("/run/set-up").exists()
        except (OSError, IndexError):
            return False

    def path(self, inside):
        """Where a file of it is to be seen from here."""
        return Path(f"/proc/{self.init}/root{inside}")

    def try_to_run(self, text):
        """A line of bash, as its administrator types it: exit status, standard output and error."""
        argv = ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
                "bash", "-c", text]
        done = subprocess.run(argv, env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                         "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=120, check=False)
        return done.returncode, done.stdout

    def run(self, text, code=0):
        found, said = self.try_to_run(text)
        assert found == code, f"{text}: {found}\n{said[-6000:]}"
        return said

    def write(self, inside, text):
        self.path(inside).parent.mkdir(parents=True, exist_ok=True)
        self.path(inside).write_text(text)

    def show(self, unit, *names):
        """What systemd says of these properties of a unit, as a dict."""
        said = self.run(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in names))
        return dict(line.split("=", 1) for line in said.splitlines())

    def journal(self, *matches):
        """Its entries with FIELD=value, as dicts."""
        said = self.run("journalctl -o json -q --all " + " ".join(matches) + " || true")
        return [json.loads(line) for line in said.splitlines()]

    def host_pid(self, pid):
        """The id here of a process that has that one there."""
        for path in Path("/proc").glob("[0-9]*/status"):
            try:
                ids = next(line for line in path.read_text().splitlines() if line.startswith("NSpid:")).split()[1:]
                same = path.parent.joinpath("ns/pid").readlink() == Path(f"/proc/{self.init}/ns/pid").readlink()
            except (OSError, StopIteration):
                continue
            if same and ids[-1] == str(pid):
                return int(path.parent.name)
        raise ProcessLookupError(pid)

    def stop(self):
        """With its process 1 all others of a pid namespace end."""
        self.process.stop(signal.SIGKILL)
        wait_for(lambda: not self.init or not Path(f"/proc/{self.init}").exists(), "its processes are gone")
        subprocess.run(["unshare", "--mount", "sh", "-c", REMOVE_CGROUP, "sh", self.folder, self.cgroup], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
