"""The public namespaces as views on the op table.

An op states the names it goes by in one string, separated by spaces:

    "reduce_sum math.reduce_sum ops.numpy.sum(x) K.sum(x,axis=None)"

A name without a dot belongs to `tf`, "math.f" to `tf.math`, "ops.f" to `keras.ops`, "K.f" to `keras.backend`.
"ops.numpy.f" is `keras.ops.f`, which goes by `keras.ops.numpy.f` too; "ops.image.f" is only there.  The parentheses
rename parameters by position (and may change defaults); what they leave out keeps the op's own name.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.base.errors import at_user_location, suggest
from dovetail.base.own import declare
from dovetail.base.settings import settings, state
from dovetail.base.told import told_function
from dovetail.base.wording import BAD_CALL, tell
from dovetail.ops import dispatch
from dovetail.ops.core import OPS, Op, execute, frozen, typed
from dovetail.ops.prepared import prepared
from dovetail.tensor.dtype import DType
from dovetail.tensor.tensor import Tensor

NAMESPACES: dict[str, dict[str, Any]] = {}
_MOST_FORMS = 256  # of calls of one view
_PLAIN = frozenset({int, float, bool, str, bytes, type(None), type, DType})
_ndarray = np.ndarray
_EMPTY = inspect.Parameter.empty
_ROOTS = {"ops": "keras.ops", "K": "keras.backend"}
_SHARED = frozenset(
    {"keras.ops.linalg", "keras.ops.nn", "keras.ops.numpy"}
)  # whose names `keras.ops` has too


def namespace_of(name: str) -> tuple[str, str]:
    """Splits a stated name into the namespace and the name in it: "math.abs" -> ("tf.math", "abs")."""
    place, last = _place_of(name)
    return ("keras.ops" if place in _SHARED else place), last


def _place_of(name: str) -> tuple[str, str]:
    """Splits a stated name into the innermost namespace that holds it, and the name in it."""
    head, _, last = name.rpartition(".")
    if not head:
        return "tf", last
    first, _, rest = head.partition(".")
    root = _ROOTS.get(first, "tf." + first)
    return (f"{root}.{rest}" if rest else root), last


def publish(name: str, value: Any) -> None:
    """Puts `value` under a stated name; a name can be stated only once."""
    place, last = _place_of(name)
    for namespace in ("keras.ops", place) if place in _SHARED else (place,):
        table = NAMESPACES.setdefault(namespace, {})
        if last in table:
            raise ValueError(f"{namespace}.{last} is stated twice")
        table[last] = value
    if callable(value):
        declare(value)


def contents(namespace: str) -> dict[str, Any]:
    """Returns what a namespace holds, the namespaces inside it included ("experimental" of `tf.random`)."""
    result = dict(NAMESPACES.get(namespace, {}))
    for inner in NAMESPACES:
        parent, _, last = inner.rpartition(".")
        if parent == namespace:
            result[last] = SimpleNamespace(**contents(inner))
    return result


def export(names: str, told: bool = True, op: Op | None = None) -> Callable[[Any], Any]:
    """Decorator: publishes a Python function (one that is built from ops) under the stated names.

    What is published tells errors as the public function's; the function itself, for calls inside, has no such cost.

    Args:
        names: the stated names.
        told: False for functions whose errors say all, and whose calls take so little that a wrapper would be felt.
        op: the op that such a function calls; its rows of the dispatch table are the function's.
    """

    def decorate(function: Callable) -> Callable:
        if not isinstance(function, type):
            function.published = _full_name(names.split(maxsplit=1)[0])  # type: ignore[attr-defined]
        public = function if not told or isinstance(function, type) else _told(function, names.split())
        if op is not None:
            dispatch.also(public, op)
        for name in names.split():
            publish(name, public)
        alone = op or OPS.get(names.split(maxsplit=1)[0].rpartition(".")[2])
        if alone is not None and alone.public is None:
            alone.public = public
        return function

    return decorate


def _told(function: Callable, names: list[str]) -> Callable:
    """Returns the function with errors that name it, what it was given, and the user's line."""
    namespace, last = namespace_of(names[0])
    label = f"{namespace}.{last}"
    entry = dispatch.enter_function(function, [_full_name(name) for name in names])
    public = told_function(label, entry.rows, functools.partial(dispatch.find_target, entry))(function)
    dispatch.also(public, function)
    public.__module__ = module_of(namespace)
    public.__name__ = public.__qualname__ = last
    return public


def module_of(namespace: str) -> str:
    """Returns the module that shows a namespace: "tf.math" -> "dovetail.math"."""
    return namespace.replace("tf", "dovetail", 1) if namespace.startswith("tf") else "dovetail." + namespace


