"""A word language model in three modes, RNN_TANH, LSTM and GRU: a corpus, batchify, repackaged hidden states, tied weights."""

import math

import torch
import torch.nn as nn

TEXT = """the cat sat on the mat . the dog sat on the log . a cat saw the dog and the dog saw a cat .
the mat was on the log and the cat was on the mat . a dog and a cat sat . the log was flat ."""


class Dictionary:
    def __init__(self):
        self.word2idx, self.idx2word = {}, []

    def add_word(self, word):
        if word not in self.word2idx:
            self.idx2word.append(word)
            self.word2idx[word] = len(self.idx2word) - 1
        return self.word2idx[word]


class RNNModel(nn.Module):
    def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        if rnn_type in ["LSTM", "GRU"]:
            self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers, dropout=dropout)
        else:
            self.rnn = nn.RNN(ninp, nhid, nlayers, nonlinearity=rnn_type.split("_")[1].lower(), dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.rnn_type, self.nhid, self.nlayers, self.ntoken = rnn_type, nhid, nlayers, ntoken

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        zeros = weight.new_zeros(self.nlayers, bsz, self.nhid)
        return (zeros, zeros.clone()) if self.rnn_type == "LSTM" else zeros


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


dictionary = Dictionary()
ids = torch.tensor([dictionary.add_word(word) for word in TEXT.split()], dtype=torch.int64)
train_data = batchify(ids, 4)
print("corpus", ids.shape, "batches", train_data.shape, "words", len(dictionary.idx2word))
bptt, criterion = 4, nn.NLLLoss()
for mode in ("RNN_TANH", "LSTM", "GRU"):
    torch.manual_seed(1111)
    model = RNNModel(mode, len(dictionary.idx2word), 12, 12, 2)
    print(model)
    print(sum(p.numel() for p in model.parameters()), [tuple(p.shape) for p in model.rnn.parameters()][:4])
    lr = 5.0
    for epoch in range(3):
        model.train()
        hidden, total = model.init_hidden(4), 0.0
        for i in range(0, train_data.size(0) - 1, bptt):
            seq_len = min(bptt, len(train_data) - 1 - i)
            data, targets = train_data[i : i + seq_len], train_data[i + 1 : i + 1 + seq_len].view(-1)
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-lr)
            total += loss.item() * seq_len
        mean = total / (len(train_data) - 1)
        print(f"{mode} epoch {epoch} loss {mean:.4f} ppl {math.exp(mean):.2f} norm {norm:.3f}")
    model.eval()
    with torch.no_grad():
        hidden, word, said = model.init_hidden(1), torch.zeros(1, 1, dtype=torch.long), []
        for _ in range(6):
            output, hidden = model(word, hidden)
            word.fill_(torch.multinomial(output.squeeze().exp(), 1)[0])
            said.append(dictionary.idx2word[word.item()])
    print(" ".join(said))
