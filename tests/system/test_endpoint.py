# SPDX-License-Identifier: BSD-2-Clause
"""The POST over real TLS, an endpoint that hangs beside one that does not, and answers that are lost."""
import contextlib
import json
import shutil
import threading

import pytest

from harness import challenge, milter, threads
from harness.endpoints import HttpsServer, LosingServer, SilentServer, TlsServer, read_message
from harness.replies import good_reply
from harness.process import Folder, wait_for

from conftest import CA_DOMAIN
from test_cli import AUTHOR, conf, dns, message  # noqa: F401 pylint: disable=unused-import

TOKEN = "a-token.of~24_bytes+/xyz="


# --- https


@pytest.fixture(scope="module")
def authority():
    folder = Folder("tls")
    yield challenge.Authority(folder.path)
    folder.remove()


@pytest.fixture(scope="module")
def server_identity(authority):
    return authority.host("server", "localhost")


@pytest.fixture(scope="module")
def client_identity(authority):
    return authority.host("client", "mx.ca.acme-lab.net", "clientAuth")


@pytest.fixture
def post(conf, dns, message, tmp_path):
    """Has the milter post replies to an https server, with further settings; returns the process."""
    def run(server, *settings, count=1):
        file = conf(f"Endpoint {server.url}", "EndpointRetryFor 0s", *settings)
        mails = [message(f"{number}.eml", Message_ID=f"<{number}@author.acme-lab.net>") for number in range(count)]
        return milter.run("-t", "-p", "-c", file, "-D", dns(), *mails)
    return run


def refused(done, server, *words):
    """Nothing was sent, the mail stays with its sender, and the log tells why."""
    text = done.stderr.decode()
    assert done.returncode == 75, text
    assert server.requests == [] and all(word in text for word in words), text


def test_post_over_https_with_a_client_certificate_and_a_token(post, authority, server_identity, client_identity, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    with HttpsServer(*server_identity, client_ca=authority.root, token=TOKEN) as server:
        done = post(server, f"EndpointCAFile {authority.root}", f"EndpointCertificateFile {client_identity[0]}",
                    f"EndpointKeyFile {client_identity[1]}", f"EndpointTokenFile {token}", count=3)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 3 and server.connections == 1  # kept alive
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for (path, headers, body, peer), result in zip(server.requests, results):
        assert path == "/email-reply" and headers["Content-Type"] == "application/json"
        assert headers["Idempotency-Key"] == f'"{result["id"]}"' and headers["Authorization"] == "Bearer " + TOKEN
        assert json.loads(body)["id"] == result["id"]
        assert (("DNS", "mx.ca.acme-lab.net"),) == peer["subjectAltName"]


class RecordsServer(TlsServer):
    """Answers the first request by these TLS records, and each further one by 404."""

    def __init__(self, identity, records):
        super().__init__(identity)
        self.records, self.requests = records, 0

    def serve(self, tls):
        while read_message(tls):
            self.requests += 1
            for record in self.records if self.requests == 1 else [NO]:
                tls.sendall(record)


NO = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TWO_BYTES = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n"
CHUNKS = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("records, is_kept", [
    ([TWO_BYTES, b"{}" + YES], False), ([TWO_BYTES, b"{", b"}" + YES], False), ([TWO_BYTES, b"{}", YES], False),
    ([TWO_BYTES + b"{}" + YES], False), ([NO + YES], False), ([NO, YES], False),
    ([TWO_BYTES, b"{}HTTP/1.1 20"], False), ([TWO_BYTES, b"{}"], True), ([TWO_BYTES + b"{}"], True),
    ([CHUNKS, b"2\r\n{}\r\n0\r\n\r\n"], True)])
def test_what_is_left_in_a_tls_record_answers_no_other_reply(post, authority, server_identity, records, is_kept):
    """libcurl reads the rest of a body and no more: a second answer in the same record stays with OpenSSL, where poll() is blind."""
    with RecordsServer(server_identity, records) as server:
        done = post(server, f"EndpointCAFile {authority.root}", count=3)
        assert (done.returncode, server.requests) == (1, 3), done.stderr
        assert done.stdout.count(b'"verdict":"pass"') == 3 and done.stderr.count(b"endpoint=404") == 3, done.stderr
        if is_kept:
            assert server.connections == 1


def test_running_milter_posts_over_https_from_its_sandbox(mx, new_exchange, new_milter, authority, server_identity, client_identity):
    """Where names are looked up, authorities and keys are read, and read again, behind its filter of system calls."""
    server = new_milter(("EndpointPeerUser", "none"))
    files = {"EndpointCAFile": authority.root, "EndpointCertificateFile": client_identity[0], "EndpointKeyFile": client_identity[1]}
    for keyword, path in files.items():
        copy = server.folder / keyword
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o640)
        shutil.chown(copy, group=milter.USER)
        server.set(keyword, copy)
    with HttpsServer(*server_identity, client_ca=authority.root) as other:
        server.set("Endpoint", other.url)
        with mx.with_milter(server):
            for count in (1, 2):
                exchange = new_exchange()
                answer = mx.send(exchange, exchange.sign(good_reply(exchange)))
                assert answer.code == 250 and len(other.requests) == count, str(answer)
                assert server.reload_and_wait()
            assert threads.status(server.process.pid)["Seccomp"] == "2"


def test_wrong_token_keeps_the_mail(post, authority, server_identity, tmp_path):
    token = tmp_path / "token"
    token.write_text("another")
    with HttpsServer(*server_identity, token=TOKEN) as server:
        done = post(server, f"EndpointCAFile {authority.root}", f"EndpointTokenFile {token}")
    assert done.returncode == 75 and len(server.requests) == 1
    assert b"endpoint-credentials" in done.stderr and b"another" not in done.stderr


