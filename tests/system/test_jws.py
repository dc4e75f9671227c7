# SPDX-License-Identifier: BSD-2-Clause
"""The signed result (RFC 7515, RFC 8037), read by an implementation that is not ours, and judged again from its record."""
import json
import shutil

import pytest
from jwcrypto import jwk, jws

from harness import mail, milter
from harness.process import wait_for


@pytest.fixture
def key():
    return jwk.JWK.generate(kty="OKP", crv="Ed25519")


@pytest.fixture
def signing(new_milter, key):
    """A milter that signs with key and keeps evidence, and its folder."""
    server = new_milter()
    private = server.data / "evidence.key"
    private.write_bytes(key.export_to_pem(private_key=True, password=None))
    private.chmod(0o400)
    folder = server.data / "evidence"
    folder.mkdir(mode=0o700)
    for path in (private, folder):
        shutil.chown(path, milter.USER, milter.USER)
    server.set("EvidenceKeyFile", private)
    server.set("EvidenceDirectory", folder)
    return server, folder


def kept_folder(folder):
    wait_for(lambda: list(folder.rglob("answer.json")), "answer.json follows")
    (answer,) = folder.rglob("answer.json")
    return answer.parent


def send_good(mx, exchange, server, key):
    """The ACME server takes results signed with key only."""
    public = mx.acme.folder / "jws-public.pem"
    public.write_bytes(key.export_to_pem(private_key=False))
    mx.acme.stop()
    mx.acme.start("--evidence-key", public)
    try:
        with mx.with_milter(server):
            answer = mx.send(exchange, exchange.sign(mail.reply(exchange.challenge, exchange.digest)))
    finally:
        mx.acme.stop()
        mx.acme.start()
    assert answer.code == 250, str(answer)


def test_jws_is_what_rfc7515_and_rfc8037_say(mx, exchange, signing, key):
    server, folder = signing
    send_good(mx, exchange, server, key)
    text = (kept_folder(folder) / "result.jws").read_text()
    token = jws.JWS()
    token.deserialize(text)
    token.allowed_algs = ["EdDSA"]
    token.verify(jwk.JWK.from_json(key.export_public()))
    header = json.loads(token.objects["protected"])
    assert header == {"alg": "EdDSA", "kid": key.thumbprint(), "typ": "acme-email-reply+json"}
    result = json.loads(token.payload)
    assert (result["verdict"], result["from"], result["digest"]) == ("pass", exchange.author, exchange.digest)


def test_jws_of_another_key_or_text_does_not_verify(mx, exchange, signing, key):
    server, folder = signing
    send_good(mx, exchange, server, key)
    parts = json.loads((kept_folder(folder) / "result.jws").read_text())
    parts["payload"] = ("A" if parts["payload"][0] != "A" else "B") + parts["payload"][1:]
    changed = jws.JWS()
    changed.deserialize(json.dumps(parts))
    changed.allowed_algs = ["EdDSA"]
    with pytest.raises(jws.InvalidJWSSignature):
        changed.verify(key)


def test_signed_record_is_judged_again_without_network_or_key(mx, exchange, signing, key):
    """As years later: the ACME server, the DNS and the signing key are gone."""
    server, folder = signing
    send_good(mx, exchange, server, key)
    place = kept_folder(folder)
    done = milter.run("-t", "-c", "/nonexistent", "--replay", place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"
    message = place / "message.eml"
    message.chmod(0o600)
    message.write_bytes(message.read_bytes().replace(b"BEGIN ACME", b"BEGIN XCME"))
    done = milter.run("-t", "-c", "/nonexistent", "--replay", place)
    assert done.returncode == 1
    assert b"recorded verdict is pass" in done.stderr


def test_replay_and_find_verify_the_signature(mx, exchange, signing, key, tmp_path):
    server, folder = signing
    send_good(mx, exchange, server, key)
    place = kept_folder(folder)
    good, other = tmp_path / "good.pem", tmp_path / "other.pem"
    good.write_bytes(key.export_to_pem(private_key=False))
    other.write_bytes(jwk.JWK.generate(kty="OKP", crv="Ed25519").export_to_pem(private_key=False))
    name = place.name

    def run(*arguments):
        done = milter.run(*arguments)
        return done.returncode, len(done.stdout.splitlines()), done.stderr.decode()
    replay, find = ("-t", "--replay", place), ("-c", server.conf, "--find", name)
    for command in (replay, find):
        code, lines, errors = run("--public-key", good, *command)
        assert (code, lines) == (0, 1) and "not verified" not in errors
        code, lines, errors = run(*command)
        assert (code, lines) == (0, 1) and "not verified" in errors
        code, lines, errors = run("--public-key", other, *command)
        assert (code, lines) == (66, 0) and str(place) in errors and "not signed by this key" in errors
    result = place / "result.jws"
    parts = json.loads(result.read_text())
    payload = json.loads(jwk.base64url_decode(parts["payload"]))
    changed = dict(payload, receivedAt="2026-11-24T05:00:00Z")
    result.unlink()
    result.write_text(json.dumps(dict(parts, payload=jwk.base64url_encode(json.dumps(changed))), separators=(",", ":")))
    for command in (replay, find):
        code, lines, errors = run("--public-key", good, *command)
        assert (code, lines) == (66, 0) and "not signed by this key" in errors
    result.unlink()
    (place / "result.json").write_text(json.dumps(payload))
    for command in (replay, find):
        code, lines, errors = run(*command)
        assert (code, lines) == (0, 1) and "not verified" not in errors
        code, lines, errors = run("--public-key", good, *command)
        assert (code, lines) == (66, 0) and "not signed: there is no result.jws" in errors
