"""`python -m tests.parity.op_db`: how much of PyTorch's op_db agrees, and what does not."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from . import gaps
from .check import DTYPES, Failure, Result, check, entries, title
from .report import figure, listing


def load(path: Path) -> dict[str, Result]:
    found = json.loads(path.read_text()) if path.exists() else []
    return {item["entry"]: Result(**{**item, "failures": [Failure(**f) for f in item["failures"]]}) for item in found}


def save(path: Path, results: dict[str, Result]) -> None:
    path.write_text(json.dumps([result.as_dict() for result in results.values()], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.parity.op_db", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these entries (`sort`, `div[floor_rounding]`)")
    parser.add_argument("--match", metavar="TEXT", help="entries whose name begins with TEXT")
    parser.add_argument("--dtypes", nargs="+", metavar="DTYPE", help="float32 float64 int64 bool complex64")
    parser.add_argument("--cap", type=int, default=96, help="samples of an entry and dtype at most (default 96)")
    parser.add_argument("--grad", action=argparse.BooleanOptionalAction, default=True, help="compare gradients")
    parser.add_argument("--errors", action=argparse.BooleanOptionalAction, default=True, help="compare refusals")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, after every entry")
    parser.add_argument("--resume", action="store_true", help="leave out what FILE holds; what crashed counts as held")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no entry after so many")
    parser.add_argument("--gaps", action="store_true", help="write what does not agree to gaps.txt")
    options = parser.parse_args()

    results = load(options.json) if options.json and options.resume else {}
    dtypes = [kind for kind in DTYPES if not options.dtypes or str(kind).removeprefix("torch.") in options.dtypes]
    started = time.monotonic()
    left = 0
    for entry in entries():
        name = title(entry)
        if options.only and not {name, entry.name}.intersection(options.only) or name in results:
            continue
        if options.match and not name.startswith(options.match):
            continue
        if time.monotonic() - started > options.seconds:
            left += 1
            continue
        if options.json:
            save(options.json, results | {name: Result(name, failures=[Failure("", "crash", "the process ended")])})
        results[name] = check(entry, cap=options.cap, gradients=options.grad, errors=options.errors, dtypes=dtypes)
        if options.json:
            save(options.json, results)
    if options.gaps:
        gaps.write(list(results.values()))
    print(listing(list(results.values())))
    print("\n" + figure(list(results.values())) + (f"; {left} not reached" if left else ""))


if __name__ == "__main__":
    main()
