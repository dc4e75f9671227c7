# SPDX-License-Identifier: BSD-2-Clause
"""What hostile mails cost, and what a slow DNS or ACME server costs other people's mail."""
import json
import subprocess

import instructions as counting
import mails
import peers
from lab import SLOW_MS
from measure import CONNECTIONS, Load, load, median, ratio, rounds, table

ANY = "acdrty"
SLOW_DNS = "127.0.0.3"
WAITING = 48  # replies that wait at a time; MaxConcurrentReplies is 64
OTHERS_PER_SECOND = 1000


def _questions(bench, name, path):
    """Of one such mail to a milter that knows no answer yet."""
    fresh = peers.acme_milter(bench.lab, f"fresh-{name.replace(' ', '-').replace(',', '')}")
    before = bench.lab.dns_questions()
    load(bench.lab, Load(name, ((fresh, path),), mails.CHALLENGE_ADDRESS, ANY), 1, connections=1)
    asked = bench.lab.dns_questions() - before
    bench.lab.stop(fresh.process)
    return asked


def attacks(bench):
    ordinary = bench.reply("ours", answers="d")
    made = {name: bench.keep(name.replace(" ", "-"), data) for name, data in mails.attacks(bench.signer).items()}
    subjects = [Load(name, ((bench.peer("ours"), path),), mails.CHALLENGE_ADDRESS, ANY) for name, path in made.items()]
    results = rounds(bench.lab, [ordinary, *subjects], bench.rounds, bench.seconds / 2)
    rows = [["ordinary reply", f"{median(results['ours'], 'cpu_us_per_mail'):.0f}", "1.00", "",
             _questions(bench, "ordinary", bench.path("rsa"))]]
    for name, path in made.items():
        middle, least, most = ratio(results[name], results["ours"], "cpu_us_per_mail")
        rows.append([name, f"{median(results[name], 'cpu_us_per_mail'):.0f}", f"{middle:.2f}", f"{least:.2f}-{most:.2f}",
                     _questions(bench, name, path)])
    print("Under attack; the questions are those of one mail to a milter that was just started")
    table(["mail", "CPU us/mail", "ordinary", "range", "DNS questions"], rows)


def _latencies(bench, peer, waiting):
    """Of other people's mail, while `waiting` keeps replies waiting on the same milter or is None."""
    held = None
    if waiting is not None:
        argv = [bench.lab.tool("milter_load"), "-c", WAITING, "-n", 1, "-s", peer.socket, "-m", waiting]
        held = subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, text=True)
    each = load(bench.lab, Load(peer.name, ((peer, bench.path("other")),), mails.OTHER_ADDRESS, "ac"),
                OTHERS_PER_SECOND * (SLOW_MS // 1000 - 2) // CONNECTIONS, per_second=OTHERS_PER_SECOND)
    if held is not None:
        if held.poll() is not None:
            raise RuntimeError(f"no reply waited any more when other people's mail had passed: {held.communicate()[0]}")
        each["waited"] = json.loads(held.communicate()[0])
    return each


def _unknown_key(bench, number):
    """A reply whose key nobody has asked for yet."""
    selector = f"slow{number}"
    bench.signer.keys[selector] = bench.signer.keys["rsa"]
    return bench.keep(selector, bench.signer.sign(mails.plain_reply(), selector))


def slow(bench):
    bench.lab.start_slow_dns(SLOW_DNS)
    settings = {"DNS": {"Nameservers": SLOW_DNS},
                "ACME server": {"Endpoint": f"http://unix:{bench.lab.endpoint_socket}:/slow"}}
    rows = []
    for name, words in settings.items():
        peer = peers.acme_milter(bench.lab, f"slow-{name.replace(' ', '-')}", words)
        alone, beside = [], []
        for number in range(bench.rounds):
            alone.append(_latencies(bench, peer, None))
            waiting = _unknown_key(bench, number) if name == "DNS" else bench.path("rsa")
            beside.append(_latencies(bench, peer, waiting))
        if min(result["waited"]["p50_us"] for result in beside) < SLOW_MS * 900:
            raise RuntimeError("the replies did not wait")
        rows.append([name, *(f"{median(results, key):.0f}" for key in ("p50_us", "p99_us") for results in (alone, beside)),
                     f"{ratio(beside, alone, 'p99_us')[0]:.2f}", f"{ratio(beside, alone, 'cpu_us_per_mail')[0]:.2f}"])
    print(f"Other people's mail ({OTHERS_PER_SECOND}/s) while {WAITING} replies wait {SLOW_MS // 1000} s each for what is slow")
    table(["slow", "p50 us alone", "beside", "p99 us alone", "beside", "p99 ratio", "CPU ratio"], rows)


def instructions(bench):
    counter = counting.Counter(bench.lab.build / "acme-milter", bench.signer.records)
    ordinary = counter.count(bench.path("rsa").read_bytes())
    named = {"a reply, RSA-2048": bench.path("rsa").read_bytes(), "a reply, Ed25519": bench.path("ed").read_bytes()}
    named.update(mails.attacks(bench.signer))
    print("Instructions of one mail by acme-milter -t, without libmilter, DNS and POST; the keys are known")
    counts = {name: counter.count(data) for name, data in named.items()}
    table(["mail", "bytes", "instructions", "ordinary"],
          [[name, len(named[name]), count, f"{count / ordinary:.2f}"] for name, count in counts.items()])
    rows = [[name, size, count, f"{each:.2f}"] for name, size, count, each in counting.ratios(counter)]
    print("Shapes of about 256 kB, against plain text of that size")
    table(["shape", "bytes", "instructions", "plain"], rows)
    counter.close()
