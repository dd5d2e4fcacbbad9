"""Attention kernels against the op's NumPy reference: shapes around every block size, masks, causal, strides,
gradients, lost rows.
"""

import ctypes

import numpy as np
import pytest

from rushlight import config
from rushlight.backend.llvm import attention, jit
from rushlight.backend.llvm.attention_plan import PARTS, TENSORS, plan
from rushlight.backend.llvm.target import by_name, current, host_cpu
from rushlight.ops.attention import _attention, _backward

CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
STORAGE = {"float32": "f32", "float64": "f64", "float16": "f16", "bool": "bool"}
CPU = {"avx512": "x86-64-v4", "avx2": "x86-64-v3", "sse": "x86-64"}
GUARD = 64


def run(part, tensors, scale, causal, target=None, one_by_one=False):
    """Run a part on named arrays; the mask and everything else already has the batch dimensions."""
    used = {n: x for n, x in tensors.items() if x is not None and n in ("q", "k", "v", "mask", *PARTS[part])}
    strides = {n: tuple(s // x.itemsize for s in x.strides) for n, x in used.items()}
    q, v = used["q"], used["v"]
    sizes = (q.shape[-2], v.shape[-2], q.shape[-1], v.shape[-1])
    mask = STORAGE[used["mask"].dtype.name] if "mask" in used else ""
    to = by_name(target) if target else current()
    found = plan(part, STORAGE[q.dtype.name], sizes, q.shape[:-2], strides, scale, causal, mask, target=to)
    assert len(found.words) == found.spec.words
    function = CALL(jit.address(attention.kernel_text(found.spec, to, CPU[target] if target else host_cpu())))
    args = np.array(found.words, np.int64)
    for i, name in enumerate(TENSORS):
        args[i] = used[name].ctypes.data if name in used else 0
    # all ones are not numbers: what is read before it is written shows
    memory = np.full(found.scratch + 64 + GUARD, 0xFF, np.uint8)
    at = (memory.ctypes.data + 63) // 64 * 64
    for begin in reversed(range(found.units)) if one_by_one else (0,):
        function(args.ctypes.data, begin, begin + 1 if one_by_one else found.units, at)
    assert (memory[at - memory.ctypes.data + found.scratch :] == 0xFF).all(), "scratch memory overrun"


def make(batch, sizes, dtype=np.float32, heads_last=False, seed=0):
    rng = np.random.default_rng(seed)
    queries, keys, width, value_width = sizes

    def tensor(rows, columns):
        if heads_last:  # (B, rows, H, columns) seen as (B, H, rows, columns), as a projection leaves it
            return rng.standard_normal((batch[0], rows, batch[1], columns)).astype(dtype).swapaxes(1, 2)
        return rng.standard_normal((*batch, rows, columns)).astype(dtype)

    q, k, v = tensor(queries, width), tensor(keys, width), tensor(keys, value_width)
    return {"q": q, "k": k, "v": v, "grad": tensor(queries, value_width)}


def check(batch, sizes, causal=False, mask=None, dtype=np.float32, target=None, heads_last=False, grad_lse=False):
    given = make(batch, sizes, dtype, heads_last)
    queries, keys, width, value_width = sizes
    q, k, v = given["q"], given["k"], given["v"]
    scale = 1.0 / np.sqrt(width)
    given["mask"] = None if mask is None else np.broadcast_to(mask, (*batch, queries, keys))
    given["out"] = np.full((*batch, queries, value_width), 7, dtype)
    given["lse"] = np.full((*batch, queries), 7, dtype)
    if grad_lse:
        given["grad_lse"] = np.random.default_rng(5).standard_normal((*batch, queries)).astype(dtype)
    for name, like in (("dq", q), ("dk", k), ("dv", v)):
        given[name] = np.full(like.shape, 7, dtype)
    exact = {n: None if x is None else x if x.dtype == bool else x.astype(np.float64) for n, x in given.items()}
    out, lse = _attention(exact["q"], exact["k"], exact["v"], exact["mask"], scale, causal)
    grads = _backward(
        exact["grad"], exact.get("grad_lse"), exact["q"], exact["k"], exact["v"], exact["mask"], out, lse, scale, causal
    )
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    run("forward", given, scale, causal, target)
    np.testing.assert_allclose(given["out"], out, **tolerance)
    np.testing.assert_allclose(given["lse"], lse, **tolerance)
    for parts in (("query", "keys"), ("gradient",)):
        for part in parts:
            run(part, given, scale, causal, target)
        for name, expected in zip(("dq", "dk", "dv"), grads, strict=True):
            np.testing.assert_allclose(given[name], expected, **tolerance, err_msg=f"{name} of {parts}")
            given[name][...] = 7


SIZES = [
    (1, 1, 1, 1), (2, 3, 5, 4), (16, 16, 16, 16), (17, 100, 33, 20), (64, 64, 32, 32), (100, 97, 64, 64),
    (65, 200, 24, 48), (1, 300, 64, 64),
    (200, 7, 40, 3), (50, 192, 7, 65), (4, 500, 64, 64), (5, 130, 33, 17),
]  # fmt: skip


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_shapes(sizes, causal):
    check((2, 2), sizes, causal)
    check((1,), sizes, causal)


@pytest.mark.parametrize("sizes", [(17, 100, 33, 20), (65, 200, 24, 48), (3, 5, 4, 4)], ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_masks(sizes, causal):
    rng = np.random.default_rng(1)
    queries, keys = sizes[:2]
    numbers = rng.standard_normal((2, 3, queries, keys)).astype(np.float32)
    allowed = numbers > -0.5
    allowed[..., 0, :] = False  # a row that may look nowhere
    low = np.where(allowed, numbers, -np.inf).astype(np.float32)
    for mask in (
        allowed, low, allowed[:1, :1], low[0, 0], allowed[:, :1, :1], low[:, :, :1], low[..., :1],
        np.swapaxes(low.swapaxes(2, 3).copy(), 2, 3),
        allowed[:, :1, :1].repeat(2, -1)[..., ::2], numbers.astype(np.float16),
    ):  # fmt: skip
        check((2, 3), sizes, causal, mask)


@pytest.mark.parametrize("causal", [False, True])
def test_heads_beside_each_other(causal):
    check((2, 3), (40, 50, 32, 16), causal, heads_last=True)
    check((2, 3), (40, 50, 32, 16), causal, grad_lse=True)


def test_double():
    check((2,), (50, 120, 20, 30), dtype=np.float64)
    check((2,), (50, 120, 20, 30), True, dtype=np.float64, grad_lse=True)


@pytest.mark.parametrize("target", ["avx2", "sse"])
def test_narrower_targets(target, monkeypatch):
    order = ["sse", "avx2", "avx512"]
    if current().name not in order[order.index(target) :]:
        pytest.skip(f"this processor has no {target}")
    monkeypatch.setattr(config, "target", target)  # functions are written for the current one
    mask = np.random.default_rng(0).standard_normal((2, 40, 110)) > -0.5
    for sizes in ((40, 110, 20, 30), (3, 110, 2, 3), (5, 7, 2, 3)):
        check((2,), sizes, mask=mask[:, : sizes[0], : sizes[1]], target=target)
        check((2,), sizes, True, target=target)


def test_large_scores_do_not_overflow():
    given = make((1,), (20, 150, 8, 8))
    given["q"] *= 200
    given |= {"out": np.zeros((1, 20, 8), np.float32), "lse": np.zeros((1, 20), np.float32)}
    run("forward", given, 1.0, False)
    out, lse = _attention(*(given[n].astype(np.float64) for n in "qkv"), None, 1.0, False)
    np.testing.assert_allclose(given["out"], out, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(given["lse"], lse, rtol=1e-5)


def test_no_keys_give_zeros():
    given = make((2,), (5, 0, 4, 4))
    given |= {"out": np.ones((2, 5, 4), np.float32), "lse": np.ones((2, 5), np.float32)}
    run("forward", given, 1.0, False)
    assert (given["out"] == 0).all() and (given["lse"] == -np.inf).all()


def test_bits_do_not_depend_on_the_division_of_work():
    for causal in (False, True):
        given = make((2, 3), (130, 210, 32, 32))
        runs = []
        for one_by_one in (False, True):
            found = given | {
                n: np.zeros_like(given[m]) for n, m in (("out", "grad"), ("dq", "q"), ("dk", "k"), ("dv", "v"))
            }
            found["lse"] = np.zeros((2, 3, 130), np.float32)
            for part in PARTS:
                run(part, found, 0.2, causal, one_by_one=one_by_one)
            runs.append(found)
        for name in ("out", "lse", "dq", "dk", "dv"):
            assert (runs[0][name] == runs[1][name]).all()


def test_plan_says_what_is_wrong():
    strides = {"q": (8, 4, 1), "k": (8, 1, 2), "v": (8, 4, 1), "out": (8, 4, 1), "lse": (2, 1)}
    with pytest.raises(ValueError, match="columns of k"):
        plan("forward", "f32", (2, 2, 4, 4), (1,), strides, 1.0)
    with pytest.raises(ValueError, match="strides of lse are missing"):
        plan("forward", "f32", (2, 2, 4, 4), (1,), {n: s for n, s in strides.items() if n != "lse"}, 1.0)
    with pytest.raises(ValueError, match="mask of kind f64"):
        plan("forward", "f32", (2, 2, 4, 4), (1,), {**strides, "k": (8, 4, 1), "mask": (4, 2, 1)}, 1.0, mask="f64")
