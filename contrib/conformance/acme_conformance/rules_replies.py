# SPDX-License-Identifier: BSD-2-Clause
"""What replies do to a challenge: taken once, by the right author, with the right digest, in time."""
import datetime

from .lab import AT_ONCE, NotJudged, expect, rule
from .results import READINGS, WRONG_DIGEST, digest_of, joined_token, rejected, rfc3339

DAY = datetime.timedelta(hours=24)
HOUR = datetime.timedelta(hours=1)
MARGIN = datetime.timedelta(minutes=5)


def stranger(challenge):
    return "mallory@" + challenge["identifier"].rpartition("@")[2].lower()


def second_attempt(result, **changes):
    """The sender's MTA brings the same mail in another transaction; the id stays."""
    return dict(result, smtp=dict(result["smtp"], queueId="4X8kQz1Bm3z2"), **changes)


@rule("E-01", "must", "takes a good reply, and the challenge is valid then")
def takes_a_good_reply(lab):
    challenge = lab.new_challenge()
    lab.expect_taken(lab.post(lab.good(challenge)), "a good reply")
    status = lab.status(challenge)
    if status is None:
        lab.notes.append("without --status only the answer was looked at")
    expect(status in (None, "valid"), f"the status is {status} instead of valid")


@rule("E-02", "must", "ignores members and findings that it does not know")
def ignores_unknown_members(lab):
    challenge = lab.new_challenge()
    result = lab.good(challenge, laterMember={"is": ["ignored"]})
    result["findings"].append({"id": "a-later-finding", "severity": "note", "detail": None, "more": 1})
    result["dkim"]["laterMember"] = 1
    lab.expect_taken(lab.post(result), "a good reply with further members")


@rule("E-03", "must", "answers the same result (by its id) as it did the first time")
def repeats_its_answer(lab):
    challenge = lab.new_challenge()
    result = lab.good(challenge)
    lab.expect_taken(lab.post(result), "a good reply")
    lab.expect_taken(lab.post(second_attempt(result)), "the same result again")


@rule("E-04", "must", "does so also when the repetition comes more than 24 hours later")
def repeats_its_answer_days_later(lab):
    challenge = lab.new_challenge()
    result = lab.good(challenge)
    lab.expect_taken(lab.post(result), "a good reply")
    if not lab.post(second_attempt(result)).is_taken:
        raise NotJudged("E-03 is broken")
    late = second_attempt(result, receivedAt=rfc3339(challenge["time"] + DAY + 6 * HOUR))
    lab.expect_taken(lab.post(late), "the same result, received 30 hours after the challenge")


@rule("E-05", "must", "takes the same result when it comes several times at once")
def takes_equal_results_at_once(lab):
    challenge = lab.new_challenge()
    result = lab.good(challenge)
    answers = lab.at_once([result] * AT_ONCE)
    if all(answer.is_taken for answer in answers):
        return
    if any(answer.is_taken for answer in answers) and not lab.post(result).is_taken:
        raise NotJudged("E-03 is broken")
    expect(False, "the answers were " + ", ".join(str(answer) for answer in answers))


@rule("E-06", "must", "takes exactly one of several replies to one challenge that come at once")
def takes_one_of_several_at_once(lab):
    challenge = lab.new_challenge()
    answers = lab.at_once([lab.good(challenge) for _ in range(AT_ONCE)])
    taken = sum(answer.is_taken for answer in answers)
    if taken > 1 and lab.post(lab.good(challenge)).is_taken:
        raise NotJudged("E-07 is broken")
    expect(taken == 1 and all(answer.is_taken or answer.is_refused for answer in answers),
           "the answers were " + ", ".join(str(answer) for answer in answers))


@rule("E-07", "must", "refuses another reply to a challenge that was answered")
def refuses_another_reply(lab):
    challenge = lab.new_challenge()
    lab.expect_taken(lab.post(lab.good(challenge)), "a good reply")
    lab.expect_refused(lab.post(lab.good(challenge)), "another good reply")
    later = rfc3339(challenge["time"] + 2 * HOUR)
    lab.expect_refused(lab.post(lab.good(challenge, receivedAt=later)), "another good reply two hours later")


