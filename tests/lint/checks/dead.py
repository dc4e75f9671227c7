# SPDX-License-Identifier: BSD-2-Clause
"""No function that nobody calls, none that other files can call and do not, no constant that nobody names."""
import collections
import re

# The linker calls these: they stand in for functions of a library.
STANDS_IN = re.compile(r"\b(\w+)\s*\([^;{]*\)\s*__asm__\s*\(")
WRAPS = re.compile(r"^__wrap_|^LLVMFuzzer|^main$")
UNUSED_ON_PURPOSE = re.compile(r"_(NONE|UNSET|UNKNOWN|UNASKED|END)$")  # the value 0, which is never a good one


def words_of(tree):
    return {path: collections.Counter(re.findall(r"\w+", tree.code(path))) for path in tree.c_files}


def functions(tree, words):
    stand_ins = {name for path in tree.c_files for name in STANDS_IN.findall(tree.code(path))}
    for tag in tree.tags:
        name, path = tag["name"], tag["path"]
        if tag["kind"] != "function" or tag.get("file") or name in stand_ins or WRAPS.search(name) or path.endswith(".h"):
            continue
        users = [other for other in words if other != path and not other.endswith(".h") and words[other][name]]
        is_for_tests = path.startswith("tests/")
        if not users:
            yield path, tag["line"], f"no other file calls {name}"
        elif not is_for_tests and words[path][name] == 1 and all(user.startswith("tests/") for user in users):
            yield path, tag["line"], f"only tests call {name}"


def constants(tree, words):
    """Enumerators and macros. A .def names them by pasting."""
    for tag in tree.tags:
        name, path = tag["name"], tag["path"]
        if tag["kind"] not in ("enumerator", "macro") or UNUSED_ON_PURPOSE.search(name):
            continue
        is_for_tests = path.startswith("tests/")
        uses = sum(count[name] for user, count in words.items() if is_for_tests or not user.startswith("tests/"))
        if uses == 1 and not any(re.search(rf"\b{name}\b", tree.text(other)) for other in tree.under("include/", ext=".def")):
            yield path, tag["line"], f"nobody names {name}"


def check(tree):
    words = words_of(tree)
    yield from functions(tree, words)
    yield from constants(tree, words)


BROKEN = {
    "include/mail.h": "int mail_read(void);\nint mail_write(void);\nint mail_own(void);\nint mail_tried(void);\n#define MAIL_GUARD 1\n",
    "include/list.def": "ROW(MAIL_ROW)\n",
    "milter/mail.c": "enum { MAIL_MAX = 1, MAIL_LEFT = 2, MAIL_ROW = 3, MAIL_KIND_NONE = 0 };\n"
                     "int mail_read(void)\n{\n    return MAIL_MAX;\n}\n"
                     "int mail_write(void)\n{\n    return 1; /* mail_write */\n}\n"
                     "int mail_own(void)\n{\n    return 2;\n}\n"
                     "static int twice(void)\n{\n    return 2 * mail_own();\n}\n"
                     "int mail_tried(void)\n{\n    return twice();\n}\n"
                     "int mail_open(int a) __asm__(\"open\");\nint mail_open(int a)\n{\n    return a;\n}\n",
    "milter/main.c": "int main(void)\n{\n    return mail_read();\n}\n",
    "tests/unit/test_mail.c": "int __wrap_open(void)\n{\n    return 0;\n}\nint main(void)\n{\n    return mail_tried();\n}\n",
}
FOUND = ["include/mail.h:5", "milter/mail.c:1", "milter/mail.c:6", "milter/mail.c:10", "milter/mail.c:18"]
