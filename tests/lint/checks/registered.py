# SPDX-License-Identifier: BSD-2-Clause
"""Every C file is built by a Makefile.inc, and every module of include/ named in DESIGN; each fuzzer has a corpus."""
import os
import re


def check(tree):
    built = " ".join(tree.text(path) for path in tree.files if os.path.basename(path) == "Makefile.inc")
    words = set(re.findall(r"[\w./-]+", built))
    for path in tree.c_files:
        if path not in words and os.path.splitext(path)[0] not in words:
            yield path, 1, "no Makefile.inc names it"
    design = set(re.findall(r"\w+", tree.text("DESIGN")))
    for path in tree.under("include/", ext=".h"):
        module = os.path.basename(path)[:-2]
        if module not in design and any(os.path.basename(name) == module + ".c" for name in tree.c_files):
            yield path, 1, f"DESIGN does not name {module}"
    corpora = {path.split("/")[3] for path in tree.files if re.match(r"tests/fuzz/corpus/[^/]+/.", path)}
    fuzzers = {re.sub(r".*/fuzz_(.*)\.c", r"\1", path) for path in tree.c_files if path.startswith("tests/fuzz/fuzz_")}
    for name in fuzzers - corpora:
        yield f"tests/fuzz/fuzz_{name}.c", 1, f"tests/fuzz/corpus/{name} has no file"
    for name in corpora - fuzzers:
        yield f"tests/fuzz/corpus/{name}", 1, f"there is no tests/fuzz/fuzz_{name}.c"


BROKEN = {
    "milter/Makefile.inc": "libbase_a_SOURCES = milter/in.c include/in.h include/out.h include/plain.h\ncheck_PROGRAMS += tests/fuzz/fuzz_one tests/fuzz/fuzz_two\n",
    "DESIGN": "The module in does it.\n",
    "milter/in.c": "", "milter/out.c": "", "include/in.h": "", "include/out.h": "", "include/plain.h": "",
    "tests/fuzz/fuzz_one.c": "", "tests/fuzz/fuzz_two.c": "",
    "tests/fuzz/corpus/one/seed": "", "tests/fuzz/corpus/three/seed": "",
}
FOUND = ["milter/out.c:1", "include/out.h:1", "tests/fuzz/fuzz_two.c:1", "tests/fuzz/corpus/three:1"]
