# SPDX-License-Identifier: BSD-2-Clause
"""Each outside library is known to one file of milter/, OpenSSL to one folder, and none to a header of include/."""
import os
import re

LIBRARIES = {
    "libmilter": r"libmilter/", "libopendkim": r"opendkim/", "libopendmarc": r"opendmarc/", "libunbound": r"unbound\.h$",
    "libcurl": r"curl/", "jansson": r"jansson", "OpenSSL": r"openssl/", "libpsl": r"libpsl\.h$", "libidn2": r"idn2\.h$", "libunistring": r"unicase\.h$",
    "libseccomp": r"seccomp\.h$", "Landlock": r"linux/landlock\.h$",
    "iconv": r"iconv\.h$",
}
FOLDERS = {"OpenSSL": "milter/crypto"}


def check(tree):
    for library, pattern in LIBRARIES.items():
        users = {}
        for path in tree.under("milter/", "include/"):
            for line, name, _ in tree.includes.get(path, []):
                if re.match(pattern, name):
                    users.setdefault(path, line)
        owner = next((path for path in sorted(users) if path.startswith("milter/") and path.endswith(".c")), None)
        if library in FOLDERS:
            owner = FOLDERS[library]
        for path, line in users.items():
            if owner not in (path, os.path.dirname(path)):
                yield path, line, f"{library} belongs to {owner or 'one .c of milter/'} alone"


BROKEN = {
    "milter/a.c": "#include <jansson.h>\n",
    "milter/b.c": "#include <openssl/evp.h>\n#include <jansson.h>\n",
    "milter/crypto/one.c": "#include <openssl/evp.h>\n", "milter/crypto/two.h": "#include <openssl/bn.h>\n",
    "milter/x/local.h": "#include <opendkim/dkim.h>\n",
    "include/c.h": "\n#include <curl/curl.h>\n",
    "tests/unit/d.c": "#include <jansson.h>\n",
}
FOUND = ["milter/b.c:1", "milter/b.c:2", "include/c.h:2", "milter/x/local.h:1"]
