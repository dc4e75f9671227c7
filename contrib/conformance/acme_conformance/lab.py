# SPDX-License-Identifier: BSD-2-Clause
"""What a rule works with: challenges from the server's own commands, and posts to its endpoint."""
import datetime
import json
import secrets
import shlex
import subprocess
import threading

from . import results

COMMAND_LIMIT_SECONDS = 60
AT_ONCE = 8
RULES = []


class Broken(Exception):
    """The text says what the server did instead."""


class NotJudged(Exception):
    """The text says what is missing."""


class ProviderError(Exception):
    """A command of the server's side failed; nothing can be said of the server."""


def rule(name, level, title):
    """level: "must", or "should" where a server without it works, only worse."""
    def register(function):
        RULES.append((name, level, title, function))
        return function
    return register


def expect(truth, text):
    if not truth:
        raise Broken(text)


def run_command(command, *arguments):
    try:
        done = subprocess.run(shlex.split(command) + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=COMMAND_LIMIT_SECONDS, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ProviderError(f"{command}: {error}") from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def make_challenge(command, identifier):
    code, output, errors = run_command(command, identifier)
    try:
        challenge = json.loads(output)
        for name in ("from", "tokenPart1", "tokenPart2", "thumbprint"):
            if not isinstance(challenge[name], str):
                raise ValueError(name)
        challenge.setdefault("identifier", identifier)
        challenge.setdefault("created", results.rfc3339(results.now()))
        challenge["time"] = datetime.datetime.fromisoformat(challenge["created"].replace("Z", "+00:00"))
        return challenge
    except (ValueError, KeyError, TypeError) as error:
        what = f"exit code {code}, {type(error).__name__} {error}: {(errors or output)[-300:]}"
        raise ProviderError(f"{command} {identifier}: {what}") from None


class Lab:
    """One rule's view. `options` are those of the command line, `endpoint` and `signer` what they opened."""

    def __init__(self, options, endpoint, signer, name="E-00"):
        self.options, self.endpoint, self.signer, self.name = options, endpoint, signer, name
        self.notes = []

    def need(self, option):
        raise NotJudged("needs " + option)

    def new_challenge(self, identifier=None, command=None):
        """For an identifier that tells the rule's name, so that the server's log tells it too."""
        identifier = identifier or f"{self.name.lower()}.{secrets.token_hex(4)}@{self.options.domain}"
        return make_challenge(command or self.options.new_challenge, identifier)

    def status(self, challenge):
        """The first word that the server's command prints, or None where there is no command."""
        if not self.options.status:
            return None
        code, output, errors = run_command(self.options.status, challenge["tokenPart1"])
        words = output.split()
        if not words:
            raise ProviderError(f"{self.options.status}: exit code {code}: {errors[-300:]}")
        return words[0].lower()

    def good(self, challenge, **changes):
        return results.good_result(challenge, self.options.reading, **changes)

    def body(self, payload):
        """Bytes as they are posted: signed where there is a key."""
        return json.dumps(self.signer.sign(payload)).encode() if self.signer else payload

    def fields(self, key, **changes):
        fields = {"Content-Type": "application/jose+json" if self.signer else "application/json",
                  "Idempotency-Key": None if key is None else f'"{key}"', "User-Agent": "acme-milter-conformance",
                  "Authorization": "Bearer " + self.options.token if self.options.token else None}
        fields.update({name.replace("_", "-"): value for name, value in changes.items()})
        return {name: value.encode("utf-8", "replace") for name, value in fields.items() if value is not None}

    def send(self, payload, key="x", connection=None, **fields):
        """Any bytes as the payload."""
        return self.endpoint.request(self.body(payload), self.fields(key, **fields), connection=connection)

    def send_as_is(self, body, key="x", method="POST", connection=None, **fields):
        return self.endpoint.request(body, self.fields(key, **fields), method, connection)

    def post(self, result, **how):
        key = how.pop("key", result["id"])
        return self.send(json.dumps(result).encode(), key, **how)

    def at_once(self, posted):
        """Each result on a connection and a thread of its own: their answers."""
        answers, start = [None] * len(posted), threading.Barrier(len(posted))

        def post(number):
            start.wait()
            answers[number] = self.post(posted[number])
        threads = [threading.Thread(target=post, args=(number,)) for number in range(len(posted))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def expect_taken(self, answer, what):
        expect(answer.is_taken, f"{what}: {answer} instead of 2xx")

    def expect_refused(self, answer, what):
        expect(answer.is_refused, f"{what}: {answer} instead of a 4xx that tells the sender")

    def expect_client_error(self, answer, what):
        expect(answer.is_client_error, f"{what}: {answer} instead of 4xx")

    def expect_still_good(self, challenge, after):
        """What came before has changed nothing: the good reply is taken."""
        self.expect_taken(self.post(self.good(challenge)), f"the good reply after {after}")
