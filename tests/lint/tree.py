# SPDX-License-Identifier: BSD-2-Clause
"""The files of the tree, and what several checks want to know about them."""
import functools
import json
import os
import re
import subprocess

MADE = re.compile(r"(^|/)(\.git|autom4te\.cache|build[^/]*|__pycache__|\.deps)(/|$)|(^|/)(Makefile(\.in)?|configure|"
                  r"aclocal\.m4|config\.(h|h\.in|log|status|cache)|stamp-h1)$|\.(o|a|log|trs)$|~$")
DATA = ("tests/data/cases/", "tests/data/dkim/", "tests/data/keys/", "tests/fuzz/corpus/")
C_FOLDERS = ("milter/", "include/", "contrib/", "tests/")
TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """A comment or a string of the same shape that says nothing."""
    text = match.group()
    mark = text[0] if text[0] in "\"'" else " "
    return mark + re.sub(r"[^\n]", " ", text[1:-1]) + mark


class Tree:
    def __init__(self, top):
        self.top = os.path.abspath(top)

    def listing(self):
        """What git has or would take; None where there is no git, or it does not trust the folder's owner."""
        try:
            done = subprocess.run(
                ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                cwd=self.top, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}

    @functools.cached_property
    def files(self):
        found = self.listing() if os.path.exists(os.path.join(self.top, ".git")) else None
        if found is not None:
            return sorted(name for name in found if os.path.isfile(os.path.join(self.top, name)))
        found = []
        for folder, _, names in os.walk(self.top):
            found += [os.path.relpath(os.path.join(folder, name), self.top) for name in names]
        return sorted(name for name in found if not MADE.search(name))

    @functools.cached_property
    def written(self):
        """Those that people write: no mails, keys, corpora and pictures."""
        return [name for name in self.files if not name.startswith(DATA) and not name.endswith(".png")]

    def under(self, *folders, ext=""):
        return [name for name in self.written if name.startswith(folders) and name.endswith(ext)]

    @functools.cached_property
    def c_files(self):
        return [name for name in self.under(*C_FOLDERS) if name.endswith((".c", ".h"))]

    @functools.cached_property
    def python_files(self):
        return [name for name in self.written if name.endswith(".py") or "python" in self.first_line(name)]

    @functools.cached_property
    def shell_files(self):
        return [name for name in self.written
                if re.match(r"#!/bin/(ba)?sh", self.first_line(name)) or "shellcheck shell=" in self.text(name)[:200]]

    def bytes(self, name):
        with open(os.path.join(self.top, name), "rb") as file:
            return file.read()

    @functools.lru_cache(maxsize=None)
    def text(self, name):
        return self.bytes(name).decode("utf-8", "surrogateescape")

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)

    def first_line(self, name):
        return self.text(name).split("\n", 1)[0]

    @functools.lru_cache(maxsize=None)
    def code(self, name):
        """C without what its comments and strings say, line for line."""
        return TOKENS.sub(blank, self.text(name))

    def code_lines(self, name):
        return enumerate(self.code(name).splitlines(), 1)

    @functools.cached_property
    def includes(self):
        """Of each C file: (line, name, "quoted" or "angle")."""
        pattern = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
        found = {}
        for name in self.c_files:
            rows = ((line, pattern.match(text)) for line, text in self.lines(name))
            found[name] = [(line, m.group(2), "quoted" if m.group(1) == '"' else "angle") for line, m in rows if m]
        return found

    @functools.cached_property
    def tags(self):
        """universal-ctags' view of the C files: dicts with path, name, kind, line, and file where it is static."""
        if not self.c_files:
            return []
        listing = subprocess.run(
            ["ctags", "--options=NONE", "--output-format=json", "--fields=+nKfstS", "--c-kinds=dfvtsuegm",
             "--language-force=C", "-I", "MUST_CHECK,PRINTF_FORMAT+", "-f", "-"] + self.c_files,
            cwd=self.top, capture_output=True, check=True, text=True).stdout
        return [json.loads(line) for line in listing.splitlines()]

    def tool(self, *command):
        """Exit code and all that a tool says."""
        done = subprocess.run(command, cwd=self.top, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout
