"""Operations of raw ops as configs: the name that finds each again."""

from __future__ import annotations

from typing import Any

from dovetail.graph.construct import CONSTRUCTS, Construct
from dovetail.graph.derivatives import KINDS, Derivative
from dovetail.graph.node import READ, WRITE, OpCall
from dovetail.ops.table import op_named


def operation_config(operation: Any) -> dict | None:
    """Returns what finds an op or a construct again: its name; None where there is no such name."""
    if isinstance(operation, OpCall):
        return {"op": operation.op.name, "promote": operation.promote}
    if isinstance(operation, Construct):
        return {"construct": operation.name}
    if isinstance(operation, Derivative):
        return {"derivative": operation.name}
    return {"variable": _ACCESS[id(operation)]} if id(operation) in _ACCESS else None


_ACCESS = {id(READ): "read", id(WRITE): "assign"}


def operation_of(config: dict) -> Any:
    """Returns the operation that `operation_config` described.

    Raises:
        ValueError: it names what is not known.
    """
    if "construct" in config and config["construct"] in CONSTRUCTS:
        return Construct(CONSTRUCTS[config["construct"]], config["construct"])
    if config.get("derivative") in KINDS:
        return Derivative(config["derivative"])
    if "variable" in config:
        return READ if config["variable"] == "read" else WRITE
    op = op_named(config.get("op") or "")
    if op is None:
        named = config.get("op") or config.get("construct") or config.get("function")
        raise ValueError(f"the config names the op {named!r}, which is not known")
    return OpCall(op, bool(config["promote"]))
