"""The op table's engine room: what an op is, and how a call of one runs.

An op is one pure function on arrays, `body(xp, *tensors, **attributes)`.  `Op` adds what is derived from it.  A call
runs in one of four ways: at once on the host engine, compiled by XLA, inlined into a surrounding trace, or recorded as
a node of a symbolic graph; whichever it is, active tapes note it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import joints
from dovetail.base.bounded import Bounded
from dovetail.base.errors import (
    DataDependentShapeError,
    InaccessibleTensorError,
    InvalidArgumentError,
    at_user_location,
)
from dovetail.base.observer import Observer
from dovetail.base.own import declare
from dovetail.base.settings import settings, state
from dovetail.base.wording import BAD_CALL, cause, described, is_ours, kind_of, plain
from dovetail.engine import concrete, dtypes, host, is_tracer, loaded_xla, xla
from dovetail.engine.placement import runs_in_pieces, runs_on_host
from dovetail.ops import dispatch
from dovetail.ops.arguments import OURS, as_tensors, checked
from dovetail.ops.attrs import CANONICAL, is_symbolic
from dovetail.ops.dispatch import attribute_kinds
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable

_ndarray = np.ndarray
_MOVED_BYTES = 1 << 16
_VALUES = frozenset({Tensor, Variable})
_LOOKED_AT = frozenset({SymbolicTensor, list, tuple})
_INTEGERS = frozenset({int})
_MOST_BOUND = 512  # cached forms of one op
_MOST_COMPILED = 512  # compiled signatures of one op, all its forms together
OPS: dict[str, Op] = {}


@declare
class Op:
    """One row of the op table.

    Attributes:
        name: TensorFlow's name of it, such as "reduce_sum".
        body: `body(xp, *tensors, **attributes)`, a pure function on arrays.
        tensors: names of the tensor parameters; the last may be variadic.
        variadic: whether the last tensor parameter takes any number of tensors.
        attributes: name -> (default, canonicalizer); no default: `inspect.Parameter.empty`.
        same_dtype: how many leading tensor parameters must agree in dtype (-1: all, 0: none).
        differentiable: False for ops whose outputs do not depend smoothly on any input.
        gradients: one function a tensor parameter, `f(g, out, *inputs, **attributes) -> gradient`, or one function for
            variadic ops that returns all of them; None: JAX's VJP of the body.
        shape: rule `f(*shapes, **attributes) -> shape` for symbolic calls; None: inferred by abstract evaluation.
        dtype: rule `f(*dtypes, **attributes) -> dtype`; None: the first tensor's.
        engine: "both", "host" (the output's shape depends on values) or "xla" (NumPy cannot express it).
        several: the body returns a list of outputs, even when it holds just one.
        size: `f(**attributes) -> elements to count besides the inputs'` when the engine is picked; for ops that make
            large tensors of small ones, and (negative) for ops that XLA would compile anew for every input shape.
        work: `f(*arrays, **attributes) -> elements to count instead of the inputs'`, for ops whose cost is not their
            inputs' size (matrix products).
        one_pass: `f(*arrays, **attributes) -> bool`, whether a native kernel of the host engine does it in one pass.
        again: `f(arrays, **attributes)` gives a function that does the same with arrays like these, and looks at less;
            None: there is none.  For runs that are repeated (`function/host_plan.py`).
        pieces: how large arrays are cut into pieces for the host engine, which is then as fast as XLA: a word of
            `engine/host_pieces.py`, or `f(*arrays, **attributes)` that gives one; None: XLA is faster.
        view: `f(array, attribute)`, the op on an array of NumPy's, where it is a look at its memory that the first
            attribute tells; it is for Python's integers and tuples of them, and raises for whatever is not right.
        public: the public function, for graphs and error messages.
        observer: what is told of each call inside of a trace, whoever else watches; None for almost all ops.
    """

    quiet: Op | None = None  # the op without what it prints and checks, for gradients; None: it does neither

    def __init__(
        self,
        name: str,
        body: Callable,
        *,
        same_dtype: int = -1,
        differentiable: bool = True,
        gradients: Any = None,
        shape: Callable | None = None,
        dtype: Callable | None = None,
        engine: str = "both",
        several: bool = False,
        size: Callable | None = None,
        work: Callable | None = None,
        one_pass: Callable | None = None,
        again: Callable | None = None,
        pieces: Any = None,
        view: Callable | None = None,
    ) -> None:
        self.name, self.body, self.__doc__ = name, body, body.__doc__
        self.same_dtype, self.differentiable, self.gradients = same_dtype, differentiable, gradients
        self.shape, self.dtype, self.engine = shape, dtype, engine
        self.several, self.size, self.work, self.one_pass = several, size, work, one_pass
        self.again, self.pieces, self.view = again, pieces, view
        self.public: Any = None
        self.observer: Observer | None = None
        self.tensors, self.optional, self.variadic, self.attributes = _parameters(body)
        self._given: Bounded = Bounded(_MOST_BOUND)  # by the attributes as they were given
        self._bound: Bounded = Bounded(_MOST_BOUND // 2)  # by their canonical form
        self._default: Bound | None = None
        self._num_compiled = 0

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def note_compilation(self) -> None:
        """Counts a compilation for another signature; when they are too many, all are given up.

        JAX keeps what it compiled for a function as long as that function lives, whatever its shapes.
        """
        self._num_compiled += 1
        if self._num_compiled > _MOST_COMPILED:
            self._num_compiled = 1
            for bound in (self._default, *self._bound.values(), *self._given.values()):
                if bound is not None:
                    bound._compiled = None

    def takes_none(self, position: int) -> bool:
        return position >= len(self.tensors) - self.optional

    def connected(self, outputs: list[int]) -> Any:
        """Returns the inputs that have a gradient when these outputs have one; None: all that are differentiable."""
        return None

    def row_gradients(self, needed: tuple[int, ...]) -> Any:
        """Returns an op that gives gradients by rows, and the inputs whose rows; None: gradients are dense."""
        return None

    def gradient(self, *rules: Any) -> Op:
        """Adds the gradient rules: one a tensor parameter (None: not differentiable in it)."""
        self.gradients = rules
        return self

    def bind(self, attributes: dict) -> Bound:
        """Returns the op with its attributes fixed; the same object for the same attributes."""
        if not attributes:
            if self._default is None:
                self._default = self._bind({})
            return self._default
        try:
            key = tuple([(name, typed(value)) for name, value in attributes.items()])
            found = self._given.get(key)
            return self._given.put(key, self._bind(attributes)) if found is None else found
        except TypeError:  # an unhashable value, such as a list
            same = {name: frozen(value) for name, value in attributes.items()}
            return self._bind(attributes) if same == attributes else self.bind(same)

    def _bind(self, attributes: dict) -> Bound:
        values = {}
        for name, (default, canonical) in self.attributes.items():
            value = attributes.get(name, default)
            if value is inspect.Parameter.empty:
                raise TypeError(f"{self.name}: missing the argument {name!r}{at_user_location()}")
            try:
                values[name] = value if canonical is None else canonical(value)
            except DataDependentShapeError as error:
                raise DataDependentShapeError(
                    self.name, f"{self.name}: {error}{at_user_location()}"
                ) from None
            except (TypeError, ValueError) as error:
                raise InvalidArgumentError(
                    f"{self.name}: bad value {described(value)} for {name!r}: {plain(error)}{at_user_location()}"
                ) from None
        for name in attributes:
            if name not in self.attributes:
                raise TypeError(f"{self.name}: unknown argument {name!r}{at_user_location()}")
        key = tuple([(name, typed(value)) for name, value in values.items()])
        found = self._bound.renew(key)
        return self._bound.put(key, Bound(self, values)) if found is None else found

    def __call__(self, *args: Any, **attributes: Any) -> Any:
        return self.call(args, attributes)

    def fixed(self, **attributes: Any) -> Callable[[Any], Any]:
        """Returns the call of one tensor with these attributes, looked at once and not at each call."""
        bound = self.bind(attributes)

        def call(x: Any) -> Any:
            return execute(bound, (x,)) if type(x) is Tensor else self.call((x,), attributes)

        return call

    def call(self, args: tuple, attributes: dict, promote: bool = False) -> Any:
        """Runs the op on tensors or things that convert to them."""
        for value in attributes.values():
            kind = type(value)
            if kind in _LOOKED_AT:
                if is_symbolic(value):
                    return self._call_for_graph(args, attributes, promote)
            elif kind in attribute_kinds:
                result = dispatch.call_op(self, args, attributes, promote, {kind, *map(type, args)})
                if result is not NotImplemented:
                    return result
        kinds = set(map(type, args))
        if kinds <= _VALUES:
            if Variable in kinds:
                args = tuple([arg if type(arg) is Tensor else arg._tensor() for arg in args])
                if state.scope is not None and SymbolicTensor in map(type, args):  # a graph records the reads
                    return _symbolic.target(self, args, attributes, promote)
            if self.same_dtype and len(args) > 1:
                args = checked(self, args, promote)
        else:
            if not kinds <= dispatch.plain:
                result = dispatch.call_op(self, args, attributes, promote, kinds)
                if result is not NotImplemented:
                    return result
            if SymbolicTensor not in kinds:
                args = as_tensors(self, args, promote)
                kinds = set(map(type, args))
            if SymbolicTensor in kinds:  # or lists that held symbolic tensors
                return _symbolic.target(self, args, attributes, promote)
        return execute(self.bind(attributes), args)

    def _call_for_graph(self, args: tuple, attributes: dict, promote: bool) -> Any:
        """Runs a call with a symbolic size among its attributes."""
        kinds = set(map(type, args))
        if not kinds <= dispatch.plain:
            result = dispatch.call_op(self, args, attributes, promote, kinds)
            if result is not NotImplemented:
                return result
        return _symbolic.target(self, args, attributes, promote)


class Joint:
    """A gradient rule that gives the gradients of all inputs at once; it stands in the place of each.

    Args:
        rule: `f(g, out, *inputs, **attributes) -> [gradient of each input, or None]`.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Callable) -> None:
        self.rule = rule


