"""Convolution kernels against the reference: every geometry, both kinds of numbers, every family of processors."""

from __future__ import annotations

import direct
import numpy as np
import pytest

from rushlight.backend.llvm import conv, conv_plan, conv_tables, jit
from rushlight.backend.llvm.target import by_name, current
from rushlight.backend.llvm.text import Writer
from rushlight.ops import conv as reference
from rushlight.ops.windows import window_count

CPU = {"avx512": "", "avx2": "x86-64-v3", "sse": "x86-64"}
DTYPES = {"f32": np.float32, "f64": np.float64}
BOUNDS = {"f32": 2e-6, "f64": 1e-14}


class Case:
    """One convolution: operands, geometry, and what the reference says in float64."""

    def __init__(self, x, w, stride=1, padding=0, dilation=1, transposed=False, extra=0, groups=1, kind="f32"):
        n = len(x) - 2
        each = lambda value: value if isinstance(value, tuple) else (value,) * n  # noqa: E731
        self.stride, self.padding, self.dilation, self.extra = map(each, (stride, padding, dilation, extra))
        self.transposed, self.groups, self.kind = transposed, groups, kind
        random = np.random.default_rng(len(str((x, w, stride, padding))))
        self.x, self.w = (random.standard_normal(shape).astype(DTYPES[kind]) for shape in (x, w))
        if transposed:
            space = map(reference.transposed_size, x[2:], w[2:], self.stride, self.padding, self.dilation, self.extra)
        else:
            space = map(window_count, x[2:], w[2:], self.stride, self.padding, self.dilation)
        self.shape = (x[0], w[1] * groups if transposed else w[0], *space)
        self.g = random.standard_normal(self.shape).astype(DTYPES[kind])

    def forward(self, target=None, parts=1, threads=2):
        geometry = (self.stride, self.padding, self.dilation, self.transposed, self.groups, self.kind)
        plan = conv_plan.plan(self.x.shape, self.w.shape, self.shape, *geometry, threads=threads, target=target)
        out = np.full(self.shape, np.nan, self.x.dtype)
        text = conv.kernel_text(plan.spec, target=target, cpu=CPU[target.name] if target else "")
        direct.run(text, placed(plan, x=self.x, w=self.w, out=out), plan.units, plan.scratch, parts)
        return out

    def weight(self, target=None, parts=1):
        g, x = (self.x, self.g) if self.transposed else (self.g, self.x)
        geometry = (self.stride, self.padding, self.dilation, self.groups, self.kind)
        plan = conv_plan.weight_plan(x.shape, g.shape, self.w.shape[2:], *geometry, target=target)
        cpu = CPU[target.name] if target else ""
        out = np.full((plan.parts, *self.w.shape), np.nan, x.dtype)
        text = conv.weight_text(plan.spec, target=target, cpu=cpu)
        direct.run(text, placed(plan, x=x, w=g, out=out), plan.units, plan.scratch, parts)
        if plan.parts == 1:
            return out[0]
        total = np.full(self.w.shape, np.nan, x.dtype)
        combine = conv_plan.combine_plan(total.size, plan.parts)
        words = [out, total, *combine.words[2:]]
        direct.run(
            conv.combine_text(self.kind, target=target, cpu=cpu), words, combine.units, 0, min(parts, combine.units)
        )
        return total

    def expected(self):
        x, w = self.x.astype(np.float64), self.w.astype(np.float64)
        return reference._convolution(
            x, w, None, self.stride, self.padding, self.dilation, self.transposed, self.extra, self.groups
        )

    def expected_weight(self):
        x, g = self.x.astype(np.float64), self.g.astype(np.float64)
        first, second = (x, g) if self.transposed else (g, x)
        return reference.conv_weight_gradient(
            first, second, self.w.shape[2:], self.stride, self.padding, self.dilation, self.groups
        )


def placed(plan, **arrays):
    words = list(plan.words)
    for name, array in arrays.items():
        words[plan.buffers[name]] = array
    return words


def check(got, expected, kind):
    assert got.shape == expected.shape
    scale = max(np.abs(expected).max(initial=0), 1.0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=BOUNDS[kind] * scale)


