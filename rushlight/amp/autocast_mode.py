"""`autocast`: inside, products are computed in a narrower dtype, and what needs the range in float32.

The casts are ordinary ops, recorded before the op that needs them: they are compiled with it, and gradients flow through them.
Functions learn of autocast when the first region is entered (see functional/intercept.py); until then it costs nothing.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.amp.policy import FLOAT32, LOWER, MADE_OF_PRODUCTS, WIDEST, WITH_STATE, functions_of
from rushlight.errors import explain_error
from rushlight.functional.intercept import intercept
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local

_HALVES = (rushlight.bfloat16, rushlight.float16)
_AVAILABLE = ("cpu",)
_KNOWN = ("cpu", "cuda", "xpu", "mps", "hpu", "ipu", "xla", "mtia", "maia", "privateuseone")
_default = {"cpu": rushlight.bfloat16, "xpu": rushlight.bfloat16, "hpu": rushlight.bfloat16, "xla": rushlight.bfloat16}


class Region:
    """What `local.autocast` is inside a region: the dtype, and the casts of leaves that were made so far."""

    __slots__ = ("casts", "dtype")

    def __init__(self, dtype: Any, casts: dict | None) -> None:
        self.dtype, self.casts = dtype, casts


class _Settings:
    """What the functions of `torch` set and get beside regions."""

    dtypes: dict[str, Any] = {}
    cache_enabled = True
    installed = False


# --- the casts ------------------------------------------------------------------------------------------------------


def _is_eligible(x: Any) -> bool:
    return isinstance(x, Handle) and x._meta.dtype.is_floating_point and x._meta.dtype is not rushlight.float64


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    """`convert` on every eligible tensor of an argument."""
    if _is_eligible(value):
        return convert(value)
    if value.__class__ in (tuple, list):
        return value.__class__([_converted(item, convert) for item in value])
    return value


def _cast(x: Any, dtype: Any, casts: dict | None) -> Any:
    """`x` in another dtype; a leaf's cast to the region's dtype is made once a region: its gradients meet there."""
    if x.dtype is dtype:
        return x
    if (
        casts is None
        or dtype is rushlight.float32
        or not (x.requires_grad and x.is_leaf)
        or x.dtype is not rushlight.float32
    ):
        return x.to(dtype)
    key = (id(x), x._version, local.grad_mode)
    if key not in casts:
        casts[key] = (x, x.to(dtype))  # the tensor too: its id must stay its own
    return casts[key][1]


def _layer(target: Callable[[Region, tuple, dict], Any]) -> Callable[..., Any]:
    def layer(function: Any, below: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        region = local.autocast
        if region is None or kwargs.get("out") is not None:
            return below(*args, **kwargs)
        dtype = target(region, args, kwargs)
        if dtype is None:
            return below(*args, **kwargs)
        local.autocast = None  # what the function is made of sees the dtypes chosen here
        try:
            convert = functools.partial(_cast, dtype=dtype, casts=region.casts)
            args = tuple([_converted(value, convert) for value in args])
            return below(*args, **{name: _converted(value, convert) for name, value in kwargs.items()})
        finally:
            local.autocast = region

    return layer


def _widest(region: Region, args: tuple, kwargs: dict) -> Any:
    found: list[Any] = []
    _converted([*args, *kwargs.values()], lambda x: found.append(x.dtype))
    other = next((dtype for dtype in found if dtype not in (region.dtype, rushlight.float32)), None)
    if other is not None and rushlight.float32 not in found[: found.index(other)]:
        raise RuntimeError(
            explain_error(
                "autocast", got=f"a tensor of {other} among those to join, in a region of {region.dtype}",
                expected=f"{region.dtype} or torch.float32", fix=f"autocast(..., dtype={other})",
            )
        )  # fmt: skip
    return rushlight.float32 if rushlight.float32 in found else region.dtype


def _of_einsum(region: Region, args: tuple, kwargs: dict) -> Any:
    operands = args[1] if len(args) == 2 and args[1].__class__ in (tuple, list) else args[1:]
    return region.dtype if len(operands) > 1 else None  # one operand is summed or moved, not multiplied


def _of_pad(region: Region, args: tuple, kwargs: dict) -> Any:
    """Mirrored and repeated edges are padded in float32, but for mirrored volumes."""
    pads, mode = [args[1] if len(args) > 1 else kwargs["pad"], args[2] if len(args) > 2 else kwargs.get("mode")]
    return rushlight.float32 if mode == "replicate" or mode == "reflect" and len(pads) < 6 else None


_keep_state = _layer(lambda region, args, kwargs: region.dtype)


def _with_state(function: Any, below: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The new state in the wider dtype of the region's and the old state's."""
    found = _keep_state(function, below, *args, **kwargs)
    if local.autocast is None:
        return found
    state = kwargs["hx"] if "hx" in kwargs else args[1] if not _is_tensor_of_counts(args[1]) else args[2]
    first = state[0] if isinstance(state, (tuple, list)) else state
    return _converted(found, lambda x: x.to(rushlight.promote_types(x.dtype, first.dtype)))


def _is_tensor_of_counts(x: Any) -> bool:
    return isinstance(x, Handle) and not x._meta.dtype.is_floating_point


