# SPDX-License-Identifier: BSD-2-Clause
"""A DNS of our own on loopback: Knot DNS with a root zone of its own, so that a validating resolver which is
pointed at it finds every proof it wants, and an honest NXDOMAIN for everything else.

  .               signed; its key is the trust anchor
  SIGNED          delegated with its DS: answers are secure
  UNSIGNED        delegated without DS: answers are insecure
  BOGUS           signed, but its DS is of another key: validation fails

A resolver given this server as a forwarder needs nothing else (no recursion takes place: all zones are here).
The names are ordinary ones on purpose: unbound answers .test, .invalid and the like by itself.
"""
import random
import re
import signal
import socket
import subprocess

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from .process import Process, free_port, wait_for

SIGNED = "signed.acme-lab.net"
UNSIGNED = "plain.acme-lab.net"
BOGUS = "bogus.acme-lab.net"
ZONES = (SIGNED, UNSIGNED, BOGUS)


def txt_chunks(text):
    """A TXT record's data: strings of at most 255 bytes (RFC 1035 3.3.14), quoted."""
    pieces = [text[start:start + 255] for start in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


def knot_server(folder, listen):
    """The beginning of a knot.conf: a small server whose files are all in that folder."""
    (folder / "db").mkdir()
    return f"""\
server:
    listen: [{listen}]
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
control:
    listen: "{folder}/knot.sock"
database:
    storage: "{folder}/db"
log:
  - target: stderr
    any: info
"""


class DnsServer:
    def __init__(self, folder):
        self.folder = folder.sub("dns")
        self.port = free_port((socket.SOCK_STREAM, socket.SOCK_DGRAM))
        # For programs that know no port but 53: a loopback address that nobody else has.
        self.host = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        self.records = {zone: [] for zone in ZONES}
        self.serial = 1
        self.process = None
        self.trust_anchor = self.folder / "trust-anchor"
        self.conf = self.folder / "knot.conf"
        self._configure()

    @property
    def address(self):
        """As the milter's Nameservers and unbound write it."""
        return f"127.0.0.1@{self.port}"

    def _zone_of(self, name):
        name = name.rstrip(".").lower()
        for zone in ZONES:
            if name == zone or name.endswith("." + zone):
                return zone
        raise ValueError(f"{name} is in no zone of this server: {ZONES}")

    def add(self, name, text, kind="TXT"):
        """Publish a record; takes effect at start() or reload()."""
        data = txt_chunks(text) if kind == "TXT" else text
        self.records[self._zone_of(name)].append(f"{name.rstrip('.')}. 60 {kind} {data}")

    def remove(self, name):
        zone = self._zone_of(name)
        prefix = name.rstrip(".") + ". "
        self.records[zone] = [line for line in self.records[zone] if not line.startswith(prefix)]

    def _configure(self):
        zones = "".join(
            f'  - domain: "{zone}"\n    file: "{self._zone_file(zone)}"\n'
            f"    dnssec-signing: {'off' if zone == UNSIGNED else 'on'}\n" for zone in (".",) + ZONES)
        self.conf.write_text(knot_server(self.folder, f"127.0.0.1@{self.port}, {self.host}@53") + f"""\
policy:
  - id: by-hand
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    storage: "{self.folder}"
    dnssec-policy: by-hand
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
    semantic-checks: off
zone:
{zones}""")
        # The keys are made before the server runs: a parent's zone file needs the DS of its child.
        for zone in (".", SIGNED, BOGUS):
            self._keymgr(zone, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
        self.trust_anchor.write_text(self._ds("."))
        self.trust_anchor.chmod(0o644)

    def _keymgr(self, zone, *command):
        return subprocess.run(["keymgr", "-c", self.conf, zone, *command], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def _ds(self, zone):
        """The SHA-256 one of the DS records that keymgr offers."""
        name = "." if zone == "." else re.escape(zone) + r"\."
        return re.search(rf"^{name} DS \d+ 13 2 [0-9A-Fa-f]+$", self._keymgr(zone, "ds"), re.M).group(0) + "\n"

    def _zone_file(self, zone):
        return self.folder / ("root.zone" if zone == "." else zone + ".zone")

    def _write_zones(self):
        for zone in (".",) + ZONES:
            apex = "." if zone == "." else zone + "."
            lines = [f"{apex} 60 SOA ns.{ZONES[0]}. hostmaster.{ZONES[0]}. {self.serial} 3600 600 86400 1",
                     f"{apex} 60 NS ns.{ZONES[0]}."]
            if zone == ".":
                for child in ZONES:
                    lines.append(f"{child}. 60 NS ns.{ZONES[0]}.")
                lines.append("ns." + ZONES[0] + ". 60 A 127.0.0.1")
                for child in (SIGNED, BOGUS):
                    record = self._ds(child).strip()
                    if child == BOGUS:
                        head, digest = record.rsplit(" ", 1)
                        record = head + " " + ("0" if digest[0] != "0" else "1") + digest[1:]
                    lines.append(record.replace(" DS ", " 60 DS ", 1))
            else:
                lines += self.records[zone]
                if zone == ZONES[0]:
                    lines.append(f"ns.{zone}. 60 A 127.0.0.1")
            self._zone_file(zone).write_text("\n".join(lines) + "\n")

    def start(self):
        self._write_zones()
        self.process = Process(["knotd", "-c", self.conf], self.folder / "knot.log")
        self.process.wait_until(self._serving, "the DNS server serves its zones signed")

    def _query(self, name, kind):
        query = dns.message.make_query(name, kind, want_dnssec=True)
        try:
            return dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=2)
        except (OSError, EOFError, dns.exception.DNSException):
            return None

    def _serving(self):
        for zone in (".",) + ZONES:
            answer = self._query(zone, "SOA")
            if answer is None or not answer.answer:
                return False
            signatures = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.RRSIG]
            if zone != UNSIGNED and not signatures:
                return False
        return True

    def _serial_served(self, zone):
        answer = self._query(zone, "SOA")
        return answer.answer[0][0].serial if answer and answer.answer else None

    def reload(self):
        """Serve what was added or removed since the start. Resolvers may still hold old answers: names that a test
        changes should be its own."""
        changed = {zone: self._serial_served(zone) for zone in ZONES}
        before = {zone: self._zone_file(zone).read_text() for zone in ZONES}
        self._write_zones()
        self.process.send(signal.SIGHUP)
        for zone in ZONES:
            if self._zone_file(zone).read_text() != before[zone]:
                wait_for(lambda: self._serial_served(zone) not in (None, changed[zone]), f"{zone} is served anew")

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def pause(self):
        """Leave it there but silent: who asks waits until the own deadline."""
        self.process.send(signal.SIGSTOP)

    def resume(self):
        self.process.send(signal.SIGCONT)
