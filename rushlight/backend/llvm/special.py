"""erf, erfc, erfinv, lgamma, digamma. float32 is computed in float64, but for erf, which networks use (GELU)."""

from __future__ import annotations

import math

from rushlight.backend.llvm.exponential import exp
from rushlight.backend.llvm.logarithm import log
from rushlight.backend.llvm.trigonometric import cos_near, sin_near
from rushlight.backend.llvm.vectors import (
    INFINITY,
    NAN,
    Vector,
    absolute,
    at_most,
    copysign,
    fma,
    in_double,
    polynomial,
    rint,
    select,
    sqrt,
)

# erf(x)/x - 1 as a polynomial of x², |x| <= 1.13, |x| <= 1: 2^-27, 2^-56
_ERF = {
    "f32": (
        0.12837917, -0.376126, 0.112832196, -0.026837844, 0.0051580057, -0.000774907, 7.017262e-05,
    ),
    "f64": (
        0.12837916709551256, -0.37612638903183343, 0.1128379167093694, -0.02686617064195554, 0.005223977596685449,
        -0.0008548325481342805, 0.00012055280341606776, -1.4924461595958959e-05, 1.6444084947273974e-06,
        -1.6183347796154135e-07, 1.3613220861113694e-08, -7.599870205743307e-10,
    ),
}  # fmt: skip
# The fourth root of erfc(x) as a polynomial of x - 2.5, 1.12 <= x <= 3.96: 2^-27 in erfc
_ERFC_ROOT = (
    0.14203212, -0.19006434, 0.09363798, -0.012278403, -0.0064473236, 0.0027332886, 2.346166e-05, -0.00023194526,
    -1.2421772e-05,
)  # fmt: skip
# (1 + 2x) e^(x²) erfc(x) as a polynomial of (x - 4) / (x + 4), 0.49 <= x <= 27.4: 2^-54
_ERFC = (
    1.2329951186255526, -0.1396211168405601, 0.01537965210260229, 0.0680970542543903, -0.10103906603521039,
    0.09373283500958922, -0.06633036583863314, 0.03716751534534676, -0.016197733735434115, 0.005031971788948606,
    -0.0007577755420785175, -0.0001992669890401783, 0.0001506312653204952, -2.4362396889360794e-05,
    -1.1247386816115074e-05, 5.626188105333241e-06, 3.3480898343201876e-07, -7.083630487393489e-07,
    3.673898395867433e-08, 1.6965047477526833e-08, -1.191395564894783e-09, 1.912392459096165e-08,
)  # fmt: skip
# erfinv(x)/x, of w = -log(1 - x²): of w - 3.125, w <= 6.26, and of √w - 4.25, √w <= 6.02: 2^-56, 2^-53
_ERFINV_NEAR = (
    1.6536545626831027, 0.24015818242558828, -0.00603367087142755, -0.000740702534154122, 0.00018673420802322566,
    -1.3882523395346681e-05, -1.3654691824022751e-06, 4.234788185310763e-07, -2.9070384843347717e-08,
    -4.112661604715887e-09, 1.0512196390558598e-09, -5.4142545600042996e-11, -1.297742950714375e-11,
    2.6303962833908887e-12, -8.105238619346919e-14, -3.9997108814155405e-14, 6.575107281324412e-15,
    -4.202537981168814e-17, -1.2788686922067387e-16, 1.569928177937754e-17, 9.946185191823854e-19,
    -3.5506600628720055e-19, 4.975050811249981e-21, 3.331390329827215e-21, -1.0450822515508608e-22,
)  # fmt: skip
_ERFINV_FAR = (
    4.09222342366813, 1.0099782771612615, 0.0007127499726328852, -0.0006078940277318292, 0.00021217671381858194,
    -6.441974715889908e-05, 2.1980123835829255e-05, -1.0197687376576962e-05, 5.80728647146184e-06,
    -3.2110488108527594e-06, 1.4901290986927402e-06, -5.154367593532166e-07, 9.336594507168657e-08,
    2.5872350184021604e-08, -3.0226370581546234e-08, 1.3171534058250036e-08, -3.0016542840745274e-09,
    2.6256234014999283e-12, 4.2661492945912436e-10, -2.857494186785334e-10, 4.775277180959245e-11,
    3.851550455843008e-11, -7.746762001032524e-12, -7.420649896201477e-12, 3.200248433798846e-13,
    1.4676951376340205e-12, -3.053864133596261e-14, -1.5383597889010726e-13, 2.976493656124583e-15,
    6.576201388463583e-15,
)  # fmt: skip
# log Γ(2 + t) / t, |t| <= 1/2: 2^-56
_LGAMMA = (
    0.42278433509846713, 0.3224670334241133, -0.06735230105319497, 0.020580808427766165, -0.007385551028998821,
    0.0028905103317853524, -0.001192753898767034, 0.0005096694975962053, -0.0002231550156312565, 9.94578975997844e-05,
    -4.492337650113454e-05, 2.0503992892366744e-05, -9.458062674277843e-06, 4.391192401629986e-06,
    -1.969674393541848e-06, 9.060811457739749e-07, -5.860203602909907e-07, 2.9112159617864575e-07,
)  # fmt: skip
# What Stirling's formula lacks, times x, as a polynomial of 1/x², x >= 8: 2^-61 in the result
_STIRLING = (
    0.0833333333333331, -0.0027777777773628698, 0.000793650577713499, -0.0005951898412394121, 0.0008364677759366225,
    -0.0016336305184993518,
)  # fmt: skip
# ψ(x) / (x - root) as a polynomial of x - root, 1 <= x <= 2: 2^-55
_DIGAMMA = (
    0.9676722454476212, -0.44276316898359286, 0.2584997609556198, -0.16394270544215833, 0.10782405069597627,
    -0.07219956128112057, 0.04880428789026427, -0.033161125329054256, 0.02259765624723675, -0.015424795622834124,
    0.010538658377798967, -0.007204064961080595, 0.004928105257155989, -0.003374505740688392, 0.0022972794687923736,
    -0.0015467647608753197, 0.0011043982185556002, -0.0008591129854557853, 0.0004743527246464427,
    -6.2732215157887e-05, 0.00018502639479527655, -0.00048045399246124485, 0.0002680777823660823,
)  # fmt: skip
# (log x - 1/2x - ψ(x)) x² as a polynomial of 1/x², x >= 8: 2^-58
_DIGAMMA_FAR = (
    0.08333333333332583, -0.008333333323897716, 0.0039682500058186975, -0.004165897844358796, 0.007499526200078363,
    -0.017270577307904336,
)  # fmt: skip
_DIGAMMA_ROOT = (1.4616321449683622, 9.549995429965697e-17)
_HALF_LOG_2PI_E = 0.4189385332046727  # (log 2π - 1) / 2


