# SPDX-License-Identifier: BSD-2-Clause
"""Hosts of a test's own: network namespaces on one switch, which nothing outside can reach. They share files and users."""
import ctypes
import os
import subprocess
import threading

from .milter import Milter, program
from .postfix import Postfix
from .process import Process, wait_for
from .smtp import greets

NETWORK = "198.51.100."  # RFC 5737: for examples
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
PORT = 8891


def _ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


class Hosts:
    """`names` get the addresses NETWORK + 1, 2..."""

    def __init__(self, *names):
        self.addresses = {name: f"{NETWORK}{number}" for number, name in enumerate(names, 1)}
        self._switch = f"am{os.getpid()}"
        self._made = []

    def __enter__(self):
        try:
            self._add(self._switch)
            _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
            _ip("-n", self._switch, "link", "set", "switch", "up")
            for number, (name, address) in enumerate(self.addresses.items()):
                host = self.namespace(name)
                self._add(host)
                _ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", self._switch)
                _ip("-n", self._switch, "link", "set", f"port{number}", "master", "switch", "up")
                _ip("-n", host, "address", "add", f"{address}/24", "dev", "eth0")
                _ip("-n", host, "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add(self, namespace):
        _ip("netns", "add", namespace)
        self._made.append(namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")

    def __exit__(self, *_):
        while self._made:
            _ip("netns", "delete", self._made.pop())

    def namespace(self, name):
        return f"{self._switch}{name}"

    def on(self, name):
        """What a command line begins with to run there; the process keeps its id."""
        return ["ip", "netns", "exec", self.namespace(name)]

    def enter(self, name):
        """The calling thread's new sockets belong to that host from now on."""
        with open(f"/run/netns/{self.namespace(name)}", "rb") as file:
            if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {name}")

    def call(self, name, function, *arguments):
        """function(*arguments) in a thread on that host."""
        got = []

        def run():
            self.enter(name)
            got.append(function(*arguments))
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return got[0]


class HostMilter(Milter):
    def __init__(self, hosts, name, folder, settings):
        super().__init__(folder, settings, name=name)
        self.hosts, self.name = hosts, name
        self.set("Socket", f"inet:{PORT}@{hosts.addresses[name]}")

    def start(self, *options):
        self.write_conf()
        self.process = Process([*self.hosts.on(self.name), program(), "-f", "-c", self.conf, *options], self.folder / "log")
        self.process.wait_until(lambda: b" started version=" in self.log(), "the milter serves")


class HostPostfix(Postfix):
    """Its SMTP port is on the host's own loopback."""

    def __init__(self, hosts, name, *arguments, **how):
        super().__init__(*arguments, name=name, **how)
        self.hosts, self.name = hosts, name

    def start(self):
        self.process = Process([*self.hosts.on(self.name), "postfix", "-c", self.conf, "start-fg"], self.folder / "maillog")
        self.process.wait_until(lambda: self.hosts.call(self.name, greets, self.port), "Postfix greets")


HAPROXY = """\
global
    maxconn 2000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    retries 3
    option redispatch
listen milters
    bind {address}:{port}
    balance leastconn
    {servers}
"""


class HaProxy:
    """Spreads the MTAs' connections over the milters of those hosts."""

    def __init__(self, hosts, name, folder, milters):
        self.folder = folder.sub(name)
        self.hosts, self.name = hosts, name
        servers = "\n    ".join(f"server {each} {hosts.addresses[each]}:{PORT} check inter 500ms" for each in milters)
        (self.folder / "haproxy.cfg").write_text(HAPROXY.format(address=hosts.addresses[name], port=PORT, servers=servers))
        self.process = None

    @property
    def address(self):
        return f"inet:{self.hosts.addresses[self.name]}:{PORT}"

    def start(self):
        self.process = Process([*self.hosts.on(self.name), "haproxy", "-db", "-f", self.folder / "haproxy.cfg"],
                               self.folder / "log")
        wait_for(self.process.running, "HAProxy runs")

    def stop(self):
        return self.process.stop() if self.process else 0