class Needed:
    """A gradient rule that gives the gradients of those inputs that are needed, whatever their number.

    Args:
        rule: `f(needed, g, out, *inputs, **attributes) -> [gradient of input i, or None, for i in needed]`.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Callable) -> None:
        self.rule = rule


class Bound:
    """An op with fixed attributes: the unit that is compiled, cached and differentiated."""

    __slots__ = (
        "_compiled",
        "_inline",
        "_traced",
        "_ufunc",
        "_vjp_ops",
        "attributes",
        "host",
        "one_pass",
        "op",
        "size",
        "work",
    )

    def __init__(self, op: Op, attributes: dict) -> None:
        self.op, self.attributes = op, attributes
        self.host = functools.partial(op.body, host, **attributes)
        self.size = 0 if op.size is None else op.size(**attributes)
        self.work = None if op.work is None else functools.partial(op.work, **attributes)
        self.one_pass = None if op.one_pass is None else functools.partial(op.one_pass, **attributes)
        self._ufunc: Any = None  # NumPy's function that is all that the body does; False: it does more
        self._compiled: Any = None
        self._inline: Any = None
        self._traced: Any = None
        self._vjp_ops: Bounded | None = None

    def at_once(self, args: tuple) -> Any:
        """Returns what the host engine makes of small arrays in its memory; None where it is not for this short way.

        It is for calls that `runs_on_host` gives to the host engine after a look at their sizes alone; errors are
        left to the long way, which explains them.
        """
        if self.op.engine == "xla":
            return None
        try:
            if len(args) == 1:
                value = args[0]._value
                if type(value) is not _ndarray:
                    return None
                size = self.size + value.size if self.work is None else self.work(value)
                return self.host(value) if size <= settings.active_limit else None
            arrays, size = [], self.size
            for arg in args:
                value = None if arg is None else arg._value
                if type(value) is not _ndarray:
                    return None
                size += value.size
                arrays.append(value)
            if self.work is not None:
                size = self.work(*arrays)
            return self.host(*arrays) if size <= settings.active_limit else None
        except BAD_CALL:
            return None

    def pieces(self, values: list) -> Any:
        """Returns how large arrays are cut for the host engine; None where XLA is to do it."""
        how = self.op.pieces
        return how(*values, **self.attributes) if callable(how) else how

    def in_pieces(self, arrays: list, how: str) -> Any:
        """Runs on the host engine, one piece of large arrays after the other."""
        by_pieces = _by_pieces()
        if self._ufunc is None:
            body = functools.partial(self.op.body, **self.attributes)
            few = [x.reshape(-1)[:1] if x.ndim else x for x in arrays]
            self._ufunc = (how == "elements" and by_pieces.only_ufunc(body, few)) or False
        return by_pieces.run(self.host, arrays, how, self._ufunc or None)

    def on_host_again(self, arrays: tuple) -> Callable:
        """Returns what does on the host engine, for arrays like these, what it did for them."""
        found = None if self.op.again is None else self.op.again(arrays, **self.attributes)
        return self.host if found is None else found

    @property
    def inline(self) -> Callable:
        """The body on the XLA engine, for use inside a trace."""
        if self._inline is None:
            self._inline = functools.partial(self.op.body, xla(self.op.name), **self.attributes)
        return self._inline

    @property
    def traced(self) -> Callable:
        """The body on the XLA engine, as a part of the trace around it."""
        if self._traced is None:
            self._traced = xla(self.op.name).TracedBody(self.inline)
        return self._traced

    @property
    def compiled(self) -> Callable:
        """The body on the XLA engine, compiled once per input signature."""
        found = self._compiled
        if found is None:
            op, inline = self.op, self.inline

            def body(*arrays: Any) -> Any:  # runs when there is a new signature to compile for
                op.note_compilation()
                return inline(*arrays)

            found = self._compiled = xla(op.name).jit(body)
        return found

    def vjp_op(self, needed: tuple[int, ...], num_inputs: int) -> Op:
        """Returns the op that maps `(*inputs, *output cotangents)` to the cotangents of the `needed` inputs."""
        key = (needed, num_inputs)
        if self._vjp_ops is None:
            self._vjp_ops = Bounded(_MOST_BOUND)
        found = self._vjp_ops.get(key)
        if found is None:
            body = _vjp_body(self, needed, num_inputs)
            found = self._vjp_ops.put(key, Op(self.op.name + "_gradient", body, same_dtype=0, engine="xla"))
            found.optional = len(found.tensors)
        return found


@functools.cache
def _by_pieces() -> Any:
    """`engine/host_pieces.py`, imported when there is a large array."""
    return importlib.import_module("dovetail.engine.host_pieces")


def _vjp_body(bound: Bound, needed: tuple[int, ...], num_inputs: int) -> Callable:
    def gradient(xp: Any, *arrays: Any) -> Any:
        inputs, cotangents = arrays[:num_inputs], arrays[num_inputs:]

        def forward(*wanted: Any) -> tuple:
            values = list(inputs)
            for position, value in zip(needed, wanted, strict=True):
                values[position] = value
            out = bound.op.body(xp, *values, **bound.attributes)
            return tuple(out) if isinstance(out, tuple | list) else (out,)

        outputs, pullback = xp.vjp(forward, *(inputs[position] for position in needed))
        padded = tuple(
            xp.zero_cotangent(out) if out.dtype not in dtypes.DIFFERENTIABLE else _conjugate(xp, cotangent)
            for out, cotangent in zip(outputs, cotangents, strict=True)
        )
        return tuple(_conjugate(xp, g) for g in pullback(padded))

    return gradient


def _conjugate(xp: Any, cotangent: Any) -> Any:
    """Translates between TensorFlow's gradients of complex numbers and JAX's, which are each other's conjugates."""
    return xp.conj(cotangent) if cotangent.dtype.kind == "c" else cotangent


