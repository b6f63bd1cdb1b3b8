"""Rows of Unicode text, and of words that are joined and split."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known

_FIXED = "errors='replace', replacement_char=65533, replace_control_characters=False"
enter(f"UnicodeTranscode(input; input_encoding, output_encoding, {_FIXED}) = strings.unicode_transcode")
enter("UnsortedSegmentJoin(inputs, segment_ids, num_segments; separator='') = strings.unsorted_segment_join")


def _flat(input: Any) -> Any:
    return public("reshape")(input, [-1])


def _decoding(name: str, function: str, outputs: str) -> None:
    """Adds what decodes texts by a public function, which returns ragged tensors of one partition."""

    def decode(
        input: Any,
        *,
        input_encoding: str,
        errors: str = "replace",
        replacement_char: int = 65533,
        replace_control_characters: bool = False,
        Tsplits: Any = "int64",
    ) -> tuple:
        found = public(function)(
            _flat(input), input_encoding, errors, replacement_char, replace_control_characters
        )
        parts = found if isinstance(found, tuple) else (found,)
        return public("cast")(parts[0].row_splits, Tsplits), *(one.values for one in parts)

    raw(name, outputs)(decode)


_decoding("UnicodeDecode", "strings.unicode_decode", "row_splits char_values")
_decoding(
    "UnicodeDecodeWithOffsets",
    "strings.unicode_decode_with_offsets",
    "row_splits char_values char_to_byte_starts",
)


@raw("UnicodeEncode")
def encode(
    input_values: Any,
    input_splits: Any,
    *,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
) -> Any:
    ragged: Any = public("RaggedTensor")
    rows = ragged.from_row_splits(input_values, input_splits)
    return public("strings.unicode_encode")(rows, output_encoding, errors, replacement_char)


@raw("ReduceJoin")
def reduce_join(inputs: Any, reduction_indices: Any, *, keep_dims: bool = False, separator: str = "") -> Any:
    axes = known(reduction_indices).reshape(-1).tolist()
    if not axes:
        return public("identity")(inputs)
    return public("strings.reduce_join")(inputs, axes, keep_dims, separator)


@raw("StringSplit", "indices values shape")
def split(input: Any, delimiter: Any, *, skip_empty: bool = True) -> tuple:
    """Splits at single characters; without any, into bytes.

    Raises:
        UnimplementedError: several characters separate words.
    """
    held: Any = known(delimiter).item()
    mark = held.decode() if isinstance(held, bytes) else held
    if len(mark) > 1:
        raise UnimplementedError(
            f"tf.raw_ops.StringSplit: one delimiter is there, received {mark!r}{at_user_location()}"
        )
    rows = public("strings.split")(input, mark) if mark else public("strings.bytes_split")(input)
    holds = public("strings.length")(rows) > 0
    if not skip_empty:  # an empty string has no words all the same
        holds = holds | (public("strings.length")(input) > 0)[:, None]
    public("SparseTensor")  # ragged tensors have `to_sparse` from there
    found = public("ragged.boolean_mask")(rows, holds).to_sparse()
    return found.indices, found.values, found.dense_shape
