"""`tf.function`: calls of a Python function as one compiled program.

The first call with a signature traces the Python function; later ones run the program.  XLA compiles for exact shapes,
so a function that keeps meeting new shapes runs op by op on the host engine instead, until a shape proves to be a
frequent one.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.base.told import Told
from dovetail.base.wording import is_of_binding, tell
from dovetail.engine import uses_xla
from dovetail.function.autograph import call_method_of, run_converted
from dovetail.function.describe import arguments_of, long_form, short_form
from dovetail.function.signature import Call, Parameters, check_signature, describe_change
from dovetail.function.trace import Program, as_results, example_of, is_tracing
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor

MAX_PROGRAMS = 128
SHAPES_BEFORE_OP_BY_OP = 4
CALLS_THAT_MAKE_A_SHAPE_FREQUENT = 3
TRACES_BEFORE_WARNING = 5


class RetracingWarning(UserWarning):
    """A function is traced again and again."""


class Function(Told):
    """A Python function that is traced and compiled (`tf.function` returns it).

    Attributes:
        python_function: the function as written.
        input_signature: the `tf.TensorSpec`s it was declared with, or None.
    """

    _told_methods: ClassVar[tuple[str, ...]] = ("__init__", "get_concrete_function")

    def __init__(
        self,
        python_function: Callable,
        input_signature: Any = None,
        reduce_retracing: bool = False,
        autograph: bool = True,
    ) -> None:
        self.python_function = python_function
        if not callable(python_function):
            raise TypeError(f"tf.function: expected a function, received {python_function!r:.80}")
        if input_signature is not None and not (
            isinstance(input_signature, list | tuple)
            and all(isinstance(leaf, TypeSpec) for leaf in nest.flat(input_signature))
        ):
            raise TypeError(
                f"input_signature must be a list or tuple of tf.TensorSpec, received {input_signature!r}"
            )
        self.input_signature = None if input_signature is None else tuple(input_signature)
        self._reduce_retracing, self._autograph = reduce_retracing, bool(autograph)
        self._programs: OrderedDict[tuple, Program] = OrderedDict()
        self._families: Counter = Counter()
        self._seen: Counter = Counter()
        self._num_traces = 0
        self._creates_variables = True
        self._op_by_op = False
        self._warned: set[str] = set()
        self._methods: dict[int, tuple] = {}
        self._parameters = Parameters(python_function)
        functools.update_wrapper(self, python_function)
        self.__name__ = getattr(python_function, "__name__", type(python_function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if settings.run_functions_eagerly:
            return self.python_function(*args, **kwargs)
        if self._op_by_op or not uses_xla():
            return as_results(self._run(args, kwargs))
        if self.input_signature is not None:
            args, kwargs = check_signature(self.input_signature, args, kwargs, self.python_function)
        else:
            args, kwargs = self._parameters.canonical(args, kwargs)
        call = Call(args, kwargs)
        if is_tracing(call.leaves) or _symbolic_among(call.leaves):
            return self._run(args, kwargs)
        program = self._programs.get(call.key)
        if program is None:
            program = self._new_program(call)
            if program is None:
                return self._run_op_by_op(args, kwargs)
        return program.call(call.tensors)

    def _run(self, args: tuple, kwargs: dict) -> Any:
        return run_converted(self.python_function, self._autograph, args, kwargs)

    def _new_program(self, call: Call) -> Program | None:
        """Traces, unless the function should run op by op."""
        if any(tensor._value.dtype.kind == "O" for tensor in call.tensors):
            return None  # XLA has no strings
        family = call.family()
        if self._families[family] >= SHAPES_BEFORE_OP_BY_OP:
            self._seen[call.key] += 1
            if len(self._seen) > 16 * MAX_PROGRAMS:
                self._seen.clear()
            if self._seen[call.key] < CALLS_THAT_MAKE_A_SHAPE_FREQUENT:
                self._say(
                    "shapes",
                    f"{self.__name__} keeps meeting new shapes; XLA would compile for each, so new shapes run op by op "
                    "until they come often. Pad to a few sizes to have everything compiled.",
                )
                return None
        elif self._programs and self._num_traces >= TRACES_BEFORE_WARNING:
            last = next(reversed(self._programs))
            self._say(
                "retracing",
                f"{self.__name__} has been traced {self._num_traces} times: "
                f"{describe_change(self.python_function, last, call.key)}. Pass numbers that vary as tensors "
                "(tf.constant), and keep shapes and Python arguments the same between calls.",
            )
        try:
            program = self._trace(call)
        except DataDependentShapeError as error:
            self._op_by_op = True
            self._say("data", f"{self.__name__} runs op by op, it cannot be compiled: {error}")
            return None
        self._families[family] += 1
        self._programs[call.key] = program
        if len(self._programs) > MAX_PROGRAMS:
            self._programs.popitem(last=False)
        return program

    def _trace(self, call: Call) -> Program:
        def run(tensors: list) -> Any:
            args, kwargs = call.rebuild(tensors)
            try:
                return self._run(args, kwargs)
            except TypeError as error:
                if is_of_binding(error):
                    tell(self.__name__, error, Parameters(self.python_function).names, args, kwargs)
                raise

        examples = [example_of(t) for t in call.tensors]
        program = Program(run, examples, may_create=self._creates_variables)
        self._num_traces += 1
        self._creates_variables = False
        program.require_kept_variables(self.__name__)
        return program

    def _run_op_by_op(self, args: tuple, kwargs: dict) -> Any:
        state.host_only += 1
        try:
            return as_results(self._run(args, kwargs))
        finally:
            state.host_only -= 1

    def _say(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"tf.function: {message}{at_user_location()}", RetracingWarning, stacklevel=4)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Binds to an instance: each instance has its own traces."""
        if instance is None:
            return self
        key = id(instance)
        found = self._methods.get(key)
        if found is None or found[0]() is not instance:
            alive = _weakly(instance, functools.partial(_forget, self._methods, key))
            bound = _method_of(alive, self.python_function)
            found = (alive, Function(bound, self.input_signature, self._reduce_retracing, self._autograph))
            self._methods[key] = found
        return _Bound(instance, found[1])

    def __reduce__(self) -> tuple:
        """Copies and pickles carry no traces."""
        return Function, (self.python_function, self.input_signature, self._reduce_retracing, self._autograph)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Returns the function for one signature: pass tensors or `tf.TensorSpec`s."""
        if not args and not kwargs and self.input_signature is not None:
            args = self.input_signature
        return ConcreteFunction(self, args, kwargs)

    def experimental_get_tracing_count(self) -> int:
        """Returns how often the Python function has been traced."""
        return self._num_traces

    @property
    def function_spec(self) -> inspect.Signature:
        return inspect.signature(self.python_function)

    def pretty_printed_concrete_signatures(self) -> str:
        """Returns a paragraph a traced signature: the arguments and the output."""
        return "\n\n".join(
            long_form(self.python_function, *arguments_of(key), _outputs_of(program), program.reads)
            for key, program in self._programs.items()
        )


def _weakly(instance: Any, when_gone: Callable) -> Callable:
    """Returns a weak reference, or what looks like one for objects that cannot be held weakly."""
    try:
        return weakref.ref(instance, when_gone)
    except TypeError:
        return lambda: instance


def _forget(methods: dict, key: int, _: Any) -> None:
    methods.pop(key, None)


class _Bound:
    """A `Function` bound to an instance, which it keeps alive as a bound method does."""

    def __init__(self, instance: Any, bound: Function) -> None:
        self.__self__ = instance
        self._function = bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def _method_of(alive: Any, python_function: Callable) -> Callable:
    """Returns the function bound to a weakly held instance, so that its traces do not keep it alive."""

    @functools.wraps(python_function)
    def method(*args: Any, **kwargs: Any) -> Any:
        return python_function(alive(), *args, **kwargs)

    call_method_of(method, python_function, alive)
    parameters = list(inspect.signature(python_function).parameters.values())[1:]
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method


class ConcreteFunction:
    """A `Function` with its signature fixed.

    Attributes:
        structured_input_signature: `(args, kwargs)` with a `tf.TensorSpec` for each tensor.
    """

    def __init__(self, owner: Function, args: tuple, kwargs: dict) -> None:
        self._owner = owner
        self.structured_input_signature = nest.mapped(_spec_of, (args, kwargs))
        self._fixed = nest.flat((args, kwargs))
        specs = [leaf for leaf in nest.flat(self.structured_input_signature) if isinstance(leaf, TensorSpec)]
        self.inputs = specs
        self._program: Program | None = None
        if uses_xla() and all(spec.shape.is_fully_defined() for spec in specs):
            self._program = self._traced(specs)

    def _traced(self, specs: list) -> Program | None:
        zeros = [Tensor(np.zeros(tuple(spec.shape), spec.dtype.numpy_dtype)) for spec in specs]
        args, kwargs = self._fill(zeros)
        call = Call(args, kwargs)
        found = self._owner._programs.get(call.key)
        return found if found is not None else self._owner._new_program(call)

    def _fill(self, tensors: list) -> tuple:
        given = iter(tensors)
        leaves, spec = nest.flatten_spec(self.structured_input_signature)
        return nest.unflatten(
            spec, [next(given) if isinstance(leaf, TensorSpec) else leaf for leaf in leaves]
        )

    @property
    def name(self) -> str:
        return self._owner.__name__

    @property
    def structured_outputs(self) -> Any:
        """The result's structure, tensors as `tf.TensorSpec`; None while the input shapes are not all known."""
        return None if self._program is None else _outputs_of(self._program)

    def __repr__(self) -> str:
        args, kwargs = self.structured_input_signature
        shown = short_form(self._owner.python_function, args, kwargs, self.structured_outputs)
        return f"<ConcreteFunction {self.name}{shown}>"

    def __str__(self) -> str:
        args, kwargs = self.structured_input_signature
        return "ConcreteFunction " + long_form(
            self._owner.python_function, args, kwargs, self.structured_outputs, self.variables
        )

    @property
    def variables(self) -> tuple:
        return tuple(self._program.reads) if self._program is not None else ()

    @property
    def trainable_variables(self) -> tuple:
        return tuple(variable for variable in self.variables if variable.trainable)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = nest.flat((args, kwargs))
        if len(given) == len(self.inputs) and len(given) != len(self._fixed):
            args, kwargs = self._fill(given)
        for spec, leaf in zip(
            self.inputs, [x for x in nest.flat((args, kwargs)) if hasattr(x, "shape")], strict=True
        ):
            if not spec.shape.is_compatible_with(leaf.shape):
                raise ValueError(
                    f"{self.name}: expected {spec.shape} {spec.dtype.name}, received shape {tuple(leaf.shape)}"
                    f"{at_user_location()}"
                )
        return self._owner(*args, **kwargs)


