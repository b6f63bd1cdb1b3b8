"""`tf.Tensor` as programs name it: the class of tensors with values, and of the symbolic ones that graphs record.

Those of functional models are none, as in Keras, though their class is that of the others.  Within the framework
`Tensor` means a tensor that has its value.
"""

from __future__ import annotations

from typing import Any

from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


class _Tensors(type(Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is not AnyTensor:
            return super().__instancecheck__(instance)
        return isinstance(instance, Tensor) or (
            type(instance) is SymbolicTensor and hasattr(instance, "owner")
        )

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls is not AnyTensor:
            return super().__subclasscheck__(subclass)
        return issubclass(subclass, Tensor | SymbolicTensor)

    def __setattr__(cls, name: str, value: Any) -> None:
        setattr(Tensor, name, value)

    def __delattr__(cls, name: str) -> None:
        delattr(Tensor, name)


class AnyTensor(Tensor, metaclass=_Tensors):
    __doc__ = Tensor.__doc__
    __slots__ = ()
    __qualname__, __module__ = Tensor.__qualname__, Tensor.__module__

    def __new__(cls, value: Any) -> Any:
        return Tensor(value) if cls is AnyTensor else super().__new__(cls)


type.__setattr__(AnyTensor, "__name__", Tensor.__name__)
