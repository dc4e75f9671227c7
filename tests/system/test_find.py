# SPDX-License-Identifier: BSD-2-Clause
"""--find: what it finds in evidence that the milter wrote, and in evidence that was damaged since."""
import json
import re
import shutil

import pytest

from harness import mail, milter
from harness.process import wait_for
from test_evidence import signed_reply, with_evidence  # noqa: F401 pylint: disable=unused-import

RESULT = {"version": 1, "verdict": "reject", "challengeAddress": "acme@ca.acme-lab.net", "from": "bob@author.acme-lab.net",
          "receivedAt": "2026-11-24T05:00:00Z", "smtp": {"queueId": "4XQ", "mailFrom": "bounce@author.acme-lab.net"}}


def find(conf, wanted, *logs, **how):
    """Exit code, the words of each line, standard error."""
    done = milter.run("-c", conf, "--find", wanted, *logs, **how)
    return done.returncode, [line.split(" ") for line in done.stdout.decode("ascii").splitlines()], done.stderr.decode()


def identity(number):
    return f"{number:043d}"


@pytest.fixture
def evidence(tmp_path):
    """A configuration, and a function that adds a folder, a line, or both."""
    folder, log = tmp_path / "evidence", tmp_path / "evidence.log"
    folder.mkdir()
    log.touch()
    conf = tmp_path / "acme-milter.conf"
    conf.write_text(f"ChallengeAddress acme@ca.acme-lab.net\nEvidenceDirectory {folder}\nEvidenceLog {log}\n")

    def add(number, in_folder=True, in_log=True, **changes):
        text = json.dumps(dict(RESULT, id=identity(number), **changes))
        place = folder / "2026" / "11" / "24" / identity(number)
        if in_folder:
            place.mkdir(parents=True)
            (place / "result.json").write_text(text)
        if in_log:
            with log.open("a") as file:
                file.write(text + "\n")
        return place
    return conf, add, log


def test_what_the_milter_wrote_is_found(mx, new_exchange, with_evidence):
    server, folder = with_evidence
    log = server.data / "evidence.log"
    server.set("EvidenceLog", log)
    good, bad = new_exchange(), new_exchange("bob@signed.acme-lab.net")
    with mx.with_milter(server):
        assert mx.send(good, signed_reply(good)).code == 250
        good_queue_id = mx.queue_id()
        assert mx.send(bad, mail.reply(bad.challenge, bad.digest)).code == 550
        wait_for(lambda: log.exists() and len(log.read_text().splitlines()) == 2, "both are in the log")
    results = {each["verdict"]: each for each in map(json.loads, log.read_text().splitlines())}
    passed = results["pass"]
    year, month, day = passed["receivedAt"][:10].split("-")
    place = folder / year / month / day / passed["id"]
    answer = json.loads((place / "answer.json").read_text())
    line = [passed["receivedAt"], passed["id"], "pass", good.author, good_queue_id, str(place), "accepted", answer["answeredAt"]]
    for wanted in (passed["id"], good_queue_id):
        assert find(server.conf, wanted) == (0, [line], "")
    assert line in find(server.conf, good.author.upper())[1]
    code, lines, _ = find(server.conf, results["reject"]["id"])
    assert (code, [each[2:] for each in lines]) == (0, [["reject", bad.author, results["reject"]["smtp"]["queueId"], "-", "-", "-"]])
    done = milter.run("-t", "-c", server.conf, "--replay", place)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wanted", [identity(7), "7XQ", "carol@author.acme-lab.net", "CAROL@Author.acme-lab.net",
                                    "sender@esp.acme-lab.net"])
def test_each_thing_that_can_be_asked_for(evidence, wanted):
    conf, add, _ = evidence
    add(6)
    place = add(7, **{"from": "carol@author.acme-lab.net", "smtp": {"queueId": "7XQ", "mailFrom": "sender@esp.acme-lab.net"}})
    line = ["2026-11-24T05:00:00Z", identity(7), "reject", "carol@author.acme-lab.net", "7XQ", str(place), "-", "-"]
    assert find(conf, wanted) == (0, [line], "")


@pytest.mark.parametrize("wanted", [identity(9), "4X", "4xq", "nobody@author.acme-lab.net", "author.acme-lab.net", "", "..", "/etc"])
def test_what_is_not_there_is_1(evidence, wanted):
    conf, add, _ = evidence
    add(6)
    add(7, smtp={"queueId": None, "mailFrom": None})
    assert find(conf, wanted) == (1, [], "")


@pytest.mark.parametrize("wanted", [
    "Carol <carol@bücher.example>", "<carol@bücher.example>", " carol@bücher.example\t", "CAROL@BÜCHER.EXAMPLE",
    "carol@xn--bcher-kva.example", '"Carol, of Bücher" <Carol@XN--BCHER-KVA.example>', "carol@bücher.example (Carol)", "7XQ:", " 7XQ ",
    identity(7) + " "])
