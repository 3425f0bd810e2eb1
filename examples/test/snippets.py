#!/usr/bin/env python3
"""Holds the code in a page to the files that it is from: snippets.py PAGE...

A block of Python, Rust or Java begins after a line `<!-- from FILE -->`, with FILE as seen from the top of the tree, and
its lines stand in that file one after the other. They may be indented less than there.
"""

import re
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^(?:<!-- from (?P<file>\S+) -->\n)?```(?P<language>python|rust|java)\n(?P<code>.*?)^```$", re.M | re.S)


def stands_in(code, text):
    wanted = code.rstrip("\n").split("\n")
    lines = text.split("\n")
    for start in range(len(lines) - len(wanted) + 1):
        indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
        if all(line == (indent + snippet if snippet else "") for snippet, line in zip(wanted, lines[start:])):
            return True
    return False


def faults(page):
    blocks = list(BLOCK.finditer(page.read_text()))
    if not blocks:
        yield f"{page}: has no code"
    for block in blocks:
        line = page.read_text()[: block.start()].count("\n") + 1
        if block["file"] is None:
            yield f"{page}:{line}: a block of {block['language']} does not say which file it is from"
        elif not stands_in(block["code"], (TREE / block["file"]).read_text()):
            yield f"{page}:{line}: this is not what {block['file']} says"


def main():
    found = [fault for page in sys.argv[1:] for fault in faults(Path(page))]
    for fault in found:
        print(fault, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
