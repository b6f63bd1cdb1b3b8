"""`tf.export.save` and `tf.export.load`: the formats, and which functions of an object are written."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.export import onnx, stablehlo
from dovetail.export.loaded import Loaded
from dovetail.function.concrete import ConcreteFunction
from dovetail.saved_model.holding import functions_of, is_function, traces_of

# How each format writes `{name: concrete function}`: `write(path, functions, **options)`.
FORMATS: dict[str, Callable] = {"stablehlo": stablehlo.write, "onnx": onnx.write}


def save(obj: Any, path: Any, format: str = "stablehlo", **options: Any) -> None:
    """Writes a function, or the functions of a module, with what they need of variables.

    Args:
        obj: a `tf.function` with an `input_signature` (or that was traced once), a concrete function, a dict of them by
            name, or a `tf.Module` with such functions.
        path: of the file.
        format: "stablehlo", or "onnx", which holds one function.
        options: `one_batch=True` where the first axes of all inputs have one size, as those of models (else it is found
            out, where several are open); `platforms=("cpu", "cuda", "tpu")` for StableHLO, `opset_version=18` for ONNX.

    Raises:
        NotImplementedError: a function has what the format has not.
        ValueError: there is no function, or one has no signature of its own.

    Example:
        >>> half = tf.function(lambda x: x / 2.0, input_signature=[tf.TensorSpec([None, 3])])
        >>> tf.export.save(half, "half.stablehlo")
        >>> tf.export.load("half.stablehlo")(tf.ones((2, 3)))
    """
    if format not in FORMATS:
        raise ValueError(
            f"tf.export.save: format is one of {', '.join(map(repr, FORMATS))}, received {format!r}{at_user_location()}"
        )
    FORMATS[format](os.fspath(path), {name: _concrete(one, name) for name, one in _functions(obj)}, **options)


def load(path: Any) -> Loaded:
    """Returns the functions of a StableHLO file; the code that made it is not needed.

    Nothing of the file is executed but its programs, each when it is called.  Before, it is checked that

    - the members are whole: a program has the digest that the file states, a weight the stated size;
    - a program calls no function of this process by a name, other than what XLA itself consists of, and exchanges
      nothing with what is outside of it (infeeds, outfeeds, sends);
    - a call passes tensors of the shapes and dtypes that the program takes.

    What is not checked: who has made the file (the digests are its own, and tell damage alone), that a program gives
    what its name says, and how much time and memory it takes.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the package flatbuffers is not installed.
        UnimplementedError: a program reaches outside of it.
        ValueError: the file is damaged, or of another kind.
    """
    return stablehlo.read(os.fspath(path))


def _functions(obj: Any) -> list[tuple[str, Any]]:
    if is_function(obj):
        return [("serve", obj)]
    found = list(obj.items()) if isinstance(obj, dict) else functions_of(obj)
    stated = [
        pair for pair in found if is_function(pair[1]) and (isinstance(obj, dict) or _has_traces(pair[1]))
    ]
    wrong = [name for name, _ in stated if not str(name).isidentifier()]
    if not stated or wrong or len(stated) < (len(found) if isinstance(obj, dict) else 1):
        raise ValueError(
            f"tf.export.save: expected a tf.function with an input_signature, a dict of them by names, or a tf.Module "
            f"that has some, received {obj!r:.60}{at_user_location()}"
        )
    return stated


def _has_traces(function: Any) -> bool:
    return isinstance(function, ConcreteFunction) or bool(traces_of(function))


def _concrete(function: Any, name: str) -> Any:
    if isinstance(function, ConcreteFunction):
        return function
    found = traces_of(function)
    if len(found) != 1:
        raise ValueError(
            f"tf.export.save: {name!r} has {len(found)} traces, expected one: give the function an input_signature, or "
            f"pass get_concrete_function(...){at_user_location()}"
        )
    return found[0]
