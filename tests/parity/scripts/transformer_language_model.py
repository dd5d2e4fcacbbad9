"""A Transformer encoder language model: positional encoding as a buffer, causal and padding masks, a schedule, greedy text."""

import math

import torch
from torch import Tensor, nn
from torch.nn import TransformerEncoder, TransformerEncoderLayer


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 64):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.pe[: x.size(0)])


class TransformerModel(nn.Module):
    def __init__(self, ntoken: int, d_model: int, nhead: int, d_hid: int, nlayers: int, dropout: float = 0.1):
        super().__init__()
        self.model_type = "Transformer"
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        layer = TransformerEncoderLayer(d_model, nhead, d_hid, dropout)
        self.transformer_encoder = TransformerEncoder(layer, nlayers)
        self.embedding = nn.Embedding(ntoken, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, ntoken)
        self.init_weights()

    def init_weights(self) -> None:
        initrange = 0.1
        self.embedding.weight.data.uniform_(-initrange, initrange)
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-initrange, initrange)

    def forward(self, src: Tensor, src_mask: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        src = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        if src_mask is None:
            src_mask = nn.Transformer.generate_square_subsequent_mask(len(src))
        return self.linear(self.transformer_encoder(src, src_mask, src_key_padding_mask=padding))


torch.manual_seed(0)
ntokens, length = 12, 10
step = torch.randint(1, 4, (48,))
start = torch.randint(0, ntokens, (48,))
sequences = ((start + step * torch.arange(length + 1)[:, None]) % ntokens).long()  # (T + 1, B)
model = TransformerModel(ntokens, d_model=16, nhead=2, d_hid=32, nlayers=2)
print(model)
print(nn.Transformer.generate_square_subsequent_mask(4))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1.0, gamma=0.95)
for epoch in range(1, 4):
    model.train()
    total = 0.0
    for columns in torch.arange(48).chunk(4):
        data, targets = sequences[:-1, columns], sequences[1:, columns].reshape(-1)
        loss = criterion(model(data).view(-1, ntokens), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} lr {scheduler.get_last_lr()[0]:.4f} loss {total / 4:.3f} ppl {math.exp(total / 4):.2f}")
    scheduler.step()

model.eval()
with torch.no_grad():
    padding = torch.zeros(3, length, dtype=torch.bool)
    padding[1, 7:] = True
    mask = torch.triu(torch.ones(length, length), diagonal=1).bool()
    output = model(sequences[:-1, :3], mask, padding)
    print(output.shape, f"{output[:7].std().item():.4f}", output[:7].isnan().any().item())
    shorter = model(sequences[:7, 1:2])
    print("padding is not seen:", torch.allclose(output[:7, 1:2], shorter, atol=1e-5))
    text = sequences[:3, :2]
    for _ in range(4):
        text = torch.cat([text, model(text)[-1].argmax(-1)[None]])
    print(text.t().tolist())
