# SPDX-License-Identifier: BSD-2-Clause
"""Shell scripts pass shellcheck; Python compiles and imports what it uses."""
import ast
import os
import re


def shell(tree):
    if not tree.shell_files:
        return
    code, text = tree.tool("shellcheck", "-x", "-f", "gcc", *tree.shell_files)
    found = re.findall(r"^([^:\n]+):(\d+):\d+: \w+: (.*)", text, re.M)
    if code != 0 and not found:
        raise RuntimeError(text)
    for path, line, what in found:
        yield path, int(line), what


def unused_imports(tree, path):
    module = ast.parse(tree.text(path), path)
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    for node in ast.walk(module):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = (alias.asname or alias.name).split(".")[0]
                if name not in used and "noqa" not in tree.text(path).splitlines()[node.lineno - 1]:
                    yield path, node.lineno, f"{name} is imported and not used"


def check(tree):
    yield from shell(tree)
    for path in tree.python_files:
        yield from unused_imports(tree, path)
    for path in tree.shell_files + tree.python_files:
        is_program = tree.first_line(path).startswith("#!")
        if is_program and not os.access(os.path.join(tree.top, path), os.X_OK):
            yield path, 1, "begins with #! and cannot be executed"


BROKEN = {
    "contrib/bad": "#!/bin/sh\nrm $1\n",
    "tests/bad.py": "import os\nimport sys\nprint(sys.argv)\n",
}
FOUND = ["contrib/bad:1", "contrib/bad:2", "tests/bad.py:1"]
