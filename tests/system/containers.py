#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""For contrib/container/try: the images run by podman, command by command as contrib/container/README has it, with a
signed reply through both. containers.py FOLDER: podman's configuration and images are there; the network is ours alone.
Ends at the first thing that is not as it should be."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import acme, documents, signer, smtp, threads
from harness.process import Folder, wait_for
from harness.replies import good_reply

TOP = Path(__file__).resolve().parents[2]
ADDRESS = "acme@ca.example"
AUTHOR = "alice@people.example"
DRAIN = 12  # seconds: longer than podman waits by itself
CONFIGURATION = f"""\
ChallengeAddress  {ADDRESS}
Endpoint          http://unix:/run/acme-server/email-reply.sock:/email-reply
SocketMode        0666
TestDNSData       /run/acme-server/dns.txt
"""


def check(truth, what):
    if not truth:
        raise SystemExit(f"FAILED: {what}")
    print(f"- {what}", flush=True)


def podman(*words, code=0):
    done = subprocess.run(["podman", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=120, check=False)
    if done.returncode != code:
        raise SystemExit(f"FAILED: podman {' '.join(words)}: {done.returncode}: {done.stdout}")
    return done.stdout


def inspect(name, what):
    return podman("inspect", "--format", "{{" + what + "}}", name).strip()


def said(name, text):
    return wait_for(lambda: text in podman("logs", name), f"{name} says {text!r}")


class Readme:
    """Its commands, typed in where its own reader would be."""

    def __init__(self, folder):
        self.folder = folder
        self.commands = [step.text for step in documents.steps(TOP, "contrib/container/README") if " build " not in step.text]

    def do(self, beginning):
        (command,) = [text for text in self.commands if text.startswith(beginning)]
        print(f"$ {command}", flush=True)
        subprocess.run(command, shell=True, cwd=self.folder, check=True, timeout=120, stdout=subprocess.DEVNULL)


class Author:
    """A challenge's, whose mail server signs."""

    def __init__(self, server, key):
        self.server, self.key = server, key
        self.challenge = server.new_challenge(AUTHOR, ADDRESS)
        self.digest = acme.digest_of(self.challenge)

    def mail(self, is_signed=True):
        mail = good_reply(self).bytes()
        return signer.sign(mail, self.key, AUTHOR.partition("@")[2], "s") if is_signed else mail

    def send(self, **how):
        return smtp.send(25, AUTHOR, ADDRESS, self.mail(**how))

    def has_answered(self):
        return self.server.status(self.challenge) == "valid"


def judge(new_author):
    author = new_author()
    answer = author.send()
    check(answer.code == 250 and author.has_answered(), f"a signed reply is taken: {answer}")
    stranger = new_author()
    answer = stranger.send(is_signed=False)
    check((answer.code, answer.enhanced) == (550, "5.7.20") and not stranger.has_answered(), f"another is not: {answer}")
    line = said("milter", " reply verdict=pass ")
    check(line, "the milter's log has both")


def look_into():
    pid = int(inspect("milter", ".State.Pid"))
    status = threads.status(pid)
    capabilities = {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    check(status["Uid"].split() == ["990"] * 4 and capabilities == {0} and status["NoNewPrivs"] == "1",
          "the milter is user 990, with no capability, and gets none")
    check(status["Seccomp"] == "2" and int(status["Seccomp_filters"]) > 1, "its own filter is behind the runtime's")
    check(" reason=" not in podman("logs", "milter").partition("started version=")[0], "nothing of its sandbox is missing")


def stop_with_a_reply_under_way(readme, author):
    connection = smtp.connect(25)
    for command, code in ((f"MAIL FROM:<{AUTHOR}>", 250), (f"RCPT TO:<{ADDRESS}>", 250), ("DATA", 354)):
        check(connection.docmd(command)[0] == code, command)
    stopping = threading.Thread(target=readme.do, args=("podman stop",))
    stopping.start()
    time.sleep(DRAIN)
    connection.send(author.mail().replace(b"\r\n.", b"\r\n..") + b".\r\n")
    code, text = connection.getreply()
    connection.close()
    stopping.join()
    check(code == 250 and author.has_answered(), f"a reply that was under way for {DRAIN} seconds is taken: {code} {text.decode()}")
    check(inspect("milter", ".State.ExitCode") == "0", "the milter ended by itself")
    said("milter", "stopped")


def run(stack, work):
    folder, key = Folder("containers"), signer.Key()
    stack.callback(folder.remove)
    server = acme.AcmeServer(folder)
    stack.callback(server.stop)
    readme = Readme(work)
    (work / "acme-milter.conf").write_text(CONFIGURATION)
    podman("volume", "create", "acme-server")
    shared = Path(json.loads(podman("volume", "inspect", "acme-server"))[0]["Mountpoint"])
    server.socket = shared / "email-reply.sock"
    server.start()
    os.chown(server.socket, 0, 990)
    (shared / "dns.txt").write_text(f's._domainkey.{AUTHOR.partition("@")[2]} TXT "{key.txt()[:200]}" "{key.txt()[200:]}"\n')

    def new_author():
        return Author(server, key)

    stack.callback(podman, "rm", "--force", "--all", "--time", "1")
    for beginning in ("podman volume create", "podman run -d --name milter", "podman run -d --name mx"):
        readme.do(beginning)
    said("milter", "started version=")
    wait_for(lambda: smtp.greets(25), "Postfix greets")
    judge(new_author)
    look_into()
    for name in ("milter", "mx"):
        podman("healthcheck", "run", name)
        check(True, f"{name} is healthy")
    podman("kill", "-s", "STOP", "milter")
    podman("healthcheck", "run", "milter", code=1)
    check(True, "a milter that hangs is not")
    podman("kill", "-s", "CONT", "milter")
    readme.do("podman kill")
    check(said("milter", "reloaded file="), "the milter has read its configuration again")
    stop_with_a_reply_under_way(readme, new_author())
    late = new_author()
    check(late.send().code == 451, "without the milter replies wait")
    podman("start", "milter")
    podman("start", "mx")
    wait_for(lambda: late.send().code == 250, "and pass when it is back")
    check(late.has_answered(), "a reply passes when the milter is back")


def main():
    work = Path(sys.argv[1])
    if not shutil.which("podman"):
        raise SystemExit("podman is not installed (see contrib/packages)")
    with contextlib.ExitStack() as stack:
        run(stack, work)


if __name__ == "__main__":
    main()
