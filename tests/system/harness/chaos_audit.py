# SPDX-License-Identifier: BSD-2-Clause
"""What must hold after the chaos test, from the senders' side, the ACME server's and the evidence's. Each check yields what
is wrong, with the token that it is about, or None."""
import collections
import concurrent.futures
import hashlib
import json

from . import milter


def senders(letters):
    for letter in letters:
        codes = [answer.code for answer in letter.told]
        wanted = 2 if letter.is_honest else 5
        if any(code // 100 not in (wanted, 4) for code in codes):
            yield letter.exchange.token, f"was told what it never should: {letter}"
        if not letter.is_over():
            yield letter.exchange.token, f"was not answered for good: {letter}"


def acme_server(world, letters, victims):
    """Each honest reply had its effect, once; nothing of a forger's had any."""
    accepted = collections.defaultdict(set)
    for request in world.acme.requests():
        if request["status"] == 200:
            result = json.loads(request["body"])
            accepted[result["tokenPart1"]].add(result["id"])
    for letter in (letter for letter in letters if letter.is_honest):
        token, known = letter.exchange.token, world.known(letter.exchange.challenge)
        result = known.get("result", {})
        if known["status"] != "valid" or (result["digest"], result["from"]) != (letter.exchange.digest, letter.exchange.author):
            yield token, f"the challenge is {known['status']}, by {result}"
        ids = accepted.pop(token, set())
        if ids != {result.get("id")}:
            yield token, f"accepted by the ids {ids}"
    for victim in victims:
        if world.known(victim.challenge)["status"] != "pending":
            yield victim.token, "a forged reply changed a challenge that nobody answered"
    for token in accepted:
        yield token, "accepted, and nobody honest sent it"


class Evidence:
    """All folders that were finished; those that a kill left half made begin with a dot."""

    def __init__(self, world):
        self.world = world
        self.folders = [path.parent for path in world.evidence.rglob("message.eml") if not path.parent.name.startswith(".")]
        self.by_hash = collections.defaultdict(list)
        self.posted = [(request["status"], json.loads(request["body"])) for request in world.acme.requests()]
        self.accepted = {result["id"] for status, result in self.posted if status == 200}
        self.unanswered = 0  # the milter was killed, or the disk full, between the ACME server's answer and the record of it
        self.lines = sum(path.read_bytes().count(b"\n") for path in self.logs())

    def logs(self):
        return [*self.world.rotated, self.world.log]

    def check(self):
        for folder in self.folders:
            yield from self._files(folder)
        yield from self._posted()
        yield from self._log()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for found in pool.map(self._replay, self.folders):
                yield from found

    def _files(self, folder):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        missing = {"message.eml", "dns.txt", "result.json"} - {name for name, data in files.items() if data}
        if missing:
            yield None, f"{folder} lacks {missing}"
            return
        answers = {name: data for name, data in files.items() if name.startswith("answer")}
        self.unanswered += not answers
        for name, data in {"result.json": files["result.json"], **answers}.items():
            if not self._is_json(data):
                yield None, f"{folder}/{name} is broken: {data[-60:]}"
                return
        result, digest = json.loads(files["result.json"]), hashlib.sha256(files["message.eml"]).hexdigest()
        self.by_hash[digest].append(result["id"])
        for data in answers.values():
            if json.loads(data)["outcome"] == "accepted" and result["id"] not in self.accepted:
                yield result["tokenPart1"], f"{folder} says accepted, and the ACME server knows nothing of it"
        if result["messageSha256"] != digest:
            yield result["tokenPart1"], f"{folder} holds another mail than its result says"

    @staticmethod
    def _is_json(data):
        try:
            json.loads(data)
            return True
        except ValueError:
            return False

    def _posted(self):
        """Whatever was posted was on the disk before, with the mail's own bytes."""
        for _, result in self.posted:
            if result["id"] not in self.by_hash[result["messageSha256"]]:
                yield result["tokenPart1"], f"posted, and no folder has the mail {result['messageSha256']}"

    def _log(self):
        done = milter.run("--verify-log", *self.logs(), timeout=600)
        if done.returncode != 0:
            yield None, f"--verify-log: {done.stdout.decode()} {done.stderr.decode()[-2000:]}"
        logged = collections.Counter()
        for path in self.logs():
            logged.update(json.loads(line).get("id") for line in path.read_text(encoding="utf-8").splitlines())
        for _, result in self.posted:
            if not logged[result["id"]]:
                yield result["tokenPart1"], "posted, and not in EvidenceLog"

    @staticmethod
    def _replay(folder):
        done = milter.run("-t", "--replay", folder)
        if done.returncode != 0 or json.loads(done.stdout)["verdict"] != "pass":
            return [(None, f"--replay {folder}: {done.returncode} {done.stderr.decode()}")]
        return []
