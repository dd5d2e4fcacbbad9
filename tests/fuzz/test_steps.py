"""Random programs, op by op on the reference, and recorded whole and run as native code (R12).

A program is a list of Python lines. It is written while the reference runs it, a line at a time, each computed at once. Then it is
recorded whole, and run by the reference, by native code on one thread, and by native code again, found in the trie, on two. The
native runs must have the same bits. So must the reference, where `compile/exact.py` says that native code rounds in one way
only; anything else, and what was computed line by line (gradients add up in another order), is compared within rounding. A
line that raises ends a program: all runs must raise the same class, and hold the same values from before that line.
`python tests/fuzz/test_steps.py 10000` prints the figures.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight
from rushlight import config
from rushlight.compile.exact import exact
from rushlight.compile.native import Native
from rushlight.ir.graph import Graph
from rushlight.lazy.step import flush

COMMIT, NIGHTLY = 64, 10_000
FLOATS, WHOLE = ("float32", "float32", "float64", "float16", "bfloat16"), ("int64", "int32", "uint8", "int8")
TOLERANCE = {"float64": 1e-9, "float32": 2e-3, "float16": 6e-2, "bfloat16": 3e-1}
NARROW = {
    "bfloat16": ("bfloat16",),
    "float16": ("float16", ".half()"),
    "float32": ("float32", ".float()", "torch.rand", "torch.empty", "int"),
}
EXTREMES = ("max", "min", "clamp", "relu", "sort", "topk", "heaviside", "unique")
JUMPS = (
    "sort",
    "topk",
    "{x} > ",
    "{x} ==",
    "max",
    "heaviside",
    "sign",
    "to(",
)  # where the last digit may decide about all others
SHAPES = (
    (),
    (1,),
    (3,),
    (4,),
    (7,),
    (2, 3),
    (3, 4),
    (1, 4),
    (3, 1),
    (4, 4),
    (2, 3, 4),
    (1, 3, 1),
    (5, 0),
    (2, 2, 2, 2),
    (9, 17),
    (33,),
    (65, 3),
)
LARGE = ((70_001,), (300, 257), (64, 33, 20), (257, 300))

# Beside what `exact` knows: these, too, move, compare, or round once; and on whole numbers everything does.
SAME_BITS = {
    "copy", "masked_fill", "maximum", "minimum", "clamp", "relu", "sign", "where", "fmax", "fmin", "signbit", "isfinite", "heaviside", "leaky_relu_op",
    "sort_op", "topk_op", "remainder", "fmod", "floor_divide",
}  # fmt: skip

# What follows is written into programs: x, y, b (bool), i (whole numbers below a size) are filled in.
MOVES = (
    "{x}.flip(0)", "{x}.clone()", "{x}.t() if {x}.dim() < 3 else {x}.mT", "{x}.reshape(-1)", "{x}.flatten()", "{x}[..., :1]", "{x}[..., ::2]", "{x}[1:]", "{x}[:-1]",
    "{x}.unsqueeze(0)", "{x}.squeeze()", "{x}.expand(2, *{x}.shape)", "{x}.roll(1, 0)", "{x}.transpose(0, -1)", "torch.cat([{x}, {x}], 0)", "torch.stack([{x}, {x}], -1)",
    "torch.where({b}, {x}, {y})", "{x}.masked_fill({b}, 0.5)", "torch.tril({x})", "torch.triu({x}, 1)", "{x}.repeat_interleave(2, 0)", "torch.tile({x}, (2,))",
    "{x}.index_select(0, torch.tensor([0, -1 + {x}.shape[0]]))", "{x}[torch.tensor([0, -1, 0])]", "torch.gather({x}, 0, torch.zeros_like({x}, dtype=torch.int64))",
    "torch.nn.functional.pad({x}, (1, 2))", "{x}.diagonal()", "torch.diag_embed({x})", "{x}.movedim(0, -1)", "{x}.unfold(0, 2, 1)", "torch.hstack([{x}, {x}])",
    "torch.chunk({x}, 2)[0]", "{x}.contiguous()", "{x}[{b}]", "torch.take_along_dim({x}, {x}.argsort(0), 0)",
    "{x}.masked_select({x} == {x})", "torch.rot90({x})", "{x}.view(-1)[:5]", "{x}[None, ..., 0]",
)  # fmt: skip
ARITHMETIC = (
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} * 2", "1 - {x}", "{x} / 4", "-{x}", "{x}.abs()", "torch.maximum({x}, {y})", "torch.minimum({x}, {y})", "{x}.clamp(-1, 2)",
    "torch.where({x} > {y}, {x}, {y})", "torch.relu({x})", "{x}.amax(0)", "{x}.amin(-1)", "{x}.max()", "torch.sign({x})", "{x} ** 2", "torch.square({x})", "{x}.to(torch.float32)",
    "{x}.double()", "{x}.max(0).values", "{x}.sort(0).values", "{x}.cummax(0).values",
    "{x}.half()", "{x}.bfloat16()", "{x}.topk(1, 0).values", "{x}.clamp(min={y})", "torch.nn.functional.leaky_relu({x}, 0.25)", "{x}.nan_to_num(0.0)", "torch.heaviside({x}, {y})", "torch.fmax({x}, {y})",
)  # fmt: skip
DISCRETE = (
    "{x} > {y}", "{x} <= 1", "{x} == {y}", "{x} != 0", "torch.isnan({x})", "{x}.argmax()", "{x}.argmin(0)", "{x}.argsort(0)", "{x}.max(0).indices", "{x}.floor()", "{x}.ceil()", "{x}.round()",
    "{x}.trunc()", "{x}.long()", "{x}.int()", "({x} > 0).sum(0)", "({x} > {y}).any()", "({x} < {y}).all(0)", "torch.count_nonzero({x})", "{x}.bool()", "{x}.nonzero()", "torch.isclose({x}, {y})",
    "{x} // {y}", "{x} % {y}", "{x}.fmod({y})", "torch.unique({x})", "torch.bucketize({x}, torch.tensor([-1.0, 0.0, 1.0]))", "{x}.isfinite()", "torch.searchsorted({x}.flatten().sort().values, {y})", "{x}.floor_divide(2)",
)  # fmt: skip
ON_WHOLE = (
    "{x} & {y}", "{x} | {y}", "{x} ^ {y}", "~{x}", "{x}.sum()", "{x}.sum(0)", "{x}.cumsum(0)", "{x}.prod()", "{x} // 2", "{x} % 3", "{x} << 1", "{x} >> 1", "{x} // {y}", "{x} % {y}", "{x} + 1", "{x} * {y}",
    "{x}.float()", "{x} / 2", "torch.gcd({x}, {y})", "{x}.bincount()", "torch.nn.functional.one_hot({x} % 5, 5)", "{x}.max()", "{x}.sort(0, descending=True).values", "{x} ** 2", "{x}.to(torch.int8)", "{x}.clamp(0, 3)",
    "-{x}", "{x}.abs()", "torch.lcm({x}, {y})", "{x}.float().sqrt()", "{x} - {y}", "torch.where({x} > 1, {x}, 7)",
)  # fmt: skip
RANDOM = (
    "torch.rand({s})", "torch.randn({s})", "torch.randint(0, 9, {s})", "torch.nn.functional.dropout({x}, 0.5)", "torch.bernoulli(torch.full({s}, 0.25))", "torch.randperm(7)", "torch.rand_like({x})",
    "torch.empty({s}).uniform_(-1, 1)", "torch.empty({s}).normal_()",
)  # fmt: skip
WRITES = (
    "{x}.add_({y})", "{x}.mul_(0.5)", "{x}[0] = 1.5", "{x}[..., 0] += 1", "{x}.zero_()", "{x}.copy_({y})", "{x}.masked_fill_({b}, 2.0)", "{x}[{b}] = 0", "{x}.clamp_(-1, 1)", "{x}.neg_()", "{x} *= {y}",
    "{x}[torch.tensor([0, -1])] = 0.25", "{x}.index_fill_(0, torch.tensor([0]), 3.0)", "{x}.fill_(0.75)", "{x}[1:] = {x}[:-1].clone()", "{x}.transpose(0, -1).sub_(1)", "{x}.relu_()", "{x}.index_copy_(0, torch.tensor([0]), {x}[-1:])",
    "{x}.scatter_(0, torch.zeros_like({x}, dtype=torch.int64), 1.0)", "{x}.detach().add_(0.25)", "{x}.view(-1)[::2] = 4.0", "{x}.div_(2)",
)  # fmt: skip
FUNCTIONS = (
    "{x}.exp().clamp(max=50)", "({x}.abs() + 1).log()", "{x}.sin()", "{x}.cos()", "{x}.tanh()", "{x}.sigmoid()", "{x}.sum()", "{x}.sum(0)", "{x}.mean(-1)", "{x}.softmax(-1)", "{x}.log_softmax(0)",
    "{x} @ {x}.mT", "({x}.abs() + 0.5).sqrt()", "{x}.var(0, unbiased=False)", "{x}.cumsum(0)", "{x}.logsumexp(-1)", "torch.nn.functional.gelu({x})", "torch.nn.functional.layer_norm({x}, {x}.shape[-1:])", "torch.atan2({x}, {y})",
    "torch.hypot({x}, {y})", "torch.add({x}, {y}, alpha=2)", "{x}.lerp({y}, 0.5)", "torch.addcmul({x}, {y}, {y}, value=2)", "({x}.abs() + 0.1) ** 1.5", "{x}.norm()", "torch.nn.functional.mse_loss({x}, {x} * 0.5)", "torch.nn.functional.silu({x})", "torch.einsum('...i,...j->...ij', {x}, {x})",
    "torch.nn.functional.softplus({x})", "{x}.erf()", "torch.nn.functional.cross_entropy({x}, torch.zeros({x}.shape[0], dtype=torch.int64))", "{x}.mean()", "{x} / ({y}.abs() + 1)", "torch.nn.functional.normalize({x}, dim=-1)",
    "torch.nn.functional.avg_pool1d({x}, 2)", "torch.nn.functional.conv1d({x}, {x}[:1].expand(1, -1, -1))", "torch.outer({x}, {x})", "torch.nn.functional.elu({x})", "{x}.expm1().clamp(max=9)", "torch.log1p({x}.abs())", "{x}.std(unbiased=False)",
    "torch.logaddexp({x}, {y})", "torch.cdist({x}, {x} + 1)", "{x}.atan()", "torch.nn.functional.hardswish({x})",
)  # fmt: skip
WRONG = (
    "{x}[torch.tensor([0, 99999])]", "torch.gather({x}, 0, torch.full_like({x}, 99999, dtype=torch.int64))", "{x}.index_select(0, torch.tensor([-99999]))", "torch.nn.functional.embedding(torch.tensor([3, 7]), torch.ones(7, 2))",
    "torch.nn.functional.cross_entropy(torch.ones(4, 3), torch.tensor([0, 1, 2, 3]))", "torch.nn.functional.nll_loss(torch.ones(4, 3), torch.tensor([0, 1, 2, -1]))", "{x}.view(12345)", "torch.ones(3) @ torch.ones(4)",
    "torch.zeros(3).scatter_(0, torch.tensor([5]), 1.0)", "torch.ones(2, 3) + torch.ones(4)", "torch.tensor([4, 2]) // torch.tensor([0, 1])", "{x}.sum(99)", "torch.multinomial(torch.tensor([-1.0, 2.0]), 1)", "{x}.permute(9, 9)",
    "torch.nn.functional.one_hot(torch.tensor([1, 9]), 4)", "torch.bernoulli(torch.tensor([0.5, 1.5]))", "torch.tensor([2, 3]) ** -1", "torch.take({x}, torch.tensor([99999]))", "torch.cat([torch.ones(2, 3), torch.ones(3, 2)])",
    "torch.zeros(4).index_add_(0, torch.tensor([9]), torch.ones(1))", "torch.nn.functional.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))", "torch.linalg.inv(torch.zeros(2, 2))", "torch.tensor([5, 6]) % torch.tensor([1, 0])",
    "torch.linalg.cholesky(-torch.eye(3))", "{x}.squeeze(9)", "torch.nn.functional.max_pool2d(torch.ones(1, 1, 2, 2), 5)", "torch.repeat_interleave(torch.ones(2), torch.tensor([-1, 2]))", "torch.zeros(3).put_(torch.tensor([9]), torch.ones(1))",
)  # fmt: skip


def leaf(seed: int, shape: tuple[int, ...], dtype: str, edges: bool) -> Any:
    """A tensor of numbers that are not round, now and then with special values among them."""
    numbers = np.random.default_rng(seed)
    x = np.asarray(numbers.standard_normal(shape) * 3)
    if dtype == "bool":
        return rushlight.tensor(x > 0)
    if dtype in WHOLE:
        return rushlight.tensor(np.rint(np.abs(x) if dtype == "uint8" else x).astype(dtype))
    if edges and x.size:
        x[numbers.random(shape) < 0.2] = numbers.choice(
            [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, 65504.0, -2.5, 0.5]
        )
    return rushlight.tensor(np.asarray(x, np.float64)).to(getattr(rushlight, dtype))


class Run:
    """A run of a program: its names, and how its steps were computed."""

    def __init__(self, seed: int):
        rushlight.manual_seed(seed)
        self.space: dict[str, Any] = {"torch": rushlight, "leaf": leaf}
        self.error: BaseException | None = None

    def line(self, text: str, at_once: bool) -> bool:
        """Whether it went through."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(text, self.space)
                if at_once:
                    flush()
        except Exception as error:
            self.error = error
        return self.error is None

    def tensors(self) -> dict[str, Any]:
        return {name: t for name, t in self.space.items() if isinstance(t, rushlight.Tensor)}

    def values(self) -> dict[str, np.ndarray]:
        """Everything that is alive, and its gradient; the first failure of what is computed only now is the run's."""
        found = {}
        try:
            flush()
        except Exception as error:
            self.error = self.error or error
        for name, t in self.tensors().items():
            for key, tensor in ((name, t), (name + ".grad", t.grad if t.is_leaf else None)):
                if tensor is None:
                    continue
                try:
                    wide = tensor.detach().float() if tensor.dtype is rushlight.bfloat16 else tensor.detach()
                    found[key] = wide.numpy().copy()
                except Exception as error:
                    self.error = self.error or error
        return found


