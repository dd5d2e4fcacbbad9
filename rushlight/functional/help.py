"""What `help` says of functions that are made from their declaration, or in a line: an example, and words where they have none."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from rushlight.ir.op import TABLE, Op

# What functions without a docstring do.
WORDS = {
    "asarray": "`obj` as a tensor: tensors and arrays of the right dtype share their memory, unless `copy=True`.",
    "is_distributed": "Whether it is spread over processes; never here.",
    "is_tensor": "Whether `obj` is a tensor.",
    "is_floating_point": "Whether the dtype is a floating one.",
    "is_complex": "Whether the dtype is complex.",
    "is_nonzero": "Whether the only element is not zero. RuntimeError for more than one element.",
    "numel": "The number of elements.",
    "nansum": "The sum over `dim` (all dimensions: None), in which nan counts as 0.",
    "zeros_like": "Zeros of the input's shape, dtype and device, unless others are given.",
    "ones_like": "Ones of the input's shape, dtype and device, unless others are given.",
    "empty_like": "A tensor of the input's shape, dtype and device, whose values are arbitrary.",
    "std_mean": "(standard deviation, mean) over `dim`; divided by N - correction, which is 1 unless given.",
    "var_mean": "(variance, mean) over `dim`; divided by N - correction, which is 1 unless given.",
    "slogdet": "(sign, log of the absolute value) of the determinant: det = sign * exp(logabsdet), without overflow.",
    "pinverse": "The pseudo-inverse; see `torch.linalg.pinv`.",
    "cholesky": "The lower (`upper=True`: upper) factor of a positive-definite matrix; see `torch.linalg.cholesky`.",
    "atleast_1d": "Numbers as tensors of one dimension; several tensors give a tuple.",
    "atleast_2d": "Tensors of fewer than two dimensions with a row, (1, N); several tensors give a tuple.",
    "atleast_3d": "Tensors of fewer than three dimensions with dimensions of size 1 around them; several tensors give a tuple.",
    "threshold": "input where it is above `threshold`, else `value`.",
    "true_divide": "input / other; integers give floating results.",
    "fill": "A tensor like the input whose elements are all `value`.",
    "clamp_min_": "In-place `clamp_min`.",
    "clamp_max_": "In-place `clamp_max`.",
    "ldexp_": "In-place `ldexp`.",
    "true_divide_": "In-place `true_divide`.",
    "add_": "In-place `add`.",
    "sub_": "In-place `sub`.",
    "subtract_": "In-place `sub`.",
    "type_as": "The values in the dtype of another tensor.",
    "pin_memory": "The tensor itself: without an accelerator there is no memory to copy it from.",
    "renorm_": "In-place `renorm`.",
    "polygamma": "The n-th derivative of digamma; see `torch.polygamma`.",
    "polygamma_": "In-place `polygamma`.",
    "mvlgamma_": "In-place `mvlgamma`.",
    "where": "self where the condition is true, other elsewhere; see `torch.where`.",
}

# Run by the tests; `import rushlight as torch` goes before.
EXAMPLES = {
    "abs": ">>> torch.abs(torch.tensor([-1.5, 2.0]))\ntensor([1.5000, 2.0000])",
    "acos": ">>> torch.acos(torch.tensor([1.0, 0.0, 2.0]))\ntensor([0.0000, 1.5708,    nan])",
    "acosh": ">>> torch.acosh(torch.tensor([1.0, 2.0]))\ntensor([0.0000, 1.3170])",
    "add": ">>> torch.add(torch.tensor([1, 2]), 10)\ntensor([11, 12])\n>>> torch.add(torch.zeros(2), torch.ones(3, 1), alpha=2).shape\ntorch.Size([3, 2])",
    "addcdiv": ">>> torch.addcdiv(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=2)\ntensor([0.5000, 1.0000])",
    "addcmul": ">>> torch.addcmul(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=0.5)\ntensor([2., 4.])",
    "all": ">>> torch.all(torch.tensor([[True, False], [True, True]]), dim=1)\ntensor([False,  True])",
    "amax": ">>> torch.amax(torch.tensor([[1, 4], [3, 2]]), dim=1)\ntensor([4, 3])",
    "amin": ">>> torch.amin(torch.tensor([[1, 4], [3, 2]]), dim=(0, 1))\ntensor(1)",
    "angle": ">>> torch.angle(torch.tensor([1j, -1.0]))\ntensor([1.5708, 3.1416])",
    "any": ">>> torch.any(torch.tensor([[False, False], [True, False]]), dim=1)\ntensor([False,  True])",
    "argmax": ">>> torch.argmax(torch.tensor([[1, 4], [3, 2]]))\ntensor(1)\n>>> torch.argmax(torch.tensor([[1, 4], [3, 2]]), dim=1)\ntensor([1, 0])",
    "argmin": ">>> torch.argmin(torch.tensor([[1, 4], [3, 2]]), dim=1)\ntensor([0, 1])",
    "asin": ">>> torch.asin(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 1.5708])",
    "asinh": ">>> torch.asinh(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 0.8814])",
    "atan": ">>> torch.atan(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 0.7854])",
    "atan2": ">>> torch.atan2(torch.tensor([1.0, -1.0]), torch.tensor([0.0, -1.0]))\ntensor([ 1.5708, -2.3562])",
    "atanh": ">>> torch.atanh(torch.tensor([0.0, 0.5, 1.0]))\ntensor([0.0000, 0.5493,    inf])",
    "bitwise_and": ">>> torch.bitwise_and(torch.tensor([12, 10]), 6)\ntensor([4, 2])",
    "bitwise_left_shift": ">>> torch.bitwise_left_shift(torch.tensor([1, 3]), 2)\ntensor([ 4, 12])",
    "bitwise_not": ">>> torch.bitwise_not(torch.tensor([0, 5])), torch.bitwise_not(torch.tensor([True]))\n(tensor([-1, -6]), tensor([False]))",
    "bitwise_or": ">>> torch.bitwise_or(torch.tensor([12, 10]), 1)\ntensor([13, 11])",
    "bitwise_right_shift": ">>> torch.bitwise_right_shift(torch.tensor([8, -8]), 2)\ntensor([ 2, -2])",
    "bitwise_xor": ">>> torch.bitwise_xor(torch.tensor([12, 10]), 6)\ntensor([10, 12])",
    "ceil": ">>> torch.ceil(torch.tensor([1.2, -1.2]))\ntensor([ 2., -1.])",
    "clamp": ">>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), min=0, max=1)\ntensor([0.0000, 0.5000, 1.0000])",
    "copysign": ">>> torch.copysign(torch.tensor([1.0, -2.0]), -1)\ntensor([-1., -2.])",
    "cos": ">>> torch.cos(torch.tensor([0.0, torch.pi]))\ntensor([ 1., -1.])",
    "cosh": ">>> torch.cosh(torch.tensor([0.0, 1.0]))\ntensor([1.0000, 1.5431])",
    "cumprod": ">>> torch.cumprod(torch.tensor([1, 2, 3]), dim=0)\ntensor([1, 2, 6])",
    "cumsum": ">>> torch.cumsum(torch.tensor([[1, 2, 3], [4, 5, 6]]), dim=1)\ntensor([[ 1,  3,  6],\n        [ 4,  9, 15]])",
    "deg2rad": ">>> torch.deg2rad(torch.tensor([180.0]))\ntensor([3.1416])",
    "detach": ">>> w = torch.ones(2, requires_grad=True)\n>>> (w * 2).detach().requires_grad\nFalse",
    "diagonal": ">>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))\ntensor([1, 4])",
    "digamma": ">>> torch.digamma(torch.tensor([1.0, 2.0]))\ntensor([-0.5772,  0.4228])",
    "eq": ">>> torch.eq(torch.tensor([1, 2]), torch.tensor([1, 3]))\ntensor([ True, False])",
    "erf": ">>> torch.erf(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 0.8427])",
    "erfc": ">>> torch.erfc(torch.tensor([0.0, 1.0]))\ntensor([1.0000, 0.1573])",
    "erfinv": ">>> torch.erfinv(torch.tensor([0.0, 0.5, 1.0]))\ntensor([0.0000, 0.4769,    inf])",
    "exp": ">>> torch.exp(torch.tensor([0.0, 1.0]))\ntensor([1.0000, 2.7183])",
    "exp2": ">>> torch.exp2(torch.tensor([0, 3]))\ntensor([1., 8.])",
    "expm1": ">>> torch.expm1(torch.tensor([0.0, 1e-6]))\ntensor([0.0000e+00, 1.0000e-06])",
    "floor": ">>> torch.floor(torch.tensor([1.8, -1.2]))\ntensor([ 1., -2.])",
    "floor_divide": ">>> torch.floor_divide(torch.tensor([7, -7]), 2)\ntensor([ 3, -4])",
    "fmax": ">>> torch.fmax(torch.tensor([1.0, torch.nan]), torch.tensor([2.0, 3.0]))\ntensor([2., 3.])",
    "fmin": ">>> torch.fmin(torch.tensor([1.0, torch.nan]), torch.tensor([2.0, 3.0]))\ntensor([1., 3.])",
    "fmod": ">>> torch.fmod(torch.tensor([7.0, -7.0]), 3)\ntensor([ 1., -1.])",
    "frac": ">>> torch.frac(torch.tensor([1.25, -1.25]))\ntensor([ 0.2500, -0.2500])",
    "gcd": ">>> torch.gcd(torch.tensor([12, 9]), torch.tensor([18, 6]))\ntensor([6, 3])",
    "ge": ">>> torch.ge(torch.tensor([1, 2, 3]), 2)\ntensor([False,  True,  True])",
    "gt": ">>> torch.gt(torch.tensor([1, 2, 3]), 2)\ntensor([False, False,  True])",
    "heaviside": ">>> torch.heaviside(torch.tensor([-1.0, 0.0, 1.0]), torch.tensor(0.5))\ntensor([0.0000, 0.5000, 1.0000])",
    "hypot": ">>> torch.hypot(torch.tensor([3.0]), torch.tensor([4.0]))\ntensor([5.])",
    "isfinite": ">>> torch.isfinite(torch.tensor([1.0, torch.inf, torch.nan]))\ntensor([ True, False, False])",
    "isinf": ">>> torch.isinf(torch.tensor([1.0, torch.inf, torch.nan]))\ntensor([False,  True, False])",
    "isnan": ">>> torch.isnan(torch.tensor([1.0, torch.inf, torch.nan]))\ntensor([False, False,  True])",
    "lcm": ">>> torch.lcm(torch.tensor([4]), torch.tensor([6]))\ntensor([12])",
    "le": ">>> torch.le(torch.tensor([1, 2, 3]), 2)\ntensor([ True,  True, False])",
    "lerp": ">>> torch.lerp(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 20.0]), 0.25)\ntensor([ 0.2500, 12.5000])",
    "lgamma": ">>> torch.lgamma(torch.tensor([1.0, 5.0]))\ntensor([0.0000, 3.1781])",
    "log": ">>> torch.log(torch.tensor([1.0, torch.e, 0.0]))\ntensor([0., 1., -inf])",
    "log10": ">>> torch.log10(torch.tensor([1.0, 1000.0]))\ntensor([0., 3.])",
    "log1p": ">>> torch.log1p(torch.tensor([0.0, 1e-6]))\ntensor([0.0000e+00, 1.0000e-06])",
    "log2": ">>> torch.log2(torch.tensor([1.0, 8.0]))\ntensor([0., 3.])",
    "logaddexp": ">>> torch.logaddexp(torch.tensor([0.0, 1000.0]), torch.tensor([0.0, 1000.0]))\ntensor([6.9315e-01, 1.0007e+03])",
    "logcumsumexp": ">>> torch.logcumsumexp(torch.zeros(3), dim=0)\ntensor([0.0000, 0.6931, 1.0986])",
    "logical_and": ">>> torch.logical_and(torch.tensor([0, 1, 2]), torch.tensor([1, 1, 0]))\ntensor([False,  True, False])",
    "logical_not": ">>> torch.logical_not(torch.tensor([0, 1, 2]))\ntensor([ True, False, False])",
    "logical_or": ">>> torch.logical_or(torch.tensor([0, 1, 0]), torch.tensor([1, 1, 0]))\ntensor([ True,  True, False])",
    "logical_xor": ">>> torch.logical_xor(torch.tensor([0, 1, 2]), torch.tensor([1, 1, 0]))\ntensor([ True, False,  True])",
    "logit": ">>> torch.logit(torch.tensor([0.5, 0.9]))\ntensor([0.0000, 2.1972])",
    "logsumexp": ">>> torch.logsumexp(torch.tensor([[1000.0, 1000.0], [0.0, 0.0]]), dim=1)\ntensor([1.0007e+03, 6.9315e-01])",
    "lt": ">>> torch.lt(torch.tensor([1, 2, 3]), 2)\ntensor([ True, False, False])",
    "masked_fill": ">>> torch.masked_fill(torch.tensor([1.0, 2.0]), torch.tensor([True, False]), -torch.inf)\ntensor([-inf, 2.])",
    "matmul": ">>> torch.matmul(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))\ntensor([3., 7.])\n>>> torch.matmul(torch.ones(8, 2, 3), torch.ones(3, 4)).shape\ntorch.Size([8, 2, 4])",
    "maximum": ">>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 2]))\ntensor([3, 5])",
    "minimum": ">>> torch.minimum(torch.tensor([1, 5]), torch.tensor([3, 2]))\ntensor([1, 2])",
    "mul": ">>> torch.mul(torch.tensor([1, 2]), torch.tensor([[1], [10]]))\ntensor([[ 1,  2],\n        [10, 20]])",
    "ne": ">>> torch.ne(torch.tensor([1, 2]), torch.tensor([1, 3]))\ntensor([False,  True])",
    "neg": ">>> torch.neg(torch.tensor([1, -2]))\ntensor([-1,  2])",
    "prod": ">>> torch.prod(torch.tensor([[1, 2], [3, 4]]), dim=1)\ntensor([ 2, 12])",
    "rad2deg": ">>> torch.rad2deg(torch.tensor([torch.pi]))\ntensor([180.])",
    "reciprocal": ">>> torch.reciprocal(torch.tensor([2.0, 4.0]))\ntensor([0.5000, 0.2500])",
    "remainder": ">>> torch.remainder(torch.tensor([7, -7]), 3)\ntensor([1, 2])",
    "round": ">>> torch.round(torch.tensor([0.5, 1.5, 2.4]))\ntensor([0., 2., 2.])\n>>> torch.round(torch.tensor([1.2345]), decimals=2)\ntensor([1.2300])",
    "rsqrt": ">>> torch.rsqrt(torch.tensor([4.0, 16.0]))\ntensor([0.5000, 0.2500])",
    "select": ">>> torch.select(torch.tensor([[1, 2], [3, 4]]), dim=1, index=0)\ntensor([1, 3])",
    "sigmoid": ">>> torch.sigmoid(torch.tensor([0.0, 2.0]))\ntensor([0.5000, 0.8808])",
    "sign": ">>> torch.sign(torch.tensor([-2.0, 0.0, 3.0]))\ntensor([-1.,  0.,  1.])",
    "signbit": ">>> torch.signbit(torch.tensor([-1.0, -0.0, 0.0]))\ntensor([ True,  True, False])",
    "sin": ">>> torch.sin(torch.tensor([0.0, torch.pi / 2]))\ntensor([0., 1.])",
    "sinc": ">>> torch.sinc(torch.tensor([0.0, 0.5]))\ntensor([1.0000, 0.6366])",
    "sinh": ">>> torch.sinh(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 1.1752])",
    "sqrt": ">>> torch.sqrt(torch.tensor([4.0, 2.0, -1.0]))\ntensor([2.0000, 1.4142,    nan])",
    "square": ">>> torch.square(torch.tensor([-3, 2]))\ntensor([9, 4])",
    "stack": ">>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])])\ntensor([[1, 2],\n        [3, 4]])\n>>> torch.stack([torch.ones(2, 3)] * 4, dim=-1).shape\ntorch.Size([2, 3, 4])",
    "sub": ">>> torch.sub(torch.tensor([5, 6]), torch.tensor([1, 2]), alpha=2)\ntensor([3, 2])",
    "tan": ">>> torch.tan(torch.tensor([0.0, torch.pi / 4]))\ntensor([0., 1.])",
    "tanh": ">>> torch.tanh(torch.tensor([0.0, 1.0]))\ntensor([0.0000, 0.7616])",
    "tril": ">>> torch.tril(torch.ones(3, 3))\ntensor([[1., 0., 0.],\n        [1., 1., 0.],\n        [1., 1., 1.]])",
    "triu": ">>> torch.triu(torch.ones(3, 3), diagonal=1)\ntensor([[0., 1., 1.],\n        [0., 0., 1.],\n        [0., 0., 0.]])",
    "trunc": ">>> torch.trunc(torch.tensor([1.8, -1.8]))\ntensor([ 1., -1.])",
    "unsqueeze": ">>> torch.unsqueeze(torch.tensor([1, 2]), 1)\ntensor([[1],\n        [2]])",
    "view_as_complex": ">>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))\ntensor([1.+2.j])",
    "view_as_real": ">>> torch.view_as_real(torch.tensor([1 + 2j]))\ntensor([[1., 2.]])",
    "xlogy": ">>> torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, torch.e]))\ntensor([0., 2.])",
    "max": ">>> torch.max(torch.tensor([[1, 4], [3, 2]]))\ntensor(4)\n>>> torch.max(torch.tensor([[1, 4], [3, 2]]), dim=1)\ntorch.return_types.max(\nvalues=tensor([4, 3]),\nindices=tensor([1, 0]))\n>>> torch.max(torch.tensor([1, 4]), torch.tensor([3, 2]))\ntensor([3, 4])",
    "min": ">>> torch.min(torch.tensor([[1, 4], [3, 2]]))\ntensor(1)\n>>> torch.min(torch.tensor([[1, 4], [3, 2]]), dim=1).indices\ntensor([0, 1])",
    "std": ">>> torch.std(torch.tensor([[1.0, 3.0], [2.0, 2.0]]), dim=1)\ntensor([1.4142, 0.0000])\n>>> torch.std(torch.tensor([1.0, 3.0]), correction=0)\ntensor(1.)",
    "var": ">>> torch.var(torch.tensor([1.0, 2.0, 3.0]))\ntensor(1.)\n>>> torch.var(torch.tensor([1.0, 2.0, 3.0]), correction=0)\ntensor(0.6667)",
    "std_mean": ">>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))\n(tensor(1.), tensor(2.))",
    "var_mean": ">>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))\n(tensor(1.), tensor(2.))",
    "median": ">>> torch.median(torch.tensor([1, 9, 3, 5]))\ntensor(3)\n>>> torch.median(torch.tensor([[1, 9, 3]]), dim=1)\ntorch.return_types.median(\nvalues=tensor([3]),\nindices=tensor([2]))",
    "nanmedian": ">>> torch.nanmedian(torch.tensor([1.0, torch.nan, 3.0]))\ntensor(1.)",
    "nansum": ">>> torch.nansum(torch.tensor([1.0, torch.nan, 3.0]))\ntensor(4.)",
    "addmm": ">>> torch.addmm(torch.ones(2), torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), beta=10)\ntensor([[11., 12.],\n        [13., 14.]])",
    "addmv": ">>> torch.addmv(torch.ones(2), torch.eye(2), torch.tensor([3.0, 4.0]))\ntensor([4., 5.])",
    "addr": ">>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))\ntensor([[3., 4.],\n        [6., 8.]])",
    "baddbmm": ">>> torch.baddbmm(torch.zeros(1), torch.ones(8, 2, 3), torch.ones(8, 3, 4)).shape\ntorch.Size([8, 2, 4])",
    "addbmm": ">>> torch.addbmm(torch.zeros(1), torch.ones(8, 2, 3), torch.ones(8, 3, 4))[0, 0]\ntensor(24.)",
    "slogdet": ">>> torch.slogdet(torch.tensor([[2.0, 0.0], [0.0, -3.0]]))\ntorch.return_types.slogdet(\nsign=tensor(-1.),\nlogabsdet=tensor(1.7918))",
    "pinverse": ">>> torch.pinverse(torch.tensor([[2.0], [0.0]]))\ntensor([[0.5000, 0.0000]])",
    "cholesky": ">>> torch.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))\ntensor([[2., 0.],\n        [1., 2.]])",
    "zeros": ">>> torch.zeros(2, 3)\ntensor([[0., 0., 0.],\n        [0., 0., 0.]])\n>>> torch.zeros((2,), dtype=torch.int64)\ntensor([0, 0])",
    "ones": ">>> torch.ones(2, 3, dtype=torch.bool)\ntensor([[True, True, True],\n        [True, True, True]])",
    "empty": ">>> torch.empty(2, 3).shape\ntorch.Size([2, 3])",
    "zeros_like": ">>> torch.zeros_like(torch.tensor([[1, 2], [3, 4]]))\ntensor([[0, 0],\n        [0, 0]])",
    "ones_like": ">>> torch.ones_like(torch.tensor([1.0, 2.0]))\ntensor([1., 1.])",
    "empty_like": ">>> torch.empty_like(torch.ones(2, 3, dtype=torch.float64)).dtype\ntorch.float64",
    "asarray": ">>> torch.asarray([1.0, 2.0])\ntensor([1., 2.])",
    "is_tensor": ">>> torch.is_tensor(torch.ones(1)), torch.is_tensor([1.0])\n(True, False)",
    "is_floating_point": ">>> torch.is_floating_point(torch.ones(1)), torch.is_floating_point(torch.tensor([1]))\n(True, False)",
    "is_complex": ">>> torch.is_complex(torch.tensor([1j]))\nTrue",
    "is_nonzero": ">>> torch.is_nonzero(torch.tensor([0.0]))\nFalse",
    "numel": ">>> torch.numel(torch.ones(2, 3))\n6",
    "atleast_1d": ">>> torch.atleast_1d(torch.tensor(5))\ntensor([5])",
    "atleast_2d": ">>> torch.atleast_2d(torch.tensor([1, 2]))\ntensor([[1, 2]])",
    "atleast_3d": ">>> torch.atleast_3d(torch.tensor([1, 2])).shape\ntorch.Size([1, 2, 1])",
    "tril_indices": ">>> torch.tril_indices(2, 2)\ntensor([[0, 1, 1],\n        [0, 0, 1]])",
    "triu_indices": ">>> torch.triu_indices(2, 2)\ntensor([[0, 0, 1],\n        [0, 1, 1]])",
    "max_pool1d": ">>> torch.max_pool1d(torch.tensor([[[1.0, 4.0, 2.0, 3.0]]]), 2)\ntensor([[[4., 3.]]])",
    "max_pool2d": ">>> torch.max_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2)\ntensor([[[[ 5.,  7.],\n          [13., 15.]]]])",
    "max_pool3d": ">>> torch.max_pool3d(torch.ones(1, 4, 4, 4), 2).shape\ntorch.Size([1, 2, 2, 2])",
    "dropout": ">>> torch.dropout(torch.ones(4), 0.5, train=False)\ntensor([1., 1., 1., 1.])",
    "true_divide": ">>> torch.true_divide(torch.tensor([1, 3]), 2)\ntensor([0.5000, 1.5000])",
    "threshold": ">>> torch.threshold(torch.tensor([-1.0, 2.0]), 0.5, 9)\ntensor([9., 2.])",
    "broadcast_shapes": ">>> torch.broadcast_shapes((2, 1), (3,))\ntorch.Size([2, 3])",
    "sum": ">>> x = torch.tensor([[1, 2], [3, 4]])\n>>> x.sum(), x.sum(dim=0), x.sum(1, keepdim=True)\n(tensor(10), tensor([4, 6]), tensor([[3],\n        [7]]))",
    "conv1d": ">>> torch.conv1d(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2))\ntensor([[[3., 5.]]])",
    "conv2d": ">>> torch.conv2d(torch.ones(1, 3, 8, 8), torch.ones(16, 3, 3, 3), padding=1).shape\ntorch.Size([1, 16, 8, 8])",
    "conv3d": ">>> torch.conv3d(torch.ones(1, 3, 4, 4, 4), torch.ones(2, 3, 3, 3, 3)).shape\ntorch.Size([1, 2, 2, 2, 2])",
    "conv_transpose2d": ">>> torch.conv_transpose2d(torch.ones(1, 3, 4, 4), torch.ones(3, 2, 2, 2), stride=2).shape\ntorch.Size([1, 2, 8, 8])",
    "adaptive_avg_pool1d": ">>> torch.adaptive_avg_pool1d(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2)\ntensor([[[2., 6.]]])",
}  # fmt: skip


_IMPORT = ">>> import rushlight as torch\n"
_SAME = "Shapes: any; the result's is the input's.\n\n"
_BROADCAST = "Shapes: what can be broadcast to one, which is the result's; RuntimeError for others.\n\n"
_REDUCED = "Shapes: `dim` is left out of the result's, or 1 with `keepdim=True`; IndexError for a dimension that is not there.\n\n"


def shapes_of(op: Op) -> str:
    """A sentence on shapes, where an op's kind tells them."""
    if op.pointwise and all(slot.kind in ("Tensor", "Operand", "Operand?", "Number", "Number?") for slot in op.slots):
        return _BROADCAST if sum(slot.kind != "Number" for slot in op.slots) > 1 else _SAME
    return _REDUCED if "keepdim" in [p.name for p in op.params] else ""


def complete(functions: dict[str, Any]) -> None:
    """Words for functions without any, and shapes and an example for those that have none in the source."""
    for name in WORDS.keys() | EXAMPLES.keys():
        function = functions.get(name)
        if function.__class__ is not FunctionType:
            continue
        text = function.__doc__ or WORDS.get(name, "")
        if name in EXAMPLES and ">>>" not in text:
            op = TABLE.get(name)
            shapes = shapes_of(op) if op is not None and function.__module__ == "rushlight" else ""
            text = f"{text}\n\n{shapes}{_IMPORT}{EXAMPLES[name]}"
        function.__doc__ = text


def __getattr__(name: str) -> Any:
    if name == "__test__":  # where doctest looks for further examples
        return {name: _IMPORT + example for name, example in EXAMPLES.items()}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
