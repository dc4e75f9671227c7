# SPDX-License-Identifier: BSD-2-Clause
"""What a server must live through, and how it speaks HTTP."""
import json
import re

from .lab import expect, rule
from .results import rejected

NOT_RESULTS = (b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"{}", b'{"version": 1}', b'{"version": 1, "id": ',
               b'{"version": 1}{"version": 1}', b"\0" * 64)
WRONG_TYPES = (("version", "1"), ("version", None), ("id", 7), ("id", None),
               ("challengeAddress", 7), ("challengeAddress", None), ("tokenPart1", []), ("tokenPart1", None),
               ("digest", {}), ("digest", None), ("digest", "\u00e4" * 43), ("from", 7), ("from", None),
               ("from", ["a@b"]), ("receivedAt", 7), ("receivedAt", "yesterday"), ("receivedAt", None))
LARGE_BYTES = 2 * 1024 * 1024
DEPTH = 100000


@rule("E-25", "must", "refuses what is no result object, and serves on")
def refuses_bad_json(lab):
    challenge = lab.new_challenge()
    for payload in NOT_RESULTS:
        lab.expect_client_error(lab.send(payload), f"the body {payload[:40]!r}")
    lab.expect_still_good(challenge, "bad bodies")


@rule("E-26", "must", "refuses members of a wrong type, and serves on")
def refuses_wrong_types(lab):
    challenge = lab.new_challenge()
    for name, value in WRONG_TYPES:
        answer = lab.post(lab.good(challenge, **{name: value}))
        lab.expect_client_error(answer, f"{name} is {ascii(value)[:40]}")
    lab.expect_still_good(challenge, "members of a wrong type")


@rule("E-27", "must", "lives through a body of 2 MiB")
def lives_through_large_bodies(lab):
    challenge, other = lab.new_challenge(), lab.new_challenge()
    answer = lab.post(lab.good(other, padding="A" * LARGE_BYTES))
    # It may also close the connection when it has read enough.
    expect(answer.status < 500, f"2 MiB: {answer}")
    lab.expect_still_good(challenge, "a large body")


@rule("E-28", "must", "lives through JSON that is 100000 deep")
def lives_through_deep_json(lab):
    challenge, other = lab.new_challenge(), lab.new_challenge()
    lab.expect_client_error(lab.send(b"[" * DEPTH), "an array that is 100000 deep")
    text = json.dumps(lab.good(other))
    deep = text[:-1] + ', "deep": ' + "[" * DEPTH + "]" * DEPTH + "}"
    answer = lab.send(deep.encode(), key=json.loads(text)["id"])
    expect(answer.is_taken or answer.is_client_error, f"a member that is 100000 deep: {answer}")
    lab.expect_still_good(challenge, "deep JSON")


@rule("E-29", "must", "refuses another version of the object and another type of challenge")
def refuses_other_versions(lab):
    challenge = lab.new_challenge()
    for change in ({"version": 2}, {"challengeType": "http-01"}):
        lab.expect_client_error(lab.post(lab.good(challenge, **change)), f"{change}")
    lab.expect_still_good(challenge, "another version")


@rule("E-30", "should", "refuses other content types")
def refuses_other_content_types(lab):
    challenge = lab.new_challenge()
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        answer = lab.post(lab.good(challenge), Content_Type=kind)
        lab.expect_client_error(answer, f"Content-Type {kind}")
    lab.expect_still_good(challenge, "other content types")


@rule("E-31", "should", "refuses an Idempotency-Key that is not the result's id")
def compares_the_idempotency_key(lab):
    challenge = lab.new_challenge()
    for key in ("another", None):
        lab.expect_client_error(lab.post(lab.good(challenge), key=key), f"Idempotency-Key {key}")
    lab.expect_still_good(challenge, "another Idempotency-Key")


@rule("E-32", "should", "refuses other methods than POST")
def refuses_other_methods(lab):
    for method in ("GET", "PUT", "DELETE"):
        answer = lab.send_as_is(None if method == "GET" else b"{}", method=method)
        expect(answer.is_client_error or answer.status == 501, f"{method}: {answer}")


@rule("E-33", "should", "keeps the connection")
def keeps_the_connection(lab):
    connection = lab.endpoint.connection()
    try:
        for what in ("the first result", "the second result on its connection"):
            challenge = lab.new_challenge()
            answer = lab.post(lab.good(challenge), connection=connection)
            lab.expect_taken(answer, what)
            expect(not answer.closes, f"closes the connection after {what}")
    finally:
        connection.close()


@rule("E-34", "must", "stays in step on a connection where it refused something, or closes it")
def stays_in_step(lab):
    challenge = lab.new_challenge()
    connection = lab.endpoint.connection()
    try:
        padding = b'{"padding": "' + b"A" * 1000 + b'"}'
        answer = lab.send_as_is(padding, Content_Type="text/plain", connection=connection)
        if answer.closes:
            lab.notes.append("it closes the connection")
            return
        lab.expect_client_error(answer, "text/plain")
        answer = lab.post(lab.good(challenge), connection=connection)
        lab.expect_taken(answer, "the good reply on the connection where text/plain was refused")
    finally:
        connection.close()


def problem_fault(answer):
    """What is wrong with the document of a refusal, or None."""
    if answer.kind.split(";")[0].strip().lower() != "application/problem+json":
        return f"Content-Type {answer.kind or 'none'}"
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, KeyError, TypeError):
        return "no detail"
    is_good = isinstance(detail, str) and re.fullmatch(r"[ -~]{1,200}", detail)
    return None if is_good else f"the detail {ascii(detail)[:80]}"


@rule("E-35", "should", "says why in a problem document, whose detail is printable ASCII of at most 200 characters")
def answers_problem_documents(lab):
    challenge = lab.new_challenge()
    unknown = lab.good(challenge, tokenPart1="A" * len(challenge["tokenPart1"]))
    stranger = lab.good(challenge, **{"from": "mallory@" + challenge["identifier"].rpartition("@")[2].lower()})
    answers = {"an unknown token": lab.post(unknown), "another author": lab.post(stranger), "no JSON": lab.send(b"{")}
    for what, answer in answers.items():
        fault = problem_fault(answer) if answer.is_refused else None
        expect(fault is None, f"{what}: {answer} with {fault}")


@rule("E-36", "must", "takes nothing without the bearer token, and blames the milter for it: 401, 403 or 407")
def wants_the_bearer_token(lab):
    if not lab.options.token:
        lab.need("--token-file")
    challenge = lab.new_challenge()
    for value in (None, "Bearer wrong", "Bearer " + lab.options.token[:-1], "Bearer " + lab.options.token + "x"):
        for result in (lab.good(challenge), rejected(lab.good(challenge))):
            answer = lab.post(result, Authorization=value)
            expect(answer.status in (401, 403, 407), f"Authorization {'missing' if value is None else 'wrong'}: {answer}")
    lab.expect_still_good(challenge, "requests without the token")
