# SPDX-License-Identifier: BSD-2-Clause
"""Whole mails through Postfix: latency, how soon the ACME server knows, and throughput against the number of milters."""
import concurrent.futures
import imaplib
import os
import ssl
import statistics
import threading
import time
from contextlib import ExitStack

import mails
from harness import smtp
from harness.dns import txt_chunks
from harness.dovecot import Dovecot
from harness.hosts import HaProxy, HostMilter, HostPostfix, Hosts
from harness.postfix import Postfix
from harness.process import Folder
from measure import ratio, table

SESSIONS = 8
MAILS_EACH = 15
# What is discarded never reaches the queue manager, and Postfix paces what it accepts by what that has delivered.
IN_FLOW = "in_flow_delay = 0\n"
CA_DOMAIN = mails.CHALLENGE_ADDRESS.partition("@")[2]


def _through(port, data, recipient, wanted):
    """Sends by several sessions at once; microseconds from each mail's final dot to its answer."""
    def session(_):
        client, took = smtp.connect(port), []
        for _ in range(MAILS_EACH):
            began = time.perf_counter()
            answer = smtp.send(port, f"alice@{mails.AUTHOR_DOMAIN}", recipient, data, connection=client)
            took.append((time.perf_counter() - began) * 1e6)
            if answer.code != wanted:
                raise RuntimeError(f"the mail was answered {answer}")
        client.close()
        return took
    with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
        began = time.monotonic()
        took = [each for one in pool.map(session, range(SESSIONS)) for each in one]
        return {"p50_us": statistics.median(took), "per_second": len(took) / (time.monotonic() - began)}


def smtp_load(bench):
    """The whole SMTP dialogue of a mail, with no filter and with each."""
    filters = {"no filter": [], "empty-b": ["empty-b"], "ours": ["ours"], "opendkim+opendmarc": ["opendkim", "opendmarc"],
               "rspamd": ["rspamd"]}
    data = bench.path("rsa").read_bytes()
    with ExitStack() as stack:
        ports = {}
        for name, used in filters.items():
            for each in used:
                os.chmod(bench.peer(each).socket, 0o666)  # libmilter's own is for its user alone
            address = ", ".join(f"unix:{bench.peer(each).socket}" for each in used)
            mta = Postfix(bench.lab.folder, CA_DOMAIN, address, IN_FLOW, name=f"postfix-{len(ports)}")
            mta.start()
            stack.callback(mta.stop)
            ports[name] = mta.port
        results = {name: [] for name in filters}
        for _ in range(bench.rounds + 1):
            for name, port in ports.items():
                results[name].append(_through(port, data, mails.CHALLENGE_ADDRESS, 250))
    rows = []
    for name, each in results.items():
        each.pop(0)  # what Postfix needs to start its processes
        rows.append([name, *(f"{statistics.median(one[key] for one in each):.0f}" for key in ("p50_us", "per_second")),
                     f"{ratio(each, results['no filter'][-len(each):], 'p50_us')[0]:.2f}"])
    print(f"A reply through Postfix by SMTP, {SESSIONS} sessions: MAIL to the answer to the final dot")
    table(["filter", "p50 us", "mails/s", "no filter"], rows)


POLL_SECONDS = 0.5  # acme2certifier's dns_validation_pause_timer, with a new IMAP session each time
POLLED_MAILS = 20


def _poll(server, token):
    """One poll as acme2certifier does it: connect, log in, search, read; whether the reply was there."""
    context = ssl.create_default_context(cafile=server.certificate)
    client = imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context)
    client.login(server.user, server.password)
    client.select("INBOX")
    found = client.search(None, "UNSEEN")[1][0].split()
    texts = [client.fetch(number, "(RFC822)")[1][0][1] for number in found]
    client.logout()
    return any(token in text for text in texts)


