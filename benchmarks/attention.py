"""Attention of the native backend beside PyTorch's, forward and backward, on all processors.

python benchmarks/attention.py [threads]
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import gemm as products
import numpy as np

from rushlight.backend.llvm import attention
from rushlight.backend.llvm.attention_plan import PARTS, TENSORS, gradient_parts, plan

# batch, heads, L, S, E, causal
SHAPES = [
    (32, 1, 64, 64, 32, True), (12, 4, 64, 64, 32, True), (8, 8, 128, 128, 64, False), (1, 12, 512, 512, 64, True),
    (1, 12, 1024, 1024, 64, False), (1, 12, 1, 1024, 64, False), (1, 2, 4096, 4096, 64, True),
]  # fmt: skip


def native(part: str, arrays: dict[str, np.ndarray], causal: bool, pool: ThreadPoolExecutor, threads: int) -> float:
    """Seconds of a part."""
    used = {n: x for n, x in arrays.items() if n in ("q", "k", "v", *PARTS[part])}
    strides = {n: tuple(s // x.itemsize for s in x.strides) for n, x in used.items()}
    *batch, queries, width = arrays["q"].shape
    keys = arrays["k"].shape[-2]
    found = plan(part, "f32", (queries, keys, width, width), batch, strides, width**-0.5, causal)
    args = np.array(found.words, np.int64)
    for i, name in enumerate(TENSORS):
        args[i] = used[name].ctypes.data if name in used else 0
    return products.Native(pool, threads, attention.kernel_text(found.spec), args, found.units, found.scratch).best()


def main(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    pool = ThreadPoolExecutor(threads)
    attend = torch.nn.functional.scaled_dot_product_attention
    print(
        f"{'batch heads L S E causal':32} {'torch':>10} {'native':>10} {'GFLOP/s':>8} {'ratio':>6}   forward | backward"
    )
    for batch, heads, queries, keys, width, causal in SHAPES:
        random = np.random.default_rng(0)

        def tensor(rows: int, shape=(batch, heads), width=width, random=random) -> np.ndarray:
            return random.standard_normal((*shape, rows, width)).astype(np.float32)

        arrays = {"q": tensor(queries), "k": tensor(keys), "v": tensor(keys), "grad": tensor(queries)}
        arrays |= {"out": tensor(queries), "dq": tensor(queries), "dk": tensor(keys), "dv": tensor(keys)}
        arrays["lse"] = np.zeros((batch, heads, queries), np.float32)
        ours = [native(part, arrays, causal, pool, threads) for part in ("forward", *gradient_parts((batch, heads)))]
        q, k, v = (torch.from_numpy(arrays[n]).requires_grad_() for n in "qkv")
        with torch.no_grad():
            forward = products.best(lambda q=q, k=k, v=v, c=causal: attend(q, k, v, is_causal=c))
        out, grad = attend(q, k, v, is_causal=causal), torch.from_numpy(arrays["grad"])
        backward = products.best(lambda o=out, i=(q, k, v), g=grad: torch.autograd.grad(o, i, g, retain_graph=True))
        work = 4e-9 * batch * heads * queries * keys * width * (0.5 if causal else 1.0)
        print(
            f"{f'{batch} {heads} {queries} {keys} {width} {causal}':32} {forward * 1e6:8.0f}us {ours[0] * 1e6:8.0f}us"
            f" {work / ours[0]:8.1f} {forward / ours[0]:6.2f} | {backward * 1e6:8.0f}us {sum(ours[1:]) * 1e6:8.0f}us"
            f" {2.5 * work / sum(ours[1:]):8.1f} {backward / sum(ours[1:]):6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1)
