"""Rows of variables.  The handle of a variable is the variable."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import FailedPreconditionError, at_user_location
from dovetail.raw_ops.row import public, raw
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.variable import Variable


def variable_of(resource: Any) -> Any:
    """Returns the variable of a handle.

    Raises:
        TypeError: it is none.
        FailedPreconditionError: it has no value yet.
    """
    if isinstance(resource, Unassigned):
        if resource.variable is None:
            raise FailedPreconditionError(
                f"the variable {resource.name!r} has no value yet{at_user_location()}"
            )
        return resource.variable
    if not isinstance(resource, Variable):
        raise TypeError(f"expected the handle of a variable, received {resource!r:.80}{at_user_location()}")
    return resource


class Unassigned:
    """The handle of a variable that gets its first value later: what `VarHandleOp` makes.

    Attributes:
        variable: None until then.
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype, self.variable = name, dtype, None  # type: str, Any, Any

    def __repr__(self) -> str:
        return f"<handle of the variable {self.name!r}>"


@raw("VarHandleOp")
def var_handle(*, dtype: Any, shape: Any, shared_name: str = "", container: str = "") -> Any:
    return Unassigned(shared_name or "Variable", dtype)


@raw("VarIsInitializedOp")
def is_initialized(resource: Any) -> Any:
    return convert_to_tensor(not isinstance(resource, Unassigned) or resource.variable is not None)


@raw("ReadVariableOp")
def read(resource: Any, *, dtype: Any = None) -> Any:
    return variable_of(resource).read_value()


@raw("VariableShape")
def shape(input: Any, *, out_type: Any = "int32") -> Any:
    return public("shape")(variable_of(input).read_value(), out_type=out_type)


@raw("AssignVariableOp")
def assign(resource: Any, value: Any) -> None:
    if isinstance(resource, Unassigned) and resource.variable is None:
        resource.variable = Variable(value, name=resource.name, dtype=resource.dtype)
        return
    variable_of(resource).assign(value)


@raw("AssignAddVariableOp")
def assign_add(resource: Any, value: Any) -> None:
    variable_of(resource).assign_add(value)


@raw("AssignSubVariableOp")
def assign_sub(resource: Any, value: Any) -> None:
    variable_of(resource).assign_sub(value)


@raw("DestroyResourceOp")
def destroy(resource: Any, *, ignore_lookup_error: bool = True) -> None:
    """Nothing: a variable lives as long as something refers to it."""


@raw("DisableCopyOnRead")
def disable_copy_on_read(resource: Any) -> None:
    """Nothing: reads do not copy."""


@raw("ResourceGather")
def gather(resource: Any, indices: Any, *, batch_dims: int = 0, dtype: Any = None) -> Any:
    return public("gather")(variable_of(resource), indices, batch_dims=batch_dims)


@raw("ResourceGatherNd")
def gather_nd(resource: Any, indices: Any, *, dtype: Any = None) -> Any:
    return public("gather_nd")(variable_of(resource), indices)


def _scattering(name: str, target: str) -> None:
    def scatter(resource: Any, indices: Any, updates: Any) -> None:
        variable = variable_of(resource)
        places = public("expand_dims")(indices, axis=-1)
        variable.assign(public(target)(variable.read_value(), places, updates))

    raw(name)(scatter)


_scattering("ResourceScatterUpdate", "tensor_scatter_nd_update")
_scattering("ResourceScatterAdd", "tensor_scatter_nd_add")
_scattering("ResourceScatterSub", "tensor_scatter_nd_sub")
_scattering("ResourceScatterMax", "tensor_scatter_nd_max")
_scattering("ResourceScatterMin", "tensor_scatter_nd_min")


# ---- variables of TensorFlow 1, which are tensors that can be assigned


@raw("VariableV2")
def variable_1(*, shape: Any, dtype: Any, shared_name: str = "", container: str = "") -> Any:
    return Unassigned(shared_name or "Variable", dtype)


@raw("Assign")
def assign_1(ref: Any, value: Any) -> Any:
    assign(ref, value)
    return ref


@raw("AssignAdd")
def assign_add_1(ref: Any, value: Any) -> Any:
    assign_add(ref, value)
    return ref


@raw("AssignSub")
def assign_sub_1(ref: Any, value: Any) -> Any:
    assign_sub(ref, value)
    return ref


@raw("IsVariableInitialized")
def is_initialized_1(ref: Any) -> Any:
    return is_initialized(ref)
