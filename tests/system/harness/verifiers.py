# SPDX-License-Identifier: BSD-2-Clause
"""Other programs that verify DKIM, each asked about one mail with the DNS of its case (as acme-milter -D reads it)."""
import http.client
import json
import re
import shutil
import socket
import subprocess

from .dns import knot_server, txt_chunks
from .process import Process, free_port

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read_records(path):
    """{name: [text, ...]}, or None if the case is about more than TXT records."""
    records = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, kind, *rest = line.split(None, 2)
            if kind != "TXT" or not rest or "\\" in rest[0]:
                return None
            records.setdefault(name.rstrip(".").lower(), []).append("".join(QUOTED.findall(rest[0])))
    return records


class CaseDns:
    """Knot DNS with nothing but the records of one case in its root zone, which use() changes."""

    def __init__(self, folder):
        self.folder, self.port, self.serial = folder.sub("case-dns"), free_port((socket.SOCK_STREAM, socket.SOCK_DGRAM)), 0
        self.conf, self.zone = self.folder / "knot.conf", self.folder / "root.zone"
        self.conf.write_text(knot_server(self.folder, f"127.0.0.1@{self.port}") + f"""\
zone:
  - domain: "."
    file: "{self.zone}"
    zonefile-sync: -1
    zonefile-load: whole
    semantic-checks: off
""")
        self._write({})
        self.process = Process(["knotd", "-c", self.conf], self.folder / "log")
        self.process.wait_until(lambda: self._control("zone-status", "."), "the DNS server of the cases is up")

    def _control(self, *command):
        done = subprocess.run(["knotc", "-b", "-c", self.conf, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode == 0 and done.stdout

    def _write(self, records):
        self.serial += 1
        lines = [f". 1 SOA ns.example. hostmaster.example. {self.serial} 3600 600 86400 1", ". 1 NS ns.example.",
                 "ns.example. 1 A 127.0.0.1"]
        lines += [f"{name}. 1 TXT {txt_chunks(text)}" for name, texts in records.items() for text in texts]
        self.zone.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def use(self, records):
        self._write(records)
        if not self._control("zone-reload", "."):
            raise RuntimeError("knotc zone-reload: " + self.process.text()[-1000:])

    def stop(self):
        self.process.stop()


class Rspamd:
    """rspamd with its DKIM module only. It keeps no key: each mail comes with DNS of its own."""

    def __init__(self, folder, dns_port):
        self.folder, self.port = folder.sub("rspamd", user="_rspamd"), free_port()
        (self.folder / "suffixes").write_text("example\ncom\nnet\n")
        conf = self.folder / "rspamd.conf"
        conf.write_text(f"""\
options {{
    pidfile = "{self.folder}/pid"; rundir = "{self.folder}"; temp_dir = "{self.folder}"; cores_dir = "{self.folder}";
    hs_cache_dir = "{self.folder}"; control_socket = "{self.folder}/control mode=0600";
    url_tld = "{self.folder}/suffixes"; filters = "dkim"; local_addrs = [];
    dns {{ nameserver = ["127.0.0.1:{dns_port}"]; timeout = 5s; retransmits = 2; }}
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{self.port}"; count = 1; mime = true; }}
dkim {{ dkim_cache_size = 0; trusted_only = false; skip_multi = false; max_sigs = 50; check_local = true; }}
metric "default" {{ actions {{ reject = 1000; }} }}
""")
        self.process = Process(["rspamd", "-i", "-f", "-c", conf, "-u", "_rspamd", "-g", "_rspamd"], self.folder / "log")
        self.process.wait_until(self._is_listening, "rspamd listens")

    def _is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def verify(self, mail):
        """{domain: "pass"} for each domain with a signature that passes, else another word."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/checkv2", mail, {"From": "alice@example.com", "IP": "192.0.2.1", "Rcpt": "acme@ca.example"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        words = {"+": "pass", "-": "fail", "?": "temperror", "~": "permerror"}
        found = {}
        for option in answer["symbols"].get("DKIM_TRACE", {}).get("options", []):
            domain, mark = option.rsplit(":", 1)
            if found.get(domain.lower()) != "pass":
                found[domain.lower()] = words.get(mark, mark)
        return found

    def stop(self):
        self.process.stop()


def opendkim_verify(folder, mail_path, records, now):
    """As Rspamd.verify; now: the time it is told that it is."""
    data, conf = folder / "opendkim-dns", folder / "opendkim.conf"
    data.write_text("".join(f"{name} {texts[-1]}\n" for name, texts in records.items()), encoding="utf-8")
    conf.write_text(f"Mode v\nSyslog no\nTestDNSData file:{data}\nMinimumKeyBits 1024\n")
    done = subprocess.run(["faketime", f"@{now}", "opendkim", "-v", "-v", "-x", conf, "-t", mail_path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=30)
    found = {}
    for word, domain in re.findall(r"dkim=(\w+)[^;]*?header\.d=([^\s;]+)", done.stdout):
        if found.get(domain.lower()) != "pass":
            found[domain.lower()] = word
    return found


def missing():
    return [name for name in ("rspamd", "opendkim", "faketime", "knotd", "knotc") if shutil.which(name) is None]
