"""Symbolic tensors: the outputs of `keras.Input` and of everything applied to them.

A symbolic tensor has a dtype, a shape in which sizes may be unknown, and the node that makes it.  Any op of the table
accepts one; the graph layer records what was done.
"""

from __future__ import annotations

import itertools
from typing import Any

from dovetail.base.errors import OperatorNotAllowedInGraphError, at_user_location
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Reference, TensorLike

_names = itertools.count()


class SymbolicTensor(TensorLike):
    """A placeholder for a tensor in a functional model (Keras calls it KerasTensor).

    Args:
        shape: sizes; None where unknown.
        dtype: element type.
        sparse, ragged: what Keras programs note about an input; the tensors here are dense.
        record_history: accepted: a node is kept where there is one.
        name: shown in summaries.
        node: the node that produces it, None for an input.
        index: which of the node's outputs it is.
        partial: for small integer tensors computed from shapes, the known elements as an object array in which
            `None` marks the unknown ones; None when nothing is known.
        _beside: what side tables keep with it (see `tensor/beside.py`); None for nothing.
    """

    __slots__ = (
        "_shape",
        "_dtype",
        "_name",
        "sparse",
        "ragged",
        "node",
        "index",
        "partial",
        "_beside",
        "owner",
        "__weakref__",
    )

    owner: Any  # the graph that records it; unset elsewhere

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        node: Any = None,
        index: int = 0,
        partial: Any = None,
    ) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dt.as_dtype(dtype)
        self._name = name if name is not None else f"keras_tensor_{next(_names)}"
        if sparse and ragged:
            raise ValueError(
                f"KerasTensor: sparse or ragged, not both: they are different kinds of tensors{at_user_location()}"
            )
        self.sparse, self.ragged = bool(sparse), bool(ragged)
        self.node, self.index, self.partial = node, index, partial
        self._beside: tuple | None = None

    ragged_rank = row_splits_dtype = None  # the tensor is dense, whatever is noted

    @property
    def shape(self) -> TensorShape:
        return self._shape

    def get_shape(self) -> TensorShape:
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Adds what is known about the shape; raises ValueError when it contradicts."""
        self._shape = self._shape.merge_with(shape)

    @property
    def dtype(self) -> dt.DType:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def name(self) -> str:
        return self._name

    @property
    def op(self) -> Any:
        """What makes this tensor: an operation of the graph it belongs to; a layer or an op in functional models."""
        if hasattr(self, "owner"):
            return self.owner.operation_of(self)
        return self.node.operation if self.node is not None else None

    @property
    def graph(self) -> Any:
        """The graph that records this tensor.

        Raises:
            AttributeError: no graph does; it belongs to functional models.
        """
        return self.owner

    @property
    def value_index(self) -> int:
        return self.index

    def consumers(self) -> list:
        """Returns the operations of its graph that take this tensor."""
        return [
            operation for operation in self.owner.get_operations() if any(x is self for x in operation.inputs)
        ]

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Returns the value in a session, the default one when None; for tensors of a `tf.Graph`."""
        if not hasattr(self, "owner") or not self.owner.by_hand:
            return self._no_value("eval()")
        return (session or self.owner.default_session("Tensor.eval")).run(self, feed_dict)

    @property
    def device(self) -> str:
        return self.owner.operation_of(self).device if hasattr(self, "owner") else ""

    def ref(self) -> Reference:
        return Reference(self)

    def __len__(self) -> int:
        if not self._shape or self._shape[0] is None:
            raise TypeError(
                f"len() of a symbolic tensor of shape {self._shape} is not known. Use tf.shape(x)[0]."
            )
        return self._shape[0]

    def __bool__(self) -> bool:
        raise OperatorNotAllowedInGraphError(
            f"a symbolic tensor (shape {self._shape}) was used as a Python bool while the model is built. Use tf.cond, "
            f"tf.where or keras.backend.switch{at_user_location()}"
        )

    def _no_value(self, what: str) -> Any:
        raise OperatorNotAllowedInGraphError(
            f"{what} needs a value, and a symbolic tensor (shape {self._shape}, {self._dtype.name}) has none while the "
            f"model is built. Use tf.* ops on it, or wrap the code in a Layer's call(){at_user_location()}"
        )

    def numpy(self) -> Any:
        return self._no_value("numpy()")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self._no_value("converting to NumPy")

    def __jax_array__(self) -> Any:
        return self._no_value("converting to a JAX array")

    def __float__(self) -> float:
        return self._no_value("float()")

    def __int__(self) -> int:
        return self._no_value("int()")

    def __index__(self) -> int:
        return self._no_value("using it as an index")

    def __hash__(self) -> int:
        if hasattr(self, "owner") and self.owner.by_hand:
            return id(self)  # a key of feed_dict
        raise TypeError("A symbolic tensor is unhashable. Instead, use tensor.ref() as the key.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype.name}, name={self._name}>"

    def __copy__(self) -> SymbolicTensor:
        return self

    def __deepcopy__(self, memo: Any) -> SymbolicTensor:
        return self
