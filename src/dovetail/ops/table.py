"""The whole op table: importing this module registers every family."""

from dovetail.ops import (
    arithmetic,
    array,
    blocks,
    conv,
    conv_names,
    create,
    depthwise,
    gather,
    indexing,
    linalg,
    losses,
    mapping,
    nn,
    normalization,
    operators,
    padding,
    pool,
    reduction,
    shapes,
    slicing,
    sorting,
    strings,
    tensor_array,
)
from dovetail.ops.core import OPS
from dovetail.ops.views import NAMESPACES

FAMILIES = (
    arithmetic,
    array,
    blocks,
    conv,
    conv_names,
    depthwise,
    losses,
    nn,
    normalization,
    pool,
    create,
    gather,
    indexing,
    linalg,
    mapping,
    operators,
    padding,
    reduction,
    shapes,
    slicing,
    sorting,
    strings,
    tensor_array,
)

__all__ = ["FAMILIES", "NAMESPACES", "OPS"]
