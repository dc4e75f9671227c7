# SPDX-License-Identifier: BSD-2-Clause
"""The reference ACME server, over its real socket."""
import base64
import copy
import datetime
import email
import http.client
import json
import os
import re
import secrets
import signal
import socket
import stat
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import acme, signer
from harness.process import Folder

ALICE = "Alice.B@author.acme-lab.net"
CA = "acme@ca.acme-lab.net"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    def __init__(self, server):
        self.connection = UnixConnection(server.socket)

    def request(self, body, key=None, method="POST", path="/email-reply", kind="application/json", headers=()):
        fields = {"Content-Type": kind, **({"Idempotency-Key": f'"{key}"'} if key else {}), **dict(headers)}
        self.connection.request(method, path, body, fields)
        response = self.connection.getresponse()
        data = response.read()
        document = json.loads(data) if data else None
        if response.status >= 400:
            assert response.getheader("Content-Type") == "application/problem+json"
            assert document["status"] == response.status
            assert document["type"].startswith("urn:ietf:params:acme:error:")
            assert document["detail"]
        return response.status, document

    def post(self, result, **how):
        return self.request(json.dumps(result), key=how.pop("key", result.get("id")), **how)


@pytest.fixture
def server():
    folder = Folder("acme")
    server = acme.AcmeServer(folder)
    server.start()
    yield server
    server.stop()
    folder.remove()


@pytest.fixture
def client(server):
    return Client(server)


@pytest.fixture
def challenge(server):
    return server.new_challenge(ALICE, CA)


def result_for(challenge, **changes):
    result = {
        "version": 1, "id": secrets.token_urlsafe(32), "verdict": "pass", "reason": None,
        "challengeType": "email-reply-00", "challengeAddress": challenge["from"], "tokenPart1": challenge["tokenPart1"],
        "digest": acme.digest_of(challenge), "from": challenge["identifier"], "messageId": "<1@author.acme-lab.net>",
        "receivedAt": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "memberOfALaterVersion": {"is": "ignored"},
    }
    result.update(changes)
    return result


def at(challenge, **delta):
    time = datetime.datetime.fromisoformat(challenge["created"]) + datetime.timedelta(**delta)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


WRONG = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


def test_R45_right_digest_makes_the_challenge_valid(server, client, challenge):
    assert server.status(challenge) == "pending"
    assert client.post(result_for(challenge)) == (200, {"status": "valid", "identifier": ALICE})
    assert server.status(challenge) == "valid"


def test_R07_both_readings_of_the_concatenation_are_taken(server, client):
    # 16 bytes: the only case of interest, since with 24 the two readings agree.
    part1 = base64.urlsafe_b64encode(bytes(range(16))).rstrip(b"=").decode()
    part1_other = base64.urlsafe_b64encode(bytes(range(1, 17))).rstrip(b"=").decode()
    strings = server.new_challenge(ALICE, CA, "--token-part1", part1)
    joined = server.new_challenge(ALICE, CA, "--token-part1", part1_other)
    raw = base64.urlsafe_b64decode(part1_other + "==") + base64.urlsafe_b64decode(joined["tokenPart2"] + "==")
    token = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert token != joined["tokenPart1"] + joined["tokenPart2"]
    whole = dict(joined, tokenPart1=token, tokenPart2="")
    assert client.post(result_for(strings))[0] == 200
    assert client.post(result_for(joined, digest=acme.digest_of(whole)))[0] == 200


def test_R49_wrong_digest_of_the_right_author_is_the_only_guess(server, client, challenge):
    wrong = result_for(challenge, digest=WRONG)
    status, problem = client.post(wrong)
    assert (status, problem["type"]) == (422, "urn:ietf:params:acme:error:incorrectResponse")
    assert server.status(challenge) == "invalid"
    assert client.post(result_for(challenge))[0] == 409
    assert client.post(wrong) == (status, problem)
    assert server.status(challenge) == "invalid"


@pytest.mark.parametrize("author", ["mallory@author.acme-lab.net", "alice.b@author.acme-lab.net",
                                    "Alice.B@acme-lab.net", "Alice.B@author.acme-lab.net.acme-lab.org", "", "ä@x"])
def test_R34_another_author_changes_nothing(server, client, challenge, author):
    assert client.post(result_for(challenge, **{"from": author}))[0] == 422
    assert client.post(result_for(challenge, **{"from": author, "digest": WRONG}))[0] == 422
    assert server.status(challenge) == "pending"
    assert client.post(result_for(challenge))[0] == 200


def test_R34_the_domain_is_compared_without_case(server, client):
    challenge = server.new_challenge("Alice@AUTHOR.acme-lab.net", CA)
    assert client.post(result_for(challenge, **{"from": "Alice@author.acme-lab.net"}))[0] == 200


