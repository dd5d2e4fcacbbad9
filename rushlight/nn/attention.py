"""Which kernels `scaled_dot_product_attention` may use."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator

from rushlight.errors import explain_error

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """Kinds of attention kernels, with PyTorch's numbers. There is one kernel here; it serves MATH and FLASH_ATTENTION."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


_SERVED = (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION)


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[None]:
    """Inside, attention uses only these kinds of kernels.

    The one kernel walks the keys in blocks and holds no scores in memory, which is what FLASH_ATTENTION names; where it does not apply
    (double backward, dropout), plain tensor code runs, which is MATH. So either name allows both, and their order (`set_priority`)
    changes nothing.

    Errors: RuntimeError if none of the kinds exists here, AssertionError for what is no SDPBackend.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention import SDPBackend, sdpa_kernel
    >>> q = torch.ones(1, 1, 2, 4)
    >>> with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
    ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
    torch.Size([1, 1, 2, 4])
    """
    asked = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(asked, list) or not all(isinstance(each, SDPBackend) for each in asked):
        raise AssertionError(
            explain_error("sdpa_kernel", got=f"{backends!r}", expected="an SDPBackend, or a list of them")
        )
    if not any(each in _SERVED for each in asked):
        raise RuntimeError(
            explain_error(
                "sdpa_kernel",
                got=f"{', '.join(each.name for each in asked) or 'no backend'}",
                expected=f"at least one of {', '.join(each.name for each in _SERVED)}: other kernels do not exist here",
                fix="add SDPBackend.MATH to the list",
            )
        )
    yield
