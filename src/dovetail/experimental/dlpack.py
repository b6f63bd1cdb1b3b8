"""`tf.experimental.dlpack`: arrays of other frameworks without a copy, by the DLPack protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tf_tensor: Any) -> Any:
    """Returns a DLPack capsule of the tensor, to be consumed once."""
    return convert_to_tensor(tf_tensor).__dlpack__()


def from_dlpack(dlcapsule: Any) -> Tensor:
    """Returns a tensor on the memory of `dlcapsule`: an array of another framework, or a capsule of `to_dlpack`."""
    source = dlcapsule if hasattr(dlcapsule, "__dlpack__") else _Capsule(dlcapsule)
    try:
        return Tensor(np.from_dlpack(source))
    except (BufferError, RuntimeError, TypeError) as error:
        raise InvalidArgumentError(
            f"tf.experimental.dlpack.from_dlpack: {error}{at_user_location()}"
        ) from None


class _Capsule:
    """A bare capsule in the clothes of an array on the CPU, as NumPy wants it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0
