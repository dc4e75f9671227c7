# SPDX-License-Identifier: BSD-2-Clause
"""Nothing writable outside of functions, but for what HACKING names."""
import re

# HACKING names the same. Each is there since neither C nor a library leaves another place for it.
ALLOWED = {
    "milter/base/log.c": {"prefix", "current_level", "is_syslog", "journal"},
    "milter/daemon.c": {"wants_reload", "wants_stop"},
    "milter/crypto/key_cache.c": {"kept"},
    "milter/milter_glue.c": {"current"},
}
LOCAL = re.compile(r"^\s+static\s+[^;={(]*?(\w+)\s*(?:\[[^;=]*\])?\s*[;=]", re.M)


def is_constant(declaration):
    """The name itself must be const: behind the last star, or anywhere where there is none."""
    return re.search(r"\bconst\b", declaration.rpartition("*")[2]) is not None


def declaration_of(code, name_at):
    """What stands before a name, back to the end of the declaration or function before; bodies of structs are left out."""
    depth, at, text = 0, name_at, ""
    while at > 0:
        at -= 1
        byte = code[at]
        ends = byte == ";" or (byte == "}" and text.strip(" \n*") not in ("", "const"))
        if depth == 0 and ends:
            break
        depth += {"}": 1, "{": -1}.get(byte, 0)
        if depth == 0 and byte != "{":
            text = byte + text
    return text


def file_level(tree, path):
    """Of .c files: a header that defined a variable would not link, and may declare functions by a typedef."""
    code = re.sub(r"^\s*#(?:.*\\\n)*.*$", lambda match: re.sub(r"[^\n]", " ", match.group()), tree.code(path), flags=re.M)
    starts = [0] + [match.end() for match in re.finditer("\n", code)]
    for tag in tree.tags:
        if tag["path"] == path and path.endswith(".c") and tag["kind"] == "variable" and "scope" not in tag:
            at = re.compile(rf"\b{tag['name']}\b").search(code, starts[tag["line"] - 1]).start()
            yield tag["line"], tag["name"], declaration_of(code, at)


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
                      "static struct {\n    int a;\n} box;\nstatic const struct {\n    int a;\n} fixed[] = {{1}};\n"
                      "int f(void)\n{\n    static const int ok = 1;\n    static int kept;\n    int free_one = 1;\n    return 0;\n}\n",
}
FOUND = ["milter/base/log.c:2", "milter/state.c:4", "milter/state.c:5", "milter/state.c:10", "milter/state.c:17"]
