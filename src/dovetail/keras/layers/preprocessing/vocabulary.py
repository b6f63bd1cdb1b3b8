"""Vocabularies: counting tokens, reading files of them."""

from __future__ import annotations

import collections
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import permission


def unique(layer: Any, tokens: list) -> None:
    """Refuses tokens that stand twice in a vocabulary."""
    if len(set(tokens)) != len(tokens):
        repeated = [token for token, number in collections.Counter(tokens).items() if number > 1]
        raise ValueError(
            f"{layer.name}: the vocabulary holds these tokens more than once: {repeated[:5]}{at_user_location()}"
        )


def check_config(kind: type, config: dict) -> None:
    """Refuses a config that names a file of tokens: files that are loaded open no others.

    Raises:
        ValueError: it does, and nobody has allowed it.
    """
    path = config.get("vocabulary")
    if isinstance(path, str | os.PathLike):
        permission.require(
            f"the layer {config.get('name')!r} ({kind.__name__}) would read the file {os.fspath(path)!r}, which its "
            "config names as its vocabulary",
            "Better: put the tokens themselves into the config, or into the assets, as saving a model does",
        )


def file_lines(layer: Any, path: Any) -> list[str]:
    """Returns the lines of a text file, without empty ones at its end."""
    if not os.path.exists(path):
        raise ValueError(f"{layer.name}: there is no vocabulary file {os.fspath(path)!r}{at_user_location()}")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Counter:
    """How often tokens occur, and in how many documents.

    Attributes:
        total: token -> how often.
        documents: token -> in how many documents.
        num_documents: how many there were.
    """

    def __init__(self) -> None:
        self.total: collections.Counter = collections.Counter()
        self.documents: collections.Counter = collections.Counter()
        self.num_documents = 0

    def add(self, data: Any, documents: bool) -> None:
        """Counts tokens: a tensor of (documents, ...), one of one document, or a ragged one."""
        if hasattr(data, "flat_values"):
            rows = [np.asarray(row).reshape(-1) for row in data]
            whole = np.asarray(data.flat_values)
        else:
            array = np.asarray(data)
            rows = list(
                array.reshape(1, -1)
                if array.ndim < 2
                else array.reshape(len(array), math.prod(array.shape[1:]))
            )
            whole = array
        if documents:
            self.add_rows((row.tolist() for row in rows), True)
        elif whole.dtype == object:
            self.add_rows([whole.reshape(-1).tolist()], False)
        else:
            found, numbers = np.unique(whole, return_counts=True)
            self.total.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))

    def add_rows(self, rows: Iterable[list], documents: bool) -> None:
        """Counts tokens: a list of them for each document."""
        count = self.total.update
        if not documents:
            for row in rows:
                count(row)
            return
        for row in rows:
            count(row)
            self.documents.update(set(row))
            self.num_documents += 1

    def most_frequent(self, most: int | None, without: list) -> list:
        """Returns the tokens, the most frequent first; of equally frequent ones, the last in order comes first."""
        pairs = [(number, token) for token, number in self.total.items() if token not in without]
        return [token for _, token in sorted(pairs, reverse=True)[:most]]


def document_weights(counter: Counter, tokens: list) -> list[float]:
    """Returns the inverse document frequency of tokens: log(1 + documents / (1 + documents with it))."""
    return [math.log(1 + counter.num_documents / (1 + counter.documents[token])) for token in tokens]