def _outputs_of(program: Program) -> Any:
    """Returns the structure of a program's results, with a `tf.TensorSpec` for each tensor."""
    values = program.closed.out_avals[: program.num_results]
    return program.rebuild([TensorSpec(value.shape, value.dtype) for value in values])


def _spec_of(leaf: Any) -> Any:
    if isinstance(leaf, TensorSpec):
        return leaf
    return TensorSpec(leaf.shape, leaf.dtype) if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else leaf


def _symbolic_among(leaves: list) -> bool:
    return any(isinstance(leaf, SymbolicTensor) for leaf in leaves)


def function(
    func: Callable | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:
    """Compiles a Python function over tensors with XLA; use as `@tf.function`, `@tf.function(...)` or a call.

    Args:
        func: the function.  Python code in it runs once per signature (shapes and dtypes of tensors, equality of other
            arguments); tensor ops run each time.
        input_signature: list of `tf.TensorSpec`; calls that do not fit raise TypeError.
        reduce_retracing, experimental_relax_shapes: as in TensorFlow; new shapes are handled without retracing for ever
            whatever they say.
        jit_compile, experimental_compile: everything is compiled by XLA in any case.
        autograph: Python control flow on tensors becomes part of the program: see `tf.autograph`.
        experimental_implements, experimental_attributes, experimental_autograph_options,
        experimental_follow_type_hints: accepted for TensorFlow's sake, they only matter to its own graph tools.

    Differs from TensorFlow: calls inside another traced function are inlined; unknown sizes in `input_signature` are
    checked but each actual shape is traced by itself, because XLA needs it.
    """
    reduce = bool(reduce_retracing or experimental_relax_shapes)

    def decorate(python_function: Callable) -> Function:
        if isinstance(python_function, Function):
            return python_function
        return Function(python_function, input_signature, reduce, autograph)

    return decorate if func is None else decorate(func)
