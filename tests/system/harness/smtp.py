# SPDX-License-Identifier: BSD-2-Clause
"""A sender's MTA: one mail, and what the server said to it."""
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field


@dataclass
class Answer:
    """The answer that decided: that to the data, or to an earlier command if it was refused there."""
    code: int
    enhanced: str
    text: str
    stage: str
    recipients: dict = field(default_factory=dict)

    def __str__(self):
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


def _answer(stage, reply, recipients=None):
    code, text = reply
    text = text.decode("ascii", "backslashreplace").replace("\n", " ")
    match = re.match(r"([245]\.\d{1,3}\.\d{1,3}) ?(.*)", text, re.S)
    return Answer(code, match.group(1) if match else "", match.group(2) if match else text, stage, recipients or {})


def send(port, sender, recipients, data, helo="mail.acme-lab.net", connection=None, timeout=120, options=""):
    """Send `data` (bytes, CRLF) and return the Answer. A connection given is used and left open; `options` go behind MAIL FROM."""
    recipients = [recipients] if isinstance(recipients, str) else list(recipients)
    client = connection or connect(port, helo, timeout)
    try:
        reply = client.docmd("MAIL", f"FROM:<{sender}>{options}")
        if reply[0] // 100 != 2:
            return _answer("MAIL", reply)
        answers = {}
        for recipient in recipients:
            reply = client.docmd("RCPT", f"TO:<{recipient}>")
            answers[recipient] = reply[0]
        if all(code // 100 != 2 for code in answers.values()):
            client.rset()
            return _answer("RCPT", reply, answers)
        return _answer("DATA", _data(client, data), answers)
    finally:
        if connection is None:
            client.close()


def _data(client, data):
    try:
        return client.data(data)
    except smtplib.SMTPDataError as error:  # refused at the command, before the data
        return error.smtp_code, error.smtp_error


def greets(port):
    """Whether an MTA answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(5)
            return client.recv(4) == b"220 "
    except OSError:
        return False


def connect(port, helo="mail.acme-lab.net", timeout=120, tls=None):
    """`tls`: an ssl.TLSVersion to begin and to speak."""
    client = smtplib.SMTP("127.0.0.1", port, timeout=timeout)
    _greet(client, helo)
    if tls is not None:
        code, text = client.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = tls
        client.sock, client.file = context.wrap_socket(client.sock), None
        _greet(client, helo)
    return client


def _greet(client, helo):
    code, text = client.docmd("EHLO", helo)
    if code != 250:
        raise smtplib.SMTPHeloError(code, text)
