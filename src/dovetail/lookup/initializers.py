"""What tables are filled with: pairs of tensors, the lines of a file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, NotFoundError, at_user_location
from dovetail.lookup.table import key_kind, known
from dovetail.tensor import as_dtype
from dovetail.tensor.convert import convert_to_tensor


class Initializer:
    """Gives a table its keys and values; subclasses define `pairs`.

    Args:
        key_dtype, value_dtype: of what it gives.
    """

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = key_kind(f"tf.lookup.{type(self).__name__}", key_dtype)
        self._value_dtype = as_dtype(value_dtype)

    @property
    def key_dtype(self) -> Any:
        return self._key_dtype

    @property
    def value_dtype(self) -> Any:
        return self._value_dtype

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns keys and values: arrays of one shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define pairs")

    def initialize(self, table: Any) -> None:
        """Fills a table.

        Raises:
            TypeError: the table has other dtypes.
        """
        ours, wanted = (self.key_dtype, self.value_dtype), (table.key_dtype, table.value_dtype)
        if ours != wanted:
            raise TypeError(
                f"{type(self).__name__} gives {ours[0].name} -> {ours[1].name}, the table is {wanted[0].name} -> "
                f"{wanted[1].name}{at_user_location()}"
            )
        table._fill(*self.pairs())


class KeyValueTensorInitializer(Initializer):
    """Keys and values from two tensors.

    Args:
        keys: strings or integers.
        values: tensor of the same shape.
        key_dtype, value_dtype: of the tables; those of the tensors when None.
        name: not used.

    Example:
        >>> init = tf.lookup.KeyValueTensorInitializer(["emerson", "lake"], [10, 20])
        >>> tf.lookup.StaticHashTable(init, default_value=-1).lookup(tf.constant(["lake", "palmer"])).numpy().tolist()
        [20, -1]
    """

    def __init__(
        self,
        keys: Any,
        values: Any,
        key_dtype: Any = None,
        value_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        given = convert_to_tensor(keys, key_dtype), convert_to_tensor(values, value_dtype)
        super().__init__(given[0].dtype, given[1].dtype)
        self._keys, self._values = (known(tensor, "tf.lookup.KeyValueTensorInitializer") for tensor in given)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return self._keys, self._values


class TextFileIndex:
    """What of a line `TextFileInitializer` takes, beside numbers of columns: the whole line, or its number."""

    WHOLE_LINE = -2
    LINE_NUMBER = -1


class TextFileInitializer(Initializer):
    """Keys and values from the lines of a text file.

    Args:
        filename: the file's path.
        key_dtype: string or int64.
        key_index: what of a line is the key: the number of a column, or one of `TextFileIndex`.
        value_dtype: of the values.
        value_index: what of a line is the value.
        vocab_size: how many lines to read; all when None.
        delimiter: between columns, one character.
        name: not used.
        value_index_offset: added to line numbers.

    Raises:
        NotFoundError: when a table is made, there is no such file.
        InvalidArgumentError: when a table is made, a line is empty, lacks a column or has no number where one is
            expected.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        self._path = _path_of(filename)
        self._indices = key_index, value_index
        for role, kind, index in zip(
            ("key", "value"), (self.key_dtype, self.value_dtype), self._indices, strict=True
        ):
            _check_index(role, kind, index)
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"vocab_size should be > 0, received {vocab_size!r}{at_user_location()}")
        self._most = vocab_size
        self._delimiter, self._offset = delimiter.encode(), value_index_offset
        if len(self._delimiter) != 1:
            raise InvalidArgumentError(
                f"delimiter must be one character, received {delimiter!r}{at_user_location()}"
            )

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        lines = self._lines()
        kinds = self.key_dtype, self.value_dtype
        keys, values = (self._part(lines, *one) for one in zip(self._indices, kinds, strict=True))
        return keys, values + self._offset if self._indices[1] == TextFileIndex.LINE_NUMBER else values

    def _fail(self, message: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"tf.lookup.TextFileInitializer: {self._path}: {message}{at_user_location()}"
        )

    def _lines(self) -> list[bytes]:
        try:
            with open(self._path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            raise NotFoundError(
                f"tf.lookup.TextFileInitializer: there is no file {self._path}{at_user_location()}"
            ) from None
        lines = content.replace(b"\r", b"").split(b"\n")
        if not lines[-1]:
            lines.pop()
        if self._most is not None and len(lines) < self._most:
            raise self._fail(f"vocab_size is {self._most}, the file has {len(lines)} lines")
        lines = lines[: self._most]
        if not lines or b"" in lines:
            raise self._fail(f"line {lines.index(b'')} is empty" if lines else "the file is empty")
        return lines

    def _part(self, lines: list[bytes], index: int, dtype: Any) -> np.ndarray:
        """Returns what of each line is the key, or the value."""
        if index == TextFileIndex.LINE_NUMBER:
            return np.arange(len(lines), dtype=np.int64)
        fields = (
            lines
            if index == TextFileIndex.WHOLE_LINE
            else [self._column(*one, index) for one in enumerate(lines)]
        )
        out: Any = np.empty(len(fields), object)
        out[:] = fields if dtype == "string" else [self._number(*one, dtype) for one in enumerate(fields)]
        return out.astype(dtype.numpy_dtype)

    def _column(self, number: int, line: bytes, index: int) -> bytes:
        fields = line.split(self._delimiter)
        if index >= len(fields):
            raise self._fail(f"line {number} ({line!r:.60}) has {len(fields)} columns, expected {index + 1}")
        return fields[index]

    def _number(self, number: int, field: bytes, dtype: Any) -> Any:
        try:
            return (int if dtype.is_integer else float)(field)
        except ValueError:
            raise self._fail(f"{field!r:.60} in line {number} is no valid {dtype.name}") from None


def _path_of(filename: Any) -> str:
    """Returns the path that a string, a path or a tensor names."""
    name = known(filename, "tf.lookup.TextFileInitializer").item() if hasattr(filename, "dtype") else filename
    if not name:
        raise ValueError(f"tf.lookup.TextFileInitializer: filename is missing{at_user_location()}")
    return os.fsdecode(name)


def _check_index(role: str, dtype: Any, index: int) -> None:
    if index < TextFileIndex.WHOLE_LINE:
        raise ValueError(f"{role}_index should be >= -2, received {index!r}{at_user_location()}")
    wanted = {TextFileIndex.LINE_NUMBER: ("int64",), TextFileIndex.WHOLE_LINE: ("string", "int64")}.get(index)
    if wanted is not None and dtype.name not in wanted:
        raise ValueError(
            f"{role}_dtype must be {' or '.join(wanted)} for {role}_index {index}, received {dtype.name}"
            f"{at_user_location()}"
        )
