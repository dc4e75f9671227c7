# SPDX-License-Identifier: BSD-2-Clause
"""Stands between an MTA and a milter and counts what passes, to prove what a milter was never sent.

The milter protocol is packets of a 4-byte length, a command letter and data, in both directions.
From the MTA: O negotiate, D macros, C connect, H helo, M mail, R recipient, T data, L header, N end of header,
B body, E end of message, A abort, Q quit, K quit this message stream, U unknown."""
import collections
import os
import socket
import struct
import threading

MAX_PACKET = 2 * 1024 * 1024


def _read(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_packet(connection):
    (size,) = struct.unpack("!I", _read(connection, 4))
    if not 1 <= size <= MAX_PACKET:
        raise ValueError(f"a milter packet of {size} bytes")
    data = _read(connection, size)
    return data[:1].decode("latin-1"), data[1:]


class Message:
    """What crossed the socket for one mail, from its MAIL on."""

    def __init__(self):
        self.from_mta = collections.Counter()
        self.from_milter = collections.Counter()
        self.recipients = []
        self.bytes_from_mta = 0


class MilterProxy:
    def __init__(self, socket_path, milter_socket):
        self.path = str(socket_path)
        self.milter_socket = str(milter_socket)
        self.messages = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)

    @property
    def address(self):
        return f"unix:{self.path}"

    def start(self):
        self._listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        current = {"message": None}
        with client, socket.socket(socket.AF_UNIX) as milter:
            try:
                milter.connect(self.milter_socket)
            except OSError:
                return
            back = threading.Thread(target=self._pump, args=(milter, client, current, False), daemon=True)
            back.start()
            self._pump(client, milter, current, True)
            back.join()

    def _pump(self, source, target, current, from_mta):
        try:
            while True:
                letter, data = read_packet(source)
                self._count(current, letter, data, from_mta)
                target.sendall(struct.pack("!I", 1 + len(data)) + letter.encode("latin-1") + data)
        except (EOFError, OSError):
            pass
        finally:
            try:
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def _count(self, current, letter, data, from_mta):
        with self._lock:
            # A mail begins with the macros of MAIL: the command itself does not come if the milter does not want it.
            if from_mta and letter == "D" and data[:1] == b"M":
                current["message"] = Message()
                self.messages.append(current["message"])
            message = current["message"]
            if message is None:
                return
            if from_mta:
                message.from_mta[letter] += 1
                message.bytes_from_mta += len(data) + 5
                if letter == "R":
                    message.recipients.append(data.split(b"\0")[0].decode("latin-1").strip("<>"))
            else:
                message.from_milter[letter] += 1

    def messages_to(self, recipient):
        with self._lock:
            return [message for message in self.messages if recipient in message.recipients]
