#!/usr/bin/env python3
"""Compares the instruction counts of two runs of the bench `instructions`, benchmark by benchmark.

    instructions.py BASE HERE    what `cargo bench --bench instructions -- --output-format=json` prints

Status 1 where one takes more than 3 % more, and where a benchmark of the base is missing or there is none at all.
"""

import json
import sys

# In percent.
AT_MOST = 3.0


def counts(file):
    found = {}
    with open(file, encoding="utf-8") as lines:
        for summary in map(json.loads, lines):
            metrics = next(one["data"]["total"]["metrics"] for one in summary["profiles"] if one["tool"] == "Callgrind")
            values = metrics["Ir"]["values"]
            found[f"{summary['function_name']} {summary['id']}"] = values["new"]
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    base, here = map(counts, sys.argv[1:])
    worse = []
    for name, before in base.items():
        if name not in here:
            worse.append(name)
            print(f"{name}: {before} -> missing")
            continue
        percent = (here[name] / before - 1) * 100
        verdict = "TOO MUCH" if percent > AT_MOST else "held"
        print(f"{name}: {before} -> {here[name]}, {percent:+.2f} %, {verdict}")
        if percent > AT_MOST:
            worse.append(name)
    print(f"{len(base)} benchmarks, {len(worse)} take more than {AT_MOST:.0f} % more instructions")
    sys.exit(1 if worse or not base else 0)


main()
