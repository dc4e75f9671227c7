# SPDX-License-Identifier: BSD-2-Clause
"""No side doors: whatever spelling of the challenge address an MTA takes, the milter judges the mail before it lies in the
mailbox. A forged reply goes to each spelling, behind Postfix with virtual and with local mailboxes and behind Sendmail, where
the milter is the gate (Endpoint none) and where it posts."""
import itertools
import os
import secrets
import smtplib
from random import Random

import pytest

from harness import mail, smtp
from harness.mail_exchanger import CA_DOMAIN as D
from harness.milter import Milter
from harness.milter_client import MilterClient
from harness.postfix import Postfix
from harness.process import wait_for
from harness.replies import good_reply
from harness.sendmail import Sendmail

# What stands after "RCPT TO:"; @D is the challenge address's domain.
SPELLINGS = [path.replace("@D", "@" + D).replace("D!", D + "!").replace("%D", "%" + D) for path in (
    "<acme@D>", "<ACME@D>", "<Acme@D>", "<acme@D >", "< acme@D>", " <acme@D>", "\t<acme@D>", "<acme @D>", "<acme@ D>",
    "acme@D", " acme@D", "Bob <acme@D>", '"Bob" <acme@D>', "Bob<acme@D>", "<<acme@D>>", "<< acme@D >>", "<Bob <acme@D>>",
    # RFC 5321 quoting: quoted strings and quoted pairs mean what is in them.
    '<"acme"@D>', r'<"ac\me"@D>', r'<"\a\c\m\e"@D>', r"<ac\me@D>", '<"ac"me@D>', '<ac"me"@D>', '<"ACME"@D>', '<"acme" @D>',
    # RFC 822: comments, routes, groups.
    "<acme (c)@D>", "<acme(c)@D>", "<(c)acme@D>", "<(c) acme@D>", "<acme@D (c)>", "<acme@(c)D>".replace("D>", D + ">"),
    "<acme(a(b)c)@D>", r"<acme(\))@D>", "<@relay.example:acme@D>", "<@a.example,@b.example:acme@D>", "<@D:acme@D>",
    "<group:acme@D;>",
    # Dots.
    "<acme@D.>", "<acme@D..>", "<acme.@D>", "<.acme@D>", "<acme..@D>", '<"acme."@D>',
    # Ways of before the DNS, which MTAs still know.
    "<D!acme>", "<relay!D!acme>", "<D!acme@D>", "<D!D!acme>", "<acme%D@D>", "<acme%D>", "<acme%D%D@D>", '<"acme@D"@D>',
    '<"acme@D">', "<acme@D@D>", r"<acme\@D@D>", '<"D!acme"@D>', '<"acme%D"@D>',
    # Other names of the host, and none.
    "<acme>", "acme", '<"acme">', "<acme@[127.0.0.1]>", "<acme@[IPv6:::1]>", "<acme@localhost>",
    f"<acme@mx.{D}>", f"<acme@MX.{D}>", f'<"acme"@mx.{D}>', f"<mx.{D}!acme>", f"<acme%mx.{D}@D>",
    # Subaddresses.
    "<acme+x@D>", '<"acme+x"@D>', '<"acme"+x@D>', "<acme+@D>", "<ACME+x@D.>", r"<acme\+x@D>", "<acme+x>", "<acme+x+y@D>",
    f"<acme+x@mx.{D}>",
)]
# With SMTPUTF8: what Unicode folds to the letters of desk@D.
UTF8_SPELLINGS = [f"<{local}@{D}>" for local in ("de\u017fk", "des\u212a", "DE\u017f\u212a", '"de\u017fk"', "de\u017fk+x")]
AUTHOR = "victim@acme-lab.net"
BOXES = ("acme", "desk")
NUMBERS = itertools.count(1)


def gate(folder, milter_settings, name, **settings):
    wanted = [pair for pair in milter_settings if pair[0] not in ("EndpointPeerUser", "Endpoint", "ChallengeAddress")]
    return Milter(folder, wanted + [("ChallengeAddress", f"acme@{D}"), ("ChallengeAddress", f"desk@{D}"),
                                    ("Disposition", "deliver"), *settings.items()], name)


