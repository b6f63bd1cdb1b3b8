"""`tf.Variable`: the one stateful object.

A variable holds a Tensor and replaces it on assignment.  While a function is traced, reads and writes go to the
active scope (`state.scope`) instead, which turns them into inputs and outputs of the traced program.
"""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.base.told import Told, check_flags
from dovetail.base.versions import Versioned
from dovetail.engine import dtypes, is_tracer
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.sharing import VariableAggregation, VariableSynchronization, named
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Reference, Tensor, TensorLike, array_repr

_ids = itertools.count()


class Scope:
    """Where variable reads and writes go while it is active.  Subclasses decide what a first read gives.

    Attributes:
        tensors: what each variable holds inside the scope, by `id`.
        read: the variables that were touched, by `id`, in order of first use.
        written: those that were assigned, by `id`.
    """

    may_create = True
    describes = False  # whether values are stand-ins, and only shapes and dtypes are wanted
    graph: Any = None  # the graph that records what is done, if one does
    variable_class: Any = None  # what `tf.Variable` makes while it is active, if that is another class

    def __init__(self) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.read: dict[int, Variable] = {}
        self.written: dict[int, Variable] = {}

    def first_read(self, variable: Variable) -> Tensor:
        raise NotImplementedError

    def tensor(self, variable: Variable) -> Tensor:
        """Returns what the variable holds in this scope."""
        key = id(variable)
        found = self.tensors.get(key)
        if found is None:
            found = self.tensors[key] = self.first_read(variable)
            self.read[key] = variable
        return found

    def assign(self, variable: Variable, value: Tensor) -> None:
        self.tensor(variable)
        # A tensor of its own: what is read from here on does not depend on what the value was made of.
        self.tensors[id(variable)] = Tensor(value._value) if state.tapes else value
        self.written[id(variable)] = variable

    def assign_symbolic(self, variable: Variable, value: SymbolicTensor) -> None:
        """Assigns a checked symbolic tensor, where that means something."""
        raise ValueError(
            f"{variable._name}.assign: a symbolic tensor (shape {value.shape}) has no value to assign while the model "
            f"is built. Assign inside a Layer's call(){at_user_location()}"
        )

    def created(self, variable: Variable) -> None:
        """Called for each variable that is created while the scope is active."""

    def give_out(self, tensor: Any, store: Callable, drop: Callable) -> None:
        """Called when a tensor has been stored aside, as a loss of a layer: `store(tensor)` does, `drop` undoes it."""


class TracedInitialValueError(ValueError):
    """A variable's initial value depends on a tensor that has no value."""


class _Eager(Scope):
    """What refuses symbolic assignments where no scope is active."""


class StatelessScope(Scope):
    """Writes stay inside: a call with given values for variables, or one that must not change any.

    Args:
        parent: the scope around it, None when there is none.
        values: pairs `(variable, tensor)`: what variables hold inside to begin with.
    """

    def __init__(self, parent: Scope | None = None, values: Iterable[tuple[Variable, Tensor]] = ()) -> None:
        super().__init__()
        self.parent = parent
        self.tensors = {id(variable): tensor for variable, tensor in values}

    def first_read(self, variable: Variable) -> Tensor:
        return variable._held if self.parent is None else self.parent.tensor(variable)


class DescribeScope(StatelessScope):
    """A layer runs on symbolic tensors to tell shapes and dtypes: nothing is executed, printed, checked or assigned."""

    describes = True

    def assign_symbolic(self, variable: Variable, value: SymbolicTensor) -> None:
        """Drops it: the variable keeps its value."""


class enter_scope:
    """Makes `scope` the active one for a `with` block (None: back to eager)."""

    __slots__ = ("scope", "previous")

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    def __enter__(self) -> Scope | None:
        self.previous = state.scope
        state.scope = self.scope
        return self.scope

    def __exit__(self, *exc: object) -> None:
        state.scope = self.previous


# Held by a program from when it takes the values of variables until it stores their new ones.
WRITING = threading.RLock()


_value_held_by = operator.attrgetter("_held._value")


def arrays_of(variables: Iterable[Variable]) -> list:
    """Returns what variables hold at one moment: another thread may store a step's values one by one."""
    with WRITING:
        return list(map(_value_held_by, variables))


class ReadTensor(Tensor):
    """The value of a variable.  Callable, because TensorFlow spells `v.value()` and Keras `v.value`."""

    __slots__ = ()

    def __call__(self) -> Tensor:
        plain = Tensor(self._value)
        for tape in state.tapes:
            tape.alias(self, plain)
        return plain


