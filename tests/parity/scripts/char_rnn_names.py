"""Names letter by letter: an RNN written by hand classifies their language, a conditional one makes new names by sampling."""

import random
import string

import torch
import torch.nn as nn

random.seed(3)
torch.manual_seed(3)
letters = string.ascii_lowercase + "'"
names = {
    "Nordic": "olsen hansen larsen jensen nilsen berg dahl holm lund".split(),
    "Italian": "rossi bianchi ferrari romano ricci marino greco bruno".split(),
    "Irish": "o'brien murphy kelly walsh byrne ryan o'connor doyle".split(),
}
categories = list(names)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(letters))
    for i, letter in enumerate(line):
        tensor[i][0][letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
        return self.softmax(self.h2o(hidden)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


rnn, criterion = RNN(len(letters), 16, len(categories)), nn.NLLLoss()
print(rnn)
total, right = 0.0, 0
for step in range(1, 121):
    category = random.choice(categories)
    tensor = line_to_tensor(random.choice(names[category]))
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for letter in tensor:
        output, hidden = rnn(letter, hidden)
    loss = criterion(output, torch.tensor([categories.index(category)]))
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-0.05)
    total += loss.item()
    top_n, top_i = output.topk(1)
    right += categories[top_i[0].item()] == category
    if step % 40 == 0:
        print(f"{step}: loss {total / 40:.4f} right {right}")
        total, right = 0.0, 0

confusion = torch.zeros(3, 3)
with torch.no_grad():
    for row, category in enumerate(categories):
        for name in names[category]:
            hidden = rnn.init_hidden()
            for letter in line_to_tensor(name):
                output, hidden = rnn(letter, hidden)
            confusion[row, output.argmax()] += 1
print(confusion, confusion.diag().sum() / confusion.sum())

gru, head = nn.GRUCell(len(letters) + 3, 20), nn.Linear(20, len(letters) + 1)
optimizer = torch.optim.Adagrad([*gru.parameters(), *head.parameters()], lr=0.05)
end = len(letters)
for step in range(1, 31):
    which = torch.randint(3, (1,)).item()
    name = names[categories[which]][torch.randint(8, ()).item()]
    kind, hidden, loss = torch.eye(3)[which : which + 1], None, torch.zeros(())
    targets = [letters.index(c) for c in name[1:]] + [end]
    for letter, target in zip(line_to_tensor(name), targets):
        hidden = gru(torch.cat((kind, letter), 1), hidden)
        loss = loss + nn.functional.cross_entropy(head(hidden), torch.tensor([target]))
    optimizer.zero_grad()
    (loss / len(name)).backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"{step}: loss {loss.item() / len(name):.3f}")
with torch.no_grad():
    for which, start in enumerate("lro"):
        said, hidden = start, None
        while len(said) < 8:
            hidden = gru(torch.cat((torch.eye(3)[[which]], line_to_tensor(said[-1])[0]), 1), hidden)
            pick = torch.multinomial(torch.softmax(head(hidden) / 0.8, 1), 1).item()
            if pick == end:
                break
            said += letters[pick]
        print(categories[which], said)