@pytest.fixture(scope="module", params=["gate", "socket"])
def server(request, folder, milter_settings, acme_server):
    made = gate(folder, milter_settings, request.param + str(next(NUMBERS)),
                Endpoint="none" if request.param == "gate" else acme_server.endpoint)
    made.start_and_wait()
    yield made
    made.stop()


LOCAL = f"""mydestination = {D}, mx.{D}, localhost
virtual_mailbox_domains = acme-lab.invalid
mailbox_transport = virtual
"""
VIRTUAL = f"myorigin = {D}\n"


@pytest.fixture(scope="module", params=["postfix-virtual", "postfix-local", "sendmail"])
def mta(request, folder, server, tls_files):
    own = type(folder)("gate")
    if request.param == "sendmail":
        made = Sendmail(own, D, server.folder, *tls_files)
    else:
        settings = "smtputf8_enable = yes\n" + (LOCAL if request.param == "postfix-local" else VIRTUAL)
        made = Postfix(own, D, f"unix:{server.socket}", settings)
    made.start()
    yield made
    made.stop()
    own.remove()


def forged(token):
    challenge = {"identifier": AUTHOR, "from": f"acme@{D}", "messageId": f"<2@{D}>", "tokenPart1": token}
    return mail.reply(challenge, "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk").bytes()


def send(mta, path, data, options=""):
    """What the sender is told of RCPT, and of the mail if that was taken."""
    client = smtp.connect(mta.port)
    client.command_encoding = "utf-8"
    try:
        assert client.docmd("MAIL", f"FROM:<{AUTHOR}>{options}")[0] == 250
        code = client.docmd("RCPT", "TO:" + path)[0]
        if code != 250:
            return code, None
        return code, client.data(data)[0]
    except smtplib.SMTPDataError as error:
        return 250, error.smtp_code
    finally:
        client.close()


def lies_in_mailbox(mta, token):
    mta.wait_queue_empty()
    locals_ = [box.rpartition("@")[0].strip('"').casefold() for box in mta.delivered(token.encode())]
    return [local for local in locals_ if local.partition("+")[0] in BOXES]


def assert_judged(mta, server, path, options=""):
    """A forged mail is either not taken at RCPT, or rejected by the milter, or in another mailbox."""
    token = secrets.token_hex(16)
    rcpt, answer = send(mta, path, forged(token), options)
    if answer is not None and answer // 100 == 2:
        assert lies_in_mailbox(mta, token) == [], f"{path}: unjudged in the mailbox"
    return rcpt, answer


@pytest.mark.parametrize("path", SPELLINGS, ids=str)
def test_spelling(mta, server, path):
    assert_judged(mta, server, path)


@pytest.mark.parametrize("path", UTF8_SPELLINGS)
def test_spelling_in_utf8(mta, server, path):
    if isinstance(mta, Sendmail):
        pytest.skip("this Sendmail does not speak SMTPUTF8")
    assert_judged(mta, server, path, " SMTPUTF8")


# --- spellings that nobody listed

def spellings(seed, count):
    """Forms of RFC 5321 and RFC 822 around acme@D, at random: local part, domain, what stands around and inside."""
    random = Random(seed)

    def quoted(text):
        return '"' + "".join(random.choice(("", "", "\\")) + letter for letter in text) + '"'

    def cased(text):
        return "".join(random.choice((letter, letter.upper())) for letter in text)

    def comment():
        return random.choice(("", "", "", "(c)", "(a (b) c)", r"(\))", " "))

    for _ in range(count):
        local = cased(random.choice(("acme", "acme", "acme+x", "desk", "desk+", ".acme", "acme.")))
        host = cased(random.choice((D, D, D, f"mx.{D}", "localhost", "[127.0.0.1]", "")))
        local = random.choice((local, local, quoted(local), quoted(local[:2]) + local[2:], "\\" + local))
        dot = random.choice(("", "", "."))
        form = random.choice(("at", "at", "at", "bang", "percent", "nested"))
        if not host:
            address = local
        elif form == "bang":
            address = f"{host}!{local}" + random.choice(("", f"@{D}", f"@mx.{D}"))
        elif form == "percent":
            address = f"{local}%{host}" + random.choice(("", f"@{D}", f"@localhost"))
        elif form == "nested":
            address = '"%s@%s"@%s' % (local.replace("\\", "").replace('"', ""), host, D)
        else:
            address = f"{comment()}{local}{comment()}@{comment()}{host}{dot}{comment()}"
        address = random.choice(("", "", "", "@r.example:", "@r.example,@s.example:", f"@{D}:")) + address
        yield random.choice(("<%s>", "<%s>", "<%s>", "%s", " <%s>", "< %s >", "<<%s>>", "Bob <%s>", '"Bob" <%s>')) % address


