"""The older spectral normalisation: a hook before each forward pass computes the weight, and improves its estimate in training."""

from __future__ import annotations

from typing import Any, TypeVar

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.functional import normalize
from rushlight.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter, UninitializedParameter
from rushlight.nn.utils.parametrizations import as_matrix
from rushlight.nn.utils.weight_norm import hooked

M = TypeVar("M", bound=Module)


class SpectralNorm:
    """The hook."""

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                explain_error("spectral_norm", got=f"n_power_iterations={n_power_iterations}", expected="at least 1")
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """weight / (uᵀ W v)."""
        weight = getattr(module, f"{self.name}_orig")
        buffers = [getattr(module, f"{self.name}_{which}") for which in "uv"]
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with rushlight.no_grad():
                u, v = buffers
                for _ in range(self.n_power_iterations):
                    v = normalize(rushlight.mv(matrix.t(), u), dim=0, eps=self.eps)
                    u = normalize(rushlight.mv(matrix, v), dim=0, eps=self.eps)
                for buffer, value in zip(buffers, (u, v), strict=True):
                    buffer.copy_(value)
        u, v = (buffer.clone() for buffer in buffers)  # the next pass writes to the buffers
        return weight / rushlight.dot(u, rushlight.mv(matrix, v))

    def remove(self, module: Module) -> None:
        """Put one parameter with the present value in place of all."""
        with rushlight.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.clone()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by an estimate of its largest singular value; `nn.utils.parametrizations.spectral_norm` is the newer form.

    The parameter is `weight_orig`, the buffers `weight_u` and `weight_v` are the singular vectors. `dim` are the matrix's rows: 0, or
    1 for transposed convolutions.

    Errors: RuntimeError if it is normalised already, ValueError if its shape is not known yet.

    >>> import rushlight as torch
    >>> list(torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if hooked(module, SpectralNorm, name)[1] is not None:
        raise RuntimeError(
            explain_error(
                "spectral_norm", got=f"{name!r}, which has spectral norm already", expected="a plain parameter"
            )
        )
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(explain_error("spectral_norm", got=f"{name!r}, which is None", expected="a parameter"))
    if isinstance(weight, UninitializedParameter):
        raise ValueError(
            explain_error(
                "spectral_norm",
                got="a parameter whose shape is not known yet",
                expected="an ordinary one",
                fix="run one batch through the lazy module first",
            )
        )
    with rushlight.no_grad():
        vectors = [
            normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps) for size in as_matrix(weight, dim).shape
        ]
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())  # what is read before the first forward pass
    for which, vector in zip("uv", vectors, strict=True):
        module.register_buffer(f"{name}_{which}", vector)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight one parameter again. Errors: ValueError if it has no spectral norm."""
    key, hook = hooked(module, SpectralNorm, name)
    if hook is None:
        raise ValueError(
            explain_error(
                "remove_spectral_norm", got=f"{name!r} of {type(module).__name__}", expected="spectral norm on it"
            )
        )
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module
