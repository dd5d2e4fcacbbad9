"""Random programs run natively: against the NumPy reference of the same graph, and bit for bit against themselves over repeated runs,
numbers of threads and sizes of chunks.

A program is a list of lines of Python, written from a seed. A failure prints the seed and the program; `programs(seed, 1)` runs it again.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as torch
from rushlight import config
from rushlight.backend.llvm import instruction, memory, program, set_threads
from rushlight.backend.numpy.half import to_compute, to_storage
from rushlight.compile.native import Native
from rushlight.ir.graph import Graph
from rushlight.lazy.step import flush
from rushlight.nn import functional as F

COMMIT, NIGHTLY = 240, int(os.environ.get("RUSHLIGHT_FUZZ_PROGRAMS", "10000"))
# Relative error that a Program's result may have, by its dtype; what a wider difference in the inputs would do as well is no error.
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 1e-11}


EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


class Difference(AssertionError):
    """Native code and reference disagree, or native code with itself."""


class Checked:
    """Runs each Program several times over copies of its inputs before it runs for good."""

    def __init__(self) -> None:
        self.runs = 0
        self.original = Native.__call__

    def __call__(
        self, native: Native, leaves: Sequence, numbers: Sequence, generators: Sequence, targets: Sequence
    ) -> Any:
        states = [g.get_state_raw() for g in generators]

        def run(function: Any, threads: int = 1, donate: bool = False, given: Sequence | None = None) -> Any:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state_raw(state)
            set_threads(threads)
            copies = copied(leaves if given is None else given)
            where = {id(a): b for a, b in zip(leaves, copies, strict=True)}
            into = [where.get(id(a)) for a in targets] if donate else ()
            try:
                found = function(copies, numbers, generators, into)
            except Exception as error:
                return error
            finally:
                set_threads(1)
            values = {slot: array.copy() for slot, array in zip(native.graph.outputs, found, strict=True)}
            return values, [g.get_state_raw() for g in generators]

        def natively(*given: Any) -> Any:
            if native.code is None:
                native.compile()
            poison(native.code)
            return self.original(native, *given)

        self.runs += 1
        for leaf, value in zip(leaves, native.graph.leaves, strict=False):
            check_layout(leaf, native.graph.metas[value])
        expected = run(native.reference)
        first = run(natively)
        for threads, donate in ((1, False), (2, False), (3, True)):
            compare_bits(native, first, run(natively, threads, donate), f"{threads} threads" + ", in place" * donate)
        compare(native, leaves, first, expected, lambda rng: run(native.reference, given=nudged(native, leaves, rng)))
        run(natively)  # leaves the generators' states as one run would
        for generator, state in zip(generators, states, strict=True):
            generator.set_state_raw(state)
        if self.runs % 3 == 0:  # what a reference run made is an input of native code later
            return native.reference(leaves, numbers, generators, targets)
        return natively(leaves, numbers, generators, targets)


def check_layout(array: np.ndarray, meta: Any) -> None:
    """Inputs lie as their metas say; native code fetches those with gaps or shared elements itself."""
    if tuple(meta.shape) != array.shape:
        raise Difference(f"an input of shape {array.shape} where {meta} is expected")
    if not array.size:
        return
    strides = [(n, s * array.itemsize, t) for n, s, t in zip(meta.shape, meta.stride, array.strides, strict=True)]
    dense = not meta.overlaps and 1 + sum((n - 1) * s for n, s in zip(meta.shape, meta.stride)) == meta.numel
    if dense and any(n > 1 and s != t for n, s, t in strides):
        raise Difference(f"an input with strides {array.strides} where {meta} is expected")


def poison(code: program.Code) -> None:
    """Memory that nobody has written holds NaN, or -1."""
    memory.arena(code.arena)[0].fill(0xFF)
    if not hasattr(code, "poisoned"):
        code.poisoned = True  # type: ignore[attr-defined]
        code.makers = [functools.partial(_poisoned, make) for make in code.makers]


def _poisoned(make: Any) -> np.ndarray:
    made = make()
    made[...] = np.frombuffer(b"\xff" * made.itemsize, made.dtype)[0]
    return made


def copied(leaves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Copies with the same strides."""
    found = []
    for leaf in leaves:
        span = 1 + sum((n - 1) * s // leaf.itemsize for n, s in zip(leaf.shape, leaf.strides)) if leaf.size else 0
        whole = np.zeros(span, leaf.dtype)
        made = (
            np.ndarray(leaf.shape, leaf.dtype, whole, 0, leaf.strides) if leaf.size != span or leaf.ndim != 1 else whole
        )
        if leaf.flags.c_contiguous:
            made = np.empty(leaf.shape, leaf.dtype)  # memory of its own, as that of parameters
        made[...] = leaf
        found.append(made)
    return found


def nudged(native: Native, leaves: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """The leaves, their floats off by up to four units in the last place of the coarsest dtype."""
    eps, found = EPS[coarsest(native)], []
    for leaf, value in zip(leaves, native.graph.leaves, strict=True):
        kind = native.graph.metas[value].dtype
        if kind.is_floating_point:
            change = 1 + rng.uniform(-4, 4, leaf.shape) * max(eps, EPS[kind.name])
            leaf = np.asarray(to_storage((to_compute(leaf, kind) * change).astype(kind.compute), kind))
        found.append(leaf)
    return found


def coarsest(native: Native) -> str:
    """The float dtype with the fewest bits that the Program computes in."""
    kinds = {native.graph.metas[v].dtype.name for node in native.graph.nodes for v in (*node.operands(), *node.outputs)}
    return max((k for k in kinds if k in TOLERANCE), key=lambda k: TOLERANCE[k], default="float64")


def compare_bits(native: Native, a: Any, b: Any, what: str) -> None:
    if isinstance(a, Exception) or isinstance(b, Exception):
        if type(a) is not type(b) or str(a) != str(b):
            raise Difference(f"{what}: {a!r} and {b!r}")
        return
    for slot in a[0]:
        if a[0][slot].tobytes() != b[0][slot].tobytes():
            raise Difference(f"{what}: other bits in slot {slot}\n{native.graph}\n{native.stages.get('fuse')}")
    if [str(s) for s in a[1]] != [str(s) for s in b[1]]:
        raise Difference(f"{what}: another state of the generator")


def compare(native: Native, leaves: Sequence, found: Any, expected: Any, again: Any) -> None:
    if isinstance(found, Exception) or isinstance(expected, Exception):
        if type(found) is type(expected) and str(found) == str(expected):
            return
        if not isinstance(found, Exception) and overwritten(native.graph, getattr(expected, "rushlight_entry", None)):
            return  # kernels leave out what nobody reads
        if isinstance(found, Exception) and not isinstance(expected, Exception):
            raise Difference(f"native {found!r}; the reference runs") from found
        raise Difference(f"native {str(found)[:200]}, reference {expected!r}")
    if [str(s) for s in found[1]] != [str(s) for s in expected[1]]:
        raise Difference("native code leaves another state of the generator")
    others: list[Any] | None = None
    tolerance, floor = TOLERANCE[coarsest(native)], max(0.1, *(largest(b) for b in (*expected[0].values(), *leaves)))
    for slot, value in native.graph.outputs.items():
        kind = native.graph.metas[value].dtype
        a, b = (widened(x[0][slot], kind) for x in (found, expected))
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Difference(f"slot {slot}: {a.dtype} {a.shape}, reference {b.dtype} {b.shape}")
        wrong = differs(a, b, max(tolerance, TOLERANCE[kind.name]) if kind.is_floating_point else 0.0, floor)
        if not wrong.any():
            continue
        if others is None:
            rng = np.random.default_rng(0)
            others = [again(rng) for _ in range(4)]
        for other in others:
            if isinstance(other, Exception):
                continue
            moved = widened(other[0][slot], kind)
            # as far from the reference as it is from itself with other roundings
            wrong &= ~(np.abs(a - b) <= 64 * np.abs(moved - b)) & ~(
                differs(moved, b, 0.0, 0.0) & ~(np.isfinite(a) & np.isfinite(b))
            )
        if wrong.any():
            at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(wrong)))
            raise Difference(
                f"slot {slot} ({kind.name} {a.shape}) at {at}: {np.atleast_1d(a)[at]!r}, reference {np.atleast_1d(b)[at]!r}\n"
                f"{native.graph}\n{native.stages.get('fuse')}"
            )