def _parameters(body: Callable) -> tuple[tuple, int, bool, dict]:
    """Reads tensor parameters and attributes off the body's signature."""
    tensors, attributes, variadic, optional = [], {}, False, 0
    for position, parameter in enumerate(inspect.signature(body).parameters.values()):
        if position == 0:
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            attributes[parameter.name] = (parameter.default, CANONICAL.get(str(parameter.annotation)))
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            tensors.append(parameter.name)
            variadic = True
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            tensors.append(parameter.name)
            optional += parameter.default is not inspect.Parameter.empty
    return tuple(tensors), optional, variadic, attributes


def frozen(value: Any) -> Any:
    """Makes tuples of lists of numbers, so that attributes that say the same share one cache entry."""
    if type(value) is list and all(type(item) in (int, float, list) for item in value):
        return tuple(frozen(item) for item in value)
    return value


def typed(value: Any) -> Any:
    """Distinguishes 1, 1.0 and True, and 0.0 and -0.0, which are equal as dictionary keys, in tuples too."""
    kind = type(value)
    if kind is tuple:
        return value if _INTEGERS.issuperset(map(type, value)) else (*map(typed, value), kind)
    if kind is int or not isinstance(value, int | float | complex):
        return value
    return (value, kind) if value else (repr(value), kind)