@rule("E-08", "must", "never fails a challenge for a rejected reply")
def reject_fails_nothing(lab):
    challenge = lab.new_challenge()
    answer = lab.post(rejected(lab.good(challenge, digest=WRONG_DIGEST)))
    expect(answer.is_taken or answer.is_client_error, f"a reject with a wrong digest: {answer}")
    lab.expect_still_good(challenge, "a reject with a wrong digest")


@rule("E-09", "must", "never validates a challenge for a rejected reply")
def reject_validates_nothing(lab):
    challenge = lab.new_challenge()
    answer = lab.post(rejected(lab.good(challenge)))
    expect(answer.is_taken or answer.is_client_error, f"a reject with the right digest: {answer}")
    status = lab.status(challenge)
    expect(status != "valid", "a reject with the right digest made the challenge valid")
    lab.expect_still_good(challenge, "a reject with the right digest")


@rule("E-10", "must", "lets no other verdict but pass change a challenge")
def other_verdicts_change_nothing(lab):
    challenge = lab.new_challenge()
    for verdict in ("temperror", "Pass", "perhaps", "", [], None):
        answer = lab.post(rejected(lab.good(challenge, digest=WRONG_DIGEST), verdict=verdict))
        expect(answer.is_taken or answer.is_client_error, f"the verdict {verdict!r}: {answer}")
    lab.expect_still_good(challenge, "other verdicts with a wrong digest")


@rule("E-11", "must", "answers a reject that has no author, token or digest")
def answers_a_nameless_reject(lab):
    challenge = lab.new_challenge()
    result = rejected(lab.good(challenge), **{"from": None, "tokenPart1": None, "digest": None, "messageId": None})
    answer = lab.post(result)
    expect(answer.is_taken or answer.is_client_error, f"a reject with null members: {answer}, for which the milter waits")


@rule("E-12", "must", "refuses the right digest of another author")
def refuses_another_author(lab):
    challenge = lab.new_challenge()
    other = lab.good(challenge, **{"from": stranger(challenge)})
    lab.expect_refused(lab.post(other), f"the right digest from {other['from']}")
    lab.expect_still_good(challenge, "another author's reply")


@rule("E-13", "must", "lets no other author use up the one guess")
def another_author_changes_nothing(lab):
    challenge = lab.new_challenge()
    other = lab.good(challenge, digest=WRONG_DIGEST, **{"from": stranger(challenge)})
    lab.expect_refused(lab.post(other), f"a wrong digest from {other['from']}")
    lab.expect_still_good(challenge, "another author's wrong digest")


@rule("E-14", "should", "takes another case of the local part for another mailbox")
def compares_local_part_exactly(lab):
    challenge = lab.new_challenge()
    if lab.post(lab.good(challenge, **{"from": stranger(challenge)})).is_taken:
        raise NotJudged("E-12 is broken")
    local, _, domain = challenge["identifier"].rpartition("@")
    other = lab.good(challenge, **{"from": f"{local.swapcase()}@{domain.lower()}"})
    lab.expect_refused(lab.post(other), f"the right digest from {other['from']}")


@rule("E-15", "must", "compares the identifier's domain without case")
def compares_domain_without_case(lab):
    lower = lab.new_challenge()["identifier"]
    local, _, domain = lower.rpartition("@")
    challenge = lab.new_challenge(f"{local}2@{domain.upper()}")
    result = lab.good(challenge)
    lab.expect_taken(lab.post(result), f"{result['from']} for the identifier {local}2@{domain.upper()}")


@rule("E-16", "must", "refuses a reply to another challenge address")
def refuses_another_address(lab):
    challenge = lab.new_challenge()
    domain = challenge["from"].rpartition("@")[2]
    other = lab.good(challenge, challengeAddress=f"another-challenge@{domain}")
    lab.expect_refused(lab.post(other), f"a reply to {other['challengeAddress']}")
    lab.expect_still_good(challenge, "a reply to another address")


