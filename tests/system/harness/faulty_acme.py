#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The reference ACME server with one fault: for each rule of acme-milter-conformance(1) one that breaks it and no other.

faulty_acme.py RULE|none OPTION...    the options are those of `acme-reference-server serve`"""
import argparse
import copy
import datetime
import hashlib
import importlib.machinery
import importlib.util
import json
import sys
import threading
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "contrib" / "reference-server" / "acme-reference-server"
AT_ONCE = 8  # as many as the rules post at once
FAULTS = {}


def load():
    loader = importlib.machinery.SourceFileLoader("acme_reference_server", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


ref = load()
judge, read_result, open_jws, decide = ref.judge, ref.read_result, ref.open_jws, ref.decide


def fault(name, of="judge"):
    """Puts a function of this file in the place of one of the reference server's."""
    def register(function):
        FAULTS[name] = lambda: setattr(ref, of, function)
        return function
    return register


def handler_fault(name, of):
    def register(function):
        FAULTS[name] = lambda: setattr(ref.Handler, of, function)
        return function
    return register


def known(store, result):
    """The challenge of a result, or None."""
    try:
        return store.load(result["tokenPart1"])
    except (KeyError, TypeError):
        return None


def is_right(challenge, result):
    return result["digest"] in ref.digests(challenge)


def is_by_author(challenge, result):
    return ref.same_mailbox(result["from"] or "", challenge["identifier"])


class ForgetfulStore(ref.Store):
    """Its files stay as they were."""
    def __init__(self, folder):
        super().__init__(folder)
        self.real = {}

    def save(self, challenge):
        self.real[challenge["tokenPart1"]] = copy.deepcopy(challenge)
        super().save(dict(challenge, status="pending"))

    def load(self, token):
        return copy.deepcopy(self.real.get(token)) or super().load(token)


FAULTS["E-01"] = lambda: setattr(ref, "Store", ForgetfulStore)


@fault("E-02", "read_result")
def refuses_unknown_members(body, key):
    result = read_result(body, key)
    if "laterMember" in result:
        raise ref.Problem(400, "malformed", "an unknown member")
    return result


bodies_by_id = {}


@fault("E-03")
def compares_whole_bodies(store, result):
    if bodies_by_id.setdefault(result["id"], result) != result:
        result = dict(result, id="another")
    return judge(store, result)


@fault("E-04")
def looks_at_the_clock_first(store, result):
    challenge = known(store, result)
    if challenge and ref.parse_time(result["receivedAt"]) > ref.parse_time(challenge["created"]) + ref.LIFETIME:
        raise ref.Problem(410, "malformed", "expired")
    return judge(store, result)


barrier = threading.Barrier(AT_ONCE, timeout=30)


def is_first(rule, challenge, result):
    """One of the replies that this rule posts at once, and none was answered yet."""
    return challenge and str(result["from"]).startswith(rule) and not challenge.get("answer")


@fault("E-05")
def knows_no_id_until_it_has_answered(store, result):
    if not is_first("e-05.", known(store, result), result):
        return judge(store, result)
    if barrier.wait() == 0:
        return judge(store, result)
    raise ref.Problem(409, "malformed", "somebody is at it")


@fault("E-06")
def decides_from_a_copy(store, result):
    challenge = known(store, result)
    if not is_first("e-06.", challenge, result):
        return judge(store, result)
    barrier.wait()
    with store.lock:
        return decide(store, challenge, result)


@fault("E-07")
def forgets_after_an_hour(store, result):
    challenge = known(store, result)
    if challenge and challenge.get("result") and challenge["result"]["id"] != result["id"]:
        after = ref.parse_time(result["receivedAt"]) - ref.parse_time(challenge["result"]["receivedAt"])
        if challenge["status"] == "valid" and after > datetime.timedelta(hours=1):
            store.save(dict(challenge, status="pending", answer=None))
    return judge(store, result)


@fault("E-08")
def fails_for_rejects(store, result):
    challenge = known(store, result)
    if result["verdict"] == "reject" and challenge and is_by_author(challenge, result) and not is_right(challenge, result):
        store.save(dict(challenge, status="invalid"))
    return judge(store, result)