def test_things_as_people_paste_them(evidence, wanted):
    conf, add, _ = evidence
    add(6, **{"from": "arol@xn--bcher-kva.example"})
    add(7, **{"from": "carol@xn--bcher-kva.example", "smtp": {"queueId": "7XQ", "mailFrom": None}})
    code, lines, error = find(conf, wanted)
    assert (code, [line[1] for line in lines], error) == (0, [identity(7)], "")


@pytest.mark.parametrize("sender", ["Carol@bücher.example", "carol@BÜCHER.example", "carol@XN--BCHER-KVA.EXAMPLE"])
@pytest.mark.parametrize("wanted", ["carol@bücher.example", "Carol <carol@xn--bcher-kva.example>"])
def test_an_envelope_sender_is_the_same_in_unicode_and_ascii(evidence, sender, wanted):
    conf, add, _ = evidence
    add(6, smtp={"queueId": "6XQ", "mailFrom": "carl@bücher.example"})
    add(7, smtp={"queueId": "7XQ", "mailFrom": sender})
    assert [line[4] for line in find(conf, wanted)[1]] == ["7XQ"]


def test_logs_that_were_moved_away_are_read_where_they_are_named(evidence, tmp_path):
    conf, add, log = evidence
    add(1, in_folder=False, receivedAt="2026-10-24T05:00:00Z")
    moved = log.rename(log.with_suffix(".log.1"))
    add(2, in_folder=False)
    assert [line[1] for line in find(conf, RESULT["from"])[1]] == [identity(2)]
    for logs, how in (((moved,), {}), (("-",), {"stdin": moved.read_bytes()}), ((moved, log), {})):
        code, lines, error = find(conf, RESULT["from"], *logs, **how)
        assert (code, [line[1] for line in lines], error) == (0, [identity(1), identity(2)], ""), logs
    without = tmp_path / "without.conf"
    without.write_text("ChallengeAddress acme@ca.acme-lab.net\n")
    assert [line[1] for line in find(without, RESULT["from"], moved)[1]] == [identity(1)]
    code, lines, error = find(without, identity(2), moved, tmp_path / "none", tmp_path)
    assert (code, lines) == (66, []) and f"{tmp_path}/none: No such file" in error and f"{tmp_path}: Is a directory" in error


def test_newest_last_from_both_places(evidence):
    conf, add, _ = evidence
    add(1, receivedAt="2026-11-24T05:00:03Z")
    add(2, in_folder=False, receivedAt="2026-11-24T05:00:01Z")
    add(3, in_log=False, receivedAt="2026-11-24T05:00:02Z")
    assert [line[1] for line in find(conf, RESULT["from"])[1]] == [identity(2), identity(3), identity(1)]


@pytest.mark.parametrize("damage", ["no result", "a link", "a link inside", "not JSON", "another id", "no folder", "too large"])
def test_a_damaged_folder_is_named_and_passed_over(evidence, damage):
    conf, add, log = evidence
    place = add(1, in_log=False)
    add(2, in_log=False)
    result = place / "result.json"
    if damage == "no result":
        result.unlink()
    elif damage == "a link":
        place.rename(log.parent / "elsewhere")
        place.symlink_to(log.parent / "elsewhere")
    elif damage == "a link inside":
        result.rename(log.parent / "result.json")
        result.symlink_to(log.parent / "result.json")
    elif damage == "not JSON":
        result.write_text("{")
    elif damage == "another id":
        result.write_text(json.dumps(dict(RESULT, id=identity(3))))
    elif damage == "too large":
        result.write_text(result.read_text() + " " * 1024 * 1024)
    else:
        shutil.rmtree(place)
        place.write_text("")
    code, lines, error = find(conf, RESULT["from"])
    assert (code, [line[1] for line in lines]) == (0, [identity(2)])
    assert error.count("\n") == 1 and str(place) in error and "damaged" in error
    assert find(conf, identity(1))[0] == find(conf, "carol@author.acme-lab.net")[0] == 66  # who knows


def test_folders_under_way_are_not_damaged(evidence):
    conf, add, _ = evidence
    (add(1).parent / f".{identity(2)}.77").mkdir()
    code, lines, error = find(conf, RESULT["from"])
    assert (code, len(lines), error) == (0, 1, "")


def test_damaged_lines_are_counted_and_passed_over(evidence):
    conf, add, log = evidence
    log.write_text("{}\n" + "x" * 1024 * 1024 + "\n\n")
    add(1, in_folder=False)
    code, lines, error = find(conf, RESULT["from"])
    assert (code, len(lines)) == (0, 1) and f"{log}: 3 damaged lines" in error
    assert find(conf, identity(2))[0] == 66
    log.write_text("x" * 1024 * 1024)  # and no end
    code, lines, error = find(conf, identity(2))
    assert (code, lines) == (66, []) and f"{log}: 1 damaged lines" in error


