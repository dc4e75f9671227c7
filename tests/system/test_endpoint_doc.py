# SPDX-License-Identifier: BSD-2-Clause
"""doc/endpoint against what the milter posts through Postfix and what it makes of answers."""
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import yaml

from harness import acme, mail, milter
from harness.process import Process, unix_socket_answers
from harness.replies import good_reply

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests" / "session"))

import schema_check  # noqa: E402  pylint: disable=wrong-import-position

OPENAPI = yaml.safe_load((TOP / "doc/endpoint/openapi.yaml").read_text(encoding="ascii"))
POST = OPENAPI["paths"]["/email-reply"]["post"]
RECEIVER = TOP / "doc/endpoint/receiver.py"
# One of each class that the description tells by a pattern.
SAMPLES = {"4XX": "418", "5XX": "503", "default": "302"}


def test_what_the_acme_server_receives_is_what_the_schema_says(mx, exchange, new_milter):
    server = new_milter(("ReportRejects", "yes"), ("OnReject", "discard"))
    with mx.with_milter(server):
        assert mx.send(exchange, good_reply(exchange)).code == 250  # not signed: a reject, which is reported
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    verdicts = [result["verdict"] for result in mx.acme.results_for(exchange.challenge)]
    assert verdicts == ["reject", "pass"]
    fields = POST["parameters"][0]["schema"]["pattern"]
    for request in mx.acme.requests():  # those of the tests before, too
        kind = request["headers"]["content-type"]
        assert kind in POST["requestBody"]["content"]
        assert re.fullmatch(fields, request["headers"]["idempotency-key"])
        by = schema_check.STRICT if kind == "application/json" else schema_check.SIGNED
        assert list(schema_check.faults(json.loads(request["body"]), by)) == []


@pytest.mark.parametrize("status", sorted(POST["responses"]))
def test_openapi_tells_what_the_senders_mta_is_told(mx, canned, exchange, status):
    told = POST["responses"][status]["x-smtp"]
    canned(SAMPLES.get(status, status))
    answer = mx.send(exchange, exchange.sign(mail.reply(exchange.challenge, exchange.digest)))
    assert answer.code == told["code"], str(answer)
    if told["code"] != 250:
        assert answer.enhanced == told["enhanced"], str(answer)
        assert (told["code"] == 550) == ("as asked by --answer" in answer.text)


@pytest.fixture
def receiver(folder):
    """The receiver in 60 lines as its text says to run it: its endpoint, and its database."""
    place = folder.sub("receiver", acme.USER)
    socket, database = place / "s", place / "db"
    program = shutil.copy(RECEIVER, folder.path)  # of a checkout below /root only root may read
    process = Process(["/usr/bin/python3", program, socket, database], folder.path / "receiver.log", cwd="/", user=acme.USER,
                      group=milter.USER, umask=0o007)
    process.wait_until(lambda: unix_socket_answers(socket), "the receiver listens")
    yield f"http://unix:{socket}:/any-path", database
    process.stop()
    assert "Traceback" not in process.text()


def test_real_replies_reach_the_receiver_in_60_lines(mx, exchange, new_exchange, receiver, new_milter):
    endpoint, path = receiver
    wrong = new_exchange()
    with sqlite3.connect(path) as database:
        database.executemany("INSERT INTO challenge (part1, part2, thumbprint, identifier, address, created) VALUES (?, ?, ?, ?, ?, ?)", [
            [each.challenge[name] for name in ("tokenPart1", "tokenPart2", "thumbprint", "identifier", "from", "created")]
            for each in (exchange, wrong)])
    data = exchange.sign(good_reply(exchange))
    with mx.with_milter(new_milter(("Endpoint", endpoint))):
        answers = [mx.send(exchange, data), mx.send(exchange, data), mx.send(exchange, exchange.sign(good_reply(exchange))),
                   mx.send(wrong, wrong.sign(mail.reply(wrong.challenge, exchange.digest)))]
    assert [answer.code for answer in answers] == [250, 250, 550, 550]
    assert "answered already" in answers[2].text and "the digest is not that" in answers[3].text
    with sqlite3.connect(path) as database:
        status = dict(database.execute("SELECT part1, status FROM challenge"))
    assert (status[exchange.token], status[wrong.token]) == ("valid", "invalid")
