"""`tf.io.parse_example` and `tf.io.parse_single_example`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine.text import natively
from dovetail.ops.core import Op
from dovetail.ops.records.layout import Layout
from dovetail.ops.records.plans import plan_of
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.wire.example_columns import FormError, KindError, read_columns


def _parse(xp: Any, serialized: Any, names: Any, *defaults: Any, layout: Layout, single: bool) -> list:
    records = serialized.reshape(-1).tolist()
    with Naming(records, names, "Example"):
        columns = read_columns(records, layout.wanted, natively.parts)
        return layout.arrays(columns, len(records), iter(defaults), single)


class Naming:
    """Context: tells what a record is wrong about in the words of users, with the names that they gave to records."""

    def __init__(self, records: list, names: Any, kind: str) -> None:
        self._records, self._names, self._kind = records, names, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, FormError):
            value = self._records[error.index]
            raise InvalidArgumentError(
                f"Could not parse {self._kind.lower()} input, value: {value[:40]!r}{'...' * (len(value) > 40)} "
                f"({self._of(error.index)}: {len(value)} bytes that are no tf.train.{self._kind})"
            ) from None
        if isinstance(error, KindError):
            raise InvalidArgumentError(
                f"{self._of(error.index)}, Key: {error.key.decode()}, Index: {error.index}.  Data types don't match. "
                f"Data type: {error.found} but expected type: {error.wanted}"
            ) from None

    def _of(self, index: int) -> str:
        names = self._names
        return f"Name: {names[index].decode()}" if len(names) > index else f"record {index}"


def _shapes(serialized: tuple, names: Any, *defaults: Any, layout: Layout, single: bool) -> list:
    return [shape for shape, _ in layout.specs(serialized[0] if serialized else None, single)]


def _dtypes(*kinds: Any, layout: Layout, single: bool) -> list:
    return [kind for _, kind in layout.specs(None, single)]


parse_examples = Op(
    "parse_examples",
    _parse,
    engine="host",
    same_dtype=0,
    differentiable=False,
    several=True,
    shape=_shapes,
    dtype=_dtypes,
)
parse_examples.__doc__ = (
    "Parses serialized Examples, (n,) or (if `single`) a scalar, into the arrays of the outputs."
)


_NO_NAMES = convert_to_tensor(np.empty(0, object), dtype=dt.string)


def vector(serialized: Any, what: str, names: Any = None) -> tuple[Any, Any, bool]:
    """Returns the records as a tensor, their names, and whether there is one record without an axis.

    Raises:
        InvalidArgumentError: they have more than one axis.
    """
    records = as_tensor(serialized)
    if records.dtype != dt.string:
        raise InvalidArgumentError(
            f"{what}: serialized must hold strings, received dtype {records.dtype.name}{at_user_location()}"
        )
    rank = records.shape.rank
    if rank is not None and rank > 1:
        raise InvalidArgumentError(
            f"{what}: Expected serialized to be a scalar or vector, got shape: {records.shape}{at_user_location()}"
        )
    if rank is None:
        records = reshape(records, shape=(-1,))
    given = _NO_NAMES if names is None else reshape(convert_to_tensor(names, dtype=dt.string), shape=(-1,))
    return records, given, rank == 0


@export("io.parse_example")
def parse_example(serialized: Any, features: Any, example_names: Any = None, name: str | None = None) -> dict:
    """Returns the features of serialized `tf.train.Example`s.

    Args:
        serialized: strings of shape (n,), or a scalar (see `parse_single_example`).
        features: dict from key to `tf.io.FixedLenFeature`, `VarLenFeature`, `FixedLenSequenceFeature`,
            `SparseFeature` or `RaggedFeature`.
        example_names: names of the records, for error messages.

    Returns:
        Dict from key to a tensor, a sparse or a ragged tensor, each with a first axis of size n.

    Raises:
        InvalidArgumentError: a record is no Example, lacks a feature without a default, or has one of another dtype or
            shape.

    Example:
        >>> tf.io.parse_example([example.SerializeToString()], {"id": tf.io.FixedLenFeature([], tf.int64)})["id"]
    """
    records, names, single = vector(serialized, "tf.io.parse_example", example_names)
    plan = plan_of(features)
    parts = parse_examples(records, names, *plan.defaults, layout=plan.layout, single=single)
    return dict(zip(plan.names, plan.layout.built(parts, single), strict=True))


@export("io.parse_single_example")
def parse_single_example(
    serialized: Any, features: Any, example_names: Any = None, name: str | None = None
) -> dict:
    """Returns the features of one serialized `tf.train.Example`: as `parse_example`, without the first axis.

    Args:
        serialized: scalar string.
        features: see `parse_example`.
        example_names: the record's name, for error messages.
    """
    record = scalar(serialized, "tf.io.parse_single_example")
    return parse_example(record, features, example_names)


def scalar(serialized: Any, what: str) -> Any:
    """Returns one record as a tensor.

    Raises:
        ValueError: it has an axis.
    """
    record = as_tensor(serialized)
    rank = record.shape.rank
    if rank is None:
        return reshape(record, shape=())
    if rank:
        raise ValueError(
            f"{what}: Input serialized must be a scalar, received shape {record.shape}; "
            f"tf.io.parse_example takes vectors{at_user_location()}"
        )
    return record