def _erf_small(x: Vector, square: Vector) -> Vector:
    """erf x for |x| <= 1, and a little more in float32."""
    return fma(x, polynomial(square, _ERF[x.kind]), x)


def _erfc_large(x: Vector) -> Vector:
    """erfc x for x >= 1/2, in float64: e^(-x²) times a slow function."""
    x = at_most(x, 28.0)
    high = (x.bits() & -(1 << 27)).float_of_bits()  # its square is exact
    gauss = exp(-(high * high), low=-((x - high) * (x + high)))
    return gauss * polynomial((x - 4.0) / (x + 4.0), _ERFC) / (x + x + 1.0)


def erf(x: Vector) -> Vector:
    """2/√π ∫ e^(-t²) dt from 0 to x."""
    size = absolute(x)
    if x.kind == "f32":
        root = polynomial(at_most(size, 3.95) - 2.5, _ERFC_ROOT)
        square = root * root
        limit, large = 1.125, 1.0 - square * square
    else:
        limit, large = 1.0, 1.0 - _erfc_large(size)
    return copysign(select(size < limit, _erf_small(size, x * x), large), x)


@in_double
def erfc(x: Vector) -> Vector:
    """1 - erf x, with the accuracy of a float where it is small."""
    size = absolute(x)
    small = 1.0 - _erf_small(x, x * x)
    tail = _erfc_large(size)
    return select(size < 0.5, small, select(x < 0.0, 2.0 - tail, tail))


