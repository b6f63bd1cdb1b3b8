"""`tf.print`: prints tensors to stderr, also from inside compiled code."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.engine import is_tracer, xla
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import DryRunScope


def print_(
    *inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ", end: str = "\n", name: str | None = None
) -> None:
    """Prints the inputs; tensors appear with their values at run time.

    Args:
        inputs: strings, numbers, tensors and structures of them.
        output_stream: `sys.stderr` (default), `sys.stdout`, "file://path" or any object with `write`.
        summarize: how many elements to show at both ends of each axis; -1 shows all.
        sep: between the inputs.
        end: after the last.

    While a model is built (layers run on symbolic tensors) nothing is printed.
    """
    if isinstance(state.scope, DryRunScope):
        return
    leaves, spec = nest.flatten_spec(list(inputs))
    if any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
        raise TypeError(
            "tf.print: a symbolic tensor has no value to print while the model is built. Print inside a layer's call(), "
            f"or wrap it: keras.layers.Lambda(lambda x: (tf.print(x), x)[1]){at_user_location()}"
        )
    tensors = [convert_to_tensor(leaf) for leaf in leaves if isinstance(leaf, TensorLike)]

    def emit(*values: Any) -> None:
        given = iter(values)
        shown = [_Text(format_array(next(given), summarize)) if isinstance(x, TensorLike) else x for x in leaves]
        parts = nest.unflatten(spec, [x if isinstance(x, _Text) else _plain(x) for x in shown])
        _write(sep.join(_show(part) for part in parts) + end, output_stream)

    if any(is_tracer(tensor._value) for tensor in tensors) or _in_trace():
        xla("tf.print").debug_callback(emit, *[tensor._value for tensor in tensors])
    else:
        emit(*[np.asarray(tensor._value) for tensor in tensors])


def _in_trace() -> bool:
    return state.scope is not None


class _Text(str):
    """Text that is shown as it is, without quotes, also inside a list."""

    def __repr__(self) -> str:
        return str(self)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else _Text(str(value))


def _show(part: Any) -> str:
    return str(part)


def _write(text: str, stream: Any) -> None:
    if isinstance(stream, str):
        if not stream.startswith("file://"):
            raise ValueError(f"tf.print: output_stream {stream!r} must be a stream or 'file://path'")
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text)
        return
    target = stream if stream is not None else sys.stderr
    target.write(text)
    target.flush()


def format_array(value: Any, summarize: int = 3) -> str:
    """Returns an array as TensorFlow prints it: `[1 2 3 ... 8 9 10]`.

    Args:
        value: array of any rank.
        summarize: elements shown at both ends of each axis; -1 for all.
    """
    value = np.asarray(value)
    if value.ndim == 0:
        return _scalar(value[()])
    return _rows(value, summarize, 1)


def _rows(value: np.ndarray, edge: int, depth: int) -> str:
    items = list(range(len(value)))
    cut = edge >= 0 and len(items) > 2 * edge
    picked = items[:edge] + items[len(items) - edge :] if cut else items
    if value.ndim == 1:
        texts = [_scalar(value[i]) for i in picked]
        if cut:
            texts.insert(edge, "...")
        return "[" + " ".join(texts) + "]"
    texts = [_rows(value[i], edge, depth + 1) for i in picked]
    if cut:
        texts.insert(edge, "...")
    return "[" + ("\n" * (value.ndim - 1) + " " * depth).join(texts) + "]"


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.bool_ | bool):
        return "1" if value else "0"
    if isinstance(value, np.integer | int):
        return str(int(value))
    if isinstance(value, np.complexfloating):
        return f"({_scalar(value.real)},{_scalar(value.imag)})"
    number, kind = float(value), np.float64 if np.asarray(value).dtype == np.float64 else np.float32
    if number == 0 or 1e-4 <= abs(number) < 1e7:
        return np.format_float_positional(kind(number), trim="-")
    return f"{kind(number):g}"
