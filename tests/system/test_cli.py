# SPDX-License-Identifier: BSD-2-Clause
"""The command line and the configuration file, from outside: what other people's scripts rely on."""
import json
import re
import socket

import pytest

from harness import mail, milter, signer

AUTHOR = "alice@author.acme-lab.net"
DOMAIN = "author.acme-lab.net"
CA = "acme@ca.acme-lab.net"
TOKEN = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"
DIGEST = "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
CHALLENGE = {"identifier": AUTHOR, "from": CA, "tokenPart1": TOKEN, "messageId": "<2@ca.acme-lab.net>"}

DEFAULTS = {
    "Socket": "unix:/run/acme-milter/milter.sock", "SocketMode": "0660", "UserID": "acme-milter",
    "SubaddressDelimiter": "+", "Endpoint": "http://unix:/run/acme-server/email-reply.sock:/email-reply",
    "EndpointTimeout": "5s", "EndpointRetryFor": "20s", "Policy": "interop", "Disposition": "discard",
    "OnReject": "reject", "DNSTimeout": "5s", "DMARCDiscovery": "rfc9989", "MinimumKeyBits": "1024",
    "ClockSkew": "300s", "MaxMessageSize": "256k", "MaxHeaderFields": "200", "MaxSignatures": "8", "MaxMIMEDepth": "8",
    "MaxMIMEParts": "64", "MaxConcurrentReplies": "64", "MaxMemory": "64M", "ReportRejects": "no", "Mode": "enforce",
    "EndpointFormat": "native", "MetricsInterval": "15s", "SyslogFacility": "mail", "LogLevel": "info",
    "LogTokens": "no",
}

MEMBERS = {
    None: "version id verdict reason challengeType challengeAddress tokenPart1 digest from messageId inReplyTo receivedAt "
          "messageSha256 findings dkim signatures dmarc assurance smtp milter",
    "dkim": "result domain selector algorithm keyBits identity signedFields signedAt expiresAt bodyLengthLimited dnssec",
    "dmarc": "result policy policyDomain dkimAlignment dnssec",
    "assurance": "dkimKeyDnssec dmarcDnssec policyEnforced fullHeaderCoverage",
    "smtp": "clientAddress clientName helo mailFrom queueId tlsVersion",
    "milter": "name version",
}


def quoted(text):
    return " ".join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))


@pytest.fixture
def conf(tmp_path):
    """Writes a configuration; what a test does not say has a value that works."""
    def write(*lines, base=True, newline="\n"):
        file = tmp_path / "acme-milter.conf"
        text = [f"ChallengeAddress {CA}"] if base else []
        file.write_bytes((newline.join([*text, *lines]) + newline).encode())
        return file
    return write


@pytest.fixture
def dns(tmp_path, keys):
    def write(*more, key_name=f"rsa2048._domainkey.{DOMAIN}", key=None):
        file = tmp_path / "dns.txt"
        key = f"{key_name} 300 TXT {quoted(keys['rsa2048'].txt())}" if key is None else key
        file.write_text("\n".join([key, f'_dmarc.{DOMAIN} TXT "v=DMARC1; p=reject"', *more]) + "\n")
        return file
    return write


@pytest.fixture
def message(tmp_path, keys):
    """Writes a signed reply; returns its path."""
    def write(name="mail.eml", newline="\r\n", sign=True, **changes):
        data = mail.reply(CHALLENGE, DIGEST, **changes).bytes()
        if sign:
            data = signer.sign(data, keys["rsa2048"], DOMAIN, "rsa2048")
        file = tmp_path / name
        file.write_bytes(data.replace(b"\r\n", newline.encode()))
        return file
    return write


def judge(conf, dns, *arguments, **how):
    done = milter.run("-t", "-c", conf, "-D", dns, *arguments, **how)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


# --- options


def test_help(conf):
    done = milter.run("--help")
    assert done.returncode == 0
    for word in (b"-n", b"-t", b"-V", b"--config", b"--foreground", b"--check-config", b"--test", b"--dns-file",
                 b"--sender", b"--recipient", b"--client-address", b"--post", b"--version"):
        assert word in done.stdout + done.stderr, word


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_names_the_libraries(option):
    done = milter.run(option)
    assert done.returncode == 0
    text = done.stdout.decode().lower()
    assert re.search(r"acme-milter \d+\.\d+\.\d+", text)
    for library in ("opendkim", "opendmarc", "unbound", "curl", "jansson", "openssl", "libmilter"):
        assert library in text, library


