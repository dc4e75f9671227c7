# SPDX-License-Identifier: BSD-2-Clause
"""What the other tests rely on, checked by programs that are not ours: a harness that is wrong proves nothing."""
import subprocess
import time

import pytest

from harness import mail, signer, smtp
from harness.dns import BOGUS, SIGNED, UNSIGNED
from harness.postfix import Postfix

from conftest import CA_DOMAIN, CHALLENGE_ADDRESS


@pytest.fixture
def resolve(dns_server, tmp_path):
    """What a validating resolver makes of a name's TXT records when it forwards to the server."""
    conf = tmp_path / "unbound.conf"
    conf.write_text(f"""\
server:
    do-not-query-localhost: no
    trust-anchor-file: "{dns_server.trust_anchor}"
forward-zone:
    name: "."
    forward-addr: {dns_server.address}
""")

    def ask(name):
        return subprocess.run(["unbound-host", "-C", conf, "-v", "-t", "TXT", name], text=True, check=False,
                              stdout=subprocess.PIPE).stdout
    return ask


@pytest.mark.parametrize("zone, want", [(SIGNED, "(secure)"), (UNSIGNED, "(insecure)"), (BOGUS, "(BOGUS")])
def test_answers_validate_as_their_zone_is_named(resolve, zone, want):
    assert want in resolve(f"rsa2048._domainkey.{zone}")
    assert want in resolve(f"_dmarc.{zone}")


@pytest.mark.parametrize("name, want", [("nothing." + SIGNED, "(secure)"), ("nothing." + UNSIGNED, "(insecure)"),
                                        ("_dmarc.net", "(secure)"), ("example.com", "(secure)")])
def test_what_is_not_there_is_nxdomain(resolve, name, want):
    answer = resolve(name)
    assert "not found: 3(NXDOMAIN)" in answer and want in answer


def test_records_can_be_added_and_removed(dns_server, resolve):
    dns_server.add("added." + SIGNED, "long " * 100)
    dns_server.reload()
    answer = resolve("added." + SIGNED)
    assert answer.count("long") == 100 and "(secure)" in answer
    dns_server.remove("added." + SIGNED)
    dns_server.reload()
    assert "NXDOMAIN" in resolve("added." + SIGNED)


@pytest.mark.parametrize("key", ["rsa2048", "rsa1024", "ed25519"])
def test_signatures_verify_for_another_verifier(exchange, keys, key):
    records = {f"{key}._domainkey.{SIGNED}": keys[key].txt()}
    data = exchange.sign(mail.reply(exchange.challenge, exchange.digest), key=key, canon="simple/relaxed",
                         tags={"x": int(time.time()) + 60, "t": int(time.time()) - 60})
    assert signer.verifies(data, records)
    assert b"; x=" in data.replace(b"\r\n", b"")
    assert not signer.verifies(data.replace(b"-----END", b"x\r\n-----END"), records)
    tagless = exchange.sign(mail.reply(exchange.challenge, exchange.digest), key=key, tags={"t": None})
    assert b" t=" not in tagless.partition(b"\r\nFrom:")[0] and signer.verifies(tagless, records)


def test_postfix_delivers_to_each_recipient(folder, exchange):
    own = type(folder)("postfix")
    server = Postfix(own, CA_DOMAIN)
    server.start()
    try:
        data = mail.reply(exchange.challenge, exchange.digest).bytes()
        answer = smtp.send(server.port, exchange.author, [CHALLENGE_ADDRESS, "bob@" + CA_DOMAIN], data)
        assert (answer.code, answer.enhanced, answer.stage) == (250, "2.0.0", "DATA")
        server.wait_queue_empty()
        assert server.delivered(exchange.token.encode()) == [CHALLENGE_ADDRESS, "bob@" + CA_DOMAIN]
    finally:
        server.stop()
        own.remove()
