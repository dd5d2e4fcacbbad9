"""`torch.special`: special functions under the names of that namespace."""

from __future__ import annotations

from typing import Any

from rushlight import functional

# name here: name among the functions of `rushlight.functional`
_NAMES = {
    "digamma": "digamma", "psi": "digamma", "entr": "entr", "erf": "erf", "erfc": "erfc", "erfcx": "erfcx",
    "erfinv": "erfinv",
    "exp2": "exp2", "expit": "sigmoid", "expm1": "expm1", "gammaln": "lgamma", "i0": "i0", "i0e": "i0e", "i1": "i1",
    "i1e": "i1e", "log1p": "log1p", "log_ndtr": "log_ndtr", "log_softmax": "log_softmax", "logit": "logit",
    "logsumexp": "logsumexp", "multigammaln": "mvlgamma", "ndtr": "ndtr", "polygamma": "polygamma", "round": "round",
    "sinc": "sinc", "softmax": "softmax", "xlog1py": "xlog1py", "xlogy": "xlogy", "zeta": "zeta",
    "modified_bessel_i0": "i0", "modified_bessel_i1": "i1", "gammainc": "igamma", "gammaincc": "igammac",
    **{
        name: name
        for name in (
            "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "hermite_polynomial_h", "hermite_polynomial_he",
            "laguerre_polynomial_l", "legendre_polynomial_p", "modified_bessel_k0", "modified_bessel_k1", "ndtri",
            "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0",
            *(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
        )
    },
}  # fmt: skip

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(functional, _NAMES[name])
    raise AttributeError(f"module 'rushlight.special' has no attribute {name!r}: it has {', '.join(sorted(_NAMES))}.")


def __dir__() -> list[str]:
    return __all__
