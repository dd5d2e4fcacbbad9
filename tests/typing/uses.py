"""What editors and mypy know of ordinary code. Never imported; `assert_type` is checked by mypy."""

from typing import Any, assert_type

import numpy as np

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn

x = torch.ones(2, 3, requires_grad=True)
flags = torch.tensor([True, False])

assert_type(x, torch.Tensor)
assert_type(x.shape, torch.Size)
assert_type(x.size(0), int)
assert_type(x.dtype, torch.dtype)
assert_type(x.device, torch.device)
assert_type(x.requires_grad, bool)
assert_type(x.numpy(), np.ndarray)
assert_type(x + 1, torch.Tensor)
assert_type(2.0 / x, torch.Tensor)
assert_type(x @ x.T, torch.Tensor)
assert_type(-x, torch.Tensor)
assert_type(x == 1, torch.Tensor)
assert_type(x[0, None, ..., 1:], torch.Tensor)
assert_type(x.view(3, 2), torch.Tensor)
assert_type(x.view((3, 2)), torch.Tensor)
assert_type(x.view(torch.int32), torch.Tensor)
assert_type(x.to("cpu"), torch.Tensor)
assert_type(x.to(torch.float64), torch.Tensor)
assert_type(x.type(), str)
assert_type(x.cumsum(axis=0), torch.Tensor)
assert_type(x.mean(axis=0, keepdims=True), torch.Tensor)
assert_type(x.max(), torch.Tensor)
assert_type(x.max(1), torch.return_types.max)
assert_type(x.max(dim=1).indices, torch.Tensor)
assert_type(torch.max(x, x), torch.Tensor)
assert_type(x.sort().values, torch.Tensor)
assert_type(torch.topk(x, 2).indices, torch.Tensor)
assert_type(torch.where(x > 0), tuple[torch.Tensor, ...])
assert_type(torch.where(x > 0, x, 0.0), torch.Tensor)
assert_type(x.nonzero(), torch.Tensor)
assert_type(x.nonzero(as_tuple=True), tuple[torch.Tensor, ...])
assert_type(x.chunk(2), tuple[torch.Tensor, ...])
assert_type(torch.std_mean(x), tuple[torch.Tensor, torch.Tensor])
assert_type(torch.equal(x, x), bool)
assert_type(torch.allclose(x, x), bool)
assert_type(torch.linalg.svd(x).Vh, torch.Tensor)
assert_type(torch.linalg.eigh(x @ x.T).eigenvalues, torch.Tensor)
assert_type(torch.fft.rfft(x), torch.Tensor)
assert_type(torch.special.erfinv(x), torch.Tensor)
assert_type(torch.float32, torch.dtype)
assert_type(torch.pi, float)
assert_type(torch.get_num_threads(), int)
assert_type(torch.manual_seed(0), torch.Generator)
assert_type(F.relu(x), torch.Tensor)
assert_type(F.max_pool2d(x, 2), torch.Tensor)
assert_type(F.max_pool2d(x, 2, return_indices=True), tuple[torch.Tensor, torch.Tensor])
assert_type(nn.Linear(3, 4).train().to("cpu"), nn.Linear)
assert_type(nn.Linear(3, 4)(x), Any)
assert_type(nn.Parameter(x), nn.Parameter)
assert_type(torch.randn(2, 3, generator=torch.Generator()), torch.Tensor)
assert_type(torch.zeros((2, 3), dtype=torch.long, device="cpu"), torch.Tensor)
assert_type(torch.arange(3), torch.Tensor)
assert_type(torch.arange(0, 3, 0.5), torch.Tensor)
assert_type(torch.randint(5, (2,)), torch.Tensor)
assert_type(torch.randint(0, 5, (2,)), torch.Tensor)
assert_type(x.item(), Any)


def loss_of(value: float | torch.Tensor) -> torch.Tensor:
    return value if torch.is_tensor(value) else torch.tensor(value)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return x * self.scale


with torch.no_grad():
    Net(3).eval()(x)
if x.grad is not None:
    x.grad.zero_()
x.grad = None
