"""Calls of a model as one compiled program, once they have taken longer than compiling it is likely to.

What makes an op of a large model slow is not the Python between the ops but that each is dispatched and stored alone.
A program has neither cost, but compiling it takes seconds, which whoever calls a model a few times should not pay.  So
the calls of each signature are timed until then: a program at most about doubles what they have taken.

The ordinary call says which index is out of range; a program does not.  So programs get no integers below or above
those that ordinary calls have taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.function.function import Function
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.logits import keep_logits, logits_of
from dovetail.keras.masks import mask_of
from dovetail.tensor.tensor import Tensor

_SECONDS_A_NODE = 0.02  # of compiling: measured on ResNet-50 and on a transformer


class NotedCall:
    """The ordinary call of a model, which notes what Keras makes of the results.

    Attributes:
        spec: how the outputs are packed; None: there is one.
        kinds: which outputs have logits, and of which kind; the logits come after the outputs, in this order.
        masked: whether an output has a mask.
    """

    def __init__(self, model: Any, x: Any, options: dict) -> None:
        self._model, self._options = model, options
        self._pack = type(x) if isinstance(x, list | tuple) else None
        self.spec: Any = None
        self.kinds: list[tuple[int, Any]] = []
        self.masked = False

    def __call__(self, *inputs: Tensor) -> tuple[list, list]:
        """Returns the outputs, flat, and the logits of those that have some."""
        x = inputs[0] if self._pack is None else self._pack(inputs)
        outputs = Layer.__call__(self._model, x, **self._options)
        leaves, self.spec = ([outputs], None) if type(outputs) is Tensor else nest.flatten_spec(outputs)
        known = [(place, logits_of(leaf)) for place, leaf in enumerate(leaves)]
        self.kinds = [(i, of[0]) for i, of in known if of is not None]
        self.masked = any(mask_of(leaf) is not None for leaf in leaves)
        return leaves, [of[1] for _, of in known if of is not None]

    def packed(self, tensors: list) -> Any:
        """Returns outputs as the model gives them, from the outputs with the logits after them."""
        for place, kind in reversed(self.kinds):
            keep_logits(tensors[place], tensors.pop(), kind)
        return tensors[0] if self.spec is None else nest.unflatten(self.spec, tensors)


class TimedCalls:
    """The calls of a model with one signature: ordinary ones at first, those of a program later."""

    __slots__ = ("_call", "_function", "_left", "_seen")

    def __init__(self, model: Any, x: Any, options: dict) -> None:
        self._call = NotedCall(model, x, options)
        self._left = _SECONDS_A_NODE * sum(1 for _ in model._flatten_layers())
        self._function: Function | None = None
        self._seen: list[tuple[int, int]] = []  # the least and the largest of each input of integers

    def run(self, ordinary: Callable[[], Any], inputs: list) -> Any:
        """Returns the outputs of the model.

        Args:
            ordinary: makes the ordinary call.
            inputs: arrays or tensors.
        """
        bounds = [_bounds(value) for value in inputs if _is_integer(value)]
        if self._function is None or not all(map(_within, bounds, self._seen)):
            begin = time.perf_counter()
            outputs = ordinary()
            self._left -= time.perf_counter() - begin
            if self._left < 0 and not any(mask_of(leaf) is not None for leaf in nest.flatten(outputs)):
                self._function = self._function or Function(self._call)
            self._seen = [*map(_both, bounds, self._seen or bounds)]
            return outputs
        leaves, logits = self._function(*inputs)
        return self._call.packed([*leaves, *logits])


def _is_integer(value: Any) -> bool:
    return np.issubdtype(value.dtype if type(value) is np.ndarray else value.dtype.as_numpy_dtype, np.integer)


def _bounds(value: Any) -> tuple[int, int]:
    """Returns the least and the largest of some integers; of none, 0 twice."""
    array = np.asarray(value)
    return (int(array.min()), int(array.max())) if array.size else (0, 0)


def _within(bounds: tuple[int, int], seen: tuple[int, int]) -> bool:
    return seen[0] <= bounds[0] and bounds[1] <= seen[1]


def _both(bounds: tuple[int, int], seen: tuple[int, int]) -> tuple[int, int]:
    return min(bounds[0], seen[0]), max(bounds[1], seen[1])
