"""gaps.txt: the entries that do not agree yet, a name a line."""

from __future__ import annotations

from pathlib import Path

from .check import Result

FILE = Path(__file__).with_name("gaps.txt")


def read() -> set[str]:
    return {line for line in FILE.read_text().splitlines() if line and not line.startswith("#")}


def write(results: list[Result]) -> None:
    """Record what `results` found; entries that they do not hold stay as they are."""
    seen = {result.entry for result in results}
    gaps = read() - seen | {result.entry for result in results if result.failures}
    head = [line for line in FILE.read_text().splitlines() if line.startswith("#")]
    FILE.write_text("\n".join([*head, *sorted(gaps)]) + "\n")
