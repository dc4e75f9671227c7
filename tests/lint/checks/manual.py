# SPDX-License-Identifier: BSD-2-Clause
"""Manual, sample configuration and code name the same settings, options, findings and metrics."""
import os
import re
import sys

CONTRACT, RESULT = "doc/contract", "milter/delivery/result_json.c"
SETTINGS, MAIN, RULES = "milter/settings_options.c", "milter/main.c", "include/findings.def"
CHALLENGE, MANUAL_1 = "contrib/acme-challenge-mail.c", "doc/acme-challenge-mail.1"
MANUAL_5, MANUAL_8, SAMPLE = "doc/acme-milter.conf.5", "doc/acme-milter.8", "contrib/acme-milter.conf.sample"
METRICS = "milter/metrics.c"
SCRIPTS = {"contrib/reference-server/acme-reference-server": "contrib/reference-server/acme-reference-server.1",
           "contrib/conformance/acme-milter-conformance": "doc/acme-milter-conformance.1"}
TABLE = '.\\" findings: made by'
MEMBER = r'\b(?:put|json_object_set)(?:_\w+)?\(\w+, "(\w+)",'
ROW = r'^    \{\s*"(\w[\w-]*)",'


def named(tree, path, pattern, begin="", end=None):
    """Where each name that the pattern finds stands first, between two markers."""
    text = tree.text(path)
    start = text.index(begin)
    stop = text.index(end, start) if end else len(text)
    found = {}
    for match in re.finditer(pattern, text[start:stop], re.M):
        for name in filter(None, match.groups()):
            found.setdefault(name, text.count("\n", 0, start + match.start()) + 1)
    return found


def differ(left_path, left, right_path, right):
    for name in left.keys() - right.keys():
        yield left_path, left[name], f"{name} is not in {right_path}"
    for name in right.keys() - left.keys():
        yield right_path, right[name], f"{name} is not in {left_path}"


def settings(tree):
    code = named(tree, SETTINGS, ROW, "settings_options[] = {", "\n};")
    manual = named(tree, MANUAL_5, r"^\.It Cm ([A-Z]\w+)(?:.* , Cm ([A-Z]\w+))?", ".Sh DESCRIPTION", ".Sh FINDINGS")
    sample = named(tree, SAMPLE, r"^#?([A-Z]\w+)\s+\S")
    yield from differ(SETTINGS, code, MANUAL_5, manual)
    yield from differ(SETTINGS, code, SAMPLE, sample)


def defaults(tree):
    """Manual and sample tell each default as the table has it; one that depends on the machine is NULL there."""
    code = tree.text(SETTINGS)
    table = code[code.index("settings_options[] = {"):]
    manual, sample = tree.text(MANUAL_5), tree.text(SAMPLE)
    for keyword, value in re.findall(r'^    \{"(\w+)", "([^"]*)"', table, re.M):
        item = re.search(rf"^\.It Cm (?:.* , Cm )?{keyword}\b.*\n((?:(?!\.It Cm|\.El).*\n)*)", manual, re.M)
        told = item and re.search(r"^Default: (\S+?)[.,]?(?:\s|$)", item.group(1), re.M)
        if item and (not told or told.group(1) != value):
            yield MANUAL_5, manual.count("\n", 0, item.start()) + 1, f"the default of {keyword} is {value}"
        shown = re.search(rf"^#{keyword}\s+(\S+)", sample, re.M)
        if shown and shown.group(1) != value:
            yield SAMPLE, sample.count("\n", 0, shown.start()) + 1, f"the default of {keyword} is {value}"


def options(tree, program, page):
    code = named(tree, program, ROW, "long_options[] = {", "\n};")
    manual = named(tree, page, r"^\.It (?:Fl \w , )?Fl -([\w-]+)")
    usage = named(tree, program, r'^ *"  (?:-\w,|   ) --([\w-]+)')
    yield from differ(program, code, page, manual)
    yield from differ(program, code, program, usage)


def script_options(tree):
    """Of programs in Python; -h is argparse's own."""
    for program, page in SCRIPTS.items():
        if program in tree.files:
            code = named(tree, program, r'add_argument\((?:"-\w", )?"--([\w-]+)"')
            manual = named(tree, page, r"^\.It (?:Fl \w , )?Fl -([\w-]+)(?:.* , Fl -([\w-]+))?(?:.* , Fl -([\w-]+))?")
            manual.pop("help", None)
            yield from differ(program, code, page, manual)


def findings(tree):
    """The table of the manual is what its maker makes of the rules."""
    maker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "doc", "update-findings")
    code, text = tree.tool(sys.executable, maker, "--check", tree.top)
    if code != 0:
        yield MANUAL_5, tree.text(MANUAL_5).count("\n", 0, tree.text(MANUAL_5).find(TABLE)) + 1, text.strip()


def fixed(tree):
    """Those that OnFinding may not change are told with their reasons."""
    code = named(tree, RULES, r'^FINDING\(\w+, "([\w-]+)", \w, \w, \w, NO,')
    manual = named(tree, MANUAL_5, r"\b([a-z]+(?:-[a-z0-9]+)+)(?=[,:])", ".Ss Fixed findings", "\n.Ss")
    yield from differ(RULES, code, MANUAL_5, manual)


