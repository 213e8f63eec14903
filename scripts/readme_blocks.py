#!/usr/bin/env python3
"""Print a fenced code block of the README, so that what it promises is what gets tested.

python scripts/readme_blocks.py "Quick start" sh 2     the second sh block of that section
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).resolve().parent.parent / "README.md"


class Block(NamedTuple):
    """One fenced code block: the section it stands in, its language and its text."""

    section: str
    language: str
    text: str


def blocks(markdown: str) -> list[Block]:
    """Return the fenced code blocks of a Markdown text, in order.

    A block's section is the nearest heading of the second level above it; a ``#`` inside a block is no heading.
    """
    found = []
    section = ""
    language: str | None = None
    lines: list[str] = []
    for line in markdown.splitlines():
        if language is not None:
            if line.strip() == "```":
                found.append(Block(section, language, "\n".join(lines) + "\n"))
                language = None
            else:
                lines.append(line)
        elif line.startswith("```"):
            language, lines = line.removeprefix("```").strip(), []
        elif line.startswith("## "):
            section = line.removeprefix("## ").strip()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the block that was asked for and return the exit code."""
    parser = argparse.ArgumentParser(description="Print a fenced code block of the README.")
    parser.add_argument("section", help="heading of the section, without its ##")
    parser.add_argument("language", help="language of the block, as after its ```")
    parser.add_argument("number", type=int, help="which of the section's blocks of that language, from 1")
    options = parser.parse_args(arguments)
    section, language, number = options.section, options.language, options.number

    found = [b.text for b in blocks(README.read_text("utf-8")) if (b.section, b.language) == (section, language)]
    if not 1 <= number <= len(found):
        parser.error(f"section {section!r} has {len(found)} {language} blocks, so there is no number {number}")
    print(found[number - 1], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