_symbolic = joints.Joint("record_op", set_by="dovetail.graph.record", called_by="an op on symbolic tensors")


def use_symbolic_handler(handler: Callable) -> None:
    """Tells who records calls on symbolic tensors; the graph layer installs itself here."""
    _symbolic.set(handler)


# ---- execution --------------------------------------------------------------------------------------------------


def execute(bound: Bound, args: tuple) -> Any:
    """Runs a bound op on Tensors (or None for absent ones), on the engine that fits, and tells the tapes."""
    out = bound.at_once(args)
    if out is None:
        return _execute(bound, args)
    kind = type(out)
    if kind is _ndarray:
        result: Any = Tensor(out)
        outputs: Any = (result,)
    elif kind is tuple or kind is list:
        result = outputs = tuple([_wrap(o) for o in out])
    else:
        result = _wrap(out)
        outputs = (result,)
    if state.tapes:
        for tape in state.tapes:
            if bound.op.differentiable or tape.records_all:
                tape.record(bound, args, outputs)
    return result


def _execute(bound: Bound, args: tuple) -> Any:
    """The long way of `execute`, for arrays of every kind and size."""
    values = [None if arg is None else arg._value for arg in args]
    traced = False
    for value in values:
        kind = type(value)
        if kind is not _ndarray and kind is not concrete.array and value is not None and is_tracer(value):
            traced = True
            break
    op = bound.op
    try:
        if traced:
            out = _run_traced(bound, values)
        elif op.engine == "host" or (
            op.engine == "both" and runs_on_host(values, bound.size, bound.work, bound.one_pass)
        ):
            out = bound.host(*[v if type(v) is _ndarray or v is None else np.asarray(v) for v in values])
        elif op.pieces is not None and runs_in_pieces(values) and (how := bound.pieces(values)):
            out = bound.in_pieces([v if type(v) is _ndarray else np.asarray(v) for v in values], how)
        else:
            if _ndarray in map(type, values):
                _keep_on_device(args, values)
            out = (bound._compiled or bound.compiled)(*values)
    except OURS:
        raise
    except BAD_CALL as error:
        if is_ours(error, (args, values, bound.attributes)):
            raise
        raise explained(bound, args, error) from (None if settings.traceback_filtering else error)
    outputs = tuple(_wrap(o) for o in out) if type(out) is tuple or type(out) is list else None
    result = outputs if outputs is not None else _wrap(out)
    if traced and op.observer is not None:
        op.observer.record(bound, args, outputs or (result,))
    if state.tapes:
        record = outputs if outputs is not None else (result,)
        for tape in state.tapes:
            if op.differentiable or tape.records_all:
                tape.record(bound, args, record)
    return result


