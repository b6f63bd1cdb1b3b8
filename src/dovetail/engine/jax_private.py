"""The one file that touches private or version-dependent names of JAX.

Tracing a function that reads variables needs inputs that are not known when the trace begins: each variable becomes
an input when it is first read.  JAX has the mechanism (a trace can append an argument) but no public name for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax._src import config, core, source_info_util, xla_bridge
from jax._src.array import ArrayImpl  # noqa: F401 - the class of concrete arrays
from jax._src.interpreters import partial_eval
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from dovetail.base.bounded import Bounded
from dovetail.engine import dtypes

_CONVOLUTION = "conv_general_dilated"


def backends_started() -> bool:
    """True when JAX has started a backend, so that its setup can no longer change."""
    return xla_bridge.backends_are_initialized()


def current_trace() -> Any:
    """Returns the innermost trace of this thread."""
    return core.trace_ctx.trace


def in_trace() -> bool:
    """True while something is being traced in this thread."""
    return not core.trace_state_clean()


def inside(trace: Any) -> Any:
    """Returns a context in which this thread goes on with a trace that another thread has begun, and waits for."""
    return core.set_current_trace(trace)


def new_argument(trace: Any, value: Any) -> Any:
    """Appends an argument shaped like `value` to `trace`, and returns its tracer."""
    return trace.new_arg(core.typeof(value), source_info=source_info_util.current())


def outside_of_traces() -> Any:
    """Returns a context in which JAX runs eagerly, whatever is being traced around it."""
    return core.eval_context()


def trace(function: Callable, examples: list) -> Any:
    """Traces `function(*examples)`, which returns a flat list of arrays, into a closed jaxpr.

    Arguments appended by `new_argument` while it runs follow the declared ones, in order.
    """
    try:
        return jax.make_jaxpr(function)(*examples)
    except Exception as error:
        _drop_note(error)
        raise


_MOST_KNOWN = 8  # elements of an array that may be a part of a signature
_into_trace = getattr(partial_eval, "inline_jaxpr_into_trace", None)
_MAY_COPY = _into_trace is not None and list(inspect.signature(_into_trace).parameters)[:4] == [
    *("trace", "src", "jaxpr", "consts")
]


def signature_in_trace(values: tuple) -> tuple | None:
    """Returns what decides which equations a pure function of arrays adds to the trace that this thread is in.

    None: this is not the kind of trace that equations can be copied into, or not all values are known to it.
    """
    trace = core.trace_ctx.trace
    if type(trace) is not partial_eval.DynamicJaxprTrace or not _MAY_COPY:
        return None
    parts: list = [config.trace_context()]
    for value in values:
        if type(value) is partial_eval.DynamicJaxprTracer:
            if value._trace is not trace:
                return None
            parts.append(value.aval)
        elif type(value) is np.ndarray and value.size <= _MOST_KNOWN:
            parts.append((value.shape, value.dtype, value.tobytes()))
        elif value is None:
            parts.append(None)
        else:
            return None
    return tuple(parts)


def copied_into_trace(closed: Any, values: tuple) -> list:
    """Adds the equations of a closed jaxpr to the trace that this thread is in, and returns the outputs' tracers.

    Args:
        closed: it was made for values of this signature; its inputs are the tracers among them.
        values: they have a `signature_in_trace`.
    """
    tracers = [value for value in values if type(value) is partial_eval.DynamicJaxprTracer]
    source = source_info_util.current()
    return _into_trace(core.trace_ctx.trace, source, closed.jaxpr, closed.consts, *tracers)  # type: ignore[misc]


def _drop_note(error: BaseException) -> None:
    """Takes JAX's remark about its own frames off an error that user code raised while it was traced."""
    notes = getattr(error, "__notes__", [])
    notes[:] = [note for note in notes if "JAX_TRACEBACK_FILTERING" not in note]