@pytest.mark.parametrize("arguments", [["-Z"], ["--nonsense"], ["-n", "--nonsense"], ["-c"], ["-t"],
                                       ["-D", "dns.txt"], ["-n", "-p"], ["-n", "-t", "-"], ["-V", "more"], ["--probe", "more"], ["--probe", "-t", "-"],
                                       ["-t", "--replay", "folder", "-r", "acme@ca.example"]])
def test_unknown_or_incomplete_option_is_64(arguments):
    done = milter.run(*arguments)
    assert done.returncode == 64
    assert b"sage" in done.stderr and done.stdout == b""


# --- configuration


@pytest.mark.parametrize("option", ["-n", "--check-config"])
def test_defaults(conf, option):
    done = milter.run(option, "-c", conf())
    assert done.returncode == 0, done.stderr
    settings = dict(line.split(" ", 1) for line in done.stdout.decode().splitlines() if " " in line)
    assert settings["ChallengeAddress"].split()[0] == CA
    assert {name: settings.get(name) for name in DEFAULTS} == DEFAULTS


def test_printed_configuration_is_read_again(conf, tmp_path):
    lines = ["policy STRICT", "MAXMESSAGESIZE 1M", "EndpointRetryFor 2m", "Nameservers 127.0.0.1@5353, ::1@53",
             "OnFinding dkim-key-1024 reject", "OnFinding to-mismatch note", "ChallengeAddress @acme.ca.acme-lab.net",
             "SubaddressDelimiter none", "LogTokens yes"]
    first = milter.run("-n", "-c", conf(*lines))
    assert first.returncode == 0, first.stderr
    again = tmp_path / "again.conf"
    again.write_bytes(first.stdout)
    second = milter.run("-n", "-c", again)
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr
    for part in (b"Policy strict", b"dkim-key-1024 reject", b"127.0.0.1@5353"):
        assert part in first.stdout
    assert re.search(rb"^MaxMessageSize (1M|1024k)$", first.stdout, re.M)


def test_comments_blanks_case_and_line_ends(conf):
    lines = ["", "# a comment", "   \t", "\tPOLICY\t rfc8823   # why not", "mode shadow"]
    for newline in ("\n", "\r\n"):
        done = milter.run("-n", "-c", conf(*lines, newline=newline))
        assert done.returncode == 0, done.stderr
        assert b"Policy rfc8823\n" in done.stdout and b"Mode shadow\n" in done.stdout


@pytest.mark.parametrize("line, keyword", [
    ("Nonsense yes", "Nonsense"),
    ("Policy lenient", "Policy"),
    ("Policy", "Policy"),
    ("MaxSignatures 0", "MaxSignatures"),
    ("MaxSignatures -1", "MaxSignatures"),
    ("MaxSignatures 8x", "MaxSignatures"),
    ("MaxSignatures 99999999999999999999", "MaxSignatures"),
    ("MaxMessageSize 1G", "MaxMessageSize"),
    ("MaxMessageSize 99999999999999M", "MaxMessageSize"),
    ("EndpointTimeout 5d", "EndpointTimeout"),
    ("EndpointTimeout 0s", "EndpointTimeout"),
    ("SocketMode 999", "SocketMode"),
    ("Socket nonsense", "Socket"),
    ("Socket inet:99999@127.0.0.1", "Socket"),
    ("Endpoint ftp://ca.acme-lab.net/", "Endpoint"),
    ("Endpoint http://ca.acme-lab.net/email-reply", "Endpoint"),
    ("ChallengeAddress not-an-address", "ChallengeAddress"),
    ("ChallengeAddress a@b@c", "ChallengeAddress"),
    ("OnFinding nonsense reject", "OnFinding"),
    ("OnFinding dkim-none perhaps", "OnFinding"),
    ("Nameservers not-an-address", "Nameservers"),
    ("Nameservers 127.0.0.1@0", "Nameservers"),
    ("SubaddressDelimiter ++", "SubaddressDelimiter"),
    ("ReportRejects perhaps", "ReportRejects"),
    ("SyslogFacility nonsense", "SyslogFacility"),
    ("LogLevel nonsense", "LogLevel"),
    ("TestTime yesterday", "TestTime"),
])
def test_bad_setting_is_78_with_its_place(conf, line, keyword):
    file = conf("# the bad one is line 3", line)
    done = milter.run("-n", "-c", file)
    assert done.returncode == 78, done.stdout
    assert re.match(rf"{re.escape(str(file))}:3: {keyword}: [ -~]+\n\Z", done.stderr.decode()), done.stderr
    assert done.stdout == b""