def test_R35_another_challenge_address_changes_nothing(server, client, challenge):
    assert client.post(result_for(challenge, challengeAddress="other@ca.acme-lab.net"))[0] == 422
    assert server.status(challenge) == "pending"


def test_rejected_reply_never_fails_a_challenge(server, client, challenge):
    rejected = result_for(challenge, verdict="reject", digest=WRONG, reason={"finding": "dkim-none"})
    nameless = dict(rejected, **{"from": None, "tokenPart1": None, "digest": None})
    for result in (rejected, nameless, dict(rejected, verdict="temperror")):
        assert client.post(result)[0] == 202
    assert server.status(challenge) == "pending"


def test_R08_repetition_hears_the_same_answer_and_another_reply_does_not(server, client, challenge):
    first = result_for(challenge)
    answer = client.post(first)
    assert client.post(dict(first, receivedAt=at(challenge, hours=30))) == answer
    assert client.post(result_for(challenge))[0] == 409
    assert server.status(challenge) == "valid"


def test_of_many_at_once_one_is_taken(server, challenge):
    answers = []

    def post():
        answers.append(Client(server).post(result_for(challenge))[0])
    threads = [threading.Thread(target=post) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 11


@pytest.mark.parametrize("token", ["A" * 32, "../../../../etc/passwd", "", ".", "A" * 3000, "ä" * 32, "A/" * 16])
def test_unknown_token_is_404(client, challenge, token):
    assert client.post(result_for(challenge, tokenPart1=token))[0] == 404


def test_reply_after_24_hours_is_410(server, client, challenge):
    assert client.post(result_for(challenge, receivedAt=at(challenge, hours=24, seconds=1)))[0] == 410
    assert server.status(challenge) == "pending"
    assert client.post(result_for(challenge, receivedAt=at(challenge, hours=24)))[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"version": 1}', b"null", b"[" * 50000])
def test_malformed_json_is_400(client, body):
    assert client.request(body, key="x")[0] == 400


@pytest.mark.parametrize("change", [{"version": 2}, {"challengeType": "http-01"}, {"digest": None}, {"from": 7},
                                    {"receivedAt": "yesterday"}, {"tokenPart1": []}, {"digest": "ä" * 43}])
def test_result_with_a_wrong_member_is_400(server, client, challenge, change):
    assert client.post(result_for(challenge, **change))[0] == 400
    assert server.status(challenge) == "pending"


def test_idempotency_key_must_be_the_id(client, challenge):
    assert client.post(result_for(challenge), key="another")[0] == 400
    assert client.post(result_for(challenge), key="")[0] == 400


def test_http_errors(server, client, challenge):
    result = json.dumps(result_for(challenge))
    assert client.request(result, kind="text/plain")[0] == 415
    assert client.request(result, path="/other")[0] == 404
    # Refused by its announced length, before any of it is read.
    assert Client(server).request(None, headers={"Content-Length": str(256 * 1024 + 1)})[0] == 413
    assert Client(server).request(None, method="GET")[0] == 405
    assert Client(server).request(None, headers={"Transfer-Encoding": "chunked", "Content-Length": "no"})[0] == 411
    assert server.status(challenge) == "pending"


def test_a_connection_serves_many_requests(client, challenge):
    client.post(result_for(challenge, verdict="reject"))
    first = client.connection.sock
    client.request(b"{")
    client.post(result_for(challenge))
    assert first is not None and client.connection.sock is first


def test_state_survives_being_killed(server, challenge):
    result = result_for(challenge)
    answer = Client(server).post(result)
    server.process.stop(signal.SIGKILL)
    server.start()
    assert server.status(challenge) == "valid"
    assert Client(server).post(result) == answer


def test_ends_by_sigterm_and_takes_its_socket_away(server):
    Client(server).request(b"{")
    assert server.stop() == 0
    assert not server.socket.exists()


def test_socket_is_not_for_everybody(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o660


def test_canned_answer_and_record(server, challenge):
    server.stop()
    server.start("--answer", "404:No such challenge here")
    result = result_for(challenge)
    status, problem = Client(server).post(result)
    assert (status, problem["detail"]) == (404, "No such challenge here")
    request = server.requests()[-1]
    assert request["status"] == 404 and request["path"] == "/email-reply"
    assert request["headers"]["idempotency-key"] == f'"{result["id"]}"'
    assert json.loads(request["body"]) == result
    assert server.results_for(challenge) == [result]
    assert server.status(challenge) == "pending"


def test_signed_results(server, challenge):
    def b64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def jws(key, **header):
        protected = b64(json.dumps({"alg": "EdDSA", "typ": "acme-email-reply+json", **header}).encode())
        payload = b64(json.dumps(result).encode())
        return json.dumps({"protected": protected, "payload": payload,
                           "signature": b64(key.sign(f"{protected}.{payload}".encode()))})
    key = Ed25519PrivateKey.generate()
    pem = server.folder / "evidence.pem"
    pem.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo))
    server.stop()
    server.start("--evidence-key", pem)
    result = result_for(challenge)
    client = Client(server)
    jose = "application/jose+json"
    assert client.post(result)[0] == 403
    for bad in (jws(Ed25519PrivateKey.generate()), "{}", "[", "[" * 100000, jws(key, typ="JWT"), jws(key, alg="none"),
                jws(key, crit=["b64"], b64=True), json.dumps(dict(json.loads(jws(key)), payload="e30"))):
        assert client.request(bad, key=result["id"], kind=jose)[0] == 403
    assert server.status(challenge) == "pending"
    assert client.request(jws(key), key=result["id"], kind=jose)[0] == 200


