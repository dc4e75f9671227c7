# SPDX-License-Identifier: BSD-2-Clause
"""The milter protocol as miltertest speaks it, a program that is not ours: the scripts are in miltertest."""
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import milter
from harness.mail_exchanger import CHALLENGE_ADDRESS
from harness.replies import good_reply

SCRIPTS = Path(__file__).resolve().parent / "miltertest"


@pytest.fixture(scope="module")
def server(new_milter):
    assert shutil.which("miltertest"), "not installed: miltertest (see contrib/packages)"
    made = new_milter()
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def script(server, exchange, tmp_path):
    """Run a script with the mails and other values that it wants."""
    def run(name, **values):
        values = {"good": exchange.sign(good_reply(exchange)), "unsigned": good_reply(exchange).bytes(),
                  "other": good_reply(exchange).bytes(), "socket": server.socket, "sender": exchange.author,
                  "recipient": CHALLENGE_ADDRESS, "library": SCRIPTS / "library.lua", **values}
        for key, value in values.items():
            if isinstance(value, bytes):
                values[key] = tmp_path / key
                values[key].write_bytes(value)
        argv = ["miltertest", "-s", SCRIPTS / name]
        for key, value in values.items():
            argv += ["-D", f"{key}={value}"]
        done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120)
        assert done.returncode == 0 and server.process.running(), done.stdout
    return run


def the_result(acme_server, exchange):
    """All results that came for the exchange are of one reply."""
    results = acme_server.results_for(exchange.challenge)
    assert {json.dumps(result["id"]) for result in results} == {json.dumps(results[0]["id"])}
    assert {result["verdict"] for result in results} == {"pass"}
    assert acme_server.status(exchange.challenge) == "valid"
    return results[0]


@pytest.mark.parametrize("version", [4, 5, 6])
def test_R25_every_version_of_the_protocol(script, server, acme_server, exchange, version):
    script("versions.lua", version=version)
    assert {milter.logfmt(line).get("enhanced") for line in server.reply_lines(exchange.token)} == {"5.7.20", None}
    result = the_result(acme_server, exchange)
    # No macros came at all.
    assert result["smtp"] == {"clientAddress": "192.0.2.1", "clientName": "mail.acme-lab.net", "helo": "mail.acme-lab.net",
                              "mailFrom": exchange.author, "queueId": None, "tlsVersion": None}


@pytest.mark.parametrize("name, posts", [("abort.lua", 1), ("quit.lua", 1), ("answers.lua", 1), ("several.lua", 6)])
def test_R25_a_good_reply_passes_whatever_came_before(script, acme_server, exchange, name, posts):
    script(name)
    the_result(acme_server, exchange)
    assert len(acme_server.results_for(exchange.challenge)) == posts


@pytest.mark.parametrize("leading", ["yes", "no"])
def test_R25_leading_blanks_of_fields(script, acme_server, exchange, leading):
    script("blanks.lua", leading=leading, good=exchange.sign(good_reply(exchange), canon="simple/simple"))
    assert acme_server.status(exchange.challenge) == "valid"


def test_mta_that_cannot_do_what_a_verdict_may_need(script, server, acme_server, exchange):
    script("actions.lua")
    assert acme_server.results_for(exchange.challenge) == []
    assert len([line for line in server.log_lines() if "mta reason=actions" in line]) == 3


def test_a_script_can_fail(script):
    with pytest.raises(AssertionError, match="a good reply: got 121"):
        script("several.lua", good=b"From: a@b\r\n\r\nx")
