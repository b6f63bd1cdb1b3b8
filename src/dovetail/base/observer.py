"""Observers: what is told of the ops that run, in `state.tapes`."""

from __future__ import annotations

from typing import Any


class Observer:
    """Base of what stands in `state.tapes`: gradient tapes, and others that want to know which ops run.

    Attributes:
        stays_in_traces: it goes on observing inside of functions that are traced; others see the call as one op.
        records_all: it is told of ops without a gradient too.
    """

    __slots__ = ()
    stays_in_traces = False
    records_all = False

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        """Called after an op (a bound op, or a call with its own gradient) with its input and output tensors."""

    def alias(self, tensor: Any, other: Any) -> None:
        """Called when `other` becomes another object for the value of `tensor`."""

    def read_variable(self, variable: Any, tensor: Any) -> None:
        """Called when `variable` is read as `tensor`."""

    def tracks(self, tensor: Any) -> bool:
        """True when the observer differentiates through `tensor`."""
        return False
