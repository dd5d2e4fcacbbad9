"""Indices that are out of bounds raise (R20): on the reference and in native code, alone and inside steps that fuse them with other ops.

A case is drawn from a seed: an op, sizes, indices of which all are right, or one or more wrong. Right ones must give what NumPy
gives; wrong ones must raise, when the step runs at the latest, and leave every tensor as it was. (`take_along_dim` is not here: it
counts around, as PyTorch's does.) `python tests/fuzz/test_bounds.py 10000` prints the figures.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight import config
from rushlight.lazy.step import flush

from test_steps import How  # isort: skip

COMMIT, FULL = 600, 10_000
F = rl.nn.functional
WRONG = (0, 1, 7, 2**31 - 1, 2**31, 2**40, 2**62)  # beyond the last index


def _rows(x: np.ndarray, i: np.ndarray) -> np.ndarray:
    return x[i]


def _added(x: np.ndarray, i: np.ndarray, by: float) -> np.ndarray:
    x = x.copy()
    np.add.at(x, i, by)
    return x


def _filled(x: np.ndarray, i: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[i] = value
    return x


def _nll(x: np.ndarray, i: np.ndarray) -> np.ndarray:
    return -x[np.arange(len(i)), i]


def _column(i: Any, like: Any) -> Any:
    return i.unsqueeze(1).expand(i.shape[0], like.shape[1])


# name: (what is called with a table of 8 rows and 6 columns and a vector of indices, the same in NumPy, whether negative indices count from
# the end, how many values an index may take: of rows or of columns)
OPS: dict[str, tuple[Callable[[Any, Any], Any], Callable[..., Any], bool, int]] = {
    "x[i]": (lambda x, i: x[i], _rows, True, 0),
    "x[i, i]": (lambda x, i: x[i, i], lambda x, i: x[i, i], True, 1),
    "x[:, i]": (lambda x, i: x[:, i], lambda x, i: x[:, i], True, 1),
    "x[i] = 2": (lambda x, i: x.index_put((i,), rl.tensor(2.0)), lambda x, i: _filled(x, i, 2.0), True, 0),
    "index_put, added": (lambda x, i: x.index_put((i,), rl.tensor(2.0), accumulate=True), lambda x, i: _added(x, i, 2.0), True, 0),
    "index_select": (lambda x, i: x.index_select(0, i), _rows, False, 0),
    "index_add": (lambda x, i: x.index_add(0, i, rl.ones(i.shape[0], 6)), lambda x, i: _added(x, i, 1.0), False, 0),
    "index_copy": (lambda x, i: x.index_copy(0, i, rl.ones(i.shape[0], 6)), lambda x, i: _filled(x, i, 1.0), False, 0),
    "index_fill": (lambda x, i: x.index_fill(0, i, 3.0), lambda x, i: _filled(x, i, 3.0), True, 0),
    "gather": (lambda x, i: x.gather(0, _column(i, x)), _rows, False, 0),
    "scatter": (lambda x, i: x.scatter(0, _column(i, x), 4.0), lambda x, i: _filled(x, i, 4.0), False, 0),
    "scatter_add": (lambda x, i: x.scatter_add(0, _column(i, x), rl.ones(i.shape[0], 6)), lambda x, i: _added(x, i, 1.0), False, 0),
    "scatter_reduce": (lambda x, i: x.scatter_reduce(0, _column(i, x), rl.ones(i.shape[0], 6), "sum"), lambda x, i: _added(x, i, 1.0), False, 0),
    "take": (lambda x, i: x[:, 0].take(i), lambda x, i: x[:, 0][i], True, 0),
    "embedding": (lambda x, i: F.embedding(i, x), _rows, False, 0),
    "embedding_bag": (lambda x, i: F.embedding_bag(i.unsqueeze(1), x, mode="sum"), _rows, False, 0),
    "one_hot": (lambda x, i: F.one_hot(i, 8) * 1.0, lambda x, i: np.eye(8, dtype=np.float32)[i], False, 0),
    "nll_loss": (lambda x, i: F.nll_loss(x[: i.shape[0]], i, reduction="none"), lambda x, i: _nll(x[: len(i)], i), False, 1),
    "cross_entropy": (lambda x, i: F.cross_entropy(x[: i.shape[0]].log_softmax(1).exp().log(), i, reduction="none"),
                      lambda x, i: _nll(x[: len(i)] - np.log(np.exp(x[: len(i)]).sum(1, keepdims=True)), i), False, 1),
    "multi_margin_loss": (lambda x, i: F.multi_margin_loss(x[: i.shape[0]], i, reduction="none"), None, False, 1),
    "repeat_interleave": (lambda x, i: x.index_select(0, rl.repeat_interleave(i, 2)), lambda x, i: x[np.repeat(i, 2)], False, 0),
}  # fmt: skip
BEFORE = {"nothing": lambda x: x, "scaled": lambda x: x * 2 + 1, "bounded": lambda x: x.tanh()}
AFTER = {"nothing": lambda y: y, "squashed": lambda y: (y * 0.5).sigmoid(), "summed": lambda y: y.sum(-1)}
NUMPY = {
    "nothing": lambda x: x, "scaled": lambda x: x * 2 + 1, "bounded": np.tanh, "squashed": lambda y: 1 / (1 + np.exp(-y * 0.5)),
    "summed": lambda y: y.sum(-1),
}  # fmt: skip


class Case:
    """An op, where it stands, and its indices."""

    def __init__(self, seed: int):
        r, numbers = random.Random(seed), np.random.default_rng(seed)
        self.name = r.choice(list(OPS))
        self.call, self.meant, ends, axis = OPS[self.name]
        self.before, self.after = (
            ("nothing", "nothing") if r.random() < 0.3 else (r.choice(list(BEFORE)), r.choice(list(AFTER)))
        )
        self.native, self.trains = r.random() < 0.6, r.random() < 0.3 and self.name != "one_hot"
        self.x = numbers.standard_normal((8, 6)).astype(np.float32)
        size = (8, 6)[axis]
        count = r.choice((1, 3, 8))
        self.i = numbers.permutation(size)[:count] if count <= size else numbers.permutation(size)
        if ends and r.random() < 0.5:
            self.i = np.where(numbers.random(len(self.i)) < 0.5, self.i, self.i - size)
        self.wrong = r.random() < 0.8
        if self.wrong:
            for _ in range(r.choice((1, 1, 2))):
                least = -size - 1 if ends else -1
                bad = least - r.choice(WRONG) if r.random() < 0.5 else size + r.choice(WRONG)
                self.i[r.randrange(len(self.i))] = -7 if bad == -100 else bad  # -100 means: ignore this sample
        self.narrow = (
            r.random() < 0.2
            and bool((np.abs(self.i) < 2**31 - 1).all())
            and self.name in ("embedding", "x[i]", "index_select")
        )

    def __str__(self) -> str:
        return (
            f"{self.before}, {self.name}, {self.after} of {self.i.tolist()}, native={self.native}, trains={self.trains}"
        )

    def run(self) -> str:
        """'raised' or 'right'; anything else says what is wrong."""
        table = rl.tensor(self.x, requires_grad=self.trains)
        other = rl.ones(3)
        index = rl.tensor(self.i, dtype=rl.int32 if self.narrow else rl.int64)
        with How(native=self.native):
            flush()
            try:
                other.add_(1)
                found = AFTER[self.after](self.call(BEFORE[self.before](table), index))
                if self.trains:
                    found.sum().backward()
                    with rl.no_grad():
                        table -= 0.1 * table.grad
                found = np.asarray(found.tolist(), np.float32)
            except (IndexError, RuntimeError) as error:
                if not self.wrong:
                    return f"raised {error!r}"
                if not np.array_equal(np.asarray(table.tolist(), np.float32), self.x):
                    return "raised, but wrote over the table"
                return "raised" if other.tolist() == [2.0] * 3 else f"raised, but what was before is {other.tolist()}"
        if self.wrong:
            return f"gave {found}"
        if self.meant is None:
            return "right"
        meant = NUMPY[self.after](self.meant(NUMPY[self.before](self.x.astype(np.float64)), self.i))
        return "right" if np.allclose(found, meant, rtol=1e-4, atol=1e-5) else f"gave {found}; expected {meant}"


def outcomes(seeds: range) -> Iterator[tuple[str, Case, str]]:
    for seed in seeds:
        case = Case(seed)
        found = case.run()
        yield found if found in ("raised", "right") else "wrong", case, found


@pytest.fixture
def compiled(monkeypatch):
    monkeypatch.setattr(config, "reference_runs", 0)


@pytest.mark.parametrize("part", range(2))
def test_indices_out_of_bounds_raise(part, compiled):
    seen: Counter[str] = Counter()
    for kind, case, found in outcomes(range(part * COMMIT // 2, (part + 1) * COMMIT // 2)):
        assert kind != "wrong", f"{case}: {found}"
        seen[kind] += 1
    assert seen["raised"] > COMMIT // 4 and seen["right"] > COMMIT // 20


@pytest.mark.parametrize("name", [n for n in OPS if n != "repeat_interleave"])
def test_the_class_is_one_that_pytorchs_handlers_catch(name, oracle):
    import test_bounds

    x, i = np.ones((8, 6), np.float32), [0, 99]
    with pytest.raises((IndexError, RuntimeError)) as mine:
        OPS[name][0](rl.tensor(x), rl.tensor(i)).tolist()
    ours = rl, F
    try:
        test_bounds.rl, test_bounds.F = oracle, oracle.nn.functional
        with pytest.raises((IndexError, RuntimeError)) as theirs:
            test_bounds.OPS[name][0](oracle.tensor(x), oracle.tensor(i)).tolist()
    finally:
        test_bounds.rl, test_bounds.F = ours
    assert isinstance(mine.value, theirs.type)
    assert "99" in str(mine.value)


if __name__ == "__main__":
    config.reference_runs = 0
    seen: Counter[str] = Counter()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FULL
    for kind, case, found in outcomes(range(count)):
        seen[kind] += 1
        if kind == "wrong":
            print(f"{case}: {found}"[:600], flush=True)
    print(
        f"R20 out of bounds: {seen['raised']} wrong calls raised, {seen['wrong']} did not or gave wrong numbers, {seen['right']} right ones were right"
    )
