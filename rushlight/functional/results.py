"""The named tuples that PyTorch's functions return."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _make(name: str, fields: str) -> Any:
    """A named tuple that prints as PyTorch's: `torch.return_types.max(\\nvalues=…,\\nindices=…)`."""

    def show(self: Any) -> str:
        parts = ",\n".join(f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{name}(\n{parts})"

    cls = namedtuple(name, fields)  # type: ignore[misc]
    cls.__repr__ = show  # type: ignore[assignment, method-assign]
    return cls


FIELDS = {
    "max": "values indices", "min": "values indices", "sort": "values indices", "topk": "values indices",
    "median": "values indices", "nanmedian": "values indices", "mode": "values indices", "kthvalue": "values indices",
    "cummax": "values indices", "cummin": "values indices", "aminmax": "min max", "frexp": "mantissa exponent",
    "slogdet": "sign logabsdet", "qr": "Q R", "svd": "U S V", "linalg_svd": "U S Vh", "linalg_qr": "Q R",
    "linalg_eigh": "eigenvalues eigenvectors", "linalg_eig": "eigenvalues eigenvectors", "linalg_slogdet": "sign logabsdet",
    "linalg_lstsq": "solution residuals rank singular_values", "linalg_inv_ex": "inverse info", "linalg_cholesky_ex": "L info",
    "linalg_lu": "P L U", "linalg_lu_factor": "LU pivots", "histogram": "hist bin_edges",
    "histogramdd": "hist bin_edges", "lu_unpack": "P L U", "_lu_with_info": "LU pivots info", "geqrf": "a tau",
    "linalg_lu_factor_ex": "LU pivots info", "linalg_ldl_factor": "LD pivots", "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_solve_ex": "result info", "triangular_solve": "solution cloned_coefficient",
}  # fmt: skip


class _Results(dict):
    """By function; made when first asked for, as making them all costs 2 ms."""

    def __missing__(self, name: str) -> Any:
        made = self[name] = _make(name, FIELDS[name])
        return made


RESULTS: dict[str, Any] = _Results()
