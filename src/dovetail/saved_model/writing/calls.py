"""Writers of calls that are no ops: checks and prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.saved_model.writing.nodes import INT32, STRING, kinds
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


def _check(w: Any, held: Any, explained: Any, *tensors: Any) -> list:
    """Writes a check: where all of `held` holds, nothing happens."""
    ref = w.ref(held)
    axes = w.whole(list(range(ref.shape.rank or 0)))
    whole = w.op("All", "output", [ref, axes], Tidx=INT32)
    message = str(explained) if isinstance(explained, Exception) else "a condition does not hold"
    data = [w.ref(convert_to_tensor(message)), *(w.ref(one) for one in tensors)]
    w.effect("Assert", {}, [whole, *data], T=kinds(data), summarize=3)
    return []


def _print(w: Any, *inputs: Any, output_stream: Any, summarize: int, sep: str, end: str) -> list:
    """Writes a print of tensors and plain values."""
    if output_stream not in (None, sys.stderr, sys.stdout):
        raise w.not_written(f"tf.print to {output_stream!r:.60}")
    values = [w.ref(one) for one in nest.flat(list(inputs)) if isinstance(one, TensorLike)]
    shown = sep.join("{}" if isinstance(one, TensorLike) else str(one) for one in inputs)
    if shown.count("{}") != len(values):
        raise w.not_written("tf.print of structures")
    text = w.ops(
        "StringFormat",
        {"output": STRING},
        values,
        T=kinds(values),
        template=shown,
        placeholder="{}",
        summarize=summarize,
    )
    stream = "stdout" if output_stream is sys.stdout else "stderr"
    w.effect("PrintV2", {}, text, output_stream=stream, end=end)
    return []


CALLS: dict[str, Callable] = {"tf.debugging.Assert": _check, "tf.print": _print}
