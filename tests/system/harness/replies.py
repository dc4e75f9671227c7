# SPDX-License-Identifier: BSD-2-Clause
"""The good reply to an exchange's challenge, and what must hold when one is refused."""
import re

from harness import mail, milter


def good_reply(exchange, **changes):
    return mail.reply(exchange.challenge, exchange.digest, **changes)


def assert_judges(mx, exchange):
    """A good reply goes all the way."""
    answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
    assert answer.code == 250, str(answer)
    assert mx.acme.status(exchange.challenge) == "valid"


def assert_not_posted(mx, exchange):
    assert mx.acme.results_for(exchange.challenge) == []
    assert mx.acme.status(exchange.challenge) == "pending"


def assert_refused(mx, exchange, data, code, enhanced, finding):
    answer = mx.send(exchange, data)
    assert (answer.code, answer.enhanced) == (code, enhanced), str(answer)
    assert re.fullmatch(r"[ -~]{20,}", answer.text)
    line = milter.logfmt(mx.milter.wait_reply_line(exchange.token))
    wanted = "temperror" if code == 451 else "reject"
    assert (line["verdict"], line["reason"], line["code"]) == (wanted, finding, str(code))
    assert_not_posted(mx, exchange)
    assert mx.delivered(exchange) == []
    return answer
