#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What contrib/quickstart shows once acme-milter is built: one challenge answered, one forgery refused.
Each thing shown is also checked, so that exit 0 means that all of it happened."""
import contextlib
import json
import signal
import sys

import dns.message
import dns.query

from harness import acme, mail, milter, signer, smtp
from harness.dns import SIGNED, UNSIGNED, DnsServer
from harness.postfix import Postfix
from harness.process import Folder

CA = "ca." + SIGNED
AUTHOR_DOMAIN = "people." + SIGNED
AUTHOR = "alice@" + AUTHOR_DOMAIN
STRANGER = UNSIGNED
CHALLENGE_ADDRESS = "acme@" + CA
steps = 0


def step(text):
    global steps
    steps += 1
    print(f"\n== {steps}. {text}", flush=True)


def show(text):
    print("".join(f"   | {line}\n" for line in text.replace("\r\n", "\n").rstrip("\n").split("\n")), end="", flush=True)


def say(text):
    print("   " + text, flush=True)


def check(truth, what):
    if not truth:
        raise SystemExit(f"quickstart: FAILED: {what}")


def key_records(server, *names):
    """Asked of the DNS server that runs, as a verifier would."""
    records = {}
    for name in names:
        answer = dns.query.tcp(dns.message.make_query(name, "TXT"), "127.0.0.1", port=server.port, timeout=10)
        records[name] = b"".join(answer.answer[0][0].strings).decode()
    return records


def main():
    with contextlib.ExitStack() as stack:
        folder = Folder("quickstart")
        stack.callback(folder.remove)

        step("A DNS server with a DNSSEC-signed zone, on loopback")
        ca_key, author_key, stranger_key = signer.Key(), signer.Key(), signer.Key()
        server = DnsServer(folder)
        server.add(f"ca._domainkey.{CA}", ca_key.txt())
        server.add(f"s1._domainkey.{AUTHOR_DOMAIN}", author_key.txt())
        server.add(f"_dmarc.{AUTHOR_DOMAIN}", "v=DMARC1; p=reject; adkim=s")
        server.add(f"x1._domainkey.{STRANGER}", stranger_key.txt())
        server.add(f"_dmarc.{STRANGER}", "v=DMARC1; p=reject")
        stack.callback(server.stop)
        server.start()
        say(f"knotd at {server.address}; {SIGNED} is signed; the author's domain in it is {AUTHOR_DOMAIN}")

        step("The reference ACME server, on a UNIX socket")
        milter.system_user(milter.USER)
        ca = acme.AcmeServer(folder, acme.USER, milter.USER)
        stack.callback(ca.stop)
        ca.start()
        say(f"process {ca.process.pid} as user {acme.USER}: {ca.endpoint}")

        step("acme-milter, as its own user")
        filter_ = milter.Milter(folder, [
            ("ChallengeAddress", CHALLENGE_ADDRESS), ("Endpoint", ca.endpoint), ("EndpointPeerUser", acme.USER),
            ("Nameservers", server.address), ("TrustAnchorFile", server.trust_anchor), ("LogLevel", "info")])
        stack.callback(filter_.stop)
        filter_.start_and_wait()
        check(filter_.user_id() != 0, "the milter gave up root")
        say(f"process {filter_.process.pid} as user {milter.USER}, configured so:")
        show(filter_.conf.read_text())

        step("A Postfix of its own, with smtpd_milters pointing there")
        postfix = Postfix(folder, CA, f"unix:{filter_.socket}")
        stack.callback(postfix.stop)
        postfix.start()
        say(f"127.0.0.1:{postfix.port}, for {CA}")

        step("The ACME server makes a challenge; its mail is signed over all that RFC 8823 3.1 lists")
        challenge = ca.new_challenge(AUTHOR, CHALLENGE_ADDRESS)
        challenge_mail = signer.sign(challenge["mail"].replace("\n", "\r\n").encode(), ca_key, CA, "ca",
                                     fields=signer.CHALLENGE_FIELDS)
        show(challenge_mail.decode())
        check(signer.verifies(challenge_mail, key_records(server, f"ca._domainkey.{CA}")),
              "python3-dkim verifies the challenge mail")
        check(ca.status(challenge) == "pending", "the challenge is pending")
        say("challenge: pending. What the mail does not say goes to the ACME client by HTTPS:")
        say(f"token-part2 {challenge['tokenPart2']}, and its own key's thumbprint {challenge['thumbprint']}")

        step("The author answers; the author's mail server signs (python3-dkim)")
        reply = signer.sign(mail.reply(challenge, acme.digest_of(challenge)).bytes(), author_key, AUTHOR_DOMAIN, "s1")
        show(reply.decode())

        step(f"SMTP: MAIL FROM:<{AUTHOR}> RCPT TO:<{CHALLENGE_ADDRESS}>")
        answer = smtp.send(postfix.port, AUTHOR, CHALLENGE_ADDRESS, reply)
        say(f"Postfix answers: {answer}")
        check(answer.code == 250, "the reply was accepted")

        step("The milter's log line")
        line = filter_.wait_reply_line(challenge["tokenPart1"])
        show(line)
        check(milter.logfmt(line)["verdict"] == "pass", "the verdict is pass")

        step("What the ACME server got")
        results = ca.results_for(challenge)
        check(len(results) == 1, "the ACME server got one result")
        show(json.dumps(results[0], indent=2))
        check(results[0]["verdict"] == "pass" and results[0]["from"] == AUTHOR, "it names the author")
        check(results[0]["dkim"]["dnssec"] == "secure", "the DKIM key came DNSSEC-validated")

        step("The challenge now")
        say(ca.status(challenge))
        check(ca.status(challenge) == "valid", "the challenge is valid")

        step("A forgery: somebody else's domain signs a reply in the author's name")
        second = ca.new_challenge(AUTHOR, CHALLENGE_ADDRESS)
        forged = signer.sign(mail.reply(second, acme.digest_of(second)).bytes(), stranger_key, STRANGER, "x1")
        check(signer.verifies(forged, key_records(server, f"x1._domainkey.{STRANGER}")), "its signature is a good one")
        say(f"From: {AUTHOR}, the right token and digest, and a good signature by d={STRANGER}")
        answer = smtp.send(postfix.port, "mallory@" + STRANGER, CHALLENGE_ADDRESS, forged)
        say(f"Postfix answers: {answer}")
        check((answer.code, answer.enhanced) == (550, "5.7.22"), "the forgery was refused")
        show(filter_.wait_reply_line(second["tokenPart1"]))
        check(ca.results_for(second) == [], "the ACME server heard nothing of it")
        say("challenge: " + ca.status(second))
        check(ca.status(second) == "pending", "the honest challenge is untouched")

    print("\nquickstart: all of it happened; everything it started has ended", flush=True)


if __name__ == "__main__":
    # As an exception, so that what was started is ended on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, _frame: sys.exit(128 + signum))
    main()
