# SPDX-License-Identifier: BSD-2-Clause
"""The measurements themselves; each prints a table."""
import attack_parts
import flow_parts
import line_parts
import mails
import peers
from lab import memory_kb
from measure import Load, load, median, ratio, rounds, table

ACCEPTED, DISCARDED = "ac", "d"


class Bench:
    """The mails as files, and the filters, started when first wanted."""
    STARTS = {
        "empty-a": lambda lab: peers.empty(lab, "empty-a", "-a"),
        "empty-b": lambda lab: peers.empty(lab, "empty-b"),
        "floor-rsa": lambda lab: peers.floor(lab, "rsa"),
        "floor-ed": lambda lab: peers.floor(lab, "ed25519"),
        "ours": peers.acme_milter,
        "opendkim": peers.opendkim,
        "opendmarc": peers.opendmarc,
        "rspamd": peers.rspamd,
        "dkimpy": peers.dkimpy_milter,
    }

    def __init__(self, lab, signer, options):
        self.lab, self.signer, self.rounds, self.seconds = lab, signer, options.rounds, options.seconds
        self.plots = options.plots
        self.started = {}
        for kind in ("rsa", "ed"):
            data = signer.sign(mails.plain_reply(), kind)
            self.keep(kind, data)
            self.keep(f"{kind}-results", mails.with_results(data))
        self.keep("other", mails.other_mail().bytes())

    def keep(self, name, data):
        path = self.path(name)
        path.write_bytes(data)
        return path

    def path(self, name):
        return self.lab.folder.path / f"{name}.eml"

    def peer(self, name):
        if name not in self.started:
            self.started[name] = self.STARTS[name](self.lab)
        return self.started[name]

    def reply(self, name, kind="rsa", answers=ACCEPTED):
        return Load(name, ((self.peer(name), self.path(kind)),), mails.CHALLENGE_ADDRESS, answers)

    def pair(self, kind="rsa"):
        stages = ((self.peer("opendkim"), self.path(kind)), (self.peer("opendmarc"), self.path(f"{kind}-results")))
        return Load("opendkim+opendmarc", stages, mails.CHALLENGE_ADDRESS, ACCEPTED)

    def other(self, name):
        return Load(name, ((self.peer(name), self.path("other")),), mails.OTHER_ADDRESS, ACCEPTED)

    def replies(self, kind):
        subjects = [self.reply("empty-b", kind), self.reply(f"floor-{kind}", kind, DISCARDED),
                    self.reply("ours", kind, DISCARDED), self.pair(kind), self.reply("rspamd", kind)]
        return subjects + ([self.reply("dkimpy", kind)] if kind == "rsa" else [])


def _ratio_table(title, results, ours="ours"):
    print(title)
    rows = []
    for name, each in results.items():
        middle, least, most = ratio(results[ours], each, "cpu_us_per_mail")
        rows.append([name, f"{median(each, 'cpu_us_per_mail'):.1f}", f"{middle:.3f}", f"{least:.3f}-{most:.3f}",
                     f"{median(each, 'per_second'):.0f}", f"{ratio(results[ours], each, 'per_second')[0]:.2f}",
                     f"{median(each, 'content_bytes') / each[0]['mails']:.0f}"])
    table(["filter", "CPU us/mail", "ours/it", "range", "mails/s", "ours/it", "content bytes"], rows)


def _check_verifiers(bench):
    """Each peer really verified: said by the field that it adds, or by its log."""
    added = load(bench.lab, bench.pair(), 2, 1)["added"]
    added += load(bench.lab, bench.reply("dkimpy"), 2, 1)["added"]
    for text, word in zip(added, ("dkim=pass", "dmarc=pass", "dkim=pass")):
        if word not in text:
            raise RuntimeError(f"no {word} in {added}")


def ratios(bench):
    _check_verifiers(bench)
    _ratio_table("Mail for other addresses", rounds(bench.lab, [bench.other("empty-a"), bench.other("ours")],
                                                    bench.rounds, bench.seconds))
    for kind, title in (("rsa", "A reply, RSA-2048"), ("ed", "A reply, Ed25519")):
        _ratio_table(title, rounds(bench.lab, bench.replies(kind), bench.rounds, bench.seconds))


def latency(bench):
    """At half of what each can take at most; a mail that starts late has waited."""
    rows = []
    for subject in (bench.reply("ours", answers=DISCARDED), bench.pair(), bench.reply("rspamd")):
        most = median(rounds(bench.lab, [subject], bench.rounds, bench.seconds)[subject.name], "per_second")
        each = [load(bench.lab, subject, subject.mails, per_second=most / 2) for _ in range(bench.rounds)]
        rows.append([subject.name, f"{most / 2:.0f}"] + [f"{median(each, key):.0f}" for key in ("p50_us", "p99_us")])
    print("From the mail's first packet to its answer, at half load")
    table(["filter", "mails/s", "p50 us", "p99 us"], rows)


IDLE = 500


def memory(bench):
    rows = []
    for subject in (bench.other("empty-a"), bench.other("ours"), bench.pair()):
        load(bench.lab, subject, 1, 1)
        before = memory_kb(subject.pids)
        _, process = load(bench.lab, subject, 1, 1, idle=IDLE)
        resident, anonymous = (memory_kb(subject.pids, kind) for kind in ("VmRSS", "RssAnon"))
        process.communicate("\n")
        rows.append([subject.name, before, resident, anonymous, f"{(resident - before) / IDLE:.2f}"])
    print(f"Resident memory with {IDLE} connections open, kB")
    table(["filter", "before", "then", "of it anonymous", "each connection"], rows)


ALL = {"ratios": ratios, "latency": latency, "memory": memory, "attacks": attack_parts.attacks, "slow": attack_parts.slow,
       "instructions": attack_parts.instructions, "lines": line_parts.lines,
       "smtp": flow_parts.smtp_load, "polling": flow_parts.polling, "scale": flow_parts.scale}
