# SPDX-License-Identifier: BSD-2-Clause
"""Who starts the milter and watches it: a container, an init script, systemd."""
import concurrent.futures
import contextlib
import os
import pwd
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import milter, threads
from harness.process import Process, free_port, unix_socket_answers, wait_for
from harness.replies import assert_judges
from harness.service_manager import NotifySocket, activation, inheritance

from conftest import CHALLENGE_ADDRESS


def assert_judges_by(server, mx, exchange):
    """By a milter that was started already, and is not ended here."""
    before, mx.proxy.milter_socket = mx.proxy.milter_socket, str(server.socket)
    try:
        assert_judges(mx, exchange)
    finally:
        mx.proxy.milter_socket = before


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    return os.path.exists(f"/proc/{pid}") and threads.status(pid)["State"][0] != "Z"


# --- who starts it


def test_process_1_of_a_container_leaves_no_zombie(mx, exchange, new_milter):
    server = new_milter()
    server.wrapper = ("unshare", "--pid", "--mount-proc", "--fork", "--kill-child")
    server.start()
    (pid,) = children(server.process.pid)
    assert threads.status(pid)["NSpid"].split()[-1] == "1"
    enter = ["nsenter", "--target", str(pid), "--pid"]
    orphan = subprocess.run([*enter, "sh", "-c", "sleep 0.2 >/dev/null 2>&1 & readlink /proc/self >/dev/null; echo $!"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    assert int(orphan) > 1
    wait_for(lambda: children(pid) == [], "the orphan has ended and was taken away")
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: b" reloaded file=" in server.log(), "SIGHUP is heard")
    assert_judges_by(server, mx, exchange)
    os.kill(pid, signal.SIGTERM)
    assert server.process.popen.wait(60) == 0


def test_background_start_returns_when_the_milter_serves(mx, exchange, new_milter):
    server = new_milter(("MetricsInterval", "1s"))
    server.move_socket()
    server.set("PidFile", server.folder / "milter.pid")
    server.set("MetricsFile", server.data / "metrics.prom")
    pid_file = Path(dict(server.settings)["PidFile"])
    assert server.try_to_start(background=True) == (0, "")
    assert unix_socket_answers(server.socket)
    pid = int(pid_file.read_text())
    try:
        status = threads.status(pid)
        assert int(status["NSsid"].split()[-1]) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
        assert pid_file.stat().st_uid == 0 and pid_file.stat().st_mode & 0o022 == 0
        for number in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
        assert_judges_by(server, mx, exchange)
        assert server.try_to_start()[0] == 69
        os.kill(pid, signal.SIGHUP)  # -c was a relative path, and the process has gone to /
        wait_for(lambda: 'acme_milter_reloads_total{result="done"} 1' in (server.data / "metrics.prom").read_text(),
                 "the configuration was found again")
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not is_alive(pid), "the milter has ended")
    assert not server.socket.exists()
    assert pid_file.read_text() == ""  # its folder is root's


@pytest.mark.parametrize("options", [(), ("-f",)])
def test_start_without_standard_streams(mx, exchange, new_milter, options):
    """As some init programs do it. Messages for standard error must not end up in a socket, nor a socket at /dev/null."""
    server = new_milter()
    server.move_socket()
    server.set("PidFile", server.folder / "milter.pid")
    server.write_conf()
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", milter.program(), "-c", server.conf, *options]
    with subprocess.Popen(command, env={**os.environ, "ASAN_OPTIONS": milter.NO_LEAKS}) as process:
        wait_for(lambda: unix_socket_answers(server.socket), "the milter listens")
        wait_for(lambda: (server.folder / "milter.pid").exists() and (server.folder / "milter.pid").read_text(), "the PidFile")
        pid = int((server.folder / "milter.pid").read_text())
        try:
            for number in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
            assert_judges_by(server, mx, exchange)
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), "the milter has ended")
        assert process.wait(60) == 0


@pytest.mark.parametrize("text, is_taken", [("", True), ("4711\n", True), ("4711", True), ("root:x:0:0:root\n", False),
                                            ("1" * 40, False)])
