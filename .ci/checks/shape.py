#!/usr/bin/env python3
r"""Holds Rust files to at most 400 lines and functions to at most 70.

    shape.py FILE...

A function's lines are counted from the line with `fn` to its closing brace, both included. rustfmt puts that brace at the
indentation of the function's first line, so nothing needs to be parsed; `.ci/run` checks the format first. Every breach is a
line; then the exit status is 1.

>>> three = ["fn three() {", "    work();", "}"]
>>> list(functions(three))
[(1, 'three', 3)]

Modifiers, attributes before it, a signature of several lines and functions within functions:

>>> list(functions([
...     "impl Some {",
...     "    #[must_use]",
...     "    pub(super) const fn outer<T>(",
...     "        number: u64,",
...     "    ) -> u64 {",
...     "        fn inner() {",
...     "            work();",
...     "        }",
...     "        number",
...     "    }",
...     "}",
... ]))
[(6, 'inner', 3), (3, 'outer', 8)]

Functions without a body, and those that end on their own line, are none to count; text is no code:

>>> list(functions(["trait Some {", "    fn declared(&self);", "    fn empty(&self) {}", "}"]))
[]
>>> list(functions(["    fn declared(", "        number: u64,", "    ) -> u64;", "    fn next() {", "    }"]))
[(4, 'next', 2)]
>>> list(functions(["// fn comment() {", "/// fn example() {", "/// }"]))
[]

In a raw text a line may look like the end of a function; the text is skipped, and the end of a macro is not taken for one:

>>> list(functions(["fn text() {", '    let text = r#"', "}", '"#;', "}"]))
[(1, 'text', 5)]
>>> list(functions(["fn text() {", '    let text = "\\r";', "}", '"', "}"]))
[(1, 'text', 3)]
>>> list(functions(["proptest! {", "    fn holds(number in 0..9) {", "        check(number);", "    }", "}"]))
[(2, 'holds', 3)]

What it cannot count it does not pass over:

>>> list(functions(["    fn odd() {", "  }"]))
Traceback (most recent call last):
ValueError: line 1: no end of the function odd at its own indentation

Functions and files that are too long:

>>> long = ["fn long() {"] + ["    work();"] * 69 + ["}"]
>>> list(breaches("src/a.rs", long))
['src/a.rs:1: the function long has 71 lines, and 70 are the most']
>>> list(breaches("src/a.rs", [""] * 401))
['src/a.rs: 401 lines, and 400 are the most']
"""

import doctest
import re
import sys
from pathlib import Path

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 70

FUNCTION = re.compile(
    r'(?P<indent> *)(?:pub(?:\([^)]*\))? )?(?:default )?(?:const )?(?:async )?(?:unsafe )?(?:extern "[^"]*" )?fn (?P<name>\w+)'
)
RAW_TEXT = re.compile(r'(?<![\w\\])[bc]?r(#*)"')


def code_lines(lines):
    """Each line with its number, without the lines within raw texts."""
    end_of_text = None
    for number, line in enumerate(lines, start=1):
        if end_of_text:
            # What follows a raw text on its last line is the rest of a statement.
            if end_of_text in line:
                end_of_text = None
            continue
        yield number, line
        for begin in RAW_TEXT.finditer(line):
            end = '"' + begin.group(1)
            if end not in line[begin.end() :]:
                end_of_text = end


def functions(lines):
    """Number of the first line, name and number of lines of each function with a body of its own lines, by their ends."""
    open_functions = []
    for number, line in code_lines(lines):
        begin = FUNCTION.match(line)
        if begin and not line.rstrip().endswith(("{}", ";", " }")):
            open_functions.append((number, begin["name"], begin["indent"]))
        elif open_functions:
            first, name, indent = open_functions[-1]
            if line.rstrip() == indent + "}":
                open_functions.pop()
                yield first, name, number - first + 1
            # A declaration without a body ends with its signature.
            elif line.startswith(indent + ")") and line.rstrip().endswith((";", "{}")):
                open_functions.pop()
    for first, name, _ in open_functions:
        raise ValueError(f"line {first}: no end of the function {name} at its own indentation")


def breaches(path, lines):
    if len(lines) > MOST_LINES_OF_A_FILE:
        yield f"{path}: {len(lines)} lines, and {MOST_LINES_OF_A_FILE} are the most"
    for first, name, length in functions(lines):
        if length > MOST_LINES_OF_A_FUNCTION:
            yield f"{path}:{first}: the function {name} has {length} lines, and {MOST_LINES_OF_A_FUNCTION} are the most"


def breaches_of_file(path):
    try:
        return list(breaches(path, Path(path).read_text().splitlines()))
    except ValueError as error:
        return [f"{path}: {error}"]


def main():
    if doctest.testmod().failed:
        return 1
    paths = sys.argv[1:]
    found = [breach for path in paths for breach in breaches_of_file(path)]
    for breach in found:
        print(breach, file=sys.stderr)
    if len(paths) < 100:
        print(f"{len(paths)} files are not the workspace", file=sys.stderr)
        return 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
