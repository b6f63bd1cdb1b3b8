"""Options of loading and saving."""

from __future__ import annotations

from typing import Any


class LoadOptions:
    """Options of `tf.saved_model.load`; all are accepted for TensorFlow's sake.

    Args:
        allow_partial_checkpoint, experimental_io_device, experimental_skip_checkpoint, experimental_variable_policy,
        experimental_load_function_aliases: of TensorFlow's runtime.
    """

    def __init__(
        self,
        allow_partial_checkpoint: bool = False,
        experimental_io_device: Any = None,
        experimental_skip_checkpoint: bool = False,
        experimental_variable_policy: Any = None,
        experimental_load_function_aliases: bool = False,
    ) -> None:
        self.allow_partial_checkpoint = allow_partial_checkpoint
        self.experimental_io_device = experimental_io_device
        self.experimental_skip_checkpoint = experimental_skip_checkpoint
        self.experimental_variable_policy = experimental_variable_policy
        self.experimental_load_function_aliases = experimental_load_function_aliases
