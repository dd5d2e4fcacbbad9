"""Workloads side by side, in two live processes that take turns.

    python benchmarks/compare.py                             PyTorch beside Rushlight, everything
    python benchmarks/compare.py mlp_tiny linreg             some of it
    python benchmarks/compare.py --a 'old/bin/python:rushlight' --b 'new/bin/python:rushlight'

A side is PYTHON:LIBRARY, or PYTHON:torch:compile for torch.compile. Printed: the median time of a step on each side,
the very first step (imports left out), and the median of the paired ratios A/B: above 1, B is faster.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

import workloads


def serve(library: str, name: str, mode: str) -> None:
    """In a process of its own: prepare a workload, then time a round for every line that comes in."""
    torch = workloads.load(library)
    torch.set_num_threads(os.cpu_count() or 1)
    step = next(w for w in workloads.ALL if w.__name__ == name)(torch)
    if mode == "compile":
        step = torch.compile(step)
    start = time.perf_counter()
    value = step()
    first = time.perf_counter() - start
    for _ in range(5):
        step()
    start = time.perf_counter()
    step()
    repeats = max(1, int(0.15 / max(time.perf_counter() - start, 1e-6)))
    print(json.dumps({"first": first, "value": value}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        print((time.perf_counter() - start) / repeats, flush=True)


class Side:
    """A live process with one workload in one library."""

    def __init__(self, side: str, name: str):
        python, library, *mode = side.split(":")
        self.process = subprocess.Popen(
            [python, __file__, "--serve", library, name, *(mode or ["eager"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ready = self._read()
        while ready and not ready.startswith("{"):
            ready = self._read()
        self.first = json.loads(ready)["first"] if ready else math.nan
        self.times: list[float] = []
        self.error = "" if ready else self._why()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def _why(self) -> str:
        return (self.process.communicate()[1].strip().splitlines() or ["it ended without a word"])[-1]

    def round(self) -> None:
        if not self.error:
            assert self.process.stdin is not None
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            self.times.append(float(self._read()))

    def close(self) -> None:
        if not self.error:
            self.process.communicate()


def compare(a: str, b: str, name: str, rounds: int) -> dict:
    """One workload on both sides."""
    sides = [Side(a, name), Side(b, name)]
    for _ in range(rounds):
        for side in sides:
            side.round()
    for side in sides:
        side.close()
    medians = [statistics.median(s.times) if s.times else math.nan for s in sides]
    pairs = [x / y for x, y in zip(*(s.times for s in sides), strict=False)]
    return {
        "name": name, "median_s": medians, "first_s": [s.first for s in sides], "errors": [s.error for s in sides],
        "ratio": statistics.median(pairs) if pairs else math.nan,
    }  # fmt: skip


def main() -> None:
    names = [w.__name__ for w in workloads.ALL]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--a", default=f"{sys.executable}:torch", metavar="PYTHON:LIBRARY")
    parser.add_argument("--b", default=f"{sys.executable}:rushlight", metavar="PYTHON:LIBRARY")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    parser.add_argument("names", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in names]
    if unknown:
        parser.error(f"no workload {unknown[0]!r}; there are {', '.join(names)}")
    print(f"A = {options.a}\nB = {options.b}\n")
    print(f"{'workload':18s} {'A':>12s} {'B':>12s} {'A/B':>7s} {'first A':>11s} {'first B':>11s}")
    rows = []
    for name in options.names or names:
        row = compare(options.a, options.b, name, options.rounds)
        rows.append(row)
        steps = " ".join(f"{1e3 * t:9.3f} ms" for t in row["median_s"])
        first = " ".join(f"{1e3 * t:8.0f} ms" for t in row["first_s"])
        print(f"{name:18s} {steps} {row['ratio']:7.2f} {first}", flush=True)
        for side, error in zip("AB", row["errors"], strict=True):
            if error:
                print(f"{'':18s} {side} failed: {error}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:5])
    else:
        main()