def polling(bench):
    """From the final dot to the ACME server knowing: after the milter's POST, and by a mailbox that is polled."""
    with ExitStack() as stack:
        plain = Postfix(bench.lab.folder, CA_DOMAIN, name="postfix-polled")
        gated = Postfix(bench.lab.folder, CA_DOMAIN, f"unix:{bench.peer('ours').socket}", name="postfix-gated")
        server = Dovecot(bench.lab.folder, plain.inbox, "acme", "secret")
        for each in (plain, gated, server):
            each.start()
            stack.callback(each.stop)
        polled, polls, posted = [], [], []
        for number in range(POLLED_MAILS):
            token = f"poll{number:04d}".encode()
            data = bench.path("rsa").read_bytes() + b"\r\n" + token + b"\r\n"
            began = time.monotonic()
            smtp.send(plain.port, "alice@author.example", mails.CHALLENGE_ADDRESS, data)
            due = began + POLL_SECONDS * number / POLLED_MAILS  # the poll's phase is as good as random
            while True:
                time.sleep(max(0, due - time.monotonic()))
                start = time.monotonic()
                is_there = _poll(server, token)
                polls.append(time.monotonic() - start)
                if is_there:
                    break
                due += POLL_SECONDS
            polled.append(time.monotonic() - began)
            began = time.monotonic()
            smtp.send(gated.port, "alice@author.example", mails.CHALLENGE_ADDRESS, bench.path("rsa").read_bytes())
            posted.append(time.monotonic() - began)
    print(f"From MAIL to the ACME server knowing, {POLLED_MAILS} mails one by one, ms")
    table(["way", "median", "greatest"],
          [["the milter's POST, before the answer", *(f"{1000 * f(posted):.1f}" for f in (statistics.median, max))],
           [f"IMAP, a poll each {POLL_SECONDS} s", *(f"{1000 * f(polled):.1f}" for f in (statistics.median, max))],
           ["  of it one poll", *(f"{1000 * f(polls):.1f}" for f in (statistics.median, max))]])


MILTERS = ("m1", "m2", "m3", "m4")
EXCHANGERS = ("mx1", "mx2")
SENDERS = 32
HELD_AT_A_TIME = 4  # MaxConcurrentReplies of each milter
ANSWER_MS = 500  # what the ACME server takes: no processor is the limit then
SCALE_SECONDS = 8


def _taken(hosts, exchangers, data):
    """Replies a second that were taken; one that is put off is sent again."""
    end = time.monotonic() + SCALE_SECONDS
    count, lock = [0, 0], threading.Lock()

    def sender(number):
        name = EXCHANGERS[number % len(EXCHANGERS)]
        hosts.enter(name)
        client = smtp.connect(exchangers[name].port)
        while time.monotonic() < end:
            code = smtp.send(None, "alice@author.example", mails.CHALLENGE_ADDRESS, data, connection=client).code
            with lock:
                count[code != 250] += 1
            time.sleep(0.1 if code != 250 else 0)
        client.close()
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(sender, range(SENDERS)))
    return count[0] / SCALE_SECONDS, count[1] / SCALE_SECONDS


def scale(bench):
    """Two exchangers, HAProxy, one to four milters, each on a host of its own; one ACME server."""
    data = bench.path("rsa").read_bytes()
    dns = bench.lab.folder.path / "scale-dns.txt"
    dns.write_text("".join(f"{name} 3600 TXT {txt_chunks(text)}\n" for name, text in bench.signer.records.items()))
    socket = bench.lab.folder.path / "scale-endpoint.sock"
    bench.lab.start_on_socket([bench.lab.tool("endpoint_sink"), socket, ANSWER_MS], "scale-endpoint", socket)
    settings = [("ChallengeAddress", mails.CHALLENGE_ADDRESS), ("Endpoint", f"http://unix:{socket}:/slow"),
                ("TestDNSData", dns), ("AuthservID", "mx.ca.example"), ("MaxConcurrentReplies", HELD_AT_A_TIME),
                ("LogLevel", "info")]
    os.environ["ACME_MILTER"] = str(bench.lab.build / "acme-milter")
    rows = []
    for count in range(1, len(MILTERS) + 1):
        names = MILTERS[:count]
        with Hosts("lb", *names, *EXCHANGERS) as hosts, ExitStack() as stack:
            folder = Folder("bench-scale")
            stack.callback(folder.remove)
            proxy = HaProxy(hosts, "lb", folder, names)
            exchangers = {name: HostPostfix(hosts, name, folder, CA_DOMAIN, proxy.address) for name in EXCHANGERS}
            for each in [*(HostMilter(hosts, name, folder, settings) for name in names),
                         proxy, *exchangers.values()]:
                each.start()
                stack.callback(each.stop)
            taken, put_off = _taken(hosts, exchangers, data)
        rows.append([count, f"{taken:.1f}", f"{count * HELD_AT_A_TIME * 1000 / ANSWER_MS:.0f}", f"{put_off:.1f}"])
    print(f"Replies a second through two exchangers and HAProxy, while the ACME server takes {ANSWER_MS} ms for each and each\n"
          f"milter holds {HELD_AT_A_TIME} at a time: the limit is what waiting allows")
    table(["milters", "taken/s", "limit", "put off/s"], rows)