def to_bits(graph: Graph) -> bool:
    """Whether native code must have the reference's bits."""
    if exact(graph):
        return True
    part = graph.copy()
    part.nodes = [
        node for node in graph.nodes
        if node.op.name not in SAME_BITS and any(graph.metas[v].dtype.is_floating_point for v in (*node.operands(), *node.outputs))
    ]  # fmt: skip
    return exact(part)


class How:
    """Replaces `Native.__call__` for the time of a run: the reference runs every step, or native code does and notes what is exact."""

    def __init__(self, native: bool):
        self.native, self.all_exact, self.steps, self.given = native, True, 0, Native.__call__

    def __enter__(self) -> How:
        how = self

        def call(self: Any, leaves: Any, numbers: Any, generators: Any, targets: Any) -> Any:
            how.steps += 1
            if not how.native:
                return self.reference(leaves, numbers, generators, targets)
            how.all_exact = how.all_exact and to_bits(self.graph)
            return how.given(self, leaves, numbers, generators, targets)

        Native.__call__ = call  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        Native.__call__ = self.given  # type: ignore[method-assign]


class Writer:
    """Draws lines that fit the tensors there are."""

    def __init__(self, seed: int):
        self.random, self.count = random.Random(seed), 0
        self.exact = self.random.random() < 0.6  # no functions, products or sums of floats
        self.large = self.random.random() < 0.12
        self.edges = self.exact and self.random.random() < 0.5
        self.inexact: set[str] = set()  # names whose last digits may differ: nothing discrete is asked of them

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def create(self) -> str:
        r = self.random
        shape = r.choice(LARGE if self.large and r.random() < 0.7 else SHAPES)
        dtype = r.choice(FLOATS) if r.random() < 0.7 else r.choice((*WHOLE, "bool"))
        text = f"{self.name()} = leaf({r.randrange(10**6)}, {shape}, {dtype!r}, {self.edges})"
        return text + (".requires_grad_()" if dtype in ("float32", "float64") and r.random() < 0.4 else "")

    def line(self, pool: dict[str, Any]) -> str:
        r = self.random
        if len(pool) < 2 or r.random() < 0.1:
            return self.create()
        x = r.choice(list(pool)[-5:] if r.random() < 0.7 else list(pool))
        t = pool[x]
        if t.numel() > 200_000:
            return self.create()
        fitting = [
            n
            for n, o in pool.items()
            if o.dim() <= t.dim() and all(a in (1, b) for a, b in zip(o.shape[::-1], t.shape[::-1]))
        ]
        y = r.choice(fitting) if r.random() < 0.8 else str(r.choice((0.5, 2, -1.25)))
        bools = [n for n in fitting if pool[n].dtype is rushlight.bool and pool[n].shape == t.shape]
        floating = t.is_floating_point()
        b = (
            r.choice(bools)
            if bools
            else f"({x} > 0)"
            if x not in self.inexact
            else f"torch.ones({tuple(t.shape)}, dtype=torch.bool)"
        )
        chance, spoilt = r.random(), {x, y, b} & self.inexact
        if chance < 0.06:
            lines: tuple[str, ...] = RANDOM
        elif chance < 0.24 and (not t.requires_grad or not t.is_leaf):
            lines = WRITES
        elif chance < 0.45:
            lines = MOVES
        elif not floating:
            lines = ON_WHOLE if t.dtype is not rushlight.bool else MOVES
        elif chance < 0.65 and not spoilt:
            lines = DISCRETE
        elif chance < 0.8 or self.exact:
            lines = ARITHMETIC
        else:
            lines = FUNCTIONS
        text = r.choice(lines)
        if spoilt and any(word in text for word in JUMPS):
            text = "{x} * 1.5"
        if t.numel() > 2000 and any(
            word in text for word in ("diag_embed", "outer", "cdist", "einsum", "one_hot", " @ ")
        ):
            text = "{x} * 1.5"  # it would be too large
        text = text.format(x=x, y=y, b=b, s=r.choice(SHAPES))
        target = x if lines is WRITES else self.name()
        if lines is FUNCTIONS or spoilt or "norm" in text or "sum" in text and floating:
            self.inexact.add(target)
        return text if lines is WRITES else f"{target} = {text}"


