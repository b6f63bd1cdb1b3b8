"""`tf.experimental`: types of one's own and dispatch on them, 8-bit floats, exchange of arrays with others."""

from dovetail.experimental import dlpack, extension_type
from dovetail.experimental.extension_type import (
    BatchableExtensionType,
    ExtensionType,
    ExtensionTypeBatchEncoder,
)
from dovetail.ops.dispatch_api import (
    dispatch_for_api,
    dispatch_for_binary_elementwise_apis,
    dispatch_for_binary_elementwise_assert_apis,
    dispatch_for_unary_elementwise_apis,
    unregister_dispatch_for,
)
from dovetail.tensor.dtype import float8_e4m3fn, float8_e5m2

__all__ = [
    "BatchableExtensionType",
    "ExtensionType",
    "ExtensionTypeBatchEncoder",
    "dispatch_for_api",
    "dispatch_for_binary_elementwise_apis",
    "dispatch_for_binary_elementwise_assert_apis",
    "dispatch_for_unary_elementwise_apis",
    "dlpack",
    "extension_type",
    "float8_e4m3fn",
    "float8_e5m2",
    "unregister_dispatch_for",
]
