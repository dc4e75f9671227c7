# SPDX-License-Identifier: BSD-2-Clause
"""Runs of milter_load, and the medians and tables that are made of them."""
import json
import statistics
import subprocess
from dataclasses import dataclass

CONNECTIONS = 16


@dataclass
class Load:
    """One column of measurement: a mail through one filter, or through several in a row."""
    name: str
    stages: tuple  # of (peer, path of the mail)
    recipient: str
    answers: str  # what the last of them must answer
    mails: int = 0  # for each connection

    @property
    def pids(self):
        return list(dict.fromkeys(pid for peer, _ in self.stages for pid in peer.pids))


def load(lab, subject, mails, connections=CONNECTIONS, per_second=0, idle=0):
    """One run: what milter_load printed. With `idle`, also the process, which holds them until its input ends."""
    argv = [lab.tool("milter_load"), "-c", connections, "-n", mails, "-r", subject.recipient, "-R", per_second, "-i", idle]
    for peer, mail in subject.stages:
        argv += ["-s", peer.socket, "-m", mail]
    for pid in subject.pids:
        argv += ["-P", pid]
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    result = json.loads(process.stdout.readline())
    if set(result["answers"]) - set(subject.answers):
        process.kill()
        raise RuntimeError(f"{subject.name} answered {result['answers']}, not {subject.answers}")
    if idle:
        process.stdout.readline()
        return result, process
    process.stdin.close()
    process.wait()
    return result


def calibrate(lab, subject, seconds):
    """Warms the filter and everything behind it, and finds how many mails take about so long."""
    load(lab, subject, 20)
    rate = load(lab, subject, 100)["per_second"]
    subject.mails = max(30, int(rate * seconds / CONNECTIONS))


def rounds(lab, subjects, count, seconds):
    """{name: [result of each round]}: every round has all subjects, so that what disturbs one disturbs its neighbours."""
    for subject in subjects:
        calibrate(lab, subject, seconds)
    results = {subject.name: [] for subject in subjects}
    for number in range(count):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            results[subject.name].append(load(lab, subject, subject.mails))
    return results


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(ours, theirs, key):
    """The median of each round's ratio, its least and its greatest."""
    each = sorted(a[key] / b[key] for a, b in zip(ours, theirs))
    return statistics.median(each), each[0], each[-1]


def table(head, rows):
    """Plain columns: the first to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        first, *rest = [cell.rjust(width) for cell, width in zip(row, widths)]
        print("  ".join([row[0].ljust(len(first)), *rest]).rstrip())
    print(flush=True)
