# SPDX-License-Identifier: BSD-2-Clause
"""What authors of ACME servers are told (doc/endpoint, acme-milter-conformance(1)) is what code and contract say."""
import json
import re

from checks.manual import MEMBER

SCHEMA, RESULT, RULES = "doc/endpoint/result.schema.json", "milter/delivery/result_json.c", "include/findings.def"
OPENAPI, CONTRACT = "doc/endpoint/openapi.yaml", "doc/contract"
CONFORMANCE, MANUAL = "contrib/conformance/", "doc/acme-milter-conformance.1"


def property_names(node):
    """Of all objects in a JSON Schema."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "properties":
                yield from value
            yield from property_names(value)
    elif isinstance(node, list):
        for value in node:
            yield from property_names(value)


def line_of(tree, path, text):
    return tree.text(path).count("\n", 0, max(tree.text(path).find(text), 0)) + 1


def compare(tree, left_path, left, right_path, right):
    for name in sorted(set(left) - set(right)):
        yield left_path, line_of(tree, left_path, name), f"{name} is not in {right_path}"
    for name in sorted(set(right) - set(left)):
        yield right_path, line_of(tree, right_path, name), f"{name} is not in {left_path}"


def schema(tree):
    document = json.loads(tree.text(SCHEMA))
    code = [f'"{name}"' for name in re.findall(MEMBER, tree.text(RESULT))]
    yield from compare(tree, RESULT, code, SCHEMA, [f'"{name}"' for name in property_names(document)])
    rules = re.findall(r'^FINDING\(\w+, ("[\w-]+")', tree.text(RULES), re.M)
    told = [f'"{name}"' for name in document["$defs"]["knownFinding"]["enum"]]
    yield from compare(tree, RULES, rules, SCHEMA, told)
    if set(rules) == set(told) and rules != told:
        yield SCHEMA, line_of(tree, SCHEMA, '"knownFinding"'), f"not in the order of {RULES}"


def answers(tree):
    """Each status that the contract names has a response of its own."""
    text = tree.text(CONTRACT)
    section = text[text.index("\n5. "):text.index("\n6. ")]
    for status in re.findall(r"(?<![\d.])[245]\d\d(?![\d.])", re.sub(r"^(.{0,32}).*", r"\1", section, flags=re.M)):
        if f'"{status}":' not in tree.text(OPENAPI):
            yield OPENAPI, line_of(tree, OPENAPI, "responses:"), f"{status} of {CONTRACT} is missing"


def conformance(tree):
    code = []
    for path in tree.under(CONFORMANCE, ext=".py"):
        code += re.findall(r'^@rule\("(E-\d\d)"', tree.text(path), re.M)
    code += re.findall(r'add_argument\("--([\w-]+)"', tree.text(CONFORMANCE + "acme-milter-conformance"))
    told = re.findall(r"^\.It Cm (E-\d\d)", tree.text(MANUAL), re.M)
    for line in re.findall(r"^\.It (Fl -.*)", tree.text(MANUAL), re.M):
        told += re.findall(r"Fl -([\w-]+)", line)
    for name in sorted(set(code) ^ set(told) - {"help"}):
        yield MANUAL, line_of(tree, MANUAL, name), f"{name} is not in both program and manual"


def check(tree):
    yield from schema(tree)
    yield from answers(tree)
    yield from conformance(tree)


BROKEN = {
    RESULT: 'put(a, "both", b);\nput_text(a, "only_code", b);\n',
    SCHEMA: '{"properties": {"both": {}},\n "$defs": {"x": {"properties": {"only_told": {}}},\n'
            ' "knownFinding": {"enum": ["a",\n "gone"]}}}\n',
    RULES: 'FINDING(A, "a", R,\nFINDING(B, "b-new", R,\n',
    OPENAPI: 'x:\n  responses:\n    "200":\n',
    CONTRACT: "a\n5. The POST\n\n    200 201   taken\n    404                              550 further right is an SMTP code\n6. Findings\n",
    CONFORMANCE + "rules.py": '@rule("E-01", "x")\n@rule("E-02", "x")\n',
    CONFORMANCE + "acme-milter-conformance": 'parser.add_argument("--same")\nparser.add_argument("--untold")\n',
    MANUAL: ".Bl\n.It Cm E-01\n.It Cm E-03\n.It Fl -same Ar file , Fl -gone Ar file\n",
}
FOUND = [RESULT + ":2", SCHEMA + ":2", SCHEMA + ":4", RULES + ":2", OPENAPI + ":2", MANUAL + ":1", MANUAL + ":3", MANUAL + ":4"]
