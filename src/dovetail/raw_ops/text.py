"""Rows of strings and files."""

from __future__ import annotations

import sys
from typing import Any

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.function.printing import print_
from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known

enter(
    """
    StringLower(input; encoding='') = strings.lower
    StringUpper(input; encoding='') = strings.upper
    StringStrip(input) = strings.strip
    StringLength(input; unit='BYTE') = strings.length
    StringJoin(*inputs; separator='') = strings.join
    StringToNumber(string_tensor; out_type='float32') = strings.to_number
    StringToHashBucketFast(input; num_buckets) = strings.to_hash_bucket_fast
    StringToHashBucket(string_tensor; num_buckets) = strings.to_hash_bucket
    StringToHashBucketStrong(input; num_buckets, key) = strings.to_hash_bucket_strong
    StaticRegexReplace(input; pattern, rewrite, replace_global=True) = strings.regex_replace
    StaticRegexFullMatch(input; pattern) = strings.regex_full_match
    Substr(input, pos, len; unit='BYTE') = strings.substr
    ReadFile(filename) = io.read_file
    WriteFile(filename, contents) = io.write_file
    DecodeBase64(input) = io.decode_base64
    EncodeBase64(input; pad=False) = io.encode_base64
    MatchingFiles(pattern) = io.matching_files
    ParseTensor(serialized; out_type) = io.parse_tensor
    SerializeTensor(tensor) = io.serialize_tensor
    DecodeRaw(bytes; out_type, little_endian=True) = io.decode_raw
    DecodeCompressed(bytes; compression_type='') = io.decode_compressed
    DecodeJSONExample(json_examples) = io.decode_json_example
    UnicodeScript(input) = strings.unicode_script
    """
)


@raw("AsString")
def as_string(
    input: Any,
    *,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
) -> Any:
    return public("strings.as_string")(input, precision, scientific, shortest, width, fill)


@raw("StringFormat")
def string_format(inputs: list, *, template: str = "%s", placeholder: str = "%s", summarize: int = 3) -> Any:
    return public("strings.format")(template, inputs, placeholder, summarize)


@raw("PrintV2")
def print_v2(input: Any, *, output_stream: str = "stderr", end: str = "\n") -> None:
    """Prints; to files, which a graph that was loaded may not open, it does not."""
    if output_stream not in ("stderr", "stdout"):
        raise UnimplementedError(f"PrintV2: prints to {output_stream!r} are not done{at_user_location()}")
    print_(input, output_stream=getattr(sys, output_stream), end=end)


@raw("Print")
def print_1(input: Any, data: list, *, message: str = "", first_n: int = -1, summarize: int = 3) -> Any:
    """Prints the data to standard error whenever the input passes; returns the input.

    Raises:
        UnimplementedError: `first_n` asks for a count of the passes.
    """
    if first_n >= 0:
        raise UnimplementedError(
            f"Print: first_n={first_n} is not there: it prints every time{at_user_location()}"
        )
    shown = ["[{}]" if one.shape.rank == 0 else "{}" for one in data]
    print_(public("strings.format")(message + "".join(shown), data, summarize=summarize))
    return public("identity")(input)


@raw("RegexReplace")
def regex_replace(input: Any, pattern: Any, rewrite: Any, *, replace_global: bool = True) -> Any:
    return public("strings.regex_replace")(
        input, known(pattern).item(), known(rewrite).item(), replace_global
    )


@raw("RegexFullMatch")
def regex_full_match(input: Any, pattern: Any) -> Any:
    return public("strings.regex_full_match")(input, known(pattern).item())


@raw("StringSplitV2", "indices values shape")
def string_split(input: Any, sep: Any, *, maxsplit: int = -1) -> tuple:
    public("SparseTensor")  # ragged tensors have `to_sparse` from there
    found = public("strings.split")(input, known(sep).item(), maxsplit=maxsplit).to_sparse()
    return found.indices, found.values, found.dense_shape


@raw("StringNGrams", "ngrams ngrams_splits")
def ngrams(
    data: Any,
    data_splits: Any,
    *,
    separator: str,
    ngram_widths: Any,
    left_pad: str,
    right_pad: str,
    pad_width: int,
    preserve_short_sequences: bool,
) -> tuple:
    ragged: Any = public("RaggedTensor")
    rows = ragged.from_row_splits(data, data_splits)
    pads = (left_pad, right_pad) if left_pad or right_pad else None
    found = public("strings.ngrams")(
        rows,
        tuple(ngram_widths),
        separator,
        pads,
        pad_width if pad_width > 0 else None,
        preserve_short_sequences,
    )
    return found.values, found.row_splits


@raw("RaggedTensorToTensor")
def ragged_to_tensor(
    shape: Any, values: Any, default_value: Any, row_partition_tensors: list, *, row_partition_types: list
) -> Any:
    kinds = [str(kind) for kind in row_partition_types]
    rows = values
    tensors = list(row_partition_tensors)
    if kinds[0] == "FIRST_DIM_SIZE":
        first = tensors[0]
        pairs = list(zip(kinds, tensors, strict=True))[1:]
    else:
        first, pairs = None, list(zip(kinds, tensors, strict=True))
    ragged: Any = public("RaggedTensor")
    for place, (kind, tensor) in reversed(list(enumerate(pairs))):
        if kind == "ROW_SPLITS":
            rows = ragged.from_row_splits(rows, tensor)
        elif kind == "VALUE_ROWIDS":
            rows = ragged.from_value_rowids(rows, tensor, nrows=first if place == 0 else None)
        else:
            raise NotImplementedError(f"RaggedTensorToTensor: rows told by {kind}")
    sizes = known(shape).reshape(-1).tolist()
    wanted = (
        None if any(size < -1 for size in sizes) or sizes == [-1] else [None if s < 0 else s for s in sizes]
    )
    return rows.to_tensor(default_value, shape=wanted)
