"""Word vectors: a vocabulary, skip-gram pairs, negative sampling, an n-gram model, and an EmbeddingBag classifier."""

from collections import Counter

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
corpus = (
    "the king rules the land and the queen rules the court while the dog chases the cat "
    "and the cat chases the mouse a king and a queen live in a castle a dog and a cat live in a house"
).split()
counts = Counter(corpus)
vocab = sorted(counts)
index = {word: i for i, word in enumerate(vocab)}
ids = torch.tensor([index[w] for w in corpus])
print(len(corpus), len(vocab), counts.most_common(3))

# --- pairs, and a table of negatives
window = 2
pairs = torch.tensor(
    [
        (ids[i].item(), ids[j].item())
        for i in range(len(ids))
        for j in range(max(0, i - window), min(len(ids), i + window + 1))
        if j != i
    ]
)
frequency = torch.tensor([counts[w] for w in vocab], dtype=torch.float).pow(0.75)
noise = frequency / frequency.sum()
print(pairs.shape, f"{noise.max().item():.4f} {vocab[noise.argmax()]}")


class SkipGram(nn.Module):
    def __init__(self, size, width):
        super().__init__()
        self.center = nn.Embedding(size, width, sparse=False)
        self.context = nn.Embedding(size, width)
        nn.init.uniform_(self.center.weight, -0.5, 0.5)
        nn.init.zeros_(self.context.weight)

    def forward(self, center, positive, negatives):
        c = self.center(center)  # B, D
        up = (c * self.context(positive)).sum(dim=1)
        down = torch.bmm(self.context(negatives), c.unsqueeze(2)).squeeze(2)  # B, K
        return -(F.logsigmoid(up) + F.logsigmoid(-down).sum(1)).mean()


model = SkipGram(len(vocab), 12)
print(model)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.5)
for epoch in range(8):
    order, total = torch.randperm(len(pairs)), 0.0
    for batch in pairs[order].split(40):
        negatives = torch.multinomial(noise.expand(len(batch), -1), 4, replacement=True)
        loss = model(batch[:, 0], batch[:, 1], negatives)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    if epoch % 2 == 1:
        print(f"epoch {epoch} {total / len(pairs):.3f}")
with torch.no_grad():
    vectors = F.normalize(model.center.weight, dim=1)
    similarity = vectors @ vectors[index["king"]]
    print([round(similarity[index[w]].item(), 2) for w in ("king", "queen", "dog")])
    print(f"{F.cosine_similarity(model.center(ids[:1]), model.center(ids[1:2])).item():.2f}")


# --- an n-gram language model
class NGram(nn.Module):
    def __init__(self, size, width, context):
        super().__init__()
        self.embeddings = nn.Embedding(size, width)
        self.linear1, self.linear2 = nn.Linear(context * width, 32), nn.Linear(32, size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).view(len(inputs), -1)
        return F.log_softmax(self.linear2(F.relu(self.linear1(embeds))), dim=1)


ngram = NGram(len(vocab), 10, 3)
windows = ids.unfold(0, 4, 1)
optimizer = torch.optim.SGD(ngram.parameters(), lr=0.5)
for epoch in range(10):
    loss = nn.NLLLoss()(ngram(windows[:, :3]), windows[:, 3])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 3 == 0:
        print(f"ngram {epoch} {loss.item():.4f} perplexity {loss.exp().item():.2f}")

# --- sentences as bags
bag = nn.EmbeddingBag(len(vocab), 6, mode="mean")
head = nn.Linear(6, 2)
offsets, labels = torch.tensor([0, 9, 18, 27]), torch.tensor([0, 1, 0, 1])
optimizer = torch.optim.SGD([*bag.parameters(), *head.parameters()], lr=1.0)
for _ in range(5):
    loss = F.cross_entropy(head(bag(ids, offsets)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(bag, f"{loss.item():.4f}")
padded = nn.Embedding(5, 3, padding_idx=0, max_norm=1.0)
print(padded, padded(torch.tensor([[0, 1], [2, 0]])).norm(dim=-1).le(1.0001).all())
print(nn.Embedding.from_pretrained(torch.eye(3))(torch.tensor([2, 0])))