def _keep_on_device(args: tuple, values: list) -> None:
    """Moves tensors that XLA is about to read to its device, once, instead of with every call."""
    engine = xla("moving a tensor to the device")
    for i, value in enumerate(values):
        if type(value) is _ndarray and (value.nbytes >= _MOVED_BYTES or settings.active_limit < 0):
            moved = engine.put_on_device(value)
            if type(moved) is concrete.array:  # inside a trace it may be a tracer, which must not be kept
                values[i] = args[i]._value = moved


def _wrap(value: Any) -> Tensor:
    if type(value) is _ndarray or not isinstance(value, np.generic | bytes):
        return Tensor(value)
    return wrapped_scalar(value)


def wrapped_scalar(value: Any) -> Tensor:
    """Returns the Tensor of a scalar that NumPy gave without its array; a string's is an array of objects."""
    return Tensor(np.array(value, object) if type(value) is bytes else np.asarray(value))


def _run_traced(bound: Bound, values: list) -> Any:
    if bound.op.engine == "host":
        raise DataDependentShapeError(
            bound.op.name,
            f"{bound.op.name}: the shape of its result depends on the values, so it cannot be compiled by XLA"
            f"{at_user_location()}",
        )
    if any(type(value) is _ndarray and dtypes.is_host_only(value.dtype) for value in values):
        raise DataDependentShapeError(
            bound.op.name, f"{bound.op.name}: XLA has no strings{at_user_location()}"
        )
    return (bound._traced or bound.traced)(*values)


def explained(bound: Bound, args: tuple, error: Exception) -> Exception:
    """Returns the error that a user can act on: the op, what it received, what went wrong, and where."""
    if loaded_xla() and isinstance(error, loaded_xla().LeakedTracerError):
        return InaccessibleTensorError(
            f"{bound.op.name}: a tensor of a compiled function was used after the function had returned. Return it "
            f"from the function, or keep it in a tf.Variable{at_user_location()}"
        )
    received = ", ".join(
        f"{name}: {tuple(arg.shape)} {arg.dtype.name}"
        for name, arg in _named(bound.op, args)
        if arg is not None
    )
    attributes = ", ".join(
        f"{k}={v!r}"
        for k, v in bound.attributes.items()
        if not callable(v) and (v is not None or bound.op.attributes[k][0] is not None)
    )
    first_line = cause(
        bound.op.shape, [None if a is None else a.shape for a in args], bound.attributes, error
    )
    return kind_of(error)(
        f"{bound.op.name}: {first_line}. Received {received}{'; ' + attributes if attributes else ''}"
        f"{at_user_location()}"
    )


def _named(op: Op, args: tuple) -> list:
    names = list(op.tensors)
    if op.variadic:
        names = names[:-1] + [f"{names[-1]}[{i}]" for i in range(len(args) - len(names) + 1)]
    return list(zip(names, args, strict=False))
