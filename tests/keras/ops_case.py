"""What a row of the table of `keras.ops` is, and how its arguments are drawn.  Neither Dovetail nor Keras is needed."""

from __future__ import annotations

import functools
import operator
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# 64 bits are left out: Keras on JAX has none by default.
DTYPES = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "bfloat16", "float16", "float32"]
NUMBERS = {"py bool": True, "py int": 2, "py float": 2.5}


@dataclass(frozen=True)
class Draw:
    """An array to draw: `f(rng) -> values`, as `dtype`."""

    shape: tuple
    dtype: Any
    make: Callable

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(self.make(rng), self.dtype)


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0, dtype: Any = np.float32) -> Draw:
    return Draw(shape, dtype, lambda rng: rng.normal(size=shape) * scale + shift)


def between(low: float, high: float, *shape: int, dtype: Any = np.float32) -> Draw:
    return Draw(shape, dtype, lambda rng: rng.uniform(low, high, shape))


def ints(low: int, high: int, *shape: int, dtype: Any = np.int32) -> Draw:
    return Draw(shape, dtype, lambda rng: rng.integers(low, high, shape))


def bools(*shape: int) -> Draw:
    return Draw(shape, np.bool_, lambda rng: rng.random(shape) < 0.5)


def complexes(*shape: int) -> Draw:
    return Draw(shape, np.complex64, lambda rng: rng.normal(size=shape) + 1j * rng.normal(size=shape))


def holes(*shape: int) -> Draw:
    """Numbers with NaN among them, none of the rows whole."""

    def make(rng: np.random.Generator) -> Any:
        values = rng.normal(size=shape)
        values[..., 1] = np.nan
        return values

    return Draw(shape, np.float32, make)


def probabilities(*shape: int) -> Draw:
    def make(rng: np.random.Generator) -> Any:
        values = rng.uniform(0.1, 1.0, shape)
        return values / values.sum(-1, keepdims=True)

    return Draw(shape, np.float32, make)


def positive_definite(*shape: int) -> Draw:
    def make(rng: np.random.Generator) -> Any:
        values = rng.normal(size=shape)
        return values @ np.swapaxes(values, -1, -2) + np.eye(shape[-1]) * 2

    return Draw(shape, np.float32, make)


def fixed(*values: Any, dtype: Any = np.float32) -> Draw:
    array = np.asarray(values[0] if len(values) == 1 else values, dtype)
    return Draw(array.shape, dtype, lambda rng: array)


@dataclass
class Row:
    """One call of a function of `keras.ops`.

    Attributes:
        name: "relu", "image.resize".
        args: positional arguments; arrays are drawn (see `Draw`), also inside lists.
        kwargs: keyword arguments; the same holds for them.
        call: `f(ops, *args, **kwargs)` for functions that take functions; None: the function itself.
        sweep: positions of the arguments whose dtypes are varied; () for none.
        values: whether the sweep also computes values; False where many dtypes have no meaningful ones.
        symbolic: whether it runs on symbolic tensors; words: why not.
        compare: maps the outputs to what is compared.
        rtol, atol: tolerance.
        id: tells apart rows of one name.
    """

    name: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    call: Callable | None = None
    sweep: tuple[int, ...] = ()
    values: bool = True
    symbolic: bool | str = True
    compare: Callable | None = None
    rtol: float = 1e-5
    atol: float = 1e-5
    id: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.id}" if self.id else self.name

    def drawn(self) -> tuple[tuple, dict]:
        """Returns the same arguments every time."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return mapped(self.args, lambda draw: draw.drawn(rng)), mapped(
            self.kwargs, lambda draw: draw.drawn(rng)
        )

    def function(self, ops: Any) -> Callable:
        if self.call is not None:
            return functools.partial(self.call, ops)
        return operator.attrgetter(self.name)(ops)

    def compared(self, outputs: list) -> list:
        return outputs if self.compare is None else flat(self.compare(*outputs))


def mapped(value: Any, function: Callable, kind: Any = Draw) -> Any:
    """Applies the function to all values of a kind in arguments, also inside lists, tuples and dicts."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, list | tuple):
        items = [mapped(item, function, kind) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: mapped(item, function, kind) for key, item in value.items()}
    return value


def flat(result: Any) -> list:
    """Returns the outputs of a call as a list; None is left out."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    if isinstance(result, list | tuple):
        return [leaf for item in result for leaf in flat(item)]
    return [] if result is None else [result]


def each(names: str, *args: Any, **options: Any) -> list[Row]:
    """Returns a row of the same arguments for each of the names."""
    return [Row(name, args, **options) for name in names.split()]


def numbered(rows: list[Row]) -> list[Row]:
    """Gives rows of one name numbers."""
    seen: dict[str, int] = {}
    for row in rows:
        number = seen[str(row)] = seen.get(str(row), -1) + 1
        if number:
            row.id = f"{row.id}{number}"
    return rows


# ---- what many rows share ----------------------------------------------------------------------------------------

ONE, BOTH = (0,), (0, 1)
VALUES = "the result's shape depends on the values"
X = normal(3, 4)
