# SPDX-License-Identifier: BSD-2-Clause
"""opendkim, opendmarc and rspamd before us in one Postfix: what they add neither helps nor harms a reply."""
import contextlib
import shutil

import pytest

from harness import milter
from harness.dns import SIGNED
from harness.filters import Opendkim, Opendmarc, Rspamd
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS, MailExchanger
from harness.postfix import Postfix
from harness.replies import assert_refused, good_reply

HOST = "mx." + CA_DOMAIN  # so calls rspamd itself, after the MTA
OURS = "acme." + CA_DOMAIN
OPENDKIM = "filter." + CA_DOMAIN  # and opendmarc


@pytest.fixture(scope="module")
def own(folder):
    made = type(folder)("filters")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def filters(own, dns_server):
    """All three, the first to be asked first: rspamd takes away the results that it finds."""
    missing = [name for name in ("opendkim", "opendmarc", "rspamd") if shutil.which(name) is None]
    assert missing == [], "not installed: " + ", ".join(missing) + " (see contrib/packages)"
    with contextlib.ExitStack() as stack:
        made = [Rspamd(own, dns_server.host), Opendkim(own, dns_server.host, OPENDKIM), Opendmarc(own, dns_server.host, OPENDKIM)]
        for each in made:
            stack.callback(each.stop)
            each.start()
        yield made


@pytest.fixture(scope="module")
def mx(own, filters, new_milter, acme_server, dns_server):
    """Our milter delivers what passes, and keeps what it saw of it."""
    server = new_milter(("Disposition", "deliver"), ("AuthservID", OURS))
    server.set("EvidenceDirectory", server.data)
    server.start()
    postfix = Postfix(own, CA_DOMAIN, ", ".join(each.address for each in filters) + f", unix:{server.socket}")
    with MailExchanger(postfix, None, server, acme_server, dns_server).running() as exchanger:
        yield exchanger
    server.stop()


def seen_by_us(mx, exchange):
    """The mail as our milter was sent it."""
    (path,) = [path for path in mx.milter.data.rglob("message.eml") if exchange.token.encode() in path.read_bytes()]
    return path.read_bytes()


def results(mx, exchange, authserv_id):
    fields = mx.mta.fields_of(exchange.token.encode(), "Authentication-Results")
    return [field for field in fields if field.split(";")[0].strip() == authserv_id]


def test_R25_reply_passes_behind_other_filters(mx, exchange):
    answer = mx.send(exchange, exchange.sign(good_reply(exchange), canon="simple/simple"))
    assert answer.code == 250, str(answer)
    assert mx.acme.status(exchange.challenge) == "valid"
    assert mx.delivered(exchange) == [CHALLENGE_ADDRESS]
    # Each of them really judged it, and we were shown what they wrote.
    by_opendmarc, by_opendkim = results(mx, exchange, OPENDKIM)
    assert f"header.from={SIGNED}" in by_opendmarc and "dmarc=pass" in by_opendmarc
    assert f"header.d={SIGNED}" in by_opendkim and "dkim=pass" in by_opendkim
    (by_rspamd,) = results(mx, exchange, HOST)
    assert f"dkim=pass header.d={SIGNED}" in by_rspamd
    seen = seen_by_us(mx, exchange)
    assert (b"\r\n" + seen).count(b"\r\nAuthentication-Results:") == 3
    assert b"X-Spamd-Bar:" in seen and b"X-Rspamd-Server:" in seen
    (ours,) = results(mx, exchange, OURS)
    assert "dkim=pass" in ours and "dmarc=pass" in ours


def test_R25_what_other_filters_say_of_an_unsigned_reply_is_no_help(mx, exchange):
    reply = good_reply(exchange).add("Authentication-Results", f"{OPENDKIM}; dkim=pass header.d={SIGNED}", first=True)
    assert_refused(mx, exchange, reply, 550, "5.7.20", "dkim-none")


def test_results_of_the_same_name_are_taken_for_forged(mx, exchange):
    """As the manual says: give the milter an AuthservID of its own where another filter writes results."""
    with with_authserv_id(mx, HOST):
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    assert mx.delivered(exchange) == [CHALLENGE_ADDRESS]
    assert len(results(mx, exchange, OPENDKIM)) == 2
    (only,) = results(mx, exchange, HOST)
    assert f"header.from={SIGNED}" in only


@contextlib.contextmanager
def with_authserv_id(mx, name):
    mx.milter.stop()
    mx.milter.set("AuthservID", name)
    mx.milter.start()
    try:
        yield
    finally:
        mx.milter.stop()
        mx.milter.set("AuthservID", OURS)
        mx.milter.start()


def test_mixed_recipients_behind_other_filters(mx, exchange):
    bob = "bob@" + CA_DOMAIN
    assert mx.send(exchange, exchange.sign(good_reply(exchange)), recipients=[bob, CHALLENGE_ADDRESS]).code == 250
    assert mx.delivered(exchange) == [CHALLENGE_ADDRESS, bob]
    line = milter.logfmt(mx.milter.wait_reply_line(exchange.token))
    assert line["verdict"] == "pass"