def test_duplicate_setting_is_78(conf):
    file = conf("Policy strict", "policy interop")
    done = milter.run("-n", "-c", file)
    assert done.returncode == 78
    assert re.match(rf"{re.escape(str(file))}:3: Policy: ", done.stderr.decode(), re.I), done.stderr


@pytest.mark.parametrize("bad", [b"Policy strict\0\n", b"Po\x1b[31mlicy strict\n", b"Policy \xff\xfe\n",
                                 b"Policy strict" + b"x" * 100000 + b"\n"])
def test_hostile_bytes_in_the_file_are_78_and_printable(tmp_path, bad):
    file = tmp_path / "bad.conf"
    file.write_bytes(b"ChallengeAddress " + CA.encode() + b"\n" + bad)
    done = milter.run("-n", "-c", file)
    assert done.returncode == 78
    assert re.fullmatch(rb"[ -~\n]{10,2000}", done.stderr) and f"{file}:2: ".encode() in done.stderr


def test_challenge_address_is_needed(conf):
    file = conf("Policy strict", base=False)
    done = milter.run("-n", "-c", file)
    assert done.returncode == 78
    assert re.match(rf"{re.escape(str(file))}:(\d+: )? ?ChallengeAddress: ", done.stderr.decode()), done.stderr


def test_missing_file_is_78(tmp_path):
    for mode in ("-n", "-f"):
        done = milter.run(mode, "-c", tmp_path / "nothing.conf")
        assert done.returncode == 78 and b"nothing.conf" in done.stderr


def test_daemon_with_a_bad_file_is_78(conf):
    done = milter.run("-f", "-c", conf("Policy lenient"))
    assert done.returncode == 78 and b":2: Policy: " in done.stderr


@pytest.mark.parametrize("line", ["UserID root", "UserID nobody-has-this-name", "TrustAnchorFile /nonexistent/anchor",
                                  "EvidenceKeyFile /nonexistent/key", "EndpointTokenFile /nonexistent/token",
                                  "TestDNSData /nonexistent/dns"])
def test_daemon_does_not_start_without_what_a_setting_names(conf, tmp_path, line):
    """Not for -n: a configuration is also checked on machines that have neither the user nor the files."""
    milter.system_user(milter.USER)
    done = milter.run("-f", "-c", conf(f"Socket unix:{tmp_path}/milter.sock", line))
    assert done.returncode == 78, (done.returncode, done.stderr)
    assert line.split()[0].encode() in done.stderr or line.split()[1].encode() in done.stderr


def test_daemon_that_cannot_listen_is_69(conf):
    milter.system_user(milter.USER)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = milter.run("-f", "-c", conf(f"Socket inet:{port}@127.0.0.1", f"UserID {milter.USER}",
                                           "Nameservers 127.0.0.1@9"))
        assert done.returncode == 69, (done.returncode, done.stderr)
    done = milter.run("-f", "-c", conf("Socket unix:/nonexistent/folder/milter.sock", "Nameservers 127.0.0.1@9"))
    assert done.returncode == 69, (done.returncode, done.stderr)


# --- judging files


