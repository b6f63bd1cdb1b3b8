"""`tf.function`: calls of a Python function as one compiled program.

The first call with a signature traces the Python function; later ones run the program.  XLA compiles for exact shapes,
so a function that keeps meeting new shapes runs op by op on the host engine instead, until a shape proves to be a
frequent one.  A signature with unknown sizes is recorded as a graph (see `function/wide.py`), which every actual shape
runs without the Python code.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import (
    DataDependentShapeError,
    GraphNeededError,
    OperatorNotAllowedInGraphError,
    at_user_location,
)
from dovetail.base.own import declare
from dovetail.base.settings import among_replicas, settings, state
from dovetail.base.told import Told
from dovetail.base.wording import is_of_binding, tell
from dovetail.engine import dtypes, uses_xla
from dovetail.function.autograph.gate import Converting
from dovetail.function.concrete import ConcreteFunction, outputs_of
from dovetail.function.describe import arguments_of, long_form
from dovetail.function.fitting import fitted
from dovetail.function.frequency import Frequency
from dovetail.function.methods import Bound, forget, method_of, weakly
from dovetail.function.nested import in_program, run_inside
from dovetail.function.rebinding import Rebinding
from dovetail.function.signature import (
    Call,
    Parameters,
    SpecCall,
    describe_change,
    fits,
    open_sizes,
)
from dovetail.function.trace import Program, VariableNotKeptError, as_results, example_of, is_inlined
from dovetail.function.wide import Wide, record
from dovetail.graph.construct import CONSTRUCTS, record_construct, spec_of
from dovetail.graph.recording import FunctionGraph, recording, trace
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import TracedInitialValueError
from dovetail.tensor.variable_spec import VariableSpec

MAX_PROGRAMS = 128
TRACES_BEFORE_WARNING = 5
# What Python code that needs to know a size (or a value) raises on symbolic tensors.
_NEEDS_VALUES = (
    OperatorNotAllowedInGraphError,
    DataDependentShapeError,
    NotImplementedError,
    AttributeError,
    IndexError,
    TypeError,
    ValueError,
)


# What wants to know of functions that are traced: called with the function, and the call that it was traced for.
traced_by: list[Callable[[Function, Call], None]] = []


class RetracingWarning(UserWarning):
    """A function is traced again and again."""


@declare
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
        if any(isinstance(leaf, VariableSpec) for leaf in nest.flat(input_signature)):
            raise TypeError(
                f"input_signature describes tensors, received {input_signature!r:.200}. Leave variables out of it: "
                f"pass them without an input_signature, or use them as a closure{at_user_location()}"
            )
        self.input_signature = None if input_signature is None else tuple(input_signature)
        self._reduce_retracing, self._autograph = reduce_retracing, bool(autograph)
        self._run = Converting(python_function, self._autograph)
        self._programs: Bounded = Bounded(MAX_PROGRAMS)
        self._wide: Bounded = Bounded(MAX_PROGRAMS)  # recordings by their keys
        self._shapes_met: Bounded = Bounded(MAX_PROGRAMS)
        self._widens = reduce_retracing or input_signature is not None
        self._concrete: Bounded = Bounded(MAX_PROGRAMS)
        self._borrowed: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._in_place: Bounded = Bounded(MAX_PROGRAMS)
        self._split: Bounded = Bounded(
            MAX_PROGRAMS
        )  # recordings of which a part runs on the host, by exact keys
        self._frequency = Frequency()
        self._rebinding = Rebinding(python_function)
        self._num_traces = 0
        self._creates_variables = True
        self._needs_sizes = False
        self._op_by_op = self._divided = False  # divided: into what runs on the host, and what is compiled
        self._unrecorded: Exception | None = None
        self._warned: set[str] = set()
        self._methods: dict[int, tuple] = {}
        self._parameters = Parameters(python_function)
        functools.update_wrapper(self, python_function)
        self.__name__ = getattr(python_function, "__name__", type(python_function).__name__)
        self._in_form = self._parameters.canonical  # brings equal calls into one form
        if self.input_signature is not None:
            self._in_form = functools.partial(fitted, self.input_signature, self._parameters, self.__name__)

    def keep_op_by_op(self) -> None:
        """Has the function run op by op from the start, without a warning: for one that is known to work on strings."""
        self._op_by_op = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if settings.run_functions_eagerly:
            return self.python_function(*args, **kwargs)
        if self._op_by_op or not uses_xla():
            return self._run_ops(args, kwargs)
        args, kwargs = self._in_form(args, kwargs)
        call = Call(args, kwargs)
        if call.is_symbolic and state.scope is None:
            return record_function(self, args, kwargs)
        if is_inlined(call.tensors):
            return self._inside(call, args, kwargs)
        program = self._programs.get(call.key)
        return self._first_call(call, args, kwargs) if program is None else program.call(call.tensors)

    def _inside(self, call: Call, args: tuple, kwargs: dict) -> Any:
        """Runs a call inside another function that is being traced or recorded."""
        if among_replicas():  # each has its own run of the Python code
            return self._run(args, kwargs)
        if recording() is not None:
            wide = self._recording_inside(args, kwargs)
            if wide is not None:
                return wide.run([leaf for leaf in call.leaves if isinstance(leaf, Tensor | SymbolicTensor)])
        elif in_program(call.leaves) and not any(
            dtypes.is_host_only(tensor._value.dtype) for tensor in call.tensors
        ):
            wide = self._recording_for(call)
            if wide is not None:
                return wide.run(call.tensors)
            program = self._programs.get(call.key) or self._borrowing().get(call.key)
            program = program or self._trace_inside(call)
            if program is not None and not (program.borrows and state.tapes):
                return run_inside(program, call.tensors)
        return self._run(args, kwargs)

    def _trace_inside(self, call: Call) -> Program | None:
        """Traces the Python function for exact shapes inside another trace; None when it must run op by op."""
        program = self._new_program(call)
        if program is not None and program.borrows:
            self._borrowing()[call.key] = self._programs.pop(call.key)
        return program

    def _recording_inside(self, args: tuple, kwargs: dict) -> Wide | None:
        """Returns a recording of the function by itself; None when it must be run in place."""
        call = SpecCall(*nest.mapped(_spec_of, (args, kwargs)))
        found = self._widest_fit(call.key) or self._borrowing().get(call.key)
        if found is None and call.key not in self._in_place:
            found = self._record(call)
            if found is None:
                self._in_place.put(call.key, True)
            elif found.graph.captures:
                self._wide.pop(found.key, None)
                self._borrowing()[call.key] = found
        return found

    def _borrowing(self) -> dict:
        """Returns the traces that hold tensors of the surrounding trace or recording: they are of no use elsewhere."""
        return self._borrowed.setdefault(state.scope, {}) if state.scope is not None else {}

    def _run_ops(self, args: tuple, kwargs: dict) -> Any:
        """Runs the Python function on values, op by op; what works on graphs only has it recorded first."""
        try:
            return as_results(self._run(args, kwargs))
        except GraphNeededError:
            graph, tensors = _recorded_call(self, args, kwargs)
            return as_results(graph.run(tensors))

    def _first_call(self, call: Call, args: tuple, kwargs: dict) -> Any:
        """Runs a call that has no program yet."""
        if state.replica is not None and among_replicas():  # they could not meet in programs of their own
            return self._run_op_by_op(call, args, kwargs)
        split = self._split.get(call.key)
        if split is not None:
            return self._run_split(split, call)
        if self._wide or self._widens or open_sizes(call.spec) or self._may_divide(call):
            wide = self._recording_for(call)
            if wide is not None:
                return self._run_wide(wide, call)
            program = self._programs.get(call.key)  # made when the recording failed
            if program is not None:
                return program.call(call.tensors)
        program = self._rebinding.program_for(call)
        if program is not None:
            return self._programs.put(call.key, program).call(call.tensors)
        if self._worth_a_program(call):
            program = self._new_program(call)
            if program is not None:
                self._rebinding.note(call, program)
                return program.call(call.tensors)
            wide = self._widest_fit(call.key) if self._divided else None
            if wide is not None:
                return self._run_wide(wide, call)
        result = self._run_op_by_op(call, args, kwargs)
        if self._unrecorded is not None:
            self._say_unrecorded(self._unrecorded)
        return result

    def _run_wide(self, wide: Wide, call: Call) -> Any:
        """Runs a call by a recording that serves it."""
        program = wide.program_for(call.tensors)
        if program is not None and not wide.knows_integers:
            return self._programs.put(call.key, program).call(call.tensors)
        if wide.split is not None or wide.knows_integers:
            return self._run_split(self._split.put(call.key, wide), call)
        if wide.why is not None:
            self._say("data", f"{self.__name__} runs op by op, it cannot be compiled: {wide.why}")
        return wide.run_op_by_op(call.tensors)

    def _run_split(self, wide: Wide, call: Call) -> Any:
        """Runs a call in parts, on the host and compiled."""
        result = wide.call(call.tensors)
        why = wide.split.why if wide.split is not None else None
        if why is not None:
            self._say("data", f"a part of {self.__name__} runs op by op, it cannot be compiled: {why}")
        return result

    # ---- traces for exact shapes

    def _worth_a_program(self, call: Call) -> bool:
        """Decides whether a call is compiled or runs op by op; says what makes a function trace again and again."""
        if _holds_strings(call):
            return False
        family = call.family()
        if not self._frequency.compiles(family, call.key):
            self._say(
                "shapes",
                f"{self.__name__} keeps meeting new shapes; XLA would compile for each, so new shapes run op by op "
                "until they come often. Pad to a few sizes to have everything compiled.",
            )
            return False
        if (
            not self._frequency.has_met(family)
            and self._programs
            and self._num_traces >= TRACES_BEFORE_WARNING
        ):
            last = next(reversed(self._programs))
            self._say(
                "retracing",
                f"{self.__name__} has been traced {self._num_traces} times: "
                f"{describe_change(self.python_function, last, call.key)}. Pass numbers that vary as tensors "
                "(tf.constant), and keep shapes and Python arguments the same between calls.",
            )
        return True

    def _new_program(self, call: Call) -> Program | None:
        """Traces the Python function for exact shapes; None when the function must run op by op."""
        try:
            program = self._trace(call)
        except TracedInitialValueError:
            if state.scope is not None:
                raise
            self._creates_variables = False  # but for this call, which knows the value
            self._num_traces += 2
            return None
        except DataDependentShapeError as error:
            if state.scope is not None:
                raise
            if isinstance(call, SpecCall) or self._divides(call):  # without values, it is recorded as it is
                return None
            self._op_by_op = True
            self._say("data", f"{self.__name__} runs op by op, it cannot be compiled: {error}")
            return None
        self._frequency.compiled(call.family())
        return self._programs.put(call.key, program)

    def _trace(self, call: Call) -> Program:
        def run(tensors: list) -> Any:
            args, kwargs = call.rebuild(tensors)
            try:
                return self._run(args, kwargs)
            except TypeError as error:
                if is_of_binding(error, frames=2):  # this one and _run
                    tell(self.__name__, error, Parameters(self.python_function).names, args, kwargs)
                raise

        examples = [example_of(t) for t in call.tensors]
        program = Program(run, examples, may_create=self._creates_variables, called_anew=True)
        self._num_traces += 1
        self._creates_variables = False
        program.require_kept_variables(self.__name__)
        if program.created:  # as every later call will find them
            program = Program(run, examples, may_create=False, called_anew=True)
            self._num_traces += 1
        for note in traced_by:
            note(self, call)
        return program

    def _run_op_by_op(self, call: Call, args: tuple, kwargs: dict) -> Any:
        if call.has_arrays:
            args, kwargs = call.rebuild(call.tensors)
        state.host_only += 1
        try:
            return self._run_ops(args, kwargs)
        finally:
            state.host_only -= 1

    # ---- recordings of unknown sizes

    def _recording_for(self, call: Call) -> Wide | None:
        """Returns the recording that serves a call, a new one if the signature asks for it."""
        found = self._widest_fit(call.key)
        if found is not None or self._needs_sizes:
            return found
        wanted = self._wanted(call)
        if wanted is None or (wanted.is_exact and not self._may_divide(call)):
            return None
        return self._record(wanted, call)

    def _widest_fit(self, key: tuple) -> Wide | None:
        fitting = [wide for wide in list(self._wide.values()) if fits(wide.key, key)]
        return min(fitting, key=lambda wide: wide.generality) if fitting else None

    def _wanted(self, call: Call) -> SpecCall | None:
        """Returns what to record for a call: as declared, or what the shapes so far have in common."""
        if self.input_signature is not None:
            if not all(isinstance(leaf, TensorSpec) for leaf in nest.flat(self.input_signature)):
                return None
            return SpecCall(self.input_signature, {})
        opened, exact = call.opened(), self._may_divide(call)
        if not self._reduce_retracing and not (exact and self._num_traces >= TRACES_BEFORE_WARNING):
            return None if opened is None and not exact else call.widened(opened or call.shapes)
        wanted, kind = call.widened(opened or call.shapes), call.kind()
        met = self._shapes_met.get(kind)
        if met is not None:
            wanted = met.joined(wanted)
        self._shapes_met.put(kind, wanted)
        return None if met is None and opened is None and not exact else wanted

    def _may_divide(self, call: Call) -> bool:
        """Whether what a call does is recorded in any case, to be divided: its arguments are strings, or it must be."""
        return self._divided or _holds_strings(call)

    def _divides(self, call: Call) -> bool:
        """Records a function that cannot be compiled as a whole; returns whether a part of it can."""
        wide = self._record(call.widened(call.shapes))
        if wide is None:
            return False
        whole = wide.program_for(call.tensors) is not None and not wide.knows_integers
        self._divided = not whole and (wide.split is not None or wide.knows_integers)
        if not self._divided:
            self._wide.pop(wide.key, None)
        return self._divided

    def _record(self, wanted: SpecCall, call: Call | None = None) -> Wide | None:
        """Records the Python function; None, with a warning, when its code needs to know sizes or values.

        Args:
            wanted: the signature.
            call: an actual call, which is traced to see that the Python code itself is right.
        """
        try:
            graph, times = record(wanted, self._run, self.python_function, self._creates_variables)
        except VariableNotKeptError:
            raise
        except _NEEDS_VALUES as error:
            if call is None or self._worth_a_program(call) and self._new_program(call) is None:
                return None
            self._needs_sizes = True
            if _holds_strings(call):
                self._unrecorded = error
            elif self._widens:
                self._say(
                    "sizes",
                    f"{self.__name__} is traced for each shape by itself, its Python code cannot run with unknown "
                    f"sizes: {type(error).__name__}: {error}",
                )
            return None
        self._num_traces += times
        self._creates_variables = False
        # Who leaves sizes open expects that they change.
        changing = (self._widens or call is None) and not wanted.is_exact
        make_frequency = functools.partial(Frequency, at_once=0) if changing else Frequency
        for note in traced_by:
            note(self, wanted)
        return self._wide.put(wanted.key, Wide(wanted, graph, make_frequency))

    def _say_unrecorded(self, error: Exception) -> None:
        self._say(
            "strings",
            f"{self.__name__} runs op by op: with strings among its arguments its numbers are compiled when its Python "
            f"code can run without values, and it cannot: {type(error).__name__}: {error}",
        )

    def _say(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"tf.function: {message}{at_user_location()}", RetracingWarning, stacklevel=5)

    # ---- what users ask for

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Binds to an instance: each instance has its own traces."""
        if instance is None:
            return self
        key = id(instance)
        found = self._methods.get(key)
        if found is None or found[0]() is not instance:
            alive = weakly(instance, functools.partial(forget, self._methods, key))
            bound = method_of(alive, self.python_function)
            found = (alive, Function(bound, self.input_signature, self._reduce_retracing, self._autograph))
            self._methods[key] = found
        return Bound(instance, found[1])

    def __reduce__(self) -> tuple:
        """Copies and pickles carry no traces."""
        return Function, (self.python_function, self.input_signature, self._reduce_retracing, self._autograph)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Returns the function for one signature: pass tensors or `tf.TensorSpec`s.

        The same signature gives the same object.  Unknown sizes are recorded once and serve every size.
        """
        if not args and not kwargs and self.input_signature is not None:
            args = self.input_signature
        call = SpecCall(*self._in_form(args, kwargs))
        trace = self._trace_for(call)
        key = trace.key if isinstance(trace, Wide) else call.key
        found = self._concrete.get(key)
        if found is None or found.trace is not trace:
            described = trace.call_spec if isinstance(trace, Wide) else call
            found = self._concrete.put(key, ConcreteFunction(self, described, trace))
        return found

    def _trace_for(self, call: SpecCall) -> Program | Wide | None:
        """Returns the trace for a signature: one for exactly it, a wider one that fits, a new one."""
        if not uses_xla():
            return None
        if call.is_exact:
            found = self._programs.get(call.key) or self._widest_fit(call.key)
            strings = any(dtypes.is_host_only(spec.dtype.numpy_dtype) for spec in call.tensors)
            if found is None and not self._op_by_op and not strings:
                found = self._new_program(call)
            return self._record(call) if found is None else found
        return self._widest_fit(call.key) or self._record(call)

    def program_for(self, *args: Any, **kwargs: Any) -> Program | None:
        """Returns the program that a call with these arguments runs; None where it has none yet."""
        return self._programs.get(Call(*self._in_form(args, kwargs)).key)

    def graph_of(self, call: SpecCall) -> FunctionGraph:
        """Records the function for a signature, as a graph to look at."""
        return record(call, self._run, self.python_function, may_create=False)[0]

    def experimental_get_tracing_count(self) -> int:
        """Returns how often the Python function has been traced."""
        return self._num_traces

    @property
    def function_spec(self) -> inspect.Signature:
        return inspect.signature(self.python_function)

    def pretty_printed_concrete_signatures(self) -> str:
        """Returns a paragraph a traced signature: the arguments and the output."""
        return "\n\n".join(
            long_form(self.python_function, *arguments_of(key), outputs_of(program), program.reads)
            for key, program in self._programs.items()
        )


def _holds_strings(call: Call) -> bool:
    """True for calls with strings among their tensors, which XLA does not have."""
    return any(tensor._value.dtype.kind in dtypes.HOST_ONLY_KINDS for tensor in call.tensors)


def call_function(function: Any, args: list) -> Any:
    """Calls a recorded function with flat tensors, compiled as any `tf.function` is."""
    graph = getattr(function, "graph", None)
    if graph is None:
        return function(*args)
    if graph not in _COMPILED:
        _COMPILED[graph] = Function(_runner(weakref.ref(graph)))
    return _COMPILED[graph](args, function.captures)


_COMPILED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
CONSTRUCTS["tf.function"] = call_function


def _runner(graph: Callable) -> Callable:
    return lambda values, captures: graph().run(values, captures)


def record_function(function: Function, args: tuple, kwargs: dict) -> Any:
    """Records a call on symbolic tensors as one node, which holds the graph of the function."""
    graph, tensors = _recorded_call(function, args, kwargs)
    described = nest.map_structure(
        lambda x: spec_of(x) if hasattr(x, "dtype") else x, graph.structured_outputs
    )
    return record_construct(call_function, "tf.function", {"function": graph, "args": tensors}, described)


def _recorded_call(function: Function, args: tuple, kwargs: dict) -> tuple[FunctionGraph, list]:
    """Returns the graph of a function for the tensors of a call, and the tensors."""
    leaves, spec = nest.flatten_spec((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor | SymbolicTensor)]

    def call(*tensors: Any) -> Any:
        filled = list(leaves)
        for i, tensor in zip(places, tensors, strict=True):
            filled[i] = tensor
        given, named = nest.unflatten(spec, filled)
        return function._run(given, named)

    tensors = [leaves[i] for i in places]
    return trace(call, tensors, name=function.__name__), tensors


def _spec_of(leaf: Any) -> Any:
    return spec_of(leaf) if isinstance(leaf, Tensor | SymbolicTensor) else leaf


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
        reduce_retracing, experimental_relax_shapes: from the second shape on, the function is recorded once with
            unknown sizes, and serves every shape.
        jit_compile, experimental_compile: everything is compiled by XLA in any case.
        autograph: Python control flow on tensors becomes part of the program: see `tf.autograph`.
        experimental_implements, experimental_attributes, experimental_autograph_options,
        experimental_follow_type_hints: accepted for TensorFlow's sake, they only matter to its own graph tools.

    Differs from TensorFlow: Python code that cannot run with the unknown sizes of a signature is traced for each actual
    shape, with a warning.
    """
    reduce = bool(reduce_retracing or experimental_relax_shapes)

    def decorate(python_function: Callable) -> Function:
        if isinstance(python_function, Function):
            return python_function
        return Function(python_function, input_signature, reduce, autograph)

    return decorate if func is None else decorate(func)
