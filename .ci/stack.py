"""Asks the Prometheus of the compose stack whether the dashboard would have data, and whether anything fires.

usage: stack.py http://localhost:9090
"""

import json
import math
import pathlib
import sys
import time
import urllib.parse
import urllib.request

# Seconds until all must have data, and how long it is watched from then on.
PATIENCE = 180
WATCH = 60

# Panels that tell of what a healthy stack has not been through: the partitions it restored lie before the first scrape.
MAY_BE_EMPTY = {"Time to restore a partition"}

# Panels that must show more than that nothing has happened.
MUST_MOVE = {"Messages read", "Observations", "High confidence, 24 h"}


def get(address, path):
    with urllib.request.urlopen(address + path, timeout=10) as answer:
        return json.load(answer)["data"]


def queries():
    """Title and query of every panel, filled in as Grafana does for `All` and a scrape interval of 5 s."""
    dashboard = json.loads(pathlib.Path("helm/pipewarden/files/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$namespace", ".*").replace("$topic", ".*")
            yield panel["title"], query.replace("$__rate_interval", "20s")


def has_data(address, title, query):
    result = get(address, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))["result"]
    values = [float(series["value"][1]) for series in result]
    return any(value > 0 if title in MUST_MOVE else not math.isnan(value) for value in values)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    address = sys.argv[1]
    asked = list(queries())
    empty, began = asked, time.monotonic()
    while True:
        empty = [(title, query) for title, query in empty if not has_data(address, title, query)]
        missing = [one for one in empty if one[0] not in MAY_BE_EMPTY]
        rules = [rule for group in get(address, "/api/v1/rules")["groups"] for rule in group["rules"]]
        unsound = [rule["name"] for rule in rules if rule["health"] != "ok"]
        down = [target["labels"] for target in get(address, "/api/v1/targets")["activeTargets"] if target["health"] != "up"]
        if not (missing or unsound or down) and rules:
            break
        if time.monotonic() > began + PATIENCE:
            sys.exit(f"after {PATIENCE} s: panels without data {missing}; rules not sound {unsound}; targets down {down}")
        time.sleep(1)
    print(f"{len(asked)} queries of the dashboard asked, {len(asked) - len(empty)} have data ({time.monotonic() - began:.0f} s)")
    for title in {title for title, _ in empty}:
        print(f"no data, as it should be: {title}")
    watched = time.monotonic()
    while time.monotonic() < watched + WATCH:
        alerts = get(address, "/api/v1/alerts")["alerts"]
        if firing := [alert for alert in alerts if alert["state"] == "firing"]:
            sys.exit(f"fires and should not: {firing}")
        time.sleep(1)
    for alert in alerts:
        print(f"{alert['state']}: {alert['labels']} {alert['annotations']['summary']}")
    print(f"{len(rules)} rules sound, none fires within {WATCH} s")


main()