GEOMETRIES = [
    dict(x=(2, 4, 5, 6), w=(6, 4, 3, 2)),
    dict(x=(2, 4, 5, 6), w=(6, 4, 3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 3)),
    dict(x=(2, 4, 5, 6), w=(6, 2, 3, 2), padding=(1, 0), groups=2),
    dict(x=(2, 3, 7), w=(4, 3, 3), stride=2),
    dict(x=(2, 3, 5000), w=(8, 3, 9), stride=4, padding=4),
    dict(x=(3, 5, 70), w=(40, 5, 3), padding=1, dilation=2),
    dict(x=(2, 3, 6, 9, 9), w=(8, 3, 3, 3, 3), stride=(1, 2, 2), padding=1, dilation=(1, 1, 2)),
    dict(x=(3, 70, 8, 8), w=(130, 70, 3, 3), padding=1),
    dict(x=(20, 40, 4, 4), w=(33, 40, 3, 3), padding=1),
    dict(x=(2, 17, 40, 37), w=(30, 17, 5, 5), stride=2, padding=2),
    dict(x=(5, 1, 28, 28), w=(32, 1, 3, 3)),
    dict(x=(2, 64, 9, 7), w=(20, 64, 1, 1)),
    dict(x=(2, 24, 16, 16), w=(20, 24, 1, 1), stride=2),
    dict(x=(2, 24, 16, 16), w=(20, 24, 1, 1), stride=2, padding=1),
    dict(x=(2, 16, 21, 19), w=(16, 1, 3, 3), padding=1, groups=16),
    dict(x=(2, 5, 12, 33), w=(15, 1, 5, 3), stride=(2, 1), groups=5),
    dict(x=(2, 5, 40, 41), w=(5, 1, 3, 3), stride=3, padding=1, dilation=2, groups=5),
    dict(x=(3, 6, 100), w=(6, 1, 7), stride=2, padding=3, groups=6),
    dict(x=(1, 2, 1, 300), w=(3, 2, 1, 9), padding=(0, 4)),
    dict(x=(2, 3, 2, 2), w=(4, 3, 3, 3), padding=3),
    dict(x=(2, 3, 3, 3), w=(4, 3, 1, 1), padding=2),
    dict(x=(0, 3, 5, 5), w=(4, 3, 3, 3)),
    dict(x=(2, 4, 5, 6), w=(4, 3, 3, 2), transposed=True, stride=(2, 3), padding=(1, 0), extra=(1, 2)),
    dict(x=(2, 4, 5, 6), w=(4, 3, 2, 2), transposed=True, groups=2, dilation=(2, 1)),
    dict(x=(3, 24, 16, 16), w=(24, 20, 3, 3), transposed=True, stride=2, padding=1, extra=1),
    dict(x=(3, 24, 30, 30), w=(24, 20, 3, 3), transposed=True, padding=1),
    dict(x=(3, 24, 8, 8), w=(24, 40, 1, 1), transposed=True, stride=2, extra=1),
    dict(x=(2, 8, 4, 4, 4), w=(8, 3, 3, 3, 3), transposed=True, stride=(1, 2, 2), padding=1, dilation=(1, 1, 2),
    extra=(0, 1, 1)),
    dict(x=(2, 8, 1, 1), w=(8, 16, 4, 4), transposed=True),
    dict(x=(2, 8, 4, 4), w=(8, 16, 2, 2), transposed=True, stride=3, padding=1),
    dict(x=(2, 6, 300), w=(6, 3, 4), transposed=True, stride=2, padding=1),
    dict(x=(2, 16, 9, 9), w=(16, 1, 3, 3), transposed=True, stride=2, padding=1, extra=1, groups=16),
    dict(x=(2, 6, 9, 30), w=(6, 2, 3, 3), transposed=True, padding=1, groups=6),
    dict(x=(3, 2, 12, 3), w=(2, 2, 3, 3), transposed=True, stride=(3, 1), padding=(2, 1), extra=(2, 0), groups=2),
    dict(x=(1, 5, 16, 16), w=(5, 40, 2, 1), transposed=True, stride=(3, 1), padding=1, dilation=(3, 2), extra=(2, 1)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: "-".join(map(str, g.values())))
def test_against_the_reference(geometry, kind):
    case = Case(**geometry, kind=kind)
    check(case.forward(), case.expected(), kind)
    check(case.weight(), case.expected_weight(), kind)


@pytest.mark.parametrize("name", ["avx2", "sse"])
@pytest.mark.parametrize("geometry", GEOMETRIES[:3] + GEOMETRIES[7:10] + GEOMETRIES[19:22], ids=lambda g: str(g["x"]))
def test_other_processors(geometry, name):
    if current().arch != "x86_64":
        pytest.skip("runs x86 code")
    case = Case(**geometry)
    check(case.forward(by_name(name)), case.expected(), "f32")
    check(case.weight(by_name(name)), case.expected_weight(), "f32")


@pytest.mark.parametrize("channels, groups", [(16, 1), (16, 16), (3, 1)])
def test_other_architectures_compile(channels, groups):
    target, one = by_name("neon"), (1, 1)
    x, w = (9, channels, 16, 16), (16, channels // groups, 3, 3)
    plan = conv_plan.plan(x, w, (9, 16, 16, 16), one, one, one, False, groups, target=target, two=True)
    weight = conv_plan.weight_plan(x, (9, 16, 16, 16), (3, 3), one, one, one, groups, target=target)
    texts = [conv.kernel_text(plan.spec, target=target, cpu="generic")]
    texts.append(conv.weight_text(weight.spec, target=target, cpu="generic"))
    if plan.before:
        texts.append(conv.kernel_text(plan.before.spec, target=target, cpu="generic"))
    assert all(jit.object_for(text, target) for text in texts)


@pytest.mark.parametrize("geometry", [GEOMETRIES[7], GEOMETRIES[9], GEOMETRIES[21]], ids=lambda g: str(g["x"]))
def test_bits_do_not_depend_on_how_the_work_is_shared(geometry):
    case = Case(**geometry)
    expected = case.forward()
    for parts, threads in ((2, 2), (3, 8), (7, 64)):
        np.testing.assert_array_equal(case.forward(parts=parts, threads=threads), expected)
    np.testing.assert_array_equal(case.weight(parts=3), case.weight())


def test_an_epilogue_gets_every_vector_once():
    """Bias and activation: the epilogue's words come after the kernel's, and it stores what it is given."""
    case = Case((3, 5, 9, 7), (21, 5, 3, 3), padding=1)
    geometry = (case.stride, case.padding, case.dilation, False, 1)
    plan = conv_plan.plan(case.x.shape, case.w.shape, case.shape, *geometry)
    bias, out = np.linspace(-3, 3, 21, dtype=np.float32), np.full(case.shape, np.nan, np.float32)

    def epilogue(w: Writer, value, image, channel, pixel, mask):
        lanes, first = plan.spec.shape.lanes, len(plan.spec.words)
        wide = f"<{lanes} x float>"
        number = w.let(f"load float, ptr {w.at(w.argument(first, 'ptr'), channel, 'float')}, align 4")
        one = w.let(f"insertelement {wide} poison, float {number}, i64 0")
        every = w.let(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")
        total = w.let(f"fadd {wide} {value}, {every}")
        result = w.let(f"call {wide} @llvm.maxnum({wide} {total}, {wide} zeroinitializer)")
        at = w.add(w.mul(w.add(w.mul(image, 21), channel), 63), pixel)
        mask = mask or f"splat (i1 true)"  # noqa: F541
        place = w.at(w.argument(first + 1, "ptr"), at, "float")
        w.do(f"call void @llvm.masked.store({wide} {result}, ptr align 4 {place}, <{lanes} x i1> {mask})")

    words = [*placed(plan, x=case.x, w=case.w), bias, out]
    direct.run(conv.kernel_text(plan.spec, epilogue), words, plan.units, plan.scratch)
    check(out, np.maximum(case.expected() + bias[:, None, None], 0), "f32")


def test_one_text_serves_all_sizes():
    def text(x, w, out):
        return conv.kernel_text(conv_plan.plan(x, w, out, (1, 1), (1, 1), (1, 1), False, 1).spec)

    assert text((16, 64, 32, 32), (64, 64, 3, 3), (16, 64, 32, 32)) == text(
        (9, 32, 40, 99), (128, 32, 3, 3), (9, 128, 40, 99)
    )


def test_phases_cover_every_output_once_and_make_no_idle_products():
    dims = conv_tables.axes((5, 7), (11, 14), (3, 4), (2, 2), (1, 1), (1, 1), True)
    area = conv_tables.area(dims, 99, 1, 1)
    found = conv_tables.phases(dims, area, 99, 1)
    assert sorted(np.concatenate([phase.pixels for phase in found])) == list(range(11 * 14))
    assert sorted(np.concatenate([phase.taps for phase in found])) == list(range(12))
