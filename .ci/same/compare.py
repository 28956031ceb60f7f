#!/usr/bin/env python3
"""Compares what two versions of Pipewarden have written, record by record.

    compare.py BASE HERE

Each folder holds files GROUP/SETUP/INPUT.WHAT.ndjson. WHAT is `outputs` (what examples/outputs.rs prints) or the name of a
run of `replay`. Versions are blanked, and revision numbers become their ranks among the revisions of their alert. One line
per comparison; status 1 on any difference, and where there was too little to compare.
"""

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

# What a version calls otherwise than the base, as ("observer.vendor", "observer.maker"): applied to the base's records.
RENAMED_FIELDS = [
    ("pipewarden.config_version", "pipewarden.policy"),
    ("unmapped.pipewarden.config_version", "unmapped.pipewarden.policy"),
]

# The same of values, as ("pipewarden.status", "active", "open"), by the field's new name; and of topics.
RENAMED_VALUES = []
RENAMED_TOPICS = [("identities", "bindings")]

# Differs between versions and says nothing of behaviour: in ECS, in OCSF.
BLANKED = ("observer.version", "pipewarden.policy", "metadata.product.version", "unmapped.pipewarden.policy")

# Topics that must not be empty in the group and setup that show everything.
EVERYTHING = ("corpus", "listed")
ALERTS, FINDINGS, SUPPRESSED = "pipewarden.alerts", "pipewarden.alerts.ocsf", "pipewarden.suppressed"
TOPICS = {
    "pipewarden.observations", "ticks", "bindings", "dead-letters of the router", "dead-letters of the correlator",
    ALERTS, FINDINGS, SUPPRESSED,
}  # fmt: skip
HOLD_ALERTS = {ALERTS, FINDINGS, SUPPRESSED}

# Differences that are shown of each comparison.
SHOWN = 3


def parent_of(document, path):
    """The object that holds the field, and the field's name.

    >>> parent_of({"a": {"b": 1}}, "a.b"), parent_of({"a": 1}, "a.b")
    (({'b': 1}, 'b'), (None, 'b'))
    """
    *parts, name = path.split(".")
    for part in parts:
        document = document.get(part) if isinstance(document, dict) else None
    has_it = isinstance(document, dict) and name in document
    return (document if has_it else None), name


def rename(document, fields=None, values=None):
    """Puts the names of this version in place of the base's; a field that stays in its object keeps its place there.

    >>> rename({"a": {"b": 1, "e": 4}, "c": 2}, [("a.b", "a.d")], [("a.d", 1, 3), ("c", 1, 3)])
    {'a': {'d': 3, 'e': 4}, 'c': 2}
    >>> rename({"a": {"b": 1}, "c": 2}, [("a.b", "f.g")], [])
    {'a': {}, 'c': 2, 'f': {'g': 1}}
    """
    for old, new in RENAMED_FIELDS if fields is None else fields:
        parent, name = parent_of(document, old)
        if parent is None:
            continue
        *parts, new_name = new.split(".")
        if parts == old.split(".")[:-1]:
            fields_in_order = [(new_name if one == name else one, value) for one, value in parent.items()]
            parent.clear()
            parent.update(fields_in_order)
            continue
        place = document
        for part in parts:
            place = place.setdefault(part, {})
        place[new_name] = parent.pop(name)
    for path, old, new in RENAMED_VALUES if values is None else values:
        parent, name = parent_of(document, path)
        if parent is not None and parent[name] == old:
            parent[name] = new
    return document


def own_of(document):
    """Pipewarden's own part of an alert, in ECS or in OCSF; None of anything else."""
    if not isinstance(document, dict):
        return None
    own = document.get("pipewarden") or document.get("unmapped", {}).get("pipewarden")
    return own if isinstance(own, dict) and "alert_id" in own else None


def neutral(documents):
    """Blanks versions, and ranks revisions within their alert, over all documents together.

    >>> alert = lambda id, revision: {"pipewarden": {"alert_id": id, "revision": revision, "policy": "1"}}
    >>> [own_of(one)["revision"] for one in neutral([alert("a", 7), alert("b", 9), alert("a", 30), alert("a", 7)])]
    [0, 0, 1, 0]
    >>> neutral([alert("a", 7)]) == neutral([alert("a", 8)]), neutral([alert("a", 7)]) == neutral([alert("b", 7)])
    (True, False)
    >>> neutral([alert("a", 7), alert("a", 8)]) == neutral([alert("a", 8), alert("a", 7)])
    False
    """
    revisions = defaultdict(set)
    for document in documents:
        if own := own_of(document):
            revisions[own["alert_id"]].add(own["revision"])
    ranks = {id: {number: rank for rank, number in enumerate(sorted(numbers))} for id, numbers in revisions.items()}
    for document in documents:
        own = own_of(document)
        if not own:
            continue
        number = own["revision"]
        rank = own["revision"] = ranks[own["alert_id"]][number]
        for path, of_number, of_rank in (
            ("metadata.sequence", number, rank),
            ("metadata.uid", f"{own['alert_id']}-{number}", f"{own['alert_id']}-{rank}"),
        ):
            parent, name = parent_of(document, path)
            if parent is not None and parent[name] == of_number:
                parent[name] = of_rank
        for path in BLANKED:
            parent, name = parent_of(document, path)
            if parent is not None:
                parent[name] = ""
    return documents


