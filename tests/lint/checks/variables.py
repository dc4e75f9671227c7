# SPDX-License-Identifier: BSD-2-Clause
"""Nothing writable outside of functions, but for what HACKING names."""
import re

# HACKING names the same. Each is there since neither C nor libmilter leaves another place for it.
ALLOWED = {
    "milter/base/log.c": {"prefix", "current_level", "is_syslog"},
    "milter/daemon.c": {"wants_reload", "wants_stop"},
    "milter/milter_glue.c": {"current"},
}
LOCAL = re.compile(r"^\s+static\s+[^;={(]*?(\w+)\s*(?:\[[^;=]*\])?\s*[;=]", re.M)


def is_constant(declaration):
    """The name itself must be const: behind the last star, or anywhere where there is none."""
    return re.search(r"\bconst\b", declaration.rpartition("*")[2]) is not None


def file_level(tree, path):
    """Of .c files: a header that defined a variable would not link, and may declare functions by a typedef."""
    for tag in tree.tags:
        if tag["path"] == path and path.endswith(".c") and tag["kind"] == "variable" and "scope" not in tag:
            lines = tree.code(path).splitlines()
            first = last = tag["line"] - 1
            while first > 0 and lines[first - 1].strip() and lines[first - 1].rstrip()[-1] not in ";}{/\\":
                first -= 1
            text = " ".join(lines[first:last + 1])
            yield tag["line"], tag["name"], re.split(rf"\b{tag['name']}\b", text)[0]


def local_statics(tree, path):
    code = tree.code(path)
    for match in LOCAL.finditer(code):
        line = code.count("\n", 0, match.start(1)) + 1
        yield line, match.group(1), match.group().rsplit(match.group(1), 1)[0]


def check(tree):
    for path in tree.under("milter/", "include/"):
        if path not in tree.c_files:
            continue
        for line, name, declaration in list(file_level(tree, path)) + list(local_statics(tree, path)):
            is_declared_elsewhere = re.match(r"\s*extern\b", declaration)
            if not is_constant(declaration) and not is_declared_elsewhere and name not in ALLOWED.get(path, ()):
                yield path, line, f"{name} can be written outside of functions"


BROKEN = {
    "milter/base/log.c": "static _Thread_local char prefix[8];\nstatic int other;\n",
    "milter/state.c": "#include <stdio.h>\nstatic const int fine = 1;\nstatic const char *const names[] = {\"a\"};\n"
                      "static const char *pointer = \"a\";\nint counter = 0;\nconst struct a\n    far[] = {1};\n"
                      "static struct {\n    int a;\n} box;\n"
                      "int f(void)\n{\n    static const int ok = 1;\n    static int kept;\n    int free_one = 1;\n    return 0;\n}\n",
}
FOUND = ["milter/base/log.c:2", "milter/state.c:4", "milter/state.c:5", "milter/state.c:10", "milter/state.c:14"]
