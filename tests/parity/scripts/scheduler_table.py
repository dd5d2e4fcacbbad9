"""Every learning-rate schedule for ten epochs, as a table."""

import torch
from torch import nn
from torch.optim import lr_scheduler as S

torch.manual_seed(0)
EPOCHS = 10


def optimizer(lr=0.1, groups=False):
    model = nn.Linear(2, 2)
    if groups:
        return torch.optim.SGD(
            [{"params": [model.weight]}, {"params": [model.bias], "lr": lr / 10}], lr=lr, momentum=0.9
        )
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


table = {
    "LambdaLR": lambda o: S.LambdaLR(o, lr_lambda=lambda epoch: 0.95**epoch),
    "MultiplicativeLR": lambda o: S.MultiplicativeLR(o, lr_lambda=lambda epoch: 0.9),
    "StepLR": lambda o: S.StepLR(o, step_size=3, gamma=0.1),
    "MultiStepLR": lambda o: S.MultiStepLR(o, milestones=[2, 5, 5], gamma=0.5),
    "ConstantLR": lambda o: S.ConstantLR(o, factor=0.5, total_iters=4),
    "LinearLR": lambda o: S.LinearLR(o, start_factor=0.25, end_factor=1.0, total_iters=6),
    "ExponentialLR": lambda o: S.ExponentialLR(o, gamma=0.8),
    "PolynomialLR": lambda o: S.PolynomialLR(o, total_iters=8, power=2.0),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, T_max=5, eta_min=0.001),
    "WarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    "CyclicLR": lambda o: S.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=2, step_size_down=3),
    "triangular2": lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=2, mode="triangular2", cycle_momentum=False),
    "exp_range": lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=2, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda o: S.OneCycleLR(o, max_lr=0.2, total_steps=EPOCHS + 1),
    "OneCycle linear": lambda o: S.OneCycleLR(
        o, 0.2, epochs=2, steps_per_epoch=6, anneal_strategy="linear", three_phase=True
    ),
    "SequentialLR": lambda o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=3), S.CosineAnnealingLR(o, T_max=7)], milestones=[3]
    ),
    "ChainedScheduler": lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, gamma=0.9)]),
}
for name, make in table.items():
    opt = optimizer()
    scheduler = make(opt)
    values = []
    for _ in range(EPOCHS):
        values.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step()
    print(
        f"{name:18s}",
        " ".join(f"{v:.5f}" for v in values),
        f"| {scheduler.get_last_lr()[0]:.6f} {scheduler.last_epoch if hasattr(scheduler, 'last_epoch') else ''}",
    )

# --- momentum cycles against the rate
opt = optimizer()
scheduler = S.OneCycleLR(opt, max_lr=0.2, total_steps=6)
for _ in range(5):
    print(f"{opt.param_groups[0]['lr']:.4f}/{opt.param_groups[0]['momentum']:.4f}", end=" ")
    opt.step()
    scheduler.step()
print()

# --- two groups, a plateau, a state carried over
opt = optimizer(groups=True)
scheduler = S.StepLR(opt, step_size=2, gamma=0.5)
for _ in range(3):
    opt.step()
    scheduler.step()
print([round(v, 6) for v in scheduler.get_last_lr()], scheduler.base_lrs, sorted(scheduler.state_dict()))
second = S.StepLR(optimizer(groups=True), step_size=7)
second.load_state_dict(scheduler.state_dict())
print(second.step_size, second.last_epoch, second.gamma)
opt = optimizer()
scheduler = S.ReduceLROnPlateau(opt, "max", factor=0.5, patience=1, cooldown=1, min_lr=0.02)
for metric in [0.5, 0.6, 0.6, 0.6, 0.6, 0.59, 0.6, 0.6, 0.6, 0.7]:
    scheduler.step(metric)
    print(f"{opt.param_groups[0]['lr']:.4f}", scheduler.num_bad_epochs, end="; ")
print(scheduler.best)
for wrong in (lambda: S.OneCycleLR(optimizer(), 0.1), lambda: S.CyclicLR(optimizer(), 0.1, 0.2, mode="square")):
    try:
        wrong()
    except ValueError as error:
        print(type(error).__name__)