def test_pid_file_takes_the_place_of_another_pid_only(new_milter, text, is_taken):
    """Somebody who names the wrong file keeps it: it is opened as root."""
    server = new_milter()
    file = server.folder / "milter.pid"
    file.write_text(text)
    server.move_socket()
    server.set("PidFile", file)
    server.set("TrustAnchorFile", "/nonexistent/anchor")  # what comes after it
    code, error = server.try_to_start()
    assert code == 78 and ("PidFile" in error) == (not is_taken), error
    assert is_taken or file.read_text() == text


def test_pid_of_a_successor_stays(running):
    server = running()
    file = server.data / "milter.pid"
    assert server.stop() == 0
    server.set("PidFile", file)
    server.start_and_wait()
    assert file.read_text() == f"{server.process.pid}\n"
    file.write_text("4711\n")
    assert server.stop() == 0
    assert file.read_text() == "4711\n"
    server.start_and_wait()
    assert server.stop() == 0
    assert not file.exists()


@pytest.mark.parametrize("keyword, value, code", [
    ("TrustAnchorFile", "/nonexistent/anchor", 78), ("PidFile", "/nonexistent/milter.pid", 78),
    ("Socket", "unix:/nonexistent/milter.sock", 69), ("UserID", "root", 78), ("Socket", "fd:systemd", 69),
])
def test_background_start_tells_why_it_failed(new_milter, keyword, value, code):
    server = new_milter()
    server.move_socket()
    server.set(keyword, value)
    found, text = server.try_to_start(background=True)
    assert found == code, text
    assert "start-failed" in text and keyword in text
    assert not server.socket.exists()


# --- the service manager


@pytest.fixture(params=["path", "abstract"])
def notify(request, tmp_path_factory, folder):
    name = "@acme-milter-test-" + tmp_path_factory.mktemp("notify").name if request.param == "abstract" else \
        folder.path / f"notify-{os.urandom(4).hex()}.sock"
    end = NotifySocket(name)
    yield end
    end.close()


def test_service_manager_is_told_how_it_goes(running, notify):
    server = running(popen={"env": notify.environment()})
    ready = notify.next()
    assert ready["READY"] == "1" and str(server.socket) in ready["STATUS"]
    server.reload()
    reading, served = notify.wait("RELOADING"), notify.next()
    assert int(reading["MONOTONIC_USEC"]) > 0 and served["READY"] == "1"
    server.set("MaxSignatures", "nonsense")
    server.reload()
    notify.wait("RELOADING")
    assert "MaxSignatures" in notify.next()["STATUS"]
    assert server.stop() == 0
    assert notify.wait("STOPPING")["STATUS"]
    assert not any("WATCHDOG" in message for message in notify.waiting())  # nobody asked for it


def test_nothing_is_told_before_the_milter_serves(new_milter, notify):
    server = new_milter(("TrustAnchorFile", "/nonexistent/anchor"))
    server.write_conf()
    done = milter.run("-f", "-c", server.conf, env=notify.environment())
    assert done.returncode == 78
    assert notify.waiting() == []


def silent_lines(server):
    return server.log().count(b"watchdog reason=silent")


def test_watchdog_is_fed_only_while_libmilter_answers(mx, exchange, new_milter, notify):
    server = new_milter()
    server.popen = {"env": notify.environment(WATCHDOG_USEC="4000000")}
    with mx.with_milter(server):
        notify.wait("WATCHDOG")
        pid = server.process.pid
        # The main thread alone goes on, as after a deadlock in a library.
        with threads.held(pid, [thread for thread in threads.of(pid) if thread != pid]):
            wait_for(lambda: silent_lines(server) >= 1, "the first probe finds nobody")
            notify.waiting()
            wait_for(lambda: silent_lines(server) >= 3, "others after it")
            assert not any("WATCHDOG" in message for message in notify.waiting())
        notify.wait("WATCHDOG")
        assert_judges(mx, exchange)
        assert mx.proxy.messages_to(CHALLENGE_ADDRESS)  # probes go to the socket itself