@fault("E-09")
def validates_by_rejects(store, result):
    challenge = known(store, result)
    if result["verdict"] == "reject" and challenge and is_right(challenge, result):
        result = dict(result, verdict="pass")
    return judge(store, result)


@fault("E-10")
def knows_only_reject(store, result):
    return judge(store, result if result["verdict"] == "reject" else dict(result, verdict="pass"))


@fault("E-11")
def stumbles_over_null(store, result):
    if result["from"] is None:
        raise ref.Problem(500, "serverInternal", "None")
    return judge(store, result)


@fault("E-12")
def looks_at_the_digest_only(store, result):
    challenge = known(store, result)
    if result["verdict"] == "pass" and challenge and is_right(challenge, result):
        result = dict(result, **{"from": challenge["identifier"]})
    return judge(store, result)


@fault("E-13")
def counts_anybodys_guess(store, result):
    challenge = known(store, result)
    if result["verdict"] == "pass" and challenge and not is_by_author(challenge, result) and not is_right(challenge, result):
        store.save(dict(challenge, status="invalid"))
    return judge(store, result)


@fault("E-14", "same_mailbox")
def folds_local_parts(one, other):
    return one.lower() == other.lower()


@fault("E-15", "same_mailbox")
def compares_as_text(one, other):
    return one == other


@fault("E-16")
def takes_any_address(store, result):
    challenge = known(store, result)
    return judge(store, dict(result, challengeAddress=challenge["from"]) if challenge else result)


@fault("E-17")
def takes_any_digest(store, result):
    challenge = known(store, result)
    return judge(store, dict(result, digest=ref.digests(challenge)[0]) if challenge else result)


@fault("E-18", "decide")
def grants_many_guesses(store, challenge, result):
    status, document = decide(store, dict(challenge), result)
    if status != 200:
        store.save(challenge)
    return status, document


@fault("E-19", "decide")
def forgets_whom_it_refused(store, challenge, result):
    status, document = decide(store, challenge, result)
    if status != 200:
        challenge["answer"]["id"] = ""
        store.save(challenge)
    return status, document


both_digests = ref.digests
FAULTS["E-20"] = lambda: setattr(ref, "digests", lambda challenge: both_digests(challenge)[:1])


@fault("E-21")
def takes_unknown_tokens(store, result):
    try:
        return judge(store, result)
    except ref.Problem as problem:
        if problem.status == 404 and ref.TOKEN.fullmatch(result["tokenPart1"]):
            return 200, {}
        raise


@fault("E-22")
def stumbles_over_tokens(store, result):
    if result["verdict"] == "pass" and not ref.TOKEN.fullmatch(result["tokenPart1"]):
        raise ref.Problem(500, "serverInternal", "no such file")
    return judge(store, result)


FAULTS["E-23"] = lambda: setattr(ref, "LIFETIME", datetime.timedelta(days=7))


@fault("E-24")
def goes_by_its_own_clock(store, result):
    return judge(store, dict(result, receivedAt=datetime.datetime.now(datetime.timezone.utc).isoformat()))


def stumbles(name, of, exceptions):
    """500 where json.loads raises one of these."""
    original = getattr(ref, of)

    def function(body, argument):
        try:
            json.loads(body)
        except (ValueError, RecursionError) as error:
            if isinstance(error, exceptions):
                raise ref.Problem(500, "serverInternal", type(error).__name__) from None
        return original(body, argument)
    FAULTS[name] = lambda: setattr(ref, of, function)


stumbles("E-25", "read_result", ValueError)
stumbles("E-28", "read_result", RecursionError)
stumbles("E-44", "open_jws", (ValueError, RecursionError))


@fault("E-26", "read_result")
def stumbles_over_types(body, key):
    try:
        return read_result(body, key)
    except ref.Problem:
        try:
            result = json.loads(body)
            digest = result["digest"] if result["verdict"] == "pass" else ""
        except (ValueError, KeyError, TypeError, RecursionError):
            digest = ""
        if not isinstance(digest, str):
            raise ref.Problem(500, "serverInternal", "TypeError") from None
        raise


read_body = ref.Handler.read_body