def test_nothing_is_sent_without_the_client_certificate_that_is_wanted(post, authority, server_identity):
    with HttpsServer(*server_identity, client_ca=authority.root) as server:
        refused(post(server, f"EndpointCAFile {authority.root}"), server, "endpoint-unavailable")


def test_client_certificate_of_another_authority_is_not_taken(post, authority, server_identity, tmp_path):
    other = challenge.Authority(tmp_path).host("client", "mx.ca.acme-lab.net", "clientAuth")
    with HttpsServer(*server_identity, client_ca=authority.root) as server:
        refused(post(server, f"EndpointCAFile {authority.root}", f"EndpointCertificateFile {other[0]}",
                     f"EndpointKeyFile {other[1]}"), server, "endpoint-unavailable")


def test_server_of_another_authority_is_sent_nothing(post, server_identity, tmp_path):
    other = challenge.Authority(tmp_path)
    with HttpsServer(*server_identity) as server:
        refused(post(server, f"EndpointCAFile {other.root}"), server, "certificate")
        refused(post(server), server, "certificate")  # nor by the system's


@pytest.mark.parametrize("how", [
    {"host": "other.acme-lab.net"}, {"host": "localhost", "days": 0}, {"host": "localhost", "usage": "clientAuth"}],
    ids=["wrong name", "expired", "no server's certificate"])
def test_server_with_a_wrong_certificate_is_sent_nothing(post, authority, how):
    with HttpsServer(*authority.host("wrong", **how)) as server:
        refused(post(server, f"EndpointCAFile {authority.root}"), server, "certificate")


def test_redirect_is_not_followed(post, authority, server_identity):
    with HttpsServer(*server_identity) as elsewhere, \
            HttpsServer(*server_identity, answer=(307, {"Location": elsewhere.url})) as server:
        done = post(server, f"EndpointCAFile {authority.root}")
    assert done.returncode == 75 and len(server.requests) == 1 and elsewhere.requests == []


# --- one that hangs, answers that are lost


def test_endpoint_that_hangs_does_not_hold_up_another(mx, folder, new_exchange, new_milter):
    """Four replies at once, of which three may wait for one endpoint."""
    slow, quick = [new_exchange() for _ in range(4)], [new_exchange() for _ in range(3)]
    address, answers = "slow@" + CA_DOMAIN, []
    for exchange in slow:
        exchange.challenge["from"] = address

    def send(exchange):
        return mx.send(exchange, exchange.sign(good_reply(exchange)), exchange.challenge["from"])
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(SilentServer(folder.path / "silent.sock"))
        milter_for_both = stack.enter_context(mx.with_milter(new_milter(
            ("ChallengeAddress", f"{address} {server.url}"), ("EndpointPeerUser", "none"), ("EndpointTimeout", "100s"),
            ("MaxConcurrentReplies", "4"))))
        stack.callback(server.is_free.set)  # before the milter is told to end, which waits for its replies
        senders = [threading.Thread(target=lambda each=each: answers.append(send(each))) for each in slow[:3]]
        for number, sender in enumerate(senders, 1):
            # One by one: libmilter may give two packets that come together to one idle thread, and the second then waits
            # for the first one's callback until another connection has a packet.
            sender.start()
            wait_for(lambda number=number: len(server.asked) == number, f"{number} replies wait for the endpoint")
        answer = send(slow[3])
        assert (answer.code, answer.enhanced) == (451, "4.3.0"), str(answer)
        assert b"enough replies wait for it already" in milter_for_both.log()
        for exchange in quick:
            assert send(exchange).code == 250
        assert answers == []  # they still wait
        server.is_free.set()
        for sender in senders:
            sender.join(60)
        assert [answer.code for answer in answers] == [250] * 3
        assert send(slow[3]).code == 250


def test_reply_whose_answer_was_lost_is_posted_again_and_counted_once(mx, folder, exchange, new_milter):
    with LosingServer(folder.path / "losing.sock", mx.acme.socket, losses=1) as server, mx.with_milter(new_milter(
            ("Endpoint", server.url), ("EndpointPeerUser", "none"), ("EndpointRetryFor", "60s"))):
        assert mx.send(exchange, exchange.sign(good_reply(exchange))).code == 250
    posted_twice(mx, exchange)


def test_mail_whose_answer_was_lost_comes_again_and_is_counted_once(mx, folder, exchange, new_milter):
    """The sender's MTA repeats it, hours later or on another connection: the id is the same."""
    data = exchange.sign(good_reply(exchange))
    with LosingServer(folder.path / "losing-2.sock", mx.acme.socket, losses=2) as server, mx.with_milter(new_milter(
            ("Endpoint", server.url), ("EndpointPeerUser", "none"), ("EndpointRetryFor", "0s"))):
        answer = mx.send(exchange, data)
        while server.losses > 0:  # libcurl asks at once again on a connection that it had kept
            assert (answer.code, answer.enhanced) == (451, "4.3.0"), str(answer)
            answer = mx.send(exchange, data)
        assert mx.send(exchange, data).code == 250
    posted_twice(mx, exchange)


def posted_twice(mx, exchange):
    posts = [each for each in mx.acme.requests() if exchange.token in each["body"]]
    assert len(posts) >= 2 and {each["status"] for each in posts} == {200}
    assert len({each["headers"]["idempotency-key"] for each in posts}) == 1
    assert mx.acme.status(exchange.challenge) == "valid"
    state = json.loads((mx.acme.state / (exchange.token + ".json")).read_text())
    assert state["answer"]["id"] == mx.acme.results_for(exchange.challenge)[0]["id"]
