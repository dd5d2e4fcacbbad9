"""The printed form of a tensor, character for character PyTorch's, from the NumPy array that holds its values.

Only what is shown is formatted: of a long axis the first and last few items. One number format serves the whole tensor,
chosen from the items shown: whole numbers as `4.`, decimals with a fixed precision, or scientific notation when the
magnitudes are far apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushlight.dtype import bool_, get_default_dtype, int64
from rushlight.dtype import dtype as DType
from rushlight.errors import explain_error


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors print: a profile ("default", "short" or "full") first, then the single settings given.

    `precision` is the number of digits after the point. Tensors of more than `threshold` elements show `edgeitems` at
    each end of an axis. Lines break at `linewidth`. `sci_mode` forces scientific notation on or off; None, also when it
    is left out, lets each tensor choose. Raises ValueError for an unknown profile.

    >>> import rushlight as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    """
    if profile is not None and profile not in _PROFILES:
        expected = ", ".join(map(repr, _PROFILES))
        raise ValueError(explain_error("set_printoptions", got=f"profile={profile!r}", expected=f"one of {expected}"))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen: dict[str, Any] = dict(_PROFILES[profile]) if profile is not None else {}
    chosen |= {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def tensor_str(
    array: np.ndarray | None,
    *,
    dtype: DType,
    device_suffix: str | None = None,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    size: tuple[int, ...] | None = None,
    kind: str = "tensor",
) -> str:
    """`tensor([...], ...)` for the values in `array` (bfloat16 as float32).

    `device_suffix` is the text of a device that is not the default one, such as "cuda:0". `size` is shown for an empty
    tensor, and for one without values: `array` None, printed as `...`. `kind` is the word before the parenthesis.

    >>> tensor_str(np.array([4.0], np.float32), dtype=get_default_dtype())
    'tensor([4.])'
    """
    indent = len(kind) + 1
    suffixes = [] if device_suffix is None else [f"device='{device_suffix}'"]
    shape = size if size is not None else () if array is None else array.shape
    default = get_default_dtype()
    implied = {default}
    if array is None:
        text, sized = "...", True
    elif array.size == 0:
        text, sized = "[]", len(shape) != 1
    else:
        implied |= {default.to_complex(), int64, bool_}
        sized = _options.edgeitems == 0
        hidden = sized and array.ndim > 0 and array.size > _options.threshold
        text = "[...]" if hidden else _body(array, indent)
    if sized:
        suffixes.append(f"size={tuple(shape)}")
    if dtype not in implied:
        suffixes.append(f"dtype={dtype}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(f"{kind}({text}", suffixes, indent)


def _with_suffixes(text: str, suffixes: list[str], indent: int, newline: bool = False) -> str:
    """Suffixes after a comma, on a new line where the last one has no room left, or from the first on with `newline`."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if newline or used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            used, newline = indent + len(suffix), False
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _body(array: np.ndarray, indent: int) -> str:
    """The nested brackets."""
    if array.size <= _options.threshold:
        cuts = [False] * array.ndim
    else:
        cuts = [n > 2 * _options.edgeitems for n in array.shape]
        array = array[np.ix_(*(_shown(n) for n in array.shape))]
    if array.dtype.kind == "c":
        real, imaginary = _Format(array.real), _Format(array.imag)
        pairs = zip(map(real, array.real.ravel().tolist()), map(imaginary, array.imag.ravel().tolist()), strict=True)
        items = [_complex_item(*pair) for pair in pairs]
        width = real.width + imaginary.width + 1
    else:
        form = _Format(array)
        items = [form(value) for value in array.ravel().tolist()]
        width = form.width
    if array.ndim == 0:
        return items[0]
    return _nested(items, array.shape, cuts, indent, width + 2)


def _shown(n: int) -> np.ndarray:
    """Indices that are printed of a long axis."""
    edge = _options.edgeitems
    return np.arange(n) if n <= 2 * edge else np.concatenate([np.arange(edge), np.arange(n - edge, n)])


def _complex_item(real: str, imaginary: str) -> str:
    imaginary = imaginary.lstrip()
    return f"{real}{imaginary}j" if imaginary[0] in "+-" else f"{real}+{imaginary}j"


def _nested(items: list[str], shape: tuple[int, ...], cuts: list[bool], indent: int, width: int) -> str:
    """Items in row order as bracketed lists; `width` is that of one item with its comma and space."""
    edge = _options.edgeitems
    if len(shape) == 1:
        if cuts[0]:
            items = items[:edge] + [" ..."] + items[-edge:]
        per_line = max(1, (_options.linewidth - indent) // width)
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    step = len(items) // shape[0] if shape[0] else 0
    parts = [_nested(items[i * step : (i + 1) * step], shape[1:], cuts[1:], indent + 1, width) for i in range(shape[0])]
    if cuts[0]:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


class _Format:
    """The one format of all items: `width` and a call that turns a Python value into padded text."""

    def __init__(self, shown: np.ndarray):
        self.width = 1
        self.pattern = "{}"
        self.point = ""
        if shown.dtype.kind == "f":
            self._choose(shown)
        else:
            self._widen(shown.ravel().tolist())

    def _choose(self, shown: np.ndarray) -> None:
        precision, forced = _options.precision, _options.sci_mode
        finite = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
        whole = bool((finite == np.ceil(finite)).all())
        scientific = False
        if finite.size:  # otherwise every item is 0, inf or nan
            magnitude = np.abs(finite)
            low, high = float(magnitude.min()), float(magnitude.max())
            scientific = high / low > 1000.0 or high > 1.0e8 or (low < 1.0e-4 and not whole)
            scientific = scientific if forced is None else bool(forced)
        if scientific:
            self.pattern = f"{{:.{precision}e}}"
        elif whole:
            self.pattern, self.point = "{:.0f}", "."
        else:
            self.pattern = f"{{:.{precision}f}}"
        self._widen(finite.tolist())

    def _widen(self, values: list) -> None:
        for value in values:
            self.width = max(self.width, len(self.pattern.format(value)) + len(self.point))

    def __call__(self, value: Any) -> str:
        text = self.pattern.format(value)
        if self.point and math.isfinite(value):
            text += self.point
        return text.rjust(self.width)
