"""What users ask for, checked and made hashable: features by key become outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.base.errors import InvalidArgumentError
from dovetail.ops.records.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    UniformRowLength,
    VarLenFeature,
)
from dovetail.ops.records.layout import Layout
from dovetail.ops.records.outputs import NUMPY, Dense, Indexed, Padded, Ragged, Varlen
from dovetail.ops.shapes import reshape
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape


class Plan(NamedTuple):
    """What to parse.

    Attributes:
        names: the keys of the results.
        layout: what each is.
        defaults: tensors, for those that have one.
    """

    names: tuple[str, ...]
    layout: Layout
    defaults: tuple


def plan_of(features: Any) -> Plan:
    """Returns what to parse of Examples.

    Args:
        features: dict from key to a feature of `features.py`.

    Raises:
        ValueError: there are none, one is of no kind, its shape is not known, or features read one key in two ways.
    """
    if not isinstance(features, Mapping) or not features:
        raise ValueError(
            f"features must be a dict that is not empty, from keys to tf.io.FixedLenFeature and the like, "
            f"received {features!r:.60}"
        )
    found = _PLANS.get(id(features))
    if found is not None and found[0] == features:
        return found[1]
    plan = planned(features, _MAKERS)
    if type(features) is dict and all(_is_settled(feature) for feature in features.values()):
        _PLANS.put(id(features), ({key: _copied(feature) for key, feature in features.items()}, plan))
    return plan


# The plans made last, by the dict that they were made of, with a copy of it: many calls are made with the same.
_PLANS: Bounded = Bounded(64)


def _is_settled(feature: Any) -> bool:
    """True for what compares as a whole: its default is nothing that can change, or an array."""
    return isinstance(getattr(feature, "default_value", None), int | float | str | bytes | None)


def _copied(feature: Any) -> Any:
    """Returns a feature that keeps its shape when the user's list changes."""
    shape = getattr(feature, "shape", None)
    return feature._replace(shape=list(shape)) if type(shape) is list else feature


def planned(features: Mapping, makers: dict[type, Callable]) -> Plan:
    """Returns what to parse, with the kinds of features that `makers` know: `f(key, feature) -> (output, default)`."""
    made = []
    for key in sorted(features):
        feature = features[key]
        maker = makers.get(type(feature))
        if maker is None:
            kinds = ", ".join(kind.__name__ for kind in makers)
            raise ValueError(
                f"Unsupported {type(feature).__name__} {feature!r:.80} for key {key!r}; expected one of {kinds}"
            )
        made.append((_rank(key, feature), key, *maker(key, feature)))
    made.sort(key=lambda one: one[:2])
    _, names, outputs, defaults = zip(*made, strict=True)
    _check_keys(outputs)
    return Plan(names, Layout(outputs), tuple(default for default in defaults if default is not None))


_ORDER = {
    VarLenFeature: 0,
    FixedLenFeature: 1,
    FixedLenSequenceFeature: 1,
    RaggedFeature: 2,
    SparseFeature: 3,
}


def _rank(key: str, feature: Any) -> int:
    """Returns the place of a kind in the dict of results; what is put together of several features comes last."""
    composed = isinstance(feature, RaggedFeature) and (feature.value_key not in (None, key))
    return 3 if composed else _ORDER[type(feature)]


def _check_keys(outputs: tuple) -> None:
    """Raises where a key is read as a dense, sparse and ragged feature, or with two dtypes."""
    seen: dict[bytes, tuple] = {}
    for output in outputs:
        how = output.how
        for key, kind in output.columns().items():
            before = seen.setdefault(key, (how, kind))
            if before[0] != how:
                raise ValueError(
                    f"{before[0]} and {how} keys must not intersect: {key.decode()!r} is both; parse the records twice"
                )
            if before[1] != kind:
                raise ValueError(f"the feature {key.decode()!r} is wanted as {before[1]} and as {kind}")