def test_too_many_matches_are_the_last(evidence):
    conf, add, _ = evidence
    for number in range(1002):
        add(number, in_folder=False, receivedAt=f"2026-11-24T05:{number // 60:02}:{number % 60:02}Z")
    code, lines, error = find(conf, RESULT["from"])
    assert code == 0 and [line[1] for line in lines] == [identity(number) for number in range(2, 1002)]
    assert "older" in error


def test_each_posting_has_its_line_in_order_with_its_answer(evidence, tmp_path):
    """Ten in one second, the eleventh a second later; the log has the same ones."""
    conf, add, _ = evidence
    for number in range(1, 12):
        changes = {"messageSha256": f"{number:064x}", "receivedAt": f"2026-11-24T05:00:0{number // 11}Z",
                   "smtp": {"queueId": f"{number}XQ", "mailFrom": None}}
        place = add(1, in_folder=False, **changes).parent / (identity(1) if number == 1 else f"{identity(1)}.{number}")
        place.mkdir(parents=True)
        (place / "result.json").write_text(json.dumps(dict(RESULT, id=identity(1), **changes)))
        outcome = "accepted" if number == 11 else "unavailable"
        answer = {"outcome": outcome, "status": 200, "attempts": 2, "answeredAt": f"2026-11-24T05:01:{number:02}Z", "detail": ""}
        (place / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "evidence/2026/11/24" / f"{identity(1)}.12").mkdir()
    code, lines, error = find(conf, identity(1))
    assert (code, len(lines), error.count("damaged")) == (0, 11, 1)
    assert [line[4] for line in lines] == [f"{number}XQ" for number in range(1, 12)]
    assert [line[7] for line in lines] == [f"2026-11-24T05:01:{number:02}Z" for number in range(1, 12)]
    assert lines[10][5].endswith(f"{identity(1)}.11") and lines[10][6] == "accepted" and lines[0][6] == "unavailable"


def test_hostile_text_is_one_printable_word(evidence):
    conf, add, _ = evidence
    add(1, **{"from": "a\x1b[31m b\n@x", "smtp": {"queueId": "4XQ", "mailFrom": None}})
    done = milter.run("-c", conf, "--find", "4XQ")
    assert done.returncode == 0 and re.fullmatch(rb"[ -~]+\n", done.stdout) and len(done.stdout.split(b" ")) == 8


def test_evidence_that_cannot_be_read_is_not_called_absent(evidence):
    conf, _, log = evidence
    log.unlink()
    code, lines, error = find(conf, identity(1))
    assert (code, lines) == (66, []) and str(log) in error


def test_what_is_in_the_way_is_named(evidence, tmp_path):
    conf, add, _ = evidence
    add(1, in_log=False)
    folder = tmp_path / "evidence"
    (folder / "2025").symlink_to("2026")
    (folder / "2026" / "10").touch()
    code, lines, error = find(conf, RESULT["from"])
    assert (code, len(lines)) == (0, 1)
    assert sorted(re.findall(r"milter: (.*?): ", error)) == [f"{folder}/2025", f"{folder}/2026/10"]


def test_who_may_not_read_the_evidence_is_told_so(tmp_path_factory):
    top = tmp_path_factory.mktemp("evidence")
    for path in (top, top.parent, top.parent.parent):
        path.chmod(0o755)
    conf, place = top / "acme-milter.conf", top / "2026" / "11" / "24" / identity(1)
    place.mkdir(parents=True)
    conf.write_text(f"ChallengeAddress acme@ca.acme-lab.net\nEvidenceDirectory {top}\n")
    (place / "result.json").write_text(json.dumps(dict(RESULT, id=identity(1))))
    nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    assert find(conf, identity(1), **nobody)[0] == 0
    for hidden, named in ((place / "result.json", place), (place, place), (place.parent, place.parent), (top / "2026", top / "2026")):
        mode = hidden.stat().st_mode
        hidden.chmod(0)
        assert find(conf, identity(1), **nobody) == (66, [], f"acme-milter: {named}: Permission denied\n")
        hidden.chmod(mode)


def test_without_evidence_in_the_configuration(tmp_path):
    conf = tmp_path / "acme-milter.conf"
    conf.write_text("ChallengeAddress acme@ca.acme-lab.net\n")
    code, lines, error = find(conf, identity(1))
    assert (code, lines) == (78, []) and "EvidenceDirectory" in error
    assert milter.run("-t", "--find", "x", "-c", conf).returncode == 64
