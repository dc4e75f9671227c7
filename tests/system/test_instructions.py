# SPDX-License-Identifier: BSD-2-Clause
"""No shape of mail costs out of proportion. Instructions are counted, since they do not vary; time decides nothing."""
import sys
from pathlib import Path

import pytest

from harness import milter

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import mails  # noqa: E402  pylint: disable=wrong-import-position
import costly_mails  # noqa: E402  pylint: disable=wrong-import-position
import instructions  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def counter():
    made = instructions.Counter(milter.program(), {})
    yield made
    made.close()


@pytest.fixture(scope="module")
def plain(counter):
    return counter.count(costly_mails.plain().bytes())


def test_256_kb_of_text_need_no_more_instructions_in_a_second_run(counter, plain):
    assert abs(counter.count(costly_mails.plain().bytes()) / plain - 1) < 0.01


def test_cost_of_text_is_linear(counter, plain):
    half = costly_mails.plain()
    half.body = half.body[:len(half.body) // 2]
    assert counter.count(half.bytes()) > 0.4 * plain


def test_a_key_is_decoded_once():
    """By libopendkim, whose every d2i_PUBKEY_bio would cost more than the rest of the reply."""
    signer = mails.Signer()
    signer.add("other", "rsa2048b")
    made = instructions.Counter(milter.program(), signer.records)
    try:
        known, new = (made.count(signer.sign(mails.plain_reply(), selector)) for selector in ("rsa", "other"))
        assert '"verdict":"pass"' in made.last
        assert new > 1.5 * known
    finally:
        made.close()


@pytest.mark.parametrize("shape", costly_mails.SHAPES)
def test_256_kb_cost_at_most_five_times_plain_text(counter, plain, shape):
    count = counter.count(costly_mails.SHAPES[shape]().bytes())
    assert count <= instructions.RATIO_MAX * plain, f"{count / plain:.1f} times"