def register(
    op: Op,
    names: str,
    make: Callable | None = None,
    family: str | None = None,
    keras: Callable | None = None,
) -> Op:
    """Enters an op into the table and publishes a view for each of its names.

    Args:
        op: the op.
        names: the stated names.
        make: builds a faster view from `(op, promote)`, for calls with tensors alone and names that change no default.
        family: "unary" or "binary" for ops that work element by element; see `ops/dispatch.py`.
        keras: what `keras.ops` does to the arguments first; see `ops/prepared.py`.
    """
    if op.name in OPS:
        raise ValueError(f"the op {op.name!r} is defined twice")
    OPS[op.name] = op
    dispatch.enter_op(op, [_full_name(name) for name in names.split()], family)
    for stated in names.split():
        name, _, renames = stated.partition("(")
        view = _view(op, name, renames.rstrip(")"), make, keras)
        publish(name, view)
        dispatch.also(view, op)
        if op.public is None:
            op.public = view
    return op


def _full_name(stated: str) -> str:
    """Returns the public name of a stated one: "math.abs(x)" -> "tf.math.abs"."""
    return ".".join(namespace_of(stated.partition("(")[0]))


def _view(op: Op, name: str, renames: str, make: Callable | None, keras: Callable | None) -> Callable:
    namespace, last = namespace_of(name)
    promote = namespace.startswith("keras.ops")
    parameters = _visible(op, renames)
    fast = make(op, promote) if make else None
    call = op.call
    if promote and keras is not None:
        call = prepared(call, keras)
        fast = None if fast is None else _fast_for_floats(fast, call, len(op.tensors))
    view: Any = _binder(op, f"{namespace}.{last}", parameters, promote, fast, call)
    view.__name__, view.__qualname__, view.__doc__ = last, last, op.__doc__
    view.__module__ = module_of(namespace)
    kinds = inspect.Parameter
    shown = [kinds(p.visible, kinds.POSITIONAL_OR_KEYWORD, default=p.default) for p in parameters]
    if not any(p.visible == "name" for p in parameters):
        shown.append(kinds("name", kinds.KEYWORD_ONLY, default=None))
    view.__signature__ = inspect.Signature(_ordered(shown))
    view.op, view.visible = op, {p.canonical: p.visible for p in parameters}
    view.published = f"{namespace}.{last}"
    return view


def _fast_for_floats(fast: Callable, call: Callable, arity: int) -> Callable:
    """Returns the fast call of what needs no preparation: a first argument of floats."""

    def of_one(x: Any) -> Any:
        if type(x) is Tensor and x._value.dtype.kind == "f":
            return fast(x)
        return call((x,), {}, True)

    def of_two(x: Any, y: Any) -> Any:
        if type(x) is Tensor and x._value.dtype.kind == "f":
            return fast(x, y)
        return call((x, y), {}, True)

    return of_one if arity == 1 else of_two


def _ordered(parameters: list) -> list:
    """Makes parameters without a default that follow one with a default keyword-only, as Python demands."""
    result, seen_default = [], False
    for parameter in parameters:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            seen_default = seen_default or parameter.default is not _EMPTY
            if seen_default and parameter.default is _EMPTY:
                parameter = parameter.replace(default=None)
        result.append(parameter)
    return result


class _Parameter:
    __slots__ = ("canonical", "default", "is_tensor", "visible")

    def __init__(self, visible: str, canonical: str, is_tensor: bool, default: Any) -> None:
        self.visible, self.canonical, self.is_tensor, self.default = visible, canonical, is_tensor, default


def _visible(op: Op, renames: str) -> list[_Parameter]:
    """Returns the parameters as this view shows them."""
    required = len(op.tensors) - op.optional
    own = [(name, True, _EMPTY if i < required else None) for i, name in enumerate(op.tensors)]
    own += [(name, False, default) for name, (default, _) in op.attributes.items()]
    entries = [entry for entry in renames.split(",") if entry]
    if len(entries) > len(own):
        raise ValueError(f"{op.name}: {renames!r} renames more parameters than there are")
    result = []
    for position, (canonical, is_tensor, default) in enumerate(own):
        visible = canonical
        if position < len(entries):
            visible, equals, text = entries[position].partition("=")
            default = ast.literal_eval(text) if equals else default
        result.append(_Parameter(visible, canonical, is_tensor, default))
    return result


