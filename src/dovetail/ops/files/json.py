"""`tf.train.Example` messages written as JSON."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.families import op
from dovetail.ops.files.content import to_string
from dovetail.ops.strings import mapped
from dovetail.wire.examples import Example


@op(
    "io.decode_json_example",
    engine="host",
    differentiable=False,
    shape=lambda shape: shape,
    dtype=to_string,
)
def decode_json_example(xp: Any, json_examples: Any) -> Any:
    """Returns `tf.train.Example` messages in binary form.

    Args:
        json_examples: string tensor of their JSON form, as the protobuf library writes it.

    Raises:
        InvalidArgumentError: a string is none.
    """
    return mapped(_binary, json_examples)


def _binary(text: bytes) -> bytes:
    if not text.lstrip().startswith(b"{"):  # a list passes for a message without fields
        raise InvalidArgumentError(f"Error while parsing JSON: {text!r:.60} is no object{at_user_location()}")
    try:
        return json_format.Parse(text, Example()).SerializeToString(deterministic=True)
    except (json_format.ParseError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"Error while parsing JSON: {error}{at_user_location()}") from None
