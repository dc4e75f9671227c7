# SPDX-License-Identifier: BSD-2-Clause
"""What others can call begins with its module's name; no name begins like a library's; nothing good has the value 0."""
import os
import re

LIBRARY = re.compile(r"(dkim|dmarc|opendmarc|json|smfi|mlfi)_", re.I)
GOOD = re.compile(r"_(PASS|PASSED|OK|GOOD|ACCEPT|ACCEPTED|VALID|SUCCESS)$")
ENUM = re.compile(r"\benum\s+(\w*)\s*\{([^}]*)\}")


def prefixes(tree, path):
    """Of message.c: message_. Of findings.c also finding_. mailbox_list.c beside mailbox.c is a part of it: mailbox_ too."""
    folder, module = os.path.split(os.path.splitext(path)[0])
    yield module
    if module.endswith("s"):
        yield module[:-1]
    parts = module.split("_")
    for count in range(1, len(parts)):
        whole = "_".join(parts[:count])
        if f"{folder}/{whole}.c" in tree.files:
            yield whole


def functions(tree):
    for tag in tree.tags:
        path = tag["path"]
        if tag["kind"] != "function" or not path.startswith(("milter/", "include/")):
            continue
        is_private = tag.get("file") and path.endswith(".c")
        if not is_private and tag["name"] != "main":
            allowed = [prefix + "_" for prefix in prefixes(tree, path)]
            if not tag["name"].startswith(tuple(allowed)):
                yield path, tag["line"], f"{tag['name']} is seen by others and must begin with {' or '.join(allowed)}"


def libraries(tree):
    for tag in tree.tags:
        if tag["kind"] != "member" and LIBRARY.match(tag["name"]):
            yield tag["path"], tag["line"], f"{tag['name']}: such names belong to a library"


def number(text, before):
    """The value of an enumerator; one that is computed is taken for some other than 0."""
    if not text:
        return before + 1
    if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)", text):
        return int(text, 16 if "x" in text.lower() else 8 if re.match("-?0.", text) else 10)
    return 1


def zeros(tree):
    for path in tree.under("milter/", "include/"):
        if path not in tree.c_files:
            continue
        code = tree.code(path)
        for match in ENUM.finditer(code):
            value = -1
            for item in filter(None, (part.strip() for part in match.group(2).split(","))):
                name, _, given = (part.strip() for part in item.partition("="))
                value = number(given, value)
                if value == 0 and match.group(1) and GOOD.search(name):
                    yield path, code.count("\n", 0, match.start()) + 1, f"{name} is 0: memory of zeros would mean it"


def check(tree):
    yield from functions(tree)
    yield from libraries(tree)
    yield from zeros(tree)


BROKEN = {
    "milter/x/thing.c": "int thing_do(void)\n{\n    return 0;\n}\nint other_do(void)\n{\n    return 0;\n}\n"
                        "static int helper(void)\n{\n    return 0;\n}\nint main(void)\n{\n    return 0;\n}\n",
    "milter/x/thing_parts.c": "int thing_cut(void)\n{\n    return 0;\n}\nint parts_cut(void)\n{\n    return 0;\n}\n",
    "milter/y/thing_parts.c": "int thing_part_cut(void)\n{\n    return 0;\n}\nint thing_cut(void)\n{\n    return 0;\n}\n",
    "include/thing.h": "struct thing {\n    int dmarc_result;\n};\nenum thing_state { THING_STATE_UNSET, THING_STATE_OK };\n"
                       "enum thing_word {\n    THING_WORD_PASS,\n    THING_WORD_FAIL\n};\nenum { ROOM_OK };\n"
                       "enum thing_late { THING_LATE_A = 1, THING_LATE_GOOD = 0 };\n"
                       "static inline int thing_size(void)\n{\n    return 0;\n}\n"
                       "static inline int size_of(void)\n{\n    return 0;\n}\n",
    "tests/unit/names.c": "static int dkim_helper(void)\n{\n    return 0;\n}\nenum { DMARC_ROOM = 1 };\n",
}
FOUND = ["milter/x/thing.c:5", "milter/x/thing_parts.c:5", "milter/y/thing_parts.c:5", "include/thing.h:5", "include/thing.h:10", "include/thing.h:15",
         "tests/unit/names.c:1", "tests/unit/names.c:5"]
