"""Tracing: a Python function over tensors and variables becomes a pure program on arrays.

The program takes the tensors of the call and the variables that were read, and returns the tensors of the result and
the variables that were written.  Variables need not be known in advance: each becomes an input when it is first read.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import (
    DataDependentShapeError,
    GraphNeededError,
    InaccessibleTensorError,
    at_user_location,
)
from dovetail.base.settings import state
from dovetail.engine import dtypes, effects, is_tracer, jax_private_module, xla
from dovetail.function.notes import Notes
from dovetail.graph.recording import trace
from dovetail.ops.core import Op
from dovetail.tensor.convert import RETURNED_AS_TENSORS, convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.transaction import Transaction
from dovetail.tensor.variable import Scope, Variable, enter_scope


class VariableNotKeptError(ValueError):
    """A function creates a variable on each call, because nothing keeps it."""


def require_kept(created: list[tuple[Any, str]], name: str) -> None:
    """Raises VariableNotKeptError when a variable that a trace created is gone.

    Args:
        created: a weak reference to each variable, and its name.
        name: the function's.
    """
    gone = [label for alive, label in created if alive() is None]
    if gone:
        raise VariableNotKeptError(
            f"{name}: the tf.Variable {gone[0]!r} would be created on a later call too, because nothing keeps it. "
            "Create it outside of the function, or keep it: `if self.v is None: self.v = tf.Variable(...)`"
            f"{at_user_location()}"
        )


class TraceScope(Scope):
    """Collects the variables that a traced function reads and writes.

    Args:
        may_create: whether variables may be created while it is active.
        gives_out: whether what is stored aside (see `give_out`) becomes a result of the program.
    """

    def __init__(self, may_create: bool = True, gives_out: bool = False) -> None:
        super().__init__()
        self.may_create, self.gives_out = may_create, gives_out
        self.given_out: list[tuple[Tensor, Callable]] = []
        self.drops: list[Callable] = []
        self.trace = jax_private_module().current_trace()
        self.trace_around = state.scope
        self.first: dict[int, Tensor] = {}
        self.new: list[Variable] = []

    def first_read(self, variable: Variable) -> Tensor:
        if dtypes.is_host_only(variable._numpy_dtype):
            raise DataDependentShapeError(
                "read_value", f"{variable.name}: XLA has no strings{at_user_location()}"
            )
        value = jax_private_module().new_argument(self.trace, variable._array)
        tensor = self.first[id(variable)] = Tensor(value)
        return tensor

    def created(self, variable: Variable) -> None:
        self.new.append(variable)

    def give_out(self, tensor: Any, store: Callable, drop: Callable) -> None:
        if self.gives_out and isinstance(tensor, Tensor) and is_tracer(tensor._value):
            self.given_out.append((tensor, store))
            self.drops.append(functools.partial(drop, tensor))


class _ProgramOp(Op):
    """A program as an op.

    Attributes:
        program: the program.
    """

    program: Program | None = None
    _by_rows: dict[tuple, Op]

    def connected(self, outputs: list[int]) -> set[int]:
        """Returns the inputs that have a gradient when these outputs have one.

        As in TensorFlow, arguments that nothing depends on have zeros, variables have none.
        """
        program = self.program
        if program is None:
            return set(range(len(self.tensors)))
        reached = program.reached
        return set(range(program.num_tensors)).union(*[reached[i] for i in outputs])

    def row_gradients(self, needed: tuple[int, ...]) -> tuple[Op, list[int]] | None:
        """Returns the op that gives gradients by the rows that were looked up, and whose rows: None: there are none.

        Its results are the gradients of the other `needed` inputs, then the rows' gradient and their places for each
        look-up.
        """
        program = self.program
        if program is None:
            return None
        looked_up = [i for i in program.look_ups if i in needed]
        if not looked_up:
            return None
        found = self._by_rows.get(needed)
        if found is None:
            body = _rows_body(program.quiet_closed, set(looked_up), needed)
            found = self._by_rows[needed] = Op(
                "tf.function_gradient", body, same_dtype=0, engine="xla", several=True
            )
            found.optional = len(found.tensors)
        return found, looked_up


def as_graph(python_function: Callable) -> Callable:
    """Returns the function of a list of tensors recorded first and then run, for what works on graphs only."""
    return lambda tensors: trace(python_function, (tensors,)).run(tensors)


class Program:
    """A traced function: a pure program on arrays, and what its inputs and outputs mean.

    Attributes:
        closed: the closed jaxpr: `(*tensor values, *values of reads) -> (*tensor results, *values of writes)`.
        reads: variables whose values are inputs.
        writes: variables whose new values are outputs.
        created: variables that were created by the trace.
        num_results: how many of the outputs are tensors of the result.
        stores: functions that store further outputs, one each, where the Python function stored them: losses of layers.

    Args:
        python_function: takes a list of tensors.
        examples: shapes and dtypes of the tensors.
        may_create: whether it may create variables.
        called_anew: the program stands for calls of the Python function: what that stores aside is stored with each
            call, and results that are known while it is traced stay what they are.
    """

    def __init__(
        self, python_function: Callable, examples: list, may_create: bool = True, called_anew: bool = False
    ) -> None:
        self.reads: list[Variable] = []
        self.writes: list[Variable] = []
        self.created: list[Variable] = []
        self.stores: list[Callable] = []
        self.notes: Notes | None = None
        self._python_function, self._may_create, self._called_anew = python_function, may_create, called_anew
        self._result_leaves: list = []
        self._result_spec: Any = None
        self.num_tensors = len(examples)
        try:
            self.full = jax_private_module().trace(self._flat, examples)
        except GraphNeededError:  # such as tf.gradients
            created, self._python_function = self.created, as_graph(python_function)
            self.notes = None
            self.full = jax_private_module().trace(self._flat, examples)
            self.created = [*created, *self.created]
        self.closed = self.full if self.notes is None else self.notes.without_own_outputs(self.full)
        self.num_results = sum(1 for leaf in self._result_leaves if leaf is _TENSOR)
        self._only_tensors = self.num_results == len(self._result_leaves)
        spec: Any = self._result_spec
        self._one_tensor = self._only_tensors and spec.is_leaf()
        del self._python_function

    def require_kept_variables(self, name: str) -> None:
        """Raises VariableNotKeptError when a variable that the trace created is gone."""
        created = {id(variable) for variable in self.created}
        if not created:
            return
        kept: list[Any] = [weakref.ref(v) if id(v) in created else v for v in self.reads]
        written = [weakref.ref(v) for v in self.writes]
        names = [(weakref.ref(variable), variable.name) for variable in self.created]
        self.reads, self.writes, self.created = [], [], []
        require_kept(names, name)
        reads = [item() if type(item) is weakref.ref else item for item in kept]
        self.reads = [variable for variable in reads if variable is not None]
        self.writes = [variable for alive in written if (variable := alive()) is not None]
        self.created = [variable for alive, _ in names if (variable := alive()) is not None]

    def _flat(self, *values: Any) -> list:
        """Runs the Python function on traced values; called once, by the tracer."""
        scope = TraceScope(self._may_create, self._called_anew)
        tapes = state.tapes
        state.tapes = tuple(tape for tape in tapes if tape.stays_in_traces)
        tensors = [Tensor(value) for value in values]
        if self._called_anew and tapes and scope.trace_around is not None:
            self.notes = Notes(tensors)
            state.tapes = (self.notes, *state.tapes)
        try:
            with enter_scope(scope):
                result = self._python_function(tensors)
        finally:
            state.tapes = tapes
            self.created = scope.new
        leaves, self._result_spec = nest.flatten_spec(result)
        outputs, results = [], []
        for leaf in leaves:
            if isinstance(leaf, RETURNED_AS_TENSORS) or (
                isinstance(leaf, TensorLike) and not isinstance(leaf, SymbolicTensor)
            ):
                with enter_scope(scope):
                    tensor = convert_to_tensor(leaf)
                known = self._called_anew and not is_tracer(tensor._value)
                if known or dtypes.is_host_only(tensor._value.dtype):  # XLA has no strings
                    self._result_leaves.append(tensor)
                    continue
                outputs.append(tensor._value)
                results.append(tensor)
                self._result_leaves.append(_TENSOR)
            else:
                self._result_leaves.append(leaf)
        self.reads = list(scope.read.values())
        # In the order in which they are read: JAX gives the memory of the first input of a shape to the first output
        # of that shape, and a value that moves to the memory of another variable costs a copy.
        places = {key: place for place, key in enumerate(scope.read)}
        self.writes = sorted(scope.written.values(), key=lambda v: places.get(id(v), len(places)))
        self.stores = [store for _, store in scope.given_out]
        for drop in scope.drops:  # what is stored now has no value once the trace has ended
            drop()
        written = [scope.tensors[id(variable)]._value for variable in self.writes]
        outputs += [*written, *[tensor._value for tensor, _ in scope.given_out]]
        if self.notes is None or self.notes.failed:
            self.notes = None
            return outputs
        first_reads = [scope.first[id(variable)] for variable in self.reads]
        own = [*results, *[None] * len(written), *[tensor for tensor, _ in scope.given_out]]
        return outputs + self.notes.finish([*tensors, *first_reads], own)

    @functools.cached_property
    def borrows(self) -> bool:
        """Whether it holds tensors of a trace around it, and so is of use in that trace only."""
        return any(map(is_tracer, self.closed.consts))

    @functools.cached_property
    def run(self) -> Callable:
        """The program as a function of flat arrays."""
        return jax_private_module().as_function(xla("tf.function").rewritten(self.closed))

    @functools.cached_property
    def run_in_full(self) -> Callable:
        """The program as a function of flat arrays, with what its notes tell of."""
        return jax_private_module().as_function(self.full)

    @functools.cached_property
    def compiled(self) -> Callable:
        """The compiled program; it may reuse the memory of the variables that it writes.

        Raises:
            InaccessibleTensorError: it holds a tensor of a trace that is over.
        """
        if self.borrows:
            raise InaccessibleTensorError(
                "a tensor that was made in a loop, a branch or another function was used outside of it: it was "
                "appended to a list in a loop on tensors, or kept in an attribute. Return it, make it a variable of "
                f"the loop, or collect in a tf.TensorArray{at_user_location()}"
            )
        given = tuple(i for i, donated in enumerate(self.donated, self.num_tensors) if donated)
        options: dict[str, Any] = {"donate_argnums": given, "compiler_options": self.options}
        layouts = [variable._layout for variable in self.writes]
        if any(layouts):  # what variables get lies as they do
            kept = [None if layout is None else layout.sharding for layout in layouts]
            options["out_shardings"] = [*[None] * self.num_results, *kept, *[None] * len(self.stores)]
        return xla("tf.function").jit(self.run, **options)

    @functools.cached_property
    def options(self) -> dict | None:
        """What XLA's compiler is told about the program."""
        return xla("tf.function").compiler_options(jax_private_module().convolves(self.closed))

    @functools.cached_property
    def donated(self) -> list[bool]:
        """For each variable read, whether its buffer is given to the program.

        A program that checks keeps its inputs: when a check fails, the variables keep their values.
        """
        written = {id(variable) for variable in self.writes}
        return [id(variable) in written and not self.has_effects for variable in self.reads]

    @functools.cached_property
    def _transaction(self) -> Transaction:
        """What runs the program over the variables; one with effects does not keep other threads waiting."""
        return Transaction(self.reads, self.donated, self.writes, self.num_results, not self.has_effects)

    def _settled(self, *values: Any) -> Any:
        """Runs the compiled program; its prints and checks are through when this returns."""
        outputs = self.compiled(*values)
        effects.settle()
        return outputs

    @functools.cached_property
    def has_effects(self) -> bool:
        """Whether the program prints or checks."""
        return jax_private_module().has_effects(self.closed)

    @functools.cached_property
    def op(self) -> Op:
        """The program as an op, for tapes that are active around the call."""
        op = _ProgramOp("tf.function", _body_of(self.run), same_dtype=0, engine="xla", several=True)
        op.program, op._by_rows = self, {}
        if self.has_effects:
            private = jax_private_module()
            quiet = private.as_function(private.without_callbacks(self.closed))
            op.quiet = Op("tf.function", _body_of(quiet), same_dtype=0, engine="xla", several=True)
        return op

    @functools.cached_property
    def reached(self) -> list[set[int]]:
        """For each output, the inputs that it depends on smoothly."""
        return jax_private_module().dependencies(self.closed)

    @functools.cached_property
    def look_ups(self) -> list[int]:
        """For each look-up of rows, the input that it reads; inputs that are used in other ways too are left out."""
        return jax_private_module().look_ups(self.closed)

    @property
    def quiet_closed(self) -> Any:
        """The program without its prints and checks."""
        return jax_private_module().without_callbacks(self.closed) if self.has_effects else self.closed

    def same_results(self, other: Program) -> bool:
        """Whether another program's result has the same structure, with the same objects that are no tensors."""
        pairs = zip(self._result_leaves, other._result_leaves, strict=False)
        return self._result_spec == other._result_spec and all(one is two for one, two in pairs)

    def rebuild(self, tensors: list) -> Any:
        """Packs result tensors into the structure that the Python function returned."""
        if self._one_tensor:
            return tensors[0]
        if not self._only_tensors:
            given = iter(tensors)
            tensors = [next(given) if leaf is _TENSOR else leaf for leaf in self._result_leaves]
        return nest.unflatten(self._result_spec, tensors)

    def call(self, tensors: list) -> Any:
        """Runs the program on tensors and the current values of the variables, and stores what it writes."""
        if state.tapes:
            return self._call_taped(tensors)
        run = self._settled if self.has_effects else self.compiled
        outputs = self._transaction.run(run, *[t._value for t in tensors])
        if self.stores:
            self.store_aside([Tensor(value) for value in outputs[self.num_results + len(self.writes) :]])
        return self.rebuild([Tensor(value) for value in outputs[: self.num_results]])

    def store_aside(self, tensors: list) -> None:
        """Stores the outputs that the Python function stored aside."""
        for store, tensor in zip(self.stores, tensors, strict=True):
            store(tensor)

    def _call_taped(self, tensors: list) -> Any:
        autocast = state.autocast

        def run(reads: list) -> Sequence:
            state.autocast = autocast
            outputs = self.op.call((*tensors, *reads), {})
            if self.has_effects:
                effects.settle()
            return outputs

        state.autocast = None  # variables are inputs as they are
        try:
            outputs = self._transaction.run_on_tensors(run)
        finally:
            state.autocast = autocast
        split = self.num_results
        self.store_aside(list(outputs[split + len(self.writes) :]))
        return self.rebuild(list(outputs[:split]))


