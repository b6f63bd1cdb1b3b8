"""`keras.remat` and `keras.RematScope`: layers whose activations are computed again in the backward pass."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dovetail.autodiff.custom import recompute_grad
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare

__all__ = ["RematScope", "remat"]

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.stack: list[RematScope] = []


_scopes = _Scopes()


def remat(f: Callable) -> Callable:
    """Returns `f` with its activations recomputed in the backward pass instead of kept: less memory, more time."""
    return recompute_grad(f)


@declare
class RematScope:
    """Layers that are created in the `with` block compute their activations again in the backward pass.

    Args:
        mode: which of them: "full": all; "activations": those with an activation function; "larger_than": those whose
            outputs have more than `output_size_threshold` elements, the batch axis included; "list_of_layers": those
            named in `layer_names`; None: none, inside another scope.
        output_size_threshold: see `mode`.
        layer_names: see `mode`.

    Values and gradients are the same, random draws and moving averages included.

    Raises:
        ValueError: an unknown mode.

    Example:
        >>> with keras.RematScope(mode="full"):
        ...     layer = keras.layers.Dense(8, activation="relu")
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Sequence[str] | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(
                f"RematScope: mode must be one of {_MODES}, received {mode!r}{at_user_location()}"
            )
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or ())

    def __enter__(self) -> RematScope:
        _scopes.stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _scopes.stack.pop()

    def wants(self, layer: Any, described: Callable[[], Any]) -> bool:
        """Returns whether a call of a layer is computed again.

        Args:
            layer: that is called.
            described: gives symbolic tensors like the outputs.
        """
        if self.mode == "larger_than":
            sizes = [math.prod(size or 1 for size in leaf.shape) for leaf in nest.flatten(described())]
            return sum(sizes) > self.output_size_threshold
        if self.mode == "list_of_layers":
            return layer.name in self.layer_names
        return self.mode == "full" or getattr(layer, "activation", None) is not None


def current() -> RematScope | None:
    """Returns the scope that a layer is created in, None outside of any and in one that wants nothing."""
    found = _scopes.stack[-1] if _scopes.stack else None
    return None if found is None or found.mode is None else found