def test_pass_is_0_and_an_object_with_every_member(conf, dns, message):
    code, (result,), _ = judge(conf(), dns(), message())
    assert code == 0
    for outer, names in MEMBERS.items():
        inner = result if outer is None else result[outer]
        assert set(names.split()) <= inner.keys(), outer
    assert (result["version"], result["verdict"], result["reason"]) == (1, "pass", None)
    assert (result["from"], result["tokenPart1"], result["digest"]) == (AUTHOR, TOKEN, DIGEST)
    assert result["challengeAddress"] == CA and result["inReplyTo"] == "<2@ca.acme-lab.net>"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", result["id"])
    assert re.fullmatch(r"[0-9a-f]{64}", result["messageSha256"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["receivedAt"])
    assert result["dkim"]["dnssec"] != "secure" and "dnssec-none" in {each["id"] for each in result["findings"]}
    assert result["smtp"]["queueId"] is None and result["smtp"]["tlsVersion"] is None


def test_reject_is_1_with_its_reason(conf, dns, message):
    code, (result,), _ = judge(conf(), dns(), message(sign=False))
    assert (code, result["verdict"], result["dkim"]) == (1, "reject", None)
    reason = result["reason"]
    assert (reason["finding"], reason["code"], reason["enhanced"]) == ("dkim-none", 550, "5.7.20")
    assert re.fullmatch(r"[ -~]+", reason["text"])


@pytest.mark.parametrize("word", ["SERVFAIL", "TIMEOUT", "BOGUS"])
def test_dns_failure_is_75_not_1(conf, dns, message, word):
    file = dns(key=f"rsa2048._domainkey.{DOMAIN} {word}")
    code, (result,), _ = judge(conf("DNSTimeout 1s"), file, message())
    assert (code, result["verdict"]) == (75, "temperror")
    assert result["reason"]["code"] == 451


def test_name_not_in_the_file_is_nxdomain(conf, dns, message):
    code, (result,), _ = judge(conf(), dns(key="# none"), message())
    assert (code, result["reason"]["finding"]) == (1, "dkim-fail")


def test_secure_line_marks_an_answer(conf, dns, message):
    file = dns(f"rsa2048._domainkey.{DOMAIN} SECURE", f"_dmarc.{DOMAIN} SECURE")
    code, (result,), _ = judge(conf("Policy strict"), file, message())
    assert (code, result["dkim"]["dnssec"], result["dmarc"]["dnssec"]) == (0, "secure", "secure"), result["reason"]
    code, (result,), _ = judge(conf("Policy strict"), dns(), message())
    assert (code, result["reason"]["finding"]) == (1, "dnssec-none")


def test_lf_and_crlf_files_are_the_same_mail(conf, dns, message):
    data = message().read_bytes()
    results = []
    for name, content in (("crlf.eml", data), ("lf.eml", data.replace(b"\r\n", b"\n"))):
        file = message(name)
        file.write_bytes(content)
        code, (result,), _ = judge(conf(), dns(), file)
        assert code == 0
        results.append(dict(result, receivedAt=None))
    assert results[0] == results[1]


def test_standard_input(conf, dns, message):
    code, (result,), _ = judge(conf(), dns(), "-", stdin=message().read_bytes())
    assert (code, result["verdict"]) == (0, "pass")


def test_many_messages_are_many_lines_and_the_worst_code(conf, dns, message):
    good, bad = message("good.eml"), message("bad.eml", sign=False)
    code, results, _ = judge(conf(), dns(), good, bad, good)
    assert (code, [result["verdict"] for result in results]) == (1, ["pass", "reject", "pass"])
    code, results, _ = judge(conf(), dns(), good, good)
    assert (code, len(results)) == (0, 2)
    failing = dns(key=f"rsa2048._domainkey.{DOMAIN} SERVFAIL")
    code, results, _ = judge(conf(), failing, good, bad)
    assert (code, [result["verdict"] for result in results]) == (1, ["temperror", "reject"])
    code, results, _ = judge(conf(), failing, good)
    assert code == 75


def test_unreadable_file_is_66(conf, dns, tmp_path):
    code, results, error = judge(conf(), dns(), tmp_path / "nothing.eml")
    assert (code, results) == (66, []) and "nothing.eml" in error


def test_unreadable_dns_file_is_an_error(conf, tmp_path, message):
    code, results, error = judge(conf(), tmp_path / "nothing.txt", message())
    assert code in (66, 78) and results == [] and "nothing.txt" in error


def test_bad_configuration_is_78(conf, dns, message):
    assert judge(conf("Policy lenient"), dns(), message())[0] == 78


def test_envelope_options(conf, dns, message):
    code, (result,), _ = judge(conf(), dns(), "-s", "bounce@" + DOMAIN, "-r", "acme+7f@ca.acme-lab.net", "-a",
                               "192.0.2.7", message(To="acme+7f@ca.acme-lab.net"))
    assert code == 0
    assert result["challengeAddress"] == "acme+7f@ca.acme-lab.net"
    assert (result["smtp"]["mailFrom"], result["smtp"]["clientAddress"]) == ("bounce@" + DOMAIN, "192.0.2.7")


@pytest.mark.parametrize("length", [1000, 1100, 5000])
def test_a_sender_is_told_whole_or_not_at_all(conf, dns, message, length):
    sender = length * "a" + "@" + DOMAIN
    code, (result,), _ = judge(conf(), dns(), "-s", f"<{sender}>", message())
    assert (code, result["smtp"]["mailFrom"]) == (0, sender if length == 1000 else None)


@pytest.mark.parametrize("before, told", [
    (b"\xef\xbb\xbf", "byte order mark"),
    (b"From - Mon Nov 30 22:00:00 2026\n", "mailbox"),
    (b"From alice@example.com Mon Nov 30 22:00:00 2026\r\n", "mailbox"),
    (b"\xef\xbb\xbfFrom - Mon Nov 30 22:00:00 2026\r\n", "mailbox"),
])
def test_what_mailbox_files_begin_with_is_skipped_and_told(conf, dns, message, before, told):
    file = message()
    newline = b"\n" if before.endswith(b"\n") and not before.endswith(b"\r\n") else b"\r\n"
    file.write_bytes(before + file.read_bytes().replace(b"\r\n", newline))
    code, (result,), stderr = judge(conf(), dns(), file)
    assert (code, result["verdict"]) == (0, "pass") and f"{file}: skipped" in stderr and told in stderr


def test_a_field_whose_name_has_a_blank_behind_it_is_no_mailbox_line(conf, dns, message):
    file = message()
    file.write_bytes(b"From : mallory@example.com\r\n" + file.read_bytes())
    code, (result,), stderr = judge(conf(), dns(), file)
    assert (code, result["verdict"]) == (1, "reject") and "skipped" not in stderr


def test_long_options(conf, dns, message):
    done = milter.run("--test", "--config", conf(), "--dns-file", dns(), "--sender", AUTHOR, "--recipient", CA,
                      "--client-address", "2001:db8::1", message())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["smtp"]["clientAddress"] == "2001:db8::1"


@pytest.mark.parametrize("options, code, kept", [
    ([], 0, []), (["-p"], 75, ["answer.json", "dns.txt", "message.eml", "result.json"])])
def test_only_what_is_posted_is_evidence(conf, dns, message, tmp_path, options, code, kept):
    evidence, log = tmp_path / "evidence", tmp_path / "evidence.log"
    evidence.mkdir()
    file = conf(f"EvidenceDirectory {evidence}", f"EvidenceLog {log}", f"Endpoint http://unix:{tmp_path}/nobody.sock:/",
                "EndpointRetryFor 0s")
    done = milter.run("-t", *options, "-c", file, "-D", dns(), message())
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"
    assert sorted(path.name for path in evidence.rglob("*") if path.is_file() or not kept) == kept
    assert not log.exists()


def test_dns_file_of_the_configuration(conf, dns, message):
    done = milter.run("-t", "-c", conf(f"TestDNSData {dns()}"), message())
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "pass")


