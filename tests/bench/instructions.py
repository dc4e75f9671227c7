# SPDX-License-Identifier: BSD-2-Clause
"""Instructions that acme-milter needs for one mail, counted by callgrind: the same in every run on one machine."""
import re
import subprocess
import tempfile
from pathlib import Path

import costly_mails
import mails
from harness.dns import txt_chunks

RATIO_MAX = 5  # of any shape of 256 kB to plain text of 256 kB


class Counter:
    """`program` judges mails by -t, with the DNS from a file. Built without sanitizers, which valgrind cannot run."""

    def __init__(self, program, records, settings=()):
        self.program = program
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        (self.path / "dns").write_text("".join(f"{name} 3600 TXT {txt_chunks(text)}\n" for name, text in records.items()))
        words = {"ChallengeAddress": mails.CHALLENGE_ADDRESS, "AuthservID": "mx.ca.example", **dict(settings)}
        (self.path / "conf").write_text("".join(f"{word} {value}\n" for word, value in words.items()))
        self._warm = mails.Signer().sign(mails.plain_reply())
        self._start = self._run([])

    def close(self):
        self.folder.cleanup()

    def _run(self, data):
        """The first mail of a process sets up what the next ones share."""
        files = []
        for number, each in enumerate([self._warm, *data]):
            files.append(self.path / f"{number}.eml")
            files[-1].write_bytes(each)
        argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.path}/out", self.program, "-t",
                "-c", self.path / "conf", "-D", self.path / "dns", *files]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.stdout.count('"verdict"') != len(files):
            raise RuntimeError(f"{argv}: exit code {done.returncode}: {done.stderr[-2000:]}")
        self.last = done.stdout.splitlines()[-1]
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))

    def count(self, data):
        return self._run([data]) - self._start


def ratios(counter, shapes=costly_mails.SHAPES):
    """(name, bytes, instructions, ratio to plain text of that size)."""
    plain = counter.count(costly_mails.plain().bytes())
    for name, make in {"plain text": costly_mails.plain, **shapes}.items():
        data = make().bytes()
        count = counter.count(data)
        yield name, len(data), count, count / plain