def write(seed: int, length: int) -> tuple[list[str], Run, dict[str, np.ndarray]]:
    """A program, with the reference's results; lines that raised on the way are left out, except one that is to raise."""
    writer, run, lines = Writer(seed), Run(seed), []
    wrong = writer.random.random() < 0.2
    with How(native=False):
        for _ in range(length):
            pool = run.tensors()
            before = set(pool)
            states = rushlight.get_rng_state()
            text = writer.line(pool)
            if run.line(text, at_once=True):
                lines.append(text)
                continue
            if type(run.error).__module__.startswith("numpy"):
                return [*lines, text], run, {}
            run.error = None
            for name in set(run.tensors()) - before:  # recorded, but without a value
                del run.space[name]
            rushlight.set_rng_state(states)
        pool = run.tensors()
        if wrong and pool:
            x = writer.random.choice(list(pool))
            text = "wrong = " + writer.random.choice(WRONG).format(x=x)
            lines.append(text)
            run.line(text, at_once=True)
        else:
            wanted = [n for n, t in pool.items() if t.requires_grad and np.isfinite(t.detach().double().sum().item())]
            if wanted:
                text = "(" + " + ".join(f"{n}.double().sum()" for n in wanted) + ").backward()"
                if run.line(text, at_once=True):
                    lines.append(text)
                else:
                    run.error = None
        return lines, run, run.values()


