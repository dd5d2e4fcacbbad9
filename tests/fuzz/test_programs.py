"""Random programs of views, in-place writes, detached aliases, no_grad blocks and flushes, against real PyTorch (R11).

A program is a list of Python lines, run line by line under both. A line that raises must raise the same class in both (the
library under test may add a more specific subclass), and is then skipped. In the end all live tensors, the gradients of the
leaves and the facts of the tensors (shape, strides, requires_grad, is_leaf, version) must be equal. A failure prints the program.
`python tests/fuzz/test_programs.py 10000` prints the figures.
"""

from __future__ import annotations

import os
import random
import sys
import warnings

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

COMMIT, NIGHTLY = 200, int(os.environ.get("RUSHLIGHT_FUZZ_PROGRAMS", "4000"))


def overlaps(t) -> bool:
    """Whether several elements share a place in a way that PyTorch does not notice."""
    if any(n > 1 and s == 0 for n, s in zip(t.shape, t.stride())):
        return False
    places = sum(
        (np.arange(n) * s).reshape([-1] + [1] * (t.dim() - d - 1)) for d, (n, s) in enumerate(zip(t.shape, t.stride()))
    )
    return t.numel() > 0 and np.unique(places).size < t.numel()


def detached(t, pool: dict) -> bool:
    """Whether t shares memory with a tensor that is neither its base nor its view."""
    for o in pool.values():
        if o is not t and o.untyped_storage().data_ptr() == t.untyped_storage().data_ptr():
            if o._base is not t and t._base is not o and (t._base is None or t._base is not o._base):
                return True
    return False


def meets(a, b) -> bool:
    """Whether both share memory and are not the same elements: PyTorch reads what it has just written, if it does not notice."""
    where = lambda t: (tuple(t.shape), t.stride(), t.storage_offset())  # noqa: E731
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr() and where(a) != where(b)


