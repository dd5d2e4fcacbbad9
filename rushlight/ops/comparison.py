"""Comparison, logic and bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import BOOL, COMPLEX, FLOATING, INTEGER
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import formulas
from rushlight.ops.elementwise import refuse_other_kinds
from rushlight.ops.formulas import truth
from rushlight.ops.rules import comparison, elementwise, forbid, promote_common, result_dtype
from rushlight.ops.samples import binary, int_binary, unary


def _comparison(name: str, function: Any, lower: Any, doc: str, other: str = "Operand") -> Op:
    return declare(
        f"{name}(Tensor input, {other} other)", infer=comparison(name), reference=function, promote=promote_common,
        pointwise=True, inplace=True, samples=binary, lower=lower, doc=doc,
    )  # fmt: skip


eq = _comparison("eq", np.equal, L.eq, "input == other")
ne = _comparison("ne", np.not_equal, L.ne, "input != other")
lt = _comparison("lt", np.less, lambda a, b: a < b, "input < other")
le = _comparison("le", np.less_equal, lambda a, b: a <= b, "input <= other")
gt = _comparison("gt", np.greater, lambda a, b: a > b, "input > other")
ge = _comparison("ge", np.greater_equal, lambda a, b: a >= b, "input >= other")
logical_and = _comparison(
    "logical_and", np.logical_and, lambda a, b: truth(a) & truth(b), "both are true (non-zero)", "Tensor"
)
logical_or = _comparison(
    "logical_or", np.logical_or, lambda a, b: truth(a) | truth(b), "one is true (non-zero)", "Tensor"
)
logical_xor = _comparison(
    "logical_xor", np.logical_xor, lambda a, b: truth(a) ^ truth(b), "exactly one is true (non-zero)", "Tensor"
)


def _bitwise(signature: str, function: Any, lower: Any, doc: str, shift: bool = False) -> Op:
    name = signature.partition("(")[0]

    def rule(*metas: Meta) -> Meta:
        for m in metas:
            forbid(name, m, FLOATING, COMPLEX, *((BOOL,) if shift else ()), why="convert it to an integer dtype")
        return elementwise(name, metas, result_dtype(*metas))

    return declare(
        signature, infer=rule, reference=function, promote=promote_common, pointwise=True, inplace=True, lower=lower,
        samples=int_binary if len(signature.split(",")) > 1 else lambda: [((a,), {}) for (a, _), _ in int_binary()], doc=doc,
    )  # fmt: skip


bitwise_and = _bitwise("bitwise_and(Operand input, Operand other)", np.bitwise_and, lambda a, b: a & b, "input & other")
bitwise_or = _bitwise("bitwise_or(Operand input, Operand other)", np.bitwise_or, lambda a, b: a | b, "input | other")
bitwise_xor = _bitwise("bitwise_xor(Operand input, Operand other)", np.bitwise_xor, lambda a, b: a ^ b, "input ^ other")
bitwise_not = _bitwise("bitwise_not(Tensor input)", np.invert, lambda x: ~x, "~input")
bitwise_left_shift = _bitwise(
    "bitwise_left_shift(Operand input, Operand other)", np.left_shift, formulas.shift_left, "input << other", True
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift(Operand input, Operand other)", np.right_shift, formulas.shift_right, "input >> other", True
)
logical_not = declare(
    "logical_not(Tensor input)", infer=comparison("logical_not"), reference=np.logical_not, pointwise=True, inplace=True,
    samples=unary, lower=lambda x: ~truth(x), doc="true where input is zero",
)  # fmt: skip

refuse_other_kinds("lt le gt ge", BOOL, INTEGER, FLOATING)
