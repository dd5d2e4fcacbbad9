"""Ready-made parametrizations: weight normalisation, spectral normalisation, orthogonal matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.functional import normalize
from rushlight.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.modules.module import Module
from rushlight.nn.utils import parametrize

Tensor = rushlight.Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_of(op: str, module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(
            explain_error(
                op,
                got=f"name={name!r}, which is no tensor of {type(module).__name__}",
                expected=f"a parameter or buffer: {', '.join((*module._parameters, *module._buffers)) or 'it has none'}",
            )
        )
    return weight


# --- weight norm ------------------------------------------------------------------------------------------------------


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norms over all dimensions but `dim`, which are kept as 1; one number for -1."""
    if dim == -1:
        return v.norm()
    others = [d for d in range(v.dim()) if d != dim]
    return rushlight.linalg.vector_norm(v, dim=others, keepdim=True) if others else v.abs()


def weight_of(g: Tensor, v: Tensor, dim: int) -> Tensor:
    """g · v / ‖v‖."""
    return v * (g / norm_except_dim(v, dim))


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn length and direction apart: weight = g · v / ‖v‖, g = `original0`, v = `original1`.

    A norm for each index of `dim` (the output features), or one for the whole tensor with dim=None.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> [tuple(p.shape) for p in layer.parameters()]
    [(3,), (3, 1), (3, 2)]
    """
    _tensor_of("weight_norm", module, name)
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename_old_keys(state_dict: Any, prefix: str, *rest: Any) -> None:
        """Checkpoints of the older `nn.utils.weight_norm` have the names weight_g and weight_v."""
        for index, suffix in enumerate("gv"):
            if (old := f"{prefix}{name}_{suffix}") in state_dict:
                state_dict[f"{prefix}parametrizations.{name}.original{index}"] = state_dict.pop(old)

    module._register_load_state_dict_pre_hook(rename_old_keys)
    return module


# --- spectral norm ----------------------------------------------------------------------------------------------------


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with `dim` as rows and everything else as columns."""
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.flatten(1)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.dim() <= dim < weight.dim():
            raise IndexError(explain_error("spectral_norm", got=f"dim={dim} for {weight.dim()} dimensions"))
        if n_power_iterations <= 0:
            raise ValueError(
                explain_error("spectral_norm", got=f"n_power_iterations={n_power_iterations}", expected="at least 1")
            )
        self.dim = dim % weight.dim()
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        if weight.dim() > 1:
            matrix = as_matrix(weight, self.dim)
            with rushlight.no_grad():
                for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    start = matrix.new_empty(size).normal_(0, 1)
                    self.register_buffer(name, normalize(start, dim=0, eps=eps))
            self._iterate(matrix, 15)

    @rushlight.no_grad()
    def _iterate(self, matrix: Tensor, count: int) -> None:
        """Bring u and v nearer to the first singular vectors."""
        u, v = self._u, self._v
        for _ in range(count):
            u = normalize(rushlight.mv(matrix, v), dim=0, eps=self.eps)
            v = normalize(rushlight.mv(matrix.H, u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next pass writes to the buffers
        return weight / rushlight.vdot(u, rushlight.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide the weight by its largest singular value, estimated by `n_power_iterations` power steps at each reading in training.

    `dim` are the matrix's rows: 0, or 1 for transposed convolutions.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40))
    >>> bool((torch.linalg.matrix_norm(layer.weight, 2) - 1).abs() < 0.1)
    True
    """
    weight = _tensor_of("spectral_norm", module, name)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, parametrization)


# --- orthogonal -------------------------------------------------------------------------------------------------------


def _matrix_exp(skew: Tensor) -> Tensor:
    return rushlight.matrix_exp(skew)


def _cayley(skew: Tensor) -> Tensor:
    """(I − A/2)⁻¹ (I + A/2)."""
    identity = rushlight.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    return rushlight.linalg.solve(identity - skew / 2, identity + skew / 2)


_MAPS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "matrix_exp": _matrix_exp,
    "cayley": _cayley,
    "householder": None,
}


def _reflections(below: Tensor) -> Tensor:
    """The first k columns of H₁ H₂ … Hₖ, where Hᵢ reflects along e_i + column i of `below` (n, k), strictly lower triangular.

    Their product is I − V T⁻¹ Vᴴ, where T has VᴴV above its diagonal and half of it on the diagonal.
    """
    n, k = below.shape[-2:]
    v = below + rushlight.eye(n, k, dtype=below.dtype, device=below.device)
    inner = v.mT @ v
    t = inner.triu(1) + (inner.diagonal(dim1=-2, dim2=-1) / 2).diag_embed()
    top = v[..., :k, :].mT
    return rushlight.eye(n, k, dtype=below.dtype, device=below.device) - v @ rushlight.linalg.solve(t, top)


def _reflectors(matrix: Tensor) -> Tensor:
    """What `_reflections` undoes: reflectors below the diagonal, and on it the signs that their product's columns take.

    What is above the diagonal is read by nobody; it is that of the QR decomposition, so that the values are PyTorch's.
    """
    n, k = matrix.shape[-2:]
    rest, columns = matrix, []
    for i in range(k):
        x = rest[..., i:, i]
        first, length = x[..., :1], rushlight.linalg.vector_norm(x, dim=-1, keepdim=True)
        sign = rushlight.where(first < 0, -1.0, 1.0).to(x.dtype)
        below = x[..., 1:] / (first + sign * length)
        v = rushlight.cat([rushlight.ones_like(first), below], -1).unsqueeze(-1)
        part = rest[..., i:, :]
        part = part - v @ (2 / (v * v).sum(-2, keepdim=True) * (v.mT @ part))
        rest = rushlight.cat([rest[..., :i, :], part], -2)
        columns.append(rushlight.cat([rest[..., :i, i], -sign, below], -1))  # the reflection turns a column's sign
    return rushlight.stack(columns, -1)


def _orthonormal(matrix: Tensor) -> Tensor:
    """The Q of the QR decomposition whose R has a positive diagonal."""
    q, r = rushlight.linalg.qr(matrix)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthonormal(matrix: Tensor) -> bool:
    n, k = matrix.shape[-2:]
    identity = rushlight.eye(k, dtype=matrix.dtype, device=matrix.device)
    return bool(rushlight.allclose(matrix.mH @ matrix, identity, atol=10 * n * rushlight.finfo(matrix.dtype).eps))


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError(
                explain_error(
                    "orthogonal",
                    got=f"orthogonal_map='householder' for {weight.dtype}",
                    expected="a real tensor",
                    fix="orthogonal_map='matrix_exp' or 'cayley'",
                )
            )
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        n, k = X.shape[-2:]
        wide = n < k
        if wide:
            X, n, k = X.mT, k, n
        make = _MAPS[self.orthogonal_map]
        if make is not None:
            X = X.tril()
            if n != k:
                X = rushlight.cat([X, X.new_zeros((*X.shape[:-1], n - k))], -1)
            Q = make(X - X.mH)
            if n != k:
                Q = Q[..., :k]
        else:
            signs = X.detach().diagonal(dim1=-2, dim2=-1).trunc()
            Q = _reflections(X.tril(-1)) * signs.unsqueeze(-2)
        if self.trivialized:
            Q = self.base @ Q
        return Q.mT if wide else Q

    @rushlight.no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(explain_error("orthogonal", got=f"shape {list(Q.shape)}", expected=f"{list(self.shape)}"))
        given, (n, k) = Q, Q.shape[-2:]
        wide = n < k
        if wide:
            Q, n, k = Q.mT, k, n
        if not self.trivialized:
            if _MAPS[self.orthogonal_map] is not None:
                raise NotImplementedError(
                    explain_error(
                        "orthogonal",
                        got=f"a value for orthogonal_map={self.orthogonal_map!r} with use_trivialization=False",
                        expected="a map that can be undone",
                        fix="use_trivialization=True, or orthogonal_map='householder'",
                    )
                )
            found = _reflectors(Q)
            return found.mT if wide else found
        if n != k:
            random = rushlight.randn((*Q.shape[:-1], n - k), dtype=Q.dtype, device=Q.device)
            self.base = _orthonormal(rushlight.cat([Q, random], -1))
        else:
            self.base = Q.clone() if _is_orthonormal(Q) else _orthonormal(Q)
        rows, columns = given.shape[-2:]
        minus = -rushlight.eye(rows, columns, dtype=given.dtype, device=given.device)
        return minus.expand(given.shape).clone()


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight (…, n, k) orthogonal: QᵀQ = I if n >= k, else QQᵀ = I; batches of matrices too.

    `orthogonal_map` is how Q is made of the learned tensor: the exponential ('matrix_exp', the default for square and complex
    weights) or the Cayley transform ('cayley') of a skew matrix, or a product of reflections ('householder', the default otherwise).
    With `use_trivialization`, Q is Q₀ times that, Q₀ being the orthogonal matrix that was assigned last.

    Errors: ValueError for a vector, an unknown map, and 'householder' of complex weights.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(20, 40))
    >>> torch.allclose(layer.weight.T @ layer.weight, torch.eye(20), atol=1e-5)
    True
    """
    weight = _tensor_of("orthogonal", module, name)
    if weight.dim() < 2:
        raise ValueError(
            explain_error("orthogonal", got=f"a tensor of {weight.dim()} dimensions", expected="a matrix, or a batch")
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            explain_error(
                "orthogonal", got=f"orthogonal_map={orthogonal_map!r}", expected=f"one of {', '.join(map(repr, _MAPS))}"
            )
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, parametrization, unsafe=True)
