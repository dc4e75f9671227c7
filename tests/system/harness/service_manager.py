# SPDX-License-Identifier: BSD-2-Clause
"""What a service manager gives a service and hears of it, without systemd as process 1: a socket that is told how it
goes (sd_notify(3)), and systemd's own tool for sockets that a service is started with (sd_listen_fds(3))."""
import os
import socket

from .process import DEADLINE, wait_for


class NotifySocket:
    """What a service says, message by message, each as a dict of its lines."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path.replace("@", "\0", 1))
        if not self.path.startswith("@"):
            os.chmod(self.path, 0o666)
        self.socket.settimeout(DEADLINE)

    def environment(self, **more):
        return {**os.environ, "NOTIFY_SOCKET": self.path, **more}

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def wait(self, key):
        """The next message with that key; those before it are dropped."""
        return wait_for(lambda: next((message for message in [self.next()] if key in message), None), f"a message with {key}")

    def waiting(self):
        """All that came and was not looked at yet."""
        found = []
        self.socket.setblocking(False)
        try:
            while True:
                found.append(self.next())
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(DEADLINE)

    def close(self):
        self.socket.close()


def inheritance(listening):
    """A command and Popen's arguments that give an open socket to what follows, as systemd does, which keeps it too."""
    script = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{listening.fileno()}'
    return ("bash", "-c", script, "bash"), {"pass_fds": [listening.fileno()]}


def activation(sockets):
    """The command that listens at these and runs what follows with them at the first connection: {name: path or port}."""
    listening = [f"--listen={address}" for address in sockets.values()]
    return ["systemd-socket-activate", *listening, "--fdname=" + ":".join(sockets), "--"]
