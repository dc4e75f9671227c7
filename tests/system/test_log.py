# SPDX-License-Identifier: BSD-2-Clause
"""The line of a reply, as doc/contract section 7 gives it: its keys and their order, and behind them only to=."""
import re
import signal
from pathlib import Path

import pytest

from harness.dns import BOGUS, SIGNED, UNSIGNED
from harness.endpoints import SilentServer
from harness.milter_client import MilterClient
from harness.process import unix_socket_answers, wait_for
from harness.replies import good_reply

from conftest import CHALLENGE_ADDRESS

MANUAL = Path(__file__).resolve().parents[2] / "doc/acme-milter.8"
SIGNATURE = "domain=%s selector=rsa2048 algorithm=rsa-sha256 dmarc=pass policy=reject dnssec=%s "
PASS = ("reply verdict=pass from=alice@%s " + SIGNATURE + "token=%s endpoint=200 dns_ms=N endpoint_ms=N total_ms=N "
        "findings=%s id=%s to=" + CHALLENGE_ADDRESS)


def shape(line):
    """Without the time, and with the counts of milliseconds alike."""
    return re.sub(r"(_ms=)\d+", r"\1N", line.split(" acme-milter: ", 1)[1])


def line_of(mx, exchange, data, code):
    answer = mx.send(exchange, data)
    assert answer.code == code, str(answer)
    return shape(mx.milter.wait_reply_line(exchange.token)), mx.queue_id()


@pytest.mark.parametrize("zone, dnssec, findings", [(SIGNED, "secure", ""), (UNSIGNED, "insecure", "dnssec-none")])
def test_pass(mx, new_exchange, zone, dnssec, findings):
    exchange = new_exchange("alice@" + zone)
    line, queue_id = line_of(mx, exchange, exchange.sign(good_reply(exchange)), 250)
    (result,) = mx.acme.results_for(exchange.challenge)
    told = ",".join(dict.fromkeys(finding["id"] for finding in result["findings"]))
    assert findings in told
    want = f"{queue_id}: " + PASS % (zone, zone, dnssec, exchange.token[:6], told, result["id"])
    assert line == (want if told else want.replace("findings= ", ""))


def test_reject(mx, exchange):
    line, queue_id = line_of(mx, exchange, good_reply(exchange), 550)
    assert re.fullmatch(rf"{queue_id}: reply verdict=reject reason=dkim-none code=550 enhanced=5\.7\.20 from=alice@{SIGNED} "
                        rf"dmarc=\w+ policy=reject token={exchange.token[:6]} dns_ms=N endpoint_ms=N total_ms=N "
                        rf"findings=dkim-none(,[a-z0-9-]+)* id=[\w-]{{43}} to={CHALLENGE_ADDRESS}", line), line


def test_temporary_error(mx, new_exchange):
    exchange = new_exchange("alice@" + BOGUS)
    line, queue_id = line_of(mx, exchange, exchange.sign(good_reply(exchange)), 451)
    assert line.startswith(f"{queue_id}: reply verdict=temperror reason=dnssec-bogus code=451 enhanced=4.4.3 from=alice@{BOGUS} ")


def test_refused_by_the_acme_server(mx, new_exchange):
    exchange, other = new_exchange(), new_exchange()
    exchange.digest = other.digest
    line, queue_id = line_of(mx, exchange, exchange.sign(good_reply(exchange)), 550)
    assert line.startswith(f"{queue_id}: reply verdict=pass code=550 enhanced=5.7.1 from=alice@{SIGNED} ")
    assert re.search(r" endpoint=4\d\d dns_ms=", line)


def test_shadow(mx, exchange, new_milter):
    with mx.with_milter(new_milter(("Mode", "shadow"))):
        line, queue_id = line_of(mx, exchange, good_reply(exchange), 250)
    assert line.startswith(f"{queue_id}: reply verdict=reject reason=dkim-none mode=shadow from=")
    assert "endpoint=" not in line


def test_keys_are_those_of_the_manual(mx, new_exchange):
    """In the table's order, whatever is left out."""
    table = re.search(r"^\.It Cm reply (.*) Pq info$", MANUAL.read_text(), re.M).group(1)
    keys = [word.partition("=")[0] for word in table.split()]
    for sign in (True, False):
        exchange = new_exchange()
        reply = good_reply(exchange)
        line, _ = line_of(mx, exchange, exchange.sign(reply) if sign else reply, 250 if sign else 550)
        found = re.findall(r" (\w+)=", line)
        assert found == [key for key in keys if key in found]


@pytest.fixture
def waiting(running, exchange, folder):
    """A reply whose result has been posted and not been answered: the milter, the MTA's end, and how to let it go on."""
    socket = folder.path / "silent-log.sock"
    socket.unlink(missing_ok=True)
    with SilentServer(socket) as endpoint:
        server = running(("Endpoint", endpoint.url), ("EndpointPeerUser", "none"))
        data = exchange.sign(good_reply(exchange))
        with MilterClient(server.socket) as client:
            client.negotiate().greet()
            client.envelope(exchange.author, [CHALLENGE_ADDRESS])
            client.header(data)
            client.body(data)
            client.packet("E")
            wait_for(lambda: endpoint.asked, "the result is posted")
            yield server, client, endpoint.is_free.set
        endpoint.is_free.set()


def test_one_line_where_the_mta_goes_away_while_the_acme_server_is_asked(waiting, exchange):
    server, client, let_go = waiting
    client.socket.close()
    let_go()
    line = server.wait_reply_line(exchange.token)
    assert " endpoint=204 " in line
    assert server.stop() == 0 and server.reply_lines(exchange.token) == [line]


def test_one_line_where_the_milter_is_ended_while_the_acme_server_is_asked(waiting, exchange):
    server, client, let_go = waiting
    server.process.send(signal.SIGTERM)
    wait_for(lambda: not unix_socket_answers(server.socket), "no new connections are taken")
    let_go()
    assert client.answer()[0] == "d"
    assert server.stop() == 0 and len(server.reply_lines(exchange.token)) == 1


@pytest.mark.parametrize("how", ["abort", "quit", "hang up"])
def test_no_line_of_what_was_not_sent_whole(running, exchange, how):
    server, data = running(), exchange.sign(good_reply(exchange))
    with MilterClient(server.socket) as client:
        client.negotiate().greet()
        client.envelope(exchange.author, [CHALLENGE_ADDRESS])
        client.header(data)
        client.body(data)
        if how != "hang up":
            client.packet("A" if how == "abort" else "Q")
    assert server.stop() == 0 and not [line for line in server.log_lines() if " reply " in line]