def overwritten(graph: Graph, entry: Any) -> bool:
    """Whether all that an entry makes is written over before anybody reads it."""
    live = set(graph.outputs.values())
    for node in reversed(graph.nodes):
        if not live.isdisjoint(node.outputs):
            if node.entry is entry:
                return False
            live.update(node.operands()[1:] if node.op.name == "copy" else node.operands())
    return True


def widened(array: np.ndarray, kind: Any) -> np.ndarray:
    array = to_compute(array, kind)
    return array.astype(np.float64) if array.dtype.kind in "fub" else array


def largest(array: np.ndarray) -> float:
    """The largest number of an array up to 100: what is left when such numbers cancel is off by their rounding."""
    found = np.abs(array[np.isfinite(array)]).max(initial=0.0) if array.dtype.kind == "f" else 1.0
    return min(float(found), 100.0)


def differs(a: np.ndarray, b: np.ndarray, tolerance: float, floor: float) -> np.ndarray:
    """Where two results are not the same; small elements beside large ones may be off by as much as those, and as `floor`."""
    if not tolerance:
        return np.asarray((a != b) & ~((a != a) & (b != b)))
    with np.errstate(all="ignore"):
        finite = np.abs(b[np.isfinite(b)])
        scale = np.maximum(np.abs(b), max(finite.max(initial=0.0), floor))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return ~(same | (np.abs(a - b) <= tolerance * scale))


