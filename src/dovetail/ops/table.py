"""The whole op table: importing this module registers every family."""

from dovetail.ops import (
    arithmetic,
    array,
    create,
    indexing,
    linalg,
    operators,
    padding,
    reduction,
    shapes,
    slicing,
)
from dovetail.ops.core import OPS
from dovetail.ops.views import NAMESPACES

FAMILIES = (arithmetic, array, create, indexing, linalg, operators, padding, reduction, shapes, slicing)

__all__ = ["FAMILIES", "NAMESPACES", "OPS"]
