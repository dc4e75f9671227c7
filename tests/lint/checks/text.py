# SPDX-License-Identifier: BSD-2-Clause
"""Every text that people write: licence line first, clean lines, English, and nothing of somebody's machine."""
import re

LICENCE = "SPDX-License-Identifier: BSD-2-Clause"
FREE_OF_LICENCE = re.compile(r"^contrib/debian/(?!rules|tests/quickstart)|(^|/)(README|DESIGN|HACKING|CHANGES|COPYING|[^/]*\.md|[^/]*\.json|\.[^/]*|[^/]*\.sample|[^/]*\.rulebase|[^/]*\.snippet)$")
# Put together here, so that this file does not name them.
HOSTS = [".".join(parts) for parts in (
    ("py" + "pi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "org"), ("npm" + "js", "com"), ("crates", "io"),
    ("ruby" + "gems", "org"), ("proxy", "golang", "org"), ("docker", "io"), ("gh" + "cr", "io"), ("quay", "io"),
    ("deb", "debian", "org"), ("snapshot", "debian", "org"), ("maven", "org"), ("cpan", "org"))]
FOLDERS = ["/%s/" % name for name in ("work", "home", "root", "Users")]
MACHINE = re.compile("(?<![\\w.*$}~-])(" + "|".join(FOLDERS) + ")|" + "|".join(re.escape(host) for host in HOSTS))
FOREIGN = re.compile(r"\b(und|nicht|oder|wird|keine?|auch|wenn|sind|pour|avec|dans|est|les|une|para|pero|como|della)\b")
CONFLICT = re.compile(r"^(<{7}|\|{7}|>{7})( |$)")  # not of =, which underlines titles too
# A reply proves access to a mailbox, and no more.
CLAIM = re.compile(r"\b(ownership|control(s|led)? (of|over|the mailbox|the address)|owns? (the|a|an) (mailbox|address))\b", re.I)


def licence(tree, path):
    head = tree.text(path).split("\n", 2)[:2]
    line = 1 if head[0].startswith("#!") and len(head) > 1 else 0
    if LICENCE not in head[line]:
        yield path, line + 1, "the licence line is not first"


def lines(tree, path):
    if not tree.text(path).endswith("\n") and tree.text(path):
        yield path, tree.text(path).count("\n") + 1, "no line end at the end"
    for number, text in enumerate(tree.text(path).split("\n"), 1):
        if text != text.rstrip():
            yield path, number, "blanks or CR at the end of the line"
        if "\t" in text and path in tree.c_files + tree.python_files:
            yield path, number, "a tab"


def english(tree, path):
    is_code = path.startswith(("milter/", "include/", "contrib/", "doc/")) or "/" not in path
    for number, text in tree.lines(path):
        match = FOREIGN.search(text)
        if is_code and match:
            yield path, number, f"\"{match.group()}\" is not English"
        if not path.endswith((".c", ".h", ".py")) and is_code and CLAIM.search(text):
            yield path, number, "documents and messages speak of access"
        if is_code and not text.isascii():
            yield path, number, "not ASCII"


def check(tree):
    for path in tree.written:
        if tree.text(path) and not FREE_OF_LICENCE.search(path):
            yield from licence(tree, path)
        yield from lines(tree, path)
        yield from english(tree, path)
    for path in tree.files:
        for number, text in tree.lines(path):
            match = MACHINE.search(text)
            if match:
                yield path, number, f"{match.group()} is somebody's machine or a registry"
            if CONFLICT.search(text):
                yield path, number, "a merge left its conflict here"


BROKEN = {
    "README": "No licence line is needed here.\nIt proves control over a mailbox.\n",
    "contrib/no-licence": "#!/bin/sh\ntrue\n",
    "milter/no_licence.c": "int a;\n",
    "milter/blanks.c": f"/* {LICENCE} */\nint a; \nint b;\r\n\tint c;\nint d;",
    "milter/words.c": f"/* {LICENCE} */\n/* das ist nicht gut */\n/* caf\u00e9 */\n",
    "doc/paths": f"# {LICENCE}\n{FOLDERS[0]}x\n/usr{FOLDERS[1]}x\nhttps://{HOSTS[0]}/x\n--net{FOLDERS[0]}\n",
    "tests/data/cases/a/merged": "".join(f"{mark * 7}{name}\nx\n" for mark, name in (("<", " HEAD"), ("|", ""), ("=", ""), (">", " a1b2"))),
    "tests/data/cases/a/mail": f"no licence, blanks at the end, \u00fc \nReceived: {FOLDERS[1]}me\n",
}
FOUND = ["README:2", "contrib/no-licence:2", "milter/no_licence.c:1", "milter/blanks.c:2", "milter/blanks.c:3", "milter/blanks.c:4",
         "milter/blanks.c:5", "milter/words.c:2", "milter/words.c:3", "doc/paths:2", "doc/paths:4",
         "tests/data/cases/a/mail:2", "tests/data/cases/a/merged:1", "tests/data/cases/a/merged:3", "tests/data/cases/a/merged:7"]
