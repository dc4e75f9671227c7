# SPDX-License-Identifier: BSD-2-Clause
"""The reference ACME server as a process, and an ACME client's side of its challenges."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from .process import Process, system_user, unix_socket_answers

PROGRAM = Path(__file__).resolve().parents[3] / "contrib" / "reference-server" / "acme-reference-server"
USER = "acme-server"


def digest_of(challenge):
    """As an ACME client computes it, knowing both halves of the token and its own key's thumbprint."""
    authorization = challenge["tokenPart1"] + challenge["tokenPart2"] + "." + challenge["thumbprint"]
    return base64.urlsafe_b64encode(hashlib.sha256(authorization.encode()).digest()).rstrip(b"=").decode()


class AcmeServer:
    """`user` is whom it runs as, `group` who else may connect. Neither is needed for tests without a milter."""

    def __init__(self, folder, user=None, group=None):
        self.user, self.group = user, group
        if user:
            system_user(user)
        self.folder = folder.sub("acme", user)
        # Its user may have no way to the checkout: nobody but root reads /root.
        self.program = shutil.copy(PROGRAM, self.folder)
        self.socket = self.folder / "email-reply.sock"
        self.state = self.folder / "state"
        self.record = self.folder / "record.jsonl"
        self.process = None

    @property
    def endpoint(self):
        """As the milter's Endpoint writes it."""
        return f"http://unix:{self.socket}:/email-reply"

    def _as_user(self):
        return {"user": self.user, "group": self.user, "extra_groups": [self.group] if self.group else []} \
            if self.user else {}

    def start(self, *options):
        group = ["--socket-group", self.group] if self.group else []
        self.process = Process([self.program, "serve", "--socket", self.socket, *group, "--state", self.state,
                                "--record", self.record, *options], self.folder / "server.log",
                               cwd="/", **self._as_user())
        self.process.wait_until(lambda: unix_socket_answers(self.socket), "the ACME server listens")

    def stop(self):
        code = self.process.stop() if self.process else 0
        self.process = None
        return code

    def _run(self, *command, check=True):
        return subprocess.run([self.program, *command], check=check, text=True, stdout=subprocess.PIPE, cwd="/",
                              stderr=subprocess.PIPE, **self._as_user())

    def new_challenge(self, identifier, sender, *options):
        return json.loads(self._run("new-challenge", "--state", self.state, "--identifier", identifier,
                                    "--from", sender, "--json", *options).stdout)

    def status(self, challenge):
        return self._run("status", "--state", self.state, "--", challenge["tokenPart1"], check=False).stdout.strip()

    def requests(self):
        """All that it was sent so far, oldest first: dicts with path, headers, status, body."""
        if not os.path.exists(self.record):
            return []
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def results_for(self, challenge):
        """The result objects that came for one challenge."""
        bodies = [json.loads(request["body"]) for request in self.requests()]
        return [body for body in bodies if body.get("tokenPart1") == challenge["tokenPart1"]]