def test_time_of_the_configuration(conf, dns, tmp_path, keys):
    data = signer.sign(mail.reply(CHALLENGE, DIGEST).bytes(), keys["rsa2048"], DOMAIN, "rsa2048",
                       tags={"t": 1790000000, "x": 1790003600})
    file = tmp_path / "dated.eml"
    file.write_bytes(data)
    for time, code in (("2026-09-21T14:30:00Z", 0), ("2026-09-22T14:30:00Z", 1), ("2026-09-20T14:30:00Z", 1)):
        done, (result,), _ = judge(conf(f"TestTime {time}"), dns(), file)
        assert done == code and result["receivedAt"] == time, result["reason"]
        assert code == 0 or result["reason"]["finding"] == "dkim-expired"


def test_nothing_but_objects_on_standard_output(conf, dns, message):
    done = milter.run("-t", "-c", conf("LogLevel debug"), "-D", dns(), message(), message("b.eml", sign=False))
    lines = done.stdout.split(b"\n")
    assert lines[-1] == b"" and all(json.loads(line)["version"] == 1 for line in lines[:-1]) and len(lines) == 3


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"no colon", b"\0" * 100, b"From", b"\xff" * 1000,
                                     b"From: a@b\n", b": x\n\n", b" x\n\n", b"A: b\r\n" * 5000])
