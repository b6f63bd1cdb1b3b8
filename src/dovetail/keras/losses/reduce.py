"""What losses and metrics do with values an element: bring ranks together, weight, mask, reduce."""

from __future__ import annotations

import math
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.ops import arithmetic, reduction, shapes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

__all__ = ["Reduction"]


class Reduction:
    """The names of Keras 2 for how a loss is reduced; the strings work everywhere, too."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        return cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE

    @classmethod
    def validate(cls, key: str) -> None:
        if key not in cls.all():
            raise ValueError(f"Reduction: expected one of {cls.all()}, received {key!r}")


_REDUCTIONS = {
    None: None,
    "none": None,
    "auto": "mean",
    "mean": "mean",
    "sum_over_batch_size": "mean",
    "sum": "sum",
    "mean_with_sample_weight": "weighted",
}


def checked_reduction(name: str | None) -> str | None:
    """Returns the name of a reduction ("auto" means "sum_over_batch_size"), or raises ValueError."""
    if name not in _REDUCTIONS:
        known = [key for key in _REDUCTIONS if key]
        raise ValueError(f"reduction: expected one of {known}, received {name!r}.{suggest(str(name), known)}")
    return "sum_over_batch_size" if name == "auto" else name


def as_floating(x: Any) -> Any:
    """Converts to a floating tensor; integers become `keras.config.floatx()`."""
    x = convert_to_tensor(x)
    return x if x.dtype.is_floating else x._astype(as_dtype(settings.floatx))


def as_dtype_of(x: Any, like: Any) -> Any:
    """Converts to a tensor of the dtype of `like`."""
    x = convert_to_tensor(x)
    return x if x.dtype == like.dtype else x._astype(like.dtype)


def converted(x: Any, dtype: Any) -> Any:
    """Converts to a tensor of `dtype`, casting."""
    x = convert_to_tensor(x)
    return x if x.dtype == dtype else x._astype(as_dtype(dtype))


def same_rank(a: Any, b: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Brings two tensors to one rank when one has a last axis of size 1 too many.

    (batch, 1) beside (batch,): both become (batch, 1).  (batch, time, 1) beside (batch, time): the axis goes.
    """
    difference = len(a.shape) - len(b.shape)
    if difference == 1 and a.shape[-1] == 1:
        if len(b.shape) == 1 and expand_rank_1:
            return a, shapes.expand_dims(b, axis=-1)
        return shapes.squeeze(a, axis=-1), b
    if difference == -1:
        b, a = same_rank(b, a, expand_rank_1)
    return a, b


def num_elements(x: Any, dtype: Any) -> Any:
    """Returns the number of elements: a Python number where the shape is known."""
    if x.shape.is_fully_defined():
        return float(math.prod(x.shape))
    return shapes.size(x)._astype(as_dtype(dtype))


def masked_weight(sample_weight: Any, mask: Any, dtype: Any, reduction_name: str | None) -> Any:
    """Returns weights in which masked elements count nothing, None when there is neither weight nor mask.

    Under a mean, the rest is scaled up so that the mean is one over the elements that are not masked.
    """
    if mask is None:
        return None if sample_weight is None else converted(sample_weight, dtype)
    weight = converted(mask, dtype)
    if _REDUCTIONS[reduction_name] == "mean":
        valid = reduction.reduce_sum(weight)
        weight = weight * arithmetic.divide_no_nan(
            convert_to_tensor(num_elements(weight, dtype), dtype), valid
        )
    if sample_weight is None:
        return weight
    weight, sample_weight = same_rank(weight, converted(sample_weight, dtype))
    return _multiplied(_per_sample(sample_weight, weight), weight)


def _per_sample(weight: Any, values: Any) -> Any:
    """Gives weights of shape (batch,) the rank of the values, so that each counts for all values of its sample.

    Differs from Keras 3, which multiplies the last axis of the values, or fails; Keras 2 did as we do.
    """
    rank = len(values.shape)
    if len(weight.shape) != 1 or rank < 2 or not weight.shape.is_compatible_with(values.shape[:1]):
        return weight
    return shapes.reshape(weight, shape=(-1, *(1,) * (rank - 1)))


def _multiplied(values: Any, weight: Any) -> Any:
    """Returns `values * weight`, with Keras' broadcasting and an error that explains it."""
    try:
        return values * weight
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"sample_weight of shape {tuple(weight.shape)} does not broadcast to the values of shape "
            f"{tuple(values.shape)}: give one weight a sample, (batch,) or (batch, 1), or one a value"
            f"{at_user_location()}"
        ) from error


def reduce_weighted(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction_name: str | None = None,
    dtype: Any = None,
) -> Any:
    """Returns the loss for values an element.

    Args:
        values: losses of shape (batch, ...).
        sample_weight: broadcasts to the values, after a last axis of size 1 was added or taken away.
        mask: elements to leave out, where False.
        reduction_name: see `Loss`.
        dtype: of the result; default: of the values.
    """
    values = convert_to_tensor(values) if dtype is None else converted(values, dtype)
    weight = masked_weight(sample_weight, mask, values.dtype, reduction_name)
    if weight is not None:
        values, weight = same_rank(values, weight)
        values = _multiplied(values, _per_sample(weight, values))
    kind = _REDUCTIONS[reduction_name]
    if kind is None or not len(values.shape) or tuple(values.shape) == (0,):
        return values
    if kind == "sum":
        return reduction.reduce_sum(values)
    if kind == "weighted" and weight is not None:
        return arithmetic.divide_no_nan(reduction.reduce_sum(values), reduction.reduce_sum(weight))
    return reduction.reduce_mean(values) if 0 not in tuple(values.shape) else reduction.reduce_sum(values)
