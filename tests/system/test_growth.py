# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/growth runs. What it measures takes 200,000 mails and a quiet machine; so few show only that it still works."""
import re
import subprocess
from pathlib import Path

from harness import milter

PROGRAM = Path(__file__).resolve().parents[1] / "bench" / "growth"


def test_growth_is_measured():
    build = milter.program().parent
    subprocess.run(["make", "-C", build, "tests/bench/endpoint_sink", "tests/bench/milter_load"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([PROGRAM, "--build", build, "--mails", "640", "--reloads", "10"], text=True, timeout=300, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    for what in ("640 mails", "10 reloads"):
        assert re.search(rf"^{what}(  +\d+){{11}}  +-?\d+$", done.stdout, re.M), done.stdout
