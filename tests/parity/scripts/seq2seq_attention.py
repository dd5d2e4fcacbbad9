"""Translation of number words, token by token: GRU encoder, additive attention, decoder with teacher forcing, greedy decoding."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

random.seed(4)
torch.manual_seed(4)
SOS, EOS, MAX_LENGTH = 0, 1, 6
french = ["un", "deux", "trois", "quatre", "cinq"]
english = ["one", "two", "three", "four", "five"]


class Lang:
    def __init__(self, name, words):
        self.name = name
        self.index2word = {0: "SOS", 1: "EOS"}
        for word in words:
            self.index2word[len(self.index2word)] = word
        self.word2index = {word: index for index, word in self.index2word.items()}
        self.n_words = len(self.index2word)

    def tensor(self, words):
        return torch.tensor([self.word2index[w] for w in words] + [EOS]).view(1, -1)


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input):
        return self.gru(self.dropout(self.embedding(input)))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, hidden, target=None, steps=MAX_LENGTH):
        token = torch.empty(encoder_outputs.size(0), 1, dtype=torch.long).fill_(SOS)
        outputs, attentions = [], []
        for i in range(steps):
            embedded = self.embedding(token)
            context, weights = self.attention(hidden.permute(1, 0, 2), encoder_outputs)
            output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
            output = self.out(output)
            outputs.append(output)
            attentions.append(weights)
            if target is not None:
                token = target[:, i].unsqueeze(1)
            else:
                _, topi = output.topk(1)
                token = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), hidden, torch.cat(attentions, dim=1)


source, goal = Lang("fra", french), Lang("eng", english)
pairs = []
for _ in range(30):
    picks = [random.randrange(5) for _ in range(random.randint(2, MAX_LENGTH - 1))]
    pairs.append(([french[i] for i in picks], [english[i] for i in reversed(picks)]))
encoder, decoder = EncoderRNN(source.n_words, 16), AttnDecoderRNN(16, goal.n_words)
print(encoder, decoder, sep="\n")
encoder_optimizer, decoder_optimizer = (optim.Adam(m.parameters(), lr=0.01) for m in (encoder, decoder))
criterion = nn.NLLLoss()
for epoch in range(3):
    total, forced = 0.0, 0
    for src, tgt in pairs:
        input_tensor, target_tensor = source.tensor(src), goal.tensor(tgt)
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        teacher = random.random() < 0.7
        forced += teacher
        outputs, hidden = encoder(input_tensor)
        out, _, _ = decoder(outputs, hidden, target_tensor if teacher else None, steps=target_tensor.size(1))
        loss = criterion(out.view(-1, out.size(-1)), target_tensor.view(-1))
        loss.backward()
        encoder_optimizer.step()
        decoder_optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: loss {total / len(pairs):.3f}, forced {forced} of {len(pairs)}")

encoder.eval(), decoder.eval()
with torch.no_grad():
    for src, tgt in pairs[:3]:
        outputs, hidden = encoder(source.tensor(src))
        out, _, attention = decoder(outputs, hidden)
        words = [goal.index2word[i] for i in out.squeeze(0).argmax(-1).tolist()]
        words = words[: words.index("EOS")] if "EOS" in words else words
        print(
            " ".join(src), "=", " ".join(tgt), "<", " ".join(words), attention.shape, round(attention.sum().item(), 3)
        )