def lines_of(file):
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load(file, is_base):
    """Streams of documents by topic and partition; standard output is one stream."""
    lines, is_log = lines_of(file), ".outputs." in file.name
    documents = [line["value"] for line in lines] if is_log else lines
    if is_base:
        for document in documents:
            if isinstance(document, dict):
                rename(document)
    neutral(documents)
    if not is_log:
        return {("standard output", 0): documents}
    topics = dict(RENAMED_TOPICS) if is_base else {}
    streams = defaultdict(list)
    for line in lines:
        streams[topics.get(line["topic"], line["topic"]), line["partition"]].append((line["key"], line["value"]))
    return streams


def differences(base, here, path=""):
    """Where two documents differ, field by field.

    >>> list(differences({"a": [1, 2], "b": 1}, {"a": [1, 3], "c": 1}))
    ['a[1]: 2 -> 3', 'b: 1 -> nothing', 'c: nothing -> 1']
    """
    if isinstance(base, dict) and isinstance(here, dict):
        for name in base | here:
            place = f"{path}.{name}".lstrip(".")
            if name in base and name in here:
                yield from differences(base[name], here[name], place)
            else:
                was, is_now = (json.dumps(one[name]) if name in one else "nothing" for one in (base, here))
                yield f"{place}: {was} -> {is_now}"
    elif isinstance(base, (list, tuple)) and isinstance(here, (list, tuple)) and len(base) == len(here):
        for place, (one, other) in enumerate(zip(base, here)):
            yield from differences(one, other, f"{path}[{place}]")
    elif base != here:
        yield f"{path}: {json.dumps(base)} -> {json.dumps(here)}"


def as_written(document):
    """The order of fields counts, too."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class Comparison:
    """One topic, or standard output, of one group and setup, over all inputs and partitions."""

    def __init__(self):
        self.records, self.alerts, self.partitions, self.problems = 0, set(), set(), []

    def add(self, where, base, here):
        place, partition = where
        self.records += len(base)
        self.partitions.add(partition)
        documents = (one[1] if isinstance(one, tuple) else one for one in base)
        self.alerts.update(own["alert_id"] for own in map(own_of, documents) if own)
        place = f"{place}, partition {partition}"
        if len(base) != len(here):
            self.problems.append(f"{place}: {len(base)} records -> {len(here)}")
        for number, (one, other) in enumerate(zip(base, here)):
            if as_written(one) != as_written(other):
                what = list(differences(one, other)) or ["the order of fields"]
                more = f"; and {len(what) - 5} more" if len(what) > 5 else ""
                self.problems.append(f"{place}, record {number}: " + "; ".join(one[:300] for one in what[:5]) + more)


def compare(base, here):
    """Comparisons by group, setup, run and topic."""
    found = defaultdict(Comparison)
    files = {side: {file.relative_to(side) for file in side.rglob("*.ndjson")} for side in (base, here)}
    if files[base] != files[here]:
        sys.exit(f"only one side has {sorted(map(str, files[base] ^ files[here]))}")
    for file in sorted(files[base]):
        group, setup, name = file.parts
        name, what = name.removesuffix(".ndjson").rsplit(".", 1)
        one, other = load(base / file, True), load(here / file, False)
        for stream in sorted(one.keys() | other.keys()):
            topic, partition = stream
            found[group, setup, what, topic].add((name, partition), one.get(stream, []), other.get(stream, []))
    return found


def too_little(found):
    """What was not there to be compared: a comparison of nothing cannot fail."""
    in_full = {topic: one for (*where, what, topic), one in found.items() if tuple(where) == EVERYTHING and what == "outputs"}
    for topic in sorted(TOPICS):
        if topic not in in_full:
            yield f"the corpus gives no record of {topic}"
    for topic in sorted(HOLD_ALERTS & in_full.keys()):
        if not in_full[topic].alerts:
            yield f"the corpus gives no alert on {topic}"
    alerts = Counter()
    for (group, _, what, _), one in found.items():
        alerts[group, what] += len(one.alerts)
    for (group, what), number in alerts.items():
        if not number:
            yield f"{group} gives no alert in {what}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = compare(*map(Path, sys.argv[1:]))
    for (group, setup, what, topic), one in sorted(found.items(), key=lambda one: one[0]):
        verdict = "DIFFERENT" if one.problems else "equal"
        alerts = f" of {len(one.alerts)} alerts" if one.alerts else ""
        partitions = f" in {len(one.partitions)} partitions" if what == "outputs" else ""
        print(f"{verdict}: {group}, {setup}, {what}, {topic}: {one.records} records{alerts}{partitions}")
        for problem in one.problems[:SHOWN]:
            print(f"    {problem}")
        if len(one.problems) > SHOWN:
            print(f"    and {len(one.problems) - SHOWN} more")
    missing = list(too_little(found))
    for what in missing:
        print(f"TOO LITTLE: {what}")
    different = sum(1 for one in found.values() if one.problems)
    records = sum(one.records for one in found.values())
    print(f"{len(found)} comparisons of {records} records, {different} different")
    sys.exit(1 if different or missing else 0)


if __name__ == "__main__":
    main()
