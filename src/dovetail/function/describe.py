"""How traced signatures are printed: `print(concrete_function)`, `pretty_printed_concrete_signatures()`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.function.signature import is_shape
from dovetail.tensor.spec import TensorSpec


def arguments_of(key: tuple) -> tuple[tuple, dict]:
    """Returns `(args, kwargs)` of the calls that share a key, with a `tf.TensorSpec` for each tensor."""
    return nest.unflatten(key[0], [_argument(part) for part in key[1 : 1 + key[0].num_leaves]])


def _argument(part: tuple) -> Any:
    if is_shape(part[0]):
        return TensorSpec(part[0], part[1])
    return part[1].deref() if part[0] == "variable" else part[1]


def long_form(python_function: Callable, args: tuple, kwargs: dict, outputs: Any, captured: Any) -> str:
    """Returns a paragraph: one line an argument, the output, one line a variable that the function uses."""
    inputs = [
        f"{name} ({kind}): {_shown(value)}" for name, kind, value in _named(python_function, args, kwargs)
    ]
    variables = [f"{v.name}: {TensorSpec(v.shape, v.dtype)!r}" for v in captured]
    parts = {"Input Parameters": inputs, "Output Type": [_shown(outputs)], "Captures": variables}
    return "\n".join(
        f"{title}:\n" + "\n".join(f"  {line}" for line in lines or ["None"]) for title, lines in parts.items()
    )


def short_form(python_function: Callable, args: tuple, kwargs: dict, outputs: Any) -> str:
    """Returns `(x: TensorSpec(...)) -> TensorSpec(...)`."""
    inputs = [f"{name}: {_shown(value)}" for name, _, value in _named(python_function, args, kwargs)]
    return f"({', '.join(inputs)}) -> {_shown(outputs)}"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, TensorSpec) or nest.is_nested(value) else f"Literal[{value!r}]"


def _named(python_function: Callable, args: tuple, kwargs: dict) -> list[tuple[str, str, Any]]:
    """Returns name, kind and value of each argument."""
    try:
        parameters = list(inspect.signature(python_function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "args")
    named = [
        (positional[i].name, positional[i].kind.name, value)
        if i < len(positional)
        else (f"{rest}_{i - len(positional)}", "VAR_POSITIONAL", value)
        for i, value in enumerate(args)
    ]
    return named + [(name, "KEYWORD_ONLY", value) for name, value in kwargs.items()]


def argument_places(python_function: Callable, args: tuple) -> list[str]:
    """Returns a name for each positional argument: its parameter's, or "args_0" where it has none of its own."""
    return [name for name, _, _ in _named(python_function, args, {})]