def _body_of(run: Callable) -> Callable:
    def body(xp: Any, *arrays: Any) -> tuple:
        return tuple(run(*arrays))

    return body


def _noted(shapes: list, rows: Any) -> int:
    shapes.append(rows)
    return 0


def _rows_body(closed: Any, tables: set[int], needed: tuple[int, ...]) -> Callable:
    """Returns the body of `_ProgramOp.row_gradients`' op: `(*inputs, *cotangents) -> gradients`."""
    num = len(closed.in_avals)
    others = [i for i in needed if i not in tables]

    def gradient(xp: Any, *arrays: Any) -> tuple:
        return linearized(closed, tables, others, list(arrays[:num]))[1](arrays[num:])

    return gradient


def linearized(closed: Any, tables: set[int], others: list[int], inputs: list) -> tuple[list, Callable]:
    """Runs a traced program, and returns its outputs and a function from their cotangents to gradients.

    Args:
        closed: the program.
        tables: the inputs whose gradient is wanted by the rows that were looked up.
        others: the inputs whose gradient is wanted whole.
        inputs: arrays.

    The gradients are those of `others`, then rows and their places for each look-up in a table.
    """
    xp = xla("tf.function")
    run = jax_private_module().with_offsets(closed, tables)
    shapes: list = []
    if tables:
        xp.eval_shape(lambda: run(inputs, functools.partial(_noted, shapes)))

    def forward(wanted: list, offsets: list) -> tuple:
        values = list(inputs)
        for position, value in zip(others, wanted, strict=True):
            values[position] = value
        given = iter(offsets)
        return run(values, lambda rows: next(given))

    zeros = [xp.zeros(rows.shape, rows.dtype) for rows in shapes]
    outputs, pull, places = xp.vjp(forward, [inputs[i] for i in others], zeros, has_aux=True)

    def pulled(cotangents: Any) -> tuple:
        seeds = [
            cotangent if out.dtype in dtypes.DIFFERENTIABLE else xp.zero_cotangent(out)
            for out, cotangent in zip(outputs, cotangents, strict=True)
        ]
        dense, rows = pull(seeds)
        return (*dense, *(part for pair in zip(rows, places, strict=True) for part in pair))

    return outputs, pulled


