# SPDX-License-Identifier: BSD-2-Clause
"""acme-challenge-mail as a process, and a certificate authority for the challenges that it signs."""
import json
import os
import subprocess
from pathlib import Path

from .milter import program as milter_program


def program():
    """$ACME_CHALLENGE_MAIL, else the one that was built with the milter."""
    return Path(os.environ.get("ACME_CHALLENGE_MAIL", milter_program().parent / "contrib/acme-challenge-mail")).resolve()


def run(*arguments, **popen):
    """Returns the completed process with bytes in stdout and stderr."""
    return subprocess.run([program(), *[str(argument) for argument in arguments]], timeout=60, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)


def make(sender, recipient, *arguments):
    """What --json prints; the lines of the mail in it end in CRLF."""
    done = run("-f", sender, "-t", recipient, "--json", "--crlf", *arguments)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode("ascii", "backslashreplace"))
    return json.loads(done.stdout)


def issue(acme_server, identifier, sender, *arguments, thumbprint=None):
    """A challenge that the reference server knows, with the mail that acme-challenge-mail makes for it.
    The server wants to know where the reply goes, which may be another address than the sender's."""
    made = make(sender, identifier, *arguments)
    options = ["--token-part1=" + made["tokenPart1"]] + (["--jwk-thumbprint=" + thumbprint] if thumbprint else [])
    known = acme_server.new_challenge(identifier, made.get("replyTo", sender), *options)
    return dict(known, messageId=made["messageId"], mail=made["mail"])


class Authority:
    """A root and an intermediate authority in a folder, by openssl."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.root = self._certificate("root", None, "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
        self.middle = self._certificate("middle", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")

    def path(self, name):
        return self.folder / name

    def _openssl(self, *command):
        subprocess.run(["openssl", *[str(word) for word in command]], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)

    def _certificate(self, name, issuer, extensions, days=30, key="rsa:2048"):
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", key]
        self.path(name + ".cnf").write_text(extensions)
        self._openssl("req", "-new", *kind, "-nodes", "-keyout", self.path(name + ".key"), "-subj", "/CN=" + name,
                      "-out", self.path(name + ".csr"))
        signed_by = ["-CA", self.path(issuer + ".pem"), "-CAkey", self.path(issuer + ".key"), "-CAcreateserial"] \
            if issuer else ["-signkey", self.path(name + ".key")]
        self._openssl("x509", "-req", "-in", self.path(name + ".csr"), *signed_by, "-days", days, "-extfile",
                      self.path(name + ".cnf"), "-out", self.path(name + ".pem"))
        return self.path(name + ".pem")

    def host(self, name, host, usage="serverAuth", days=30):
        """Certificate and key of a host, or with another usage of its client."""
        extensions = f"basicConstraints=CA:FALSE\nsubjectAltName=DNS:{host}\nextendedKeyUsage={usage}\n"
        return self._certificate(name, "root", extensions, days, "ec"), self.path(name + ".key")

    def signer(self, address, name="signer", usage="emailProtection", days=30, key="rsa:2048"):
        """The options that sign as `address`; the intermediate authority travels along."""
        extensions = f"basicConstraints=CA:FALSE\nsubjectAltName=email:{address}\nextendedKeyUsage={usage}\nkeyUsage=digitalSignature\n"
        leaf = self._certificate(name, "middle", extensions, days, key)
        with open(leaf, "a", encoding="ascii") as file:
            file.write(self.middle.read_text(encoding="ascii"))
        return ["--sign-cert", leaf, "--sign-key", self.path(name + ".key")]
