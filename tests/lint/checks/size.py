# SPDX-License-Identifier: BSD-2-Clause
"""Files, functions and their complexity stay small. There is no list of exceptions, on purpose."""
import ast

FILE_LINES, FUNCTION_LINES, COMPLEXITY = 500, 100, 15
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.comprehension, ast.BoolOp)


def judge(path, line, name, length, complexity):
    if length > FUNCTION_LINES:
        yield path, line, f"{name} has {length} lines, over {FUNCTION_LINES}"
    if complexity > COMPLEXITY:
        yield path, line, f"{name} has complexity {complexity}, over {COMPLEXITY}"


def c_functions(tree):
    """What pmccabe says: complexity in its own and in McCabe's count, statements, first line, lines, file(line): name."""
    if not tree.c_files:
        return
    code, text = tree.tool("pmccabe", *tree.c_files)
    if code != 0:
        raise RuntimeError(text)
    for row in text.splitlines():
        _, complexity, _, line, length, place = row.split("\t")
        yield place.split("(")[0], int(line), place.split(": ")[1], int(length), int(complexity)


def python_functions(tree):
    for path in tree.python_files:
        for node in ast.walk(ast.parse(tree.text(path), path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                complexity = 1 + sum(isinstance(inner, BRANCHES) for inner in ast.walk(node))
                yield path, node.lineno, node.name, node.end_lineno - node.lineno + 1, complexity


def check(tree):
    for path in set(tree.c_files + tree.python_files + tree.shell_files):
        lines = tree.text(path).count("\n")
        if lines > FILE_LINES:
            yield path, lines, f"{lines} lines, over {FILE_LINES}"
    for row in list(c_functions(tree)) + list(python_functions(tree)):
        yield from judge(*row)


def c_function(name, body):
    return f"int {name}(int a)\n{{\n{body}    return a;\n}}\n"


BROKEN = {
    "milter/good.c": "\n" * 397 + c_function("good", "    if (a) a++;\n" * 14 + "\n" * 82),
    "milter/long_file.c": "\n" * 501,
    "milter/long_function.c": c_function("long_function", "    a++;\n" * 97),
    "milter/branches.c": c_function("branches", "    if (a) a++;\n" * 15),
    "tests/good.py": "def good(a):\n" + "    if a: a += 1\n" * 14,
    "tests/branches.py": "def branches(a):\n" + "    if a: a += 1\n" * 15,
    "tests/long.py": "def long(a):\n" + "    a += 1\n" * 100,
    "tests/long.sh": "#!/bin/sh\n" + "\n" * 500,
}
FOUND = ["milter/branches.c:1", "milter/long_file.c:501", "milter/long_function.c:1", "tests/branches.py:1",
         "tests/long.py:1", "tests/long.sh:501"]
