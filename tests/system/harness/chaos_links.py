# SPDX-License-Identifier: BSD-2-Clause
"""What stands between a milter and its ACME server, and between it and its DNS, and damages what passes as long as a fault
is set. A fault is one of the names below; None lets everything pass."""
import random
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from .dns import txt_chunks
from .endpoints import Endpoint, read_message
from .process import free_port

# Answers of no server that understood the request: none of them decides about a reply. The first ones end too early.
HALF_ANSWERS = (b"", b"H", b"HTTP/1.1 2", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le",
                b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"status\"", b"HTTP/1.1 404 Not Found\r\nConte",
                b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\nContent-Length: 90\r\n\r\n{\"detail\": \"go",
                b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"detail\"")
LIES = (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 302 Found\r\nLocation: /email-reply\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n\r\n", b"220 mx.acme-lab.net ESMTP\r\n", b"\0" * 512)


class AcmeLink(Endpoint):
    """refused: closes at once; silent: takes the request and says nothing; lost, cut: the server has it, and its answer is
    dropped, or ends somewhere in its middle; half, lies: the server never sees it."""

    def __init__(self, path, socket_behind, seed):
        self.behind, self.chance = str(socket_behind), random.Random(seed)
        self.fault, self.damaged = None, 0
        self.is_over = threading.Event()
        super().__init__(path)

    def set(self, fault):
        """Whom the fault before kept waiting is let go."""
        self.is_over.set()
        self.is_over = threading.Event()
        self.fault = fault

    def serve(self, connection):
        try:
            while self.fault != "refused" and (request := read_message(connection)):
                if not self._answer(connection, request):
                    break
        except OSError:
            pass  # the milter or the ACME server was killed
        finally:
            self.damaged += self.fault == "refused"

    def _answer(self, connection, request):
        """Whether the connection goes on."""
        fault, is_over = self.fault, self.is_over
        self.damaged += fault is not None
        if fault == "silent":
            is_over.wait()
            return False
        if fault in ("half", "lies"):
            connection.sendall(self.chance.choice(HALF_ANSWERS if fault == "half" else LIES))
            return False
        answer = self._forward(request)
        if fault in ("lost", "cut"):
            connection.sendall(answer[:self.chance.randrange(len(answer))] if answer and fault == "cut" else b"")
            return False
        connection.sendall(answer)
        return bool(answer)

    def _forward(self, request):
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.behind)
            server.sendall(request)
            return read_message(server)


class DnsLink:
    """silent: no answer; failing: SERVFAIL, or REFUSED; short: UDP says truncated and TCP closes; broken: bytes of the answer
    are missing; lies: a key of a stranger's, or no such name, and no proof of it. What is not protected by DNSSEC (`unsigned`,
    the end of a name) is never lied about: nobody could tell."""

    def __init__(self, port_behind, unsigned, stranger, seed):
        self.behind, self.unsigned, self.stranger = ("127.0.0.1", port_behind), unsigned, stranger
        self.chance = random.Random(seed)
        self.fault, self.damaged = None, 0
        self.port = free_port((socket.SOCK_STREAM, socket.SOCK_DGRAM))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.udp.bind(("127.0.0.1", self.port))

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def set(self, fault):
        self.fault = fault

    def __enter__(self):
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for each in (self.udp, self.tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # an unconnected UDP socket says so, and wakes up all the same
            each.close()

    def _serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            threading.Thread(target=self._answer_udp, args=(data, peer), daemon=True).start()

    def _serve_tcp(self):
        while True:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_tcp, args=(stream,), daemon=True).start()

    def _answer_udp(self, data, peer):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.settimeout(10)
                server.connect(self.behind)

                def ask():
                    server.send(data)
                    return server.recv(65535)
                answer = self._damage(data, ask, False)
            if answer:
                self.udp.sendto(answer, peer)
        except OSError:
            pass  # the DNS is silent, or all has ended

    def _answer_tcp(self, stream):
        try:
            with stream, stream.makefile("rb") as file, socket.create_connection(self.behind, 10) as server, \
                    server.makefile("rb") as answers:
                while len(head := file.read(2)) == 2:
                    data = file.read(int.from_bytes(head, "big"))

                    def ask(question=head + data):
                        server.sendall(question)
                        return answers.read(int.from_bytes(answers.read(2), "big"))
                    answer = self._damage(data, ask, True)
                    if not answer:
                        return
                    stream.sendall(len(answer).to_bytes(2, "big") + answer)
        except OSError:
            pass

    def _damage(self, data, ask, is_tcp):
        """The answer's bytes, or None."""
        fault = self.fault
        if fault is None:
            return ask()
        self.damaged += 1
        if fault == "silent":
            return None
        query = dns.message.from_wire(data)
        if fault in ("broken", "lies") and query.question[0].name.to_text().rstrip(".").endswith(self.unsigned):
            fault = "failing"
        return getattr(self, f"_{fault}")(query, ask, is_tcp)

    def _failing(self, query, _ask, _is_tcp):
        answer = dns.message.make_response(query, recursion_available=True)
        answer.set_rcode(self.chance.choice((dns.rcode.SERVFAIL, dns.rcode.REFUSED)))
        return answer.to_wire()

    @staticmethod
    def _short(query, _ask, is_tcp):
        answer = dns.message.make_response(query, recursion_available=True)
        answer.flags |= dns.flags.TC
        return None if is_tcp else answer.to_wire()

    def _broken(self, _query, ask, _is_tcp):
        whole = ask()
        return whole[:self.chance.randrange(2, len(whole))]

    def _lies(self, query, _ask, _is_tcp):
        answer = dns.message.make_response(query, recursion_available=True)
        answer.flags |= dns.flags.AD | dns.flags.AA
        question = query.question[0]
        if question.rdtype == dns.rdatatype.TXT and self.chance.random() < 0.5:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", txt_chunks(self.stranger)))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()
