"""`FlopCounterMode`: floating-point operations of products, convolutions and attention, forward and backward.

Counted is what a step records: each trace is looked through when it is complete, with what its macros (`backward()`) stand for.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from rushlight.lazy.record import local
from rushlight.lazy.step import flush

__all__ = ["FlopCounterMode", "register_flop_formula"]


def _product(inputs: list[Any], out: Any, static: dict[str, Any]) -> int:
    """2 · rows · columns · inner, for each matrix of a batch."""
    return 2 * out.numel * (inputs[0].shape[-1] if inputs[0].shape else 1)


def _convolution(inputs: list[Any], out: Any, static: dict[str, Any]) -> int:
    """2 · places · taps · channels: with respect to each place of the smaller picture, a product with the whole kernel."""
    data, weight = inputs[0], inputs[1]
    places = math.prod(data.shape[2:]) if static["transposed"] else math.prod(out.shape[2:])
    return 2 * data.shape[0] * places * weight.numel


def _convolution_weight(inputs: list[Any], out: Any, static: dict[str, Any]) -> int:
    grad, data = inputs[0], inputs[1]
    places = math.prod(data.shape[2:]) if static["transposed"] else math.prod(grad.shape[2:])
    return 2 * data.shape[0] * places * out.numel


def _attention(inputs: list[Any], out: Any, static: dict[str, Any]) -> int:
    """Scores, and weighted values: two products."""
    query, key, value = inputs[:3]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return 2 * pairs * (query.shape[-1] + value.shape[-1])


def _attention_backward(inputs: list[Any], out: Any, static: dict[str, Any]) -> int:
    """Scores again, and a product for each of query, key, value and the weights: five."""
    _, _, query, key, value = inputs[:5]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return 2 * pairs * (3 * query.shape[-1] + 2 * value.shape[-1])


# name of an op: the number of operations from the metas of its inputs, of its result, and its other arguments
FORMULAS: dict[str, Callable[[list[Any], Any, dict[str, Any]], int]] = {
    "matmul": _product, "linear": _product, "convolution": _convolution, "convolution_weight_backward": _convolution_weight,
    "scaled_dot_product_attention_op": _attention, "scaled_dot_product_attention_backward": _attention_backward,
}  # fmt: skip


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable], Callable]:
    """Decorate a formula `f(metas of inputs, meta of the result, static arguments)` for ops of the table, by their names."""

    def add(formula: Callable) -> Callable:
        for name in targets if isinstance(targets, (list, tuple)) else (targets,):
            FORMULAS[name] = formula
        return formula

    return add


def _entries(path: list[Any], inside: str = "") -> Any:
    """(entry, metas of its inputs, module) for every entry, also of those that macros stand for."""
    metas: dict[int, Any] = {}
    for entry in path:
        module = inside or entry.module
        if entry.expansion is not None:
            yield from _entries(entry.expansion.path, module or "backward")
        else:
            yield entry, [metas.get(slot) for slot in entry.inputs if slot.__class__ is int], module
        for at, meta in enumerate(entry.metas):
            metas[entry.slot + at] = meta


class FlopCounterMode:
    """Counts the operations of what runs inside a `with`.

    >>> import rushlight as torch
    >>> with FlopCounterMode(display=False) as counter:
    ...     y = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> counter.get_total_flops()
    48
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict[Any, Any] | None = None
    ) -> None:
        self.depth, self.display = depth, display
        self.formulas = {**FORMULAS, **(custom_mapping or {})}
        self.flop_counts: dict[str, dict[str, int]] = {}

    def __enter__(self) -> FlopCounterMode:
        flush()
        self.flop_counts = defaultdict(lambda: defaultdict(int))
        local.watching = [*local.watching, self._watch]
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and local.trace.node.parent is not None:
            self._watch(local.trace)
            watching, local.watching = local.watching, []
            flush()
            local.watching = watching
        local.watching = [watch for watch in local.watching if watch != self._watch]
        if self.display:
            print(self.get_table(self.depth))

    def _watch(self, trace: Any) -> None:
        for entry, inputs, module in _entries(trace.path()):
            formula = self.formulas.get(entry.op.name)
            if formula is None or not entry.metas:
                continue
            flops = formula(inputs, entry.metas[0], entry.statics())
            self.flop_counts["Global"][entry.op.name] += flops
            parts = module.partition(" ")[0].split(".") if module else []
            for n in range(1, len(parts) + 1):
                self.flop_counts[".".join(parts[:n])][entry.op.name] += flops

    def get_total_flops(self) -> int:
        """The operations of all ops."""
        return sum(self.flop_counts.get("Global", {}).values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """By module ("Global" for all), and there by op."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """A line a module, and a line an op below it."""
        depth, total = self.depth if depth is None else depth, max(self.get_total_flops(), 1)
        rows = [("Module", "FLOP", "% Total")]
        for module, counts in self.flop_counts.items():
            level = 0 if module == "Global" else module.count(".") + 1
            if level > depth:
                continue
            rows.append(
                (" " * level + module, _short(sum(counts.values())), f"{100 * sum(counts.values()) / total:.2f}%")
            )
            rows += [(" " * level + f" - {op}", _short(n), f"{100 * n / total:.2f}%") for op, n in counts.items()]
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _short(count: int) -> str:
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return f"{count / size:.3f}{unit}"
    return str(count)
