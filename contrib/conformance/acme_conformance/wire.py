# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/1.1 to the endpoint, as the milter speaks it: over a UNIX socket or TLS."""
import dataclasses
import http.client
import re
import socket
import ssl
from urllib.parse import urlsplit

ANSWER_MAX_BYTES = 1024 * 1024
TAKEN = (200, 201, 202, 204)
CREDENTIALS = (401, 403, 407)
NOT_NOW = (408, 421, 425, 429)


class BadEndpoint(Exception):
    """The text says what is wrong with the endpoint as it was given."""


@dataclasses.dataclass
class Answer:
    """status 0: there was none, and `body` says why."""
    status: int
    body: bytes = b""
    kind: str = ""
    closes: bool = True

    def __str__(self):
        if self.status == 0:
            return "no answer: " + self.body.decode("utf-8", "replace")
        return str(self.status)

    @property
    def is_taken(self):
        return self.status in TAKEN

    @property
    def is_refused(self):
        """The sender's MTA is told 550: nobody tries again."""
        return 400 <= self.status < 500 and self.status not in CREDENTIALS + NOT_NOW

    @property
    def is_client_error(self):
        return 400 <= self.status < 500


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Endpoint:
    """`http://unix:SOCKET:/PATH` or `https://HOST[:PORT]/PATH`."""

    def __init__(self, url, timeout, ca_file=None, certificate_file=None, key_file=None):
        self.timeout = timeout
        self.socket_path = self.host = self.tls = None
        unix = re.fullmatch(r"http://unix:(.+?):(/[!-~]*)", url)
        if unix:
            self.socket_path, self.path = unix.groups()
            return
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise BadEndpoint("http://unix:SOCKET:/PATH or https://HOST[:PORT]/PATH is wanted")
        self.host, self.path = (parts.hostname, parts.port or 443), parts.path or "/"
        self.tls = ssl.create_default_context(cafile=ca_file)
        if certificate_file:
            self.tls.load_cert_chain(certificate_file, key_file)

    def connection(self):
        if self.socket_path:
            return UnixConnection(self.socket_path, self.timeout)
        return http.client.HTTPSConnection(*self.host, timeout=self.timeout, context=self.tls)

    def request(self, body, fields, method="POST", connection=None):
        """One request; on a connection of its own unless one is given, which is then left open."""
        used = connection or self.connection()
        try:
            try:
                used.request(method, self.path, body, fields)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it answered before it had read all of that; a refused connection is another error
            response = used.getresponse()
            text = response.read(ANSWER_MAX_BYTES)
            return Answer(response.status, text, response.getheader("Content-Type") or "", response.will_close)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, f"{type(error).__name__}: {error}".encode())
        finally:
            if connection is None:
                used.close()

    def reach(self):
        """Raises OSError where nobody listens."""
        connection = self.connection()
        connection.connect()
        connection.close()
