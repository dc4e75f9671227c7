# SPDX-License-Identifier: BSD-2-Clause
"""Result objects held against doc/endpoint/result.schema.json by python3-jsonschema.

Readers must take members and findings that a later version adds; ours may have none that the schema does not know."""
import copy
import json
import os

import jsonschema

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "doc", "endpoint")


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return json.load(file)


def close(schema):
    """No further members in any object that lists its own, in place."""
    if isinstance(schema, dict):
        if "required" in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)


def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def strict_schema():
    schema = copy.deepcopy(load("result.schema.json"))
    close(schema)
    schema["$defs"]["findingName"] = schema["$defs"]["knownFinding"]
    return schema


OPEN = validator(load("result.schema.json"))
STRICT = validator(strict_schema())
SIGNED = validator(load("signed-result.schema.json"))
PROTECTED = validator(load("signed-result.schema.json")["$defs"]["protected"])


def faults(document, by=STRICT):
    for error in sorted(by.iter_errors(document), key=str):
        yield "schema: %s: %s" % (error.json_path, error.message[:300])
