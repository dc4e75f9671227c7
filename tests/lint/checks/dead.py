# SPDX-License-Identifier: BSD-2-Clause
"""No function that nobody calls, none that other files can call and do not, no constant that nobody names. Python too."""
import ast
import collections
import re

# The linker calls these: they stand in for functions of a library.
STANDS_IN = re.compile(r"\b(\w+)\s*\([^;{]*\)\s*__asm__\s*\(")
WRAPS = re.compile(r"^__wrap_|^LLVMFuzzer|^main$")
CALLED_BY_PYTEST = re.compile(r"^(test|pytest)_")
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


def python_names(tree, path):
    """Functions and constants of a module; not what a decorator has put on a list."""
    try:
        nodes = ast.parse(tree.text(path)).body
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            yield node.lineno, node.name
        elif isinstance(node, ast.Assign):
            yield from ((node.lineno, target.id) for target in node.targets if isinstance(target, ast.Name))


def python(tree):
    words = collections.Counter(word for path in tree.written for word in re.findall(r"\w+", tree.text(path)))
    for path in tree.python_files:
        for line, name in python_names(tree, path):
            if words[name] == 1 and not CALLED_BY_PYTEST.search(name):
                yield path, line, f"nobody names {name}"


def check(tree):
    words = words_of(tree)
    yield from functions(tree, words)
    yield from constants(tree, words)
    yield from python(tree)


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
    "tests/system/test_it.py": "import rules\nLIMIT = 1\n\n\ndef helper():\n    pass\n\n\n@rules.rule\ndef listed():\n    pass\n\n\ndef test_it():\n    pass\n",
    "tests/unit/test_mail.c": "int __wrap_open(void)\n{\n    return 0;\n}\nint main(void)\n{\n    return mail_tried();\n}\n",
}
FOUND = ["include/mail.h:5", "milter/mail.c:1", "milter/mail.c:6", "milter/mail.c:10", "milter/mail.c:18",
         "tests/system/test_it.py:2", "tests/system/test_it.py:5"]