class Writer:
    """Writes one random program, looking at real PyTorch's tensors to know the shapes."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.count = 0
        self.numpy = self.random.random() < 0.2  # NumPy holds some memory: then nothing requires grad

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def numbers(self, count: int) -> str:
        return repr([round(self.random.uniform(-2, 2), 2) for _ in range(count)])

    def shape(self) -> tuple[int, ...]:
        return tuple(self.random.choice([1, 2, 3, 4]) for _ in range(self.random.choice([0, 1, 1, 2, 2, 2, 3])))

    def create(self) -> str:
        shape = self.shape()
        count = int(np.prod(shape))
        made = f"torch.tensor({self.numbers(count)}, dtype=torch.float64).reshape({shape}).clone()"
        kind = self.random.random()
        if self.numpy:
            if kind < 0.4:
                return f"{self.name()} = torch.from_numpy(np.array({self.numbers(count)}).reshape({shape}))"
            return f"{self.name()} = {made}"
        if kind < 0.5:
            return f"{self.name()} = {made}.requires_grad_()"
        if kind < 0.6:
            return f"{self.name()} = torch.{self.random.choice(['zeros', 'ones'])}({shape}, dtype=torch.float64)"
        if kind < 0.7:
            return f"{self.name()} = torch.arange({count}, dtype=torch.float64).view({shape})"
        return f"{self.name()} = {made}"

    def view(self, x: str, t) -> str:
        r, n = self.random, t.dim()
        kind = r.choice(
            ["slice", "slice", "select", "transpose", "permute", "view", "reshape", "expand", "unsqueeze", "squeeze",
             "diagonal", "unfold", "as_strided", "detach", "narrow", "T", "flatten", "item", "ellipsis", "alias", "data"]
        )  # fmt: skip
        d = r.randrange(-n, n) if n else 0
        if not t.numel():
            return r.choice([f"{x}.detach()", f"{x}.flatten()", f"{x}.unsqueeze(0)", f"{x}.view(-1)", f"{x}[...]"])
        size = t.shape[d] if n else 1
        if kind in ("slice", "ellipsis"):
            low = r.randrange(0, size)
            lead = "..., " if kind == "ellipsis" else ":, " * (d % n if n else 0)
            return f"{x}[{lead}{low}:{r.randint(low, size + 1)}:{r.choice([1, 1, 2])}]"
        if kind == "item":
            return f"{x}[{r.randrange(-size, size)}]"
        if kind == "select":
            return f"{x}.select({d}, {r.randrange(-size, size)})"
        if kind == "transpose":
            return f"{x}.transpose({d}, {r.randrange(-n, n) if n else 0})"
        if kind == "permute":
            return f"{x}.permute({tuple(r.sample(range(n), n))})"
        if kind in ("view", "reshape"):
            sizes = [s for s in self.factors(t.numel())]
            return f"{x}.{kind}({tuple(sizes)})"
        if kind == "expand":
            return f"{x}.expand({tuple([r.choice([2, 3])] * r.choice([0, 1]) + [r.choice([-1, 3]) if s == 1 else s for s in t.shape])})"
        if kind == "unsqueeze":
            return f"{x}.unsqueeze({r.randint(-n - 1, n)})"
        if kind == "squeeze":
            return f"{x}.squeeze({r.choice(['', str(d)]) if n else ''})"
        if kind == "diagonal":
            return f"{x}.diagonal({r.choice([-1, 0, 1])})"
        if kind == "unfold":
            return f"{x}.unfold({d}, {r.randint(1, size)}, {r.choice([1, 2])})"
        if (
            kind == "as_strided" and not t._is_view()
        ):  # of a view PyTorch leaves out gradients of what the view does not show
            return f"{x}.as_strided({r.choice(['(2,), (1,)', '(2, 2), (2, 1)', '(1, 2), (1, 2)', '(2, 2), (1, 1)'])}, {r.choice([0, 1])})"
        if kind == "narrow":
            low = r.randrange(0, size)
            return f"{x}.narrow({d}, {low}, {r.randint(0, size - low)})"
        if kind == "alias":
            return f"{x}.view_as({x})"
        if kind == "data" and t.requires_grad:  # PyTorch's backward would read what is written there
            kind = "detach"
        return {
            "detach": f"{x}.detach()",
            "as_strided": f"{x}.detach()",
            "T": f"{x}.mT",
            "flatten": f"{x}.flatten()",
            "data": f"{x}.data",
        }[kind]

    def factors(self, numel: int) -> list[int]:
        sizes, left = [], numel
        for _ in range(self.random.choice([0, 1, 2])):
            divisors = [k for k in range(1, left + 1) if left % k == 0] or [0]
            sizes.append(self.random.choice(divisors))
            left //= max(sizes[-1], 1)
        return [*sizes, left] if left != 1 or not sizes else sizes

    def other(self, t, pool: dict) -> str:
        """A second operand that (usually) broadcasts to t."""
        fitting = [
            name
            for name, o in pool.items()
            if o.dim() <= t.dim() and all(a in (1, b) for a, b in zip(o.shape[::-1], t.shape[::-1]))
        ]
        if fitting and self.random.random() < 0.7:
            return self.random.choice(fitting)
        return repr(round(self.random.uniform(-2, 2), 2))

    def write(self, x: str, t, pool: dict) -> str:
        r = self.random
        if overlaps(t) or not t.numel():  # undefined in PyTorch, refused here
            return f"{x}.sum().item()"
        if 0 in t.stride():
            return f"{x}.add_(1.0)"
        if (
            not t.requires_grad and not detached(t, pool) and r.random() < 0.05
        ):  # with a gradient PyTorch would use the changed value in backward
            return f"{x}.data.mul_(0.5)"
        y = self.other(t, pool)
        if y in pool and meets(pool[y], t):
            y = "0.5"
        if y in pool and pool[y].requires_grad and not t.requires_grad and detached(t, pool):
            y = "0.5"  # a detached alias that takes a gradient history gets memory of its own here
        size = t.shape[0] if t.dim() else 1
        return r.choice(
            [f"{x}.add_({y})", f"{x}.mul_({y})", f"{x}.sub_({y})", f"{x} += {y}", f"{x} *= 0.5", f"{x}.zero_()",
             f"{x}.copy_({y})" if y[0] == "v" else f"{x}.fill_({y})", f"{x}[...] = {y}", f"{x}[0] = {y}", f"{x}.tanh_()", f"{x}.relu_()",
             f"{x}.sigmoid_()", f"{x}.clamp_(min=-1.0)", f"{x}[{x} > 0.3] = 0.25", f"{x}[{x}.detach() < 0] *= 2",
             f"{x}[torch.tensor([{r.randrange(size)}, {r.randrange(-size, size)}])] = 0.75",
             f"{x}.masked_fill_({x} > 0.5, -0.5)", f"{x}[..., 0] += {y}", f"{x}.neg_()", f"{x}.addcmul_({x}.detach(), {x}.detach(), value=0.1)",
             f"{x}.index_fill_(0, torch.tensor([{r.randrange(size)}]), 1.5)", f"{x}.exp_()", f"{x}.mul_({x})", f"{x}.add_({x}, alpha=0.5)",
             f"{x}[1:] = {x}[:-1].clone()", f"{x}.detach().add_(0.25)",
             f"{x}.transpose(0, -1).add_(0.7)", f"{x}.t_()", f"{x}.transpose_(0, -1)", f"{x}.squeeze_()", f"{x}.unsqueeze_(0)"]
        )  # fmt: skip

    def compute(self, x: str, t, pool: dict) -> str:
        r = self.random
        y = self.other(t, pool)
        if not t.numel():
            return r.choice([f"{x} + {y}", f"{x}.sum()", f"{x}.tanh()", f"torch.cat([{x}, {x}])"])
        return r.choice(
            [f"{x} + {y}", f"{x} * {y}", f"{x} - {y}", f"{x} * {x}", f"{x}.tanh()", f"{x}.exp().clamp(max=5.0)", f"{x}.sum(0)", f"{x}.sum()",
             f"{x}.mean()", f"{x}.clone()", f"{x}.contiguous()", f"torch.cat([{x}, {x}])", f"torch.where({x} > 0, {x}, {y})", f"{x}.sigmoid()", f"{x}.relu()",
             f"{x} / 2.5", f"{x}[torch.tensor([0, 0])]", f"{x}.index_select(0, torch.tensor([0]))", f"{x}[{x} > 0]", f"-{x}",
             f"torch.stack([{x}, {x}])", f"{x}.flip(0)", f"{x}.cumsum(0)", f"{x} @ {x}", f"{x}.matmul({x}.mT)", f"{x}.sqrt()", f"{x}.max()", f"{x}.amax(0)"]
        )  # fmt: skip

    def numpy_line(self, x: str, pool: dict) -> str:
        return self.random.choice(
            [
                f"{x}.numpy()[...] *= 0.5",
                f"a = {x}.numpy(); a += 0.5",
                f"{x}.numpy().flat[:1] = 3.0",
                f"arrays.append({x}.numpy())",
            ]
        )

    def line(self, pool: dict) -> str:
        r = self.random
        if not pool or r.random() < 0.12:
            return self.create()
        x = r.choice(list(pool)[-6:] if r.random() < 0.7 else list(pool))
        t = pool[x]
        chance = r.random()
        if self.numpy and chance < 0.08 and not (t.numel() and 0 in t.stride()):
            return self.numpy_line(x, pool)
        if chance < 0.36:
            text = f"{self.name()} = {self.view(x, t)}"
        elif chance < 0.66:
            text = self.write(x, t, pool)
        elif chance < 0.88:
            text = f"{self.name()} = {self.compute(x, t, pool)}"
        elif chance < 0.92:
            return f"{x}.sum().item()"
        elif chance < 0.94 and len(pool) > 2:
            return f"del {x}"
        elif chance < 0.96:
            return f"{x}.tolist()"
        elif chance < 0.98 and not self.numpy:
            return f"{x}.sum().backward(retain_graph={r.random() < 0.5})"
        else:
            text = f"{self.name()} = {x}.detach().clone()"
            if not self.numpy and r.random() < 0.5:
                text += ".requires_grad_()"
        # views made under no_grad of what requires a gradient are leaves of their own in PyTorch, and detached here
        alias = chance < 0.36 or any(word in text for word in ("t_()", "transpose_(", "squeeze_(", "contiguous"))
        if not self.numpy and r.random() < 0.12 and not (alias and t.requires_grad):
            text = f"with torch.no_grad(): {text}"
        return text


def attempt(text: str, space: dict) -> type | None:
    """Run one line; the class of what it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(text, space)
    except Exception as error:
        space["last_error"] = error
        return type(error)
    return None


