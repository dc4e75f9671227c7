# SPDX-License-Identifier: BSD-2-Clause
"""A real Dovecot in a folder of its own, with one user and a port of its own: IMAP over TLS on a Maildir that Postfix
delivers to, and SASL for that Postfix."""
import imaplib
import socket
import ssl
import subprocess

from .process import Process, free_port

CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
mail_location = maildir:{inbox}
first_valid_uid = 1
passdb {{
  driver = static
  args = user={user} password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder} allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
  }}
}}
service auth {{
  unix_listener {sasl} {{
    mode = 0660
    group = postfix
  }}
}}
"""


def self_signed(folder, name):
    """A certificate and its key for a server on loopback."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2",
                    "-keyout", key, "-out", certificate], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return certificate, key


class Dovecot:
    """`inbox` is the Maildir, the user nobody's; Postfix must have been made before, for its group."""

    def __init__(self, folder, inbox, user, password):
        self.folder = folder.sub("dovecot")
        self.user, self.password, self.port = user, password, free_port()
        self.sasl = self.folder / "sasl"
        self.certificate, self.key = self_signed(self.folder, "localhost")
        self.conf = self.folder / "dovecot.conf"
        self.conf.write_text(CONF.format(
            folder=self.folder, inbox=inbox, user=user, password=password, port=self.port, sasl=self.sasl,
            certificate=self.certificate, key=self.key))
        self.process = None

    def start(self):
        self.process = Process(["dovecot", "-F", "-c", self.conf], self.folder / "log")
        self.process.wait_until(lambda: self.sasl.exists() and self._greets(), "Dovecot greets")

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5):
                return True
        except OSError:
            return False

    def connect(self):
        """An IMAP client with the mailbox open."""
        context = ssl.create_default_context(cafile=self.certificate)
        client = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context)
        client.login(self.user, self.password)
        client.select("INBOX", readonly=True)
        return client

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None
