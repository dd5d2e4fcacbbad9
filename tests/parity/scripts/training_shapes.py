"""Training in the shapes that scripts have: adversarial, accumulated, recurrent, custom functions, attention, convolutions."""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(7)

# --- GAN
G = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Linear(16, 4))
D = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(16, 1))
og = optim.Adam(G.parameters(), lr=0.0002, betas=(0.5, 0.999))
od = optim.Adam(D.parameters(), lr=0.0002, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
for _ in range(5):
    real = torch.randn(16, 4)
    z = torch.randn(16, 8)
    od.zero_grad()
    fake = G(z)
    dl = bce(D(real), torch.ones(16, 1)) + bce(D(fake.detach()), torch.zeros(16, 1))
    dl.backward()
    od.step()
    og.zero_grad()
    gl = bce(D(fake), torch.ones(16, 1))
    gl.backward()
    og.step()
    print(f"{dl.item():.5f} {gl.item():.5f}")

# --- accumulation, scheduler, clip, split
ds = TensorDataset(torch.randn(100, 6), torch.randint(0, 3, (100,)))
a, b = random_split(ds, [80, 20])
L = DataLoader(a, 8, shuffle=True)
m = nn.Sequential(nn.Linear(6, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 3))
o = optim.AdamW(m.parameters(), lr=0.01)
sch = optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20)
tot = 0
for ep in range(2):
    for i, (x, y) in enumerate(L):
        loss = F.cross_entropy(m(x), y, label_smoothing=0.1) / 2
        loss.backward()
        tot = tot + loss.detach()
        if i % 2 == 1:
            n = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
            o.step()
            o.zero_grad()
            sch.step()
    m.eval()
    with torch.no_grad():
        acc = sum(((m(x).argmax(1) == y).sum().item() for x, y in DataLoader(b, 10)))
    m.train()
    print(ep, f"{tot:.5f}", acc, f"{n:.5f}", sch.get_last_lr()[0])

# --- RNN char, truncated, hidden carried over
rnn = nn.LSTM(5, 12, num_layers=2, batch_first=True, dropout=0.1)
head = nn.Linear(12, 5)
o = optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1, momentum=0.9, nesterov=True)
h = None
for _ in range(6):
    x = torch.randn(3, 7, 5)
    y, h = rnn(x, h)
    h = tuple(v.detach() for v in h)
    loss = (head(y) - x).pow(2).mean()
    print(f"{loss.item():.6f}")
    o.zero_grad()
    loss.backward()
    o.step()

# --- custom function, grad penalty, hooks


class Sq(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


x = torch.randn(4, requires_grad=True)
y = Sq.apply(x).sum()
(g,) = torch.autograd.grad(y, x, create_graph=True)
(g.norm() ** 2).backward()
print(x.grad)
w = nn.Parameter(torch.randn(3))
w.register_hook(lambda g: g * 2)
(w * 3).sum().backward()
print(w.grad)

# --- multi-head attention-ish + embedding
emb = nn.Embedding(11, 8, padding_idx=0)
mha = nn.MultiheadAttention(8, 2, batch_first=True)
tok = torch.randint(0, 11, (2, 5))
e = emb(tok)
out, wt = mha(e, e, e)
out.sum().backward()
print(f"{out.sum().item():.5f}", emb.weight.grad.abs().sum().item().__round__(4))
enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
print(f"{enc(e).std().item():.5f}")

# --- conv autoencoder
ae = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 3, 2, 1, 1), nn.Sigmoid())
o = optim.RMSprop(ae.parameters(), lr=0.01)
im = torch.rand(2, 1, 8, 8)
for _ in range(3):
    o.zero_grad()
    loss = F.binary_cross_entropy(ae(im), im)
    loss.backward()
    o.step()
    print(f"{loss.item():.6f}")
print(ae)
print(sum(p.numel() for p in ae.parameters()), torch.stack([p.sum() for p in ae.parameters()]))
torch.save({"m": ae.state_dict(), "o": o.state_dict()}, sys.argv[1])
c = torch.load(sys.argv[1])
ae.load_state_dict(c["m"])
print(list(c["o"]["state"][0]))
q = torch.linspace(0, 1, 5)
print(q, q.sort(descending=True), torch.einsum("i,j->ij", q, q)[1], q[q > 0.3], torch.where(q > 0.5, q, -q), q.topk(2))
x = torch.arange(12.0).view(3, 4)
x[1:, ::2] += 10
x[:, 1] = torch.tensor([7.0, 8.0, 9.0])
print(x, x.T.contiguous().stride(), x.std(0), x.var(1, unbiased=False), x.median(), x.cumsum(1)[-1])
