"""Matching what users give per output (losses, targets, weights, metrics) with a model's outputs."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import suggest


def output_names(y_pred: Any, declared: list[str]) -> list[str]:
    """Returns one name an output; [""] for a single tensor.

    Names are the keys of a dict, or the declared names, or "output_1", "output_2", ... as in Keras 2.  Where a layer
    gives several outputs, all but the first have a number behind its name.
    """
    if isinstance(y_pred, dict):
        return [str(key) for key in sorted(y_pred)]
    if isinstance(y_pred, list | tuple):
        flat = nest.flatten(y_pred)
        return (
            distinct(declared)
            if len(declared) == len(flat)
            else [f"output_{i + 1}" for i in range(len(flat))]
        )
    return [""]


def distinct(names: list[str]) -> list[str]:
    """Returns names of which each stands once: "d", "d_1" for twice "d"."""
    found: list[str] = []
    for name in names:
        free, number = name, 0
        while free in found or (number and free in names):
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


def per_output(what: str, value: Any, names: list[str], declared: list[str], broadcast: bool) -> list:
    """Returns `value` as one entry an output.

    Args:
        what: for messages, such as "loss".
        value: a dict by output name, a list in order, or one thing.
        names: the outputs' names, as `output_names` gives them.
        declared: names that single-output models accept in dicts too.
        broadcast: one thing stands for every output.

    Raises:
        ValueError: a dict key that names no output, or a list of another length.
    """
    if isinstance(value, dict):
        known = names if names != [""] else [*declared, ""]
        for key in value:
            if key not in known:
                raise ValueError(
                    f"{what}: no output is called {key!r}.{suggest(key, known)} Outputs: {known}"
                )
        if names == [""]:
            return [next(iter(value.values()), None)]
        return [value.get(name) for name in names]
    if len(names) == 1:
        return [value[0] if isinstance(value, list | tuple) and len(value) == 1 and broadcast else value]
    if isinstance(value, list | tuple):
        flat = list(value)
        if len(flat) != len(names):
            raise ValueError(f"{what}: {len(flat)} entries were given for {len(names)} outputs {names}")
        return flat
    return [value] * len(names) if broadcast or value is None else nest.flatten(value)
