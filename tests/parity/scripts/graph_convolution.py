"""A graph convolution network on a random graph of three communities: neighbours summed over a list of edges, half the nodes labelled."""

import math
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parameter import Parameter


class Edges(NamedTuple):
    to: torch.Tensor
    source: torch.Tensor
    weight: torch.Tensor


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(torch.empty(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.empty(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        support = torch.mm(input, self.weight)
        output = torch.zeros_like(support).index_add(0, adj.to, adj.weight[:, None] * support[adj.source])
        return output if self.bias is None else output + self.bias

    def extra_repr(self):
        return f"{self.in_features} -> {self.out_features}"


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass, bias=False)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


def random_graph(nodes, communities):
    """Edges with probability 0.3 inside a community and 0.03 between two; D^-1/2 (A + I) D^-1/2, as edges."""
    labels = torch.arange(nodes) % communities
    chance = torch.where(labels[:, None] == labels[None, :], 0.3, 0.03)
    upper = torch.triu(torch.bernoulli(chance), diagonal=1)
    adj = upper + upper.T + torch.eye(nodes)
    scale = adj.sum(1).rsqrt()
    adj = scale[:, None] * adj * scale[None, :]
    to, source = torch.nonzero(adj, as_tuple=True)
    return Edges(to, source, adj[to, source]), labels


def accuracy(output, labels):
    preds = output.max(1)[1].type_as(labels)
    return preds.eq(labels).double().sum() / len(labels)


torch.manual_seed(42)
adj, labels = random_graph(60, 3)
features = torch.randn(60, 8) + 1.5 * F.one_hot(labels, 8)
features = F.normalize(features, dim=1)
print(len(adj.to), adj.to[:6], adj.source[:6], adj.weight.sum().item().__round__(3))
order = torch.randperm(60)
idx_train, idx_test = order[:30], order[30:]
model = GCN(8, 16, 3, dropout=0.4)
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
for epoch in range(30):
    model.train()
    optimizer.zero_grad()
    output = model(features, adj)
    loss = F.nll_loss(output[idx_train], labels[idx_train])
    loss.backward()
    optimizer.step()
    if epoch % 10 == 9:
        model.eval()
        output = model(features, adj)
        val = F.nll_loss(output[idx_test], labels[idx_test])
        print(
            f"Epoch: {epoch + 1:04d} loss_train: {loss.item():.4f} acc_train: "
            f"{accuracy(output[idx_train], labels[idx_train]):.3f} loss_val: {val.item():.4f}"
        )
model.eval()
print(f"test accuracy {accuracy(model(features, adj)[idx_test], labels[idx_test]):.3f}")
