# SPDX-License-Identifier: BSD-2-Clause
"""What is kept and shown of a reply beyond its verdict: signed results, the evidence folder and log, the metrics."""
import hashlib
import json
import os
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import mail, milter, signer
from harness.process import wait_for

from test_cli import CHALLENGE, DIGEST, DOMAIN, conf, dns  # noqa: F401 pylint: disable=unused-import


def signed_reply(exchange, **changes):
    return exchange.sign(mail.reply(exchange.challenge, exchange.digest, **changes))


def tree(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_signed_result_is_taken_and_one_of_another_key_is_kept_by_the_sender(mx, new_exchange, new_milter):
    server = new_milter()
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    private = server.data / "evidence.key"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
    private.chmod(0o400)
    shutil.chown(private, milter.USER)
    server.set("EvidenceKeyFile", private)
    publics = []
    for number, each in enumerate((key, other)):
        public = mx.acme.folder / f"evidence-{number}.pem"
        public.write_bytes(each.public_key().public_bytes(serialization.Encoding.PEM,
                                                          serialization.PublicFormat.SubjectPublicKeyInfo))
        publics.append(public)
    good, kept = new_exchange(), new_exchange()
    try:
        with mx.with_milter(server):
            mx.acme.stop()
            mx.acme.start("--evidence-key", publics[0])
            answer = mx.send(good, signed_reply(good))
            assert answer.code == 250, str(answer)
            assert mx.acme.requests()[-1]["headers"]["content-type"] == "application/jose+json"
            mx.acme.stop()
            mx.acme.start("--evidence-key", publics[1])
            answer = mx.send(kept, signed_reply(kept))
            assert (answer.code, answer.enhanced) == (451, "4.3.5"), str(answer)
    finally:
        mx.acme.stop()
        mx.acme.start()
    assert mx.acme.status(good.challenge) == "valid"
    assert mx.acme.status(kept.challenge) == "pending"


@pytest.fixture
def with_evidence(new_milter):
    server = new_milter()
    folder = server.data / "evidence"
    folder.mkdir(mode=0o700)
    shutil.chown(folder, milter.USER, milter.USER)
    server.set("EvidenceDirectory", folder)
    return server, folder


def test_passing_reply_leaves_a_folder_that_can_be_judged_again(mx, new_exchange, with_evidence):
    server, folder = with_evidence
    good, bad = new_exchange(), new_exchange()
    data = signed_reply(good)
    with mx.with_milter(server):
        assert mx.send(good, data).code == 250
        assert mx.send(bad, mail.reply(bad.challenge, bad.digest)).code == 550
        (result,) = mx.acme.results_for(good.challenge)
        year, month, day = result["receivedAt"][:10].split("-")
        place = folder / year / month / day / result["id"]
        wait_for((place / "answer.json").exists, "answer.json follows")
        assert {path.name for path in tree(folder)} >= {"message.eml", "dns.txt", "result.json", "answer.json"}
        assert all(path.parent == place for path in tree(folder))
        assert hashlib.sha256((place / "message.eml").read_bytes()).hexdigest() == result["messageSha256"]
        assert (place / "message.eml").read_bytes() == data
        assert json.loads((place / "result.json").read_text()) == result
        assert place.stat().st_mode & 0o007 == 0
    done = milter.run("-t", "-c", server.conf, "--replay", place)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    for member in result.keys() - {"smtp", "receivedAt", "milter"}:
        assert again[member] == result[member], member


def test_what_nobody_validated_is_recorded_and_replayed_as_that(mx, exchange, with_evidence):
    server, folder = with_evidence
    server.set("TrustAnchorFile", "none")
    with mx.with_milter(server):
        assert mx.send(exchange, signed_reply(exchange)).code == 250
    (place,) = {path.parent for path in folder.rglob("result.json")}
    result = json.loads((place / "result.json").read_text())
    done = milter.run("-t", "-c", server.conf, "--replay", place)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    for told in (result, again):
        assert told["dkim"]["dnssec"] == told["dmarc"]["dnssec"] == "unknown"
        assert told["findings"] == result["findings"]
        details = [each["detail"] for each in told["findings"] if each["id"] == "dnssec-none"]
        assert details and all(detail.endswith(": not validated") for detail in details)
        assert "TrustAnchorFile none" in told["settings"]
    explained = milter.run("-t", "--replay", place, "--explain").stdout.decode()
    assert "validates no DNS answers" in " ".join(explained.split()) and "is not signed with DNSSEC" not in explained


@pytest.fixture
def record(mx, exchange, with_evidence, tmp_path):
    """A function that copies the folder of a good reply, changes a file in it, and replays it: exit code, standard error."""
    server, folder = with_evidence
    with mx.with_milter(server):
        assert mx.send(exchange, signed_reply(exchange)).code == 250
        wait_for(lambda: list(folder.rglob("answer.json")), "answer.json follows")
    (answer,) = folder.rglob("answer.json")

    def replay(name, change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(answer.parent, copy)
        path = copy / name
        path.chmod(0o600)
        data = change(path.read_bytes())
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        done = milter.run("-t", "-c", "/nonexistent", "--replay", copy)
        return done.returncode, done.stderr.decode()
    return replay


def test_record_that_was_edited_is_told(record, exchange):
    digest, author = exchange.digest.encode(), exchange.author.encode()
    other = (b"A" if digest[:1] != b"A" else b"B") + digest[1:]
    assert record("message.eml", lambda data: data)[0] == 0
    assert record("message.eml", lambda data: data.replace(b"\r\n", b"\n"))[0] == 0
    for name, change, want in (
            ("message.eml", lambda data: data.replace(digest, other), "verdict id digest messageSha256"),
            ("message.eml", lambda data: data.replace(b"In-Reply-To: ", b"In-Reply-To:  "), "messageSha256"),
            ("result.json", lambda data: data.replace(digest, other), "digest"),
            ("result.json", lambda data: data.replace(b'"from":"' + author, b'"from":"mallory@example.net'), "from"),
            ("result.json", lambda data: data.replace(b'"verdict":"pass"', b'"verdict":"reject"'), "verdict"),
            ("dns.txt", lambda data: re.sub(rb"p=[^;\"]+", b"p=", data), "verdict"),
            ("dns.txt", lambda data: b"", "verdict")):
        code, errors = record(name, change)
        assert (code, " ".join(re.findall(r"the recorded (\w+) is", errors))) == (1, want), errors


def test_record_is_judged_by_the_time_it_came_in(conf, dns, keys, tmp_path):
    """Its signature has expired since."""
    place = tmp_path / "record"
    place.mkdir()
    then = {"t": 1700000000, "x": 1700086400}
    mail_then = signer.sign(mail.reply(CHALLENGE, DIGEST).bytes(), keys["rsa2048"], DOMAIN, "rsa2048", tags=then)
    (place / "message.eml").write_bytes(mail_then)
    shutil.copy(dns(), place / "dns.txt")
    for now, code in (("1700000100", 0), ("1800000000", 1)):
        done = milter.run("-t", "-c", conf(f"TestTime {now}"), "-D", place / "dns.txt", place / "message.eml")
        assert done.returncode == code
        if code == 0:
            (place / "result.json").write_bytes(done.stdout)
    assert milter.run("-t", "--replay", place).returncode == 0


def test_record_that_is_damaged_is_not_judged(record):
    assert record("message.eml", lambda data: None)[0] == 66
    assert record("result.json", lambda data: None)[0] == 66
    assert record("result.json", lambda data: data[:300])[0] == 66
    assert record("dns.txt", lambda data: None)[0] == 66
    assert record("dns.txt", lambda data: b"\x00\xff")[0] == 78
    assert record("result.json", lambda data: data.replace(b'"Policy ', b'"Policy non'))[0] == 78


@pytest.mark.parametrize("kind", ["fifo", "socket", "link", "device"])
@pytest.mark.parametrize("name", ["result.json", "result.jws", "message.eml", "dns.txt", "answer.json"])
def test_record_with_something_else_in_the_place_of_a_file_is_told_at_once(conf, dns, keys, tmp_path, name, kind):
    place = tmp_path / "record"
    place.mkdir()
    (place / "message.eml").write_bytes(signer.sign(mail.reply(CHALLENGE, DIGEST).bytes(), keys["rsa2048"], DOMAIN, "rsa2048"))
    shutil.copy(dns(), place / "dns.txt")
    (place / "result.json").write_bytes(milter.run("-t", "-c", conf(), "-D", place / "dns.txt", place / "message.eml").stdout)
    assert milter.run("-t", "--replay", place).returncode == 0
    path = place / name
    if path.exists():
        path.rename(tmp_path / name)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "link":
        path.symlink_to(tmp_path / name)
    else:
        path.symlink_to("/dev/zero")
    done = milter.run("-t", "--explain", "--replay", place)
    if name == "answer.json":  # as without one
        assert done.returncode == 0 and b"its answer is not recorded" in b" ".join(done.stdout.split())
    else:
        assert done.returncode == 66 and str(place).encode() in done.stderr and b"regular" in done.stderr or b"link" in done.stderr


@pytest.mark.parametrize("how", ["-c", "-D", "--find", "--verify-log", "--public-key", "EvidenceKeyFile", "EndpointTokenFile",
                                 "TrustAnchorFile", "EndpointCAFile"])
def test_a_fifo_in_the_place_of_a_file_hangs_nothing(conf, tmp_path, how):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    message = tmp_path / "reply.eml"
    message.write_bytes(mail.reply(CHALLENGE, DIGEST).bytes())
    calls = {"-c": ("-n", "-c", fifo), "-D": ("-t", "-c", conf(), "-D", fifo, message), "--find": ("-c", conf(), "--find", "x", fifo),
             "--verify-log": ("--verify-log", fifo), "--public-key": ("--verify-log", "--public-key", fifo, message)}
    call = calls.get(how) or ("-t", "-p", "-c", conf(f"{how} {fifo}"), message)
    done = milter.run(*call)
    assert done.returncode in (66, 78) and str(fifo).encode() in done.stderr, done.stderr


def test_evidence_that_cannot_be_written_is_temporary(mx, exchange, with_evidence):
    server, folder = with_evidence
    with mx.with_milter(server):
        shutil.chown(folder, "root", "root")
        answer = mx.send(exchange, signed_reply(exchange))
        assert answer.code == 451, str(answer)
        assert mx.acme.results_for(exchange.challenge) == []
        shutil.chown(folder, milter.USER, milter.USER)
        assert mx.send(exchange, signed_reply(exchange)).code == 250


def test_a_folder_that_is_not_there_is_told_at_the_start(mx, exchange, with_evidence):
    server, folder = with_evidence
    folder.rmdir()
    with mx.with_milter(server):
        (line,) = wait_for(lambda: [line for line in server.log_lines() if " evidence reason=directory " in line], "it is told")
        assert milter.logfmt(line) == {"reason": "directory", "path": str(folder), "error": "No such file or directory"}
        assert mx.send(exchange, signed_reply(exchange)).code == 451
    assert mx.acme.results_for(exchange.challenge) == []


def test_a_good_folder_is_not_complained_of(mx, exchange, with_evidence):
    server, _ = with_evidence
    with mx.with_milter(server):
        assert mx.send(exchange, signed_reply(exchange)).code == 250
        assert not any(" evidence reason=" in line for line in server.log_lines())


def folders_of(folder, key):
    """The folders of an id, the first posting first."""
    found = [path.parent for path in folder.rglob("result.json") if path.parent.name.split(".")[0] == key]
    return sorted(found, key=lambda path: int((path.name + ".1").split(".")[1]))


def is_complete(place):
    result = json.loads((place / "result.json").read_text())
    answer = json.loads((place / "answer.json").read_text())
    assert hashlib.sha256((place / "message.eml").read_bytes()).hexdigest() == result["messageSha256"]
    assert answer.keys() == {"outcome", "status", "attempts", "answeredAt", "detail"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["answeredAt"]) and answer["attempts"] >= 1
    return answer["outcome"]


def test_each_posting_of_an_id_keeps_its_mail_and_its_answer(mx, exchange, with_evidence):
    """A deferred mail that comes again, and another mail with the same id, which the ACME server refuses."""
    server, folder = with_evidence
    server.set("EndpointRetryFor", "1s")
    data = signed_reply(exchange)
    with mx.with_milter(server):
        mx.acme.stop()
        try:
            assert mx.send(exchange, data).code == 451
        finally:
            mx.acme.start()
        assert mx.send(exchange, data).code == 250
        assert mx.send(exchange, b"Received: from elsewhere by mx; Tue, 24 Nov 2026 05:00:00 +0000\r\n" + data).code == 250
        (key,) = {path.parent.name.split(".")[0] for path in folder.rglob("result.json")}
        wait_for(lambda: len(list(folder.rglob("answer.json"))) == 3, "answer.json follows")
    places = folders_of(folder, key)
    assert [place.name for place in places] == [key, f"{key}.2", f"{key}.3"]
    assert [is_complete(place) for place in places] == ["unavailable", "accepted", "accepted"]
    assert b"from elsewhere" in (places[2] / "message.eml").read_bytes()
    for place in places:
        done = milter.run("-t", "-c", "/nonexistent", "--replay", place)
        assert done.returncode == 0, done.stderr


def test_one_mail_many_times_on_eight_connections(mx, exchange, with_evidence):
    server, folder = with_evidence
    data = signed_reply(exchange)
    with mx.with_milter(server):
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: mx.send(exchange, data).code, range(80)))
        assert codes == [250] * 80
        wait_for(lambda: len(list(folder.rglob("answer.json"))) == 80, "answer.json follows")
        assert not [line for line in server.log_lines() if " evidence reason=" in line]
    (key,) = {path.parent.name.split(".")[0] for path in folder.rglob("result.json")}
    places = folders_of(folder, key)
    assert [place.name for place in places] == [key] + [f"{key}.{number}" for number in range(2, 81)]
    assert {is_complete(place) for place in places} == {"accepted"}


