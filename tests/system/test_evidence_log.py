# SPDX-License-Identifier: BSD-2-Clause
"""EvidenceLog and its chain: over rotation, restart, crash and signatures; what --verify-log finds in files that were
changed since. Hashes and signatures are checked by Python as well, from what the manual says of them."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from jwcrypto import jwk, jws

from harness import mail, milter
from harness.process import wait_for
from test_evidence import signed_reply
from test_jws import key  # noqa: F401 pylint: disable=unused-import

START = "0" * 64


def verify(*arguments, stdin=None):
    """Exit code, the words of each line on standard output, standard error."""
    done = milter.run("--verify-log", *arguments, stdin=stdin)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def previous_of(line):
    """The hash that a line carries: a member of it, or of the protected header of a JWS."""
    parts = json.loads(line)
    if "payload" not in parts:
        return parts["previousSha256"]
    token = jws.JWS()
    token.deserialize(line)
    return json.loads(token.objects["protected"])["previousSha256"]


def chain(*files):
    """What must be in the lines of these files, by their own hashes."""
    last = START
    for file in files:
        for line in file.read_bytes().splitlines():
            yield previous_of(line.decode()), last
            last = hashlib.sha256(line).hexdigest()


@pytest.fixture
def logging(new_milter):
    server = new_milter()
    log = server.data / "evidence.log"
    server.set("EvidenceLog", log)
    return server, log


def refuse(mx, new_exchange):
    """A reply without a signature: a line with verdict reject. Returns its token."""
    bad = new_exchange()
    assert mx.send(bad, mail.reply(bad.challenge, bad.digest)).code == 550
    return bad.token


def tokens(file):
    return [json.loads(line)["tokenPart1"] for line in file.read_text().splitlines()]


def test_every_result_is_a_line_and_the_log_is_reopened(mx, new_exchange, logging):
    server, log = logging
    moved = log.with_suffix(".1")
    good = new_exchange()
    with mx.with_milter(server):
        assert mx.send(good, signed_reply(good)).code == 250
        (posted,) = mx.acme.results_for(good.challenge)
        (line,) = map(json.loads, log.read_text().splitlines())
        assert line.pop("previousSha256") == START
        assert line == posted
        os.rename(log, moved)
        server.reload()
        wait_for(log.exists, "the log is opened anew")
        refused = refuse(mx, new_exchange)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(line["tokenPart1"], line["verdict"]) for line in lines] == [(refused, "reject")]
    assert all(told == wanted for told, wanted in chain(moved, log))
    code, lines, errors = verify(moved, log)
    assert (code, errors) == (0, "")
    last = hashlib.sha256(log.read_bytes().splitlines()[-1]).hexdigest()
    assert lines[1] == f"{log}: lines=1 faults=0 previous={hashlib.sha256(moved.read_bytes()[:-1]).hexdigest()} last={last}"
    assert f"evidence-log file={log} last={last}" in server.log().decode()  # told at the end of the process


def test_chain_goes_on_after_a_restart_a_crash_and_a_rotation_in_between(mx, new_exchange, logging):
    server, log = logging
    files = [log.with_suffix(f".{number}") for number in (2, 1)] + [log]
    with mx.with_milter(server):
        first = refuse(mx, new_exchange)
    with mx.with_milter(server):
        refuse(mx, new_exchange)
        server.process.send(signal.SIGKILL)
        server.process.popen.wait()
        with log.open("ab") as file:
            file.write(b'{"version":1,"id":"to')  # a line that the crash cut
        code, lines, errors = verify(log)
        assert code == 0 and " lines=2 faults=0 " in lines[0] and "a piece of one" in errors
        server.start()
        refuse(mx, new_exchange)
        size = len(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
        assert f"evidence-log reason=torn file={log} offset={size} bytes=21" in server.log().decode()
        os.rename(log, files[0])
        server.reload()
        wait_for(log.exists, "the log is opened anew")
    with mx.with_milter(server):  # and ended with no line in the new file
        refuse(mx, new_exchange)
    os.rename(log, files[1])  # while nobody runs
    with mx.with_milter(server):
        refuse(mx, new_exchange)
    assert all(told == wanted for told, wanted in chain(*files))
    assert tokens(files[0])[0] == first and [len(tokens(file)) for file in files] == [3, 1, 1]
    assert verify(*files)[0] == 0
    assert verify(files[0], files[2])[0] == 1
    assert verify(*reversed(files))[0] == 1


@pytest.mark.parametrize("left", [bytes(512 * 1024), b"garbage\n", b"garbage\n" + bytes(4096)],
                         ids=["zeros", "a line", "a line and zeros"])
def test_what_a_power_cut_leaves_is_told_and_the_chain_goes_on(mx, new_exchange, logging, left):
    server, log = logging
    with mx.with_milter(server):
        refuse(mx, new_exchange)
    size = log.stat().st_size
    with log.open("ab") as file:
        file.write(left)
    with mx.with_milter(server):
        refuse(mx, new_exchange)
        kept = 8 if left.startswith(b"garbage") else len(left)
        assert f"evidence-log reason=garbage file={log} offset={size} bytes={kept}\n" in server.log().decode()
    code, lines, errors = verify(log)
    assert code == 1 and " lines=3 faults=1 " in lines[0]
    assert errors.startswith(f"{log}:2: no line of an evidence log, ") and f" at offset {size}: " in errors
    with_gap = log.with_suffix(".gap")
    with_gap.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[1:]))
    assert verify(log, with_gap)[0] == 1


def test_reload_that_fails_still_carries_the_chain_to_the_new_file(mx, new_exchange, logging):
    server, log = logging
    moved = log.with_suffix(".1")
    with mx.with_milter(server):
        refuse(mx, new_exchange)
        os.rename(log, moved)
        server.set("Policy", "nonsense")
        server.reload()
        wait_for(log.exists, "the log is opened anew")
        assert b"reload-failed" in server.log()
        refuse(mx, new_exchange)
        server.settings.pop()
    assert verify(moved, log)[0] == 0


def test_two_milters_write_one_chain(mx, new_exchange, logging, new_milter):
    server, log = logging
    other = new_milter(("EvidenceLog", log))
    with mx.with_milter(server):
        for _ in range(2):
            refuse(mx, new_exchange)
            with mx.with_milter(other):
                refuse(mx, new_exchange)
    code, lines, _ = verify(log)
    assert code == 0 and " lines=4 faults=0 " in lines[0]


def test_full_disk_puts_the_reply_off_and_leaves_the_chain_whole(mx, exchange, new_milter, folder):
    server = new_milter()
    disk = server.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "none", disk], check=False).returncode != 0:
        pytest.skip("this root may not mount")
    try:
        log = disk / "evidence.log"
        server.set("EvidenceLog", log)
        with mx.with_milter(server):
            first = signed_reply(exchange)
            assert mx.send(exchange, first).code == 250
            filler = disk / "filler"
            with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            # What is left of the last page takes a line or a part of one.
            answers = [mx.send(exchange, first) for _ in range(4)]
            assert answers[-1].code == 451 and answers[-1].enhanced == "4.3.1", str(answers[-1])
            assert log.read_bytes().endswith(b"}\n")
            filler.unlink()
            assert mx.send(exchange, first).code == 250
        assert verify(log)[0] == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def signed_log(mx, new_exchange, logging, key):  # noqa: F811
    """A log of three signed lines, and the file of the public key."""
    server, log = logging
    private, public = server.data / "evidence.key", server.data / "public.pem"
    private.write_bytes(key.export_to_pem(private_key=True, password=None))
    private.chmod(0o400)
    shutil.chown(private, milter.USER, milter.USER)
    public.write_bytes(key.export_to_pem(private_key=False))
    server.set("EvidenceKeyFile", private)
    with mx.with_milter(server):
        for _ in range(3):
            refuse(mx, new_exchange)
    return log, public


def test_signed_lines_are_jws_of_the_result_and_sign_the_chain(signed_log, key):  # noqa: F811
    log, public = signed_log
    assert all(told == wanted for told, wanted in chain(log))
    for line in log.read_text().splitlines():
        token = jws.JWS()
        token.deserialize(line)
        token.allowed_algs = ["EdDSA"]
        token.verify(jwk.JWK.from_json(key.export_public()))
        assert json.loads(token.payload)["verdict"] == "reject"
        assert json.loads(token.objects["protected"]).keys() == {"alg", "kid", "typ", "previousSha256"}
    assert verify("--public-key", public, log)[0] == 0
    other = log.parent / "other.pem"
    other.write_bytes(jwk.JWK.generate(kty="OKP", crv="Ed25519").export_to_pem(private_key=False))
    code, _, errors = verify("--public-key", other, log)
    assert code == 1 and errors.count("not signed by this key") == 3


def test_the_filter_of_the_operations_page_reads_signed_lines_too(mx, new_exchange, logging, signed_log):
    page = (Path(__file__).resolve().parents[2] / "doc/operations.md").read_text()
    (program,) = re.findall(r"^jq '(.*)' /var/lib/acme-milter/results.jsonl$", page, re.M)
    server, log = logging
    server.set("EvidenceKeyFile", "none")
    with mx.with_milter(server):
        refuse(mx, new_exchange)  # a fourth line, which is not signed
    author = new_exchange().author
    found = subprocess.run(["jq", "-c", program.replace("ADDRESS", author), log], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [json.loads(line)["from"] for line in found.splitlines()] == [author] * 4
    assert subprocess.run(["jq", "-c", program, log], check=True, stdout=subprocess.PIPE, text=True).stdout == ""


def test_signature_finds_what_a_chain_made_anew_hides(signed_log):
    """Whoever may write the file can make a chain of hashes that holds, but no signatures."""
    log, public = signed_log
    forged = log.with_suffix(".forged")
    lines = log.read_bytes().splitlines()
    del lines[1]
    parts = json.loads(lines[1])
    token = jws.JWS()
    token.deserialize(lines[1].decode())
    header = json.loads(token.objects["protected"])
    header["previousSha256"] = hashlib.sha256(lines[0]).hexdigest()
    encoded = jwk.base64url_encode(json.dumps(header, separators=(",", ":")))
    lines[1] = ('{"payload":"%s","protected":"%s","signature":"%s"}' % (parts["payload"], encoded, parts["signature"])).encode()
    forged.write_bytes(b"\n".join(lines) + b"\n")
    assert verify(forged)[0] == 0
    code, _, errors = verify("--public-key", public, forged)
    assert code == 1 and errors.startswith(f"{forged}:2: ")


@pytest.fixture
def lines(mx, new_exchange, logging):
    server, log = logging
    with mx.with_milter(server):
        for _ in range(5):
            refuse(mx, new_exchange)
    return log.read_bytes().splitlines()


def test_what_was_done_to_a_log_is_found_and_its_line_told(lines, tmp_path):
    file = tmp_path / "evidence.log"
    one, two, three, four, five = lines
    cases = [
        ([one, two, three, four, five], []),
        ([one, two.replace(b'"reject"', b'"passed"'), three, four, five], [3]),
        ([one, three, four, five], [2]),
        ([one, two, one, three, four, five], [3, 4]),
        ([one, three, two, four, five], [2, 3, 4]),
        ([one, two, b"nonsense", four, five], [3, 4]),
        ([one, two, three, one], [4]),
        ([two, three], []),
    ]
    for number, (written, faults) in enumerate(cases):
        file.write_bytes(b"".join(line + b"\n" for line in written))
        code, told, errors = verify(file)
        assert [int(line.split(":")[1]) for line in errors.splitlines()] == faults, number
        assert code == (1 if faults else 0) and f" faults={len(faults)} " in told[0]
        assert verify("-", stdin=file.read_bytes())[0] == code


def test_exit_codes(lines, tmp_path):
    good, bad, absent = tmp_path / "good", tmp_path / "bad", tmp_path / "absent"
    good.write_bytes(lines[0] + b"\n")
    bad.write_bytes(b"x\n")
    assert verify(good)[0] == 0
    assert verify(bad)[0] == 1
    assert verify(absent)[0] == 66 and verify(tmp_path)[0] == 66
    assert verify(good, absent)[0] == 66
    assert verify(bad, absent)[0] == verify(absent, bad)[0] == 1
    assert verify("--public-key", absent, good)[0] == 66
    assert verify()[0] == 64
    assert milter.run("--public-key", good, "-n").returncode == 64
