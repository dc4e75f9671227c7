# SPDX-License-Identifier: BSD-2-Clause
"""Other ends that keep the milter waiting until they are let go."""
import contextlib
import socket
import threading

from .endpoints import SilentServer


class HeldDns:
    """A name server that is silent, and refuses all that it was and is asked once it is let go."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1@%d" % self.socket.getsockname()[1]
        self.lock, self.held, self.is_free = threading.Lock(), [], False

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _refuse(self, query, address):
        self.socket.sendto(query[:2] + b"\x81\x82" + query[4:], address)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                asked = self.socket.recvfrom(4096)
                with self.lock:
                    if self.is_free:
                        self._refuse(*asked)
                    else:
                        self.held.append(asked)

    def let_go(self):
        with self.lock:
            self.is_free = True
            while self.held:
                self._refuse(*self.held.pop())

    def hold(self):
        with self.lock:
            self.is_free = False


class HeldServer(SilentServer):
    def let_go(self):
        self.is_free.set()

    def hold(self):
        self.is_free.clear()
        self.asked.clear()
