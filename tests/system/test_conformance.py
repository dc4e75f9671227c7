# SPDX-License-Identifier: BSD-2-Clause
"""acme-milter-conformance: the reference server and the receiver of doc/endpoint behave, and each fault is found."""
import concurrent.futures
import contextlib
import re
import shlex
import sqlite3
import ssl
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from harness import challenge as challenges
from harness import faulty_acme
from harness.process import Folder, Process, free_port, unix_socket_answers

TOP = Path(__file__).resolve().parents[2]
PROGRAM = TOP / "contrib/conformance/acme-milter-conformance"
PROVIDER = TOP / "tests/system/harness/challenge-provider"
RECEIVER = TOP / "doc/endpoint/receiver.py"
FAULTY = TOP / "tests/system/harness/faulty_acme.py"
NEEDS_KEY = tuple(f"E-{number}" for number in range(36, 45))
# A server is asked by the rules that come first; without a receiver that judges at all nothing else can be said.
RULES = sorted(faulty_acme.FAULTS)


def run(*arguments, check=True):
    done = subprocess.run([str(word) for word in (PROGRAM, *arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)
    assert not check or done.returncode in (0, 1), done.stderr
    return done


def outcomes(done):
    """Rule -> what became of it, from the table."""
    return dict(re.findall(r"^(E-\d\d)  (holds|BROKEN|not judged)\b", done.stdout, re.M))


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "evidence.pem"
    done = run("--make-key", path)
    assert re.fullmatch(r"kid [A-Za-z0-9_-]{43}\n", done.stdout)
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("--make-key", path, check=False).returncode == 66  # none is overwritten
    return path


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text("a-token-of-the-milter\n")
    return path


@contextlib.contextmanager
def new_folder():
    made = Folder("conf")
    (made.path / "state").mkdir()
    try:
        yield made.path
    finally:
        made.remove()


@pytest.fixture
def folder():
    with new_folder() as path:
        yield path


def provider(folder, *commands):
    """The options that name the server's side."""
    state = folder / "state"
    return [f"--{name}={shlex.join([str(PROVIDER), command, str(state)])}" for name, command in (
        ("new-challenge", "new"), ("odd-challenge", "odd"), ("expired-challenge", "expired"), ("status", "status"))
        if not commands or command in commands]


class Server:
    """The reference server, with a fault or none."""

    def __init__(self, folder, fault="none", *options):
        self.socket = folder / "s"
        self.endpoint = f"http://unix:{self.socket}:/email-reply"
        self.process = Process(["/usr/bin/python3", FAULTY, fault, "--socket", self.socket, "--state", folder / "state", *options],
                               folder / "log", cwd="/")

    def __enter__(self):
        self.process.wait_until(lambda: unix_socket_answers(self.socket), "the server listens")
        return self

    def __exit__(self, *_):
        self.process.stop()


def signed(key, token):
    """Options of the server, and those of the program."""
    return ["--evidence-key", f"{key}.pub", "--token-file", token], ["--jws-key", key, "--token-file", token]


def test_every_rule_has_its_fault():
    listed = re.findall(r"^(E-\d\d)  (?:must|should)  +\S", run("--list").stdout, re.M)
    assert listed == RULES and listed


def test_all_rules_hold_for_the_reference_server(folder):
    with Server(folder) as server:
        done = run(server.endpoint, *provider(folder))
    assert done.returncode == 0, done.stdout
    assert outcomes(done) == {rule: "not judged" if rule in NEEDS_KEY else "holds" for rule in RULES}


def test_all_rules_hold_for_the_reference_server_with_key_and_token(folder, key, token):
    theirs, ours = signed(key, token)
    with Server(folder, "none", *theirs) as server:
        done = run(server.endpoint, *provider(folder), *ours)
    assert done.returncode == 0, done.stdout
    assert outcomes(done) == {rule: "holds" for rule in RULES}


def test_the_reference_servers_own_commands_provide(folder):
    reference = f"/usr/bin/python3 {faulty_acme.PROGRAM}"
    new = f"{reference} new-challenge --json --state {folder / 'state'} --from acme@ca.example"
    commands = ["--new-challenge", new + " --identifier", "--status", f"{reference} status --state {folder / 'state'} --",
                "--expired-challenge", new + " --created 2026-01-01T00:00:00+00:00 --identifier"]
    with Server(folder) as server:
        done = run(server.endpoint, *commands, "--only", "E-01,E-15,E-23,E-24")
    assert (done.returncode, set(outcomes(done).values())) == (0, {"holds"}), done.stdout


def run_with_fault(rule, key, token):
    theirs, ours = signed(key, token) if rule in NEEDS_KEY else ([], [])
    with new_folder() as folder, Server(folder, rule, *theirs) as server:
        return run(server.endpoint, *provider(folder), *ours)


@pytest.fixture(scope="module")
def runs_with_fault(request, key, token):
    """Rule -> the run against the server that breaks it. All that are wanted, some at once: most of it is waiting."""
    wanted = [item.callspec.params["rule"] for item in request.session.items
              if getattr(item, "function", None) is test_a_server_with_one_fault_breaks_one_rule]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {rule: pool.submit(run_with_fault, rule, key, token) for rule in wanted}


@pytest.mark.parametrize("rule", RULES)
def test_a_server_with_one_fault_breaks_one_rule(runs_with_fault, rule):
    done = runs_with_fault[rule].result()
    found = outcomes(done)
    assert [name for name, outcome in found.items() if outcome == "BROKEN"] == [rule], done.stdout
    is_must = f"\n{rule}  must" in "\n" + run("--list").stdout
    assert done.returncode == (1 if is_must else 0)


def receiver_provider(folder):
    """challenge-provider made the challenge; a row of the receiver's table follows from it."""
    path = folder / "provider"
    path.write_text(f"""#!/usr/bin/python3
import json, sqlite3, subprocess, sys
made = subprocess.run([{str(PROVIDER)!r}, sys.argv[1], {str(folder / "state")!r}, sys.argv[2]], check=True, stdout=subprocess.PIPE).stdout
c = json.loads(made)
with sqlite3.connect({str(folder / "db")!r}, timeout=30) as db:
    db.execute("INSERT INTO challenge (part1, part2, thumbprint, identifier, address, created) VALUES (?, ?, ?, ?, ?, ?)",
               (c["tokenPart1"], c["tokenPart2"], c["thumbprint"], c["identifier"], c["from"], c["created"]))
print(made.decode())
""")
    path.chmod(0o755)
    return [word for name in ("new", "odd", "expired") for word in (f"--{name}-challenge", f"{path} {name}")]


def test_all_rules_hold_for_the_receiver_in_60_lines(folder):
    code = [line for line in RECEIVER.read_text().split('"""', 2)[2].splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 60
    socket = folder / "s"
    process = Process(["/usr/bin/python3", RECEIVER, socket, folder / "db"], folder / "log", cwd="/")
    try:
        process.wait_until(lambda: unix_socket_answers(socket), "the receiver listens")
        done = run(f"http://unix:{socket}:/email-reply", *receiver_provider(folder))
        with sqlite3.connect(folder / "db") as db:
            words = dict(db.execute("SELECT status, count(*) FROM challenge GROUP BY status"))
    finally:
        process.stop()
    assert done.returncode == 0, done.stdout
    assert outcomes(done) == {rule: "not judged" if rule in NEEDS_KEY else "holds" for rule in RULES}
    assert set(words) == {"pending", "valid", "invalid"}
    assert "Traceback" not in process.text()


def test_a_server_that_refuses_all_is_found(folder):
    with Server(folder, "none", "--answer", "404") as server:
        done = run(server.endpoint, *provider(folder))
    assert done.returncode == 1 and outcomes(done)["E-01"] == "BROKEN"


def test_tap(folder):
    with Server(folder, "E-20") as server:
        done = run(server.endpoint, *provider(folder), "--format", "tap", "--only", "E-12,E-20,E-36")
    lines = done.stdout.splitlines()
    assert lines[0] == "1..3" and lines[1].startswith("ok 1 - E-12 ")
    assert re.fullmatch(r"not ok 2 - E-20 .* # TODO recommended", lines[2]) and lines[3] == "# joined as text only"
    assert re.fullmatch(r"ok 3 - E-36 .* # SKIP needs --token-file", lines[4])
    assert done.returncode == 0


def test_it_says_what_is_missing(folder):
    endpoint = f"http://unix:{folder / 's'}:/email-reply"
    assert run(check=False).returncode == 64
    assert run(endpoint, *provider(folder), "--only", "E-99", check=False).returncode == 64
    assert run("ftp://ca.example/", *provider(folder), check=False).returncode == 64
    assert run(endpoint, *provider(folder), check=False).returncode == 69
    assert run(endpoint, *provider(folder), "--token-file", folder / "none", check=False).returncode == 66
    with Server(folder):
        done = run(endpoint, "--new-challenge", "false", "--format", "tap", check=False)
    assert done.returncode == 69 and "Bail out! false e-01." in done.stdout


def test_over_https_with_a_client_certificate(folder):
    authority = challenges.Authority(folder)
    client_side = authority.host("client", "milter.ca.example", usage="clientAuth")
    reference = faulty_acme.load()
    options = type("Options", (), {"state": str(folder / "state"), "answer": None, "evidence_key": None, "record": None,
                                   "token_file": None})
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), reference.Handler)
    server.options, server.store = options, reference.Store(options.state)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.root)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.host("server", "localhost"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"https://localhost:{server.server_port}/email-reply"
    with_certificate = ["--certificate-file", client_side[0], "--key-file", client_side[1]]
    try:
        done = run(endpoint, *provider(folder), "--ca-file", authority.root, *with_certificate, "--only", "E-01,E-05,E-33,E-34")
        without = run(endpoint, *provider(folder), "--ca-file", authority.root, "--only", "E-01", check=False)
        stranger = run(endpoint, *provider(folder), *with_certificate, check=False)
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, set(outcomes(done).values())) == (0, {"holds"}), done.stdout
    assert without.returncode == 1
    assert stranger.returncode == 69 and "certificate verify failed" in stranger.stderr


def test_what_the_provider_prints_is_checked(folder):
    with Server(folder) as server:
        done = run(server.endpoint, "--new-challenge", "echo {}", check=False)
        assert done.returncode == 69, done.stdout
        path = folder / "incomplete"
        path.write_text("#!/bin/sh\necho '{\"from\": \"a@b\"}'\n")
        path.chmod(0o755)
        done = run(server.endpoint, "--new-challenge", path, check=False)
    assert done.returncode == 69 and "KeyError 'tokenPart1'" in done.stderr
