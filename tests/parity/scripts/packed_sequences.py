"""Sentences of different lengths: collate_fn, pad_sequence, pack and unpack, a bidirectional LSTM, masked mean pooling."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(5)


class Sentences(Dataset):
    """Class 1 if the sentence holds more even tokens than odd ones."""

    def __init__(self, count):
        lengths = torch.randint(2, 9, (count,)).tolist()
        self.items = [torch.randint(1, 20, (length,)) for length in lengths]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        tokens = self.items[index]
        return tokens, ((tokens % 2 == 0).sum() * 2 > len(tokens)).long()


def collate(batch):
    tokens, labels = zip(*batch)
    lengths = torch.tensor([len(t) for t in tokens])
    return pad_sequence(tokens, batch_first=True, padding_value=0), lengths, torch.stack(labels)


class Classifier(nn.Module):
    def __init__(self, vocabulary=20, width=12, hidden=10):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.out = nn.Linear(4 * hidden, 2)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        output, (h, _) = self.lstm(packed)
        output, out_lengths = pad_packed_sequence(output, batch_first=True)
        mask = torch.arange(output.size(1))[None, :] < out_lengths[:, None]
        mean = (output * mask.unsqueeze(-1)).sum(1) / out_lengths.unsqueeze(1)
        last = torch.cat((h[-2], h[-1]), dim=1)
        return self.out(torch.cat([mean, last], dim=1))


data = Sentences(48)
loader = DataLoader(data, batch_size=16, shuffle=True, collate_fn=collate)
model = Classifier()
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(3):
    losses, hits = [], 0
    for tokens, lengths, labels in loader:
        logits = model(tokens, lengths)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
        hits += (logits.argmax(-1) == labels).sum().item()
    print(epoch, f"loss {sum(losses) / len(losses):.4f} accuracy {hits / len(data):.3f}")
print("padding row:", model.embedding.weight[0].abs().sum().item(), model.embedding.weight.grad[0].abs().sum().item())

packed = pack_sequence([torch.arange(1, 5), torch.arange(5, 8), torch.arange(8, 9)])
print(packed.data, packed.batch_sizes)
print(pad_packed_sequence(packed, batch_first=True, padding_value=-1))
torch.manual_seed(0)
gru = nn.GRU(3, 4, batch_first=True)
frames = [torch.randn(n, 3) for n in (2, 5, 3)]
with torch.no_grad():
    output, hidden = gru(pack_sequence(frames, enforce_sorted=False))
    alone = torch.stack([gru(f.unsqueeze(0))[1].view(-1) for f in frames])
print(output.data.shape, output.batch_sizes.tolist(), output.sorted_indices.tolist())
print(torch.allclose(hidden[0], alone, atol=1e-6), hidden.sum().item().__round__(4))
