# SPDX-License-Identifier: BSD-2-Clause
"""Functions that are unsafe with threads, with lengths or with hostile input are not called, whatever they are called on."""
import re

BANNED = """
    strtok sscanf scanf fscanf vsscanf atoi atol atoll atof strcpy strcat stpcpy strncpy strncat sprintf vsprintf gets
    gmtime localtime ctime asctime strerror getpwnam getpwuid getgrnam getgrgid gethostbyname gethostbyaddr inet_ntoa
    inet_addr alloca system popen tmpnam tempnam mktemp tmpfile rand srand random drand48 signal setenv putenv
    unsetenv getenv setlocale bzero bcopy index rindex vfork longjmp setjmp abort usleep readdir_r strsignal
""".split()
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")


def check(tree):
    for path in tree.under("milter/", "include/", "contrib/"):
        if path in tree.c_files:
            for line, text in tree.code_lines(path):
                for match in CALL.finditer(text):
                    yield path, line, f"{match.group(1)} is banned"


BROKEN = {
    "milter/bad.c": "/* strcpy(a, b) */\nint a = strcpy(a, b);\nint b = gmtime_r(c, d), e = f->index(1), my_system(2);\n"
                    'const char *s = "system(1)";\nvoid f(void)\n{\n    signal (SIGHUP, f);\n}\n',
    "include/bad.h": "int g = atoi(\"1\");\n",
    "contrib/bad.c": "\nint h = system(\"1\");\n",
}
FOUND = ["milter/bad.c:2", "milter/bad.c:7", "include/bad.h:1", "contrib/bad.c:2"]
