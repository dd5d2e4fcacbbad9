"""Autograd extended by hand: custom Functions with saved tensors, non-tensor arguments, and their checks."""

import torch
import torch.nn as nn
from torch.autograd import Function, gradcheck, gradgradcheck

torch.manual_seed(0)


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class ScaledExp(Function):
    @staticmethod
    def forward(ctx, x, scale):
        result = torch.exp(x * scale)
        ctx.scale = scale
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad):
        (result,) = ctx.saved_tensors
        return grad * result * ctx.scale, None


class StraightThroughSign(Function):
    @staticmethod
    def forward(x):
        return x.sign()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class ReverseGradient(Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


class MyLinear(nn.Module):
    def __init__(self, input_features, output_features, bias=True):
        super().__init__()
        self.input_features, self.output_features = input_features, output_features
        self.weight = nn.Parameter(torch.empty(output_features, input_features))
        if bias:
            self.bias = nn.Parameter(torch.empty(output_features))
        else:
            self.register_parameter("bias", None)
        nn.init.uniform_(self.weight, -0.1, 0.1)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -0.1, 0.1)

    def forward(self, input):
        return LinearFunction.apply(input, self.weight, self.bias)

    def extra_repr(self):
        return f"input_features={self.input_features}, output_features={self.output_features}, bias={self.bias is not None}"


inputs = (
    torch.randn(4, 5, dtype=torch.double, requires_grad=True),
    torch.randn(3, 5, dtype=torch.double, requires_grad=True),
)
print("gradcheck linear", gradcheck(LinearFunction.apply, inputs, eps=1e-6, atol=1e-4))
point = torch.randn(6, dtype=torch.double, requires_grad=True)
print(
    "gradcheck exp",
    gradcheck(lambda x: ScaledExp.apply(x, 0.5), (point,)),
    gradgradcheck(lambda x: ScaledExp.apply(x, 0.5), (point,)),
)

x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
y = StraightThroughSign.apply(x)
y.sum().backward()
print(y, x.grad)
print(y.grad_fn.name())

features, label_head, domain_head = MyLinear(6, 8), MyLinear(8, 2, bias=False), MyLinear(8, 1)
print(nn.Sequential(features, nn.Tanh(), label_head))
parameters = [*features.parameters(), *label_head.parameters(), *domain_head.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.5)
data, label, domain = torch.randn(32, 6), torch.randint(0, 2, (32,)), torch.rand(32, 1).round()
for epoch in range(10):
    hidden = torch.tanh(features(data))
    task = nn.functional.cross_entropy(label_head(hidden), label)
    confusion = nn.functional.binary_cross_entropy_with_logits(domain_head(ReverseGradient.apply(hidden, 0.3)), domain)
    optimizer.zero_grad()
    (task + confusion).backward()
    optimizer.step()
    if epoch % 3 == 0:
        print(f"{epoch} {task.item():.4f} {confusion.item():.4f} {features.weight.grad.norm().item():.4f}")
