"""How near workloads come to what the machine can do at most, with everything measured in the same run.

    python benchmarks/limits.py [WORKLOAD ...]

Of the machine, between the rounds of each workload: multiply-adds on registers, divisions on registers, a copy between arrays
larger than the caches (bytes read and written; the line that a store begins is read too, and not counted), and an
update in place (no such hidden reads).

Of a workload: the median step and what of it the kernels took; the bytes that kernels read and write; the floating-point operations
in their innermost loops, functions opened up (a multiply-add is two). Two times follow that no kernel with this work can beat:

    memory       bytes / the speed of the update in place
    arithmetic   multiplies and multiply-adds at the measured peak, or divisions at theirs, whichever takes longer

The larger one binds; the share is that time over the kernels' time. `of copy` is bytes over the kernels' time, as a share of the
copy's speed. Additions are left out of the arithmetic limit because some processors do them beside the multiplies.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from dataclasses import dataclass

import numpy as np
import workloads

import rushlight as torch
from rushlight.backend.llvm import jit, program, roofline, target, text, threads
from rushlight.backend.llvm.instruction import Instruction

# The elements that the largest kernel of a step visits, all its calls together; products count their own work.
ELEMENTS = {"pointwise_chain": 4_000_000, "softmax_norm": 4096 * 1024, "adam_10m": 10_000_000, "gemm_1024": 0}
ROUNDS = 9
_STREAM = 1 << 26  # bytes updated in place
_OPERATION = re.compile(r"= (fmul|fadd|fsub|fdiv|call) <(\d+) x float>(?: @llvm\.(\w+))?")
_BODY = re.compile(r"^body\.(L\d+):\n((?:  (?!br ).*\n)*)  br label %head\.\1$", re.MULTILINE)


@dataclass
class Machine:
    """float32 multiply-adds as FLOP/s, divisions a second, bytes/s of a copy and of an update in place."""

    flops: float
    divisions: float
    copy: float
    update: float


def division_text(rounds: int = 2000) -> str:
    """A unit is so many rounds of eight vector divisions."""
    w, lanes = text.kernel(), target.current().lanes
    wide, out = text.vector("f32", lanes), w.argument(0, "ptr")
    ones = w.let(f"load volatile {wide}, ptr {out}, align 4")
    with w.loop("%begin", "%end"):
        with w.loop("0", str(rounds), 1, [(wide, ones)] * 8) as loop:
            loop.next = [w.let(f"fdiv {wide} {ones}, {value}") for value in loop.values]
        for value in loop.values:
            w.do(f"store volatile {wide} {value}, ptr {out}, align 4")
    return text.module([w.text()], target.current().function_attributes(target.host_cpu()))


def update_text() -> str:
    """A unit turns the signs of one vector in args[0]."""
    w, lanes = text.kernel(), target.current().lanes
    wide, place = text.vector("f32", lanes), w.argument(0, "ptr")
    with w.loop("%begin", "%end") as unit:
        at = w.at(place, unit.index, wide)
        w.do(f"store {wide} {w.let(f'fneg {wide} ' + w.let(f'load {wide}, ptr {at}, align 4'))}, ptr {at}, align 4")
    return text.module([w.text()], target.current().function_attributes(target.host_cpu()))


def machine() -> Machine:
    """One measurement of everything."""
    lanes, count = target.current().lanes, threads.threads()
    divide, update = jit.addresses([division_text(), update_text()])
    flops, copy = roofline.measure.__wrapped__()
    taken = roofline._shortest(divide, [np.ones(lanes, np.float32)], 20 * count, 20)
    units = _STREAM // (4 * lanes)
    updated = roofline._shortest(update, [np.ones(_STREAM // 4, np.float32)], units, -(-units // (8 * count)))
    return Machine(flops, 20 * count * 2000 * 8 * lanes / taken, copy, 2 * _STREAM / updated)


def operations(kernel: str) -> tuple[float, float, float]:
    """(multiplies and multiply-adds, divisions and roots, additions) for each element, in the loops over whole vectors."""
    multiplies = divisions = additions = 0.0
    for tag, body in _BODY.findall(kernel):
        if "llvm.masked" in body:
            continue  # what is left at the end of a row
        step = int(re.search(rf"%n\.{tag} = add nsw i64 %i\.{tag}, (\d+)", body)[1])
        for op, lanes, function in _OPERATION.findall(body):
            share = int(lanes) / step
            multiplies += share * (op == "fmul" or function == "fmuladd")
            divisions += share * (op == "fdiv" or function == "sqrt")
            additions += share * (op in ("fadd", "fsub") or function == "fmuladd")
    return multiplies, divisions, additions


@dataclass
class Work:
    """What the kernels of a step do: seconds of its program and of its kernels, and what they move and compute."""

    step: float
    kernels: float
    bytes: int
    multiplies: float
    divisions: float
    flops: float


def work(name: str, machines: list[Machine]) -> Work:
    """Run a workload; the machine is measured before each round."""
    step = next(w for w in workloads.ALL if w.__name__ == name)(torch)
    for _ in range(3):
        step()
    instructions: list[Instruction] = []
    kernels: list[float] = []

    def watch(_: str, timed: list, *rest: object) -> None:
        instructions[:] = [i for group, _, _ in timed for i in group]
        kernels.append(sum(end - start for _, start, end in timed) / 1e9)

    steps = []
    for _ in range(ROUNDS):
        machines.append(machine())
        step()
        for _ in range(3):
            start = time.perf_counter()
            step()
            steps.append(time.perf_counter() - start)
        program.observers.append(watch)
        step()
        program.observers.remove(watch)
    largest = max(instructions, key=lambda i: i.cost)
    multiplies, divisions, additions = (n * ELEMENTS[name] for n in operations(largest.text))
    if not ELEMENTS[name]:  # a product
        multiplies = additions = largest.flops / 2
    moved = sum(i.traffic for i in instructions)
    flops = multiplies + divisions + additions
    return Work(statistics.median(steps), statistics.median(kernels), moved, multiplies, divisions, flops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="WORKLOAD", help=", ".join(ELEMENTS))
    names = parser.parse_args().names or list(ELEMENTS)
    if unknown := [n for n in names if n not in ELEMENTS]:
        parser.error(f"no workload {unknown[0]!r}; there are {', '.join(ELEMENTS)}")
    print(f"{threads.threads()} threads, {target.current().name}")
    print(
        f"{'workload':16s} {'step':>9s} {'kernels':>9s} {'MB':>6s} {'GFLOP':>6s} {'memory':>9s} {'arithmetic':>10s}"
        f" {'share':>6s} {'of copy':>8s}"
    )
    everything: list[Machine] = []
    for name in names:
        machines: list[Machine] = []
        found = work(name, machines)
        best = Machine(*(statistics.median(getattr(m, f) for m in machines) for f in Machine.__annotations__))
        everything += machines
        memory = found.bytes / best.update
        arithmetic = max(2 * found.multiplies / best.flops, found.divisions / best.divisions)
        print(
            f"{name:16s} {1e3 * found.step:6.3f} ms {1e3 * found.kernels:6.3f} ms {found.bytes / 1e6:6.0f}"
            f" {found.flops / 1e9:6.2f} {1e3 * memory:6.3f} ms {1e3 * arithmetic:7.3f} ms"
            f" {max(memory, arithmetic) / found.kernels:6.0%} {found.bytes / found.kernels / best.copy:8.0%}",
            flush=True,
        )
    print("\nthe machine meanwhile: lowest, median, highest")
    for field, name, scale in (
        ("flops", "multiply-adds, GFLOP/s", 1e9), ("divisions", "divisions, 1e9/s", 1e9), ("copy", "copy, GB/s", 1e9),
        ("update", "update in place, GB/s", 1e9),
    ):  # fmt: skip
        values = sorted(getattr(m, field) / scale for m in everything)
        print(f"  {name:24s} {values[0]:6.1f} {statistics.median(values):6.1f} {values[-1]:6.1f}")


if __name__ == "__main__":
    main()
