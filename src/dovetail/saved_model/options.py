"""Options of loading and saving."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location


def _refuse(label: str, **given: Any) -> None:
    names = [name for name, value in given.items() if value]
    if names:
        raise NotImplementedError(
            f"tf.saved_model.{label}: {', '.join(names)}: not done here; leave it out{at_user_location()}"
        )


class LoadOptions:
    """Options of `tf.saved_model.load`; those of TensorFlow are accepted for its sake.

    Args:
        allow_file_access: let the model's graphs read and write files outside of its directory.
        allow_partial_checkpoint: variables that the checkpoint has no values for are zeros; otherwise they are errors.
        experimental_skip_checkpoint: the checkpoint is not read: all variables are zeros.
        experimental_io_device, experimental_variable_policy: of TensorFlow's runtime.
        experimental_load_function_aliases: must be left out.

    Raises:
        NotImplementedError: an argument that must be left out is given.
    """

    def __init__(
        self,
        allow_partial_checkpoint: bool = False,
        experimental_io_device: Any = None,
        experimental_skip_checkpoint: bool = False,
        experimental_variable_policy: Any = None,
        experimental_load_function_aliases: bool = False,
        *,
        allow_file_access: bool = False,
    ) -> None:
        _refuse("LoadOptions", experimental_load_function_aliases=experimental_load_function_aliases)
        self.allow_file_access = bool(allow_file_access)
        self.allow_partial_checkpoint = allow_partial_checkpoint
        self.experimental_io_device = experimental_io_device
        self.experimental_skip_checkpoint = experimental_skip_checkpoint
        self.experimental_variable_policy = experimental_variable_policy
        self.experimental_load_function_aliases = experimental_load_function_aliases


class SaveOptions:
    """Options of `tf.saved_model.save`; those of TensorFlow's runtime are accepted for its sake.

    Args:
        extra_tags: of the graph, besides "serve".
        save_debug_info, experimental_debug_stripper, experimental_io_device, experimental_variable_policy,
        experimental_custom_gradients: of TensorFlow's runtime.
        namespace_whitelist, function_aliases, experimental_image_format, experimental_skip_saver,
        experimental_sharding_callback: must be left out.

    Raises:
        NotImplementedError: an argument that must be left out is given.
    """

    def __init__(
        self,
        namespace_whitelist: Any = None,
        save_debug_info: bool = False,
        function_aliases: Any = None,
        experimental_debug_stripper: bool = False,
        experimental_io_device: Any = None,
        experimental_variable_policy: Any = None,
        experimental_custom_gradients: bool = True,
        experimental_image_format: bool = False,
        experimental_skip_saver: bool = False,
        experimental_sharding_callback: Any = None,
        extra_tags: Any = None,
    ) -> None:
        _refuse(
            "SaveOptions",
            namespace_whitelist=namespace_whitelist,
            function_aliases=function_aliases,
            experimental_image_format=experimental_image_format,
            experimental_skip_saver=experimental_skip_saver,
            experimental_sharding_callback=experimental_sharding_callback,
        )
        self.namespace_whitelist, self.save_debug_info = namespace_whitelist, save_debug_info
        self.function_aliases = function_aliases
        self.experimental_debug_stripper = experimental_debug_stripper
        self.experimental_io_device = experimental_io_device
        self.experimental_variable_policy = experimental_variable_policy
        self.experimental_custom_gradients = experimental_custom_gradients
        self.experimental_image_format = experimental_image_format
        self.experimental_skip_saver = experimental_skip_saver
        self.experimental_sharding_callback = experimental_sharding_callback
        self.extra_tags = extra_tags