@handler_fault("E-27", "read_body")
def stumbles_over_size(self):
    try:
        return read_body(self)
    except ref.Problem:
        raise ref.Problem(500, "serverInternal", "out of memory") from None


@fault("E-29", "read_result")
def takes_any_version(body, key):
    try:
        result = json.loads(body)
        if isinstance(result["version"], int):
            body = json.dumps(dict(result, version=1))
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return read_result(body, key)


@handler_fault("E-30", "result_in")
def takes_any_content_type(self, body):
    key = self.server.options.evidence_key
    return ref.read_result(ref.open_jws(body, key) if key else body, self.headers.get("Idempotency-Key"))


@fault("E-31", "read_result")
def takes_any_key(body, key):
    try:
        key = f'"{json.loads(body)["id"]}"'
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return read_result(body, key)


def takes_any_method(self):
    self.close_connection = True
    self.answer(200, {})


def any_method():
    ref.Handler.do_GET = ref.Handler.do_PUT = ref.Handler.do_DELETE = takes_any_method


FAULTS["E-32"] = any_method
FAULTS["E-33"] = lambda: setattr(ref.Handler, "protocol_version", "HTTP/1.0")
do_post = ref.Handler.do_POST


@handler_fault("E-34", "do_POST")
def answers_before_it_reads(self):
    if self.headers.get_content_type() == "text/plain":
        self.answer(415, ref.Problem(415, "malformed", "application/json is wanted").document)
    else:
        do_post(self)


send_header = ref.Handler.send_header


@handler_fault("E-35", "send_header")
def sends_plain_text(self, keyword, value):
    send_header(self, keyword, "text/plain" if value == "application/problem+json" else value)


@handler_fault("E-36", "check_token")
def wants_no_token(self):
    pass


result_in = ref.Handler.result_in


@handler_fault("E-37", "result_in")
def takes_unsigned_results(self, body):
    if self.headers.get_content_type() == "application/json":
        return ref.read_result(body, self.headers.get("Idempotency-Key"))
    return result_in(self, body)


def opens(name, believes):
    """believes(JWS, header): whether the server, wrongly, lets this pass."""
    def function(body, key_file):
        try:
            jws = json.loads(body)
            if believes(jws, json.loads(ref.unb64url(jws["protected"]))):
                return ref.unb64url(jws["payload"])
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return open_jws(body, key_file)
    FAULTS[name] = lambda: setattr(ref, "open_jws", function)


def is_signed_by(key, jws):
    from cryptography.exceptions import InvalidSignature
    try:
        key.verify(ref.unb64url(jws["signature"]), (jws["protected"] + "." + jws["payload"]).encode())
        return True
    except InvalidSignature:
        return False


def own_key():
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    return load_pem_public_key(Path(options.evidence_key).read_bytes())


def public_key_of(jwk):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    return Ed25519PublicKey.from_public_bytes(ref.unb64url(jwk["x"]))


def is_own_kid(header):
    from cryptography.hazmat.primitives import serialization
    raw = own_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    jwk = b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % ref.b64url(raw).encode()
    return header["kid"] == ref.b64url(hashlib.sha256(jwk).digest())


def is_plain(header):
    return header["alg"] == "EdDSA" and header.get("typ") == "acme-email-reply+json" and "crit" not in header


opens("E-38", lambda jws, header: is_plain(header) and is_own_kid(header))
opens("E-39", lambda jws, header: "jwk" in header and is_signed_by(public_key_of(header["jwk"]), jws))
opens("E-40", lambda jws, header: header["alg"] == "none")
opens("E-41", lambda jws, header: header["alg"] == "EdDSA" and "crit" not in header and is_signed_by(own_key(), jws))
opens("E-42", lambda jws, header: "crit" in header and is_signed_by(own_key(), jws))


@fault("E-43", "open_jws")
def blames_the_sender(body, key_file):
    try:
        return open_jws(body, key_file)
    except ref.Problem:
        raise ref.Problem(400, "malformed", "the signature does not verify") from None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    for name in ("socket", "socket-group", "state", "evidence-key", "token-file", "record", "answer"):
        parser.add_argument("--" + name)
    options = parser.parse_args()
    if options.fault != "none":
        FAULTS[options.fault]()
    sys.exit(ref.serve(options))