def as_function(closed: Any) -> Callable:
    """Returns the traced program as a function of flat arguments that returns a list.

    A trace of it gets the program's equations as they are: nothing is worked out anew, as far as arguments are alike.
    """
    evaluate_all = jaxpr_as_fun(closed)

    def program(*arguments: Any) -> list:
        if _may_be_copied(closed, arguments):
            return copied_into_trace(closed, arguments)
        return evaluate_all(*arguments)

    return program


def _may_be_copied(closed: Any, arguments: tuple) -> bool:
    """Whether a program's equations hold for arguments in the trace that this thread is in."""
    trace = core.trace_ctx.trace
    if type(trace) is not partial_eval.DynamicJaxprTrace or not _MAY_COPY or closed.effects:
        return False
    if any(isinstance(value, core.Tracer) for value in closed.consts):
        return False
    return all(
        type(value) is partial_eval.DynamicJaxprTracer and value._trace is trace and value.aval == aval
        for value, aval in zip(arguments, closed.in_avals, strict=True)
    )


def evaluate(closed: Any, constants: list, arguments: list) -> list:
    """Runs a traced program with other values for what it captured."""
    return core.eval_jaxpr(closed.jaxpr, constants, *arguments)


def without_callbacks(closed: Any) -> Any:
    """Returns the program without its prints and checks, also in the branches and loops inside."""
    return closed.replace(jaxpr=_quiet(closed.jaxpr)) if closed.effects else closed


def _quiet(jaxpr: Any) -> Any:
    if not jaxpr.effects:
        return jaxpr
    kept = [equation for equation in jaxpr.eqns if equation.primitive.name != "debug_callback"]
    equations = [
        equation.replace(
            params={name: _quiet_parameter(value) for name, value in equation.params.items()},
            effects=_without_debugging(equation.effects),
        )
        for equation in kept
    ]
    return jaxpr.replace(eqns=equations, effects=_without_debugging(jaxpr.effects))


