# SPDX-License-Identifier: BSD-2-Clause
"""acme-challenge-mail: each rule of RFC 8823 section 3.1 for the mail that it makes, its signature, what it refuses."""
import base64
import email
import email.policy
import email.utils
import json
import re
import subprocess
import time

import pytest

from conftest import CA_DOMAIN, Exchange
from harness import acme, challenge, mail, signer
from harness.dns import SIGNED

FROM, TO = "acme+7f@ca.example", "Alice@example.com"
FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
MIME_FIELDS = ["MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


@pytest.fixture(scope="module")
def made():
    return challenge.make(FROM, TO)


@pytest.fixture(scope="module")
def message(made):
    return parse(made["mail"].encode())


@pytest.fixture(scope="module")
def authority(folder):
    return challenge.Authority(folder.sub("authority"))


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def header_lines(data):
    """The header as it stands: clients compare these bytes, not what a parser makes of them."""
    return data.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def test_r05_r11_tokens_differ_and_have_192_bits():
    tokens = {challenge.make(FROM, TO)["tokenPart1"] for _ in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
        assert len(base64.urlsafe_b64decode(token)) == 24


def test_r11_r12_r13_subject_is_one_ascii_line(made):
    lines = [line for line in header_lines(made["mail"].encode()) if line.lower().startswith("subject")]
    assert lines == ["Subject: ACME: " + made["tokenPart1"]]


def test_r14_r15_from_and_to_are_bare_addresses(made):
    lines = header_lines(made["mail"].encode())
    assert [line for line in lines if re.match("(?i)(from|to|cc|sender|reply-to):", line)] == [
        "From: " + FROM, "To: " + TO]
    assert (made["from"], made["identifier"], "replyTo" in made) == (FROM, TO, False)


def test_domains_are_lower_case_a_labels():
    made = challenge.make("ACME@CA.Example", "Al@B\u00fccher.Example")
    assert (made["from"], made["identifier"]) == ("ACME@ca.example", "Al@xn--bcher-kva.example")
    assert header_lines(made["mail"].encode())[:2] == ["From: ACME@ca.example", "To: Al@xn--bcher-kva.example"]


def test_r16_reply_to():
    made = challenge.make("acme@ca.example", TO, "-r", FROM)
    assert "Reply-To: " + FROM in header_lines(made["mail"].encode())
    assert made["replyTo"] == FROM


def test_r17_auto_submitted(message):
    field = message["Auto-Submitted"]
    assert field == "auto-generated; type=acme"


def test_r18_r19_r21_signed_by_dkim_it_verifies(made):
    """What the mail system does next, as python3-dkim does it."""
    key = signer.Key()
    signed = signer.sign(made["mail"].encode(), key, "ca.example", "s1", fields=signer.CHALLENGE_FIELDS)
    assert signer.verifies(signed, {"s1._domainkey.ca.example": key.txt()})


def test_rfc5322_each_field_once_date_and_message_id(made, message):
    assert message.keys() == FIELDS + MIME_FIELDS
    assert message.defects == []
    assert abs(message["Date"].datetime.timestamp() - time.time()) < 3600
    assert message["Date"].datetime.utcoffset().total_seconds() == 0
    assert re.fullmatch(r"<[A-Za-z0-9_-]{24}@ca\.example>", made["messageId"])
    assert message["Message-ID"] == made["messageId"]
    assert made["tokenPart1"] not in made["messageId"]
    assert email.utils.parsedate_to_datetime(message["Date"]).isoformat()[:19] == made["created"][:19]


def test_message_ids_differ_for_one_token():
    token = base64.urlsafe_b64encode(bytes(range(24))).decode()
    ids = {challenge.make(FROM, TO, "--token", token)["messageId"] for _ in range(5)}
    assert len(ids) == 5


def test_body_is_ascii_short_lines_and_tells_how_to_answer(made, message):
    body = made["mail"].encode().partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))
    assert re.fullmatch(rb"(?:[ -~]*\r\n)+", body)
    assert message.get_content_type() == "text/plain"
    assert (message.get_content_charset(), message["Content-Transfer-Encoding"]) == ("us-ascii", "7bit")
    text = " ".join(message.get_content().split())
    for phrase in (TO, "BEGIN ACME RESPONSE", "END ACME RESPONSE", "43 letters", "plain text", "do nothing", "subject"):
        assert phrase in text
    assert made["tokenPart1"] not in text