def again(lines: list[str], seed: int, native: bool, threads: int) -> tuple[Run, dict[str, np.ndarray], bool]:
    """The program recorded whole."""
    before = config.reference_runs, rushlight.get_num_threads()
    config.reference_runs = 0
    rushlight.set_num_threads(threads)
    try:
        with How(native) as how:
            run = Run(seed)
            for text in lines:
                if not run.line(text, at_once=False):
                    break
            return run, run.values(), how.all_exact
    finally:
        config.reference_runs = before[0]
        rushlight.set_num_threads(before[1])


def same_bits(a: np.ndarray, b: np.ndarray, signs: bool = True) -> bool:
    """`signs`: of zeros too. Which of 0 and -0 is the larger IEEE 754 leaves open, and NumPy's answer depends on the place."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    return bool((((a == b) & ((np.signbit(a) == np.signbit(b)) | (not signs))) | ((a != a) & (b != b))).all())


def close(a: np.ndarray, b: np.ndarray, loosest: str) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool((a == b).all())
    both = np.isfinite(a) & np.isfinite(b)
    if loosest == "float64" and not (np.isfinite(a) == np.isfinite(b)).all():
        return False
    a, b = a[both].astype(np.float64), b[both].astype(np.float64)
    return bool((np.abs(a - b) <= TOLERANCE[loosest] * (1 + np.abs(b).max(initial=0.0))).all())


def difference(seed: int, length: int = 14) -> tuple[str, str, str]:
    """(what differs, how it was compared, the program)."""
    lines, reference, expected = write(seed, length)
    shown = "\n".join(lines)
    if type(reference.error).__module__.startswith("numpy"):
        return f"NumPy's own {reference.error!r}", "raised", shown
    loosest = next((kind for kind, words in NARROW.items() if any(word in shown for word in words)), "float64")
    whole, meant, _ = again(lines, seed, native=False, threads=1)
    first, found, exactly = again(lines, seed, native=True, threads=1)
    second, repeated, _ = again(lines, seed, native=True, threads=2)
    how = "raised" if reference.error is not None else "bits" if exactly else "close"
    kinds = [type(run.error).__name__ for run in (reference, whole, first, second)]
    if len(set(kinds)) > 1:
        return f"raised {kinds}: {[str(run.error)[:200] for run in (reference, whole, first, second)]}", how, shown
    if not expected.keys() == meant.keys() == found.keys() == repeated.keys():
        return (
            f"computed {sorted(expected)}, whole {sorted(meant)}, natively {sorted(found)}, again {sorted(repeated)}",
            how,
            shown,
        )
    signs = not any(word in shown for word in EXTREMES)
    for name in expected:
        for what, a, b, right in (
            ("native code, and again", found[name], repeated[name], same_bits(found[name], repeated[name])),
            ("reference, and native code", meant[name], found[name],
             same_bits(meant[name], found[name], signs) if exactly else close(found[name], meant[name], loosest)),
            ("line by line, and whole", expected[name], meant[name], close(meant[name], expected[name], loosest)),
        ):  # fmt: skip
            if not right:
                return f"{name}, {how}, {what}: {a.dtype}{a.shape}\n{a}\n{b.dtype}{b.shape}\n{b}", how, shown
    return "", how, shown


def check(seeds: range) -> Iterator[tuple[int, str, str, str]]:
    for seed in seeds:
        yield seed, *difference(seed)


@pytest.mark.parametrize("part", range(4))
def test_native_steps_have_the_references_bits(part: int) -> None:
    kinds: Counter[str] = Counter()
    for seed, wrong, how, program in check(range(part * COMMIT // 4, (part + 1) * COMMIT // 4)):
        assert not wrong, f"program {seed}: {wrong}\n{program}"
        kinds[how] += 1
    assert kinds["bits"] and kinds["close"]


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_many_native_steps_have_the_references_bits(part: int) -> None:
    for seed, wrong, _, program in check(range(part * NIGHTLY // 20, (part + 1) * NIGHTLY // 20)):
        assert not wrong, f"program {seed}: {wrong}\n{program}"


if __name__ == "__main__":
    ends = [int(text) for text in sys.argv[1:]] or [NIGHTLY]
    seen: Counter[str] = Counter()
    differing = 0
    for seed, wrong, how, program in check(range(ends[0], ends[1]) if len(ends) > 1 else range(ends[0])):
        seen[how] += 1
        differing += bool(wrong)
        if wrong:
            print(f"--- program {seed}: {wrong[:900]}\n{program}", flush=True)
    print(
        f"R12 programs: {sum(seen.values())} on the reference, native, and native again: {differing} differ; compared: {dict(seen)}"
    )
