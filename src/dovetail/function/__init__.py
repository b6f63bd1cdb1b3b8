"""`tf.function`: Python functions over tensors, traced once per signature and compiled by XLA."""

from dovetail.function import scanning as _scanning
from dovetail.function.concrete import ConcreteFunction
from dovetail.function.control import case, cond, switch_case, while_loop
from dovetail.function.function import Function, RetracingWarning, function
from dovetail.function.printing import print_
from dovetail.function.python_function import numpy_function, py_function

__all__ = [
    "ConcreteFunction",
    "Function",
    "RetracingWarning",
    "case",
    "cond",
    "function",
    "numpy_function",
    "print_",
    "py_function",
    "switch_case",
    "while_loop",
]