def test_printed_mail_has_the_line_ends_asked_for():
    plain, crlf = challenge.run("-f", FROM, "-t", TO), challenge.run("-f", FROM, "-t", TO, "--crlf")
    assert plain.returncode == crlf.returncode == 0
    assert b"\r" not in plain.stdout
    assert crlf.stdout.count(b"\r\n") == crlf.stdout.count(b"\n") == crlf.stdout.count(b"\r") == plain.stdout.count(b"\n")


def test_international_local_part_stays_out_of_the_text():
    done = challenge.run("-f", FROM, "-t", "\u7528\u6237@\u4f8b\u3048.example")
    header, _, body = done.stdout.partition(b"\n\n")
    assert "To: \u7528\u6237@xn--r8jz45g.example\n".encode() in header
    assert body.isascii() and b"the address that this message was sent to" in body


@pytest.mark.parametrize("how", ["unmarked", "marked", "above"])
def test_r40_a_reply_that_quotes_it_whole_has_one_block(mx, acme_server, keys, how):
    """Outlook quotes without marks, and people answer below as well as above."""
    author = "alice@" + SIGNED
    issued = challenge.issue(acme_server, author, "acme@" + CA_DOMAIN)
    exchange = Exchange(issued, acme.digest_of(issued), author, keys)
    quoted = issued["mail"].replace("\r\n", "\n")
    if how == "marked":
        quoted = "".join(f"> {line}\n" for line in quoted.splitlines())
    block = mail.block(exchange.digest)
    body = quoted + "\n" + block if how == "above" else block + "\n" + quoted
    answer = mx.send(exchange, exchange.sign(mail.reply(issued, exchange.digest, body=body)))
    assert answer.code == 250, str(answer)
    assert acme_server.status(issued) == "valid"


def signed_mail(authority, *arguments, **how):
    return challenge.make("acme@ca.example", TO, *arguments, *authority.signer("acme@ca.example", **how))


def openssl_verifies(command, data, authority, out):
    """The signed part where openssl takes the signature, else None."""
    done = subprocess.run(["openssl", command, "-verify", "-CAfile", authority.root, "-purpose", "smimesign",
                           "-out", out], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return out.read_bytes() if done.returncode == 0 else None


@pytest.mark.parametrize("key", ["rsa:2048", "rsa:3072", "ec"])
@pytest.mark.parametrize("command", ["cms", "smime"])
def test_r18_r22_smime_signature_verifies(authority, tmp_path, command, key):
    data = signed_mail(authority, key=key)["mail"].encode()
    part = openssl_verifies(command, data, authority, tmp_path / "out")
    assert part is not None and part in data
    for old, new in ((b"ACME: ", b"ACME:  "), (b"do nothing", b"Do nothing"), (b"type=acme", b"type=ACME")):
        head, found, tail = data.rpartition(old)
        assert found and openssl_verifies(command, head + new + tail, authority, tmp_path / "out") is None


def test_smime_signature_survives_local_line_ends(authority, tmp_path):
    data = signed_mail(authority)["mail"].encode().replace(b"\r\n", b"\n")
    assert openssl_verifies("cms", data, authority, tmp_path / "out") is not None


def test_r23_header_protection(authority):
    """RFC 9788: hp="clear", and every field that is not of MIME stands in the signed part as outside of it."""
    made = signed_mail(authority, "-r", FROM)
    outer = parse(made["mail"].encode())
    assert outer.get_content_type() == "multipart/signed"
    assert outer["Content-Type"].params["protocol"] == "application/pkcs7-signature"
    assert outer["Content-Type"].params["micalg"] == "sha-256"
    inner, signature = outer.iter_parts()
    assert signature.get_content_type() == "application/pkcs7-signature"
    assert inner.get_content_type() == "text/plain"
    assert inner["Content-Type"].params["hp"] == "clear"
    names = FIELDS[:2] + ["Reply-To"] + FIELDS[2:]
    assert inner.keys() == outer.keys() == names + MIME_FIELDS
    assert [str(inner[name]) for name in names] == [str(outer[name]) for name in names]
    assert inner["Subject"] == "ACME: " + made["tokenPart1"]
    assert outer.defects == inner.defects == signature.defects == []


def test_smime_carries_its_chain_and_uses_sha256(authority):
    data = signed_mail(authority)["mail"].encode()
    text = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout"], input=data, check=True,
                          stdout=subprocess.PIPE).stdout.decode("utf-8", "replace")
    assert text.count("d.certificate:") == 2  # the signer's and the intermediate authority's, not the root's
    assert "sha256 (2.16.840.1.101.3.4.2.1)" in text and "sha1" not in text.replace("sha1With", "").lower()


