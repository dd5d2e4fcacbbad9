"""Transforms of functions: derivatives, and maps over a batch. They nest, in any order.

>>> import rushlight as torch
>>> from rushlight.func import grad, vmap
>>> per_sample = vmap(grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))
>>> per_sample(torch.ones(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
tensor([[ 6., 12.],
        [42., 56.]])
"""

from rushlight.func.debugging import debug_unwrap, replace_all_batch_norm_modules_
from rushlight.func.jacobians import hessian, jacfwd, jacrev
from rushlight.func.modules import functional_call, functionalize, stack_module_state
from rushlight.func.transforms import grad, grad_and_value, jvp, linearize, vjp
from rushlight.func.vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
