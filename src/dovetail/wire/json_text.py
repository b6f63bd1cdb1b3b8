"""JSON that may come from anywhere: each key of an object once, and no deeper than a program can follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def parsed(text: str | bytes, made: Callable[[dict], Any] | None = None) -> Any:
    """Returns what a JSON text holds.

    Args:
        text: the text, as UTF-8 when it is bytes.
        made: what becomes of each object; itself when None.

    Raises:
        ValueError: it is no JSON, nested too deeply, or an object has a key twice, of which others may read the other.
    """
    if not isinstance(text, str | bytes):
        raise ValueError(f"expected JSON, found {type(text).__name__}")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _of_pairs(pairs, made))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no text: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _of_pairs(pairs: list[tuple[str, Any]], made: Callable[[dict], Any] | None) -> Any:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in an object"
        )
    return found if made is None else made(found)
