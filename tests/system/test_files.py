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


# --- RequireSafeFiles


def make_key(server, name="key.pem"):
    """A key in a folder of its own, as it should be: root's, and readable by the milter's group."""
    place = server.folder / "keys"
    place.mkdir()
    key = place / name
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    key.chmod(0o640)
    shutil.chown(key, "root", milter.USER)
    server.set("EvidenceKeyFile", key)
    return key


def make_link(server, key, mode):
    """The setting names a link, in a folder of its own with that mode."""
    place = server.folder / "links"
    place.mkdir()
    place.chmod(mode)
    (place / "link.pem").symlink_to(key)
    server.set("EvidenceKeyFile", place / "link.pem")


GROUP = "another group than root's and UserID's own"
KEY, CONFIGURATION = "EvidenceKeyFile: {key}", "configuration: {conf}"

UNSAFE = {
    "key for all": (lambda s, key: key.chmod(0o644), KEY + " is secret and can be read by every user: chmod o-r {key}"),
    "key of another group": (lambda s, key: shutil.chown(key, group="nogroup"),
                             KEY + f" is secret and can be read by {GROUP}: chmod g-r {{key}}"),
    "key that all write": (lambda s, key: key.chmod(0o602), KEY + " can be written by every user: chmod o-w {key}"),
    "key of another user": (lambda s, key: shutil.chown(key, "nobody"),
                            KEY + " belongs to another user than root and UserID: chown root {key}"),
    "folder that all write": (lambda s, key: key.parent.chmod(0o777),
                              "EvidenceKeyFile: {key.parent} can be written by every user: chmod o-w {key.parent}"),
    "folder that a group writes": (lambda s, key: (shutil.chown(key.parent, group="nogroup"), key.parent.chmod(0o775)),
                                   f"EvidenceKeyFile: {{key.parent}} can be written by {GROUP}: chmod g-w {{key.parent}}"),
    "sticky folder of another user": (lambda s, key: (shutil.chown(key.parent, "nobody"), key.parent.chmod(0o1777)),
                                      "EvidenceKeyFile: {key.parent} belongs to another user than root and UserID"),
    "folder of a link": (lambda s, key: make_link(s, key, 0o777), "EvidenceKeyFile: {folder}/links can be written by every user"),
    "target of a link": (lambda s, key: (make_link(s, key, 0o755), key.parent.chmod(0o777)),
                         "EvidenceKeyFile: {key.parent} can be written by every user"),
    "configuration": (lambda s, key: s.conf.chmod(0o646), CONFIGURATION + " can be written by every user: chmod o-w {conf}"),
    "configuration of a group": (lambda s, key: (shutil.chown(s.conf, group="nogroup"), s.conf.chmod(0o664)),
                                 CONFIGURATION + f" can be written by {GROUP}: chmod g-w {{conf}}"),
}

SAFE = {
    "as it should be": lambda s, key: None,
    "the milter's own": lambda s, key: (shutil.chown(key, milter.USER, milter.USER), key.chmod(0o600)),
    "sticky folder": lambda s, key: key.parent.chmod(0o1777),
    "the milter's folder": lambda s, key: (shutil.chown(key.parent, milter.USER, milter.USER), key.parent.chmod(0o775)),
    "link": lambda s, key: make_link(s, key, 0o755),
    "configuration that all read": lambda s, key: s.conf.chmod(0o644),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_file_is_told_and_refused(new_milter, name):
    change, text = UNSAFE[name]
    server = short_lived(new_milter)
    key = make_key(server)
    server.write_conf()
    change(server, key)
    if "link" in name:
        server.write_conf()
    wanted = f"{server.conf}: " + text.format(key=key, conf=server.conf, folder=server.folder)
    told = milter.run("-n", "-c", server.conf)
    assert told.returncode == 78 and any(line.startswith(wanted) for line in told.stderr.decode().splitlines()), told.stderr
    assert b"RequireSafeFiles yes\n" in told.stdout
    done = milter.run("-f", "-c", server.conf)
    assert done.returncode == 78 and wanted in done.stderr.decode(), done.stderr
    assert not server.socket.exists()


@pytest.mark.parametrize("name", SAFE)
def test_safe_file_is_taken(new_milter, name):
    server = new_milter()
    key = make_key(server)
    server.write_conf()
    SAFE[name](server, key)
    server.start_and_wait()
    told = milter.run("-n", "-c", server.conf)
    assert (told.returncode, b"can be" in told.stderr, b"belongs" in told.stderr) == (0, False, False), told.stderr
    assert server.stop() == 0
    assert b"unsafe-file" not in server.log()


def test_every_file_that_a_setting_names_is_looked_at(new_milter):
    server = new_milter()
    secret, trusted = ["EvidenceKeyFile", "EndpointTokenFile", "EndpointKeyFile"], [
        "EndpointCAFile", "EndpointCertificateFile", "TrustAnchorFile", "WeakKeyFile"]
    for keyword in secret + trusted:
        path = server.folder / keyword
        path.write_text("x\n")
        path.chmod(0o646)
        server.set(keyword, path)
    server.set("RequireSafeFiles", "no")
    server.write_conf()
    told = milter.run("-n", "-c", server.conf)
    lines = told.stderr.decode()
    assert told.returncode == 0
    for keyword in secret + trusted:
        assert f": {keyword}: {server.folder}/{keyword} can be written by every user" in lines
        assert (f": {keyword}: {server.folder}/{keyword} is secret" in lines) == (keyword in secret)


def test_require_safe_files_no_warns(new_milter):
    server = new_milter(("RequireSafeFiles", "no"))
    key = make_key(server)
    key.chmod(0o646)
    server.start_and_wait()
    lines = [line for line in server.log_lines() if " unsafe-file error=" in line]
    assert len(lines) == 2 and all(f"EvidenceKeyFile: {key}" in line for line in lines)
    assert server.reload_and_wait()
    assert server.log().count(b" unsafe-file error=") == 4
    assert server.stop() == 0


def test_reload_with_an_unsafe_file_keeps_the_old_configuration(new_milter):
    server = new_milter()
    key = make_key(server)
    server.start_and_wait()
    key.chmod(0o646)
    assert not server.reload_and_wait()
    line = server.log_lines()[-1]
    assert f"EvidenceKeyFile: {key} can be written by every user: chmod o-w {key} (and 1 more" in line, line
    key.chmod(0o640)
    assert server.reload_and_wait()
    assert server.stop() == 0
