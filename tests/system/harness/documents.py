# SPDX-License-Identifier: BSD-2-Clause
"""The commands and files that the documents show.

In Markdown a block fenced as `sh` is commands, one fenced as a path is (a part of) that file, another only shows something.
In a plain text a command is an indented line with a prompt, "# " for root's and "$ " for anyone's; two blanks end it, and
what it is for may follow. In a manual page it is .Dl, and the literal text of EXAMPLES. A line that looks like a command and
is none of these is an error.
"""
import re
import textwrap

# What an indented line must not begin with unless it has a prompt.
PROGRAMS = """
    ./configure ./acme-milter acme-milter acme-challenge-mail acme-milter-conformance acme-reference-server afl-fuzz apt apt-get autoreconf cd chgrp
    chmod chown contrib/package contrib/quickstart contrib/run-interop contrib/run-tests cp fail2ban-client fail2ban-regex git
    gpg install jq journalctl logrotate lognormalizer make mkdir mtail openssl podman postconf postfix promtool python3 rm
    rsyslogd systemctl tar useradd
""".split()


def joined(lines):
    """(line number, text) with lines that end in a backslash put together."""
    waiting, start = "", None
    for number, line in lines:
        start = start or number
        if line.endswith("\\"):
            waiting += (line[:-1].lstrip() if waiting else line[:-1]).rstrip() + " "
            continue
        yield start, (waiting + line.lstrip() if waiting else line)
        waiting, start = "", None


class Step:
    """A command, or a file when `path` is set."""

    def __init__(self, place, text, path=None):
        self.place, self.text, self.path = place, text, path

    def __repr__(self):
        return f"{self.place}: {self.path or self.text}"


def markdown(name, text):
    steps, lines = [], list(enumerate(text.splitlines(), 1))
    while lines:
        number, line = lines.pop(0)
        fence = re.match(r"```(.*)", line)
        if not fence:
            assert not re.match(r" {4}\S", line), f"{name}:{number}: a block that is not fenced"
            continue
        block = []
        while lines[0][1] != "```":
            block.append(lines.pop(0))
        lines.pop(0)
        kind = fence.group(1)
        if kind == "sh":
            steps += [Step(f"{name}:{at}", command) for at, command in joined(block) if command.strip()]
        elif not kind.startswith("/"):
            assert not any(is_command(text) for _, text in block), f"{name}:{number}: a command in a block that is not fenced as sh"
        else:
            steps.append(Step(f"{name}:{number}", "".join(line + "\n" for _, line in block), kind))
    return steps


def is_command(text):
    words = re.sub(r"^(\w+=\S* )+", "", text.strip()).split()
    return bool(words) and words[0] in PROGRAMS


def plain(name, text):
    steps = []
    for number, line in joined(enumerate(text.expandtabs(8).splitlines(), 1)):
        prompted = re.match(r"\s+[#$] (\S.*?)(?:\s{2,}.*)?$", line)
        if prompted:
            steps.append(Step(f"{name}:{number}", prompted.group(1)))
        else:
            assert not (re.match(r" {4,}\S", line) and is_command(line)), f"{name}:{number}: a command without a prompt: {line}"
    return steps


def manual(name, text):
    """.Dl anywhere, and literal displays of EXAMPLES; the sections of settings show files there."""
    """A .Dl that begins with no program is what one prints."""
    steps = [Step(f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match.group(1).replace("\\-", "-"))
             for match in re.finditer(r"^\.Dl (.*)", text, re.M) if is_command(match.group(1))]
    examples = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh )", text, re.M | re.S)
    for block in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", examples.group(1) if examples else "", re.M | re.S):
        at = text.count("\n", 0, text.index(block)) + 1
        lines = joined(enumerate(textwrap.dedent(block).replace("\\e\n", "\\\n").splitlines(), at))
        if is_command(block):
            steps += [Step(f"{name}:{number}", line) for number, line in lines]
        else:
            steps.append(Step(f"{name}:{at}", block, "/etc/acme-milter.conf"))
    return steps


def steps(top, name):
    text = (top / name).read_text()
    if name.endswith(".md"):
        return markdown(name, text)
    if re.search(r"\.\d$", name):
        return manual(name, text)
    return plain(name, text)
