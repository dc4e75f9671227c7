# SPDX-License-Identifier: BSD-2-Clause
"""Each message of the program, its keys and its level, stands in the manual's table, and the table holds no other.

A form is "EVENT key= key=word": as it stands in the table, without the values that change.
"""
import re

MANUAL = "doc/acme-milter.8"
LEVELS = {"LOG_LEVEL_ERROR": "error", "LOG_LEVEL_WARNING": "warning", "LOG_LEVEL_INFO": "info", "LOG_LEVEL_DEBUG": "debug"}
TEXT = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(r"\b(log_write_event|log_write|log_line_\w+|\w+)\(")
FUNCTION = re.compile(r"^(?:[\w*]+[ *]+)+(\w+)\(((?:[^()]|\([^()]*\))*)\)\n\{\n(.*?)^\}", re.M | re.S)
CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]")
EXEMPT = "milter/base/log.c"


def arguments(text, start):
    """The arguments of a call whose "(" stands before start, split at the commas that are its own."""
    depth, at, begin, found = 0, start, start, []
    while at < len(text):
        if text[at] == '"':
            at = re.compile(TEXT).match(text, at).end()
            continue
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and text[at] == ","):
            found.append(text[begin:at].strip())
            begin = at + 1
        if depth < 0:
            break
        at += 1
    return found


def literal(text):
    """What a literal says, or several in a row; None for anything else."""
    if not re.fullmatch(rf"(?:{TEXT}\s*)+", text):
        return None
    return "".join(re.findall(TEXT, text))


def levels(text):
    return [LEVELS[name] for name in re.findall(r"\bLOG_LEVEL_\w+", text)]


def word(key, value):
    fixed = literal(value)
    return f"{key}={fixed if fixed is not None else ''}"


def fixed_forms(argument):
    """Of log_write: (form, fault) for each format that it may be given."""
    for text in re.findall(TEXT, argument):
        fault = "text belongs to log_write_event or log_line_add, which quote it" if "%s" in text else None
        yield CONVERSION.sub("", text), fault


class Functions:
    """The functions of one file, and the forms of what they log."""

    def __init__(self, code):
        self.bodies = {m.group(1): (m.group(2), m.group(3), code.count("\n", 0, m.start(3)) + 1) for m in FUNCTION.finditer(code)}

    def keys(self, name):
        """Those that a function adds to a line that it is handed."""
        return [key for key in self.added(self.bodies[name][1]) if key]

    def added(self, body):
        for match in CALL.finditer(body):
            name, given = match.group(1), arguments(body, match.end())
            if re.fullmatch(r"log_line_add(_\w+)?", name):
                yield word(literal(given[1]), given[2])
            elif name in self.bodies and given and re.fullmatch(r"&?line", given[0]):
                yield from self.keys(name)

    def built(self, body, line):
        """Lines made key by key: from log_line_begin to log_line_write."""
        begin = None
        for match in re.finditer(r"\blog_line_(begin|write)\(", body):
            given = arguments(body, match.end())
            if match.group(1) == "begin":
                begin, events = match.end(), re.findall(TEXT, given[1])
            elif begin is not None:
                keys, told = list(self.added(body[begin:match.start()])), levels(given[1])
                yield from pair([" ".join([event] + keys) for event in events], told, line + body.count("\n", 0, begin))
                begin = None

    def whole(self, body, line):
        """log_write and log_write_event."""
        for match in re.finditer(r"\b(log_write|log_write_event)\(", body):
            given, at = arguments(body, match.end()), line + body.count("\n", 0, match.start())
            if match.group(1) == "log_write":
                for form, fault in fixed_forms(given[1]):
                    yield from [(at, None, fault)] if fault else pair([form], levels(given[0]), at)
            else:
                parts = arguments(given[2], given[2].index("{") + 1)
                words = [word(literal(parts[i]), parts[i + 1]) for i in range(0, len(parts) - 1, 2)]
                yield from pair([" ".join([literal(given[1])] + words)], levels(given[0]), at)

    def forms(self):
        for _, body, line in self.bodies.values():
            yield from self.built(body, line)
            yield from self.whole(body, line)


