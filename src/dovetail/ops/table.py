"""The whole op table: importing this module registers every family."""

from dovetail.ops import (
    arithmetic,
    array,
    create,
    linalg,
    operators,
    padding,
    reduction,
    shapes,
)
from dovetail.ops.core import OPS
from dovetail.ops.views import NAMESPACES

FAMILIES = (arithmetic, array, create, linalg, operators, padding, reduction, shapes)

__all__ = ["FAMILIES", "NAMESPACES", "OPS"]