def test_what_is_no_mail_is_rejected_not_crashed_on(conf, dns, tmp_path, content):
    file = tmp_path / "odd.eml"
    file.write_bytes(content)
    code, (result,), _ = judge(conf(), dns(), file)
    assert (code, result["verdict"]) == (1, "reject")


def test_post_hands_passing_results_to_the_acme_server(acme_server, exchange, dns_server, conf, tmp_path):
    good, bad = tmp_path / "good.eml", tmp_path / "bad.eml"
    reply = mail.reply(exchange.challenge, exchange.digest)
    good.write_bytes(exchange.sign(reply))
    bad.write_bytes(reply.bytes())
    file = conf(f"ChallengeAddress {exchange.challenge['from']}", f"Endpoint {acme_server.endpoint}",
                f"Nameservers {dns_server.address}", f"TrustAnchorFile {dns_server.trust_anchor}", base=False)
    assert milter.run("-t", "-c", file, good).returncode == 0
    assert milter.run("-t", "-p", "-c", file, bad).returncode == 1
    assert acme_server.results_for(exchange.challenge) == []
    done = milter.run("-t", "-p", "-c", file, good)
    assert done.returncode == 0, done.stderr
    assert acme_server.status(exchange.challenge) == "valid"
    assert [result["id"] for result in acme_server.results_for(exchange.challenge)] == [json.loads(done.stdout)["id"]]
    assert b"answer" not in done.stderr
    late = tmp_path / "late.eml"
    late.write_bytes(exchange.sign(mail.reply(exchange.challenge, DIGEST)))
    done = milter.run("-t", "-p", "-c", file, late)
    assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "pass"
    assert b"acme-milter: the ACME server's answer: 550 5.7.1 " in done.stderr


def test_policy_and_findings_of_one_challenge_address(conf, dns, message):
    """The same reply, at addresses with rules of their own."""
    file = conf("OnFinding dnssec-none note",
                "ChallengeAddress strict@ca.acme-lab.net Policy=strict OnFinding=to-mismatch:note",
                "ChallengeAddress own@ca.acme-lab.net OnFinding=to-mismatch:reject OnFinding=dnssec-none:note")
    mail_file = message()
    for address, code, reason in ((CA, 0, None), ("own@ca.acme-lab.net", 1, "to-mismatch"), ("strict@ca.acme-lab.net", 0, None)):
        got, (result,), _ = judge(file, dns(), "-r", address, mail_file)
        assert (got, result["challengeAddress"]) == (code, address), result["findings"]
        assert (result["reason"] or {}).get("finding") == reason
        assert f"Policy {'strict' if address.startswith('strict') else 'interop'}" in result["settings"]
    short = message("short.eml", Subject="Re: ACME: AAAAAAAAAAAAAAAA")
    assert judge(file, dns(), "-r", CA, short)[0] == 0
    assert judge(file, dns(), "-r", "strict@ca.acme-lab.net", short)[1][0]["reason"]["finding"] == "token-short"


ODD = "/tmp/\x1b[31m\x9bx"


@pytest.mark.parametrize("arguments", [
    ["-n", "-c", ODD], ["-t", "-c", ODD, "-"], ["-t", "-c", ODD, "--replay", ODD], ["--" + ODD], ["-\x1b"], ["--probe", "-c", ODD],
    ["--find", ODD, "-c", ODD], ["--verify-log", ODD], ["--verify-log", "--public-key", ODD, ODD], ["-f", "-c", ODD],
    ["-t", "-a", ODD, "-"]])
def test_what_an_argument_holds_reaches_no_terminal_as_it_is(arguments):
    done = milter.run(*arguments)
    assert done.returncode != 0 and b"x1b" in done.stderr
    assert not re.search(rb"[^\n -~]", done.stdout + done.stderr)


def test_what_a_configuration_holds_reaches_no_terminal_as_it_is(conf):
    for value in (b"/x\x1b", b"/x\x9b31m", b"/x\xc2\x9b31m", b"/x\x7f"):
        path = conf()
        path.write_bytes(path.read_bytes() + b"MetricsFile " + value + b"\n")
        done = milter.run("-n", "-c", path)
        assert (done.returncode, done.stdout) == (78, b"") and b"control characters" in done.stderr
