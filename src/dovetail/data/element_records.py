"""Elements as records on disk, as TensorFlow writes them: a serialized `TensorProto` for each tensor.

Ragged and sparse tensors are one "variant" each; other composite tensors are the tensors that they are made of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataLossError, UnimplementedError
from dovetail.data.structure import DatasetSpec, as_leaf, is_composite_spec
from dovetail.engine import dtypes
from dovetail.ops import table
from dovetail.ops.protos import make_ndarray
from dovetail.tensor import Tensor, TensorSpec, as_dtype
from dovetail.wire.messages import TensorProto
from dovetail.wire.protobuf import DecodeError, read_varint, varint
from dovetail.wire.saved_datasets import VariantTensorData

VARIANT = 21  # the number of the dtype
_FAULTS = (DecodeError, ValueError, TypeError, KeyError, IndexError)


# ---- one tensor


def record_of(array: np.ndarray) -> bytes:
    """Returns an array as a serialized `TensorProto`."""
    if dtypes.is_host_only(array.dtype):
        content = _joined(array.reshape(-1).tolist())
    else:
        content = np.ascontiguousarray(array).tobytes()
    head = _head(as_dtype(array.dtype).as_datatype_enum, array.shape)
    return b"".join((head, b'"', varint(len(content)), content)) if content else head


@functools.lru_cache(maxsize=1024)
def _head(kind: int, shape: tuple[int, ...]) -> bytes:
    """Returns dtype and shape, with which the message begins."""
    sizes = [b"\x08" + varint(size) if size else b"" for size in shape]
    dims = b"".join(b"\x12" + varint(len(size)) + size for size in sizes)
    return b"\x08" + varint(kind) + b"\x12" + varint(len(dims)) + dims


def _joined(items: list[bytes]) -> bytes:
    return b"".join([*(varint(len(item)) for item in items), *items])


def _divided(content: bytes, count: int) -> list[bytes]:
    """Returns what `_joined` has joined.

    Raises:
        ValueError: there are other numbers of bytes.
    """
    place, sizes = 0, []
    for _ in range(count):
        size, place = read_varint(content, place)
        sizes.append(size)
    items = []
    for size in sizes:
        items.append(content[place : place + size])
        place += size
    if place != len(content):
        raise ValueError(f"{len(content)} bytes, {place} are told of")
    return items


def array_of(record: bytes) -> np.ndarray:
    """Returns the array that a record holds."""
    kind, shape, place = _begin(record)
    if place == len(record) or record[place] != 0x22 or kind == VARIANT:
        return _by_message(TensorProto.FromString(record))
    size, place = read_varint(record, place + 1)
    if place + size != len(record):
        raise ValueError("the message ends early")
    dtype = as_dtype(kind).numpy_dtype
    if dtypes.is_host_only(dtype):
        return _strings(record[place:], shape)
    return np.frombuffer(record, dtype, offset=place).reshape(shape)


def _by_message(message: TensorProto) -> np.ndarray:
    if message.tensor_content and as_dtype(message.dtype) == "string":
        return _strings(message.tensor_content, tuple(dim.size for dim in message.tensor_shape.dim))
    return make_ndarray(message)


def _strings(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape, dtype=object))
    if count > len(content):  # each takes a byte at least
        raise ValueError(f"{len(content)} bytes are not {count} strings")
    array: Any = np.empty(count, object)
    array[:] = _divided(content, count)
    return array.reshape(shape)


def _begin(record: bytes) -> tuple[int, tuple[int, ...], int]:
    """Returns the dtype's number, the shape, and where they end."""
    if len(record) < 4 or record[0] != 8 or record[1] > 127 or record[2] != 0x12 or record[3] > 127:
        return VARIANT, (), 0
    end = 4 + record[3]
    return (*_kind_and_shape(record[:end]), end)


@functools.lru_cache(maxsize=1024)
def _kind_and_shape(head: bytes) -> tuple[int, tuple[int, ...]]:
    message = TensorProto.FromString(head)
    return message.dtype, tuple(dim.size for dim in message.tensor_shape.dim)


# ---- one leaf


class Codec(NamedTuple):
    """How a leaf of an element becomes records.

    Attributes:
        kinds: the number of each record's dtype.
        write: returns the records of a leaf.
        read: returns the leaf of as many records as there are `kinds`.
    """

    kinds: tuple[int, ...]
    write: Callable[[Any], list[bytes]]
    read: Callable[[Sequence[bytes]], Any]


def codec(spec: Any) -> Codec:
    """Returns how leaves of a spec are written and read.

    Raises:
        UnimplementedError: they are datasets.
    """
    if isinstance(spec, DatasetSpec):
        raise UnimplementedError("a dataset of datasets cannot be kept in files; use flat_map first")
    if not is_composite_spec(spec):
        kind = spec.dtype.as_datatype_enum
        return Codec((kind,), lambda leaf: [record_of(leaf)], lambda records: array_of(records[0]))
    variant = _variants().get(type(spec))
    if variant is not None:
        write, read = variant
        return Codec((VARIANT,), lambda leaf: [write(spec, leaf)], lambda records: read(spec, records[0]))
    return _of_components(spec)


