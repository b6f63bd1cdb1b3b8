"""`cache`: the elements of the first complete pass, kept in memory or in files, serve the later passes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from dovetail.base.errors import AlreadyExistsError, UnimplementedError
from dovetail.data.node import Node
from dovetail.data.plan import ArrayPlan
from dovetail.engine import dtypes

_VERSION = 1


class MemoryCache(Node):
    """Keeps the elements in memory.  A pass that is left early keeps nothing."""

    def __init__(self, source: Node) -> None:
        super().__init__(source)
        self._kept: list[tuple] | None = None

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan  # rows of arrays are in memory already; a shuffled order is kept as it came
        return plan and plan.kept()

    def _generate(self) -> Iterator[tuple]:
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for leaves in self.source.elements():
            kept.append(leaves)
            yield leaves
        self._kept = kept


class FileCache(Node):
    """Keeps the elements in `<filename>.data` (NumPy records), with `<filename>.index` written when all are there.

    The files outlive the process, so a changed pipeline needs another name.
    """

    def __init__(self, source: Node, filename: str) -> None:
        super().__init__(source)
        self._data, self._index = filename + ".data", filename + ".index"
        self._partial = filename + ".data.part"

    def _generate(self) -> Iterator[tuple]:
        return self._read() if os.path.exists(self._index) else self._write()

    def _read(self) -> Iterator[tuple]:
        with open(self._index, encoding="utf-8") as file:
            index = json.load(file)
        if index.get("version") != _VERSION or index.get("dtypes") is None:
            raise AlreadyExistsError(f"Dataset.cache: {self._index} is no cache of this framework; remove it")
        kinds = [dtypes.by_name(name) for name in index["dtypes"]]
        with open(self._data, "rb") as file:
            for _ in range(index["num_elements"]):
                yield tuple(_load(file, kind) for kind in kinds)

    def _write(self) -> Iterator[tuple]:
        os.makedirs(os.path.dirname(self._data) or ".", exist_ok=True)
        try:
            file = open(self._partial, "xb")  # noqa: SIM115  it stays open between elements
        except FileExistsError:
            raise AlreadyExistsError(
                f"Dataset.cache: {self._partial} exists: another iterator is writing this cache, or one was stopped "
                "before its end. In the second case remove the file"
            ) from None
        kinds: list[str] | None = None
        count, complete = 0, False
        try:
            for leaves in self.source.elements():
                kinds = kinds or [_kind(leaf) for leaf in leaves]
                for leaf in leaves:
                    _save(file, leaf)
                count += 1
                yield leaves
            complete = True
        finally:
            file.close()
            if not complete:
                os.remove(self._partial)
        os.replace(self._partial, self._data)
        with open(self._index, "w", encoding="utf-8") as index:
            json.dump({"version": _VERSION, "num_elements": count, "dtypes": kinds or []}, index)


def _kind(leaf: Any) -> str:
    if type(leaf) is not np.ndarray:
        raise UnimplementedError(
            "Dataset.cache: a dataset of datasets cannot be kept in a file; use flat_map first"
        )
    return "string" if dtypes.is_host_only(leaf.dtype) else leaf.dtype.name


def _save(file: IO[bytes], leaf: np.ndarray) -> None:
    """Writes one array without pickling: strings as their lengths and their bytes, other dtypes as raw bytes."""
    if dtypes.is_host_only(leaf.dtype):
        items = leaf.reshape(-1).tolist()
        np.lib.format.write_array(file, np.array([len(item) for item in items], np.int64).reshape(leaf.shape))
        leaf = np.frombuffer(b"".join(items), np.uint8)
    elif leaf.dtype.kind == "V":
        leaf = leaf.view(f"u{leaf.dtype.itemsize}")
    np.lib.format.write_array(file, np.ascontiguousarray(leaf).reshape(leaf.shape))


def _load(file: IO[bytes], kind: np.dtype) -> np.ndarray:
    array = np.lib.format.read_array(file, allow_pickle=False)
    if not dtypes.is_host_only(kind):
        return array.view(kind) if kind.kind == "V" else array
    text = np.lib.format.read_array(file, allow_pickle=False).tobytes()
    ends = np.cumsum(array.reshape(-1), dtype=np.int64)
    strings: np.ndarray = np.empty(array.size, object)
    strings[:] = [text[end - length : end] for end, length in zip(ends.tolist(), array.reshape(-1).tolist())]
    return strings.reshape(array.shape)