def kind_of(key: str, dtype: Any) -> str:
    """Returns the name of a dtype that records can hold.

    Raises:
        InvalidArgumentError: they cannot.
    """
    if dtype is None:
        raise ValueError(f"Missing type for feature {key!r}")
    name = dt.as_dtype(dtype).name
    if name not in NUMPY:
        raise InvalidArgumentError(
            f"feature {key!r}: records hold float32, int64 and string, received dtype {name}. "
            "Parse it as one of these, and cast the result"
        )
    return name


def shape_of(key: str, feature: Any) -> tuple:
    """Returns the shape of a feature, which must be known."""
    if feature.shape is None:
        raise ValueError(f"Missing shape for feature {key!r}: {feature}")
    shape = TensorShape(feature.shape)
    if not shape.is_fully_defined():
        raise ValueError(
            f"feature {key!r}: expected a known shape, received {feature}. "
            "Use tf.io.FixedLenSequenceFeature or tf.io.RaggedFeature for sizes that differ"
        )
    return tuple(shape.as_list())


def default_of(key: str, value: Any, kind: str, shape: tuple) -> Any:
    if value is None:
        return None
    tensor = convert_to_tensor(value, dtype=kind)
    try:
        return reshape(tensor, shape=shape)
    except (ValueError, InvalidArgumentError):
        raise InvalidArgumentError(
            f"feature {key!r}: the default_value must have the shape {list(shape)}, received one of {tensor.shape}"
        ) from None


def _dense(key: str, feature: Any) -> tuple:
    kind, shape = kind_of(key, feature.dtype), shape_of(key, feature)
    default = default_of(key, feature.default_value, kind, shape)
    return Dense(key.encode(), kind, shape, default is not None), default


def _padded(key: str, feature: Any) -> tuple:
    if not feature.allow_missing:
        raise ValueError(f"feature {key!r}: FixedLenSequenceFeature requires allow_missing=True here")
    kind = kind_of(key, feature.dtype)
    default = default_of(key, feature.default_value, kind, ())
    return Padded(key.encode(), kind, shape_of(key, feature), default is not None), default


def _varlen(key: str, feature: Any) -> tuple:
    return Varlen(key.encode(), kind_of(key, feature.dtype)), None


def _indexed(key: str, feature: Any) -> tuple:
    keys = [feature.index_key] if isinstance(feature.index_key, str) else list(feature.index_key)
    sizes = [feature.size] if not isinstance(feature.size, list | tuple) else list(feature.size)
    if len(keys) != len(sizes):
        raise ValueError(
            f"feature {key!r}: SparseFeature needs a size for each index_key, received {len(keys)} keys and "
            f"{len(sizes)} sizes"
        )
    made = Indexed(
        tuple(one.encode() for one in keys),
        feature.value_key.encode(),
        kind_of(key, feature.dtype),
        tuple(int(size) for size in sizes),
        bool(feature.already_sorted),
    )
    return made, None


def ragged(key: str, feature: Any) -> tuple:
    """Returns the output of a `RaggedFeature`, without a default."""
    splits = dt.as_dtype(feature.row_splits_dtype)
    if splits.name not in ("int32", "int64"):
        raise ValueError(f"feature {key!r}: row_splits_dtype must be int32 or int64, received {splits.name}")
    for partition in feature.partitions:
        if not isinstance(partition, _PARTITIONS):
            raise TypeError(f"feature {key!r}: unsupported partition {partition!r}")
    value_key = key if feature.value_key is None else feature.value_key
    kind = kind_of(key, feature.dtype)
    return Ragged(value_key.encode(), kind, tuple(feature.partitions), np.dtype(splits.name)), None


_PARTITIONS = (
    RaggedFeature.RowSplits,
    RaggedFeature.RowLengths,
    RaggedFeature.RowStarts,
    RaggedFeature.RowLimits,
    RaggedFeature.ValueRowIds,
    UniformRowLength,
)
_MAKERS: dict[type, Callable] = {
    FixedLenFeature: _dense,
    FixedLenSequenceFeature: _padded,
    VarLenFeature: _varlen,
    SparseFeature: _indexed,
    RaggedFeature: ragged,
}
