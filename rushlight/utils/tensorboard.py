"""`torch.utils.tensorboard`: `SummaryWriter` over the package tensorboardX; install it with `pip install 'rushlight[tensorboard]'`."""

from __future__ import annotations

import functools
from typing import Any

import rushlight
from rushlight.errors import explain_error, need

__all__ = ["SummaryWriter"]


def _as_arrays(value: Any) -> Any:
    """Tensors, also in containers, as NumPy arrays."""
    if isinstance(value, rushlight.Tensor):
        value = value.detach()
        return (value.float() if value.dtype is rushlight.bfloat16 else value).numpy()
    if type(value) in (list, tuple):
        return type(value)(map(_as_arrays, value))
    if type(value) is dict:
        return {key: _as_arrays(item) for key, item in value.items()}
    return value


class SummaryWriter:
    """Writes scalars, histograms, pictures, text, ... to a folder that TensorBoard shows.

    All `add_*` methods are tensorboardX's, and take tensors. MissingExtraError if that package is missing.
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: Any = None, max_queue: int = 10, flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:  # fmt: skip
        try:
            from tensorboardX import SummaryWriter as Writer
        except ImportError:
            raise need("tensorboard", "tensorboardX") from None
        self._writer = Writer(log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self.log_dir = self._writer.logdir

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_graph(self, model: Any, *args: Any, **kwargs: Any) -> None:
        """NotImplementedError: there is no graph of PyTorch's to show."""
        raise NotImplementedError(
            explain_error(
                "SummaryWriter.add_graph",
                got="a model",
                expected="scalars, pictures or text",
                fix="print(torch.explain()) after a step shows its program",
            )
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_writer":
            raise AttributeError(name)
        method = getattr(self._writer, name)
        if not name.startswith("add_"):
            return method

        @functools.wraps(method)
        def add(*args: Any, **kwargs: Any) -> Any:
            return method(*map(_as_arrays, args), **{key: _as_arrays(value) for key, value in kwargs.items()})

        return add

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
