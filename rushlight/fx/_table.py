"""Rows under headings, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(rows: Sequence[Sequence[Any]], headings: Sequence[str]) -> str:
    """Columns as wide as their contents, two spaces apart; columns of numbers to the right.

    >>> print(table([["a", 1], ["bcd", 20]], ["name", "n"]))
    name      n
    ------  ---
    a         1
    bcd      20
    """
    columns = [
        [heading, *(str(row[n]) for row in rows)] for n, heading in enumerate(headings)
    ]  # fmt: skip
    right = [bool(rows) and all(isinstance(row[n], (int, float)) for row in rows) for n in range(len(headings))]
    widths = [max(len(column[0]) + 2, *map(len, column[1:]), 0) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right)
        )
        for line in zip(*columns, strict=True)
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)