def _quiet_parameter(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return without_callbacks(value)
    if isinstance(value, core.Jaxpr):
        return _quiet(value)
    if isinstance(value, tuple | list):
        return type(value)(_quiet_parameter(item) for item in value)
    return value


def _without_debugging(effects: Any) -> Any:
    return frozenset(effect for effect in effects if "Debug" not in type(effect).__name__)


def prune(closed: Any, keep: list[bool]) -> Any:
    """Returns the program without the arguments that `keep` drops (they must be unused)."""
    jaxpr = closed.jaxpr
    invars = [variable for variable, kept in zip(jaxpr.invars, keep, strict=True) if kept]
    return ClosedJaxpr(jaxpr.replace(invars=invars, debug_info=None), closed.consts)


def first_outputs(closed: Any, count: int) -> Any:
    """Returns the program with its first outputs only."""
    return ClosedJaxpr(
        closed.jaxpr.replace(outvars=closed.jaxpr.outvars[:count], debug_info=None), closed.consts
    )


def known_part(closed: Any, known: list[bool], wanted: list[int]) -> tuple[list[int], Callable] | None:
    """Returns the part of a loop's step that the wanted elements of its carry depend on, if all of it is known.

    Args:
        closed: the step, from the carry to `[whether to go on, *next carry]`; constants that are tracers are unknown.
        known: which elements of the first carry are.
        wanted: positions in the carry.

    Returns:
        the positions of the elements in that part, and the step as a function of lists of them; None: not known.
    """
    closed = without_callbacks(closed)
    constants = [isinstance(value, core.Tracer) for value in closed.consts]
    whole = ClosedJaxpr(partial_eval.convert_constvars_jaxpr(closed.jaxpr), ())
    unknown, before = [not one for one in known], None
    while unknown != before:
        before = unknown
        part, _, out, _ = partial_eval.partial_eval_jaxpr_nounits(whole, [*constants, *unknown], False)
        unknown = [one or after for one, after in zip(unknown, out[1:])]
    given = [i for i, one in enumerate(unknown) if not one]
    if out[0] or not set(wanted) <= set(given):
        return None
    outputs = [
        i for i, one in enumerate(out) if not one
    ]  # of the known part; what only the rest needs comes after
    fixed = [value for value, one in zip(closed.consts, constants) if not one]
    needed: set[int] = set()
    found = set(wanted)
    while found != needed:
        needed = set(found)
        kept = [i in {0, *(1 + j for j in needed)} for i in outputs]
        kept += [False] * (len(part.jaxpr.outvars) - len(outputs))
        jaxpr, used = partial_eval.dce_jaxpr(
            part.jaxpr, kept, instantiate=[True] * len(fixed) + [False] * len(given)
        )
        found |= {i for i, one in zip(given, used[len(fixed) :]) if one}
    positions = [i for i in given if i in needed]
    jaxpr, _ = partial_eval.dce_jaxpr(
        part.jaxpr, kept, instantiate=[True] * len(fixed) + [i in needed for i in given]
    )

    def run(carry: list) -> list:
        return core.eval_jaxpr(jaxpr, part.consts, *fixed, *carry)

    return positions, run


def has_effects(closed: Any) -> bool:
    """True when the program prints or calls back."""
    return bool(closed.effects)


def convolves(closed: Any) -> bool:
    """True when the program, or one nested in it, contains a convolution."""
    return next(_found(closed.jaxpr, _CONVOLUTION), None) is not None


def convolves_badly_in_loops(closed: Any) -> bool:
    """True when the program contains a convolution that XLA's CPU compiler runs many times slower inside a loop."""
    return not all(map(_is_channels_last, _found(closed.jaxpr, _CONVOLUTION)))


def _found(jaxpr: Any, name: str) -> Iterator:
    for equation in jaxpr.eqns:
        if equation.primitive.name == name:
            yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from _found(inner, name)


def _is_channels_last(equation: Any) -> bool:
    """True for a float32 convolution of channels-last arrays with a kernel (*spatial, in, out), without groups."""
    numbers, like = equation.params["dimension_numbers"], equation.invars[0].aval
    rank = like.ndim - 2
    arrays = (0, rank + 1, *range(1, rank + 1))
    kernel = (rank + 1, rank, *range(rank))
    groups = equation.params["feature_group_count"] * equation.params["batch_group_count"]
    return groups == 1 and like.dtype == "float32" and tuple(numbers) == (arrays, kernel, arrays)


def dependencies(closed: Any) -> list[set[int]]:
    """Returns, for each output, the arguments that it depends on by floating or complex numbers throughout."""
    jaxpr = closed.jaxpr
    found: dict[Any, set[int]] = {variable: {i} for i, variable in enumerate(jaxpr.invars)}
    nothing: set[int] = set()

    def of(variable: Any) -> set[int]:
        return found.get(variable, nothing) if isinstance(variable, core.Var) else nothing

    for equation in jaxpr.eqns:
        if equation.primitive.name == "stop_gradient":
            continue
        reached = nothing.union(*map(of, equation.invars))
        found.update((v, reached) for v in equation.outvars if _is_smooth(v))
    return [of(variable) if _is_smooth(variable) else nothing for variable in jaxpr.outvars]


def _is_smooth(variable: Any) -> bool:
    return getattr(variable.aval, "dtype", None) in dtypes.DIFFERENTIABLE


def look_ups(closed: Any) -> list[int]:
    """Returns the argument of each look-up of rows, for arguments that are used for nothing else."""
    jaxpr = closed.jaxpr
    positions = {variable: i for i, variable in enumerate(jaxpr.invars)}
    found: list[int] = []
    refused = {positions[v] for v in jaxpr.outvars if isinstance(v, core.Var) and v in positions}
    for equation in jaxpr.eqns:
        table = equation.invars[0] if _looks_up(equation) else None
        if isinstance(table, core.Var) and table in positions:
            found.append(positions[table])
        for other in equation.invars[1:] if table is not None else equation.invars:
            if isinstance(other, core.Var) and other in positions:
                refused.add(positions[other])
    return [position for position in found if position not in refused]


def _looks_up(equation: Any) -> bool:
    return equation.params.get("name") == "look_up_rows" and len(equation.invars) == 2


def evaluated(equation: Any, values: list) -> list:
    """Computes one equation of a traced program."""
    bound = equation.primitive.get_bind_params(equation.params)
    functions, parameters = bound if isinstance(bound, tuple) else ((), bound)  # a pair before JAX 0.8
    with equation.ctx.manager:
        out = equation.primitive.bind(*functions, *values, **parameters)
    return list(out) if equation.primitive.multiple_results else [out]


def with_offsets(closed: Any, tables: set[int]) -> Callable:
    """Returns `f(arguments, offset=None) -> (outputs, [(rows, indices) of each look-up in the tables])`.

    `offset(rows)` is added to the rows of each look-up: what the outputs' gradient by it is, the rows' gradient is.
    """
    names = {closed.jaxpr.invars[i] for i in tables}

    def run(arguments: list, offset: Callable) -> tuple[list, list]:
        known = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        known.update(zip(closed.jaxpr.invars, arguments, strict=True))
        places = []
        for equation in closed.jaxpr.eqns:
            values = [v.val if isinstance(v, core.Literal) else known[v] for v in equation.invars]
            results = evaluated(equation, values)
            if _looks_up(equation) and equation.invars[0] in names:
                results = [results[0] + offset(results[0])]
                places.append(values[1])
            known.update(zip(equation.outvars, results, strict=True))
        outputs = [v.val if isinstance(v, core.Literal) else known[v] for v in closed.jaxpr.outvars]
        return outputs, places

    return run


# ---- programs with other equations


def variables(operands: Any) -> list:
    """Returns those of an equation's operands that are no constants."""
    return [operand for operand in operands if isinstance(operand, core.Var)]


def custom_call_of(equation: Any) -> dict | None:
    """Returns the parameters of the custom call that an equation is, with rules for derivatives or without."""
    while equation.primitive.name != "ffi_call":
        inner = list(core.jaxprs_in_params(equation.params))
        if equation.primitive.name not in _RULES or len(inner) != 1 or len(inner[0].eqns) != 1:
            return None
        equation = inner[0].eqns[0]
    return equation.params


def numbers_of(call: dict) -> list[int]:
    """Returns the attribute of the custom calls that have one, an array of integers, given their parameters."""
    (value,) = [value for name, value in call["attributes"] if name == "numbers"]
    return np.asarray(getattr(value, "val", value)).tolist()


_RULES = frozenset({"custom_jvp_call", "custom_vmap_call"})


class Links:
    """Who makes the variables of a program, and who uses them."""

    def __init__(self, closed: Any) -> None:
        self._makers: dict = {}
        self._users: dict = {}
        for equation in closed.jaxpr.eqns:
            self._makers.update((out, equation) for out in equation.outvars)
            for variable in variables(equation.invars):
                self._users.setdefault(variable, []).append(equation)
        for variable in variables(closed.jaxpr.outvars):
            self._users.setdefault(variable, []).append(None)
        self._places = {id(equation): place for place, equation in enumerate(closed.jaxpr.eqns)}

    def place_of(self, equation: Any) -> int:
        """Returns the place of an equation in the program."""
        return self._places[id(equation)]

    def made_by(self, operand: Any) -> Any:
        """Returns the equation whose result an operand is, None where there is none."""
        return None if isinstance(operand, core.Literal) else self._makers.get(operand)

    def is_made_before(self, operand: Any, equation: Any) -> bool:
        """Returns whether an operand is there before an equation of the program."""
        made = self.made_by(operand)
        return made is None or self._places[id(made)] < self._places[id(equation)]

    def users(self, variable: Any) -> list:
        """Returns the equations that use a variable, None for the program's own results."""
        return self._users.get(variable, [])

    def only_use(self, variable: Any) -> Any:
        """Returns the equation that alone uses a variable, once; None where there are others, or none."""
        users = self.users(variable)
        return users[0] if len(users) == 1 else None


def is_literal(operand: Any) -> bool:
    """Whether an operand is written into the program as a number."""
    return isinstance(operand, core.Literal)


def is_number(operand: Any, number: float) -> bool:
    """Whether an operand is this number, written into the program."""
    return is_literal(operand) and np.ndim(operand.val) == 0 and operand.val == number


def factor_of(equation: Any) -> float | None:
    """Returns the number by which an equation multiplies its first operand, None for other equations."""
    if equation.primitive.name != "mul" or not isinstance(equation.invars[1], core.Literal):
        return None
    number = np.asarray(equation.invars[1].val)
    return float(number) if number.ndim == 0 and not isinstance(equation.invars[0], core.Literal) else None


_templates: Bounded = Bounded(1024)


def equation_of(function: Callable, operands: list, outputs: list, kind: tuple | None) -> Any:
    """Returns a function of arrays as one equation of a program, None where it is not one.

    Args:
        function: traced once for a kind and shapes; the equations of many layers are alike.
        operands, outputs: variables.
        kind: tells functions apart whose operands are alike; None: this one has no like.
    """
    made = _template(function, operands, kind)
    return None if made is None else made.replace(invars=list(operands), outvars=list(outputs))


def new_equation(function: Callable, operand: Any, kind: tuple) -> Any:
    """As `equation_of`, for a function of one array, with a result of its own."""
    made = _template(function, [operand], kind)
    return (
        None
        if made is None
        else made.replace(invars=[operand], outvars=[core.Var(v.aval) for v in made.outvars])
    )


def _template(function: Callable, operands: list, kind: tuple | None) -> Any:
    key = (kind, *((v.aval.shape, v.aval.dtype) for v in operands), config.trace_context())
    found = False if kind is None else _templates.get(key, False)
    if found is False:
        examples = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in operands]
        jaxpr = jax.make_jaxpr(function)(*examples).jaxpr
        one = len(jaxpr.eqns) == 1 and not jaxpr.constvars
        is_it = one and jaxpr.eqns[0].invars == jaxpr.invars and jaxpr.eqns[0].outvars == jaxpr.outvars
        found = jaxpr.eqns[0] if is_it else None
        if kind is not None:
            _templates.put(key, found)
    return found


