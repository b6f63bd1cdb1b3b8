"""What the inputs of nodes are copies of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dovetail.base.errors import DataLossError


def node_of(text: str) -> str:
    """Returns the name of the node that an input names: "x", "x:1", "x:output:1" or "^x"."""
    return text.removeprefix("^").partition(":")[0]


def source_of(nodes: Mapping[str, Any], text: str, where: str) -> str:
    """Returns what an input is a copy of, as nodes name their inputs: that before all `Identity`.

    Args:
        nodes: of the graph, by name.
        where: the file, for errors.

    Raises:
        DataLossError: a copy is one of itself.
    """
    seen = set()
    while (node := nodes.get(node_of(text))) is not None and node.op == "Identity" and node.input:
        if node.name in seen:
            raise DataLossError(f"{where}: the graph is damaged: the node {node.name!r} is a copy of itself")
        seen.add(node.name)
        text = node.input[0]
    return text
