"""What Keras on JAX gives for the rows of tests/keras/ops_cases.py: values, symbolic shapes, dtypes.

    KERAS_BACKEND=jax python -m tests.keras.ops_reference FILE COUNT SEED

Writes a pickle: the functions' names, `{row: (values, symbolic shapes and dtypes)}`, and
`{row: {dtypes: the outputs' dtypes or None}}` for COUNT drawn dtypes a row (all of them for -1).
"""

from __future__ import annotations

import itertools
import pickle
import sys
import types
from typing import Any

import numpy as np

from tests.keras.ops_case import DTYPES, NUMBERS, Row, flat, mapped
from tests.keras.ops_cases import ROWS


def names(ops: Any) -> list[str]:
    """Returns the names of all functions, "image.resize" for those of the submodule that `ops` has not."""
    found = {
        n for n in dir(ops) if not n.startswith("_") and not isinstance(getattr(ops, n), types.ModuleType)
    }
    return sorted(found | {f"image.{n}" for n in dir(ops.image) if not n.startswith("_")})


def combinations(row: Row, count: int, rng: np.random.Generator) -> list[tuple]:
    """Returns drawn dtypes for the arguments of the sweep; Python numbers may stand for all but the first."""
    kinds = [DTYPES] + [[*DTYPES, *(NUMBERS if len(row.sweep) == 2 and row.name not in _ARRAYS else ())]] * 3
    every = list(itertools.product(*kinds[: len(row.sweep)]))
    if len(row.sweep) == 3:
        every = [each for each in every if len(set(each)) < 3]
    if count < 0 or len(every) <= count:
        return every
    return [every[i] for i in sorted(rng.choice(len(every), count, replace=False))]


_ARRAYS = frozenset(
    ["append", "conv", "depthwise_conv", "conv_transpose", "matmul", "dot", "tensordot", "einsum"]
) | frozenset(
    ["cross", "correlate", "cdist", "solve", "solve_triangular", "searchsorted", "digitize", "isin"]
)


def with_dtypes(row: Row, kinds: tuple, make: Any) -> tuple:
    """Returns the row's arguments with those of the sweep in other dtypes: `make(array, dtype)`, or a Python number."""
    args = list(row.drawn()[0])
    for position, kind in zip(row.sweep, kinds, strict=True):
        args[position] = NUMBERS[kind] if kind in NUMBERS else make(np.asarray(args[position]), kind)
    return tuple(args)


def _value(row: Row, ops: Any) -> Any:
    args, kwargs = row.drawn()
    return [np.asarray(one) for one in flat(row.function(ops)(*args, **kwargs))]


def _symbolic(row: Row, keras: Any) -> Any:
    args, kwargs = row.drawn()
    first: list = []

    def symbolic(array: np.ndarray) -> Any:
        first.append(array.shape[:1])
        sizes = (None, *array.shape[1:]) if array.shape[:1] == first[0] != () else array.shape
        return keras.KerasTensor(sizes, str(array.dtype))

    args = mapped(args, symbolic, np.ndarray)
    try:
        return [(tuple(one.shape), str(one.dtype)) for one in flat(row.function(keras.ops)(*args, **kwargs))]
    except Exception:  # noqa: BLE001 - many have no rule for unknown sizes
        return None


def _dtypes(row: Row, kinds: tuple, ops: Any) -> Any:
    import jax

    kwargs = row.drawn()[1]
    args = with_dtypes(row, kinds, lambda array, kind: jax.ShapeDtypeStruct(array.shape, kind))
    places = [i for i, arg in enumerate(args) if isinstance(arg, jax.ShapeDtypeStruct)]

    def call(*given: Any) -> Any:
        values = list(args)
        for place, value in zip(places, given, strict=True):
            values[place] = value
        return row.function(ops)(*values, **kwargs)

    try:
        return [str(one.dtype) for one in flat(jax.eval_shape(call, *(args[i] for i in places)))]
    except Exception:  # noqa: BLE001 - dtypes that the function does not take
        return None


def main(path: str, count: int, seed: int) -> None:
    import keras

    rng = np.random.default_rng(seed)
    values, kinds = {}, {}
    for row in ROWS:
        try:
            value = _value(row, keras.ops)
        except Exception as error:  # noqa: BLE001 - the test shows it
            value = f"{type(error).__name__}: {error}"[:300]
        values[str(row)] = (value, _symbolic(row, keras) if row.symbolic is True else None)
        if row.sweep:
            kinds[str(row)] = {each: _dtypes(row, each, keras.ops) for each in combinations(row, count, rng)}
    with open(path, "wb") as file:
        pickle.dump((names(keras.ops), values, kinds), file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
