"""Who talks to whom: node embeddings and a graph convolution over a sparse adjacency matrix, trained to tell communities apart.

The adjacency is a sparse tensor, normalised with sparse operations; the embeddings get sparse gradients, which SparseAdam takes.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


def random_graph(nodes, communities, generator):
    """Undirected edges, likely inside a community and rare between two; self-loops."""
    labels = torch.arange(nodes) % communities
    chance = torch.where(labels[:, None] == labels[None, :], 0.35, 0.04)
    upper = torch.triu(torch.rand(nodes, nodes, generator=generator) < chance, diagonal=1)
    pairs = upper.nonzero().t()
    loops = torch.arange(nodes).repeat(2, 1)
    indices = torch.cat([pairs, pairs.flip(0), loops], dim=1)
    adjacency = torch.sparse_coo_tensor(indices, torch.ones(indices.size(1)), (nodes, nodes))
    return adjacency.coalesce(), labels


def normalised(adjacency):
    """D^-1/2 A D^-1/2: every value divided by the roots of the degrees of its row and its column."""
    degree = torch.sparse.sum(adjacency, dim=1).to_dense()
    row, column = adjacency.indices()
    values = adjacency.values() / (degree[row] * degree[column]).sqrt()
    return torch.sparse_coo_tensor(adjacency.indices(), values, adjacency.size()).coalesce()


class SparseGraphConvolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x, adjacency):
        return torch.sparse.mm(adjacency, self.linear(x))


class Network(nn.Module):
    def __init__(self, nodes, width, classes, adjacency):
        super().__init__()
        self.nodes = nn.Embedding(nodes, width, sparse=True)
        self.first = SparseGraphConvolution(width, width)
        self.second = SparseGraphConvolution(width, classes)
        self.register_buffer("adjacency", adjacency)

    def forward(self, nodes):
        x = F.relu(self.first(self.nodes(nodes), self.adjacency))
        return self.second(x, self.adjacency)


def main():
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(3)
    adjacency, labels = random_graph(60, 3, generator)
    print(adjacency.layout, tuple(adjacency.shape), adjacency._nnz(), adjacency.is_coalesced())
    adjacency = normalised(adjacency)
    print(torch.sparse.sum(adjacency, dim=0).to_dense()[:5])
    print(adjacency.to_sparse_csr().crow_indices()[:8])
    two_steps = torch.sparse.mm(adjacency, adjacency)
    print(two_steps._nnz(), f"{two_steps.to_dense().diagonal().sum():.4f}")

    model = Network(60, 16, 3, adjacency)
    tables = torch.optim.SparseAdam(model.nodes.parameters(), lr=0.02)
    others = torch.optim.Adam([*model.first.parameters(), *model.second.parameters()], lr=0.02)
    nodes, known = torch.arange(60), torch.arange(0, 60, 4)
    for epoch in range(31):
        tables.zero_grad()
        others.zero_grad()
        scores = model(nodes)
        loss = F.cross_entropy(scores[known], labels[known])
        loss.backward()
        if epoch == 0:
            grad = model.nodes.weight.grad
            print(grad.layout, grad._nnz(), tuple(grad._values().shape), f"{grad.coalesce().values().abs().sum():.5f}")
        tables.step()
        others.step()
        if epoch % 5 == 0:
            right = (scores.argmax(1) == labels).float().mean()
            print(f"epoch {epoch:2d}  loss {loss.item():.5f}  accuracy {right.item():.3f}")

    # Which edges matter: the gradient with respect to the values of the adjacency.
    values = adjacency.values().clone().requires_grad_()
    model.adjacency = torch.sparse_coo_tensor(adjacency.indices(), values, adjacency.size())
    F.cross_entropy(model(nodes), labels).backward()
    top = values.grad.abs().topk(3).indices
    print(f"{values.grad.norm():.5f}", adjacency.indices()[:, top].t().tolist())


if __name__ == "__main__":
    main()