@rule("E-17", "must", "refuses a wrong digest")
def refuses_a_wrong_digest(lab):
    challenge = lab.new_challenge()
    lab.expect_refused(lab.post(lab.good(challenge, digest=WRONG_DIGEST)), "a wrong digest")


@rule("E-18", "must", "grants one guess: after a wrong digest of the right author no other is taken")
def grants_one_guess(lab):
    challenge = lab.new_challenge()
    lab.post(lab.good(challenge, digest=WRONG_DIGEST))
    lab.expect_refused(lab.post(lab.good(challenge)), "the right digest after a wrong one")


@rule("E-19", "should", "answers a repeated wrong digest (by its id) as it did the first time")
def repeats_its_refusal(lab):
    challenge = lab.new_challenge()
    result = lab.good(challenge, digest=WRONG_DIGEST)
    first, second = lab.post(result), lab.post(result)
    expect(first.status == second.status, f"first {first}, then {second}")


@rule("E-20", "should", "takes both readings of the token's concatenation, or issues tokens where they agree")
def takes_both_readings(lab):
    command = lab.options.odd_challenge or lab.options.new_challenge
    challenge = lab.new_challenge(command=command)
    if joined_token(challenge, "text") == joined_token(challenge, "bytes"):
        lab.notes.append("token-part1 is a multiple of 3 bytes: both readings agree")
        return
    taken = []
    for reading in READINGS:
        challenge = lab.new_challenge(command=command)
        if lab.post(lab.good(challenge, digest=digest_of(challenge, reading))).is_taken:
            taken.append(reading)
    expect(len(taken) == len(READINGS), "joined as " + (" and ".join(taken) or "neither") + " only")


@rule("E-21", "must", "refuses a token that it does not know")
def refuses_an_unknown_token(lab):
    challenge = lab.new_challenge()
    other = lab.good(challenge, tokenPart1="A" * len(challenge["tokenPart1"]))
    lab.expect_refused(lab.post(other), "an unknown token")


STRANGE_TOKENS = ("", ".", "..", "../../../etc/passwd", "A/" * 16, "%00", "A" * 16 + "\0", "' OR '1'='1", "A" * 3000,
                  "\u00e4" * 32, "*", "-" * 32 + "\n")


@rule("E-22", "must", "refuses strange tokens without stumbling")
def refuses_strange_tokens(lab):
    challenge = lab.new_challenge()
    for token in STRANGE_TOKENS:
        lab.expect_refused(lab.post(lab.good(challenge, tokenPart1=token)), f"the token {ascii(token[:40])}")
    lab.expect_still_good(challenge, "strange tokens")


@rule("E-23", "must", "refuses a reply that came more than 24 hours after its challenge")
def refuses_an_expired_challenge(lab):
    if lab.options.expired_challenge:
        challenge = lab.new_challenge(command=lab.options.expired_challenge)
        result = lab.good(challenge)
    else:
        challenge = lab.new_challenge()
        result = lab.good(challenge, receivedAt=rfc3339(challenge["time"] + DAY + MARGIN))
        lab.notes.append("without --expired-challenge a receivedAt in the future had to do")
    lab.expect_refused(lab.post(result), f"a challenge of {challenge['created']}, received at {result['receivedAt']}")


@rule("E-24", "should", "goes by receivedAt: what came in time is taken when it is posted late")
def goes_by_the_time_of_receipt(lab):
    if not lab.options.expired_challenge:
        raise NotJudged("needs --expired-challenge")
    challenge = lab.new_challenge(command=lab.options.expired_challenge)
    result = lab.good(challenge, receivedAt=rfc3339(challenge["time"] + HOUR))
    lab.expect_taken(lab.post(result), f"a challenge of {challenge['created']}, received at {result['receivedAt']}")
