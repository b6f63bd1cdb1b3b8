"""Arguments that must be known when a graph is traced: axes, sizes and the like are tensors in TensorFlow's graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.ops.views import NAMESPACES
from dovetail.tensor.tensor import TensorLike


def known(value: Any) -> np.ndarray:
    """Returns the value of a tensor that is known.

    Raises:
        DataDependentShapeError: it depends on what is only known when the program runs.
    """
    found = try_known(value)
    if found is None:
        raise DataDependentShapeError(
            "raw_ops", f"an axis or a size depends on the values of tensors{at_user_location()}"
        )
    return found


def try_known(value: Any) -> Any:
    """Returns the value of a tensor as an array, None where it is not known yet."""
    if not isinstance(value, TensorLike):
        return np.asarray(value)
    found = NAMESPACES["tf"]["get_static_value"](value)
    return None if found is None else np.asarray(found)


def shape_of(value: Any) -> list | None:
    """Returns the shape that a tensor of sizes states: -1 is a size that is not known, a scalar -1 an unknown rank."""
    found = try_known(value)
    if found is None or found.ndim == 0:
        return None
    return [None if size < 0 else int(size) for size in found.tolist()]