@in_double
def erfinv(x: Vector) -> Vector:
    """y with erf y = x; infinite at ±1, NaN beyond."""
    w = -log((1.0 - x) * (1.0 + x))
    near = polynomial(w - 3.125, _ERFINV_NEAR)
    far = polynomial(sqrt(w) - 4.25, _ERFINV_FAR)
    found = x * select(w < 6.25, near, far)
    return select(absolute(x).equals(1.0), copysign(x.like(INFINITY), x), found)


def _pi_times_fraction(a: Vector) -> tuple[Vector, Vector, Vector]:
    """(swap, r, t) for a >= 0: t = a - round(a); r = π |t|, or, where `swap`, π/2 - π |t|: at most π/4."""
    t = a - rint(a)
    size = absolute(t)
    swap = size > 0.25
    return swap, select(swap, 0.5 - size, size) * math.pi, t


@in_double
def lgamma(x: Vector) -> Vector:
    """log |Γ(x)|; infinite at 0, -1, -2, ... and at ±∞.

    x >= 8: Stirling's formula. Below, a product of numbers one apart leads to [1.5, 2.5).
    Below 0: log |Γ(-a)| = log(π / (a |sin πa|)) - log Γ(a).
    """
    a = absolute(x)
    product, t = a.like(1.0), a
    for _ in range(6):
        above = t >= 2.5
        t = select(above, t - 1.0, t)
        product = select(above, product * t, product)
    below = a < 1.5
    product = select(a < 0.5, a * (a + 1.0), select(below, a, product))
    t = select(a < 0.5, a, select(below, a - 1.0, t - 2.0))
    far = a >= 8.0
    logarithm = log(select(far, a, product))
    near = fma(t, polynomial(t, _LGAMMA), select(below, -logarithm, logarithm))
    inverse = 1.0 / a
    # (a - 1/2) log a - a + log(2π)/2, so that it is infinite, and not ∞ - ∞, at infinity
    stirling = fma(a - 0.5, logarithm - 1.0, fma(inverse, polynomial(inverse * inverse, _STIRLING), _HALF_LOG_2PI_E))
    positive = select(far, stirling, near)
    swap, r, fraction = _pi_times_fraction(a)
    sine = select(swap, cos_near(r), sin_near(r))
    negative = -(log(a * sine * (1 / math.pi)) + positive)
    # Near 0 both are -log a, and the product would underflow.
    found = select(x < -(2.0**-60), negative, positive)
    pole = (x < 0.0) & fraction.equals(0.0)
    return select(pole | a.equals(INFINITY), INFINITY, found)


@in_double
def digamma(x: Vector) -> Vector:
    """Γ'(x) / Γ(x); ∓∞ at ±0, NaN at -1, -2, ... and -∞.

    x >= 8: the asymptotic series. Below, a sum of 1/(x + k) leads to [1, 2]. Below 0: ψ(-a) = ψ(1 + a) + π cot πa.
    """
    negative = x < 0.0
    a = absolute(x)
    y = select(negative, a + 1.0, a)
    t, top, bottom = y, y.like(0.0), y.like(1.0)  # what leads there, as one fraction
    for _ in range(6):
        above = (t > 2.0) & (y < 8.0)
        t = select(above, t - 1.0, t)
        top = select(above, fma(top, t, bottom), top)
        bottom = select(above, bottom * t, bottom)
    below = y < 1.0
    t = select(below, t + 1.0, t)
    top = select(below, -1.0, top)
    bottom = select(below, y, bottom)
    off = (t - _DIGAMMA_ROOT[0]) - _DIGAMMA_ROOT[1]
    near = fma(off, polynomial(off, _DIGAMMA), top / bottom)
    inverse = 1.0 / y
    square = inverse * inverse
    far = log(y) - fma(square, polynomial(square, _DIGAMMA_FAR), inverse * 0.5)
    found = select(y < 8.0, near, far)
    swap, r, fraction = _pi_times_fraction(a)
    s, c = sin_near(r), cos_near(r)
    cotangent = copysign(select(swap, s, c) / select(swap, c, s), fraction)
    found = select(negative, fma(cotangent, math.pi, found), found)
    pole = negative & fraction.equals(0.0)
    return select(pole, NAN, select(a.equals(0.0), -copysign(x.like(INFINITY), x), found))
