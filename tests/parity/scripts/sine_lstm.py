"""Time series: two LSTM cells learn sine waves with LBFGS in float64, then foretell what follows."""

import math

import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self, hidden=12):
        super().__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


torch.manual_seed(0)
length, count = 30, 8
shift = torch.randint(-16, 16, (count, 1))
data = torch.sin((torch.arange(length) + shift).double() / 4.0)
print(data.dtype, data.shape)
input, target = data[3:, :-1], data[3:, 1:]
test_input, test_target = data[:3, :-1], data[:3, 1:]
seq = Sequence().double()
print(seq)
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.5, max_iter=5, history_size=10)
for step in range(3):
    closures = 0

    def closure():
        global closures
        closures += 1
        optimizer.zero_grad()
        loss = criterion(seq(input), target)
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    with torch.no_grad():
        future = 8
        pred = seq(test_input, future=future)
        error = criterion(pred[:, :-future], test_target)
    print(f"STEP {step}: loss {loss.item():.4f} closures {closures} test {error.item():.4f}", pred.shape)

# The same waves in windows, for one nn.LSTM over batches, in float32 with Adam.
windows = data.float().unfold(1, 12, 3)  # (series, windows, 12)
x, y = windows[..., :-1].reshape(-1, 11, 1), windows[..., -1].reshape(-1, 1)
print(windows.shape, windows.stride(), x.shape, y.shape)
lstm, head = nn.LSTM(1, 10, batch_first=True), nn.Linear(10, 1)
adam = optim.Adam([{"params": lstm.parameters()}, {"params": head.parameters(), "lr": 0.05}], lr=0.02)
for epoch in range(12):
    adam.zero_grad()
    out, (h, c) = lstm(x)
    loss = criterion(head(out[:, -1]), y)
    loss.backward()
    adam.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1}: {math.sqrt(loss.item()):.4f}", h.shape, f"{c.mean().item():.4f}")