def _of_components(spec: Any) -> Codec:
    parts = nest.flatten(spec._component_specs)
    codecs = [codec(part) for part in parts]
    ends = np.cumsum([0, *(len(one.kinds) for one in codecs)]).tolist()

    def write(leaf: Any) -> list[bytes]:
        components = nest.flatten(spec._to_components(leaf))
        return [record for one, part in zip(codecs, components) for record in one.write(as_leaf(part))]

    def read(records: Sequence[bytes]) -> Any:
        read_ = [one.read(records[a:b]) for one, a, b in zip(codecs, ends, ends[1:])]
        leaves = [Tensor(part) if type(part) is np.ndarray else part for part in read_]
        return spec._from_components(nest.pack_sequence_as(spec._component_specs, leaves))

    return Codec(tuple(kind for one in codecs for kind in one.kinds), write, read)


@functools.cache
def _variants() -> dict[type, tuple[Callable, Callable]]:
    """Returns the writers and readers of composite tensors that are one record."""
    return {
        table.find("tf", "RaggedTensorSpec"): (_write_ragged, _read_ragged),
        table.find("tf", "SparseTensorSpec"): (_write_sparse, _read_sparse),
    }


def _write_ragged(spec: Any, leaf: Any) -> bytes:
    if type(leaf) is np.ndarray:  # a row of a ragged tensor may be dense
        parts = [leaf]
    else:
        parts = [*(np.asarray(splits) for splits in leaf.nested_row_splits), np.asarray(leaf.flat_values)]
    return _variant((), [_data("RaggedTensorVariant", parts)])


def _read_ragged(spec: Any, record: bytes) -> Any:
    ((*splits, values),) = _variants_in(record)
    if not splits:
        return values
    return table.find("tf", "RaggedTensor").from_nested_row_splits(Tensor(values), list(map(Tensor, splits)))


def _write_sparse(spec: Any, leaf: Any) -> bytes:
    parts = (np.asarray(leaf.indices), np.asarray(leaf.values), np.asarray(leaf.dense_shape))
    return _variant((3,), [_data("tensorflow::Tensor", [part]) for part in parts])


def _read_sparse(spec: Any, record: bytes) -> Any:
    parts = [part for (part,) in _variants_in(record)]
    if len(parts) != 3:
        raise ValueError(f"a sparse tensor has 3 parts, not {len(parts)}")
    return spec._from_components(list(map(Tensor, parts)))


def _data(name: str, arrays: list) -> bytes:
    made = VariantTensorData(type_name=name)
    made.tensors.extend(TensorProto.FromString(record_of(array)) for array in arrays)
    return made.SerializeToString()


def _variant(shape: tuple[int, ...], items: list[bytes]) -> bytes:
    content = _joined(items)
    return b"".join((_head(VARIANT, shape), b'"', varint(len(content)), content))


def _variants_in(record: bytes) -> list[list[np.ndarray]]:
    message = TensorProto.FromString(record)
    if message.dtype != VARIANT:
        raise ValueError(f"dtype {message.dtype} in place of a variant")
    count = int(np.prod([dim.size for dim in message.tensor_shape.dim], dtype=object))
    if not 0 <= count <= len(message.tensor_content):
        raise ValueError(f"{count} variants in {len(message.tensor_content)} bytes")
    data = [VariantTensorData.FromString(item) for item in _divided(message.tensor_content, count)]
    return [[_by_message(tensor) for tensor in one.tensors] for one in data]


# ---- elements


class Form:
    """How elements become records, and records elements.

    Args:
        specs: of the leaves.
    """

    def __init__(self, specs: tuple) -> None:
        self._specs, self._codecs = specs, [codec(spec) for spec in specs]
        self.kinds = [kind for one in self._codecs for kind in one.kinds]

    def records(self, leaves: tuple) -> list[bytes]:
        """Returns the records of an element."""
        return [record for one, leaf in zip(self._codecs, leaves, strict=True) for record in one.write(leaf)]

    def elements(self, records: Iterator[bytes], path: str) -> Iterator[tuple]:
        """Yields the elements of the records of a file.

        Raises:
            DataLossError: a record holds something else, or the file ends within an element.
        """
        for number, first in enumerate(records):
            parts = [first, *(part for _, part in zip(self.kinds[1:], records))]
            if len(parts) < len(self.kinds):
                raise DataLossError(f"{path!r} ends within element {number}")
            try:
                leaves = self._leaves(parts)
            except _FAULTS as error:
                raise DataLossError(f"element {number} of {path!r} is damaged ({error})") from None
            yield self._checked(leaves, number, path)

    def _leaves(self, parts: list[bytes]) -> tuple:
        if len(self._codecs) == len(parts):
            return tuple([one.read((part,)) for one, part in zip(self._codecs, parts)])
        leaves, place = [], 0
        for one in self._codecs:
            leaves.append(one.read(parts[place : place + len(one.kinds)]))
            place += len(one.kinds)
        return tuple(leaves)

    def _checked(self, leaves: tuple, number: int, path: str) -> tuple:
        for position, (leaf, spec) in enumerate(zip(leaves, self._specs)):
            if type(leaf) is np.ndarray and isinstance(spec, TensorSpec) and not _fits(leaf, spec):
                raise DataLossError(
                    f"component {position} of element {number} of {path!r} should be {spec}, it is "
                    f"{as_dtype(leaf.dtype).name} of shape {leaf.shape}"
                )
        return leaves


def _fits(leaf: np.ndarray, spec: TensorSpec) -> bool:
    return leaf.dtype == spec.dtype.numpy_dtype and spec.shape.is_compatible_with(leaf.shape)
