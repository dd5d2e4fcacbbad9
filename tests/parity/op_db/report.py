"""The figure, and what is missing or differs, grouped by kind."""

from __future__ import annotations

from collections import Counter

from .check import Result

KINDS = ("crash", "missing", "raises", "shape", "dtype", "stride", "value", "grad", "error-class")


def figure(results: list[Result]) -> str:
    """How many of the entries that are compared pass.

    >>> figure([Result("add"), Result("sparse.mm", outside="sparse")])
    '1 of 1 entries agree (100.0 %), 0 samples; 1 outside: 1 sparse'
    """
    compared = [result for result in results if not result.outside]
    passed = sum(result.passed for result in compared)
    share = 100 * passed / max(len(compared), 1)
    text = f"{passed} of {len(compared)} entries agree ({share:.1f} %), {sum(r.samples for r in compared)} samples"
    reasons = Counter(result.outside for result in results if result.outside)
    return text + (
        f"; {reasons.total()} outside: " + ", ".join(f"{n} {why}" for why, n in reasons.items()) if reasons else ""
    )


def listing(results: list[Result]) -> str:
    """A line for each failure, under the kind it is of."""
    lines = []
    for kind in KINDS:
        found = [(r, f) for r in results for f in r.failures if f.kind == kind]
        if found:
            lines.append(f"\n{kind}: {len({result.entry for result, _ in found})} entries")
        for result, failure in found:
            times = f" x{failure.samples}" if failure.samples > 1 else ""
            lines.append(f"  {result.entry} {failure.dtype}{times}: {' '.join(failure.message.split())[:400]}")
    return "\n".join(lines)
