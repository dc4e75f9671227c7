# SPDX-License-Identifier: BSD-2-Clause
"""The process from its start to its end: what it gives up, its socket, and its signals."""
import concurrent.futures
import contextlib
import grp
import os
import pwd
import resource
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from harness import milter, smtp, threads
from harness.dns import UNSIGNED
from harness.process import unix_socket_answers, wait_for
from harness.replies import assert_judges, good_reply

from conftest import CHALLENGE_ADDRESS

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


# --- what is given up


def test_nothing_of_root_is_left_in_any_thread(running):
    server = running()
    user = pwd.getpwnam(milter.USER)
    pid = server.process.pid
    for thread in threads.of(pid):
        status = threads.status(pid, thread)
        assert status["Uid"].split() == [str(user.pw_uid)] * 4
        assert status["Gid"].split() == [str(user.pw_gid)] * 4
        assert status["Groups"].split() == [str(user.pw_gid)]
        assert {name: int(status[name], 16) for name in CAPABILITIES} == dict.fromkeys(CAPABILITIES, 0)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def limits(pid):
    """{name: (soft, hard)} of /proc/PID/limits."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in lines}


def test_no_core_is_left_and_files_may_be_many(running):
    server = running(popen={"preexec_fn": few_files})
    found = limits(server.process.pid)
    assert found["Max core file size"] == ("0", "0")
    assert found["Max open files"][0] == found["Max open files"][1]
    assert found["Max processes"][0] == found["Max processes"][1]
    assert os.stat(f"/proc/{server.process.pid}/mem").st_uid == 0  # what cannot be dumped is root's


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_core_dumps_can_be_asked_for(running):
    server = running(("CoreDumps", "yes"), popen={"preexec_fn": few_files})
    assert limits(server.process.pid)["Max core file size"] == ("unlimited", "unlimited")
    assert os.stat(f"/proc/{server.process.pid}/mem").st_uid == pwd.getpwnam(milter.USER).pw_uid


def as_nobody():
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


@pytest.mark.parametrize("user, popen, code, text", [
    ("root", {}, 78, "UserID: root: the milter does not run as root"),
    ("root", as_nobody(), 78, "UserID: root: the milter does not run as root"),
    ("nobody-has-this-name", {}, 78, "UserID: nobody-has-this-name: there is no such user"),
])
def test_it_does_not_run_as_root(new_milter, user, popen, code, text):
    server = new_milter(("UserID", user))
    found = server.try_to_start(**popen)
    assert found[0] == code and text in found[1], found
    assert not server.socket.exists()


def test_it_does_not_run_with_root_to_come_back_to(new_milter):
    """The effective user is another, and the real one is root."""
    server = new_milter()
    found = server.try_to_start("setpriv", "--clear-groups", "--euid", "nobody")
    assert found[0] == 70 and "root is the real or the saved user" in found[1], found
    assert not server.socket.exists()


def test_whoever_is_not_root_keeps_no_capability_either(folder, running):
    """As with AmbientCapabilities=CAP_NET_BIND_SERVICE, for a port below 1024."""
    wrapper = ("setpriv", "--reuid", milter.USER, "--regid", milter.USER, "--clear-groups", "--inh-caps", "+net_bind_service",
               "--ambient-caps", "+net_bind_service", "--")
    path = folder.sub("ambient", milter.USER)
    server = running(("Socket", f"unix:{path}/milter.sock"), ("SocketGroup", "none"), wrapper=wrapper,
                     socket=path / "milter.sock")
    for thread in threads.of(server.process.pid):
        status = threads.status(server.process.pid, thread)
        assert {int(status[name], 16) for name in CAPABILITIES if name != "CapBnd"} == {0}
        assert status["NoNewPrivs"] == "1"


# --- the sandbox


def start_with_key(running, folder, *settings):
    """A milter, and a good key in a folder that its configuration did not name."""
    server = running(*settings)
    away = folder.sub(f"away-{server.folder.name}", milter.USER) / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(away)], check=True)
    shutil.chown(away, milter.USER)
    return server, away


def test_files_outside_are_out_of_reach(running, folder):
    server, key = start_with_key(running, folder)
    server.set("EvidenceKeyFile", key)
    assert not server.reload_and_wait()
    assert f"EvidenceKeyFile: {key} lies outside of what the sandbox allows" in server.log_lines()[-1]
    inside = server.folder / "key.pem"  # beside the configuration
    inside.write_bytes(key.read_bytes())
    inside.chmod(0o600)
    shutil.chown(inside, milter.USER)
    server.set("EvidenceKeyFile", inside)
    assert server.reload_and_wait()


def test_the_kernel_refuses_them_too(running, folder):
    """A link in a folder that may be read leads where nothing may: the kernel follows it, and our own check does not."""
    server, key = start_with_key(running, folder)
    (server.folder / "link.pem").symlink_to(key)
    server.set("EvidenceKeyFile", server.folder / "link.pem")
    assert not server.reload_and_wait()
    assert "Permission denied" in server.log_lines()[-1] or "cannot" in server.log_lines()[-1], server.log_lines()[-1]


def test_sandbox_no_leaves_both_off(running, folder):
    server, key = start_with_key(running, folder, ("Sandbox", "no"))
    status = threads.status(server.process.pid)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("0", "1")
    assert any(" sandbox reason=off" in line for line in server.log_lines())
    server.set("EvidenceKeyFile", key)
    assert server.reload_and_wait()


def test_what_it_writes_can_be_written(mx, exchange, new_milter):
    """All that the configuration may ask of it, in the sandbox: a folder, a log and metrics in three places."""
    server = new_milter()
    names = {}
    for keyword, name in (("EvidenceDirectory", "evidence"), ("EvidenceLog", "log/e.log"), ("MetricsFile", "m/m.prom")):
        names[keyword] = server.data / name
        place = names[keyword] if keyword == "EvidenceDirectory" else names[keyword].parent
        place.mkdir()
        os.chown(place, *pwd.getpwnam(milter.USER)[2:4])
        server.set(keyword, names[keyword])
    server.set("MetricsInterval", "1s")
    with mx.with_milter(server):
        assert_judges(mx, exchange)
        wait_for(lambda: 'acme_milter_replies_total{verdict="pass",mode="enforce"} 1' in names["MetricsFile"].read_text(),
                 "the metrics")
    assert len(names["EvidenceLog"].read_text().splitlines()) == 1
    assert list(names["EvidenceDirectory"].rglob("answer.json"))


# --- the socket


def test_second_start_on_a_live_socket_is_refused(running, new_milter):
    first = running()
    second = new_milter(("Socket", f"unix:{first.socket}"))
    code, text = second.try_to_start()
    assert code == 69 and "another process serves" in text
    assert unix_socket_answers(first.socket) and first.process.running()
    first.process.send(signal.SIGSTOP)  # one that hangs is alive, too: its connections wait
    with full_backlog(first.socket):
        assert second.try_to_start()[0] == 69
    first.process.send(signal.SIGCONT)


@contextlib.contextmanager
def full_backlog(path):
    """As many connections as wait there when nobody takes any."""
    with contextlib.ExitStack() as clients:
        for _ in range(10000):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(str(path))
            except BlockingIOError:
                yield
                return
        raise AssertionError("the queue of the socket has no end")


def test_of_several_started_at_once_one_serves(running, new_milter):
    server = running()  # its user and folder are there then
    place = server.data / "race.sock"
    starts = [new_milter(("Socket", f"unix:{place}")) for _ in range(4)]
    for each in starts:
        each.write_conf()
    for _ in range(5):
        running_now = [subprocess.Popen([str(milter.program()), "-f", "-c", str(each.conf)], stderr=subprocess.PIPE)
                       for each in starts]
        try:
            wait_for(lambda: len([each for each in running_now if each.poll() is not None]) == 3, "the others give up")
            assert sorted(each.returncode or 0 for each in running_now) == [0, 69, 69, 69]
            wait_for(lambda: unix_socket_answers(place), "the one serves")
        finally:
            for each in running_now:
                each.kill()  # so that the next round finds a socket that is left over
                each.communicate()


@pytest.mark.parametrize("end, is_left", [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGKILL, True)])
def test_no_socket_stands_in_the_way(mx, exchange, new_milter, end, is_left):
    server = new_milter()
    server.move_socket()
    server.start()
    assert server.process.stop(end) == (0 if end != signal.SIGKILL else -signal.SIGKILL)
    assert server.socket.exists() == is_left
    with mx.with_milter(server):
        assert_judges(mx, exchange)


def test_socket_of_a_successor_is_not_taken_away(new_milter):
    server = new_milter()
    server.move_socket()
    server.start()
    server.socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(server.socket))
        successor.listen()
        assert server.stop() == 0
        assert unix_socket_answers(server.socket)


def test_failed_start_leaves_no_socket(new_milter):
    server = new_milter(("TrustAnchorFile", "/nonexistent/anchor"))
    server.move_socket()
    assert server.try_to_start()[0] == 78
    assert not server.socket.exists()


@pytest.mark.parametrize("mode, group", [("0660", "postfix"), ("0606", "nogroup"), ("0600", None)])
def test_socket_has_the_owner_group_and_mode_that_were_set(running, mode, group):
    server = running(("SocketMode", mode), ("SocketGroup", group or "none"))
    status = server.socket.stat()
    assert stat.S_IMODE(status.st_mode) == int(mode, 8) and status.st_uid == pwd.getpwnam(milter.USER).pw_uid
    assert status.st_gid == (grp.getgrnam(group).gr_gid if group else 0)


def test_settings_for_tests_are_warned_of_at_each_start_and_reload(running):
    server = running()
    assert not any("test-setting" in line for line in server.log_lines())
    server.set("TestTime", "2026-11-24T05:00:00Z")
    (server.folder / "dns.txt").touch()
    server.set("TestDNSData", server.folder / "dns.txt")
    assert server.reload_and_wait()
    for count in (1, 2):
        lines = server.log_lines()
        assert sum(" test-setting TestTime=" in line for line in lines) == count
        assert sum(f" test-setting TestDNSData={server.folder}/dns.txt" in line for line in lines) == count
        assert server.reload_and_wait()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to nothing"])
def test_what_is_no_socket_is_left_alone_and_named(new_milter, kind):
    server = new_milter()
    server.move_socket()
    other = server.data / "other"
    other.write_text("x")
    if kind == "file":
        server.socket.write_text("x")
    elif kind == "folder":
        server.socket.mkdir()
    else:
        server.socket.symlink_to(other if kind == "link" else "/nonexistent")
    code, error = server.try_to_start()
    assert code == 69 and f"no socket, move it away: {server.socket}" in error, error
    assert os.path.lexists(server.socket) and other.read_text() == "x"


@pytest.mark.parametrize("keyword, value, code, text", [
    ("SocketGroup", "nobody-has-this-name", 69, "SocketGroup nobody-has-this-name: there is no such group, make it"),
    ("PidFile", "/nonexistent/milter.pid", 78, "PidFile: /nonexistent/milter.pid: No such file or directory"),
])
def test_why_it_does_not_start_names_what_is_to_be_mended(new_milter, keyword, value, code, text):
    server = new_milter()
    server.move_socket()
    server.set(keyword, value)
    found, error = server.try_to_start()
    assert (found, text in error) == (code, True), error
    assert not server.socket.exists()


# --- limits of the system


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))


def test_a_file_that_may_not_grow_puts_a_reply_off(mx, exchange, new_milter):
    """As a full disk does; by itself SIGXFSZ would end the milter (systemd: LimitFSIZE=)."""
    server = new_milter(("LogLevel", "error"))
    folder = server.data / "evidence"
    folder.mkdir()
    os.chown(folder, *pwd.getpwnam(milter.USER)[2:4])
    server.set("EvidenceDirectory", folder)
    server.popen = {"preexec_fn": small_files}
    with mx.with_milter(server):
        long = exchange.sign(good_reply(exchange).bytes() + b"x" * 70 + 2000 * b"\r\nand one more line of a long signature")
        answer = mx.send(exchange, long)
        assert (answer.code, answer.enhanced) == (451, "4.3.1")
        assert_judges(mx, exchange)


# --- signals


def test_signals_reach_the_main_thread_only(mx, exchange, new_milter):
    """libmilter has a thread that would end it on SIGHUP, and get the signal whenever the main thread is not quick enough."""
    with mx.with_milter(new_milter()) as server:
        pid = server.process.pid
        wait_for(lambda: len(threads.of(pid)) >= 6, "all threads run")
        for thread in threads.of(pid):
            if thread != pid:
                for number in (signal.SIGHUP, signal.SIGTERM):
                    threads.send(pid, thread, number)
        assert_judges(mx, exchange)
        assert server.stop() == 0


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_storm_of_reloads_loses_no_mail_and_no_file(mx, new_exchange, new_milter):
    with mx.with_milter(new_milter()) as server:
        exchanges = [new_exchange("alice@" + UNSIGNED) for _ in range(40)]
        assert server.reload_and_wait()
        before = open_files(server.process.pid)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(assert_judges, mx, each) for each in exchanges]
            while not all(each.done() for each in sent):
                server.process.send(signal.SIGHUP)
                concurrent.futures.wait(sent, 0.02)
        for each in sent:
            each.result()
        assert server.log().count(b" reloaded file=") >= 3
        wait_for(lambda: open_files(server.process.pid) <= before + 2, "the old configurations are let go")
        assert server.stop() == 0


def test_configuration_behind_a_link_that_was_turned(new_milter):
    """As container platforms replace files: the name leads through a link to one folder, then to another."""
    server = new_milter()
    server.write_conf()
    config = server.folder / "config"
    for name in ("first", "second"):
        (config / name).mkdir(parents=True)
        (config / name / "acme-milter.conf").write_text(server.conf.read_text())
    (config / "data").symlink_to("first")
    (config / "acme-milter.conf").symlink_to("data/acme-milter.conf")
    server.conf = config / "acme-milter.conf"
    server.start_and_wait()
    (config / "data").unlink()
    (config / "first" / "acme-milter.conf").unlink()
    (config / "data").symlink_to("second")
    assert server.reload_and_wait()
    assert server.stop() == 0


@pytest.mark.parametrize("numbers", [(signal.SIGHUP, signal.SIGTERM), (signal.SIGTERM, signal.SIGHUP)])
def test_end_in_the_middle_of_a_reload_is_an_end(running, numbers):
    for _ in range(10):
        server = running()
        for number in numbers:
            server.process.send(number)
        assert server.process.popen.wait(60) == 0
        assert not unix_socket_answers(server.socket)


def test_mail_under_way_keeps_the_configuration_it_began_with(mx, new_exchange, new_milter):
    def begin(exchange):
        client = smtp.connect(mx.mta.port)
        assert client.docmd("MAIL", f"FROM:<{exchange.author}>")[0] == 250
        assert client.docmd("RCPT", f"TO:<{CHALLENGE_ADDRESS}>")[0] == 250
        assert client.docmd("DATA")[0] == 354  # until then Postfix keeps to itself what needs no answer
        return client
    early, late = new_exchange(), new_exchange()
    with mx.with_milter(new_milter()) as server:
        client = begin(early)
        server.set("Policy", "strict")
        assert server.reload_and_wait()
        try:
            client.send(early.sign(good_reply(early, In_Reply_To=None)) + b".\r\n")
            assert client.getreply()[0] == 250
        finally:
            client.close()
        assert mx.send(late, late.sign(good_reply(late, In_Reply_To=None))).code == 550
