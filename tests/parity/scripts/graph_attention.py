"""A graph attention network on a random graph: several heads, masked softmax, the same by edges with index_add and scatter."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class GraphAttentionLayer(nn.Module):
    def __init__(self, in_features, out_features, n_heads, concat=True, dropout=0.2, slope=0.2):
        super().__init__()
        self.n_heads, self.concat = n_heads, concat
        self.n_hidden = out_features // n_heads if concat else out_features
        self.W = nn.Parameter(torch.empty(in_features, self.n_hidden * n_heads))
        self.a = nn.Parameter(torch.empty(n_heads, 2 * self.n_hidden, 1))
        self.leakyrelu = nn.LeakyReLU(slope)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_normal_(self.W)
        nn.init.xavier_normal_(self.a)

    def scores(self, h):
        source = torch.matmul(h, self.a[:, : self.n_hidden, :])
        target = torch.matmul(h, self.a[:, self.n_hidden :, :])
        return self.leakyrelu(source + target.mT)  # (heads, nodes, nodes)

    def transform(self, x):
        return torch.mm(x, self.W).view(x.shape[0], self.n_heads, self.n_hidden).permute(1, 0, 2)

    def forward(self, x, adj):
        h = self.transform(x)
        e = self.scores(h)
        connectivity = -9e16 * torch.ones_like(e)
        attention = F.softmax(torch.where(adj > 0, e, connectivity), dim=-1)
        out = torch.matmul(self.dropout(attention), h)
        if self.concat:
            return out.permute(1, 0, 2).contiguous().view(x.shape[0], -1)
        return out.mean(dim=0)

    @torch.no_grad()
    def by_edges(self, x, adj):
        """The same without dropout, over a list of edges."""
        h = self.transform(x).permute(1, 0, 2)  # (nodes, heads, hidden)
        to, from_ = adj.nonzero(as_tuple=True)
        weight = self.scores(h.permute(1, 0, 2))[:, to, from_].t().exp()  # (edges, heads)
        total = torch.zeros(len(x), self.n_heads).index_add_(0, to, weight)
        out = torch.zeros_like(h).scatter_add_(
            0, to[:, None, None].expand(-1, *h.shape[1:]), weight[..., None] * h[from_]
        )
        return (out / total[..., None]).flatten(1)


class GAT(nn.Module):
    def __init__(self, in_features, hidden, heads, classes):
        super().__init__()
        self.gat1 = GraphAttentionLayer(in_features, hidden, heads)
        self.elu = nn.ELU()
        self.gat2 = GraphAttentionLayer(hidden, classes, 1, concat=False)

    def forward(self, x, adj):
        return F.log_softmax(self.gat2(self.elu(self.gat1(x, adj)), adj), dim=1)


torch.manual_seed(13)
nodes = 48
labels = torch.randint(0, 3, (nodes,))
chance = 0.02 + 0.25 * (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
adj = torch.bernoulli(chance).triu(1)
adj = (adj + adj.t()).fill_diagonal_(1)
features = torch.randn(nodes, 6)
features[:, :3] += F.one_hot(labels, 3)
print("edges", int(adj.sum()), "degrees", adj.sum(0).int().unique(return_counts=True))
train = torch.zeros(nodes, dtype=torch.bool).scatter_(0, torch.randperm(nodes)[:24], True)
net = GAT(6, 12, 3, 3)
print(net, [tuple(p.shape) for p in net.parameters()])
optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=5e-4)
criterion = nn.NLLLoss()
for epoch in range(20):
    net.train()
    optimizer.zero_grad()
    loss = criterion(net(features, adj)[train], labels[train])
    loss.backward()
    optimizer.step()
    if epoch % 5 == 4:
        net.eval()
        with torch.no_grad():
            right = net(features, adj).argmax(dim=1) == labels
        print(
            f"{epoch + 1} loss {loss.item():.4f} train {right[train].float().mean():.3f} test {right[~train].float().mean():.3f}"
        )
net.eval()
with torch.no_grad():
    dense = net.gat1(features, adj)
print("by edges:", torch.allclose(dense, net.gat1.by_edges(features, adj), atol=1e-5), f"{dense.norm():.3f}")
