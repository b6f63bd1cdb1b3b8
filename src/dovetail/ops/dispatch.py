"""What ops do with values that are no tensors: one table, (op or public function, kinds) -> function.

Composite tensors of our own write rows with `dispatches` and `elementwise`; users write them with
`tf.experimental.dispatch_for_api` and its siblings (`ops/dispatch_api.py`).  A dense call does not come here: ops look
at the table once they have met an argument that is neither tensor nor variable, functions made of ops when they have
rows.

    @dispatches(reduction.reduce_sum, RaggedTensor)
    def _reduce_sum(input_tensor, axis=None, keepdims=False): ...

    @elementwise(RaggedTensor)           # every op of the families unary and binary, cast and its like, operators
    def _map_values(api, *args): ...     # api: takes as many values as there are tensor arguments
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable

# Public functions made of several ops that work element by element: their family.  Ops state theirs.
_FAMILY_NAMES = {
    "unary": """
        zeros_like ones_like debugging.check_numerics cast saturate_cast bitcast clip_by_value dropout
        nn.leaky_relu nn.gelu nn.swish nn.silu nn.log_softmax nn.dropout nn.elu nn.selu nn.relu6 nn.softsign
        nn.experimental.stateless_dropout io.encode_base64 io.decode_base64 io.decode_compressed
        strings.unicode_script strings.unicode_transcode strings.as_string strings.lower strings.upper
        strings.length strings.substr strings.strip strings.to_number strings.regex_replace
        strings.regex_full_match strings.to_hash_bucket strings.to_hash_bucket_fast
        strings.to_hash_bucket_strong image.adjust_brightness image.adjust_gamma image.convert_image_dtype
        image.random_brightness image.stateless_random_brightness math.round round math.sigmoid sigmoid
        nn.sigmoid math.log_sigmoid math.softplus nn.softplus identity stop_gradient
        """,
    "binary": """
        add subtract multiply divide math.add math.subtract math.multiply math.divide truediv math.truediv pow math.pow
        math.scalar_mul scalar_mul dtypes.complex complex math.divide_no_nan math.multiply_no_nan math.floordiv
        math.logical_xor math.equal equal math.not_equal not_equal math.xdivy math.xlog1py
        nn.sigmoid_cross_entropy_with_logits
        """,
    "assert": """
        debugging.assert_equal debugging.assert_none_equal debugging.assert_near debugging.assert_less
        debugging.assert_less_equal debugging.assert_greater debugging.assert_greater_equal
        """,
}
_FAMILY_OF = {"tf." + name: family for family, names in _FAMILY_NAMES.items() for name in names.split()}
FAMILIES = tuple(_FAMILY_NAMES)

# Types that no row can name: arguments of these alone need no look at the table.
_DENSE = frozenset(
    {Tensor, Variable, SymbolicTensor, int, float, bool, complex, str, bytes, type(None), np.ndarray}
)
_MOST_PLAIN = 4096
# Those, and the types met so far that no row names.
plain: set[type] = set(_DENSE)
# Types of attributes that a row may name: calls with one look at the table.
attribute_kinds: set[type] = set()
_named_types: set[type] = {CompositeTensor}
_types_lock = threading.Lock()  # a type that is found plain while another thread names it must not stay plain


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        matches: `matches(arguments by name) -> bool`.
        function: what is called, with the arguments by name (with `api` and the tensors for a family's row).
        family: the row stands for a whole family; its function takes the op as its first argument.
        owner: the function that was decorated, for `unregister`.
        users: a user's row goes before our own.
    """

    matches: Callable[[dict], bool]
    function: Callable
    family: str | None
    owner: Any
    users: bool = False


class Entry:
    """An op or a public function as the table knows it.

    Args:
        parameters: names of the parameters; None: read off the subject when somebody asks.

    Attributes:
        name: what users call it, such as "tf.reduce_sum".
        tensors: how many of the first parameters a row of a family gets.
        family: "unary", "binary", "assert" or None.
        rows: our own rows and the users', those of users first.
        op: whether `subject` is an op, whose calls give canonical names.
    """

    __slots__ = ("_parameters", "family", "name", "op", "rows", "subject", "tensors")

    def __init__(
        self,
        name: str,
        subject: Callable,
        parameters: tuple[str, ...] | None,
        tensors: int,
        family: str | None,
        op: bool,
    ) -> None:
        self.name, self.subject, self.op = name, subject, op
        self._parameters, self.tensors = parameters, tensors
        self.family = family
        if self.tensors == 0 and self.family is not None:
            self.tensors = 1 if self.family == "unary" else 2
        self.rows: list[Row] = [row for row in _family_rows if row.family == self.family]
        TABLE.append(self)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        if self._parameters is None:
            self._parameters = tuple(inspect.signature(self.subject).parameters)
        return self._parameters


