"""Symbolic graphs: what is recorded when layers and ops meet symbolic tensors, and how it is run again."""

from dovetail.graph.node import Node, OpCall
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.replay import Graph

__all__ = ["Graph", "Node", "OpCall", "symbolic_outputs"]
