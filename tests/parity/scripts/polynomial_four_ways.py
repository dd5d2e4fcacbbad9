"""One cubic fitted to a sine four times: gradients by hand, by autograd, through nn, and through an optimizer."""

import math

import torch

torch.manual_seed(0)
x = torch.linspace(-math.pi, math.pi, 500)
y = torch.sin(x)
start = torch.randn(4)

# --- gradients by hand
a, b, c, d = (start[i].item() for i in range(4))
for t in range(300):
    y_pred = a + b * x + c * x**2 + d * x**3
    loss = (y_pred - y).pow(2).sum().item()
    if t % 100 == 99:
        print(t, f"{loss:.3f}")
    grad = 2.0 * (y_pred - y)
    a -= 4e-6 * grad.sum().item()
    b -= 4e-6 * (grad * x).sum().item()
    c -= 4e-6 * (grad * x**2).sum().item()
    d -= 4e-6 * (grad * x**3).sum().item()
print(f"by hand: y = {a:.4f} + {b:.4f} x + {c:.4f} x^2 + {d:.4f} x^3")

# --- autograd
coefficients = [start[i].clone().requires_grad_() for i in range(4)]
for _ in range(300):
    a, b, c, d = coefficients
    loss = (a + b * x + c * x**2 + d * x**3 - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        for p in coefficients:
            p -= 4e-6 * p.grad
            p.grad = None
print("autograd:", [round(p.item(), 4) for p in coefficients])


# --- a custom autograd function: the third Legendre polynomial
class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


w = [torch.full((), v, requires_grad=True) for v in (0.0, -1.0, 0.0, 0.3)]
for _ in range(300):
    loss = (w[0] + w[1] * LegendrePolynomial3.apply(w[2] + w[3] * x) - y).pow(2).sum()
    for p, g in zip(w, torch.autograd.grad(loss, w)):
        p.data -= 5e-6 * g
print("Legendre:", [round(p.item(), 4) + 0.0 for p in w], f"{loss.item():.3f}")

# --- nn
powers = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))
model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
loss_fn = torch.nn.MSELoss(reduction="sum")
print(powers.shape, model(powers).shape)
for _ in range(300):
    loss = loss_fn(model(powers), y)
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for param in model.parameters():
            param -= 1e-6 * param.grad
linear = model[0]
print("nn:", round(linear.bias.item(), 4), [round(v, 4) for v in linear.weight[0].tolist()])

# --- optim
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, eps=10.0)
for t in range(300):
    loss = loss_fn(model(powers), y)
    if t % 100 == 99:
        print(t, f"{loss.item():.2f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# --- a module with a loop in its forward
class Polynomial3(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name in "abcd":
            setattr(self, name, torch.nn.Parameter(torch.randn(())))

    def forward(self, x):
        return self.a + self.b * x + self.c * x**2 + self.d * x**3

    def string(self):
        return f"y = {self.a.item():.4f} + {self.b.item():.4f} x + {self.c.item():.4f} x^2 + {self.d.item():.4f} x^3"


model = Polynomial3()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-7, momentum=0.9)
for _ in range(100):
    loss = loss_fn(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(model.string(), f"{loss.item():.2f}")