class _Marker:
    def __repr__(self) -> str:
        return "<tensor>"


_TENSOR = _Marker()


def example_of(tensor: Tensor | TensorSpec) -> Any:
    """Returns what the tracer needs to know of a tensor, or of a spec whose sizes are known."""
    if isinstance(tensor, TensorSpec):
        return xla("tracing").ShapeDtypeStruct(tuple(tensor.shape), tensor.dtype.numpy_dtype)
    value = tensor._value
    return xla("tracing").ShapeDtypeStruct(value.shape, value.dtype)


def is_inlined(tensors: list) -> bool:
    """True when a call on these tensors is a part of what is traced around it: in a scope, or on values not known."""
    if state.scope is not None:
        return True
    for tensor in tensors:  # noqa: SIM110  every call comes by here: no generator
        if type(tensor) is SymbolicTensor or is_tracer(tensor._value):
            return True
    return False


def as_results(result: Any) -> Any:
    """Returns what a function run op by op gives, with tensors where a compiled one would have them."""
    if type(result) is Tensor:
        return result
    leaves, spec = nest.flatten_spec(result)
    return nest.unflatten(
        spec, [convert_to_tensor(leaf) if isinstance(leaf, RETURNED_AS_TENSORS) else leaf for leaf in leaves]
    )
