# SPDX-License-Identifier: BSD-2-Clause
"""Descriptors and threads are told of before they are out: at the start where limits are too low, and while they go."""
import contextlib
import os
from pathlib import Path

import pytest

from harness import milter, threads
from harness.milter_client import MilterClient
from harness.process import system_user, wait_for

FEW_USER = "acme-few"  # of its own: RLIMIT_NPROC counts every process of a user
# Root could raise a hard limit again, unless this is taken from it.
LIMITED = ("setpriv", "--bounding-set", "-sys_resource", "--")


def told(server, reason):
    return [milter.logfmt(line) for line in server.log_lines() if f" resources reason={reason} " in line]


def soft_and_hard(server, name):
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    return next(line[26:].split()[:2] for line in limits.splitlines() if line.startswith(name))


def test_start_with_small_limits_names_them(running):
    system_user(FEW_USER)
    server = running(("UserID", FEW_USER), wrapper=("prlimit", "--nofile=200:300", "--nproc=30:40", *LIMITED))
    assert soft_and_hard(server, "Max open files") == ["300", "300"]  # what may be had is had
    assert soft_and_hard(server, "Max processes") == ["40", "40"]
    (descriptors,), (processes,) = told(server, "few-descriptors"), told(server, "few-threads")
    assert (descriptors["source"], descriptors["limit"], descriptors["needed"]) == ("RLIMIT_NOFILE", "300", "1224")
    assert (processes["source"], processes["limit"], processes["needed"]) == ("RLIMIT_NPROC", "40", "96")
    assert "LimitNOFILE=" in descriptors["cure"] and "TasksMax=" in processes["cure"]


def test_start_with_enough_says_nothing(running):
    assert b" resources " not in running().log()


def test_more_replies_at_once_need_more(running):
    server = running(wrapper=("prlimit", "--nofile=2000:2000", *LIMITED))
    assert told(server, "few-descriptors") == []
    server.set("MaxConcurrentReplies", "1000")
    assert server.reload_and_wait()
    (line,) = told(server, "few-descriptors")
    assert (line["limit"], line["needed"]) == ("2000", "6840")


@pytest.fixture
def group():
    """A control group that holds 50 tasks."""
    base = Path("/sys/fs/cgroup")
    if not (base / "cgroup.controllers").exists():
        base = base / "pids"
    path = base / ("acme-milter-" + os.urandom(4).hex())
    path.mkdir()
    (path / "pids.max").write_text("50")
    yield path
    wait_for(lambda: not (path / "cgroup.procs").read_text(), "the group is empty")
    path.rmdir()


def test_tasks_of_the_control_group_are_counted(group, new_milter):
    server = new_milter()
    server.wrapper = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
    try:
        server.start_and_wait()
        (line,) = told(server, "few-threads")
        assert (line["source"], line["needed"]) == ("pids.max", "96") and int(line["limit"]) == 50
        (group / "pids.max").write_text((group / "pids.current").read_text())
        (line,) = wait_for(lambda: told(server, "threads"), "the milter tells of its threads")
        assert line["source"] == "pids.max" and line["used"] == line["limit"]
    finally:
        server.stop()


def value(server, name):
    text = server.metrics.read_text() if server.metrics.exists() else ""
    return [float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")]


@pytest.fixture
def measured(new_milter):
    """Starts a milter of which the metrics are written each second, by a command that limits it."""
    system_user(FEW_USER)
    server = new_milter(("MetricsInterval", "1s"), ("UserID", FEW_USER))
    server.data.chmod(0o777)
    server.metrics = server.data / "acme-milter.prom"
    server.set("MetricsFile", server.metrics)

    def start(*wrapper):
        server.wrapper = wrapper
        server.start_and_wait()
        return server
    yield start
    server.stop()


def test_descriptors_are_told_of_before_they_are_out(measured):
    server = measured("prlimit", "--nofile=200:200", *LIMITED)
    with contextlib.ExitStack() as clients:
        assert told(server, "descriptors") == []
        while len(os.listdir(f"/proc/{server.process.pid}/fd")) < 170:
            clients.enter_context(MilterClient(server.socket)).negotiate()
        (line,) = wait_for(lambda: told(server, "descriptors"), "the milter tells of its descriptors")
        assert (line["source"], line["limit"]) == ("RLIMIT_NOFILE", "200") and 160 <= int(line["used"]) < 200
        server.metrics.unlink()
        wait_for(lambda: value(server, "acme_milter_open_descriptors_limit") == [200], "the metrics are written")
        assert value(server, "acme_milter_open_descriptors")[0] >= 160
        assert len(told(server, "descriptors")) == 1  # not each second


def test_threads_are_told_of_before_they_are_out(measured):
    server = measured()
    with MilterClient(server.socket) as client:  # libmilter has all its threads when it answers
        client.negotiate()
        limit = len(threads.of(server.process.pid)) + 1
    server.stop()
    server = measured("prlimit", f"--nproc={limit}:{limit}", *LIMITED)
    (line,) = wait_for(lambda: told(server, "threads"), "the milter tells of its threads")
    assert (line["source"], line["limit"]) == ("RLIMIT_NPROC", str(limit)) and int(line["used"]) >= 0.8 * limit
    wait_for(lambda: value(server, "acme_milter_threads_limit") == [limit], "the metrics are written")


def test_both_are_counted_as_they_are(measured):
    server = measured()
    pid = server.process.pid
    with contextlib.ExitStack() as clients:
        for _ in range(300):
            clients.enter_context(MilterClient(server.socket)).negotiate()
        wait_for(lambda: (value(server, "acme_milter_open_descriptors"), value(server, "acme_milter_threads"))
                 == ([len(os.listdir(f"/proc/{pid}/fd"))], [len(threads.of(pid))]), "both are counted")
