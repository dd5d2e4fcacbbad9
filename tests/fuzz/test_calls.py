"""Random wrong calls of the whole public API (R19): no abort, no hang over a second, and only exceptions that are documented.

`python tests/fuzz/test_calls.py 100000` makes that many, in processes that are watched, and prints the figures;
`python tests/fuzz/test_calls.py beside 2000` says how many of so many end as in PyTorch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

COMMIT, NIGHTLY, SILENCE = 1000, 100_000, 20.0  # calls, calls, seconds
MEMORY = 3 << 30  # bytes that a process of calls may ask for


def make_calls(first: int, end: int, progress: Path) -> None:
    """In a process of its own: the calls of these seeds; each complaint is a line of JSON, the counts are the last line."""
    import resource

    import invalid_calls

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts: Counter[str] = Counter()
    with progress.open("w") as file:
        for seed in range(first, end):
            file.seek(0)
            file.write(f"{seed:<12}")
            file.flush()
            call = invalid_calls.Call(seed)
            text, kind = invalid_calls.complaint(call)
            counts["wrong" if text else kind] += 1
            if text:
                print(json.dumps([seed, kind, f"{call}\n    {text}"]), flush=True)
    print(json.dumps(counts), flush=True)


def watched(first: int, end: int) -> tuple[Counter[str], list[list]]:
    """The same, watched: a process that dies or falls silent costs the call that it was at."""
    counts: Counter[str] = Counter()
    wrong: list[list] = []
    while first < end:
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "out", "w+") as out:
            progress = Path(folder) / "progress"
            process = subprocess.Popen(
                [sys.executable, __file__, "worker", str(first), str(end), str(progress)],
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
            at, since = first, time.monotonic()
            while process.poll() is None:
                time.sleep(0.05)
                now = int(progress.read_text().strip() or first) if progress.exists() else first
                if now != at:
                    at, since = now, time.monotonic()
                elif time.monotonic() - since > SILENCE:
                    process.kill()
                    process.wait()
            out.seek(0)
            lines = [json.loads(line) for line in out]
            wrong += [line for line in lines if isinstance(line, list)]
            counts.update(next((line for line in lines if isinstance(line, dict)), {}))
            if process.returncode == 0:
                return counts, wrong
            at = int(progress.read_text().strip() or first) if progress.exists() else first
            kind = "hang" if process.returncode == -9 else "abort"
            counts[kind] += 1
            wrong.append([at, kind, f"seed {at}: the process ended with {process.returncode}"])
            first = at + 1
    return counts, wrong


def test_wrong_calls_are_refused_as_documented():
    counts, wrong = watched(0, COMMIT)
    assert wrong == [], "\n".join(text for _, _, text in wrong[:5])
    assert sum(counts.values()) == COMMIT
    assert (
        counts["TypeError"] > COMMIT // 8 and counts["RuntimeError"] > COMMIT // 20 and counts["nothing"] > COMMIT // 20
    )


def main(first: int, end: int) -> int:
    counts, wrong = watched(first, end)
    shown: Counter[str] = Counter()
    for _, kind, text in wrong:
        shown[kind] += 1
        if shown[kind] < 3:
            print(text)
    for kind, count in shown.most_common():
        print(f"{count:6} {kind}")
    bad = {kind: counts[kind] for kind in ("abort", "hang", "wrong")}
    print(
        f"R19 wrong calls: {end - first} calls, {bad['abort']} aborts, {bad['hang']} hangs, {bad['wrong']} undocumented exceptions; {dict(counts)}"
    )
    return len(wrong)


def make_calls_beside(count: int) -> None:
    """In this process: a sample that PyTorch makes too."""
    import invalid_calls
    import torch

    counts = Counter(invalid_calls.beside(seed, torch) for seed in range(count))
    both = count - counts["both return"] - counts["refused here only"] - counts["refused there only"]
    for kind, number in counts.most_common(20):
        print(f"{number:6} {kind}")
    print(
        f"R19 beside PyTorch: of {count} calls both refuse {both}, {counts['same class']} with a class that the same handler catches"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["beside"]:
        make_calls_beside(int(sys.argv[2]))
    elif sys.argv[1:2] == ["worker"]:
        make_calls(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        numbers = [int(text) for text in sys.argv[1:]] or [NIGHTLY]
        sys.exit(main(*numbers) if len(numbers) > 1 else main(0, numbers[0]))
