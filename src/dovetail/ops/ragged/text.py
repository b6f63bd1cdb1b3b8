"""Ragged tensors as text: what `tf.strings.format` shows of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops import strings as dense_strings
from dovetail.ops.dispatch import dispatches
from dovetail.ops.families import op
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda *_, **__: (),
    dtype=lambda *_, **__: dtypes.STRING,
)
def text_of_rows(xp: Any, values: Any, *splits: Any, summarize: int) -> Any:
    """Returns the text of ragged rows, such as "[[1, 2], [], [3]]".

    Args:
        values: the flat values.
        splits: row splits, the outermost first.
        summarize: how many elements to show at both ends of each axis; -1 shows all.
    """
    texts: Any = [_text(value, summarize) for value in values]
    for level in reversed(splits):
        texts = [_row(texts[a:b], summarize) for a, b in zip(level[:-1], level[1:], strict=True)]
    return np.array(_row(texts, summarize).encode(), object)


def _text(value: Any, summarize: int) -> str:
    if isinstance(value, np.ndarray):
        return _row([_text(item, summarize) for item in value], summarize)
    if isinstance(value, bytes):
        return f"'{value.decode()}'"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{float(value):f}" if np.asarray(value).dtype.kind not in "iu" else str(value)


def _row(texts: list, summarize: int) -> str:
    if summarize >= 0 and len(texts) > 2 * summarize:
        texts = [*texts[:summarize], "...", *texts[len(texts) - summarize :]]
    return "[" + ", ".join(texts) + "]"


@dispatches(dense_strings.format_, RaggedTensor)
def _format(template: Any, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: Any = None) -> Any:
    given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    parts = template.split(placeholder)
    if len(parts) - 1 != len(given):
        raise ValueError(
            f"tf.strings.format: {len(parts) - 1} placeholders for {len(given)} inputs{at_user_location()}"
        )
    pieces: list = [parts[0]]
    for value, part in zip(given, parts[1:], strict=True):
        pieces += [_shown(value, summarize), part]
    return dense_strings.join(pieces)


def _shown(value: Any, summarize: int) -> Any:
    if is_ragged(value):
        return text_of_rows(value.flat_values, *value.nested_row_splits, summarize=summarize)
    return dense_strings.formatted(as_tensor(value), parts=("", ""), summarize=summarize)