@declare
class Variable(TensorLike, Told, Versioned):
    """A tensor that can be assigned to.

    Args:
        initial_value: a value, or a function without arguments that returns it.
        trainable: whether gradient tapes watch it by themselves.
        name: shown in errors and summaries.
        dtype: converts the initial value.
        shape: must be compatible with the initial value's; a shape with unknown sizes allows changes of size.
        constraint: function applied by optimizers after each update.

    Attributes:
        _layout: how the value is divided over devices, a `Layout`; None: it lies where the default device is.

    Differs from TensorFlow: `value` works both as a property and as a method.
    """

    _layout: Any = None
    _dtype_prints_as_name = False  # true of the weights of layers in Keras 3

    def __new__(cls, *args: Any, **kwargs: Any) -> Variable:
        """Makes the variable one of the class that replicas share, under a strategy."""
        scope = state.scope
        if cls is Variable and scope is not None and scope.variable_class is not None:
            return object.__new__(scope.variable_class)
        distribution = state.distribution
        kind = cls if distribution is None else distribution.class_for(cls, kwargs.get("synchronization"))
        return object.__new__(kind)

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        experimental_enable_variable_lifting: bool = True,
    ) -> None:
        if initial_value is None:
            raise ValueError(f"tf.Variable: pass an initial_value{at_user_location()}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"tf.Variable: name must be a string, received {name!r:.60}{at_user_location()}")
        if trainable is not None:
            check_flags(("trainable",), {"trainable": trainable})
        scope = state.scope
        if scope is not None and not scope.may_create:
            raise ValueError(
                f"tf.Variable {name or ''!r} is created on a later call of a tf.function. Variables must be created "
                "once: create it outside of the function, or guard it: `if self.v is None: self.v = tf.Variable(...)`"
                f"{at_user_location()}"
            )
        with enter_scope(None):
            value = initial_value() if callable(initial_value) else initial_value
            if dtype is not None and isinstance(value, TensorLike) and value.dtype.is_floating:
                wanted = dt.as_dtype(dtype)
                value = value._astype(wanted) if wanted.is_floating else value
            held = convert_to_tensor(value, dtype)
        if not isinstance(held, Tensor) or is_tracer(held._value):
            raise TracedInitialValueError(
                f"tf.Variable {name or ''!r}: the initial value depends on a traced tensor. Pass a function that "
                f"returns it: tf.Variable(lambda: ...){at_user_location()}"
            )
        self._held = held if type(held) is Tensor else Tensor(held._value)
        self.synchronization = named(VariableSynchronization, synchronization, VariableSynchronization.AUTO)
        self.aggregation = named(VariableAggregation, aggregation, VariableAggregation.NONE)
        on_read = self.synchronization is VariableSynchronization.ON_READ
        self._trainable = not on_read if trainable is None else bool(trainable)
        self._declared_shape = held.shape if shape is None else TensorShape(shape)
        self._declared_shape.assert_is_compatible_with(held.shape)
        self._numpy_dtype = np.dtype(self._held._value.dtype)
        self._autocast = dtypes.is_floating(self._numpy_dtype)
        scope_name = state.name_scopes[-1] if state.name_scopes else ""
        self._name = f"{scope_name}/{name or 'Variable'}" if scope_name else name or "Variable"
        self._unique_id = next(_ids)
        self.constraint = constraint
        if state.distribution is not None:
            state.distribution.adopt(self)
        if scope is not None:
            scope.created(self)

    # ---- reading

    def __getattr__(self, name: str) -> Any:
        """Waits for the value, `_held`, while a program in another thread has it."""
        if name == "_held":
            with WRITING:
                found = self.__dict__.get(name)
            if found is not None:
                return found
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _tensor(self) -> Tensor:
        """Returns the value as ops see it: inside the active scope, watched by tapes, in the autocast dtype."""
        scope = state.scope
        tensor = self._held if scope is None else scope.tensor(self)
        for tape in state.tapes:
            tape.read_variable(self, tensor)
        if state.autocast is not None and self._autocast and state.autocast != self._numpy_dtype:
            return tensor._astype(state.autocast)
        return tensor

    @property
    def value(self) -> ReadTensor:
        tensor = self._tensor()
        result = ReadTensor(tensor._value)
        for tape in state.tapes:
            tape.alias(tensor, result)
        return result

    def read_value(self) -> Tensor:
        return self._tensor()

    def numpy(self) -> Any:
        return self._tensor().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._tensor().__array__(dtype, copy)

    @property
    def shape(self) -> TensorShape:
        return self._declared_shape

    def get_shape(self) -> TensorShape:
        return self._declared_shape

    def set_shape(self, shape: Any) -> None:
        """Narrows the shapes that may be assigned; raises ValueError when the shape contradicts."""
        self._declared_shape = self._declared_shape.merge_with(shape)

    def is_initialized(self) -> bool:
        """True: a variable has a value from the start."""
        return True

    @property
    def dtype(self) -> dt.DType:
        if state.autocast is not None and self._autocast:
            return dt.from_numpy(np.dtype(state.autocast))
        dtype = dt.from_numpy(self._numpy_dtype)
        return dt.by_name(dtype) if self._dtype_prints_as_name else dtype

    @property
    def ndim(self) -> int:
        return len(self._declared_shape)

    @property
    def name(self) -> str:
        return self._name if self._name.endswith(":0") or hasattr(self, "path") else self._name + ":0"

    @property
    def trainable(self) -> bool:
        flag_of = state.trainable_of
        return self._trainable if flag_of is None else flag_of(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        self._changed()

    @property
    def device(self) -> str:
        return self._held.device

    # ---- writing

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Replaces the value.

        Raises:
            ValueError: the shape is incompatible with the variable's, or the dtype differs.
        """
        if type(value) is not Tensor or value._value.dtype != self._numpy_dtype:
            value = self._converted(value)
            if type(value) is SymbolicTensor:
                return self._assign_symbolic(value)
        if value._value.shape != self._held._value.shape:
            self._check_shape(value)
        self._store(value)
        return self

    def _converted(self, value: Any) -> Tensor:
        own = dt.from_numpy(self._numpy_dtype)
        if isinstance(value, TensorLike):
            tensor = convert_to_tensor(value)
            if tensor.dtype != own:
                if not (self._autocast and tensor.dtype.is_floating):
                    raise ValueError(
                        f"{self._name}.assign: the variable is {own.name}, the value {tensor.dtype.name}. "
                        f"Use tf.cast(value, tf.{own.name}){at_user_location()}"
                    )
                tensor = tensor._astype(own)
            return tensor
        if isinstance(value, np.ndarray):
            value = value.astype(self._numpy_dtype)
        return convert_to_tensor(value, own)

    def _assign_symbolic(self, value: SymbolicTensor) -> Any:
        """Assigns a symbolic tensor where a graph records; while a layer is described nothing changes."""
        self._check_shape(value)
        (state.scope or _NO_SCOPE).assign_symbolic(self, value)
        return self

    def _check_shape(self, value: Any) -> None:
        if not self._declared_shape.is_compatible_with(value.shape):
            raise ValueError(
                f"{self._name}.assign: the variable has shape {self._declared_shape}, the value {value.shape}"
                f"{at_user_location()}"
            )

    def _store(self, tensor: Tensor) -> None:
        """Puts a checked Tensor in place."""
        scope = state.scope
        if scope is not None:
            scope.assign(self, tensor)
        elif isinstance(tensor, Tensor) and is_tracer(tensor._value):
            raise ValueError(
                f"{self._name}: a traced value was assigned outside of its function{at_user_location()}"
            )
        elif self._layout is not None:
            self._held = Tensor(self._layout.place(tensor._value))
        else:
            self._held = Tensor(tensor._value) if state.tapes else tensor

    def _lay_out(self, layout: Any) -> None:
        """Gives the variable a layout, and puts its value there."""
        self._layout = layout
        self._held = Tensor(layout.place(self._held._value))

    @property
    def _array(self) -> Any:
        """The array that the variable holds, whatever scope is active."""
        return self._held._value

    def _take(self, value: Any) -> None:
        """Puts an array in place that a program has made of this variable: it fits, and no scope is asked."""
        self._held = Tensor(value if self._layout is None else self._layout.place(value))

    def _plain(self) -> Tensor:
        """Returns the current value without autocast and without telling the tapes."""
        scope = state.scope
        return self._held if scope is None else scope.tensor(self)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds `delta` in place."""
        return self.assign(self._plain() + self._delta(delta))

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts `delta` in place."""
        return self.assign(self._plain() - self._delta(delta))

    def _delta(self, delta: Any) -> Any:
        return self._converted(delta) if isinstance(delta, TensorLike | np.ndarray) else delta

    def _refuse_in_place(self, other: Any) -> Any:
        raise RuntimeError(
            "`variable += value` would replace the variable by a tensor. Use variable.assign_add(value) to change it, "
            f"or `out = variable + value` for a new tensor{at_user_location()}"
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __ipow__ = __imatmul__ = _refuse_in_place

    # ---- the rest of a tensor's manners

    def __bool__(self) -> bool:
        return bool(self._tensor())

    def __float__(self) -> float:
        return float(self._tensor())

    def __int__(self) -> int:
        return int(self._tensor())

    def __index__(self) -> int:
        return self._tensor().__index__()

    def __len__(self) -> int:
        return len(self._held)

    def __format__(self, spec: str) -> str:
        return format(self._tensor(), spec) if spec else str(self)

    def __hash__(self) -> int:
        raise TypeError("Variable is unhashable. Instead, use variable.ref() as the key.")

    def ref(self) -> Reference:
        return Reference(self)

    def __repr__(self) -> str:
        if state.scope is not None:
            return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"
        text = array_repr(self._held._value)
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}, numpy={text}>"

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: Any) -> Variable:
        clone = object.__new__(type(self))
        memo[id(self)] = clone
        clone.__dict__.update(self.__dict__)
        clone._unique_id = next(_ids)
        clone._held = Tensor(np.array(self._held._value))
        if clone._layout is not None:
            clone._lay_out(clone._layout)
        return clone

    def __reduce__(self) -> tuple:
        facts = {k: v for k, v in self.__dict__.items() if k != "_held"}
        return _restore, (type(self), facts, np.array(self._held._value))


_NO_SCOPE = _Eager()


def _restore(kind: type, facts: dict, array: np.ndarray) -> Variable:
    variable: Variable = object.__new__(kind)
    variable.__dict__.update(facts)
    variable._unique_id = next(_ids)
    variable._held = Tensor(array)
    if variable._layout is not None:
        variable._lay_out(variable._layout)
    return variable


def is_variable(value: Any) -> bool:
    return isinstance(value, Variable)
