"""`tf.io.parse_sequence_example` and `tf.io.parse_single_sequence_example`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from dovetail.base.errors import at_user_location
from dovetail.ops.core import Op
from dovetail.ops.records.examples import Naming, scalar, vector
from dovetail.ops.records.features import FixedLenSequenceFeature, RaggedFeature, VarLenFeature
from dovetail.ops.records.layout import Layout
from dovetail.ops.records.lists import PaddedList, RaggedList, VarlenList, read_lists
from dovetail.ops.records.plans import Plan, kind_of, plan_of, planned, ragged, shape_of
from dovetail.ops.views import export
from dovetail.wire.example_columns import FormError, of_maps
from dovetail.wire.examples import SequenceExample


def _parse(
    xp: Any, serialized: Any, names: Any, *defaults: Any, context: Layout, lists: Layout, single: bool
) -> list:
    records = serialized.reshape(-1).tolist()
    with Naming(records, names, "SequenceExample"):
        messages = [_parsed(record, i) for i, record in enumerate(records)]
        columns = of_maps([message.context.feature for message in messages], context.wanted)
        found = read_lists(messages, lists.wanted)
        return [
            *context.arrays(columns, len(records), iter(defaults), single),
            *lists.arrays(found, len(records), iter(()), single),
        ]


def _parsed(record: bytes, index: int) -> Any:
    try:
        return SequenceExample.FromString(record)
    except DecodeError:
        raise FormError(index) from None


def _shapes(
    serialized: tuple, names: Any, *defaults: Any, context: Layout, lists: Layout, single: bool
) -> list:
    count = serialized[0] if serialized else None
    return [shape for shape, _ in (*context.specs(count, single), *lists.specs(count, single))]


def _dtypes(*kinds: Any, context: Layout, lists: Layout, single: bool) -> list:
    return [kind for _, kind in (*context.specs(None, single), *lists.specs(None, single))]


parse_sequences = Op(
    "parse_sequences",
    _parse,
    engine="host",
    same_dtype=0,
    differentiable=False,
    several=True,
    shape=_shapes,
    dtype=_dtypes,
)
parse_sequences.__doc__ = (
    "Parses serialized SequenceExamples (n,), named or not, into the arrays of the outputs."
)


def _padded_list(key: str, feature: Any) -> tuple:
    if feature.default_value is not None:
        raise ValueError(
            f"feature list {key!r}: default_value must be None, received {feature.default_value!r:.40}"
        )
    kind = kind_of(key, feature.dtype)
    return PaddedList(key.encode(), kind, shape_of(key, feature), bool(feature.allow_missing)), None


def _varlen_list(key: str, feature: Any) -> tuple:
    return VarlenList(key.encode(), kind_of(key, feature.dtype)), None


def _ragged_list(key: str, feature: Any) -> tuple:
    same = ragged(key, feature)[0]
    return RaggedList(same.key, same.kind, same.partitions, same.splits_dtype), None


_MAKERS: dict[type, Callable] = {
    FixedLenSequenceFeature: _padded_list,
    VarLenFeature: _varlen_list,
    RaggedFeature: _ragged_list,
}
_NOTHING = Plan((), Layout(()), ())


@export("io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict, dict, dict]:
    """Returns the features of serialized `tf.train.SequenceExample`s.

    Args:
        serialized: strings of shape (n,), or a scalar (see `parse_single_sequence_example`).
        context_features: the features of whole records: see `tf.io.parse_example`.
        sequence_features: dict from key to `tf.io.FixedLenSequenceFeature` (padded with zeros to the longest),
            `VarLenFeature` or `RaggedFeature`.
        example_names: names of the records, for error messages.

    Returns:
        `(context, lists, lengths)`: dicts; `lengths` has the number of steps of each padded list, int64 (n,).

    Raises:
        InvalidArgumentError: a record is no SequenceExample, lacks something, or has it with another dtype or shape.
    """
    records, names, single = vector(serialized, "tf.io.parse_sequence_example", example_names)
    return _parsed_features(records, names, single, context_features, sequence_features)


def _parsed_features(
    records: Any, names: Any, single: bool, context: Any, lists: Any
) -> tuple[dict, dict, dict]:
    if not context and not lists:
        raise ValueError(
            f"context_features and sequence_features are both empty: nothing is asked for{at_user_location()}"
        )
    of_context = plan_of(context) if context else _NOTHING
    of_lists = planned(lists, _MAKERS) if lists else _NOTHING
    parts = parse_sequences(
        records, names, *of_context.defaults, context=of_context.layout, lists=of_lists.layout, single=single
    )
    split = sum(of_context.layout.sizes_alone if single else of_context.layout.sizes)
    return (
        dict(zip(of_context.names, of_context.layout.built(parts[:split], single), strict=True)),
        dict(zip(of_lists.names, of_lists.layout.built(parts[split:], single), strict=True)),
        _lengths(of_lists, parts[split:], single),
    )


def _lengths(lists: Plan, parts: Any, single: bool) -> dict:
    """Returns the numbers of steps of the padded lists."""
    start, found, layout = 0, {}, lists.layout
    sizes = layout.sizes_alone if single else layout.sizes
    for key, output, size in zip(lists.names, layout.outputs, sizes, strict=True):
        if isinstance(output, PaddedList):
            found[key] = parts[start + 1]
        start += size
    return found


@export("io.parse_single_sequence_example")
def parse_single_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict, dict]:
    """Returns the features of one `tf.train.SequenceExample`: as `parse_sequence_example`, without the first axis.

    Args:
        serialized: scalar string.
        context_features, sequence_features: see there.
        example_name: the record's name, for error messages.

    Returns:
        `(context, lists)`: dicts.
    """
    record = scalar(serialized, "tf.io.parse_single_sequence_example")
    records, names, single = vector(record, "tf.io.parse_single_sequence_example", example_name)
    return _parsed_features(records, names, single, context_features, sequence_features)[:2]
