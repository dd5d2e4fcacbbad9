"""The convolutions of a ResNet-18 on 32x32 pictures, layer by layer, beside PyTorch's.

    python benchmarks/conv.py                       a batch of 16, all cores
    python benchmarks/conv.py --batch 1 --threads 1

For each layer and each of the three products of a training step: milliseconds, GFLOP/s, their share of what the
processor could do at most (measured first), and how many times as long PyTorch takes; the last lines have the sums over
the whole network. The operations counted are those of the definition; fewer are made, so the share can pass 100 %.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from rushlight.backend.llvm import conv, conv_plan, jit, runtime, threads
from rushlight.backend.llvm.target import current, host_cpu
from rushlight.backend.llvm.text import kernel, module, vector

# input channels, output channels, size of the input, kernel, stride, how many times in the network
LAYERS = (
    (3, 64, 32, 3, 1, 1), (64, 64, 32, 3, 1, 4), (64, 128, 32, 3, 2, 1), (64, 128, 32, 1, 2, 1), (128, 128, 16, 3, 1,
    3),
    (128, 256, 16, 3, 2, 1), (128, 256, 16, 1, 2, 1), (256, 256, 8, 3, 1, 3), (256, 512, 8, 3, 2, 1), (256, 512, 8, 1,
    2, 1),
    (512, 512, 4, 3, 1, 3),
)  # fmt: skip


def fastest(function: Callable[[], object], seconds: float = 0.25) -> float:
    """The shortest of many runs, in seconds: the machine may be busy with other things."""
    function()
    best, end = 1e9, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


class Launch:
    """Instructions, one after another, ready to run."""

    def __init__(self) -> None:
        self.table, self.scratch = runtime.Table(0, 0), 0

    def add(self, text: str, words: list, units: int, grain: int, scratch: int = 0) -> None:
        places = [self.table.constant(word) if isinstance(word, np.ndarray) else int(word) for word in words]
        self.table.group()
        self.table.add(jit.address(text), places, units, grain)
        self.scratch = max(self.scratch, scratch)

    def add_plan(self, text: str, plan: conv_plan.Plan, **arrays: np.ndarray) -> None:
        if plan.before is not None:
            turned = np.empty(plan.before.room, np.float32)
            self.add_plan(conv.kernel_text(plan.before.spec), plan.before, w=arrays["w"], out=turned)
            arrays["w"] = turned
        words = list(plan.words)
        for name, array in arrays.items():
            words[plan.buffers[name]] = array
        self.plan = plan
        self.add(text, words, plan.units, plan.grain, plan.scratch)

    def seconds(self) -> float:
        self.table.finish(self.scratch)
        launch = runtime.launcher()
        return fastest(lambda: launch(self.table.address, [], [], [], 0, 0, self.table.groups))


def peak() -> float:
    """GFLOP/s of one core that does nothing but multiply and add."""
    lanes, rounds, chains = current().lanes, 100_000, 12
    w, wide = kernel(), vector("f32", current().lanes)
    factor = w.let(f"load {wide}, ptr %scratch, align 4")
    with w.loop("0", str(rounds), 1, [(wide, factor)] * chains) as loop:
        loop.next = [
            w.let(f"call {wide} @llvm.fmuladd({wide} {factor}, {wide} {factor}, {wide} {v})") for v in loop.values
        ]
    for value in loop.values:
        w.do(f"store volatile {wide} {value}, ptr %scratch, align 4")
    launch = Launch()
    launch.add(module([w.text()], current().function_attributes(host_cpu())), [], 1, 1, 4096)
    return 2 * lanes * rounds * chains / launch.seconds() / 1e9


def ours(batch: int, layer: tuple[int, ...], cores: int) -> list[float]:
    """Seconds of the output, of the input's gradient and of the weight's gradient."""
    channels, out_channels, size, k, s, _ = layer
    random, pad, stride, ones = np.random.default_rng(0), (k // 2,) * 2, (s, s), (1, 1)
    x = random.standard_normal((batch, channels, size, size)).astype(np.float32)
    w = random.standard_normal((out_channels, channels, k, k)).astype(np.float32)
    g = random.standard_normal((batch, out_channels, size // s, size // s)).astype(np.float32)
    seconds = []
    for first, out, transposed in ((x, g, False), (g, x, True)):
        plan = conv_plan.plan(
            first.shape, w.shape, out.shape, stride, pad, ones, transposed, 1, threads=cores, two=True
        )
        launch = Launch()
        launch.add_plan(conv.kernel_text(plan.spec), plan, x=first, w=w, out=np.empty_like(out))
        seconds.append(launch.seconds())
    plan = conv_plan.weight_plan(x.shape, g.shape, (k, k), stride, pad, ones, 1)
    parts = np.empty((plan.parts, *w.shape), np.float32)
    launch = Launch()
    launch.add_plan(conv.weight_text(plan.spec), plan, x=x, w=g, out=parts)
    if plan.parts > 1:
        combine = conv_plan.combine_plan(w.size, plan.parts)
        launch.add(
            conv.combine_text("f32"), [parts, np.empty_like(w), *combine.words[2:]], combine.units, combine.grain
        )
    return [*seconds, launch.seconds()]


def theirs(batch: int, layer: tuple[int, ...]) -> list[float]:
    """The same of PyTorch."""
    channels, out_channels, size, k, s, _ = layer
    x, w = torch.randn(batch, channels, size, size), torch.randn(out_channels, channels, k, k)
    g, pad = torch.randn(batch, out_channels, size // s, size // s), (k // 2,) * 2

    def backward(*wanted: bool) -> object:
        return torch.ops.aten.convolution_backward(g, x, w, None, (s, s), pad, (1, 1), False, (0, 0), 1, wanted)

    with torch.no_grad():
        return [
            fastest(lambda: torch.nn.functional.conv2d(x, w, None, s, pad)),
            fastest(lambda: backward(True, False, False)),
            fastest(lambda: backward(False, True, False)),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threads.set_threads(options.threads)
    most = peak() * options.threads
    print(f"peak {most:.0f} GFLOP/s on {options.threads} threads; batch {options.batch}")
    print(f"{'layer':24s}" + "".join(f"{name:>37s}" for name in ("forward", "input gradient", "weight gradient")))
    total = np.zeros((2, 3))
    for layer in LAYERS:
        channels, out_channels, size, k, s, times = layer
        flops = 2 * options.batch * out_channels * channels * (size // s * k) ** 2
        mine, other = ours(options.batch, layer, options.threads), theirs(options.batch, layer)
        total += np.array([mine, other]) * times
        line = f"{channels:4d}->{out_channels:4d} {size:3d}px {k}x{k}/{s} x{times}  "
        for a, b in zip(mine, other, strict=True):
            rate = flops / a / 1e9
            line += f" {a * 1e3:8.3f} ms {rate:5.0f} GF/s {100 * rate / most:4.0f}% {b / a:5.2f}x"
        print(line, flush=True)
    for name, row in zip(("all layers", "PyTorch"), total * 1e3, strict=True):
        print(f"{name:24s}" + "".join(f"{ms:12.2f} ms{'':22s}" for ms in row) + f"  sum {row.sum():.1f} ms")


if __name__ == "__main__":
    main()
