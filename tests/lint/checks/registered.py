# SPDX-License-Identifier: BSD-2-Clause
"""Every file is built or goes into the tarball, every module of include/ stands in DESIGN, each fuzzer has a corpus."""
import os
import re


# What automake takes by itself, and what only git reads.
BY_ITSELF = re.compile(r"(^|/)Makefile\.(am|inc)$|^configure\.ac$|^\.gitignore$|^\.gitattributes$")


def folders(path):
    while path:
        path = os.path.dirname(path)
        yield path


def unnamed_files(tree):
    named = " ".join(tree.text(path) for path in tree.files if re.search(r"(^|/)Makefile\.(am|inc)$", path))
    words = set(re.findall(r"[\w./-]+", named))
    for path in tree.files:
        is_c = path in tree.c_files
        is_named = path in words or (is_c and os.path.splitext(path)[0] in words)
        if not (is_named or BY_ITSELF.search(path) or (not is_c and words.intersection(folders(path)))):
            yield path, 1, "no Makefile.inc names it, nor a folder that it is in"


def unnamed_modules(tree):
    design = set(re.findall(r"\w+", tree.text("DESIGN")))
    for path in tree.under("include/", ext=".h"):
        module = os.path.basename(path)[:-2]
        if module not in design and any(os.path.basename(name) == module + ".c" for name in tree.c_files):
            yield path, 1, f"DESIGN does not name {module}"


def unmatched_fuzzers(tree):
    corpora = {path.split("/")[3] for path in tree.files if re.match(r"tests/fuzz/corpus/[^/]+/.", path)}
    fuzzers = {re.sub(r".*/fuzz_(.*)\.c", r"\1", path) for path in tree.c_files if path.startswith("tests/fuzz/fuzz_")}
    for name in fuzzers - corpora:
        yield f"tests/fuzz/fuzz_{name}.c", 1, f"tests/fuzz/corpus/{name} has no file"
    for name in corpora - fuzzers:
        yield f"tests/fuzz/corpus/{name}", 1, f"there is no tests/fuzz/fuzz_{name}.c"


def check(tree):
    yield from unnamed_files(tree)
    yield from unnamed_modules(tree)
    yield from unmatched_fuzzers(tree)


BROKEN = {
    "milter/Makefile.inc": "libbase_a_SOURCES = milter/in.c include/in.h include/out.h include/plain.h\ncheck_PROGRAMS += tests/fuzz/fuzz_one tests/fuzz/fuzz_two\n",
    "Makefile.am": "EXTRA_DIST = DESIGN tests/fuzz/corpus contrib/whole\n",
    "contrib/whole/part/file": "", "contrib/other": "",
    "DESIGN": "The module in does it.\n",
    "milter/in.c": "", "milter/out.c": "", "include/in.h": "", "include/out.h": "", "include/plain.h": "",
    "tests/fuzz/fuzz_one.c": "", "tests/fuzz/fuzz_two.c": "",
    "tests/fuzz/corpus/one/seed": "", "tests/fuzz/corpus/three/seed": "",
}
FOUND = ["contrib/other:1", "milter/out.c:1", "include/out.h:1", "tests/fuzz/fuzz_two.c:1", "tests/fuzz/corpus/three:1"]
