# SPDX-License-Identifier: BSD-2-Clause
"""What all of the programs under measurement share: one folder, one DNS, one ACME server that costs next to nothing."""
import ctypes
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from harness.dns import knot_server, txt_chunks  # noqa: E402
from harness.process import Folder, Process, unix_socket_answers  # noqa: E402

DNS_ADDRESS = "127.0.0.1"
SLOW_MS = 4000
START_SECONDS = 300  # rspamd takes half a minute on a busy machine
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000


def enter_own_network():
    """A network of this run's own: its loopback has nobody else on it, port 53 is free, and resolv.conf names it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: the benchmarks are run by root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Lab:
    def __init__(self, build):
        self.build = Path(build).resolve()
        self.folder = Folder("bench")
        self.processes = []
        self.endpoint_socket = self.folder.path / "endpoint.sock"

    def start(self, argv, name, ready, **popen):
        process = Process(argv, self.folder.path / f"{name}.log", **popen)
        self.processes.append(process)
        process.wait_until(ready, f"{name} is ready", START_SECONDS)
        return process

    def start_on_socket(self, argv, name, socket, **popen):
        return self.start(argv, name, lambda: unix_socket_answers(socket), **popen)

    def tool(self, name):
        return self.build / "tests" / "bench" / name

    def start_endpoint(self):
        self.start_on_socket([self.tool("endpoint_sink"), self.endpoint_socket, SLOW_MS], "endpoint", self.endpoint_socket)

    def start_dns(self, records):
        """Knot with the records in its root zone, behind unbound, which caches them: `records` maps names to TXT."""
        folder = self.folder.sub("dns")
        lines = [". 86400 SOA ns.example. hostmaster.example. 1 3600 600 86400 60", ". 86400 NS ns.example.",
                 "ns.example. 86400 A 127.0.0.1"]
        lines += [f"{name}. {0 if name.startswith('uncached') else 86400} TXT {txt_chunks(text)}"
                  for name, text in records.items()]
        (folder / "root.zone").write_text("\n".join(lines) + "\n")
        (folder / "knot.conf").write_text(knot_server(folder, "127.0.0.2@53") + KNOT.format(folder=folder))
        self.start(["knotd", "-c", folder / "knot.conf"], "knot", lambda: _answers("127.0.0.2"))
        (folder / "unbound.conf").write_text(UNBOUND.format(folder=folder))
        self.start(["unbound", "-d", "-p", "-c", folder / "unbound.conf"], "unbound", lambda: _answers(DNS_ADDRESS))
        resolv = folder / "resolv.conf"
        resolv.write_text(f"nameserver {DNS_ADDRESS}\n")
        subprocess.run(["mount", "--bind", resolv, os.path.realpath("/etc/resolv.conf")], check=True)

    def start_slow_dns(self, address):
        self.start(["/usr/bin/python3", HERE / "slow_dns.py", address, SLOW_MS], "slow-dns", lambda: _is_bound(address))

    def stop(self, process):
        self.processes.remove(process)
        process.stop()

    def dns_questions(self):
        """How many the resolver was asked so far."""
        out = subprocess.run(["unbound-control", "-c", self.folder.path / "dns" / "unbound.conf", "stats_noreset"],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
        return int(re.search(r"^total\.num\.queries=(\d+)", out, re.M).group(1))

    def close(self):
        for process in reversed(self.processes):
            try:
                process.stop()
            except RuntimeError as error:
                print(error, file=sys.stderr)
        self.folder.remove()


def _is_bound(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 53))
        except OSError:
            return True
    return False


def _answers(address):
    done = subprocess.run(["kdig", "+short", "+timeout=1", f"@{address}", "ns.example", "A"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return "127.0.0.1" in done.stdout


def children(pid):
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            started = (task / "children").read_text().split()
        except FileNotFoundError:  # a thread that ended meanwhile
            continue
        for child in started:
            found += children(int(child))
    return found


def memory_kb(pids, what="VmRSS"):
    total = 0
    for pid in pids:
        total += int(re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M).group(1))
    return total


KNOT = """\
zone:
  - domain: "."
    file: "{folder}/root.zone"
    semantic-checks: off
    zonefile-sync: -1
"""

UNBOUND = """\
server:
    interface: 127.0.0.1
    port: 53
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    do-not-query-localhost: no
    module-config: "iterator"
    num-threads: 1
    so-reuseport: no
    qname-minimisation: no
    statistics-cumulative: yes
remote-control:
    control-enable: yes
    control-interface: "{folder}/unbound.sock"
    control-use-cert: no
stub-zone:
    name: "."
    stub-addr: 127.0.0.2@53
"""