def _install() -> None:
    if _Settings.installed:
        return
    for names, layer in (
        (LOWER + MADE_OF_PRODUCTS, _layer(lambda region, args, kwargs: region.dtype)),
        (WITH_STATE, _with_state),
        (FLOAT32, _layer(lambda region, args, kwargs: rushlight.float32)),
        (WIDEST, _layer(_widest)),
        (("einsum",), _layer(_of_einsum)),
        (("pad",), _layer(_of_pad)),
    ):
        intercept(functions_of(names), layer, rank=1)
    _Settings.installed = True


# --- regions --------------------------------------------------------------------------------------------------------


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast(device_type)` can change anything: on the CPU.

    >>> is_autocast_available("cpu")
    True
    """
    if device_type not in (*_KNOWN, "meta"):
        raise RuntimeError(explain_error("autocast", got=f"device type {device_type!r}", expected="'cpu'"))
    return device_type in _AVAILABLE


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that a region computes products in unless it is given one: bfloat16 on the CPU."""
    return _Settings.dtypes.get(device_type, _default.get(device_type, rushlight.float16))


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set what `get_autocast_dtype` says, and the dtype of the region that the thread is in."""
    _Settings.dtypes[device_type] = dtype
    if device_type == "cpu" and local.autocast is not None:
        local.autocast = Region(dtype, local.autocast.casts)


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether inside an enabled region of the device."""
    return device_type == "cpu" and local.autocast is not None


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Begin or end a region by hand; with one argument of `cuda`, where it is without effect."""
    if enabled is None:
        return
    if device_type == "cpu":
        if enabled:
            _install()
        local.autocast = Region(get_autocast_dtype("cpu"), {} if _Settings.cache_enabled else None) if enabled else None


def is_autocast_cache_enabled() -> bool:
    """Whether regions keep the casts of leaves."""
    return _Settings.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Set what `is_autocast_cache_enabled` says."""
    _Settings.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the casts of leaves that the present region keeps."""
    if local.autocast is not None and local.autocast.casts is not None:
        local.autocast.casts.clear()


class autocast:
    """A region in which products (`linear`, `matmul`, convolutions, attention) are computed in `dtype`, and losses, transforms and
    solvers in float32; everything else in the dtype that it is given. A context manager and a decorator.

    device_type  "cpu"; for a device that is not there a warning is given, and nothing changes
    dtype        bfloat16 or float16; None: `get_autocast_dtype(device_type)`
    enabled      False: ops inside are not changed, also within another region
    cache_enabled  cast each leaf once

    Errors: RuntimeError for an unknown device type. float64 tensors are never changed. Backward passes belong outside.

    >>> import rushlight as torch
    >>> a = torch.ones(2, 2)
    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     b = a @ a
    ...     c = torch.nn.functional.mse_loss(b, a)
    >>> b.dtype, c.dtype, (a @ a).dtype
    (torch.bfloat16, torch.float32, torch.float32)
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(
                explain_error("autocast", got=f"{device_type!r} as device_type", expected="a string such as 'cpu'")
            )
        if device_type not in _KNOWN:
            raise RuntimeError(explain_error("autocast", got=f"device type {device_type!r}", expected="'cpu'"))
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = _Settings.cache_enabled if cache_enabled is None else cache_enabled
        if enabled and device_type not in _AVAILABLE:
            warnings.warn(
                f"autocast: no device of type {device_type!r} is available here, so nothing is changed.", stacklevel=2
            )
            enabled = False
        if enabled and self.fast_dtype not in _HALVES:
            warnings.warn(
                f"autocast: got dtype={self.fast_dtype}; expected torch.bfloat16 or torch.float16. Nothing is changed.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        self._before.append(local.autocast)
        if self.device == "cpu":
            local.autocast = None
            if self._enabled:
                _install()
                around = self._before[-1]
                casts = around.casts if around is not None and around.dtype is self.fast_dtype else {}
                local.autocast = Region(self.fast_dtype, casts if self._cache_enabled else None)
        return self

    def __exit__(self, *error: Any) -> None:
        local.autocast = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside


# --- autograd.Function ----------------------------------------------------------------------------------------------


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Decorate the `forward` of an `autograd.Function`. With `cast_inputs`, its floating-point arguments are cast to that dtype
    and its body runs without autocast; otherwise its body runs as the code around it. `custom_bwd` then does as forward did.
    """
    _check_device_type("custom_fwd", device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = get_autocast_dtype(device_type)
        if cast_inputs is None:
            ctx._fwd_used_autocast = is_autocast_enabled(device_type)
            ctx._dtype = local.autocast.dtype if ctx._fwd_used_autocast else ctx._dtype
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        if not is_autocast_enabled(device_type):
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *[_converted(value, lambda x: x.to(cast_inputs)) for value in args],
                **{name: _converted(value, lambda x: x.to(cast_inputs)) for name, value in kwargs.items()},
            )

    return forward


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorate the `backward` that belongs to a `forward` decorated with `custom_fwd`: it runs with the autocast state of that."""
    _check_device_type("custom_bwd", device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


def _check_device_type(name: str, device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(explain_error(name, got=f"{device_type!r} as device_type", expected="a string such as 'cpu'"))
