"""`keras.Input` and `InputLayer`: where a functional model begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.graph.node import Node
from dovetail.keras.layers.machinery import in_graphs
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.ops.table import find
from dovetail.tensor import dtype as dt
from dovetail.tensor.spec import TensorSpec, value_of
from dovetail.tensor.symbolic import SymbolicTensor

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The layer form of an input.

    Args:
        shape: sizes without the batch axis; None where unknown.
        batch_size: size of the batch axis, when fixed.
        dtype: element type; Keras' `floatx` when None.
        input_shape, batch_input_shape, batch_shape: other spellings of the shape.
        input_tensor: an existing symbolic tensor to use.
        sparse, ragged: the input is a `tf.SparseTensor`, a `tf.RaggedTensor` (its first unknown size is ragged).
        type_spec: the spec of a composite tensor, with the batch axis.
    """

    is_input = True

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        batch_input_shape: Any = None,
        type_spec: Any = None,
        **kwargs: Any,
    ) -> None:
        if sparse and ragged:
            raise ValueError(f"keras.Input: sparse or ragged, not both{at_user_location()}")
        super().__init__(name=name, **kwargs)
        full = batch_shape if batch_shape is not None else batch_input_shape
        shape = shape if shape is not None else input_shape
        if type_spec is not None:
            full = tuple(getattr(type_spec, "shape", ()))
            dtype = dtype or getattr(type_spec, "dtype", None)
        if full is None:
            if shape is None and input_tensor is None:
                raise ValueError(
                    f"keras.Input: pass a shape, such as keras.Input(shape=(32,)){at_user_location()}"
                )
            full = tuple(input_tensor.shape) if shape is None else (batch_size, *_sizes(shape))
        if any(size is not None and not (isinstance(size, int | np.integer) and size >= 0) for size in full):
            raise ValueError(
                f"keras.Input: sizes must be integers >= 0 or None, received {tuple(full)}{at_user_location()}"
            )
        if shape is not None and batch_shape is not None:
            raise ValueError(
                f"keras.Input: pass shape or batch_shape, received both: {shape} and {batch_shape}{at_user_location()}"
            )
        self.batch_shape = tuple(None if size is None else int(size) for size in full)
        self._input_dtype = dt.as_dtype(
            dtype or (input_tensor.dtype if input_tensor is not None else settings.floatx)
        )
        self.optional = optional
        self.built = True
        node = Node(self, (), {})
        self._is_sparse, self._is_ragged = bool(sparse), bool(ragged)
        self._spec = _spec_of(type_spec, self.batch_shape, self._input_dtype, sparse, ragged)
        tensor = input_tensor
        if tensor is None and self._spec is not None:
            self._value = self._composite(node)
            self._nodes.append(node)
            return
        if tensor is None:
            tensor = SymbolicTensor(self.batch_shape, self._input_dtype, name=self.name, node=node)
        else:
            tensor = in_graphs.input_for(tensor, self.batch_shape, self._input_dtype, self.name)
            tensor.node = tensor.node if tensor is input_tensor else node
        in_graphs.mark(tensor, in_graphs.around())
        node.outputs = [tensor]
        node.structure = None
        self._value = tensor
        self._nodes.append(node)

    def _composite(self, node: Node) -> Any:
        """Returns the composite tensor of symbolic tensors that the input is."""

        def made(spec: TensorSpec) -> SymbolicTensor:
            tensor = SymbolicTensor(
                spec.shape, spec.dtype, name=self.name, node=node, index=len(node.outputs)
            )
            node.outputs.append(tensor)
            return tensor

        value = value_of(self._spec, made)
        node.outputs, node.structure = nest.flatten_spec(value)
        for index, tensor in enumerate(node.outputs):
            tensor.index = index
        return value

    def __getstate__(self) -> dict:
        return {name: value for name, value in super().__getstate__().items() if name != "_value"}

    def __setstate__(self, facts: dict) -> None:
        super().__setstate__(facts)
        node = Node(self, (), {})
        if self._spec is not None:
            self._value = self._composite(node)
        else:
            self._value = SymbolicTensor(self.batch_shape, self._input_dtype, name=self.name, node=node)
            node.outputs = [self._value]
        self._nodes.append(node)

    @property
    def dtype(self) -> str:
        return self._input_dtype.name

    @property
    def output(self) -> Any:
        return self._value

    input = output

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict:
        own = {} if self._spec is None or self._is_sparse or self._is_ragged else {"type_spec": self._spec}
        return own | {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self._is_sparse,
            "ragged": self._is_ragged,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict) -> InputLayer:
        spec = config.get("type_spec")
        return cls(
            **config | {"type_spec": deserialize_keras_object(spec) if isinstance(spec, dict) else spec}
        )


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
    type_spec: Any = None,
    **kwargs: Any,
) -> Any:
    """Returns a symbolic tensor (or a composite of them) that stands for an input of a model.

    Args:
        shape: sizes without the batch axis, None where unknown, such as `(None, 128)`.
        batch_size: fixed size of the batch axis.
        dtype: element type, float32 when None.
        batch_shape: sizes with the batch axis, instead of `shape`.
        name: name of the input; dicts of data are matched by it.
        tensor: an existing symbolic tensor.
        sparse, ragged: the input is a `tf.SparseTensor`, or a `tf.RaggedTensor` whose first unknown size is ragged.
        type_spec: a `tf.TensorSpec`, or the spec of a composite tensor, with the batch axis.

    Any layer, any tensor op, Python's operators and indexing can be applied to it.
    """
    if isinstance(type_spec, TensorSpec):
        batch_shape, dtype, type_spec = tuple(type_spec.shape), type_spec.dtype, None
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
        type_spec=type_spec,
        **kwargs,
    )
    return layer.output


def _spec_of(type_spec: Any, shape: tuple, dtype: Any, sparse: Any, ragged: Any) -> Any:
    """Returns the spec of an input that is a composite tensor, None for a dense one."""
    if type_spec is not None:
        return type_spec
    if sparse:
        return find("tf", "SparseTensorSpec")(shape, dtype)
    if ragged:
        sizes = shape[1:]
        if None not in sizes:
            raise ValueError(
                f"keras.Input: a ragged input needs an unknown size, received {shape}{at_user_location()}"
            )
        return find("tf", "RaggedTensorSpec")(
            shape, dtype, ragged_rank=1 + max(i for i, size in enumerate(sizes) if size is None)
        )
    return None


def _sizes(shape: Any) -> tuple:
    if isinstance(shape, int):
        raise ValueError(
            f"keras.Input: shape must be a tuple, received {shape}. Write ({shape},){at_user_location()}"
        )
    return tuple(shape)
