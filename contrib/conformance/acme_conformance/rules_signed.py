# SPDX-License-Identifier: BSD-2-Clause
"""Results signed as a JWS: taken only when the milter's key signed exactly this."""
import json

from .lab import expect, rule
from .results import Signer, b64url, unb64url
from .wire import CREDENTIALS


def payload_of(result):
    return json.dumps(result).encode()


def post_jws(lab, result, jws):
    return lab.send_as_is(json.dumps(jws).encode(), result["id"])


def expect_nothing_taken(lab, cases):
    """Cases: pairs of a name and a function that makes a JWS of a payload."""
    if not lab.signer:
        lab.need("--jws-key")
    challenge = lab.new_challenge()
    for what, make in cases:
        result = lab.good(challenge)
        lab.expect_client_error(post_jws(lab, result, make(payload_of(result))), what)
    lab.expect_still_good(challenge, "what was not signed by the milter")


@rule("E-37", "must", "refuses a result that is not signed")
def refuses_unsigned(lab):
    if not lab.signer:
        lab.need("--jws-key")
    challenge = lab.new_challenge()
    for kind in ("application/json", "application/jose+json"):
        result = lab.good(challenge)
        answer = lab.send_as_is(payload_of(result), result["id"], Content_Type=kind)
        lab.expect_client_error(answer, f"an unsigned result as {kind}")
    lab.expect_still_good(challenge, "an unsigned result")


def with_other_payload(lab, payload):
    """What was signed was another author's reply."""
    other = dict(json.loads(payload), **{"from": "mallory@example.com"})
    return dict(lab.signer.sign(payload_of(other)), payload=b64url(payload))


def with_changed_signature(lab, payload):
    jws = lab.signer.sign(payload)
    signature = bytearray(unb64url(jws["signature"]))
    signature[0] ^= 1
    return dict(jws, signature=b64url(bytes(signature)))


@rule("E-38", "must", "refuses a payload or a signature that was changed")
def refuses_changes(lab):
    expect_nothing_taken(lab, (
        ("a changed payload", lambda payload: with_other_payload(lab, payload)),
        ("a changed signature", lambda payload: with_changed_signature(lab, payload)),
        ("an empty signature", lambda payload: dict(lab.signer.sign(payload), signature="")),
        ("the milter's kid on another key's signature", lambda payload: Signer.make().sign(payload, kid=lab.signer.header["kid"])),
    ))


@rule("E-39", "must", "refuses another key, also where the header brings it along")
def refuses_other_keys(lab):
    other = Signer.make()
    expect_nothing_taken(lab, (
        ("another key", other.sign),
        ("another key in the header's jwk", lambda payload: other.sign(payload, jwk=other.jwk)),
    ))


@rule("E-40", "must", "lets the header not choose the algorithm: none, HS256 with the public key")
def refuses_other_algorithms(lab):
    expect_nothing_taken(lab, (
        ("alg none", lambda payload: lab.signer.sign(payload, alg="none")),
        ("alg HS256", lambda payload: lab.signer.sign(payload, alg="HS256")),
    ))


@rule("E-41", "must", "refuses another typ, or none: the key may sign other things")
def refuses_other_types(lab):
    expect_nothing_taken(lab, (
        ("typ JWT", lambda payload: lab.signer.sign(payload, typ="JWT")),
        ("no typ", lambda payload: lab.signer.sign(payload, typ=None)),
    ))


@rule("E-42", "must", "refuses crit: what it names is not understood (RFC 7515 section 4.1.11)")
def refuses_crit(lab):
    expect_nothing_taken(lab, (
        ("crit", lambda payload: lab.signer.sign(payload, crit=["exp"], exp=1)),
    ))


@rule("E-43", "should", "blames the milter for a bad signature: 401 or 403, so that its sender loses nothing")
def blames_the_milter(lab):
    if not lab.signer:
        lab.need("--jws-key")
    result = lab.good(lab.new_challenge())
    answer = post_jws(lab, result, Signer.make().sign(payload_of(result)))
    expect(answer.status in CREDENTIALS, f"another key: {answer}")


@rule("E-44", "must", "refuses what is no JWS, and serves on")
def refuses_bad_jws(lab):
    if not lab.signer:
        lab.need("--jws-key")
    challenge = lab.new_challenge()
    # A stranger's reply: where such a JWS is opened after all, that is another rule's matter.
    good = lab.signer.sign(payload_of(lab.good(challenge, **{"from": "mallory@example.com"})))
    bodies = [b"", b"{", b"[]", b"null", b"7", b"{}", b"[" * 100000, b"a.b.c"]
    for name in good:
        bodies += [json.dumps(dict(good, **{name: value})).encode() for value in (None, 7, [], {}, "", "!", "\u00e4")]
    bodies += [json.dumps(dict(good, protected=b64url(header))).encode() for header in (b"{", b"[]", b"7", b"\xff", b"[" * 100000)]
    for body in bodies:
        lab.expect_client_error(lab.send_as_is(body), f"the JWS {body[:60]!r}")
    lab.expect_still_good(challenge, "bad JWS")
