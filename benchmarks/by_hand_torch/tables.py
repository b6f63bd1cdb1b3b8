"""Models of tables in plain PyTorch: a recommender of two towers, and columns of a data frame."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import sizes


class TwoTowers(nn.Module):
    """A user's and an item's embedding, a dense layer on each, and their scalar product."""

    def __init__(self, sparse: bool = True) -> None:
        super().__init__()
        self.users = nn.Embedding(sizes.NUM_USERS, sizes.FACTORS, sparse=sparse)
        self.items = nn.Embedding(sizes.NUM_ITEMS, sizes.FACTORS, sparse=sparse)
        self.user, self.item = (nn.Linear(sizes.FACTORS, sizes.FACTORS) for _ in range(2))

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Map row numbers, both (batch,), to ratings (batch,)."""
        return (self.user(self.users(users)) * self.item(self.items(items))).sum(1)


class TwoTowersDense(TwoTowers):
    """The same with dense gradients, which Adam and its fused op need."""

    def __init__(self) -> None:
        super().__init__(sparse=False)


def tabular(columns: int = sizes.NUM_COLUMNS) -> nn.Module:
    """Build the perceptron on the columns of a table, one logit a row."""
    first, second = sizes.TABULAR_WIDTHS
    return nn.Sequential(
        nn.Linear(columns, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 1)
    )


class Columns(nn.Module):
    """Numbers beside embeddings of codes, a table for each column of codes, below the same perceptron."""

    def __init__(self) -> None:
        super().__init__()
        tables = [nn.Embedding(sizes.CODES, sizes.CODE_WIDTH) for _ in range(sizes.NUM_CODES)]
        self.tables = nn.ModuleList(tables)
        self.rest = tabular(sizes.NUM_MEASURES + sizes.NUM_CODES * sizes.CODE_WIDTH)

    def forward(self, measures: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map numbers (batch, 40) and codes (batch, 10) to logits (batch, 1)."""
        looked_up = [table(codes[:, number]) for number, table in enumerate(self.tables)]
        return self.rest(torch.cat([measures, *looked_up], 1))
