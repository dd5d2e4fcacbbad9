"""A line search for the strong Wolfe conditions with cubic interpolation (Nocedal and Wright, algorithms 3.5, 3.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """The objective at distance `t` along the search direction."""

    t: float
    value: float
    grad: Any
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, clipped to `bounds` (the points, if not given)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    left, right = (a, b) if a.t <= b.t else (b, a)
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    bottom = right.slope - left.slope + 2 * d2
    if bottom == 0:
        return (low + high) / 2.0
    found = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / bottom)
    return min(max(found, low), high)


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    reach: float,
    *,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    tolerance_change: float = 1e-9,
    max_steps: int = 25,
) -> tuple[Point, int]:
    """A point along the direction with value ≤ f₀ + decrease·t·slope₀ and |slope| ≤ curvature·|slope₀|.

    `evaluate(t)` gives a point, `start` is the point at t = 0, `t` the first try, `reach` the largest component of the
    direction. Returns the best point found and the number of evaluations.
    """

    def too_high(point: Point) -> bool:
        return point.value > start.value + decrease * point.t * start.slope

    def flat_enough(point: Point) -> bool:
        return abs(point.slope) <= -curvature * start.slope

    # Go outwards until two points have a minimum between them.
    before, point = start, evaluate(t)
    steps = 0
    while steps < max_steps:
        if too_high(point) or (steps > 1 and point.value >= before.value):
            break
        if flat_enough(point):
            return point, steps + 1
        if point.slope >= 0:
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        before, point = point, evaluate(cubic_minimum(before, point, bounds))
        steps += 1
    else:
        before = start
    evaluations = steps + 1

    # Close in on it; `best` stays the lower end of the bracket.
    best, other = (before, point) if before.value <= point.value else (point, before)
    little_progress = False
    while steps < max_steps and abs(best.t - other.t) * reach >= tolerance_change:
        t = cubic_minimum(best, other)
        low, high = min(best.t, other.t), max(best.t, other.t)
        margin = 0.1 * (high - low)
        near_end = min(high - t, t - low) < margin
        if near_end and (little_progress or t >= high or t <= low):
            t = high - margin if abs(t - high) < abs(t - low) else low + margin
            near_end = False
        little_progress = near_end
        tried = evaluate(t)
        evaluations += 1
        steps += 1
        if too_high(tried) or tried.value >= best.value:
            best, other = (best, tried) if best.value <= tried.value else (tried, best)
            continue
        if flat_enough(tried):
            return tried, evaluations
        if tried.slope * (other.t - best.t) >= 0:
            other = best
        best = tried
    return best, evaluations
