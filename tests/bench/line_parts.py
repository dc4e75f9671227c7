# SPDX-License-Identifier: BSD-2-Clause
"""What a mail costs against its size, its signatures, the connections and what the cache misses: straight lines."""
import statistics

import mails
import peers
from measure import Load, load, median, rounds, table

DISCARDED = "d"
SIZES_KB = (2, 16, 64, 128, 192, 248)
SIGNATURES = (1, 2, 3, 4, 6, 8)
CONNECTIONS = (1, 8, 32, 64, 128, 256)
MISSES = 4  # of so many mails 0, 1... are of a key that no cache may keep
LINE = "The quick brown fox jumps over the lazy dog, and again, until the line is as long as most.\n"


def _fit(points):
    """Slope, intercept and the share of the variance that the line explains."""
    slope, intercept = statistics.linear_regression(*zip(*points))
    return slope, intercept, statistics.correlation(*zip(*points)) ** 2


def _load(bench, name, *paths):
    return Load(name, tuple((bench.peer("ours"), path) for path in paths), mails.CHALLENGE_ADDRESS, DISCARDED)


def _measured(bench, subjects):
    """[(x, CPU us a mail)] of {x: load}."""
    results = rounds(bench.lab, list(subjects.values()), bench.rounds, bench.seconds / 2)
    return [(x, median(results[subject.name], "cpu_us_per_mail") / len(subject.stages)) for x, subject in subjects.items()]


def _sizes(bench):
    subjects = {}
    for size in SIZES_KB:
        body = mails.mail.block(mails.DIGEST) + LINE * (size * 1024 // (len(LINE) + 1))
        path = bench.keep(f"size-{size}", bench.signer.sign(mails.plain_reply(body=body)))
        subjects[size] = _load(bench, f"{size} kB", path)
    return _measured(bench, subjects)


def _signatures(bench):
    subjects = {}
    data = mails.plain_reply().bytes()
    for number in range(1, max(SIGNATURES) + 1):
        data = bench.signer.sign(data)
        if number in SIGNATURES:
            subjects[number] = _load(bench, f"{number} signatures", bench.keep(f"signatures-{number}", data))
    return _measured(bench, subjects)


def _connections(bench):
    points = []
    wide = peers.acme_milter(bench.lab, "wide", {"MaxConcurrentReplies": 2 * max(CONNECTIONS)})
    subject = Load("connections", ((wide, bench.path("rsa")),), mails.CHALLENGE_ADDRESS, DISCARDED)
    for count in CONNECTIONS:
        each = [load(bench.lab, subject, max(4, 2000 // count), connections=count) for _ in range(bench.rounds)]
        points.append((count, median(each, "cpu_us_per_mail")))
    return points


def _misses(bench):
    missed = bench.keep("missed", bench.signer.sign(mails.plain_reply(), mails.UNCACHED))
    subjects = {}
    for count in range(MISSES + 1):
        subjects[100 * count // MISSES] = _load(bench, f"{count} missed", *[missed] * count, *[bench.path("rsa")] * (MISSES - count))
    return _measured(bench, subjects)


LINES = {
    "size": ("kB of a reply", _sizes),
    "signatures": ("signatures of the author's domain", _signatures),
    "connections": ("connections", _connections),
    "misses": ("% of replies whose key is asked for", _misses),
}


def lines(bench):
    rows, measured = [], {}
    for name, (axis, measure) in LINES.items():
        points = measure(bench)
        measured[axis] = points
        slope, intercept, explained = _fit(points)
        rows.append([axis, f"{intercept:.0f}", f"{slope:.2f}", f"{explained:.3f}",
                     "  ".join(f"{x}: {y:.0f}" for x, y in points)])
    print("CPU us a reply, as a line: at 0, for each more, share of the variance that the line explains")
    table(["against", "at 0", "each", "r2", "medians"], rows)
    if bench.plots:
        _plot(measured, bench.plots)


def _plot(measured, folder):
    import matplotlib
    matplotlib.use("agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, 2, figsize=(8, 6))
    for axis, (name, points) in zip(axes.flat, measured.items()):
        slope, intercept, _ = _fit(points)
        last = points[-1][0]
        axis.plot([0, last], [intercept, intercept + slope * last], color="0.7")
        axis.plot(*zip(*points), "o", color="black", markersize=4)
        axis.set(xlabel=name, ylabel="CPU us", ylim=(0, None), xlim=(0, None))
    figure.tight_layout()
    figure.savefig(f"{folder}/lines.png", dpi=90, metadata={"Software": None})
