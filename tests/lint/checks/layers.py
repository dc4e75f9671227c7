# SPDX-License-Identifier: BSD-2-Clause
"""Includes follow the arrows of DESIGN: base <- crypto, core <- { auth, delivery } <- session <- the program; and never run in circles.

What a header belongs to is where the .c of its name is built (milter/Makefile.inc); one without a .c goes with the
highest of what it includes.
"""
import os
import re

MAY_USE = {
    "base": {"base"},
    "crypto": {"base", "crypto"},
    "core": {"base", "core"},
    "auth": {"base", "crypto", "core", "auth"},
    "delivery": {"base", "crypto", "core", "delivery"},
    "session": {"base", "crypto", "core", "auth", "delivery", "session"},
    "program": {"base", "crypto", "core", "auth", "delivery", "session", "program"},
}
ORDER = list(MAY_USE)


def layers_of_sources(tree):
    text = tree.text("milter/Makefile.inc").replace("\\\n", " ")
    found = {}
    for name, sources in re.findall(r"^(\w+)_SOURCES\s*\+?=(.*)$", text, re.M):
        layer = "program" if name == "acme_milter" else re.sub(r"^lib(.*)_a$", r"\1", name)
        found.update({path: layer for path in sources.split()})
    return found


def resolve(tree, path, name):
    for candidate in (os.path.join(os.path.dirname(path), name), "include/" + name):
        if candidate in tree.includes:
            return candidate
    return None


def used(tree, path):
    """The tree's own headers that a file includes: (line, path)."""
    rows = ((line, resolve(tree, path, name)) for line, name, kind in tree.includes[path] if kind == "quoted")
    return [(line, target) for line, target in rows if target]


def layer_of(tree, path, sources, seen=()):
    stem = os.path.splitext(os.path.basename(path))[0] + ".c"
    for source, layer in sources.items():
        if source == path or (os.path.basename(source) == stem and path.endswith(".h")):
            return layer
    below = [layer_of(tree, target, sources, seen + (path,)) for _, target in used(tree, path) if target not in seen]
    return max(below, key=ORDER.index, default="base")


def circles(tree):
    for start in tree.c_files:
        waiting, seen = [start], set()
        while waiting:
            for line, target in used(tree, waiting.pop()):
                if target == start:
                    yield start, min(row[0] for row in used(tree, start)), "includes itself in a circle"
                elif target not in seen:
                    seen.add(target)
                    waiting.append(target)


def check(tree):
    sources = layers_of_sources(tree)
    for path in tree.under("milter/", "include/"):
        if path not in tree.includes:
            continue
        layer = layer_of(tree, path, sources)
        for line, target in used(tree, path):
            other = layer_of(tree, target, sources)
            if other not in MAY_USE[layer]:
                yield path, line, f"{layer} must not include {target} of {other}"
            home = os.path.dirname(target)
            if home not in ("include", os.path.dirname(path)):
                yield path, line, f"{target} is private to {home}"
    yield from circles(tree)


BROKEN = {
    "milter/Makefile.inc": "libbase_a_SOURCES = milter/base/low.c\nlibcore_a_SOURCES = milter/core/mid.c\n"
                           "libcrypto_a_SOURCES = milter/crypto/cipher.c\n"
                           "libauth_a_SOURCES = \\\n\tmilter/auth/left.c\nlibdelivery_a_SOURCES = milter/delivery/right.c\n"
                           "libsession_a_SOURCES = milter/upper.c\nacme_milter_SOURCES = milter/top.c milter/top.h\n",
    "include/low.h": "", "include/cipher.h": "", "include/mid.h": '#include "low.h"\n', "include/left.h": '#include "mid.h"\n',
    "include/right.h": '#include "mid.h"\n', "include/upper.h": '#include "left.h"\n#include "right.h"\n',
    "include/plain.h": '#include "left.h"\n',
    "milter/top.h": "", "milter/auth/local.h": "",
    "milter/base/low.c": '#include "low.h"\n#include "mid.h"\n',
    "milter/core/mid.c": '#include "low.h"\n#include "plain.h"\n#include <left.h>\n',
    "milter/crypto/cipher.c": '#include "low.h"\n#include "mid.h"\n',
    "milter/auth/left.c": '#include "right.h"\n#include "local.h"\n#include "cipher.h"\n',
    "milter/delivery/right.c": '\n#include "left.h"\n',
    "milter/upper.c": '#include "left.h"\n#include "top.h"\n',
    "milter/top.c": '#include "auth/local.h"\n#include "upper.h"\n',
    "include/round_a.h": '#include "low.h"\n#include "round_b.h"\n', "include/round_b.h": '#include "round_a.h"\n',
}
FOUND = ["milter/base/low.c:2", "milter/crypto/cipher.c:2", "milter/core/mid.c:2", "milter/auth/left.c:1", "milter/delivery/right.c:2",
         "milter/upper.c:2", "milter/top.c:1", "include/round_a.h:1", "include/round_b.h:1"]
