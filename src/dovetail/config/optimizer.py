"""`tf.config.optimizer`: TensorFlow's switches of its graph compiler.  XLA compiles everything here."""

from __future__ import annotations

from typing import Any

__all__ = ["get_experimental_options", "get_jit", "set_experimental_options", "set_jit"]

_DEFAULTS = {"disable_model_pruning": False, "disable_meta_optimizer": False}
_given: dict[str, Any] = {}
_jit = [""]


def set_jit(enabled: bool | str) -> None:
    """Keeps the choice for `get_jit`: True or "autoclustering", or False.  `tf.function` is compiled by XLA either way.

    Raises:
        ValueError: another string.
    """
    if isinstance(enabled, str) and enabled not in ("", "autoclustering"):
        raise ValueError(
            f"tf.config.optimizer.set_jit: expected True, False or 'autoclustering', received {enabled!r}"
        )
    _jit[0] = "autoclustering" if enabled else ""


def get_jit() -> str:
    """Returns "autoclustering" after `set_jit(True)`, else ""."""
    return _jit[0]


def set_experimental_options(options: dict[str, Any]) -> None:
    """Keeps the options for `get_experimental_options`.

    They switch passes of TensorFlow's graph optimizer; XLA has its own.
    """
    _given.update(options)


def get_experimental_options() -> dict[str, Any]:
    """Returns the options in force."""
    return {**_given, **{name: _given.get(name, default) for name, default in _DEFAULTS.items()}}
