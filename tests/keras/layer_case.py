"""The table of layers: how each one is made, what it is called on, and what is checked about it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LayerCase:
    """One layer and its inputs.

    Attributes:
        kind: name of the class, here and in Keras.
        kwargs: its arguments.
        shape: shape of the input, or a list of shapes.
        dtype: of the input.
        high: integers are drawn from [0, high).
        bad: a shape that must be refused, or None where every shape is fine.
        unknown: an input shape with unknown sizes beside the batch.
        mask: shape of a boolean mask that the layer is called with.
        random: draws in training, so that only inference has a reference.
        inner: class and arguments of the layer that this one wraps.
        tf_keras: the reference is Keras 2, since Keras 3 has no such layer.
        weights: the names of the weights, in order.
        gradients: compare gradients.
        scale: of the random inputs.
        apart: several inputs are arguments of their own, not one list.
    """

    kind: str
    kwargs: dict = field(default_factory=dict)
    shape: Any = (2, 3)
    dtype: str = "float32"
    high: int = 5
    bad: Any = None
    unknown: Any = None
    mask: Any = None
    random: bool = False
    inner: Any = None
    tf_keras: bool = False
    weights: tuple = ()
    gradients: bool = True
    scale: float = 1.0
    apart: bool = False

    @property
    def label(self) -> str:
        # Functions by name: addresses differ between processes, and the runner compares what they collect.
        given = "-".join(f"{name}={getattr(value, '__name__', value)}" for name, value in self.kwargs.items())
        return f"{self.kind}[{given}]{self.shape}".replace(" ", "")

    def inputs(self) -> Any:
        """Returns the inputs as arrays, the same ones each time."""
        rng = np.random.default_rng(11)

        def draw(shape: tuple) -> np.ndarray:
            if self.dtype.startswith("int"):
                return rng.integers(0, self.high, shape).astype(self.dtype)
            return (rng.normal(size=shape) * self.scale).astype(self.dtype)

        return [draw(shape) for shape in self.shape] if isinstance(self.shape, list) else draw(self.shape)

    def mask_value(self) -> Any:
        return None if self.mask is None else np.random.default_rng(3).random(self.mask) > 0.4

    def make(self, layers: Any, **more: Any) -> Any:
        """Makes the layer with the classes of `layers` (Dovetail's or Keras')."""
        kwargs = {**self.kwargs, **more}
        if self.inner is not None:
            kind, inner = self.inner
            return getattr(layers, self.kind)(getattr(layers, kind)(**inner), **kwargs)
        return getattr(layers, self.kind)(**kwargs)

    def call(self, layer: Any, inputs: Any, **more: Any) -> Any:
        """Calls the layer on its inputs."""
        return layer(*inputs, **more) if self.apart else layer(inputs, **more)
