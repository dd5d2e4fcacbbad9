"""The array API standard's functions, against NumPy, whose main namespace follows the same standard."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

XP = rushlight.ones(1).__array_namespace__()

# Functions of the standard (2024.12) and its two extensions.
MAIN = """
abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and bitwise_invert
bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_shapes broadcast_to can_cast ceil clip concat
conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1 eye
finfo flip floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo imag inf isdtype isfinite isin isinf isnan less
less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum
mean meshgrid min minimum moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones ones_like permute_dims pi positive
pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin sinh sort sqrt square squeeze
stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc unique_all unique_counts unique_inverse
unique_values unstack var vecdot where zeros zeros_like
""".split()
LINALG = """
cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer pinv qr slogdet
solve svd svdvals tensordot trace vecdot vector_norm
""".split()
FFT = "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift".split()

SETUP = {
    "f": [[0.5, -1.5, 2.0], [3.25, 0.0, -0.75]], "g": [[1.5, 2.5, -0.5], [-2.0, 0.25, 4.0]], "p": [[0.5, 0.25, 0.75], [0.1, 0.9, 1.0]],
    "q": [[1.0, 1.5, 2.0], [3.0, 4.0, 1.25]], "i": [[3, -1, 2], [0, 5, -7]], "j": [[2, 3, -2], [1, -4, 3]], "k": [[1, 2, 3], [0, 1, 2]],
    "b": [[True, False, True], [False, False, True]], "s": [[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]],
    "v": [1.0, 2.0, 4.0], "w": [3.0, -1.0, 2.0], "r": [3, 1, 3, 2, 1], "c": [[1 + 2j, -1j], [0.5, 2 - 1j]],
    "x": [float("nan"), float("inf"), -float("inf"), -0.0, 1.0],
}  # fmt: skip
CASES = (
    [f"xp.{n}(f)" for n in "abs ceil cos cosh exp expm1 floor isfinite isinf isnan negative positive round sign signbit sin sinh square tan tanh trunc atan asinh".split()]
    + [f"xp.{n}(x)" for n in "abs ceil floor trunc round sign signbit isfinite isinf isnan exp tanh sqrt log sin".split()]
    + [f"xp.{n}(p)" for n in "acos asin atanh log log10 log1p log2 reciprocal sqrt".split()]
    + [f"xp.{n}(i)" for n in "abs ceil floor trunc round sign negative positive square bitwise_invert isfinite isinf isnan".split()]
    + [f"xp.{n}(c)" for n in "abs conj real imag exp sin sqrt square sign isfinite".split()]
    + [f"xp.{n}(f, g)" for n in "add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal logaddexp maximum minimum multiply nextafter not_equal remainder subtract".split()]
    + [f"xp.{n}(i, j)" for n in "add bitwise_and bitwise_or bitwise_xor equal floor_divide greater less maximum minimum multiply remainder subtract".split()]
    + [f"xp.{n}(i, k)" for n in "bitwise_left_shift bitwise_right_shift pow".split()]
    + [f"xp.{n}(b, xp.flip(b))" for n in "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor equal".split()]
    + [f"xp.{n}({a})" for n in "add multiply subtract divide maximum minimum pow atan2 hypot copysign logaddexp less equal".split() for a in ("q, 2.0", "2.0, q")]
    + [f"xp.{n}({a}{o})" for n in "sum prod max min".split() for a in "fi" for o in ("", ", axis=0", ", axis=-1, keepdims=True", ", axis=(0, 1)")]
    + [f"xp.{n}(f{o})" for n in "mean var std".split() for o in ("", ", axis=1", ", axis=(0, 1), keepdims=True")]
    + ["xp.var(f, correction=1.0)", "xp.std(f, axis=0, correction=1)", "xp.sum(i, dtype=xp.float32)", "xp.sum(b)", "xp.prod(b, axis=0)"]
    + [f"xp.{n}(b{o})" for n in "all any count_nonzero".split() for o in ("", ", axis=0", ", axis=(0, 1)", ", axis=1, keepdims=True")]
    + [f"xp.{n}(f{o})" for n in "argmax argmin".split() for o in ("", ", axis=1", ", axis=0, keepdims=True")]
    + ["xp.all(f)", "xp.any(i, axis=0)", "xp.sort(f)", "xp.sort(f, axis=0)"]
    + ["xp.argsort(r, stable=True)", "xp.searchsorted(xp.sort(v), w)", "xp.searchsorted(v, w, side='right')", "xp.nonzero(f)", "xp.nonzero(b)"]
    + ["xp.where(b, f, g)", "xp.where(b, f, 0.0)", "xp.take(f, xp.asarray([2, 0]), axis=1)", "xp.take_along_axis(f, xp.argsort(f), axis=-1)"]
    + ["xp.sort(xp.unique_values(r))", "xp.unique_counts(r)", "xp.unique_inverse(r)", "xp.unique_all(r)", "xp.unique_all(xp.asarray([[2.0, 1.0], [2.0, 5.0]], dtype=xp.float32))", "xp.isin(r, xp.asarray([1, 2]))"]
    + ["xp.cumulative_sum(f, axis=1)", "xp.cumulative_sum(v, include_initial=True)", "xp.cumulative_prod(i, axis=0)", "xp.cumulative_prod(v, include_initial=True)", "xp.diff(f)", "xp.diff(i, axis=0)", "xp.diff(v, n=2)"]
    + ["xp.concat((f, g))", "xp.concat((f, g), axis=None)", "xp.concat((xp.astype(i, xp.int8), i), axis=1)", "xp.stack([f, g], axis=1)", "xp.unstack(f, axis=1)", "xp.expand_dims(f, axis=1)", "xp.expand_dims(f, axis=-1)", "xp.squeeze(xp.reshape(v, (1, 3, 1)), axis=(0, 2))"]
    + ["xp.flip(f)", "xp.flip(f, axis=0)", "xp.moveaxis(xp.reshape(i, (1, 2, 3)), 0, 2)", "xp.permute_dims(xp.reshape(i, (1, 2, 3)), (2, 0, 1))", "xp.matrix_transpose(f)", "xp.roll(f, 1)", "xp.roll(f, (1, -1), axis=(0, 1))", "xp.repeat(v, 2)", "xp.repeat(f, 2, axis=1)", "xp.tile(v, (2, 2))"]
    + ["xp.reshape(f, (3, -1))", "xp.broadcast_to(v, (2, 3))", "xp.broadcast_arrays(f, v)", "xp.broadcast_shapes((2, 1), (3,))", "xp.clip(f, -1.0, 1.0)", "xp.clip(f, max=v)", "xp.clip(i, 0, 3)"]
    + ["xp.arange(5)", "xp.arange(1, 7, 2)", "xp.arange(5, 1)", "xp.arange(0.0, 1.0, 0.25, dtype=xp.float32)", "xp.linspace(0, 1, 5, dtype=xp.float64)", "xp.linspace(0.0, 1.0, 4, endpoint=False, dtype=xp.float64)", "xp.eye(3, 4, k=1, dtype=xp.float32)", "xp.full((2, 2), 3)", "xp.full(3, True)", "xp.zeros(3, dtype=xp.int8)", "xp.ones((2, 1), dtype=xp.float64)"]
    + ["xp.zeros_like(i)", "xp.ones_like(f)", "xp.full_like(i, 7)", "xp.meshgrid(v, w)", "xp.meshgrid(v, w, indexing='ij')", "xp.tril(s)", "xp.triu(s, k=1)", "xp.asarray(3)", "xp.asarray(True)", "xp.asarray([1, 2], dtype=xp.int16)", "xp.astype(f, xp.int32)", "xp.astype(b, xp.float32)"]
    + ["xp.matmul(s, s)", "xp.tensordot(s, s, axes=1)", "xp.tensordot(f, g, axes=((1,), (1,)))", "xp.vecdot(v, w)", "xp.vecdot(c, c)"]
    + [f"xp.isdtype(xp.{d}, '{k}')" for d in ("bool", "int8", "uint8", "float32", "complex64") for k in ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")]
    + [f"xp.result_type(xp.{a}, xp.{b})" for a, b in (("int8", "int16"), ("uint8", "int8"), ("float32", "float64"), ("float32", "complex64"), ("float64", "complex64"), ("bool", "bool"), ("int32", "int64"))]
    + [f"xp.can_cast(xp.{a}, xp.{b})" for a, b in (("int8", "int16"), ("int16", "int8"), ("float64", "float32"), ("float32", "complex64"), ("uint8", "int16"))]
    + ["xp.linalg.cholesky(s)", "xp.linalg.cross(v, w)", "xp.linalg.det(s)", "xp.linalg.diagonal(s, offset=1)", "xp.linalg.eigvalsh(s)", "xp.linalg.inv(s)", "xp.linalg.matrix_norm(s)", "xp.linalg.matrix_power(s, 3)", "xp.linalg.matrix_rank(s)", "xp.linalg.outer(v, w)", "xp.linalg.pinv(s)", "xp.linalg.slogdet(s)", "xp.linalg.solve(s, v)", "xp.linalg.svdvals(s)", "xp.linalg.trace(s)", "xp.linalg.vector_norm(f, axis=1)", "xp.linalg.vector_norm(f, ord=1, keepdims=True)", "xp.linalg.trace(s, offset=1)"]
    + [f"xp.fft.{n}(v)" for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fftshift", "ifftshift")]
    + ["xp.fft.fftn(f)", "xp.fft.rfftn(f)", "xp.astype(xp.fft.fftfreq(5), xp.float64)", "xp.astype(xp.fft.rfftfreq(6, d=0.5), xp.float64)", "xp.fft.fft(f, n=4, axis=0, norm='ortho')"]
    + ["f + 1", "2.0 * f", "f ** 2", "i // 2", "i % 3", "-i", "~b", "b & b", "i << 1", "f @ xp.matrix_transpose(g)", "f > 0", "f == f", "f[0, ...]", "f[:, xp.newaxis, 1:]", "f[b]", "f.T", "f.mT", "1 - f", "abs(i)"]
)  # fmt: skip


def plain(value):
    if isinstance(value, rushlight.Tensor):
        return value.numpy()
    if isinstance(value, rushlight.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, np.dtype) or isinstance(value, type) and issubclass(value, np.generic):
        return np.dtype(value).name
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def check_same(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            check_same(a, b)
    elif isinstance(theirs, (np.ndarray, np.generic)):
        ours = np.asarray(ours)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    else:
        assert ours == theirs


def names_of(xp, real):
    found = {"xp": xp}
    for name, values in SETUP.items():
        kind = {"i": "int64", "j": "int64", "k": "int64", "r": "int64", "b": "bool", "c": "complex64"}.get(name, real)
        found[name] = xp.asarray(values, dtype=getattr(xp, kind))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_same_as_numpy(case):
    theirs = plain(eval(case, names_of(np, "float32")))
    ours = plain(eval(case, names_of(XP, "float32")))
    check_same(ours, theirs)


def test_every_name_is_there():
    missing = [n for n in MAIN if not hasattr(XP, n)]
    missing += [f"linalg.{n}" for n in LINALG if not hasattr(XP.linalg, n)] + [
        f"fft.{n}" for n in FFT if not hasattr(XP.fft, n)
    ]
    assert missing == []


def test_the_namespace_says_what_it_can_do():
    info = XP.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] is rushlight.float32
    assert set(info.dtypes(kind="integral")) == {"int8", "int16", "int32", "int64", "uint8"}
    assert info.capabilities()["boolean indexing"] is True
    assert str(info.default_device()) == "cpu"
    with pytest.raises(ValueError, match="api_version"):
        rushlight.ones(1).__array_namespace__(api_version="1999.1")


def test_bad_input():
    with pytest.raises(TypeError, match="real"):
        XP.astype(XP.asarray([1j]), XP.float32)
    with pytest.raises(ValueError, match="kind|isdtype"):
        XP.isdtype(XP.float32, "rational")
    with pytest.raises(IndexError, match="expand_dims"):
        XP.expand_dims(XP.ones(2), axis=5)
    with pytest.raises(ValueError, match="size 1"):
        XP.squeeze(XP.ones((2, 1)), axis=0)
    with pytest.raises(ValueError, match="copy"):
        XP.asarray([1.0], copy=False)
    with pytest.raises(ValueError, match="Python numbers"):
        XP.result_type(1, 2.0)
