"""`tf.print`: prints tensors to stderr, also from inside compiled code."""

from __future__ import annotations

import sys
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.engine.text.shown import format_array
from dovetail.function.run_time import call_with_values
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike


def print_(
    *inputs: Any,
    output_stream: Any = None,
    summarize: int = 3,
    sep: str = " ",
    end: str = "\n",
    name: str | None = None,
) -> None:
    """Prints the inputs; tensors appear with their values at run time.

    Args:
        inputs: strings, numbers, tensors and structures of them.
        output_stream: `sys.stderr` (default), `sys.stdout`, "file://path" or any object with `write`.
        summarize: how many elements to show at both ends of each axis; -1 shows all.
        sep: between the inputs.
        end: after the last.

    While a model is built (layers run on symbolic tensors) nothing is printed.

    Raises:
        ValueError: the stream is a string that names no file.
        TypeError: an input is a symbolic tensor of a functional model, which has no value.
    """
    _check_stream(output_stream)
    if state.scope is not None and state.scope.describes:
        return
    options = {"output_stream": output_stream, "summarize": summarize, "sep": sep, "end": end}
    if recording() is not None:
        record_call(print_, "tf.print", inputs, options)
        return
    leaves, spec = nest.flatten_spec(nest.flatten(list(inputs)))
    if any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
        raise TypeError(
            "tf.print: a symbolic tensor has no value to print while the model is built. Print inside a layer's "
            f"call(), or wrap it: keras.layers.Lambda(lambda x: (tf.print(x), x)[1]){at_user_location()}"
        )
    tensors = [convert_to_tensor(leaf) for leaf in leaves if isinstance(leaf, TensorLike)]

    def emit(*values: Any) -> None:
        given = iter(values)
        known = [Tensor(next(given)) if isinstance(x, TensorLike) else x for x in leaves]
        _print_values(inputs, nest.unflatten(spec, known), **options)

    call_with_values("tf.print", emit, tensors)


def _print_values(
    inputs: tuple, values: list, output_stream: Any, summarize: int, sep: str, end: str
) -> None:
    """Writes the inputs with these values of their leaves."""
    alone = len(inputs) == 1 and isinstance(inputs[0], TensorLike)
    shown = [_shown(value, summarize, quoted=not alone) for value in values]
    parts = _by_key(nest.pack_sequence_as(list(inputs), shown))
    _write(sep.join(str(part) for part in parts) + end, output_stream)


def _check_stream(stream: Any) -> None:
    """Refuses at the call what could not be written to when the program runs."""
    if isinstance(stream, str) and not stream.startswith("file://"):
        raise ValueError(
            f"tf.print: output_stream must be sys.stderr, sys.stdout, 'file://path' or an object with write(), "
            f"received {stream!r}{at_user_location()}"
        )


def _shown(value: Any, summarize: int, quoted: bool) -> Any:
    """Returns what is printed for a leaf: a tensor, a composite tensor, or a Python value."""
    if isinstance(value, Tensor):
        return _Text(format_array(value._value, summarize, quoted))
    if isinstance(value, CompositeTensor):
        return _Text(value._text(summarize))
    return _plain(value)


class _Text(str):
    """Text that is shown as it is, without quotes, also inside a list."""

    def __repr__(self) -> str:
        return str(self)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else _Text(repr(value))


def _by_key(structure: Any) -> Any:
    """Returns the structure with its dicts in the order of their keys, in which TensorFlow prints them."""
    if isinstance(structure, dict):
        keys = sorted(structure) if all(isinstance(key, str) for key in structure) else structure
        return {key: _by_key(structure[key]) for key in keys}
    if type(structure) in (list, tuple):
        return type(structure)(_by_key(item) for item in structure)
    return structure


def _write(text: str, stream: Any) -> None:
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # bytes that are no UTF-8
    if isinstance(stream, str):
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text)
        return
    target = stream if stream is not None else sys.stderr
    target.write(text)
    target.flush()