def with_equations(closed: Any, equations: list) -> Any:
    """Returns the program with other equations between its inputs and its outputs."""
    return ClosedJaxpr(closed.jaxpr.replace(eqns=list(equations)), closed.consts)


# ---- what fails on the host, and goes on in compiled code

_POSITIONS = {"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2}  # the first operand that says where
_CALLS = frozenset({"pjit", "jit", "closed_call", "custom_jvp_call", "custom_vjp_call"})


def looks_up_by_data(closed: Any, given: int) -> bool:
    """True when the first `given` inputs decide where the program reads or writes, or what it divides integers by.

    Compiled code then goes on, at some place or with some number, where eager ops raise.
    """
    return _by_data(closed.jaxpr, set(closed.jaxpr.invars[:given]))


def _by_data(jaxpr: Any, data: set) -> bool:
    for equation in jaxpr.eqns:
        from_data = [not isinstance(operand, core.Literal) and operand in data for operand in equation.invars]
        if not any(from_data):
            continue
        name = equation.primitive.name
        first = 1 if name.startswith("scatter") else _POSITIONS.get(name)
        if first is not None and any(from_data[first:]):
            return True
        if name in ("div", "rem") and equation.outvars[0].aval.dtype.kind in "iu" and from_data[1]:
            return True
        for inner in core.jaxprs_in_params(equation.params):
            one_to_one = name in _CALLS and len(inner.invars) == len(from_data)
            of_inner = from_data if one_to_one else [True] * len(inner.invars)
            if _by_data(inner, {var for var, tainted in zip(inner.invars, of_inner, strict=True) if tainted}):
                return True
        data.update(equation.outvars)
    return False