def tensors_of(space: dict, cls: type) -> dict:
    return {k: v for k, v in space.items() if k[0] == "v" and isinstance(v, cls)}


def facts(t) -> tuple:
    dense = 0 not in t.shape
    return (
        tuple(t.shape),
        str(t.dtype),
        t.requires_grad,
        t.is_leaf,
        [s for n, s in zip(t.shape, t.stride()) if n > 1] if dense else None,
    )


def same_values(mine, theirs, ignore_nan: bool = False) -> bool:
    a, b = np.asarray(mine.detach().tolist(), float), np.asarray(theirs.detach().tolist(), float)
    if ignore_nan:
        a = np.where(np.isnan(b), b, a)
    return a.size == b.size == 0 or a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


class EndOfProgram(Exception):
    """A line that only one of the two supports, on purpose."""


REFUSED = ("modified by an inplace operation", "backward through the graph a second time")


def kinder(lines: list[str], theirs: dict) -> bool:
    """After a backward that PyTorch refused and that was computed here: let PyTorch say what is right, keeping copies of
    what was written. (PyTorch walks ops whose results were overwritten, and counts changes of layout as writes.)"""
    again: dict = {"torch": torch, "np": np, "arrays": []}
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        for text in lines:
            error = attempt(
                text.partition("  # raises")[0]
                .replace("retain_graph=False", "retain_graph=True")
                .replace("backward()", "backward(retain_graph=True)"),
                again,
            )
    theirs.update(again)
    return error is None


