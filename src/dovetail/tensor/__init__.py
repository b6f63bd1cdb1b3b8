"""Tensors, variables, shapes, dtypes, and the conversion of everything else into them."""

from dovetail.tensor.composite import CompositeTensor, is_composite, is_tensor
from dovetail.tensor.convert import as_array, convert_to_tensor, register_conversion
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import (
    BatchableTypeSpec,
    TensorSpec,
    TypeSpec,
)
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import DescribeScope, Scope, StatelessScope, Variable, enter_scope, is_variable
from dovetail.tensor.variable_spec import type_spec_from_value

__all__ = [
    "BatchableTypeSpec",
    "CompositeTensor",
    "DType",
    "DescribeScope",
    "Scope",
    "SymbolicTensor",
    "Tensor",
    "TensorLike",
    "TensorShape",
    "TensorSpec",
    "TypeSpec",
    "Variable",
    "as_array",
    "as_dtype",
    "convert_to_tensor",
    "enter_scope",
    "is_composite",
    "is_tensor",
    "is_variable",
    "register_conversion",
    "type_spec_from_value",
]