def pair(events, told, line):
    """Each event with its level: one for all, or one each."""
    if len(told) not in (1, len(events)):
        yield line, None, "the level is not to be seen"
        return
    for number, event in enumerate(events):
        yield line, f"{event} ({told[number if len(told) > 1 else 0]})", None


def in_code(tree):
    """{form: (path, line)}, and the faults."""
    found, faults = {}, []
    for path in tree.under("milter/", ext=".c"):
        if path == EXEMPT or not re.search(r"\blog_(write|line)", tree.text(path)):
            continue
        # Comments away, strings stay.
        code = re.sub(rf"{TEXT}|/\*.*?\*/", lambda m: m.group() if m.group()[0] == '"' else re.sub(r"[^\n]", " ", m.group()),
                      tree.text(path), flags=re.S)
        for line, form, fault in Functions(code).forms():
            if fault:
                faults.append((path, line, fault))
            else:
                found.setdefault(form, (path, line))
        calls = len(re.findall(r"\blog_(?:write|write_event|line_begin)\(", code))
        seen = sum(len(re.findall(r"\blog_(?:write|write_event|line_begin)\(", body)) for _, body, _ in Functions(code).bodies.values())
        if calls != seen:
            faults.append((path, 1, f"only {seen} of {calls} messages could be read"))
    return found, faults


def in_manual(tree):
    text = tree.text(MANUAL)
    start = text.index(".Ss Messages")
    stop = re.compile(r"^\.S[hs] ", re.M).search(text, start + 1).start()
    found = {}
    for match in re.finditer(r"^\.It Cm ([a-z].*) Pq (\w+)$", text[start:stop], re.M):
        found[f"{match.group(1)} ({match.group(2)})"] = text.count("\n", 0, start + match.start()) + 1
    return found


def check(tree):
    code, faults = in_code(tree)
    manual = in_manual(tree)
    yield from faults
    for form in code.keys() - manual.keys():
        yield *code[form], f'"{form}" is not in {MANUAL}, Messages'
    for form in manual.keys() - code.keys():
        yield MANUAL, manual[form], f'the program does not say "{form}"'


BROKEN = {
    MANUAL: ".Sh LOG\n.Ss Messages\n.Sx Other\n.Bl -tag -width Ds\n.It Cm both why= n= Pq info\n.It Cm gone Pq info\n.It Cm one Pq error\n"
            ".It Cm two Pq warning\n.It Cm pair reason=word file= Pq error\n.It Cm fixed Pq debug\n.El\n.Ss Other\n.It Cm not Pq info\n",
    "milter/a.c": '/* log_write(LOG_LEVEL_INFO, "comment"); */\n'
                  "static void add_more(struct log_line *line)\n{\n    log_line_add_number(line, \"n\", 1);\n}\n\n"
                  "void say(const char *why, bool is)\n{\n    log_line_begin(&line, \"both\");\n    log_line_add_string(&line, \"why\", why);\n"
                  "    add_more(&line);\n    log_line_write(&line, LOG_LEVEL_INFO);\n"
                  "    log_line_begin(&line, is ? \"one\" : \"two\");\n    log_line_write(&line, is ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING);\n"
                  "    log_write_event(LOG_LEVEL_ERROR, \"pair\", (const char *[]){\"reason\", \"word\", \"file\", f(why, 1), NULL});\n"
                  "    log_write(LOG_LEVEL_DEBUG, \"fixed\");\n    log_write(LOG_LEVEL_DEBUG, \"untold n=%d\", 1);\n"
                  "    log_write(LOG_LEVEL_INFO, \"fixed\");\n    log_write(LOG_LEVEL_INFO, \"text=%s\", why);\n"
                  "    log_write(level, \"fixed\");\n}\n",
}
FOUND = [MANUAL + ":6", "milter/a.c:17", "milter/a.c:18", "milter/a.c:19", "milter/a.c:20"]
