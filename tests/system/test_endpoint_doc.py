# SPDX-License-Identifier: BSD-2-Clause
"""doc/endpoint against what the milter posts through Postfix and what it makes of answers."""
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from harness import mail
from harness.replies import good_reply

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests" / "session"))

import schema_check  # noqa: E402  pylint: disable=wrong-import-position

OPENAPI = yaml.safe_load((TOP / "doc/endpoint/openapi.yaml").read_text(encoding="ascii"))
POST = OPENAPI["paths"]["/email-reply"]["post"]
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
