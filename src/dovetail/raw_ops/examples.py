"""Rows of records: examples, lines of tables, messages and raw numbers."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.raw_ops.row import public, raw
from dovetail.raw_ops.static import known
from dovetail.tensor.dtype import as_dtype


@raw("DecodePaddedRaw")
def decode_padded(input_bytes: Any, fixed_length: Any, *, out_type: Any, little_endian: bool = True) -> Any:
    return public("io.decode_raw")(input_bytes, out_type, little_endian, int(known(fixed_length)))


@raw("DecodeCSV")
def decode_csv(
    records: Any,
    record_defaults: list,
    *,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Any = (),
) -> list:
    return public("io.decode_csv")(
        records, record_defaults, field_delim, use_quote_delim, na_value, list(select_cols) or None
    )


def _known_source(name: str, descriptor_source: str) -> str:
    """Returns where messages are described: not in a file, which a graph that was loaded may not open."""
    if descriptor_source.startswith(("local://", "bytes://")) or not descriptor_source:
        return descriptor_source
    raise UnimplementedError(
        f"tf.raw_ops.{name}: descriptor_source={descriptor_source!r:.80} is not opened; pass b'bytes://' + "
        f"what the file holds{at_user_location()}"
    )


@raw("DecodeProtoV2", "sizes values")
def decode_proto(
    bytes: Any,
    *,
    message_type: str,
    field_names: Any,
    output_types: Any,
    descriptor_source: Any = "local://",
    message_format: str = "binary",
    sanitize: bool = False,
) -> tuple:
    source = _known_source("DecodeProtoV2", descriptor_source)
    return public("io.decode_proto")(
        bytes, message_type, list(field_names), list(output_types), source, message_format, sanitize
    )


@raw("EncodeProto")
def encode_proto(
    sizes: Any, values: list, *, field_names: Any, message_type: str, descriptor_source: Any = "local://"
) -> Any:
    source = _known_source("EncodeProto", descriptor_source)
    return public("io.encode_proto")(sizes, values, list(field_names), message_type, source)


def _keys(keys: Any) -> list:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in known(keys).reshape(-1).tolist()]


def _dense(keys: list, defaults: list, shapes: Any) -> dict:
    """Returns what describes dense features: one without a default has an empty one."""
    feature: Any = public("io.FixedLenFeature")
    rows: Any = public("io.FixedLenSequenceFeature")
    found = {}
    for key, default, shape in zip(keys, defaults, shapes, strict=True):
        sizes = [None if size is None else int(size) for size in shape]
        if sizes and sizes[0] in (None, -1):
            found[key] = rows(sizes[1:], default.dtype, allow_missing=True, default_value=default)
        else:
            has_default = default.shape.num_elements() or 0 in sizes
            found[key] = feature(sizes, default.dtype, default if has_default else None)
    return found


def _sparse(keys: list, types: Any) -> dict:
    feature: Any = public("io.VarLenFeature")
    return {key: feature(as_dtype(kind)) for key, kind in zip(keys, types, strict=True)}


_PARSED = "sparse_indices sparse_values sparse_shapes dense_values"


def _parts(parsed: dict, sparse: list, dense: list) -> tuple:
    found = [parsed[key] for key in sparse]
    parts = ([getattr(one, name) for one in found] for name in ("indices", "values", "dense_shape"))
    return (*parts, [parsed[key] for key in dense])


@raw("ParseExampleV2", f"{_PARSED} ragged_values ragged_row_splits")
def parse_examples(
    serialized: Any,
    names: Any,
    sparse_keys: Any,
    dense_keys: Any,
    ragged_keys: Any,
    dense_defaults: list,
    *,
    num_sparse: int,
    sparse_types: Any,
    ragged_value_types: Any,
    ragged_split_types: Any,
    dense_shapes: Any,
) -> tuple:
    sparse, dense, ragged = _keys(sparse_keys), _keys(dense_keys), _keys(ragged_keys)
    feature: Any = public("io.RaggedFeature")
    features = _sparse(sparse, sparse_types) | _dense(dense, dense_defaults, dense_shapes)
    for key, kind, splits in zip(ragged, ragged_value_types, ragged_split_types, strict=True):
        features[key] = feature(as_dtype(kind), row_splits_dtype=as_dtype(splits))
    parsed = public("io.parse_example")(serialized, features, names)
    rows = [parsed[key] for key in ragged]
    return (*_parts(parsed, sparse, dense), [row.values for row in rows], [row.row_splits for row in rows])


@raw("ParseSingleExample", _PARSED)
def parse_example(
    serialized: Any,
    dense_defaults: list,
    *,
    num_sparse: int,
    sparse_keys: Any,
    dense_keys: Any,
    sparse_types: Any,
    dense_shapes: Any,
) -> tuple:
    sparse, dense = _keys(list(sparse_keys)), _keys(list(dense_keys))
    features = _sparse(sparse, sparse_types) | _dense(dense, dense_defaults, dense_shapes)
    return _parts(public("io.parse_single_example")(serialized, features), sparse, dense)
