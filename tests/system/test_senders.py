# SPDX-License-Identifier: BSD-2-Clause
"""The tables of doc/operations.md, section 4, and of acme-milter(8): what mail systems change between a signature and us,
and what of it -t, which has the bytes of a file, cannot see. Postfix and Sendmail are real."""
import json

import pytest

from harness import milter, smtp
from harness.mail_exchanger import CA_DOMAIN, CHALLENGE_ADDRESS
from harness.replies import good_reply

from test_sendmail import mx as sendmail_mx  # noqa: F401 pylint: disable=unused-import


def swap(old, new):
    def change(data):
        assert old in data
        return data.replace(old, new, 1)
    return change


# What is wrong with the bytes of a signed mail: how they are made, and what -t, Postfix's and Sendmail's milter then say.
# 421: Sendmail ends the connection.
DEFECTS = {
    "bare LF in the body": (swap(b"\r\n-----END", b"\n-----END"), "header-malformed", "pass", 421),
    "bare LF after a field": (swap(b"\r\nDate: ", b"\nDate: "), "header-malformed", "pass", 421),
    "bare CR in the body": (swap(b"-----BEGIN", b"a\rb\r\n-----BEGIN"), "header-malformed", "dkim-fail", 421),
    "bare CR in a field": (swap(b"Date: ", b"X-A: a\rb\r\nDate: "), "header-malformed", "pass", 421),
    "NUL in a field": (swap(b"Date: ", b"X-A: a\0b\r\nDate: "), "header-malformed", "pass", "pass"),
    "NUL in the body": (swap(b"-----BEGIN", b"a\0b\r\n-----BEGIN"), "header-malformed", "header-malformed", "header-malformed"),
    "control character": (swap(b"Date: ", b"X-A: a\x01b\r\nDate: "), "header-malformed", "header-malformed", "header-malformed"),
    "8-bit in From": (swap(b"From: ", b"From: Ren\xe9 "), "header-malformed", "header-malformed", "header-malformed"),
    "8-bit in X-Mailer": (swap(b"Date: ", b"X-Mailer: Gr\xfc\xdf\r\nDate: "), "pass", "pass", "pass"),
    "blank before the colon": (swap(b"Date: ", b"X-A : b\r\nDate: "), "header-malformed", "pass", "pass"),
    "line without a colon": (swap(b"MIME-Version: ", b"no field\r\nMIME-Version: "), "header-malformed", "dkim-fail", "dkim-fail"),
}


def told_by_file(server, path):
    """What -t says of a file, and on standard error."""
    done = milter.run("-t", "-c", server.conf, path)
    result = json.loads(done.stdout)
    return result["reason"]["finding"] if result["reason"] else "pass", done.stderr.decode()


def told_by_milter(mta, server, exchange, data):
    answer = smtp.send(mta.port, exchange.author, CHALLENGE_ADDRESS, data, options=" BODY=8BITMIME")
    if answer.code == 421:
        assert server.reply_lines(exchange.token) == []
        return 421
    return milter.logfmt(server.wait_reply_line(exchange.token)).get("reason", "pass")


@pytest.mark.parametrize("name", DEFECTS)
def test_what_an_mta_makes_of_broken_bytes(mx, sendmail_mx, new_exchange, shared_milter, tmp_path, name):  # noqa: F811
    change, *wanted = DEFECTS[name]
    found = []
    exchanges = [new_exchange() for _ in range(3)]
    # The signature covers the changed bytes where it can: what fails then is the MTA's doing.
    mails = [change(each.sign(good_reply(each))) if "field" in name or "colon" in name else
             each.sign(change(good_reply(each).bytes())) for each in exchanges]
    path = tmp_path / "reply.eml"
    path.write_bytes(mails[0])
    reason, note = told_by_file(shared_milter, path)
    found.append(reason)
    found.append(told_by_milter(mx.mta, shared_milter, exchanges[1], mails[1]))
    found.append(told_by_milter(sendmail_mx.mta, shared_milter, exchanges[2], mails[2]))
    assert found == wanted
    assert (wanted[0] == "header-malformed" and "control" not in name and "8-bit" not in name) == ("reply.eml: -t judges the bytes of the file; behind an MTA: " in note), note


# What a mail that was signed already goes through a sender's Sendmail with, and whether it is good afterwards.
RELAYED = {
    "plain": ({}, "pass"),
    "name with an unquoted dot": ({"From": "J. Doe <{author}>"}, "dkim-fail"),
    "name with a quoted dot": ({"From": '"J. Doe" <{author}>'}, "pass"),
    "unquoted dot in Cc": ({"Cc": "J. Doe <bob@x.acme-lab.net>"}, "dkim-fail"),
    "list without blanks": ({"Cc": "bob@x.acme-lab.net,carol@x.acme-lab.net"}, "dkim-fail"),
    "no Message-ID": ({"Message-ID": None}, "dkim-fail"),
    "no Date": ({"Date": None}, "dkim-fail"),
}


@pytest.mark.parametrize("name", RELAYED)
def test_what_a_senders_sendmail_breaks(sendmail_mx, exchange, shared_milter, tmp_path, name):  # noqa: F811
    changes, wanted = RELAYED[name]
    changes = {field: value and value.format(author=exchange.author) for field, value in changes.items()}
    data = exchange.sign(good_reply(exchange, **changes))
    path = tmp_path / "reply.eml"
    path.write_bytes(data)
    assert told_by_file(shared_milter, path)[0] == "pass"
    assert smtp.send(sendmail_mx.mta.port, exchange.author, "bob@" + CA_DOMAIN, data).code == 250
    sendmail_mx.mta.wait_queue_empty()
    path.write_bytes(sendmail_mx.mta.copy_of(exchange.token.encode()))
    assert told_by_file(shared_milter, path)[0] == wanted


def test_sendmail_has_no_smtputf8(sendmail_mx):  # noqa: F811
    """Debian's is built without USE_EAI: it refuses SMTPUTF8, and takes the eighth bit from addresses sent without."""
    client = smtp.connect(sendmail_mx.mta.port)
    try:
        assert b"SMTPUTF8" not in client.docmd("EHLO", "x")[1]
        client.sock.sendall("MAIL FROM:<älice@signed.acme-lab.net> SMTPUTF8\r\n".encode())
        assert client.getreply()[0] == 555
        client.sock.sendall("MAIL FROM:<älice@signed.acme-lab.net>\r\n".encode())
        code, text = client.getreply()
        assert code == 250 and b"<C$lice@" in text
    finally:
        client.close()
