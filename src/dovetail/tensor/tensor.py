"""`tf.Tensor`: one array, wrapped.

The array is a NumPy one (host engine), a JAX one, or a JAX tracer.  Creating a Tensor does no work at all; what a
user can do with one (operators, indexing, `tf.*` functions) is installed by `ops/operators.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from dovetail.base.errors import ArgumentTypeError, OperatorNotAllowedInGraphError, at_user_location
from dovetail.engine import is_tracer
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape, shape_of_array


class TensorLike:
    """What Tensor, Variable and SymbolicTensor have in common: the operators, installed by `ops/operators.py`."""

    __slots__ = ()
    __array_priority__ = 100

    if TYPE_CHECKING:  # what the subclasses have, and what ops/operators.py installs
        _value: Any
        dtype: Any
        shape: Any
        _tensor: Callable[[], Tensor]
        _plain: Callable[[], Tensor]
        _astype: Callable[[Any], Any]


class Tensor(TensorLike):
    """An immutable n-dimensional array with TensorFlow's methods and operators.

    Attributes:
        shape: a `TensorShape`.
        dtype: a `DType`.
    """

    __slots__ = ("__weakref__", "_beside", "_value")  # what is beside it: see `tensor/beside.py`

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def shape(self) -> TensorShape:
        return shape_of_array(self._value.shape)

    def get_shape(self) -> TensorShape:
        return shape_of_array(self._value.shape)

    def set_shape(self, shape: Any) -> None:
        """Checks that the shape is compatible: a value's shape is known already."""
        self.shape.assert_is_compatible_with(shape)

    @property
    def dtype(self) -> dt.DType:
        return dt.from_numpy(self._value.dtype)

    @property
    def ndim(self) -> int:
        return self._value.ndim

    @property
    def device(self) -> str:
        """TensorFlow's name of the device that holds the array, such as "/device:CPU:0"."""
        device = getattr(self._value, "device", "cpu")
        platform = getattr(device, "platform", "cpu").upper()
        return f"/job:localhost/replica:0/task:0/device:{platform}:{getattr(device, 'id', 0)}"

    @property
    def name(self) -> str:
        raise AttributeError("Tensor.name has no meaning when eager execution is enabled.")

    def numpy(self) -> Any:
        """Returns the value as a NumPy array that may be written to (a NumPy scalar for rank 0)."""
        array = self._concrete("numpy()")
        return array.copy() if array.ndim else array[()]

    def _concrete(self, what: str) -> np.ndarray:
        """Returns the array without a copy, or explains why there is none yet."""
        value = self._value
        if type(value) is np.ndarray:
            return value
        if is_tracer(value):
            raise OperatorNotAllowedInGraphError(_no_value_message(what, self) + at_user_location())
        return np.asarray(value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._concrete("np.asarray()")
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        if copy:
            return array.copy()
        view = array.view()
        view.flags.writeable = False  # tensors do not change
        return view

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._value.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._value.__dlpack_device__()

    def __bool__(self) -> bool:
        value = self._value
        if is_tracer(value):
            raise OperatorNotAllowedInGraphError(_branch_message(self) + at_user_location())
        try:
            return bool(value) if value.size else False
        except ValueError:
            raise _one_value_error("bool()", self) from None

    def __float__(self) -> float:
        try:
            return float(self._concrete("float()"))
        except (TypeError, ValueError) as error:
            raise error if _explains(error) else _one_value_error("float()", self) from None

    def __int__(self) -> int:
        try:
            return int(self._concrete("int()"))
        except (TypeError, ValueError) as error:
            raise error if _explains(error) else _one_value_error("int()", self) from None

    def __complex__(self) -> complex:
        return complex(self._concrete("complex()"))

    def __index__(self) -> int:
        try:
            return self._concrete("using it as an index").__index__()
        except TypeError as error:
            raise error if _explains(error) else _one_value_error("an index", self) from None

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self), digits) if digits is not None else round(float(self))

    def __len__(self) -> int:
        if not self._value.ndim:
            raise TypeError(f"Scalar tensor has no `len()`{at_user_location()}")
        return self._value.shape[0]

    def __hash__(self) -> int:
        raise TypeError(f"Tensor is unhashable. Instead, use tensor.ref() as the key.{at_user_location()}")

    def ref(self) -> Reference:
        """Returns a hashable stand-in for this tensor; `.deref()` gives the tensor back."""
        return Reference(self)

    def __format__(self, spec: str) -> str:
        return format(str(self) if is_tracer(self._value) else self.numpy(), spec)

    def __repr__(self) -> str:
        if is_tracer(self._value):
            return f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, traced>"
        return f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, numpy={array_repr(self._value)}>"

    def __str__(self) -> str:
        if is_tracer(self._value):
            return f"Tensor(shape={self.shape}, dtype={self.dtype.name}, traced)"
        text = str(np.asarray(self._value))
        line_break = "\n" if "\n" in text else ""
        return f"tf.Tensor({line_break}{text}, shape={self.shape}, dtype={self.dtype.name})"

    def __reduce__(self) -> tuple:
        return Tensor, (np.asarray(self._concrete("pickling")),)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self


def array_repr(value: Any) -> str:
    """Returns an array as the representations of tensors and variables show it; several lines begin on a new one."""
    array = np.asarray(value)
    text = repr(array) if array.ndim else repr(array.item())
    return "\n" + text if "\n" in text else text


def has_value(tensor: Any) -> TypeGuard[Tensor]:
    """True for a tensor that has its value now: it is neither traced nor symbolic, nor a variable, which may change."""
    return isinstance(tensor, Tensor) and not is_tracer(tensor._value)


class Reference:
    """A hashable stand-in for a tensor or variable, equal when it stands for the same object."""

    __slots__ = ("_referent",)

    def __init__(self, referent: Any) -> None:
        self._referent = referent

    def deref(self) -> Any:
        return self._referent

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._referent!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._referent is other._referent

    def __hash__(self) -> int:
        return id(self._referent)


def _explains(error: Exception) -> bool:
    return isinstance(error, OperatorNotAllowedInGraphError)


def _one_value_error(what: str, tensor: Tensor) -> ArgumentTypeError:
    kind = "one integer" if what == "an index" else "one number"
    return ArgumentTypeError(
        f"{what} takes {kind}, and this tensor has shape {tensor.shape}, {tensor.dtype.name}. Use an element, such as "
        f"x[0], or reduce it: tf.reduce_any(x), tf.reduce_sum(x){at_user_location()}"
    )


def _no_value_message(what: str, tensor: Any) -> str:
    return (
        f"{what} needs a value, and this tensor (shape {tensor.shape}, {tensor.dtype.name}) stands for a value inside "
        "a compiled function. Use tf.* ops on it, tf.print to look at it, or run op by op with "
        "tf.config.run_functions_eagerly(True)"
    )


def _branch_message(tensor: Any) -> str:
    return (
        f"a tensor (shape {tensor.shape}, {tensor.dtype.name}) was used as a Python bool inside a compiled function, "
        "where it has no value yet. Instead of `if t: a() else: b()` write `tf.cond(t, lambda: a(), lambda: b())`; "
        "instead of `while` write `tf.while_loop(condition, body, loop_vars)`; or choose element by element with "
        "`tf.where(t, x, y)`"
    )