TABLE: list[Entry] = []
_entries: dict[Any, Entry] = {}  # an op, a function, and each public name of it -> its entry
_family_rows: list[Row] = []


# ---- entries ----------------------------------------------------------------------------------------------------


def enter_op(op: Any, names: list[str], family: str | None) -> None:
    """Enters an op, under its public names, into the table."""
    name = next((name for name in names if name.startswith("tf.")), f"tf.{op.name}")
    family = family or _family_of(names)
    _entries[op] = Entry(name, op, (*op.tensors, *op.attributes), len(op.tensors), family, op=True)


def enter_function(function: Callable, names: list[str]) -> Entry:
    """Enters a public function that is made of ops, under its public names, into the table."""
    found = _entries[function] = Entry(names[0], function, None, 0, _family_of(names), op=False)
    return found


def _family_of(names: list[str]) -> str | None:
    return next((_FAMILY_OF[name] for name in names if name in _FAMILY_OF), None)


def dispatchable(name: str) -> Callable[[Callable], Callable]:
    """Decorator: makes a function that is no op and is not exported with them one that rows may be written for."""

    def decorate(function: Callable) -> Callable:
        entry = enter_function(function, [name])

        @functools.wraps(function)
        def public(*args: Any, **kwargs: Any) -> Any:
            target = find_target(entry, args, kwargs) if entry.rows else None
            return function(*args, **kwargs) if target is None else target()

        also(public, function)
        return public

    return decorate


def also(public: Callable, subject: Any) -> None:
    """Notes that `public` is a name of an op or function that is in the table."""
    _entries[public] = _entries[subject]


def entry_of(function: Any) -> Entry:
    """Returns the entry of an op or a function (as users call it, or as our own code does).

    Raises:
        ValueError: it is none that the table knows.
    """
    try:
        return _entries[function]
    except (KeyError, TypeError):
        name = getattr(function, "__name__", function)
        raise ValueError(
            f"{name!r} is no function of tf that dispatches on the types of its arguments"
        ) from None


# ---- rows of our own --------------------------------------------------------------------------------------------


def dispatches(functions: Any, *kinds: type) -> Callable[[Callable], Callable]:
    """Decorator: the function is what ops do when an argument, or an element of a list of arguments, is of `kinds`.

    Args:
        functions: an op or a function of the table, or a list of them.
        kinds: classes of composite tensors.
    """

    def decorate(function: Callable) -> Callable:
        for each in functions if isinstance(functions, list | tuple) else [functions]:
            add(entry_of(each), Row(_holds(kinds), function, None, function), kinds)
        return function

    return decorate


def dispatches_first(function: Any, *kinds: type) -> Callable[[Callable], Callable]:
    """Decorator: as `dispatches`, for calls whose first argument is of `kinds`."""
    entry = entry_of(function)
    first = entry.parameters[0]

    def decorate(does: Callable) -> Callable:
        add(entry, Row(lambda named: isinstance(named[first], kinds), does, None, does), kinds)
        return does

    return decorate


def elementwise(
    *kinds: type, families: Iterable[str] = ("unary", "binary")
) -> Callable[[Callable], Callable]:
    """Decorator: `function(api, *args)` is what every element-wise op does when an argument is of `kinds`.

    `api(*values)` calls the op with other values in the places of `args` and the rest of the call's arguments.
    """

    def decorate(function: Callable) -> Callable:
        for family in families:
            add_to_family(Row(_holds(kinds), function, family, function), kinds)
        return function

    return decorate


def _holds(kinds: tuple[type, ...]) -> Callable[[dict], bool]:
    def matches(named: dict) -> bool:
        return any(
            isinstance(value, kinds)
            or (isinstance(value, list | tuple) and any(isinstance(item, kinds) for item in value))
            for value in named.values()
        )

    return matches


def add(entry: Entry, row: Row, kinds: Iterable[type]) -> None:
    """Adds a row to one entry."""
    _name(kinds)
    entry.rows.insert(0 if row.users else len(entry.rows), row)


