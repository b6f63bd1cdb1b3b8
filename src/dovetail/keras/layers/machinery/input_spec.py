"""`keras.layers.InputSpec`: what a layer demands of its inputs, and the check."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor


class InputSpec:
    """Rank, sizes and dtype that an input must have.

    Args:
        dtype: expected dtype.
        shape: expected shape, None for any size.
        ndim: expected rank.
        max_ndim, min_ndim: bounds of the rank.
        axes: `{axis: size}` for single axes.
        allow_last_axis_squeeze: an input of one rank less or more is fine when the last axis is 1.
        name, optional: for messages, and for inputs that may be None.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else dt.as_dtype(dtype).name
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def get_config(self) -> dict:
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
        }

    def __repr__(self) -> str:
        facts = ", ".join(f"{k}={v}" for k, v in self.get_config().items() if v)
        return f"InputSpec({facts})"


def fits(spec: Any, shape: tuple) -> bool:
    """True when a known shape meets a simple spec (rank, sizes of axes); if False, ask `check_inputs`."""
    if (
        type(spec) is not InputSpec
        or spec.shape is not None
        or spec.dtype is not None
        or spec.max_ndim is not None
    ):
        return False
    rank = len(shape)
    if (spec.ndim is not None and rank != spec.ndim) or (spec.min_ndim is not None and rank < spec.min_ndim):
        return False
    for axis, size in spec.axes.items():
        if size is not None and not (-rank <= axis < rank and shape[axis] == size):
            return False
    return True


def check_inputs(layer: Any, inputs: Any) -> None:
    """Raises ValueError when the inputs do not meet the layer's `input_spec`."""
    if layer.input_spec is None or (type(inputs) is Tensor and fits(layer.input_spec, inputs._value.shape)):
        return
    specs = nest.flatten(layer.input_spec)
    tensors = [leaf for leaf in nest.flatten(inputs) if leaf is not None]
    if len(specs) != len(tensors):
        if len(specs) == 1 and len(tensors) > 1:
            return
        raise ValueError(
            f"{layer.name}: expected {len(specs)} input tensors, received {len(tensors)}{at_user_location()}"
        )
    for index, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
        if spec is not None and hasattr(tensor, "shape"):
            _check(layer, index, spec, tensor)


def _built_for(shapes: Any) -> str:
    if isinstance(shapes, dict):
        shapes = shapes.get("input_shape")
    return f" Built for {tuple(shapes)}." if isinstance(shapes, list | tuple | TensorShape) else ""


def _check(layer: Any, index: int, spec: InputSpec, tensor: Any) -> None:
    shape = tuple(tensor.shape)
    rank = len(shape)

    def fail(expected: str) -> None:
        built = _built_for(layer._build_shapes)
        raise ValueError(
            f"{layer.name}: expected {expected}, received inputs of shape {shape}"
            f"{f' (input {index})' if index else ''}.{built}{at_user_location()}"
        )

    if (
        spec.ndim is not None
        and rank != spec.ndim
        and not (spec.allow_last_axis_squeeze and abs(rank - spec.ndim) == 1)
    ):
        fail(f"rank {spec.ndim}")
    if spec.max_ndim is not None and rank > spec.max_ndim:
        fail(f"a rank of at most {spec.max_ndim}")
    if spec.min_ndim is not None and rank < spec.min_ndim:
        fail(f"a rank of at least {spec.min_ndim}")
    for axis, size in spec.axes.items():
        if size is not None and -rank <= axis < rank and shape[axis] not in (None, size):
            fail(f"{'the last axis' if axis == -1 else f'axis {axis}'} to be {size}")
    if spec.shape is not None and any(
        want is not None and have is not None and want != have
        for want, have in zip(spec.shape, shape, strict=False)
    ):
        fail(f"shape {spec.shape}")
    if spec.dtype is not None and tensor.dtype != spec.dtype:
        fail(f"dtype {spec.dtype} (it has {tensor.dtype.name})")
