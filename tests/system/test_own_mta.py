# SPDX-License-Identifier: BSD-2-Clause
"""What the CA's own Postfix does to good replies before the milter sees them: the table of doc/operations.md, section 2,
row by row, and whom the milter suspects then."""
import pytest

from harness import mail, milter, smtp
from harness.mail_exchanger import CHALLENGE_ADDRESS
from harness.process import free_port
from harness.replies import good_reply

from test_postfix_setups import attach, own  # noqa: F401 pylint: disable=unused-import

# An smtpd that faces the Internet, whose queue hands the mail back to the smtpd that has the milter.
INTERNET = """\
127.0.0.1:{internet} inet n - n - - smtpd
  -o smtpd_milters=
  -o content_filter=smtp:[127.0.0.1]:{{port}}
  -o local_header_rewrite_clients=
"""
OUTSIDE = "local_header_rewrite_clients =\n"  # the clients of these tests are local to Postfix, unless told otherwise

SHAPES = {
    "plain": lambda digest: {},
    "long line": lambda digest: {"body": "x" * 1200 + "\n" + mail.block(digest)},
    "no Date": lambda digest: {"Date": None},
    "no Message-ID": lambda digest: {"Message-ID": None},
    "bare name": lambda digest: {"Cc": "bob"},
    "8-bit text": lambda digest: {"body": "Grüße\n" + mail.block(digest), "Content-Type": "text/plain; charset=utf-8",
                                  "Content-Transfer-Encoding": "8bit"},
}
ALL = set(SHAPES)
COMPLETED = {"no Date", "no Message-ID", "bare name"}

# lines of main.cf, whether the milter is behind a queue, what does not pass any more, and why
SETUPS = {
    "the smtpd that faces the Internet": (OUTSIDE, False, set(), "dkim-fail"),
    "re-injection": ("", True, COMPLETED | {"long line"}, "dkim-fail"),
    "re-injection without rewriting": (OUTSIDE, True, {"long line"}, "dkim-fail"),
    "always_add_missing_headers": (OUTSIDE + "always_add_missing_headers = yes\n", False, {"no Date", "no Message-ID"}, "dkim-fail"),
    "canonical_maps, local clients": ("canonical_maps = static:carol@signed.acme-lab.net\n", False, ALL, "dkim-fail"),
    "canonical_maps, other clients": (OUTSIDE + "canonical_classes = header_sender\n"
                                      "canonical_maps = static:carol@signed.acme-lab.net\n", False, set(), "dkim-fail"),
    "masquerade_domains, local clients": ("masquerade_domains = acme-lab.net\n", False, ALL, "dkim-unaligned"),
    "header_checks REPLACE": (OUTSIDE + "header_checks = regexp:{{{{/^Subject:(.*)/ REPLACE Subject: [ext]$$1}}}}\n", False, ALL,
                              "dkim-fail"),
    "header_checks IGNORE": (OUTSIDE + "header_checks = regexp:{{{{/^References:/ IGNORE}}}}\n", False, ALL, "dkim-fail"),
    "header_size_limit": (OUTSIDE + "header_size_limit = 300\n", False, ALL, "dkim-fail"),
}


@pytest.mark.parametrize("name", SETUPS)
def test_what_the_own_mta_breaks(attach, new_exchange, shared_milter, name):  # noqa: F811
    lines, has_queue, broken, finding = SETUPS[name]
    internet = free_port()
    mx = attach(shared_milter, lines, services=INTERNET.format(internet=internet) if has_queue else "")
    for shape, changes in SHAPES.items():
        exchange = new_exchange()
        data = exchange.sign(good_reply(exchange, **changes(exchange.digest)))
        answer = smtp.send(internet if has_queue else mx.mta.port, exchange.author, CHALLENGE_ADDRESS, data, options=" BODY=8BITMIME")
        line = milter.logfmt(shared_milter.wait_reply_line(exchange.token))
        wanted = ("reject", finding) if shape in broken else ("pass", None)
        assert (line["verdict"], line.get("reason")) == wanted, (shape, line)
        # header_size_limit cuts the signature itself, so that nothing is verified.
        suspects = wanted == ("reject", "dkim-fail") and name != "header_size_limit"
        assert line.get("suspect") == ("own-host" if suspects else None)
        if suspects and not has_queue:
            assert "mail system of the certificate authority" in answer.text, str(answer)
        # Behind a queue the sender was told 250 before.
        assert answer.code == (250 if has_queue or shape not in broken else 550)