LONG = "a" * 64 + "@" + ".".join(["b" * 60] * 4) + ".example"


@pytest.mark.parametrize("reply_to", [FROM, "a" * 50 + "@" + "b" * 55 + ".example", LONG])
def test_r23_rfc7508_fields_in_a_signed_attribute(authority, reply_to):
    """Where acme4j-smime looks for them; read back by openssl. Lengths below 128, below 256 and above."""
    made = signed_mail(authority, "-r", reply_to)
    text = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout"], input=made["mail"].encode(), check=True,
                          stdout=subprocess.PIPE).stdout.decode("utf-8", "replace")
    signed = text[text.index("signedAttrs:"):text.index("unsignedAttrs:")]
    assert "1.2.840.113549.1.9.16.2.55" in signed
    assert re.search(r"ENUMERATED +:01\n", signed)  # relaxed
    found = re.findall(r"VISIBLESTRING +:(\S+)\n.*UTF8STRING +:(.*)\n", signed)
    outer = parse(made["mail"].encode())
    assert found == [(name, str(outer[name])) for name in FIELDS[:2] + ["Reply-To"] + FIELDS[2:]]


def test_dkim_signed_on_top_of_smime_verifies(authority, tmp_path):
    key = signer.Key()
    data = signer.sign(signed_mail(authority)["mail"].encode(), key, "ca.example", "s1", fields=signer.CHALLENGE_FIELDS)
    assert signer.verifies(data, {"s1._domainkey.ca.example": key.txt()})
    assert openssl_verifies("cms", data, authority, tmp_path / "out") is not None


def refused(code, words, *arguments):
    done = challenge.run(*arguments)
    text = done.stderr.decode("ascii")
    assert (done.returncode, done.stdout) == (code, b""), text
    assert re.search(words, text), text
    assert code == 64 or text.startswith("acme-challenge-mail: ") and text.count("\n") == 1


@pytest.mark.parametrize("usage, words", [
    ({"address": "acme+7f@ca.example"}, "rfc822Name"), ({"address": "ACME@ca.example"}, "rfc822Name"),
    ({"usage": "serverAuth"}, "extended key usage"), ({"key": "ed25519"}, "cannot sign"),
    ({"days": 0}, "expired")])
def test_r22_certificates_that_no_client_would_take(authority, usage, words):
    options = authority.signer(**{"address": "acme@ca.example", "name": "bad", **usage})
    refused(78, words, "-f", "acme@ca.example", "-t", TO, *options)


def test_certificates_and_keys_that_are_none(authority, tmp_path):
    good = authority.signer("acme@ca.example")
    call = ["-f", "acme@ca.example", "-t", TO]
    (tmp_path / "empty").write_text("")
    refused(66, "No such file", *call, "--sign-cert", tmp_path / "none", *good[2:])
    refused(66, "No such file", *call, *good[:2], "--sign-key", tmp_path / "none")
    refused(78, "no certificate", *call, "--sign-cert", tmp_path / "empty", *good[2:])
    refused(78, "no private key", *call, *good[:2], "--sign-key", tmp_path / "empty")
    refused(78, "not the key", *call, *good[:2], "--sign-key", authority.path("root.key"))
    subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", good[3], "-out", tmp_path / "locked"],
                   check=True, stderr=subprocess.PIPE)
    refused(78, "without a passphrase", *call, *good[:2], "--sign-key", tmp_path / "locked")
    refused(65, "ASCII", "-f", "acme@ca.example", "-t", "\u7528@example.com", *good)


@pytest.mark.parametrize("address", [
    "", "alice", "alice@localhost", "*@example.com", "Alice <alice@example.com>", "<alice@example.com>",
    "alice@example.com, bob@example.com", "alice@example.com\nBcc: bob@example.com", "alice@example.com ",
    "alice@[192.0.2.1]", "alice@example.com.", "a@b@example.com", "g: alice@example.com;"])