def _binder(
    op: Op,
    label: str,
    parameters: list[_Parameter],
    promote: bool,
    fast: Callable | None,
    call: Callable,
) -> Callable:
    """Returns the public function: it sorts the caller's arguments into tensors and attributes.

    What a call with plain attributes binds is kept by its form, so that the next one like it sorts nothing.
    """
    by_name = {p.visible: p for p in parameters}
    num_tensors, variadic = len(op.tensors), op.variadic
    defaults = {p.canonical: p.default for p in parameters if not p.is_tensor and p.default is not _EMPTY}
    own = {n: d for n, (d, _) in op.attributes.items()}
    changed = {n: d for n, d in defaults.items() if d is not own[n]}
    fast = None if changed else fast
    looks = op.view if parameters[1:] and not parameters[1].is_tensor else None
    forms = Bounded(_MOST_FORMS) if call == op.call and num_tensors and not variadic else None

    def view(*args: Any, **kwargs: Any) -> Any:
        form = bound = None
        try:
            if not kwargs and not variadic:
                if looks is not None and len(args) == 2:
                    found = _looked_at(looks, *args)
                    if found is not None:
                        return found
                elif len(args) == num_tensors:
                    if fast is not None:
                        return fast(*args)
                    if forms is not None and _are_alike(args, op.same_dtype):
                        return execute(op.bind(changed), args)
                    return call(args, changed, promote)
            if forms is not None and len(args) >= num_tensors:
                form = _form(args[num_tensors:], kwargs)
                bound = forms.get(form)
                if bound is not None and _are_alike(args[:num_tensors], op.same_dtype):
                    return execute(bound, args[:num_tensors])
            attributes = dict(changed)
            tensors, named = _sorted(label, parameters, by_name, num_tensors, args, kwargs, attributes)
            if variadic:
                tensors = [*tensors[:-1], *_sequence(label, parameters[num_tensors - 1].visible, tensors[-1])]
            if named is not None and (graph := graph_for_names()) is not None:
                return graph.named(named, call, tuple(tensors), attributes, promote)
            result = call(tuple(tensors), attributes, promote)
            if forms is not None and form is not None and named is None and bound is None and _is_plain(form):
                forms.put(form, op.bind(attributes))
            return result
        except BAD_CALL as error:
            tell(label, error, by_name, args, kwargs)

    return view


def _looked_at(looks: Callable, tensor: Any, given: Any) -> Tensor | None:
    """Returns a small array in another shape; None where the long way must see to it, or explain what is wrong."""
    if type(tensor) is not Tensor or state.tapes:
        return None
    array = tensor._value
    if type(array) is not _ndarray or array.size > settings.active_limit:
        return None
    try:
        return Tensor(looks(array, given if type(given) is not list else tuple(given)))
    except BAD_CALL:
        return None


def _sorted(
    label: str,
    parameters: list[_Parameter],
    by_name: dict[str, _Parameter],
    num_tensors: int,
    args: tuple,
    kwargs: dict,
    attributes: dict,
) -> tuple[list, Any]:
    """Sorts a call's arguments: the attributes into a dict, the tensors and TensorFlow's `name` into the result."""
    tensors: list[Any] = [_EMPTY] * num_tensors
    named = None
    if len(args) == len(parameters) + 1 and isinstance(args[-1], str | None):
        args, named = args[:-1], args[-1]
    if len(args) > len(parameters):
        raise TypeError(
            f"{label} takes {len(parameters)} arguments, {len(args)} were given{at_user_location()}"
        )
    for position, value in enumerate(args):
        if position < num_tensors:
            tensors[position] = value
        else:
            _put(parameters[position], value, attributes)
    for key, value in kwargs.items():
        parameter = by_name.get(key)
        if parameter is None and key == "name":
            named = value
        elif parameter is None:
            raise TypeError(f"{label}: unknown argument {key!r}.{suggest(key, by_name)}{at_user_location()}")
        elif parameter.is_tensor:
            tensors[parameters.index(parameter)] = value
        else:
            _put(parameter, value, attributes)
    for position, value in enumerate(tensors):
        if value is _EMPTY:
            if parameters[position].default is _EMPTY:
                missing = parameters[position].visible
                raise TypeError(f"{label}: missing the argument {missing!r}{at_user_location()}")
            tensors[position] = parameters[position].default
    return tensors, named


def _put(parameter: _Parameter, value: Any, attributes: dict) -> None:
    if value is None and parameter.default is _EMPTY:
        raise TypeError(f"{parameter.visible} is None, and it has no default")
    attributes[parameter.canonical] = value


def _form(given: tuple, named: dict) -> Any:
    """Returns what calls that bind the same attributes share; None where something in it cannot be a key."""
    form = tuple([value if type(value) is int else typed(frozen(value)) for value in given])
    if named:
        form += tuple([(name, typed(frozen(value))) for name, value in named.items()])
    try:
        hash(form)
    except TypeError:
        return None
    return form


def _is_plain(form: Any) -> bool:
    """Returns whether a form holds nothing but numbers, words, dtypes and tuples of those."""
    return (
        all(_is_plain(one) for one in form)
        if type(form) is tuple
        else type(form) in _PLAIN or isinstance(form, np.dtype)
    )


def _are_alike(tensors: tuple, same_dtype: int) -> bool:
    """Returns whether all are tensors with values, those that must agree in dtype of one."""
    first = None
    for position, tensor in enumerate(tensors):
        if type(tensor) is not Tensor:
            return False
        if same_dtype < 0 or position < same_dtype:
            dtype = tensor._value.dtype
            if first is None:
                first = dtype
            elif dtype != first:
                return False
    return True


def graph_for_names() -> Any:
    """Returns the graph that takes the names which programs give to operations, None where nothing records."""
    return None if state.scope is None else state.scope.graph


def _sequence(label: str, name: str, values: Any) -> Any:
    if isinstance(values, list | tuple):
        return values
    if hasattr(values, "__iter__"):
        return list(values)
    raise TypeError(
        f"{label}: {name} must be a list of tensors, received {type(values).__name__}{at_user_location()}"
    )
