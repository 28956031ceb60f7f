#!/usr/bin/env python3
"""Holds the packages of the workspace to the arrows between them.

    cargo metadata --format-version 1 | house.py PURE...

Reads the resolved dependencies, and the sources below each folder PURE, which may use neither files nor a clock. Every breach
is a line, with the way that leads to it; then the exit status is 1.
"""

import json
import re
import sys
from pathlib import Path

# Which members of the workspace a member may need, to build or to run.
ARROWS = {
    "pipewarden": {"pipewarden-kafka", "pipewarden-tools", "pipewarden-engine", "pipewarden-core"},
    "pipewarden-kafka": {"pipewarden-engine", "pipewarden-core"},
    "pipewarden-tools": {"pipewarden-engine", "pipewarden-core"},
    "pipewarden-engine": {"pipewarden-core"},
    "pipewarden-core": set(),
    # For tests only: nobody needs it to build or to run.
    "pipewarden-testkit": {"pipewarden-tools", "pipewarden-engine", "pipewarden-core"},
}
# What a member may not need, not even by way of others.
FORBIDDEN = {
    "pipewarden-core": {"tokio", "rdkafka", "rdkafka-sys", "clap"},
    "pipewarden-engine": {"rdkafka", "rdkafka-sys"},
    "pipewarden-tools": {"rdkafka", "rdkafka-sys"},
}
IMPURE = re.compile(r"\bstd::fs\b|\bfs::|std::\{[^}]*\bfs\b|\b(Instant|Timestamp|Zoned)::now\b|\bSystemTime\b")


def way_to(start, forbidden, needs, names):
    """The shortest way along normal dependencies from a package to one of these names, or None."""
    ways, seen = [[start]], {start}
    for way in ways:
        for package in sorted(needs[way[-1]].get(None, ())):
            if names[package] in forbidden:
                return [*way, package]
            if package not in seen:
                seen.add(package)
                ways.append([*way, package])
    return None


def wrong_arrows(metadata):
    names = {package["id"]: package["name"] for package in metadata["packages"]}
    # By package and kind of dependency: None is a normal one.
    needs = {node["id"]: {} for node in metadata["resolve"]["nodes"]}
    for node in metadata["resolve"]["nodes"]:
        for dependency in node["deps"]:
            for kind in dependency["dep_kinds"]:
                needs[node["id"]].setdefault(kind["kind"], set()).add(dependency["pkg"])
    members = set(metadata["workspace_members"])
    for member in sorted(members):
        name = names[member]
        if name not in ARROWS:
            yield f"{name} has no place in ARROWS: say there what it may need"
            continue
        for kind in (None, "build"):
            for needed in sorted(needs[member].get(kind, set()) & members):
                if names[needed] not in ARROWS[name]:
                    yield f"{name} must not need {names[needed]}"
        way = way_to(member, FORBIDDEN.get(name, set()), needs, names)
        if way:
            yield f"{name} must not need {names[way[-1]]}: " + " -> ".join(names[package] for package in way)


def impure_lines(folder):
    for path in sorted(Path(folder).rglob("*.rs")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if IMPURE.search(line.split("//")[0]):
                yield f"{path}:{number}: neither files nor a clock here: {line.strip()}"


def main():
    breaches = list(wrong_arrows(json.load(sys.stdin)))
    for folder in sys.argv[1:]:
        if not any(Path(folder).rglob("*.rs")):
            breaches.append(f"{folder} holds no source")
        breaches += impure_lines(folder)
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


sys.exit(main())