def run_program(seed: int, length: int = 18) -> tuple[str, str]:
    """("", program) when both agree, else (what differs, program)."""
    writer = Writer(seed)
    theirs: dict = {"torch": torch, "np": np, "arrays": []}
    mine: dict = {"torch": rushlight, "np": np, "arrays": []}
    lines: list[str] = []
    failed: list[str] = []
    refused: list[str] = []
    ending = False

    def both(text: str) -> str:
        lines.append(text)
        expected = attempt(text, theirs)
        if expected is RuntimeError and "backward" in text and any(why in str(theirs["last_error"]) for why in REFUSED):
            if attempt(text, mine) is not None or not kinder(lines, theirs):
                failed.append(text)
            refused.append(text)
            if not ending:
                raise EndOfProgram  # what PyTorch recorded while keeping copies cannot go on without them
            return ""
        if expected is RuntimeError and "A view was created in no_grad mode" in str(theirs["last_error"]):
            raise EndOfProgram  # allowed here
        if expected is RuntimeError and "input tensor and the written-to tensor refer" in str(theirs["last_error"]):
            lines.pop()  # source and target overlap: PyTorch refuses, here the source is read first
            return ""
        found = attempt(text, mine)
        if found is NotImplementedError:
            raise EndOfProgram
        if found is None and "a leaf Variable that requires grad" in str(theirs.get("last_error")) and expected:
            # PyTorch takes a view made before its base gained a history for a leaf; here it is part of that history
            target = mine.get(text.partition(".")[0])
            if target is not None and target._base is not None:
                raise EndOfProgram
        if expected is None and found is None:
            return ""
        if expected is None or found is None or not issubclass(found, expected):
            detail = mine["last_error"] if found else theirs["last_error"]
            return f"line {text!r}: PyTorch {expected}, Rushlight {found}: {str(detail)[:300]}"
        failed.append(text)
        lines[-1] += f"  # raises {expected.__name__}"
        return ""

    def program() -> str:
        return "\n".join(lines)

    for _ in range(length):
        try:
            difference = both(writer.line(tensors_of(theirs, torch.Tensor)))
        except EndOfProgram:
            return "", program()
        if difference:
            return difference, program()
    pool = tensors_of(theirs, torch.Tensor)
    for name, t in pool.items():
        try:
            _ = t.is_leaf
        except RuntimeError:  # views made under no_grad whose base was written since: allowed here
            return "", program()
        if facts(t) != facts(mine[name]):
            return f"facts of {name}: PyTorch {facts(t)}, Rushlight {facts(mine[name])}", program()
    wanted = [name for name, t in pool.items() if t.requires_grad]
    if wanted:
        ending = True
        difference = both("(" + " + ".join(f"{name}.sum()" for name in wanted) + ").backward()")
        if difference:
            return difference, program()
        pool = tensors_of(theirs, torch.Tensor)
    for name, t in pool.items():
        if not same_values(mine[name], t):
            return f"value of {name}: PyTorch {t.tolist()}, Rushlight {mine[name].tolist()}", program()
        if t.requires_grad and t.is_leaf and not any("backward" in line for line in failed):
            a, b = mine[name].grad, t.grad
            if (a is None) != (b is None) or b is not None and not same_values(a, b, bool(refused)):
                return f"gradient of {name}: PyTorch {b}, Rushlight {a}", program()
    for a, b in zip(mine["arrays"], theirs["arrays"], strict=True):
        if not np.allclose(a, b, equal_nan=True):
            return f"an array: PyTorch {b}, Rushlight {a}", program()
    return "", program()


def check(seeds: range) -> None:
    for seed in seeds:
        difference, program = run_program(seed)
        assert not difference, f"program {seed}: {difference}\n{program}"


@pytest.mark.parametrize("part", range(4))
def test_random_programs(part: int) -> None:
    check(range(part * COMMIT // 4, (part + 1) * COMMIT // 4))


@pytest.mark.nightly
def test_many_random_programs() -> None:
    check(range(COMMIT, COMMIT + NIGHTLY))


if __name__ == "__main__":
    ends = [int(text) for text in sys.argv[1:]] or [NIGHTLY]
    seeds, wrong = (range(*ends) if len(ends) > 1 else range(ends[0])), 0
    for seed in seeds:
        difference, program = run_program(seed)
        wrong += bool(difference)
        if difference:
            print(f"--- program {seed}: {difference}\n{program}", flush=True)
    print(f"R11 programs of views and writes: {len(seeds)} beside PyTorch, {wrong} differ")
