# SPDX-License-Identifier: BSD-2-Clause
"""What the distribution's libmilter does today where the milter guards against it. The first program is the one of
doc/libmilter-pool.md, as it stands there. A failure here after an upgrade means: the library is mended, and milter_glue's
wake, session's table of states or resources may do more than is needed now."""
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import threads
from harness.milter_client import MilterClient
from harness.process import Process, system_user, unix_socket_answers, wait_for

REPORT = Path(__file__).resolve().parents[2] / "doc/libmilter-pool.md"
USER = "acme-library"
TRIALS = 20  # from the second or third on nearly each shows the pool's fault
# Says which callback libmilter calls.
ORDERS = r"""
#include <stdio.h>
#include <libmilter/mfapi.h>
static sfsistat say(const char *word) { puts(word); fflush(stdout); return SMFIS_CONTINUE; }
static sfsistat on_from(SMFICTX *c, char **a) { (void)c; (void)a; return say("MAIL"); }
static sfsistat on_rcpt(SMFICTX *c, char **a) { (void)c; (void)a; return say("RCPT"); }
static sfsistat on_unknown(SMFICTX *c, const char *a) { (void)c; (void)a; return say("UNKNOWN"); }
static sfsistat on_body(SMFICTX *c, unsigned char *d, size_t n) { (void)c; (void)d; (void)n; return say("BODY"); }
static sfsistat on_end(SMFICTX *c) { (void)c; return say("END"); }
static sfsistat on_abort(SMFICTX *c) { (void)c; return say("ABORT"); }
int main(int argc, char **argv)
{
    struct smfiDesc filter = {.xxfi_name = "orders", .xxfi_version = SMFI_VERSION, .xxfi_envfrom = on_from, .xxfi_envrcpt = on_rcpt,
        .xxfi_unknown = on_unknown, .xxfi_body = on_body, .xxfi_eom = on_end, .xxfi_abort = on_abort};
    return argc != 2 || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(filter) != MI_SUCCESS || smfi_main();
}
"""


def program_of_the_report():
    blocks = re.findall(r"^```c\n(.*?)^```$", REPORT.read_text(), re.M | re.S)
    return next(block for block in blocks if "#include" in block)


def compiled(place, text):
    place.with_suffix(".c").write_text(text)
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", place, place.with_suffix(".c"), "-lmilter"], check=True)
    return place


@pytest.fixture(scope="module")
def place(folder):
    system_user(USER)
    return folder.sub("libmilter", USER)


@pytest.fixture(scope="module")
def slow(place):
    return compiled(place / "slow", program_of_the_report())


class Filter:
    """A program on libmilter, started by a command that may limit it."""

    def __init__(self, place, program, *wrapper):
        self.socket = place / ("s" + os.urandom(4).hex())
        self.process = Process([*wrapper, program, f"unix:{self.socket}"], place / (self.socket.name + ".log"))

    def __enter__(self):
        self.process.wait_until(lambda: unix_socket_answers(self.socket), "the filter listens")
        return self

    def __exit__(self, *_):
        self.process.popen.kill()
        self.process.popen.wait()

    @property
    def pid(self):
        return self.process.pid

    def serves(self):
        """Whether a whole conversation has its answers."""
        with MilterClient(self.socket) as client:
            return begin(client, "fast").ask("T")[0] == "a"


def begin(client, sender):
    """Up to DATA, which the filter answers late where the sender is slow."""
    client.negotiate()
    assert client.step("M", f"<{sender}@x>\0".encode()) == "c"
    assert client.step("R", b"<b@x>\0") == "c"
    return client


def packet(letter, data=b""):
    return (1 + len(data)).to_bytes(4, "big") + letter.encode() + data


def answers_first(clients):
    """The clients that have an answer when the first one has."""
    ready, _, _ = select.select([client.socket for client in clients], [], [], 60)
    return [client for client in clients if client.socket in ready]


def is_stranded(place, program, pause):
    """The steps of the report, with that pause between the first and the second. Whether an answer that is due at once comes only when a callback that waits has returned."""
    with Filter(place, program) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(MilterClient(server.socket)) for _ in range(3)]
        for client in clients[:2]:
            begin(client, "slow")
        other = clients[2].negotiate()
        time.sleep(pause)
        os.kill(server.pid, signal.SIGSTOP)
        wait_for(lambda: threads.status(server.pid)["State"].startswith("T"), "the filter stands still")
        for client in clients[:2]:
            client.packet("T")
        other.raw(packet("M", b"<fast@x>\0"))
        os.kill(server.pid, signal.SIGCONT)
        return other not in answers_first(clients)


def test_60_two_packets_are_promised_to_one_thread(place, slow):
    """20 s are what the report's callback waits; here 3 s are enough to tell that from at once."""
    program = compiled(place / "shorter", slow.with_suffix(".c").read_text().replace("sleep(20)", "sleep(3)"))
    assert any(is_stranded(place, program, 0.05 * trial) for trial in range(TRIALS)), "libmilter is mended"


def ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_62_without_descriptors_it_spins(place, slow):
    """Nobody says anything: what CPU it takes, it takes by itself."""
    with Filter(place, slow, "prlimit", "--nofile=30:30") as server, contextlib.ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(server.socket))
        wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) == 30, "no descriptor is left")
        before = ticks(server.pid)
        wait_for(lambda: ticks(server.pid) > before + os.sysconf("SC_CLK_TCK"), "libmilter is mended, or takes a second of CPU")
        assert server.process.text() == ""


@pytest.mark.parametrize("said, called", [
    ("UR", "UNKNOWN RCPT ABORT"), ("UBE", "UNKNOWN BODY END"), ("URTBE", "UNKNOWN RCPT BODY END"), ("MUBE", "MAIL UNKNOWN BODY END"),
    ("MAUR", "MAIL ABORT UNKNOWN RCPT ABORT"),
    ("R", ""), ("B", ""), ("E", ""), ("MB", "MAIL ABORT"), ("MAR", "MAIL ABORT")])  # what it does keep from a filter
def test_63_orders_that_no_mail_has(place, said, called):
    program = place / "orders"
    if not program.exists():
        compiled(program, ORDERS)
    data = {"M": b"<a@x>\0", "R": b"<b@x>\0", "U": b"HELO\0", "B": b"text"}
    with Filter(place, program) as server, MilterClient(server.socket) as client:
        client.negotiate()
        client.raw(b"".join(packet(letter, data.get(letter, b"")) for letter in said))
        client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it left packets unread
            while client.socket.recv(4096):
                pass
        assert " ".join(server.process.text().split()) == called
