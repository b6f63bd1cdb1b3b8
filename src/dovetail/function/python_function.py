"""`tf.py_function` and `tf.numpy_function`: Python code among ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, InvalidArgumentError, at_user_location, of_python
from dovetail.engine import is_tracer, loaded_xla
from dovetail.graph.construct import CONSTRUCTS, is_recorded, record_construct
from dovetail.tensor.composite import is_composite
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.spec import TensorSpec, TypeSpec, type_spec_from_value
from dovetail.tensor.tensor import Tensor


def py_function(func: Callable, inp: Any, Tout: Any, name: str | None = None) -> Any:
    """Calls a Python function on eager tensors; gradients go through it.

    Args:
        func: takes as many tensors as `inp` has, and returns values of the dtypes `Tout`.
        inp: list of tensors and composite tensors.
        Tout: a dtype or a spec (of a composite tensor, say), or a list of them; empty for no result.

    A `tf.function` with it runs op by op, because the shapes of its results are not known before it runs.
    """
    if is_recorded(inp):
        arguments = {"func": func, "inp": list(inp), "Tout": Tout}
        return record_construct(py_function, "tf.py_function", arguments, _declared(Tout))
    tensors = [
        _with_values(value, "tf.py_function") if is_composite(value) else _with_value(value, "tf.py_function")
        for value in inp
    ]
    return _as_declared(_result(func, tensors, "tf.py_function"), Tout, "tf.py_function")


def numpy_function(
    func: Callable, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """Calls a Python function on NumPy arrays; it has no gradient (see `py_function`).

    Args:
        func: takes as many arrays as `inp` has, and returns arrays of the dtypes `Tout`.
        inp: list of tensors.
        Tout: a dtype, or a list of them.
        stateful: the function is called each time whatever this says.
    """
    if is_recorded(inp):
        arguments = {"func": func, "inp": list(inp), "Tout": Tout}
        return record_construct(numpy_function, "tf.numpy_function", arguments, _declared(Tout))
    arrays = [_with_value(value, "tf.numpy_function").numpy() for value in inp]
    return _as_declared(_result(func, arrays, "tf.numpy_function"), Tout, "tf.numpy_function")


def _result(func: Callable, args: list, label: str) -> Any:
    engine = loaded_xla()
    if engine is not None and engine.in_trace():  # a program would have the result of this one call for ever
        raise _known_later(label)
    try:
        return func(*args)
    except Exception as error:
        raise of_python(error, label) from error


def _declared(declared: Any) -> Any:
    """Returns what is known of the results before the function has run: their dtypes, or their specs."""
    return nest.map_structure(
        lambda kind: kind if isinstance(kind, TypeSpec) else TensorSpec(None, as_dtype(kind)), declared
    )


def _with_values(composite: Any, label: str) -> Any:
    return nest.map_structure(lambda part: _with_value(part, label), composite, expand_composites=True)


def _with_value(value: Any, label: str) -> Tensor:
    tensor = convert_to_tensor(value)
    if is_tracer(tensor._value):
        raise _known_later(label)
    return tensor


def _known_later(label: str) -> DataDependentShapeError:
    return DataDependentShapeError(
        label, f"{label}: its result is known only when the Python function has run{at_user_location()}"
    )


def _as_declared(result: Any, declared: Any, label: str) -> Any:
    if not nest.is_nested(declared):
        return _checked(result, declared, label)
    wanted = nest.flatten(declared)
    found = [] if result is None and not wanted else nest.flatten(result)
    if len(found) != len(wanted):
        raise InvalidArgumentError(
            f"{label}: Tout declares {len(wanted)} results, the function returned {len(found)}{at_user_location()}"
        )
    pairs = zip(found, wanted, strict=True)
    return nest.pack_sequence_as(declared, [_checked(value, dtype, label) for value, dtype in pairs])


def _checked(value: Any, dtype: Any, label: str) -> Any:
    if isinstance(dtype, TypeSpec):
        value = value if is_composite(value) else convert_to_tensor(value)
        if not dtype.is_compatible_with(value):
            raise InvalidArgumentError(
                f"{label}: Tout declares {dtype}, the function returned {type_spec_from_value(value)}"
                f"{at_user_location()}"
            )
        return value
    wanted = as_dtype(dtype)
    if not isinstance(value, Tensor | np.ndarray | np.generic):
        return convert_to_tensor(value, wanted)
    tensor = convert_to_tensor(value)
    if tensor.dtype != wanted:
        raise InvalidArgumentError(
            f"{label}: Tout declares {wanted.name}, the function returned {tensor.dtype.name}{at_user_location()}"
        )
    return tensor


CONSTRUCTS.update({"tf.py_function": py_function, "tf.numpy_function": numpy_function})