@pytest.fixture
def checked(monkeypatch):
    """Every Program is checked; small ones are cut into chunks as large ones are."""
    flush()
    check = Checked()
    monkeypatch.setattr(config, "reference_runs", 0)
    monkeypatch.setattr(instruction, "CHUNK", 40.0)
    monkeypatch.setattr(program, "CHUNK", 40.0)
    monkeypatch.setattr(Native, "__call__", lambda native, *given: check(native, *given))
    yield check
    set_threads(config.threads)
    flush()


# -- programs ----------------------------------------------------------------------------------------------------------

FLOATS = ("float32", "float32", "float32", "float64", "float16", "bfloat16")
WHOLE = ("int64", "int32", "uint8")


class Writer:
    """Writes and runs one random program: each line makes or changes tensors of `space`."""

    def __init__(self, seed: int):
        self.r = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.space: dict[str, Any] = {"torch": torch, "F": F, "np": np, "flush": flush, "data": {}}
        self.count = 0
        torch.manual_seed(seed)

    def run(self, length: int) -> None:
        for _ in range(3):
            self.create()
        for _ in range(length):
            self.line()
        if self.r.random() < 0.5:
            self.backward()
        self.do("flush()")

    def do(self, text: str) -> bool:
        """Run a line; False where the library refuses it, or an index is out of range."""
        try:
            exec(text, self.space)
        except Difference:
            self.lines.append(text)
            raise
        except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, ZeroDivisionError):
            return False
        self.lines.append(text)
        return True

    def tensors(self, kinds: Sequence[str] = ()) -> list[str]:
        found = [n for n, t in self.space.items() if n[0] == "v" and isinstance(t, torch.Tensor)]
        return [n for n in found if not kinds or str(self.space[n].dtype).split(".")[-1] in kinds]

    def pick(self, kinds: Sequence[str] = ()) -> str:
        found = self.tensors(kinds)
        if not found:
            return self.create(self.r.choice(kinds))
        return self.r.choice(found[-7:])

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def create(self, kind: str = "", shape: tuple[int, ...] | None = None, finite: bool = False) -> str:
        r = self.r
        kind = kind or r.choice(FLOATS + WHOLE + ("bool",))
        if shape is None:
            sizes = (1, 2, 3, 4, 5, 7, 16, 17, 33)
            shape = tuple(r.choice(sizes) for _ in range(r.choice([0, 1, 1, 2, 2, 2, 3, 4])))
            while int(np.prod(shape)) > 4000:
                shape = shape[1:]
            if r.random() < 0.03:
                shape = (0, *shape[1:])
        key, name = f"d{len(self.space['data'])}", self.name()
        if kind == "bool":
            values: np.ndarray = self.rng.random(shape) < 0.5
        elif kind in WHOLE:
            values = self.rng.integers(0 if kind == "uint8" else -5, 9, shape).astype(kind)
        else:
            values = self.rng.standard_normal(shape).astype("float64" if kind == "float64" else "float32")
            if r.random() < 0.05 and values.size and not finite:
                values.flat[0] = r.choice([np.nan, np.inf, -np.inf])
        self.space["data"][key] = values
        text = f"{name} = torch.tensor(data[{key!r}])"
        if kind not in ("float16", "bfloat16") and values.ndim > 1 and r.random() < 0.2:
            text = (
                f"{name} = torch.from_numpy(data[{key!r}].T){'.t()' if values.ndim == 2 and r.random() < 0.5 else ''}"
            )
        elif values.ndim > 1 and r.random() < 0.1:
            text = f"{name} = torch.tensor(data[{key!r}].T)"
        if kind in ("float16", "bfloat16"):
            text += f".{ {'float16': 'half', 'bfloat16': 'bfloat16'}[kind] }()"
        if kind in FLOATS and r.random() < 0.5:
            text += ".requires_grad_()"
        self.do(text)
        if r.random() < 0.7:
            self.do("flush()")
        return name

    def like(self, x: str) -> str:
        """An operand that broadcasts with x: another tensor, a new one, or a number."""
        r, t = self.r, self.space[x]
        if r.random() < 0.2:
            return repr(r.choice([0.5, 2, -1, 3, 1.5, 0.1]))
        shape = tuple(t.shape)
        fitting = [
            n for n in self.tensors()
            if all(a == b or a == 1 or b == 1 for a, b in zip(tuple(self.space[n].shape)[::-1], shape[::-1]))
            and self.space[n].numel() * max(t.numel(), 1) < 10**6
        ]  # fmt: skip
        if fitting and r.random() < 0.7:
            return r.choice(fitting[-6:])
        cut = shape[r.randrange(len(shape) + 1) :]
        return self.create(str(t.dtype).split(".")[-1], tuple(1 if r.random() < 0.3 else n for n in cut))

    def line(self) -> None:
        r = self.r
        x = self.pick()
        kind = r.random()
        if kind < 0.30:
            self.do(f"{self.name()} = {self.pointwise(x)}")
        elif kind < 0.42:
            self.do(f"{self.name()} = {self.view(x)}")
        elif kind < 0.56:
            self.do(f"{self.name()} = {self.reduction(x)}")
        elif kind < 0.66:
            self.product()
        elif kind < 0.76:
            self.do(self.write(x))
        elif kind < 0.88:
            self.do(f"{self.name()} = {self.moved(x)}")
        elif kind < 0.92:
            self.loss()
        elif kind < 0.96:
            self.module()
        elif kind < 0.98:
            self.do(
                f"{self.name()} = {r.choice([f'F.dropout({x}.float(), 0.3)', f'torch.rand_like({x}.float())', f'torch.bernoulli({x}.float().sigmoid())'])}"
            )
        else:
            self.do("flush()")
        last = f"v{self.count}"
        if last in self.space and self.space[last].numel() > 20000:
            del self.space[last]

    def pointwise(self, x: str) -> str:
        r, t = self.r, self.space[x]
        y = self.like(x)
        if not t.dtype.is_floating_point:
            return r.choice(
                [f"{x} + {y}", f"{x} * {y}", f"{x} == {y}", f"{x} < {y}", f"{x}.float()", f"{x}.to(torch.{r.choice(FLOATS + WHOLE)})",
                 f"torch.where({x} > 1, {x}, {y})", f"({x} > 0) & ({x} < 3)", f"{x}.abs()", f"{x} // 3", f"{x} % 4", f"-{x}.int()",
                 f"torch.maximum({x}, torch.as_tensor({y}, dtype={x}.dtype))", f"{x}.bool()", f"{x} / 3", f"{x}.clamp(0, 4)", f"{x} // {y}"]
            )  # fmt: skip
        return r.choice(
            [f"{x} + {y}", f"{x} - {y}", f"{x} * {y}", f"{x} / ({y} * 0 + 2.5)", f"{x}.tanh()", f"{x}.sigmoid()", f"{x}.relu()", f"{x}.abs()",
             f"{x}.clamp(-1, 1).exp()", f"({x}.abs() + 0.5).log()", f"({x}.abs() + 0.1).sqrt()", f"F.gelu({x})", f"F.silu({x})", f"F.softplus({x})",
             f"torch.where({x} > 0.1, {x}, {y})", f"{x} > {y}", f"{x}.clamp(-0.7, 0.9)", f"{x}.square() * 0.3", f"{x}.sin() + {x}.cos()", f"{x}.floor()",
             f"{x}.to(torch.{r.choice(FLOATS)})", f"torch.maximum({x}, {x} * 0.5)", f"{x}.erf()", f"F.leaky_relu({x}, 0.2)", f"F.elu({x})", f"-{x}",
             f"torch.addcmul({x}, {x}, {x}, value=0.1)", f"torch.lerp({x}, {x} * 2, 0.3)", f"{x}.isnan()", f"{x}.masked_fill({x} > 1, 0.5)",
             f"{x}.nan_to_num(0.5, 1.5, -1.5).atan()", f"{x}.round()", f"{x}.sign()", f"1 / ({x}.abs() + 1)", f"{x}.detach() * 1.5"]
        )  # fmt: skip

    def view(self, x: str) -> str:
        r, t = self.r, self.space[x]
        n = t.dim()
        d = r.randrange(-n, n) if n else 0
        size = t.shape[d] if n else 1
        low = r.randrange(0, max(size, 1))
        return r.choice(
            [f"{x}.t()", f"{x}.transpose(0, -1)", f"{x}.reshape(-1)", f"{x}.unsqueeze({d})", f"{x}.squeeze()", f"{x}.expand(3, *{x}.shape)",
             f"{x}.narrow({d}, {low}, {max(size - low, 0)})", f"{x}[..., {low}:]", f"{x}[::2]", f"{x}[{low}]", f"{x}.flatten()", f"{x}.diagonal()",
             f"{x}.permute({tuple(r.sample(range(n), n))})", f"{x}.unfold({d}, {max(size // 2, 1)}, 1)", f"{x}.mT", f"{x}.contiguous()", f"{x}.chunk(2, {d})[-1]",
             f"{x}.view({x}.shape[0], -1)", f"{x}.select({d}, {low})"]
        )  # fmt: skip

    def reduction(self, x: str) -> str:
        r, t = self.r, self.space[x]
        n = t.dim()
        d = r.choice([r.randrange(-n, n), r.randrange(n), tuple(r.sample(range(n), r.randrange(1, n + 1)))]) if n else 0
        keep = r.choice(["", ", keepdim=True"])
        one = d if isinstance(d, int) else d[0]
        if not t.dtype.is_floating_point:
            return r.choice([f"{x}.sum({d}{keep})", f"{x}.sum()", f"{x}.amax({d}{keep})", f"{x}.any({one})", f"{x}.all()", f"{x}.prod({one})", f"{x}.min()",
                             f"{x}.float().mean()", f"{x}.argmax({one})", f"{x}.cumsum({one})", f"({x} > 2).sum({d})"])  # fmt: skip
        return r.choice(
            [f"{x}.sum({d}{keep})", f"{x}.mean({d}{keep})", f"{x}.sum()", f"{x}.amax({d}{keep})", f"{x}.amin({d})", f"{x}.softmax({one})", f"{x}.log_softmax({one})",
             f"{x}.var({one})", f"{x}.std({one}{keep})", f"{x}.logsumexp({one})", f"{x}.norm()", f"{x}.max({one})[0]", f"({x} - {x}.mean({d}, keepdim=True))",
             f"{x} / ({x}.abs().sum({d}, keepdim=True) + 1)", f"F.layer_norm({x}, {x}.shape[-1:])", f"{x}.mean()", f"({x} * 0.1).clamp(-1, 1).prod({one})", f"{x}.cumsum({one})",
             f"({x} > 0).any({one})", f"({x} == {x}).all()", f"{x}.argmax({one})", f"{x}.sort({one})[0]", f"{x}.topk(1, {one})[0]", f"F.normalize({x}, dim={one})"]
        )  # fmt: skip

    def product(self) -> None:
        r = self.r
        x = self.pick(FLOATS)
        t = self.space[x]
        if t.dim() < 1 or t.numel() > 3000:
            return
        kind = str(t.dtype).split(".")[-1]
        n = r.choice([1, 3, 16, 20])
        w = self.create(kind, (t.shape[-1], n))
        b = self.create(kind, (n,))
        self.do(
            f"{self.name()} = " + r.choice(
                [f"{x} @ {w}", f"{x} @ {w} + {b}", f"F.linear({x}, {w}.t(), {b}).relu()", f"({x} @ {w} * 0.5 + {b}).tanh() * {b}", f"{x} @ {x}.mT",
                 f"{x}.mT @ {x}", f"torch.einsum('...i,ij->...j', {x}, {w})", f"({x} @ {w}).sum(-1)", f"torch.addmm({b}, {x}, {w}, beta=0.5, alpha=2)"]
            )
        )  # fmt: skip

    def write(self, x: str) -> str:
        r, t = self.r, self.space[x]
        y, size = self.like(x), t.shape[0] if t.dim() else 1
        if t.requires_grad and t.is_leaf:
            return f"with torch.no_grad(): {x}.mul_(0.9).add_({x}, alpha=0.1)"
        return r.choice(
            [f"{x}.add_({y})", f"{x} *= 2", f"{x}[0] = {y}", f"{x}[...] = {y}", f"{x}[{x} > 1] = 1", f"{x}[1:] = {x}[:-1].clone()", f"{x}.t()[0] += 1", f"{x}.zero_()",
             f"{x}.copy_({y})", f"{x}.masked_fill_({x} > 2, 2)", f"{x}[torch.tensor([0, {size - 1}])] = 1", f"{x}.fill_(1)", f"{x}[..., ::2] = 0", f"{x}.mul_({x})",
             f"{x}.clamp_(-2, 2)", f"{x}.index_fill_(0, torch.tensor([0]), 2)", f"{x}.narrow(0, 0, 1).sub_(1)", f"{x}.diagonal().fill_(3)", f"{x}.neg_()"]
        )  # fmt: skip

    def moved(self, x: str) -> str:
        """Elements joined, looked up, moved about."""
        r, t = self.r, self.space[x]
        n = t.dim()
        d = r.randrange(n) if n else 0
        size = max(t.shape[d] if n else 1, 1)
        rows = [r.randrange(-size, size) for _ in range(r.choice([1, 3, 5]))]
        wild = [size] if r.random() < 0.05 else []
        same = [m for m in self.tensors() if self.space[m].shape == t.shape][-3:] or [x]
        return r.choice(
            [f"torch.cat([{x}, {r.choice(same)}], {d})", f"torch.stack([{x}, {r.choice(same)}, {x}], {d})", f"{x}[torch.tensor({rows + wild})]",
             f"{x}.index_select({d}, torch.tensor({[abs(i) % size for i in rows] + wild}))", f"{x}.flip({d})", f"{x}.roll({r.randrange(-3, 4)}, {d})", f"{x}.tril()", f"{x}.triu(1)",
             f"{x}.gather({d}, ({x} * 0).long())", f"F.embedding(torch.tensor({[abs(i) % size for i in rows] + wild}), {x})", f"{x}.repeat(2, *[1] * {max(n - 1, 0)})",
             f"{x}[{x} > 0]", f"torch.zeros_like({x}).scatter_add({d}, ({x} * 0).long(), {x})", f"F.pad({x}, (1, 2))", f"torch.full_like({x}, 2)", f"{x}.nonzero()",
             f"F.one_hot(({x} > 0).long(), 3)", f"torch.arange({size}, dtype={x}.dtype) + {x}", f"torch.zeros({x}.shape).index_add(0, torch.tensor([0]), {x}[:1].float())", f"{x}.clone()",
             f"{x}[torch.tensor({rows}), ..., torch.tensor({[0] * len(rows)})]", f"torch.where({x} > 0, {x}, torch.zeros(()))"]
        )  # fmt: skip

    def loss(self) -> None:
        r = self.r
        x = self.pick(FLOATS)
        t = self.space[x]
        if t.dim() != 2 or not t.numel():
            return
        kind = str(t.dtype).split(".")[-1]
        y = self.create(kind, tuple(t.shape))
        classes = [r.randrange(t.shape[1]) for _ in range(t.shape[0])]
        self.do(
            f"{self.name()} = " + r.choice(
                [f"F.mse_loss({x}, {y})", f"F.cross_entropy({x}, torch.tensor({classes}))", f"F.smooth_l1_loss({x}, {y})", f"F.l1_loss({x}, {y}, reduction='none')",
                 f"F.binary_cross_entropy_with_logits({x}, {y}.sigmoid())", f"F.cross_entropy({x}, torch.tensor({classes}), label_smoothing=0.1)",
                 f"F.nll_loss({x}.log_softmax(1), torch.tensor({classes}), reduction='sum')", f"F.kl_div({x}.log_softmax(1), {y}.softmax(1), reduction='batchmean')"]
            )
        )  # fmt: skip

    def module(self) -> None:
        """A small convolution, a recurrent layer or a training step."""
        r = self.r
        data = self.create(
            "float32", r.choice([(2, 3, 6, 7), (4, 5, 3), (6, 8)]), finite=True
        )  # 0 beyond the border times infinity
        t = self.space[data]
        if t.dim() == 4:
            w = self.create("float32", (4, 3, 3, 2), finite=True)
            self.do(f"{self.name()} = " + r.choice([f"F.conv2d({data}, {w}, padding=1).relu()", f"F.max_pool2d(F.conv2d({data}, {w}), 2)",
                                                    f"F.avg_pool2d({data}, 2)", f"F.conv2d({data}, {w}, stride=2).sum((2, 3))"]))  # fmt: skip
        elif t.dim() == 3:
            self.do(f"{self.name()} = torch.nn.{r.choice(['LSTM', 'GRU', 'RNN'])}(3, 4)({data})[0]")
        else:
            model, optimizer = f"model{self.count}", f"optimizer{self.count}"
            made = r.choice(
                [
                    "SGD({}, lr=0.1, momentum=0.9)",
                    "Adam({}, lr=0.01)",
                    "AdamW({}, lr=0.01)",
                    "RMSprop({}, lr=0.01)",
                    "Adagrad({}, lr=0.01)",
                ]
            )
            if not self.do(
                f"{model} = torch.nn.Sequential(torch.nn.Linear(8, 5), torch.nn.{r.choice(['ReLU', 'Tanh', 'GELU'])}(), torch.nn.Linear(5, 2))"
            ):
                return
            self.do(f"{optimizer} = torch.optim.{made.format(model + '.parameters()')}")
            for _ in range(3):
                self.do(
                    f"{optimizer}.zero_grad(); {model}({data}.detach()).square().mean().backward(); {optimizer}.step()"
                )
                if r.random() < 0.5:
                    self.do("flush()")
            self.do(f"{self.name()} = {model}({data})")

    def backward(self) -> None:
        wanted = [n for n in self.tensors(FLOATS) if self.space[n].requires_grad and not self.space[n].is_leaf][-3:]
        if wanted:
            self.do("(" + " + ".join(f"{n}.float().nan_to_num(0, 1, -1).sin().sum()" for n in wanted) + ").backward()")
            for n in self.tensors(FLOATS):
                if self.space[n].is_leaf and self.space[n].grad is not None:
                    self.space[f"v{self.count + 1}"] = self.space[n].grad
                    self.count += 1