def test_R11_to_R17_challenge_mail(challenge):
    mail = email.message_from_string(challenge["mail"])
    assert mail["Subject"] == "ACME: " + challenge["tokenPart1"]
    assert len(base64.urlsafe_b64decode(challenge["tokenPart1"])) == 24
    assert len(base64.urlsafe_b64decode(challenge["tokenPart2"] + "==")) >= 16
    assert mail["From"] == CA and mail["To"] == ALICE
    assert mail["Auto-Submitted"] == "auto-generated; type=acme"
    assert mail["Message-ID"] == challenge["messageId"] and mail["Date"]
    assert challenge["tokenPart2"] not in challenge["mail"] and challenge["thumbprint"] not in challenge["mail"]
    # What a reply quotes must not hold a line that looks like its block.
    assert "ACME RESPONSE" not in challenge["mail"]
    assert all(len(line) <= 78 and line.isascii() for line in challenge["mail"].splitlines())


def test_R19_challenge_mail_signed_over_all_names(challenge, keys):
    data = challenge["mail"].replace("\n", "\r\n").encode()
    signed = signer.sign(data, keys["rsa2048"], "ca.acme-lab.net", "ca", fields=signer.CHALLENGE_FIELDS)
    assert signer.verifies(signed, {"ca._domainkey.ca.acme-lab.net": keys["rsa2048"].txt()})
    names = re.search(rb"h=([^;]*);", signed).group(1).decode().lower()
    assert sorted(name.strip() for name in names.split(":")) == sorted([
        "from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
        "auto-submitted", "content-type", "content-transfer-encoding"])
    assert not signer.verifies(signed.replace(b"type=acme", b"type=acmf"),
                               {"ca._domainkey.ca.acme-lab.net": keys["rsa2048"].txt()})


def test_R05_tokens_are_new_each_time(server):
    made = [server.new_challenge(ALICE, CA) for _ in range(3)]
    for member in ("tokenPart1", "tokenPart2", "messageId"):
        assert len({challenge[member] for challenge in made}) == 3
    again = server._run("new-challenge", "--state", server.state, "--identifier", ALICE, "--from", CA,
                        "--token-part1", made[0]["tokenPart1"], check=False)
    assert again.returncode != 0 and "used before" in again.stderr


def test_R02_no_challenge_for_a_strange_identifier(server):
    for identifier in ("alice", "*@x.acme-lab.net", "a b@x.acme-lab.net", "a@bücher.example", "a@x\nCc: b@y"):
        done = server._run("new-challenge", "--state", server.state, "--identifier", identifier, "--from", CA,
                           check=False)
        assert done.returncode != 0 and not done.stdout


def test_status_of_an_unknown_token(server, challenge):
    assert server.status(dict(copy.copy(challenge), tokenPart1="B" * 32)) == "unknown"


def test_R09_the_reply_comes_before_or_after_the_clients_post(server, client, challenge):
    def client_post(of):
        done = server._run("client-post", "--state", server.state, "--", of["tokenPart1"])
        seen = json.loads(done.stdout)
        assert (seen["type"], seen["from"], seen["token"]) == ("email-reply-00", CA, of["tokenPart2"])
        return seen
    assert client_post(challenge)["status"] == "processing"
    assert client.post(result_for(challenge))[0] == 200
    assert client_post(challenge)["status"] == "valid"
    other = server.new_challenge(ALICE, CA)
    assert client.post(result_for(other, digest=WRONG))[0] == 422
    seen = client_post(other)
    assert (seen["status"], seen["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:incorrectResponse")


def test_bearer_token(server, challenge):
    token = server.folder / "token"
    token.write_text("s3cret\n")
    server.stop()
    server.start("--token-file", token)
    client = Client(server)
    for field in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Basic s3cret"}, {"Authorization": "Bearer \xe4"}):
        assert client.post(result_for(challenge), headers=field)[0] == 401
    assert server.status(challenge) == "pending"
    assert client.post(result_for(challenge), headers={"Authorization": "Bearer s3cret"})[0] == 200
