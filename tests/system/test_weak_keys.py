# SPDX-License-Identifier: BSD-2-Clause
"""WeakKeyFile of a milter that runs, in its sandbox: listed keys, reloads, a list that is written over."""
import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.process import wait_for
from harness.replies import good_reply


def record(key):
    """As the badkeys project writes one."""
    n = load_pem_private_key(key.pem, None).public_key().public_numbers().n
    return hashlib.sha256(n.to_bytes((n.bit_length() + 7) // 8, "big")).digest()[:15] + b"\1"


@pytest.fixture
def weak_list(folder, request):
    """Outside of the folders that the sandbox opens of itself."""
    path = folder.sub(request.node.name) / "blocklist.dat"
    path.write_bytes(bytes(range(16)))
    path.chmod(0o644)
    return path


def write_below(server, path, data):
    """Once the list was read, which is after the socket is there."""
    wait_for(lambda: b" started version=" in server.log(), "the milter serves")
    path.write_bytes(data)


def send(mx, exchange):
    return mx.send(exchange, exchange.sign(good_reply(exchange)))


def test_reload_reads_the_list_again(mx, new_exchange, new_milter, keys, weak_list):
    with mx.with_milter(new_milter(("WeakKeyFile", weak_list))) as server:
        assert send(mx, new_exchange()).code == 250
        write_below(server, weak_list, b"".join(sorted([bytes(range(16)), record(keys["rsa2048"])])))
        assert server.reload_and_wait()
        answer = send(mx, new_exchange())
        assert (answer.code, answer.enhanced) == (550, "5.7.21"), str(answer)
        assert "dkim-key-weak" in str(answer)
        assert any("reason=dkim-key-weak" in line for line in server.log_lines())
        server.set("WeakKeyFile", "none")
        assert server.reload_and_wait()
        assert send(mx, new_exchange()).code == 250


def test_a_bad_list_changes_nothing(mx, new_exchange, new_milter, keys, weak_list):
    weak_list.write_bytes(record(keys["rsa2048"]))
    with mx.with_milter(new_milter(("WeakKeyFile", weak_list))) as server:
        write_below(server, weak_list, b"\2" * 16 + b"\1" * 16)
        assert not server.reload_and_wait()
        assert any("reload-failed" in line and "WeakKeyFile" in line and "sorted" in line for line in server.log_lines())
        assert send(mx, new_exchange()).code == 550, "the list that was read before is in force"


def test_a_list_that_is_cut_below_the_milter_is_no_matter(mx, new_exchange, new_milter, keys, weak_list):
    """As cp does while it writes over a file."""
    weak_list.write_bytes(b"".join(sorted([record(keys["rsa2048"])] + [bytes([byte]) * 16 for byte in range(256)] * 1000)))
    with mx.with_milter(new_milter(("WeakKeyFile", weak_list))) as server:
        write_below(server, weak_list, b"")
        assert send(mx, new_exchange()).code == 550
        assert server.stop() == 0


def test_a_bad_list_ends_the_start(new_milter, weak_list):
    weak_list.write_bytes(b"x" * 15)
    code, said = new_milter(("WeakKeyFile", weak_list)).try_to_start()
    assert code == 78 and "WeakKeyFile" in said and str(weak_list) in said and "fetch the list again" in said
