"""Symbolic graphs: what is recorded when layers and ops meet symbolic tensors, and how it is run again."""

from dovetail.graph import by_hand, flat, gradients, mapped, order, symbolic_gradients, taped
from dovetail.graph.construct import Construct, record_construct
from dovetail.graph.node import Node, OpCall
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import FunctionGraph, recording, trace
from dovetail.graph.replay import Graph

__all__ = [
    "Construct",
    "FunctionGraph",
    "Graph",
    "Node",
    "OpCall",
    "record_construct",
    "recording",
    "symbolic_outputs",
    "trace",
]
