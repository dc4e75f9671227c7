# SPDX-License-Identifier: BSD-2-Clause
"""Files as root and others leave them: what root touches at the start, and which files the milter does not trust."""
import contextlib
import grp
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from harness import milter

STARTS = 200

# Runs as the milter's user until it is ended. "socket": puts a link in the place of each socket that it sees;
# "folder": turns the socket's folder into a link to root's, and back, again and again.
SWAP = """
import os, stat, sys
kind, place, target = sys.argv[1:]
link, away = place + ".link", place + ".away"
def is_socket():
    try:
        return stat.S_ISSOCK(os.lstat(place).st_mode)
    except OSError:
        return False
while True:
    if not os.path.lexists(link):
        os.symlink(target, link)
        print(flush=True)
    if kind == "folder":
        os.rename(place, away)
        os.rename(link, place)
        os.rename(place, link)
        os.rename(away, place)
    elif is_socket():
        os.rename(link, place)
"""


@contextlib.contextmanager
def swapping(kind, place, target):
    with subprocess.Popen([sys.executable, "-c", SWAP, kind, place, target], user=milter.USER, group=milter.USER,
                          extra_groups=[], stdout=subprocess.PIPE, cwd="/") as process:
        try:
            process.stdout.readline()
            yield process
            assert process.poll() is None
        finally:
            process.kill()


def short_lived(new_milter):
    """A milter that gives up just after it has made its socket."""
    server = new_milter(("TrustAnchorFile", "/nonexistent/anchor"))
    server.move_socket()
    return server


def make_stale(path):
    """A socket that nobody serves."""
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


def state_of(folder):
    return {path.name: (path.lstat().st_uid, path.lstat().st_gid, path.lstat().st_mode, path.lstat().st_ino)
            for path in [folder, *folder.iterdir()]}


def test_root_gives_no_file_away_that_took_the_place_of_the_socket(new_milter):
    server = short_lived(new_milter)
    prize = server.folder / "prize"
    prize.write_text("root's")
    prize.chmod(0o600)
    won = 0
    with swapping("socket", str(server.socket), str(prize)) as process:
        for _ in range(STARTS):
            server.try_to_start()
            status = prize.stat()
            won += (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (0, 0, 0o600)
            os.chown(prize, 0, 0)
            prize.chmod(0o600)
            with contextlib.suppress(FileNotFoundError):
                server.socket.unlink()
            assert process.poll() is None
    assert won == 0, f"{won} of {STARTS} starts gave root's file away"


@pytest.mark.parametrize("there", ["nothing", "file", "stale socket"])
def test_root_touches_nothing_in_a_folder_that_took_the_place_of_the_sockets(new_milter, there):
    """The same one step up: what root would make, remove or give away lies in a folder that is root's."""
    server = short_lived(new_milter)
    place, prize = server.data / "run", server.folder / "prize"
    place.mkdir()
    shutil.chown(place, milter.USER, milter.USER)
    prize.mkdir()
    server.set("Socket", f"unix:{place}/milter.sock")
    server.set("PidFile", place / "milter.pid")
    if there == "file":
        (prize / "milter.sock").write_text("root's")
        (prize / "milter.pid").write_text("4711\n")
    elif there == "stale socket":
        make_stale(prize / "milter.sock")
    before, won = state_of(prize), 0
    with swapping("folder", str(place), str(prize)):
        for _ in range(STARTS // 2):
            server.try_to_start()
            won += state_of(prize) != before
            before = state_of(prize)
    assert won == 0, f"{won} of {STARTS // 2} starts changed root's folder"


@pytest.mark.parametrize("owner, mode, is_served", [("root", 0o755, True), ("postfix", 0o700, True), ("root", 0o1777, True),
                                                    ("root:" + milter.USER, 0o770, True), ("root:nogroup", 0o775, False)])
def test_socket_in_folders_of_all_kinds(running, new_milter, folder, owner, mode, is_served):
    """Root acts where nobody else may write, and otherwise as the folder's owner or as the milter's user."""
    place = folder.sub(f"kind-{owner.replace(':', '-')}-{mode:o}")
    shutil.chown(place, *owner.split(":"))
    place.chmod(mode)
    settings = (("Socket", f"unix:{place}/milter.sock"), ("PidFile", place / "milter.pid"))
    if is_served:
        running(*settings, socket=place / "milter.sock")
        status = (place / "milter.sock").stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (
            pwd.getpwnam(milter.USER).pw_uid, grp.getgrnam("postfix").gr_gid, 0o660)
    else:
        code, error = new_milter(*settings).try_to_start()
        assert code == 69 and "another user could change" in error, error
        assert not any(place.iterdir())
