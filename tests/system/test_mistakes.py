# SPDX-License-Identifier: BSD-2-Clause
"""The command line in the hands of an administrator in a hurry: wrong words, files that are none, names that others chose."""
import json
import os
import re
import subprocess

import pytest

from harness import milter
from test_cli import conf, dns, judge, message  # noqa: F401 pylint: disable=unused-import


def test_without_the_algorithms_of_openssl_nothing_is_judged(conf, dns, message, tmp_path):
    """As where a host's openssl.cnf leaves out the default provider: else each signature would be a bad one."""
    only_null = tmp_path / "openssl.cnf"
    only_null.write_text("openssl_conf = top\n[top]\nproviders = list\n[list]\nnull = null\n[null]\nactivate = 1\n")
    done = milter.run("-t", "-c", conf(), "-D", dns(), message(), env={"OPENSSL_CONF": str(only_null)})
    assert (done.returncode, done.stdout) == (78, b"") and b"OpenSSL does not start, or lacks" in done.stderr


def test_hash_of_a_mail_that_was_not_kept_whole_is_not_told(conf, dns, message):
    many = {f"X-{number}": "x" for number in range(20)}
    for setting in ("MaxMessageSize 1k", "MaxHeaderFields 16"):
        code, (result,), _ = judge(conf(setting), dns(), message(**many))
        assert (code, result["reason"]["finding"], result["messageSha256"]) == (1, "message-too-large", None), setting


@pytest.mark.parametrize("wrong", ["", "nonsense", "192.0.2", "192.0.2.256", "[192.0.2.1]", "2001:db8::1::2", "::1%lo",
                                   "192.0.2.1 ", "mail.example.com"])
def test_client_address_that_is_none_is_64(conf, dns, message, wrong):
    code, results, error = judge(conf(), dns(), "-a", wrong, message())
    assert (code, results) == (64, []) and error.startswith(f"acme-milter: {wrong}: --client-address ")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_client_address_of_both_kinds(conf, dns, message, address):
    code, (result,), _ = judge(conf(), dns(), "-a", address, message())
    assert (code, result["smtp"]["clientAddress"]) == (0, address)


def test_names_that_somebody_else_chose_reach_no_terminal(conf, dns, message, tmp_path):
    name = tmp_path / "a\x1b]0;b\x07\u009b\u202ec.eml"
    for arguments in ((name,), ("-r", name, message()), ("--replay", name)):
        where = () if "--replay" in arguments else ("-D", dns())
        done = milter.run("-t", "-c", conf(), *where, *arguments)
        assert done.returncode in (64, 66) and re.fullmatch(rb"[ -~\n]+", done.stderr), done.stderr
        assert rb"a\x1b]0;b\x07\xc2\x9b\xe2\x80\xaec.eml: " in done.stderr


def test_nothing_of_a_mail_moves_a_terminal(conf, dns, message):
    """The result is JSON in UTF-8, and what is not seen of it, or turns its direction, stands there as an escape."""
    evil = "\u009b31m\u202eevil\u2066\u200b\x7fé"
    done = milter.run("-t", "-c", conf(), "-D", dns(), "-s", evil + "@x", message(Message_ID=f"<{evil}@x>", In_Reply_To=f"<{evil}@y>"))
    text = (done.stdout + done.stderr).decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]", text)
    result = json.loads(done.stdout)
    assert (result["messageId"], result["inReplyTo"]) == (f"<{evil}@x>", f"<{evil}@y>")
    assert result["smtp"]["mailFrom"] == evil + "@x" and "é" in done.stdout.decode()


@pytest.mark.parametrize("name, why", [("long.conf", b"line or file too long"), ("/dev/zero", b"not a regular file")])
def test_configuration_without_an_end_takes_no_memory(tmp_path, name, why):
    """A line was read whole before it was too long; where memory ran out, what stood before it was the configuration."""
    path = tmp_path / name
    if name == "long.conf":
        path.write_text("ChallengeAddress acme@ca.acme-lab.net\n")
        os.truncate(path, 2 * 1024 ** 3)
    with subprocess.Popen([milter.program(), "-n", "-c", path], stderr=subprocess.PIPE) as process:
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 78 and why in error
    assert usage.ru_maxrss < 200 * 1024


def test_names_in_a_folder_of_the_milters_user_move_no_terminal_of_root(conf, tmp_path):
    """As --verify-log and --find say them: of a whole log, one with a fault, and of evidence."""
    name = tmp_path / "a\x1b]0;b\x07\u009b"
    name.write_text("{}\n")
    for arguments in (["--verify-log", name], ["-c", conf(f"EvidenceLog {tmp_path}/none"), "--find", "x", name]):
        done = milter.run(*arguments)
        assert re.fullmatch(rb"[ -~\n]+", done.stdout + done.stderr), done
        assert rb"a\x1b]0;b\x07\xc2\x9b: " in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["-t", "--explain", "-n", "-V", "--help", "--verify-log"])
@pytest.mark.parametrize("output", [">/dev/full", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_output_that_is_lost_is_no_success(conf, dns, message, tmp_path, command, output):
    words = {"-t": ["-t", "-c", conf(), "-D", dns(), message()], "--explain": ["-t", "--explain", "-c", conf(), "-D", dns(), message()],
             "-n": ["-n", "-c", conf()], "--verify-log": ["--verify-log", tmp_path / "empty"]}
    (tmp_path / "empty").touch()
    done = subprocess.run(["sh", "-c", f'exec "$@" {output}', "sh", milter.program(), *words.get(command, [command])],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (70, b""), done.stderr


def test_why_a_file_cannot_be_read_is_told(conf, dns, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, why in ((loop, "Too many levels of symbolic links"), (tmp_path, "a folder (one of the evidence goes with --replay)"),
                      (tmp_path / "none", "No such file or directory")):
        code, results, error = judge(conf(), dns(), path)
        assert (code, results, error) == (66, [], f"acme-milter: {path}: {why}\n")
    large = tmp_path / "large.eml"
    with large.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    code, results, error = judge(conf(), dns(), large)
    assert (code, results) == (66, []) and "too large" in error
    for path, why in ((loop, "Too many levels"), (tmp_path / "mail.eml", "Not a directory"), (tmp_path / "none", "No such file"),
                      (tmp_path, "damaged: no result.json")):
        (tmp_path / "mail.eml").touch()
        done = milter.run("-t", "-c", conf(), "--replay", path)
        assert done.returncode == 66 and done.stderr.decode().startswith(f"acme-milter: {path}: {why}"), done.stderr
