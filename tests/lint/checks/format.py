# SPDX-License-Identifier: BSD-2-Clause
"""C stands as clang-format writes it; make format does it."""
import re


def check(tree):
    if not tree.c_files:
        return
    code, text = tree.tool("clang-format", "--dry-run", *tree.c_files)
    found = re.findall(r"^([^:\n]+):(\d+):\d+: warning: code should be clang-formatted", text, re.M)
    if code != 0 and not found:
        raise RuntimeError(text)
    for path, line in found:
        yield path, int(line), "not formatted: make format"


BROKEN = {
    ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n",
    "milter/good.c": "int good(void);\n",
    "milter/bad.c": "int good(void);\nint  bad(void);\n",
}
FOUND = ["milter/bad.c:2"]
