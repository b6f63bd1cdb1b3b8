"""`tf.experimental`: types of one's own and dispatch on them, 8-bit floats, exchange of arrays with others."""

from typing import Any as _Any

from dovetail.experimental import dlpack, extension_type
from dovetail.experimental.extension_type import (
    BatchableExtensionType,
    ExtensionType,
    ExtensionTypeBatchEncoder,
    ExtensionTypeSpec,
)
from dovetail.function.optional import Optional
from dovetail.ops.dispatch_api import (
    dispatch_for_api,
    dispatch_for_binary_elementwise_apis,
    dispatch_for_binary_elementwise_assert_apis,
    dispatch_for_unary_elementwise_apis,
    unregister_dispatch_for,
)
from dovetail.ops.table import find as _find
from dovetail.ops.table import late_names as _late_names
from dovetail.tensor.dtype import float8_e4m3fn, float8_e5m2

__all__ = [
    "BatchableExtensionType",
    "ExtensionType",
    "ExtensionTypeBatchEncoder",
    "ExtensionTypeSpec",
    "Optional",
    "dispatch_for_api",
    "dispatch_for_binary_elementwise_apis",
    "dispatch_for_binary_elementwise_assert_apis",
    "dispatch_for_unary_elementwise_apis",
    "dlpack",
    "extension_type",
    "float8_e4m3fn",
    "float8_e5m2",
    "unregister_dispatch_for",
    "DynamicRaggedShape",
]


def __getattr__(name: str) -> _Any:
    if name in _late_names("tf.experimental"):
        found = globals()[name] = _find("tf.experimental", name)
        return found
    raise AttributeError(f"module 'dovetail.experimental' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
