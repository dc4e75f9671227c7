# SPDX-License-Identifier: BSD-2-Clause
"""The threads of a process: what /proc says of each, and some of them held still while others go on."""
import contextlib
import ctypes
import os
import re
from pathlib import Path

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WAIT_ALL = 0x40000000  # __WALL: threads too


def of(pid):
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))


def status(pid, thread=None):
    """The lines of /proc/PID/status as a dict."""
    text = Path(f"/proc/{pid}/task/{thread or pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s*(.*?)\s*$", text, re.M))


def send(pid, thread, number):
    """A signal to this thread and no other."""
    if ctypes.CDLL(None, use_errno=True).tgkill(pid, thread, int(number)) != 0:
        raise OSError(ctypes.get_errno(), f"signal {number} to {thread}")


@contextlib.contextmanager
def held(pid, threads):
    """The threads stand still meanwhile, as if each waited for a lock that nobody gives back."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request, thread):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace of {thread}")
    for thread in threads:
        ptrace(PTRACE_SEIZE, thread)
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WAIT_ALL)
    try:
        yield
    finally:
        for thread in threads:
            ptrace(PTRACE_DETACH, thread)
