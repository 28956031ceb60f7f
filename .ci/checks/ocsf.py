#!/usr/bin/env python3
"""Holds OCSF documents against the published schema.

The package ocsf-json-schema carries the compiled schema of every OCSF release and makes JSON Schemas (2020-12) of it. From
that of class 2004 this script cuts `schemas/ocsf-detection-finding.schema.json`, which knows the attributes that Pipewarden
writes and no others, and against the whole of it it checks documents.

    ocsf.py write                   cut the schema anew, after a change of WRITTEN below
    ocsf.py check FILE...           the kept schema is what would be cut; each line of each file is a valid finding
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"
CLASS = "detection_finding"
KEPT = Path(__file__).parents[2] / "schemas/ocsf-detection-finding.schema.json"

# The attributes that crates/core/src/alert/ocsf/document.rs writes, by object.
WRITTEN = {
    CLASS: "activity_id activity_name category_uid category_name class_uid class_name type_uid type_name time start_time "
    "end_time count message severity_id severity confidence_id confidence confidence_score risk_score status_id status "
    "is_alert metadata finding_info device resources evidences observables unmapped",
    "metadata": "version product uid correlation_uid sequence is_truncated logged_time",
    "product": "name vendor_name version",
    "finding_info": "uid title desc created_time modified_time first_seen_time last_seen_time analytic attacks "
    "data_sources related_events related_events_count tags",
    "analytic": "uid name desc type_id type",
    "attack": "version tactic technique sub_technique",
    "tactic": "uid name",
    "technique": "uid name",
    "sub_technique": "uid name",
    "related_event": "uid desc",
    "key_value_object": "name values",
    "device": "name hostname ip type_id type",
    "resource_details": "uid name hostname ip type role_id role labels",
    "evidences": "name uid src_endpoint dst_endpoint connection_info actor process file data",
    "network_endpoint": "ip port hostname",
    "network_connection_info": "direction_id direction protocol_num protocol_name",
    "actor": "user process",
    "user": "name domain uid",
    "process": "name path pid uid user",
    "file": "name path type_id type",
    "observable": "name type_id type value",
    "object": "",
}


def cut(schema, name):
    """One object of the published schema, less what is not written."""
    written = WRITTEN[name].split()
    published = schema["properties"]
    if unknown := [attribute for attribute in written if attribute not in published]:
        sys.exit(f"OCSF {VERSION} has no {name}.{unknown[0]}")
    if missing := [attribute for attribute in schema.get("required", []) if attribute not in written]:
        sys.exit(f"OCSF {VERSION} requires {name}.{missing[0]}")
    kept = {key: value for key, value in schema.items() if key not in ("properties", "anyOf", "$defs")}
    kept["properties"] = {attribute: published[attribute] for attribute in written}
    alternatives = [one for one in schema.get("anyOf", []) if set(one["required"]) <= set(written)]
    if alternatives:
        kept["anyOf"] = alternatives
    return kept


def cut_schema(published):
    """The published schema of the class, less what is not written."""
    kept = cut(published, CLASS)
    kept["$id"] = f"https://pipewarden.example/schemas/{KEPT.name}"
    kept["$comment"] = (
        f"Cut from the published schema of OCSF {VERSION} by .ci/checks/ocsf.py; what Pipewarden does not write is left out."
    )
    kept["properties"]["class_uid"]["const"] = 2004
    kept["properties"]["metadata"] = {"$ref": "#/$defs/metadata"}
    kept["$defs"] = {name: cut(published["$defs"][name], name) for name in WRITTEN if name != CLASS}
    kept["$defs"]["metadata"]["properties"]["version"]["const"] = VERSION
    return kept


def values_at(document, path):
    """Every value that a path such as `evidences[].file.name` leads to."""
    found = [document]
    for step in path.split("."):
        name, is_list = step.removesuffix("[]"), step.endswith("[]")
        found = [here[name] for here in found if isinstance(here, dict) and name in here]
        if is_list:
            found = [one for here in found for one in here]
    return found


def captions(published, where, name):
    """What JSON Schema cannot say: the caption beside a number is the published one, and nothing deprecated is written."""
    attributes = published["classes" if name == CLASS else "objects"][name]["attributes"]
    for attribute, value in where.items():
        told = attributes.get(attribute)
        if told is None:
            continue
        if "@deprecated" in told:
            yield f"{name}.{attribute} is deprecated"
        sibling = told.get("sibling")
        if told.get("enum") and sibling in where and value != 99:
            expected = told["enum"][str(value)]["caption"]
            if where[sibling] != expected:
                yield f"{name}.{sibling} is {where[sibling]!r} beside {attribute} {value}, which is {expected!r}"
        below = told.get("object_type")
        if below and below in WRITTEN and below != "object":
            for one in value if isinstance(value, list) else [value]:
                yield from captions(published, one, below)


def problems(published, validator, document):
    for error in validator.iter_errors(document):
        yield f"{error.json_path}: {error.message}"
    yield from captions(published, document, CLASS)
    if document["type_uid"] != document["class_uid"] * 100 + document["activity_id"]:
        yield f"type_uid {document['type_uid']} is not class_uid * 100 + activity_id"
    for observable in document["observables"]:
        if observable["value"] not in values_at(document, observable["name"]):
            yield f"no {observable['name']} is {observable['value']!r}"


def main():
    published = get_ocsf_schema(VERSION)
    whole = OcsfJsonSchemaEmbedded(published).get_class_schema(CLASS)
    kept = json.dumps(cut_schema(json.loads(json.dumps(whole))), indent=2) + "\n"
    if sys.argv[1:2] == ["write"]:
        KEPT.write_text(kept)
        return
    if sys.argv[1:2] != ["check"]:
        sys.exit(__doc__)
    if KEPT.read_text() != kept:
        sys.exit(f"{KEPT.name} is not what this script cuts; run .ci/checks/ocsf write")
    Draft202012Validator.check_schema(whole)
    validator = Draft202012Validator(whole)
    seen, wrong = 0, 0
    for file in sys.argv[2:]:
        for number, line in enumerate(Path(file).read_text().splitlines(), 1):
            seen += 1
            for problem in problems(published, validator, json.loads(line)):
                wrong += 1
                print(f"{file}:{number}: {problem}")
    if not seen:
        sys.exit("there was no finding to check")
    if wrong:
        sys.exit(f"{wrong} problems in {seen} findings")
    print(f"{seen} findings are valid OCSF {VERSION} {CLASS} documents")


main()
