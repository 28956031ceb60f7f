#!/usr/bin/env python3
"""An inventory of the hosts that a run without one has taken for destinations.

    hosts.py OUTPUTS...    files that examples/outputs.rs has written, to YAML on standard output
"""

import ipaddress
import json
import sys


def is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    names = set()
    for file in sys.argv[1:]:
        with open(file, encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                if record["topic"] == "pipewarden.observations" and "observation" in record["value"]:
                    names.add(record["key"])
    # The key of what no router wrote.
    names.discard("")
    print("assets:" if names else "assets: []")
    for number, name in enumerate(sorted(names)):
        if is_address(name):
            print(f"  - name: recorded-{number}\n    addresses: ['{name}']")
        else:
            print(f"  - name: '{name}'")
        print("    roles: [tier0]")


main()