def test_random_spellings(mta, server):
    """ACME_MILTER_SPELLINGS=N sends N of them, ACME_MILTER_SEED those of another seed."""
    seed = int(os.environ.get("ACME_MILTER_SEED", "8823"))
    lying, taken = [], 0
    for path in spellings(seed, int(os.environ.get("ACME_MILTER_SPELLINGS", "60"))):
        token = secrets.token_hex(16)
        _, answer = send(mta, path, forged(token))
        taken += answer is not None
        if answer == 250 and lies_in_mailbox(mta, token):
            lying.append(path)
    assert lying == [], f"unjudged in the mailbox, seed {seed}"
    assert taken > 10, "the MTA takes hardly any of them"


# --- a recipient that neither the sender's words nor the MTA tell for certain

UNCLEAR = [f'"other@{D}', f"other(@{D}", "a" * 2000 + "@" + D]


@pytest.mark.parametrize("recipient", UNCLEAR, ids=("quote", "comment", "length"))
def test_unclear_recipient_does_not_pass_the_gate(server, recipient):
    with MilterClient(server.socket) as client:
        client.negotiate().greet()
        letter, text = client.envelope(AUTHOR, [recipient])
        assert letter == "y" and text.startswith(b"451 4.1.3 "), (letter, text)
    assert wait_for(lambda: "recipient reason=unclear" in server.log().decode(), "the line in the log")


def test_mta_that_knows_the_recipient_makes_it_clear(server):
    with MilterClient(server.socket) as client:
        client.negotiate().greet()
        assert client.step("M", f"<{AUTHOR}>\0".encode()) == "c"
        client.macros("R", rcpt_addr=f"other@{D}", rcpt_mailer="virtual")
        assert client.step("R", UNCLEAR[0].encode() + b"\0") == "c"
        assert client.ask("T")[0] == "a"


def test_unclear_recipient_is_told_once_a_minute(new_milter):
    own = new_milter(("Disposition", "discard"))
    own.start_and_wait()
    try:
        for _ in range(20):
            with MilterClient(own.socket) as client:
                client.negotiate().greet()
                assert client.envelope(AUTHOR, [UNCLEAR[0]])[0] == "a"  # nobody reads that mailbox
        assert own.log().count(b"recipient reason=unclear") == 1
    finally:
        own.stop()


@pytest.mark.parametrize("spelling", [f'<"acme"@{D}>', f"<acme@{D}.>", f"<@r.example:acme@{D}>", f"<{D}!acme>"])
def test_challenge_recipient_of_any_spelling_is_taken_out(mx, exchange, spelling):
    """Disposition discard: the others get their mail, the challenge address does not, however it was written."""
    client = smtp.connect(mx.mta.port)
    try:
        for command in (f"MAIL FROM:<{exchange.author}>", f"RCPT TO:<bob@{D}>", "RCPT TO:" + spelling):
            assert client.docmd(command)[0] == 250
        assert client.data(exchange.sign(good_reply(exchange)))[0] == 250
    finally:
        client.close()
    assert mx.acme.status(exchange.challenge) == "valid"
    assert mx.delivered(exchange) == [f"bob@{D}"]
