"""`tf.function`: Python functions over tensors, traced once per signature and compiled by XLA."""

from dovetail.function.control import case, cond, switch_case, while_loop
from dovetail.function.function import ConcreteFunction, Function, RetracingWarning, function
from dovetail.function.printing import print_

__all__ = [
    "ConcreteFunction",
    "Function",
    "RetracingWarning",
    "case",
    "cond",
    "function",
    "print_",
    "switch_case",
    "while_loop",
]
