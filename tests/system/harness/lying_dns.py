# SPDX-License-Identifier: BSD-2-Clause
"""A name server on loopback that can say anything: right, late, cut, forged or broken answers, each made by a function
that a test gives for a name. What nobody gave a function for is answered as an honest signed zone would: there is no such
record, and here is the proof (RFC 4470). The zone's own key is the trust anchor, so nothing else is needed to validate."""
import socket
import struct
import threading
import time

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec

from .dns import txt_chunks
from .process import free_port

ORIGIN = dns.name.from_text("lies.acme-lab.net.")
TTL = 60
DAY = 86400


class Signer:
    def __init__(self, origin=ORIGIN):
        self.origin = origin
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.key = dns.dnssec.make_dnskey(self.private.public_key(), dns.dnssec.ECDSAP256SHA256, flags=257)

    def sign(self, rrset, begin=-DAY, end=DAY):
        """rrset and its signature, valid from and to seconds from now."""
        now = int(time.time())
        signature = dns.dnssec.sign(rrset, self.private, self.origin, self.key, inception=now + begin, expiration=now + end)
        return [rrset, dns.rrset.from_rdata(rrset.name, TTL, signature)]

    def ds(self):
        return dns.dnssec.make_ds(self.origin, self.key, "SHA256")


def rrset(name, kind, *data):
    return dns.rrset.from_text(name, TTL, "IN", kind, *data)


def txt(name, text):
    return rrset(name, "TXT", txt_chunks(text))


def answer(query, *answers, authority=(), rcode=dns.rcode.NOERROR, flags=0):
    """A message; answers and authority are lists of rrsets."""
    message = dns.message.make_response(query, recursion_available=True)
    message.flags |= flags
    message.set_rcode(rcode)
    for section, groups in ((message.answer, answers), (message.authority, authority)):
        for group in groups:
            section.extend(group if isinstance(group, list) else [group])
    return message


class LyingDns:
    """says(name, maker): maker(query, is_tcp) gives a message, its bytes, several of them in a list, or None for silence."""

    def __init__(self, folder):
        self.signer = Signer()
        self.makers = {}
        self.asked = []
        self.port = free_port((socket.SOCK_STREAM, socket.SOCK_DGRAM))
        self.trust_anchor = folder.path / "lies-anchor"
        self.trust_anchor.write_text(f"{ORIGIN} IN DS {self.signer.ds().to_text()}\n")
        self.trust_anchor.chmod(0o644)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.no_tcp = set()

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def says(self, name, maker, kind="TXT"):
        self.makers[(dns.name.from_text(name), dns.rdatatype.from_text(kind))] = maker

    def start(self):
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp.bind(("127.0.0.1", self.port))
        self.tcp.listen(64)
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def stop(self):
        for each in (self.udp, self.tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # an unconnected UDP socket says so, and wakes up all the same
            each.close()

    def denial(self, query):
        """No such record, with a signed proof; the name itself exists."""
        name = query.question[0].name
        soa = rrset(ORIGIN, "SOA", f"ns.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 86400 60")
        nsec = rrset(name, "NSEC", f"{dns.name.Name((bytes([0]),) + name.labels)} RRSIG NSEC")
        return answer(query, authority=[self.signer.sign(soa), self.signer.sign(nsec)])

    def _honest(self, query):
        question = query.question[0]
        if question.name == ORIGIN and question.rdtype == dns.rdatatype.DNSKEY:
            return answer(query, self.signer.sign(dns.rrset.from_rdata(ORIGIN, TTL, self.signer.key)))
        return self.denial(query)

    def _answers(self, data, is_tcp):
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((question.name, is_tcp))
        maker = self.makers.get((question.name, question.rdtype))
        made = maker(query, is_tcp) if maker else self._honest(query)
        for each in made if isinstance(made, list) else [made]:
            if each is not None:
                yield each if isinstance(each, bytes) else each.to_wire(max_size=65535)

    def _serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            threading.Thread(target=self._answer_udp, args=(data, peer), daemon=True).start()

    def _answer_udp(self, data, peer):
        try:
            for each in self._answers(data, False):
                self.udp.sendto(each, peer)
        except (OSError, dns.exception.DNSException):
            pass  # stopped meanwhile, or what came is no question

    def _serve_tcp(self):
        while True:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_tcp, args=(stream,), daemon=True).start()

    def _answer_tcp(self, stream):
        with stream, stream.makefile("rb") as file:
            while len(head := file.read(2)) == 2:
                data = file.read(struct.unpack("!H", head)[0])
                if dns.message.from_wire(data).question[0].name in self.no_tcp:
                    return
                for each in self._answers(data, True):
                    stream.sendall(struct.pack("!H", len(each)) + each)
