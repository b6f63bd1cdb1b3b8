"""Runs programs written for TensorFlow and Keras, unmodified.

    from dovetail import compat
    compat.install()

    import tensorflow as tf                      # dovetail
    from tensorflow.keras.layers import Dense    # dovetail.keras.layers.Dense, the same object

`dovetail run script.py` does this for a whole program.  The rest of the namespace is `tf.compat`.
"""

from dovetail.compat.aliases import v1, v2
from dovetail.compat.finder import install, installed, uninstall
from dovetail.compat.missing import MissingAttributeError, MissingUseError
from dovetail.compat.strings import (
    as_bytes,
    as_str,
    as_str_any,
    as_text,
    dimension_at_index,
    dimension_value,
    forward_compatible,
    path_to_str,
)

__all__ = [
    "MissingAttributeError",
    "MissingUseError",
    "as_bytes",
    "as_str",
    "as_str_any",
    "as_text",
    "dimension_at_index",
    "dimension_value",
    "forward_compatible",
    "install",
    "installed",
    "path_to_str",
    "uninstall",
    "v1",
    "v2",
]