def probe(server, *wrapper, program=None):
    done = subprocess.run([*wrapper, program or milter.program(), "--probe", "-c", server.conf], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_probe_tells_whether_the_milter_answers(running):
    server = running()
    assert probe(server) == (0, "")
    code, text = probe(server, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", program=milter.program_for_all())
    assert code == 77 and "may not connect" in text
    pid = server.process.pid
    with threads.held(pid, [thread for thread in threads.of(pid) if thread != pid]):
        assert probe(server) == (69, f"acme-milter: unix:{server.socket}: no milter answers\n")
    assert probe(server) == (0, "")
    assert server.stop() == 0
    assert probe(server)[0] == 69


@pytest.mark.parametrize("kind, host", [("inet", "127.0.0.1"), ("inet6", "::1"), ("inet6", "[::1]"), ("inet", "localhost")])
def test_probe_of_sockets_that_are_no_files(new_milter, kind, host):
    server = new_milter()
    server.set("Socket", f"{kind}:{free_port()}@{host}")
    server.write_conf()
    assert probe(server)[0] == 69
    process = Process([milter.program(), "-f", "-c", server.conf], server.folder / "log")
    try:
        process.wait_until(lambda: probe(server) == (0, ""), "the milter answers")
    finally:
        assert process.stop() == 0
    server.set("Socket", "fd:systemd")
    server.write_conf()
    assert probe(server) == (69, "acme-milter: fd:systemd: only systemd knows where that is\n")


def test_watchdog_of_another_process_is_not_ours(running, notify):
    server = running(popen={"env": notify.environment(WATCHDOG_USEC="1000000", WATCHDOG_PID="1")})
    notify.next()
    assert server.reload_and_wait()
    assert not any("WATCHDOG" in message for message in notify.waiting())


@pytest.mark.parametrize("names, setting", [(["milter"], "fd:systemd"), (["other", "milter"], "fd:systemd:milter")])
def test_mail_comes_through_a_socket_that_systemd_opened(mx, exchange, new_milter, folder, names, setting):
    place = folder.sub("activated-" + os.urandom(4).hex())
    server = new_milter(("Socket", setting))
    server.socket = place / "milter.sock"
    server.wrapper = activation({name: place / f"{name}.sock" for name in names})
    with mx.with_milter(server):
        assert_judges(mx, exchange)
        assert server.user_id() == pwd.getpwnam(milter.USER).pw_uid
        assert server.stop() == 0
        assert server.socket.exists()  # it is systemd's


def test_tcp_socket_of_systemd_is_served_and_asked_by_the_watchdog(new_milter, notify):
    port = free_port()
    server = new_milter(("Socket", "fd:systemd"))
    server.write_conf()
    passed = ["--setenv=NOTIFY_SOCKET", "--setenv=WATCHDOG_USEC"]
    command, dashes = activation({"milter": port})[:-1], ["--"]
    process = Process([*command, *passed, *dashes, milter.program(), "-f", "-c", server.conf], server.folder / "log",
                      env=notify.environment(WATCHDOG_USEC="4000000"))
    try:
        wait_for(lambda: connects(port), "systemd listens, and starts the milter")
        notify.wait("READY")
        notify.wait("WATCHDOG")  # a milter session went through
        assert b"watchdog reason=silent" not in server.log()
    finally:
        assert process.stop() == 0


def connects(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def test_mail_waits_at_the_socket_of_systemd_while_the_milter_restarts(mx, new_exchange, new_milter):
    server = new_milter(("Socket", "fd:systemd"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(server.socket))
        listening.listen()
        server.wrapper, server.popen = inheritance(listening)
        before, after = new_exchange(), new_exchange()
        with mx.with_milter(server), concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert_judges(mx, before)
            assert server.stop() == 0
            assert unix_socket_answers(server.socket)
            sent = pool.submit(assert_judges, mx, after)
            wait_for(lambda: select.select([listening], [], [], 0)[0], "Postfix waits there")
            server.start()
            sent.result()


@pytest.mark.parametrize("names, setting, text", [
    (["a", "b"], "fd:systemd", "several sockets"), (["a"], "fd:systemd:b", "no socket of that name"),
])
def test_socket_that_is_not_there_is_said_so(new_milter, folder, names, setting, text):
    place = folder.sub("activated-" + os.urandom(4).hex())
    server = new_milter(("Socket", setting))
    server.wrapper = activation({name: place / f"{name}.sock" for name in names})
    server.socket = place / "a.sock"
    with pytest.raises(RuntimeError, match=text):
        server.start()
        wait_for(lambda: server.process.wait_until(lambda: False, "it ends"), "it ends")
    assert server.process.popen.returncode == 69