def test_unfinished_folders_of_a_crash_are_removed_at_the_start(mx, with_evidence):
    server, folder = with_evidence
    old, new = folder / "2026/11/24/.abc.77.1", folder / "2026/11/24/.abc.78.1"
    for place in (old, new):
        place.mkdir(parents=True)
        (place / "message.eml").write_bytes(b"half a ma")
    for path in [folder / "2026", *(folder / "2026").rglob("*")]:
        shutil.chown(path, milter.USER, milter.USER)
    os.utime(old, (1000000000, 1000000000))
    with mx.with_milter(server):
        (line,) = wait_for(lambda: [line for line in server.log_lines() if " evidence reason=unfinished " in line], "it is told")
        assert milter.logfmt(line) == {"reason": "unfinished", "path": str(old)}
    assert not old.exists() and new.exists()


def test_metrics_count_verdicts(mx, new_exchange, new_milter):
    server = new_milter()
    file = server.data / "acme-milter.prom"
    server.set("MetricsFile", file)
    server.set("MetricsInterval", "1s")
    good, bad = new_exchange(), new_exchange()
    with mx.with_milter(server):
        assert mx.send(good, signed_reply(good)).code == 250
        assert mx.send(bad, mail.reply(bad.challenge, bad.digest)).code == 550

        def counted():
            text = file.read_text() if file.exists() else ""
            return re.search(r'verdict="pass"[^}]*\} 1\b', text) and re.search(r'verdict="reject"[^}]*\} 1\b', text) and text
        text = wait_for(counted, "both verdicts are in the metrics")
    assert text.endswith("# EOF\n")
    for line in text.splitlines():
        assert re.fullmatch(r'# (TYPE|HELP|UNIT) \w+ .+|# EOF|[a-z_]+(\{[^{}]*\})? [0-9.e+-]+( [0-9.]+)?', line), line
