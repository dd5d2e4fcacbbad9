"""Transforms of vectors and matrices: onto the simplex, and onto triangular and positive definite matrices."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.transforms.base import Transform
from rushlight.distributions.utils import tril_matrix_to_vec, vec_to_tril_matrix
from rushlight.errors import explain_error
from rushlight.nn.functional import pad, softmax, softplus


def _need_dims(name: str, shape: Any, dims: int) -> Any:
    if len(shape) < dims:
        raise ValueError(explain_error(name, got=f"shape {list(shape)}", expected=f"{dims} dimensions or more"))
    return tuple(shape)


class _OfArrays(Transform):
    """Equal to any other of its class."""

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, type(self))


class SoftmaxTransform(_OfArrays):
    """y = softmax(x) along the last dimension. Not one to one: the inverse takes log y. For coordinates, not for densities."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return softmax(x, -1)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        return _need_dims("SoftmaxTransform", shape, 1)

    def inverse_shape(self, shape: Any) -> Any:
        return _need_dims("SoftmaxTransform", shape, 1)


class StickBreakingTransform(_OfArrays):
    """n numbers to n + 1 shares: share i is z_i of what is left of a stick, z_i = sigmoid(x_i - log(n - i))."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, x: Any) -> Any:
        """log of how many shares come after each."""
        return torch.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x: Any) -> Any:
        z = torch.sigmoid(x - self._offset(x))
        left = (1 - z).cumprod(-1)
        return pad(z, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        shares = y[..., :-1]
        left = (1 - shares.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        return shares.log() - left.log() + self._offset(shares)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        shifted = x - self._offset(x)
        return (-shifted + torch.nn.functional.logsigmoid(shifted) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        shape = _need_dims("StickBreakingTransform", shape, 1)
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        shape = _need_dims("StickBreakingTransform", shape, 1)
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(_OfArrays):
    """A square matrix to a lower triangular one with positive diagonal, exp of the given one's."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_OfArrays):
    """A square matrix to L L^T, L its image under LowerCholeskyTransform."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Any) -> Any:
        x = LowerCholeskyTransform()(x)
        return x @ x.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(torch.linalg.cholesky(y))


class CorrCholeskyTransform(_OfArrays):
    """n (n - 1) / 2 numbers to the Cholesky factor of an n x n correlation matrix.

    Row by row, r = tanh(x) of an entry is taken of what the squares before it in its row have left of 1 (Lewandowski,
    Kurowicka and Joe, 2009); the rest goes to the diagonal.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        eps = torch.finfo(x.dtype).eps
        r = vec_to_tril_matrix(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r.pow(2)).sqrt().cumprod(-1)
        r = r + torch.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        left = pad((1 - y.pow(2).cumsum(-1))[..., :-1], [1, 0], value=1)
        entries = tril_matrix_to_vec(y, diag=-1)
        t = entries / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Half the logs of what was left before each entry but a row's first, and log(1 - tanh^2 x) of all."""
        left = 1 - y.pow(2).cumsum(-1)
        logs = tril_matrix_to_vec(left, diag=-2).log().sum(-1)
        return 0.5 * logs - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        shape = _need_dims("CorrCholeskyTransform", shape, 1)
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError(
                explain_error("CorrCholeskyTransform", got=f"{shape[-1]} numbers", expected="n (n - 1) / 2 of them")
            )
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Any) -> Any:
        shape = _need_dims("CorrCholeskyTransform", shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError(
                explain_error("CorrCholeskyTransform", got=f"shape {list(shape)}", expected="square matrices")
            )
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)