def metrics(tree):
    code = named(tree, METRICS, r'"(acme_milter_\w+)"')
    manual = named(tree, MANUAL_8, r"^\.It Cm (acme_milter_\w+)")
    yield from differ(METRICS, code, MANUAL_8, manual)


def members(tree):
    """Those of the result object, as the code puts them and as the contract's example shows them."""
    code = named(tree, RESULT, MEMBER)
    example = named(tree, CONTRACT, r'"(\w+)":', "4. The result", "\n5. ")
    yield from differ(RESULT, code, CONTRACT, example)


def mdoc(tree):
    for path in (name for name in tree.under("doc/", "contrib/") if re.search(r"\.[158]$", name)):
        _, text = tree.tool("mandoc", "-Tlint", "-Wwarning", path)
        for line, what in re.findall(r"^mandoc: [^:]+:(\d+):\d+: (.*)", text, re.M):
            yield path, int(line), what


def check(tree):
    yield from settings(tree)
    yield from defaults(tree)
    yield from options(tree, MAIN, MANUAL_8)
    yield from options(tree, CHALLENGE, MANUAL_1)
    yield from script_options(tree)
    yield from findings(tree)
    yield from fixed(tree)
    yield from members(tree)
    yield from metrics(tree)
    yield from mdoc(tree)


PAGE = '.\\" comment\n.Dd November 24, 2026\n.Dt A %d\n.Os\n.Sh NAME\n.Nm a\n.Nd a thing\n.Sh DESCRIPTION\n'
BROKEN = {
    SETTINGS: 'words = {\n    {"no", "word"},\n};\noptions settings_options[] = {\n    {"Both", "x"},\n    {"OnlyCode", "x"},\n'
              '    {"NotInSample", "x"},\n    {"Wrong", "x"},\n    {NULL},\n};\n',
    MANUAL_5: PAGE % 5 + ".Bl -tag -width Ds\n.It Cm Both Ar path , Cm NotInSample\nDefault: x.\n.It Cm OnlyManual\n.It Cm Wrong\nDefault: y.\n.El\n.Sh FINDINGS\n"
              '.\\" findings: made by doc/update-findings from include/findings.def\nold\n.\\" end of findings\n'
              ".Ss Fixed findings\na-b: a reason.\n.Ss DKIM\n",
    SAMPLE: "# A comment.\nBoth  x\n#OnlySample  x\n#OnlyCode x\n#OnlyManual x\n#Wrong y\n",
    MAIN: 'long_options[] = {\n    {"both", 0},\n    {"hidden", 0},\n};\nusage =\n    "  -b, --both\\n"\n    "      --told\\n";\n',
    MANUAL_8: PAGE % 8 + ".Bl -tag -width Ds\n.It Fl b , Fl -both\n.It Fl -told\n.Xy\n.It Cm acme_milter_both\n.It Cm acme_milter_told\n.El\n",
    METRICS: 'a(out, "acme_milter_both");\na(out, "acme_milter_only_code");\n',
    CHALLENGE: 'long_options[] = {\n    {"same", 0},\n    {"untold", 0},\n};\nusage =\n    "      --same\\n"\n    "      --untold\\n";\n',
    MANUAL_1: PAGE % 1 + ".Bl -tag -width Ds\n.It Fl -same\n.Xy\n.El\n",
    "contrib/reference-server/acme-reference-server": 'a.add_argument("--same")\na.add_argument("-u", "--untold", b)\na.add_argument("file")\n',
    SCRIPTS["contrib/reference-server/acme-reference-server"]:
        PAGE % 1 + ".Bl -tag -width Ds\n.It Fl -same Ar a , Fl -gone Ar a\n.El\n",
    RESULT: 'put(a, "both", b);\nput_text(a, "only_code", b);\n',
    CONTRACT: '4. The result:\n    {\n      "both": 1,\n      "only_told": 2\n    }\n5. Later\n"later": 3\n',
    RULES: 'FINDING(A, "a", R, N, T, YES, 550, "5.6.0", "Text.", "RFC 1")\n'
           'FINDING(B_C, "b-c", R, N, T, NO, 550, "5.6.0", "Text.", "RFC 1")\n',
}
FOUND = [SETTINGS + ":6", SETTINGS + ":7", MANUAL_5 + ":12", MANUAL_5 + ":13", MANUAL_5 + ":17", MANUAL_5 + ":21", RULES + ":2", RESULT + ":2", CONTRACT + ":4",
         SAMPLE + ":3", SAMPLE + ":5", SAMPLE + ":6", MAIN + ":3",
         MANUAL_8 + ":11", MANUAL_8 + ":12", MANUAL_8 + ":14", METRICS + ":2", MAIN + ":7",
         CHALLENGE + ":3", MANUAL_1 + ":11", "contrib/reference-server/acme-reference-server:2",
         SCRIPTS["contrib/reference-server/acme-reference-server"] + ":10"]
