"""Small kernels that the tests of the native runtime run."""

from __future__ import annotations

from rushlight.backend.llvm import jit, target, text


def module(writer: text.Writer) -> str:
    """A kernel's module for the processor at hand."""
    return text.module([writer.text()], target.current().function_attributes(target.host_cpu()))


def add_text(constant: float = 0.0) -> str:
    """x[i] += number + constant over float64; args: x, number."""
    w = text.kernel()
    x, number = w.argument(0, "ptr"), w.argument(1, "ptr")
    value = w.let(f"load double, ptr {number}")
    total = w.let(f"fadd double {value}, {text.number(constant, 'f64')}")
    with w.loop("%begin", "%end") as loop:
        place = w.at(x, loop.index, "double")
        old = w.let(f"load double, ptr {place}")
        w.do(f"store double {w.let(f'fadd double {old}, {total}')}, ptr {place}")
    return module(w)


def scratch_text() -> str:
    """x[i] += i, by way of the scratch memory, whose first and last bytes of `size` are used; args: x, size."""
    w = text.kernel()
    x, size = w.argument(0, "ptr"), w.argument(1)
    last = w.at("%scratch", w.sub(size, 8))
    with w.loop("%begin", "%end") as loop:
        w.do(f"store volatile i64 {loop.index}, ptr %scratch")
        w.do(f"store volatile i64 {loop.index}, ptr {last}")
        place = w.at(x, loop.index, "i64")
        old = w.let(f"load i64, ptr {place}")
        first = w.let("load volatile i64, ptr %scratch")
        both = w.add(first, w.let(f"load volatile i64, ptr {last}"))
        half = w.let(f"ashr i64 {both}, 1")
        w.do(f"store i64 {w.add(old, half)}, ptr {place}")
    return module(w)


def copy_text() -> str:
    """x[0] = number, as 8 bytes; args: x, number."""
    w = text.kernel()
    number = w.let(f"load i64, ptr {w.argument(1, 'ptr')}")
    w.do(f"store i64 {number}, ptr {w.argument(0, 'ptr')}")
    return module(w)


def fault_text() -> str:
    """Writes args[1] where args[0] points; the address of the status word, say."""
    w = text.kernel()
    w.do(f"store atomic i64 {w.argument(1)}, ptr {w.argument(0, 'ptr')} monotonic, align 8")
    return module(w)


def slow_text() -> str:
    """Counts args[1] rounds a unit in the int64 at args[0], slowly; every round is a store."""
    w = text.kernel()
    place = w.argument(0, "ptr")
    with w.loop("%begin", "%end"), w.loop("0", w.argument(1)):
        old = w.let(f"load volatile i64, ptr {place}")
        w.do(f"store volatile i64 {w.add(old, 1)}, ptr {place}")
    return module(w)


def add_kernel() -> int:
    """The address of `add_text`."""
    return jit.address(add_text())