def add_to_family(row: Row, kinds: Iterable[type]) -> None:
    """Adds a row to all entries of its family, those to come as well."""
    _name(kinds)
    _family_rows.append(row)
    for entry in TABLE:
        if entry.family == row.family:
            entry.rows.append(row)


def remove(owner: Any) -> bool:
    """Removes the rows of a decorated function; returns whether there were any."""
    found = False
    for rows in (_family_rows, *(entry.rows for entry in TABLE)):
        kept = [row for row in rows if row.owner is not owner]
        found = found or len(kept) != len(rows)
        rows[:] = kept
    return found


def _name(kinds: Iterable[type]) -> None:
    new = set(kinds) - _named_types
    if new:
        with _types_lock:
            _named_types.update(new)
            plain.intersection_update(_DENSE)


# ---- calls ------------------------------------------------------------------------------------------------------


def _may_match(kinds: set[type]) -> bool:
    """True when a value of these types may be one that a row names; notes the types that cannot."""
    unknown = kinds - plain - {list, tuple}
    if not unknown:
        return False
    with _types_lock:
        named = tuple(_named_types)
        found = {kind for kind in unknown if issubclass(kind, named)}
        if len(plain) < _MOST_PLAIN:
            plain.update(unknown - found)
    return bool(found)


def call_op(op: Any, args: tuple, attributes: dict, promote: bool, kinds: set[type]) -> Any:
    """Returns what a row says of a call of an op, or NotImplemented when none applies.

    Args:
        op: the op.
        args: its tensor arguments.
        attributes: its other arguments, by name.
        promote: mixed dtypes are promoted.
        kinds: the types of `args`.
    """
    entry = _entries.get(op)
    if entry is None or not entry.rows or not _may_match(kinds):
        return NotImplemented
    last = len(op.tensors) - 1
    named = dict(zip(op.tensors, args, strict=False))
    if op.variadic:
        named[op.tensors[last]] = list(args[last:])
    row = _choose(entry, named | attributes)
    if row is None:
        return NotImplemented
    if row.family is None:
        return row.function(**named, **attributes)

    num = 1 if row.family == "unary" else 2  # clip_by_value has limits besides

    def api(*values: Any) -> Any:
        return op.call((*values, *args[num:]), attributes, promote)

    return row.function(_labelled(api, entry), *args[:num])


def find_target(entry: Entry, args: tuple, kwargs: dict) -> Callable[[], Any] | None:
    """Returns what to call in place of a public function, or None when no row applies to its arguments."""
    if plain.issuperset(map(type, args)) and (not kwargs or plain.issuperset(map(type, kwargs.values()))):
        return None
    for value in (*args, *kwargs.values()):
        kind = type(value)
        if kind not in plain and (
            not plain.issuperset(map(type, value)) if kind is list or kind is tuple else True
        ):
            break
    else:
        return None
    kinds = {type(value) for value in (*args, *kwargs.values())}
    for value in (*args, *kwargs.values()):
        if isinstance(value, list | tuple):
            kinds.update(map(type, value))
    if not _may_match(kinds):
        return None
    named = dict(zip(entry.parameters, args, strict=False)) | kwargs
    row = _choose(entry, named)
    if row is None:
        return None
    if row.family is None:
        return functools.partial(row.function, *args, **kwargs)
    tensors = [named.pop(name) for name in entry.parameters[: entry.tensors] if name in named]

    def api(*values: Any) -> Any:
        return entry.subject(*values, **named)

    return functools.partial(row.function, _labelled(api, entry), *tensors)


def _choose(entry: Entry, named: dict) -> Row | None:
    """Returns the row that applies: a user's before our own, and one for the function itself before a family's.

    Raises:
        ValueError: two rows of users apply.
    """
    found = [row for row in entry.rows if row.matches(named)]
    users = [row for row in found if row.users and row.family is None]
    if len(users) > 1:
        names = ", ".join(row.owner.__name__ for row in users)
        raise ValueError(
            f"{entry.name}: several functions that users registered take these arguments: {names}"
        )
    own = [row for row in found if row.family is None]
    ordered = users or [row for row in found if row.users] or own or found
    return ordered[0] if ordered else None


def _labelled(api: Callable, entry: Entry) -> Callable:
    api.__name__ = api.__qualname__ = entry.name.rpartition(".")[2]
    return api
