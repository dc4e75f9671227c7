# SPDX-License-Identifier: BSD-2-Clause
"""The MTA's end of the milter protocol, byte by byte: what Postfix and Sendmail say, and also what neither would.
The letters of commands are in milter_proxy.py. From the milter: c continue, a accept, d discard, r reject, t tempfail,
y an SMTP answer, p progress, h and i and m an added, inserted and changed field, - a removed recipient."""
import socket
import struct

from .milter_proxy import read_packet

ALL_ACTIONS, ALL_STEPS = 0x1ff, 0x1fffff
CHANGE_HEADERS, DELETE_RECIPIENT = 0x10, 0x8
NO_CONNECT, NO_HELO, NO_UNKNOWN, NO_DATA = 0x1, 0x2, 0x100, 0x200
LEADING_BLANK = 0x100000
# The command that each "no reply" bit is about.
NO_REPLY = {"L": 0x80, "C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "U": 0x20000, "N": 0x40000,
            "B": 0x80000}
EDITS = "+-hi2bem"
VERDICTS = "acdrty"
TIMEOUT = 60


class MilterClient:
    """One connection to a path or a (host, port). `version`, `actions` and `steps`: what this MTA offers."""

    def __init__(self, address, version=6, actions=ALL_ACTIONS, steps=ALL_STEPS):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(str(address))
        self.offer = (version, actions, steps)
        self.version = self.actions = self.steps = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def packet(self, letter, data=b""):
        self.raw(struct.pack("!I", 1 + len(data)) + letter.encode() + data)

    def answer(self):
        """(letter, data) of the next answer but for progress. EOFError: the milter hung up."""
        while True:
            letter, data = read_packet(self.socket)
            if letter != "p":
                return letter, data

    def negotiate(self):
        self.packet("O", struct.pack("!III", *self.offer))
        letter, data = self.answer()
        assert letter == "O", (letter, data)
        self.version, self.actions, self.steps = struct.unpack("!III", data[:12])
        return self

    def step(self, letter, data=b""):
        """A command and the letter of its answer; "c" where none is due."""
        self.packet(letter, data)
        return "c" if self.steps & NO_REPLY.get(letter, 0) else self.answer()[0]

    def ask(self, letter, data=b""):
        """As step, with what the answer says."""
        self.packet(letter, data)
        return self.answer()

    def macros(self, letter, **values):
        """Macros that go with a command; a name of more than one letter gets its braces."""
        pairs = [(name if len(name) == 1 else "{%s}" % name, value) for name, value in values.items()]
        self.packet("D", letter.encode() + b"".join(f"{name}\0{value}\0".encode() for name, value in pairs))

    def greet(self, name="mail.acme-lab.net", address="192.0.2.1"):
        family = b"U" if address is None else b"6" if ":" in address else b"4"
        where = b"" if address is None else struct.pack("!H", 25) + address.encode() + b"\0"
        if not self.steps & NO_CONNECT:
            assert self.step("C", name.encode() + b"\0" + family + where) == "c"
        if not self.steps & NO_HELO:
            assert self.step("H", name.encode() + b"\0") == "c"
        return self

    def envelope(self, sender, recipients):
        """MAIL, each RCPT and DATA: the last answer."""
        assert self.step("M", f"<{sender}>\0".encode()) == "c"
        for recipient in recipients:
            assert self.step("R", f"<{recipient}>\0".encode()) == "c"
        return ("c", b"") if self.version < 4 or self.steps & NO_DATA else self.ask("T")

    def header(self, data):
        """The fields of a mail (bytes, CRLF), as an MTA hands them over, and the end of the header."""
        fields = data.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n").replace(b"\n ", b"\0 ").replace(b"\n\t", b"\0\t")
        for field in fields.split(b"\n"):
            name, _, value = field.replace(b"\0", b"\n").partition(b":")
            if not self.steps & LEADING_BLANK:
                value = value.removeprefix(b" ")
            assert self.step("L", name + b"\0" + value + b"\0") == "c"
        assert self.step("N") == "c"

    def body(self, data):
        text = data.partition(b"\r\n\r\n")[2]
        for start in range(0, len(text), 65535):
            assert self.step("B", text[start:start + 65535]) == "c"

    def end(self):
        """(verdict, edits): the letter and data that decided, and before it what is to be changed."""
        self.packet("E")
        edits = []
        while True:
            letter, data = self.answer()
            if letter in VERDICTS:
                return (letter, data), edits
            assert letter in EDITS, (letter, data)
            edits.append((letter, data))

    def mail(self, sender, recipients, data):
        """A whole mail: the letter and data that decided, and the edits."""
        answer = self.envelope(sender, recipients)
        if answer[0] != "c":
            return answer, []
        self.header(data)
        self.body(data)
        return self.end()