def programs(first: int, count: int, length: int = 14) -> None:
    __tracebackhide__ = True
    for seed in range(first, first + count):
        writer = Writer(seed)
        try:
            writer.run(length)
        except Difference as error:
            pytest.fail(f"seed {seed}\n" + "\n".join(writer.lines) + f"\n{error}", pytrace=False)


# -- programs that were once wrong -------------------------------------------------------------------------------------


def numbers(*shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def gradient(of: Any, *shape: int) -> torch.Tensor:
    x = numbers(*shape).requires_grad_()
    of(x).sum().backward()
    return x.grad


def changed(x: torch.Tensor, change: Any, read: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What is read of x before a change in the same step, and x."""
    flush()
    found = read(x)
    change(x)
    return found, x


CASES = {
    # Kernels whose texts differ in nothing but the kind of a cast are not the same.
    "casts": lambda: [
        (numbers(20) * 0 + 3e9).to(k).float() for k in (torch.int64, torch.int32, torch.int16, torch.uint8)
    ],
    "casts after a product": lambda: [
        ((numbers(9, 9) * 0 + 1e3) @ (numbers(9, 9) * 0 + 1e6)).to(k).float()
        for k in (torch.int64, torch.int32, torch.int16)
    ],
    # Positions along a reduced dimension are 0 where the result has one element along it.
    "triangle of a reduction": lambda: [
        numbers(33, 1, 17).std(-1, keepdim=True).tril(),
        numbers(3, 1, 17).sum(-1, keepdim=True).triu(1),
    ],
    # Look-ups whose table is computed in the same step, at the same shape.
    "computed tables": lambda: [
        numbers(4, 5).exp().gather(1, torch.tensor(np.zeros((4, 5), np.int64)) + 1),
        (numbers(5) * 2).flip(0),
    ],
    # A leaf is not written over by a kernel that still reads it elsewhere.
    "flip and fill": lambda: changed(numbers(17, 2, 17), lambda x: x.fill_(1), lambda x: x.flip(2)),
    "roll and double": lambda: changed(numbers(40), lambda x: x.mul_(2), lambda x: x.roll(3, 0)),
    # What follows a product in half precision sees the product rounded.
    "cosine of a half product": lambda: ((numbers(33, 33).bfloat16() @ numbers(33, 33).bfloat16()).float() * 8).cos(),
    # Reductions over no dimension at all are not reductions over all of them.
    "layer_norm of one dimension": lambda: gradient(lambda x: F.layer_norm(x, (3,), numbers(3), numbers(3)), 3),
    "unfold of a number": lambda: gradient(lambda x: x.unfold(0, 1, 1).sin()),
    # NumPy's memory in any order.
    "transposed memory": lambda: torch.from_numpy(np.arange(12.0).reshape(3, 4).T) * 2,
    "a value for two readers, forty times": lambda: functools.reduce(
        lambda p, _: (p[1], p[0] + p[1] * 0.5), range(40), (numbers(3), numbers(3) + 1)
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_programs_that_were_once_wrong(name, checked):
    kept = CASES[name]()
    flush()
    assert checked.runs
    del kept


def test_sums_over_many_rows_lose_little(monkeypatch):
    """Tenths; NumPy's own sum over the first dimension is off by a thousandth."""
    monkeypatch.setattr(config, "reference_runs", 0)
    found = (torch.ones(200000, 3) * 0.1).sum(0)
    assert np.allclose(found.numpy(), 200000 * float(np.float32(0.1)), rtol=1e-5)


def test_indices_into_nothing_are_out_of_range(checked):
    for write in (
        lambda x: x.index_fill_(0, torch.tensor([0]), 2.0),
        lambda x: x.index_fill(0, torch.tensor([0]), 2.0),
    ):
        with pytest.raises((IndexError, RuntimeError)):
            write(torch.zeros(0, 3)).tolist()


@pytest.mark.parametrize("first", range(0, COMMIT, 20))
def test_random_programs(first, checked):
    programs(first, 20)
    assert checked.runs > 20


@pytest.mark.nightly
@pytest.mark.timeout(36000)
def test_many_random_programs(checked):
    programs(10**6, NIGHTLY)
