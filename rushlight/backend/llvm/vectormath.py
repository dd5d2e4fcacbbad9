"""The functions of the scalar IR as LLVM IR, a vector at a time.

    FUNCTIONS[name](w, kind, lanes, *values) -> the name of the result

The largest errors in units of the last place, with and without a fused multiply-add (sqrt, rint, fmod, ... are exact):

    float32   0.9, 1.2 exp, exp2, log;  1.0, 2.0 log2, log10;  1.5, 1.7 expm1, log1p, tanh, sin, cos, erf
              0.5 all others: they are computed in float64 and rounded once
    float64   2 most;  3 tan, erfc, erfinv (4 without);  4 digamma;  5 lgamma between 1 and 2
              lgamma and digamma below 0: 5e-15 absolute near their zeros

The results are the same for every number of lanes. No function calls a library on any target.
"""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm import exponential, hyperbolic, inverse, logarithm, power, special, trigonometric, vectors
from rushlight.backend.llvm.text import Writer
from rushlight.backend.llvm.vectors import Vector


def _function(formula: Callable[..., Vector]) -> Callable[..., str]:
    def write(w: Writer, kind: str, lanes: int, *values: str) -> str:
        return formula(*[Vector(w, kind, lanes, value) for value in values]).name

    write.__name__, write.__doc__ = formula.__name__, formula.__doc__
    return write


FUNCTIONS: dict[str, Callable[..., str]] = {
    formula.__name__: _function(formula)
    for formula in (
        *(exponential.exp, exponential.exp2, exponential.expm1),
        *(logarithm.log, logarithm.log2, logarithm.log10, logarithm.log1p),
        *(trigonometric.sin, trigonometric.cos, trigonometric.tan),
        *(inverse.asin, inverse.acos, inverse.atan, inverse.atan2),
        *(hyperbolic.sinh, hyperbolic.cosh, hyperbolic.tanh, hyperbolic.asinh, hyperbolic.acosh, hyperbolic.atanh),
        *(special.erf, special.erfc, special.erfinv, special.lgamma, special.digamma),
        *(power.pow, power.fmod, power.hypot),
        *(vectors.sqrt, vectors.floor, vectors.ceil, vectors.trunc, vectors.rint, vectors.copysign),
    )
}
FUNCTIONS["abs"] = _function(vectors.absolute)
