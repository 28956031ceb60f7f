#!/usr/bin/env python3
"""Holds the exports of `pipewarden export` against the parsers of the systems they are for.

    export.py sigma FILE...    pySigma reads every document, resolves every correlation, and its backend for Splunk
                                    converts them
    export.py eql FILE...      the parser of PyPI's eql, in the dialect that Elastic's detection rules are checked with,
                                    reads every query

KQL is read by kql.mjs. There is no parser of SPL to be had; tests hold its brackets and quotes in balance, and that is all.
"""

import re
import sys
from pathlib import Path


def sigma(text):
    from sigma.backends.splunk import SplunkBackend
    from sigma.collection import SigmaCollection
    from sigma.correlations import SigmaCorrelationRule
    from sigma.validation import SigmaValidator
    from sigma.validators.core import validators

    rules = SigmaCollection.from_yaml(text)
    if errors := [error for rule in rules for error in rule.errors]:
        raise errors[0]
    rules.resolve_rule_references()
    correlations = [rule for rule in rules if isinstance(rule, SigmaCorrelationRule)]
    # Two validators fetch the catalogues of tags from elsewhere.
    offline = [one for name, one in validators.items() if name not in ("attacktag", "d3_fendtag")]
    issues = SigmaValidator(set(offline)).validate_rules(iter(rules))
    # Conventions of SigmaHQ's own repository, which an export is not a part of, are no matter of validity.
    grave = [issue for issue in issues if issue.severity.name == "HIGH"]
    if grave:
        raise ValueError("; ".join(str(issue) for issue in grave))
    queries = SplunkBackend().convert(rules)
    # A rule about accounts is one document without a correlation.
    alone = len(rules.rules) == 1
    if not (correlations or alone) or len(queries) < max(1, len(correlations)):
        raise ValueError(f"{len(queries)} queries were made of {len(correlations)} correlations")
    return len(rules.rules)


def eql(text):
    import eql.parser

    queries = [part for part in re.split(r"\n\n", text) if re.search(r"^[^/]", part, re.MULTILINE)]
    with eql.parser.elasticsearch_syntax, eql.parser.elastic_endpoint_syntax:
        for query in queries:
            eql.parser.parse_query(query, implied_any=False)
    return len(queries)


def main():
    languages = {"sigma": sigma, "eql": eql}
    if len(sys.argv) < 3 or sys.argv[1] not in languages:
        sys.exit(__doc__)
    for file in sys.argv[2:]:
        number = languages[sys.argv[1]](Path(file).read_text())
        if not number:
            sys.exit(f"{file}: there was nothing to read")
        print(f"{file}: {number} {sys.argv[1]} documents or queries are valid")


main()