def test_r02_addresses_that_are_no_bare_mailbox(address):
    for options in (["-f", FROM, "-t", address], ["-f", address, "-t", TO], ["-f", FROM, "-t", TO, "-r", address],
                    ["-f", FROM, "-t", TO, "--envelope-sender", address]):
        refused(65, "mailbox", *options)


@pytest.mark.parametrize("token, words", [
    ("", "128"), ("A" * 21, "128"), ("A" * 65, "128"), ("A" * 31 + "=", "padding"), ("A" * 31 + "+", "base64url"),
    ("A" * 25, "base64url"), ("A" * 21 + "B", "base64url"), ("A" * 31 + "\n", "base64url"), ("A" * 16 + " " + "A" * 15, "base64url")])
def test_r05_tokens_that_are_none(token, words):
    refused(65, words, "-f", FROM, "-t", TO, "-T", token)


@pytest.mark.parametrize("size, is_warned", [(16, True), (18, False), (24, False), (32, True), (48, False)])
def test_tokens_that_clients_join_in_two_ways_are_warned_of(size, is_warned):
    token = base64.urlsafe_b64encode(b"\xfb" * size).decode().rstrip("=")
    done = challenge.run("-f", FROM, "-t", TO, "--token", token)
    assert done.returncode == 0 and f"\nSubject: ACME: {token}\n".encode() in done.stdout
    assert (b"multiple of 3" in done.stderr) == is_warned


def test_wrong_options():
    for options in ([], ["-f", FROM], ["-t", TO], ["-f", FROM, "-t", TO, "more"], ["-f", FROM, "-t", TO, "--no-such"],
                    ["-f", FROM, "-t", TO, "--sign-cert", "x"], ["-f", FROM, "-t", TO, "--sign-key", "x"]):
        refused(64, "Usage", *options)
    assert challenge.run("--help").stdout.startswith(b"Usage")
    assert re.fullmatch(rb"acme-challenge-mail \d+\.\d+\.\d+\n", challenge.run("-V").stdout)


def test_full_standard_output_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([challenge.program(), "-f", FROM, "-t", TO], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("is_signed", [False, True])
def test_send_by_the_sendmail_of_postfix(mx, authority, tmp_path, is_signed):
    program = script(tmp_path / "sendmail", f'exec /usr/sbin/sendmail -C "{mx.postfix.conf}" "$@"\n')
    sender, options = "acme@" + CA_DOMAIN, []
    if is_signed:
        options = authority.signer(sender, name="postfix")
    done = challenge.run("-f", sender, "-t", "someone@" + CA_DOMAIN, "-s", "-j", "--sendmail", program, *options)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    mx.postfix.wait_queue_empty()
    token = made["tokenPart1"].encode()
    assert mx.postfix.delivered(token) == ["someone@" + CA_DOMAIN]
    for name in FIELDS:
        assert mx.postfix.fields_of(token, name) == [str(parse(made["mail"].encode())[name])]
    assert mx.postfix.fields_of(token, "Return-Path") == [f"<{sender}>"]


def test_send_what_sendmail_is_called_with(tmp_path):
    program = script(tmp_path / "sendmail", f'printf "%s\\n" "$@" >"{tmp_path}/words"\ncat >"{tmp_path}/mail"\n')
    for options, sender in (([], FROM), (["--envelope-sender", "<>"], ""), (["--envelope-sender", "b@CA.example"], "b@ca.example")):
        done = challenge.run("-f", FROM, "-t", "-x@example.com", "-s", "--crlf", "--sendmail", program, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert (tmp_path / "words").read_text().split("\n") == ["-i", "-f", sender, "--", "-x@example.com", ""]
        assert b"\r" not in (tmp_path / "mail").read_bytes()
        assert parse((tmp_path / "mail").read_bytes()).keys() == FIELDS + MIME_FIELDS


@pytest.mark.parametrize("ends, code, words", [
    ("exit 75", 75, "ended with 75"), ("exit 67", 67, "ended with 67"), ("exit 1", 69, "ended with 1"),
    ("kill -9 $$", 69, "killed")])
def test_send_that_fails_is_told_by_the_exit_status(tmp_path, ends, code, words):
    program = script(tmp_path / "sendmail", "cat >/dev/null\n" + ends + "\n")
    refused(code, words, "-f", FROM, "-t", TO, "-s", "-j", "--sendmail", program)


def test_send_without_a_sendmail(tmp_path):
    refused(69, "No such file", "-f", FROM, "-t", TO, "-s", "--sendmail", tmp_path / "none")
