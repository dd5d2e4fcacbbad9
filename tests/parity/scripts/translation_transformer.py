"""nn.Transformer learns to turn sequences round: source and target embeddings, the four masks, greedy decoding from memory."""

import math

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence

PAD, BOS, EOS, FIRST, WORDS = 0, 1, 2, 3, 11
torch.manual_seed(17)


class TokenEmbedding(nn.Module):
    def __init__(self, vocab_size, emb_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, emb_size)
        self.emb_size = emb_size

    def forward(self, tokens):
        return self.embedding(tokens.long()) * math.sqrt(self.emb_size)


class Seq2SeqTransformer(nn.Module):
    def __init__(self, layers=1, emb_size=16, nhead=4, hidden=32, dropout=0.05):
        super().__init__()
        self.transformer = nn.Transformer(emb_size, nhead, layers, layers, hidden, dropout)
        self.generator = nn.Linear(emb_size, WORDS)
        self.src_tok_emb = TokenEmbedding(WORDS, emb_size)
        self.tgt_tok_emb = TokenEmbedding(WORDS, emb_size)
        self.positions = nn.Parameter(torch.zeros(16, 1, emb_size))

    def place(self, embedded):
        return embedded + self.positions[: embedded.size(0)]

    def forward(self, src, trg, src_mask, tgt_mask, src_padding, tgt_padding, memory_padding):
        outs = self.transformer(
            *(self.place(self.src_tok_emb(src)), self.place(self.tgt_tok_emb(trg)), src_mask, tgt_mask, None),
            *(src_padding, tgt_padding, memory_padding),
        )
        return self.generator(outs)

    def encode(self, src, src_mask):
        return self.transformer.encoder(self.place(self.src_tok_emb(src)), src_mask)

    def decode(self, tgt, memory, tgt_mask):
        return self.transformer.decoder(self.place(self.tgt_tok_emb(tgt)), memory, tgt_mask)


def causal(size):
    mask = (torch.triu(torch.ones((size, size))) == 1).transpose(0, 1)
    return mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, 0.0)


def batch(count):
    sources, targets = [], []
    for length in torch.randint(2, 6, (count,)).tolist():
        words = torch.randint(FIRST, WORDS, (length,))
        ends = torch.tensor([BOS]), torch.tensor([EOS])
        sources.append(torch.cat((ends[0], words, ends[1])))
        targets.append(torch.cat((ends[0], words.flip(0), ends[1])))
    return pad_sequence(sources, padding_value=PAD), pad_sequence(targets, padding_value=PAD)


transformer = Seq2SeqTransformer()
for p in transformer.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
print(transformer)
print(sum(p.numel() for p in transformer.parameters()), causal(3))
loss_fn = nn.CrossEntropyLoss(ignore_index=PAD)
optimizer = torch.optim.Adam(transformer.parameters(), lr=0.003, betas=(0.9, 0.98), eps=1e-9)
warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 4, 1.0))
for step in range(12):
    transformer.train()
    src, tgt = batch(16)
    tgt_input, tgt_out = tgt[:-1], tgt[1:]
    src_mask = torch.zeros((len(src), len(src)), dtype=torch.bool)
    src_padding, tgt_padding = (
        (src == PAD).t(),
        torch.zeros(tgt_input.shape).masked_fill(tgt_input == PAD, -torch.inf).t(),
    )
    logits = transformer(src, tgt_input, src_mask, causal(len(tgt_input)), src_padding, tgt_padding, src_padding)
    loss = loss_fn(logits.reshape(-1, WORDS), tgt_out.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    warm.step()
    if step % 3 == 2:
        print(f"step {step + 1} loss {loss.item():.3f} lr {optimizer.param_groups[0]['lr']:.5f}", tuple(logits.shape))

transformer.eval()
with torch.no_grad():
    src = torch.tensor([BOS, 5, 9, 4, EOS]).view(-1, 1)
    memory = transformer.encode(src, torch.zeros(5, 5).type(torch.bool))
    ys = torch.ones(1, 1).fill_(BOS).type(torch.long)
    for _ in range(5):
        out = transformer.decode(ys, memory, causal(ys.size(0)).type(torch.bool)).transpose(0, 1)
        prob, next_word = torch.max(transformer.generator(out[:, -1]), dim=1)
        ys = torch.cat([ys, torch.ones(1, 1).type_as(src.data).fill_(next_word.item())], dim=0)
    print(ys.flatten().tolist(), f"{prob.item():.3f}", memory.shape)
