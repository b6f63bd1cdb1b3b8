"""`while` and `for` over what is known only when the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.engine import loops
from dovetail.function.autograph.branches import RETURN_VALUE, and_, choose
from dovetail.function.autograph.checks import check_later
from dovetail.function.autograph.compiled_body import compiled_body
from dovetail.function.autograph.values import in_trace, is_convertible, is_defined, is_later, same, zeros_of
from dovetail.function.control import while_loop
from dovetail.function.growing import is_growing
from dovetail.function.lifting import BranchScope
from dovetail.function.scanning import scan_loop
from dovetail.graph.construct import is_recorded
from dovetail.ops.table import NAMESPACES
from dovetail.ops.tensor_array import TensorArray
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import enter_scope

_OPTIONS = ("maximum_iterations", "parallel_iterations", "swap_memory")


class LoopRange:
    """The numbers of a `tf.range` whose ends are known only at run time; a `for` loop goes over them.

    Attributes:
        start, limit, delta: scalar tensors of one integer or floating dtype.
    """

    def __init__(self, *ends: Any, delta: Any = 1, dtype: Any = None) -> None:
        start, limit = (0, ends[0]) if len(ends) == 1 else ends[:2]
        delta = ends[2] if len(ends) > 2 else delta
        dtypes = [x.dtype for x in (start, limit, delta) if isinstance(x, TensorLike)]
        hint = dtype or (dtypes[0] if dtypes else None)
        tensors = [convert_to_tensor(x, dtype_hint=hint) for x in (start, limit, delta)]
        if dtype is not None:
            tensors = [NAMESPACES["tf"]["cast"](x, dtype) for x in tensors]
        self.start, self.limit, self.delta = tensors

    def __iter__(self) -> Iterator:
        raise TypeError(
            "a range whose ends are known only at run time can be gone over by a `for` statement only"
            f"{at_user_location()}"
        )

    def goes_on(self, i: Any) -> Any:
        """True while `i` is one of the numbers."""
        if not is_later(self.delta):
            return i < self.limit if float(self.delta) > 0 else i > self.limit
        return ((self.delta > 0) & (i < self.limit)) | ((self.delta < 0) & (i > self.limit))


def while_stmt(
    test: Callable, body: Callable, get_state: Callable, set_state: Callable, names: tuple, options: dict
) -> None:
    """Repeats `body()` while `test()`: in Python as long as that has a value, then as a loop of the program."""
    limit, count = options.get("maximum_iterations"), 0
    while True:
        going = test()
        if is_later(going) or (isinstance(going, TensorLike) and in_trace()):
            remaining = None if limit is None else limit - count
            _run(_State(get_state, set_state, names), (), test, body, options, remaining)
            return
        if not going or (limit is not None and count >= int(limit)):
            return
        body()
        count += 1


def for_stmt(
    over: Any,
    extra_test: Callable | None,
    body: Callable,
    get_state: Callable,
    set_state: Callable,
    names: tuple,
    options: dict,
) -> None:
    """Calls `body(item)` for each item while `extra_test()`."""
    variables = _State(get_state, set_state, names)
    if isinstance(over, LoopRange):
        _over_range(over, extra_test, body, variables, options)
    elif is_later(over) or (isinstance(over, TensorLike) and in_trace()):
        _over_rows(convert_to_tensor(over), extra_test, body, variables, options)
    elif isinstance(over, TensorArray):
        for_stmt(over.stack(), extra_test, body, get_state, set_state, names, options)
    else:
        _over_items(over, extra_test, body, variables)


def _over_items(over: Iterable, extra_test: Callable | None, body: Callable, variables: _State) -> None:
    """A loop of Python's, in which a `break` may depend on a tensor."""
    going = True if extra_test is None else extra_test()
    if not is_later(going) and not going:
        return
    compiled = compiled_body(over, body, variables.names)
    for item in over:
        if not is_later(going):
            if compiled is None or not compiled.run(item, body, variables):
                body(item)
        else:
            before = variables.get()

            def run(changes: bool, before: tuple = before, item: Any = item) -> tuple:
                variables.set(before)
                if changes:
                    body(item)
                return variables.get()

            going_on = going
            variables.set(tuple(choose(going_on, lambda: run(True), lambda: run(False), variables.names)))
        if extra_test is not None:
            going = extra_test()
            if not is_later(going) and not going:
                return


def _over_range(
    over: LoopRange, extra_test: Callable | None, body: Callable, variables: _State, options: dict
) -> None:
    def test(i: Any) -> Any:
        return over.goes_on(i) if extra_test is None else and_(lambda: over.goes_on(i), extra_test)

    def step(i: Any) -> tuple:
        body(i)
        return (i + over.delta,)

    _run(variables, (over.start,), test, step, options, options.get("maximum_iterations"))


def _over_rows(
    rows: Any, extra_test: Callable | None, body: Callable, variables: _State, options: dict
) -> None:
    if rows.shape.rank == 0:
        raise TypeError(f"a scalar tensor cannot be iterated over{at_user_location()}")
    size = rows.shape[0]
    if size == 0:
        return
    if size is not None and variables.get_values_from(lambda: body(rows[0])):
        body(rows[0])
        rows, size = rows[1:], size - 1
        if size == 0:
            return
    limit = options.get("maximum_iterations")
    plain = extra_test is None and limit is None and not is_recorded(rows) and in_trace()
    if plain and _scanned(rows, body, variables):
        return
    count = convert_to_tensor(size, "int32") if size is not None else NAMESPACES["tf"]["shape"](rows)[0]
    numbers = LoopRange(count)
    _over_range(numbers, extra_test, lambda i: body(rows[i]), variables, options)


def _scanned(rows: Any, body: Callable, variables: _State) -> bool:
    """Runs the loop as a scan, whose gradient needs no checkpoints; False when an array in it is still without size."""
    start = variables.start()
    if any(part.grows for part in start.parts) or any(0 in tuple(t.shape) for t in start.tensors):
        return False

    def step(tensors: list, row: Any) -> tuple:
        variables.set(start.rebuilt(tensors))
        body(row)
        return start.checked(variables.get()), []

    tensors, _ = scan_loop(step, start.tensors, rows, False)
    variables.set(start.rebuilt(tensors))
    return True


def _run(variables: _State, own: tuple, test: Callable, body: Callable, options: dict, limit: Any) -> None:
    """Runs a loop of the program over the loop's own tensors and the variables."""
    num = len(own)
    unset = variables.none_until(lambda: body(*own))
    if unset:
        _check_runs(test(*own), unset)
        own = tuple(body(*own) or ())
        limit = None if limit is None else limit - 1
    start = variables.start(lambda: body(*own), lambda: test(*own))
    tensors = [*own, *start.tensors] or [convert_to_tensor(0)]

    def going(*carry: Any) -> Any:
        variables.set(start.rebuilt(list(carry[num:])))
        return _flag(test(*carry[:num]))

    def step(*carry: Any) -> list:
        variables.set(start.rebuilt(list(carry[num:])))
        after = body(*carry[:num]) or ()
        return [*after, *start.checked(variables.get())] or list(carry)

    shapes = _invariants(options.get("shape_invariants"), tensors, start)
    result = while_loop(going, step, tensors, shape_invariants=shapes, maximum_iterations=limit)
    variables.set(start.rebuilt(list(result)[num:]))


def _flag(value: Any) -> Any:
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype.is_bool else NAMESPACES["tf"]["cast"](tensor, "bool")


def _invariants(pairs: Any, tensors: list, start: _Start) -> list | None:
    if not pairs:
        return None
    found = {id(tensor): tensor.shape for tensor in tensors}
    by_value = {id(leaf): tensor for leaf, tensor in zip(start.convertible, start.tensors, strict=True)}
    for value, shape in pairs:
        if id(value) in by_value:
            found[id(by_value[id(value)])] = shape
    return [found[id(tensor)] for tensor in tensors]


class _State:
    """The variables of a loop."""

    def __init__(self, get: Callable, put: Callable, names: tuple) -> None:
        self.get, self.set, self.names = get, put, names

    def get_values_from(self, once: Callable) -> bool:
        """True when `once()` gives first values to variables that have none, or are None."""
        return not all(map(is_defined, self.get())) or bool(self.none_until(once))

    def none_until(self, once: Callable) -> list[str]:
        """Returns the names of the variables that are None before the loop and something else after `once()`."""
        values = tuple(self.get())
        if None not in set(map(_none_or_type, values)):
            return []
        kinds = self._tried(values, once)
        self.set(values)
        pairs = zip(self.names, values, kinds, strict=True)
        return [
            name for name, value, kind in pairs if value is None and kind is not None and is_defined(kind)
        ]

    def start(self, once: Callable | None = None, test: Callable | None = None) -> _Start:
        """Returns the variables before the loop; those without a value get the kind that `once()` gives them."""
        values = list(self.get())
        missing = [i for i, value in enumerate(values) if not is_defined(value)]
        if missing and once is not None:
            kinds = self._tried(tuple(values), once)
            self.set(tuple(values))
            filled = [i for i in missing if is_defined(kinds[i])]
            for i in filled:
                values[i] = nest.map_structure(zeros_of, kinds[i])
            said = [self.names[i] for i in filled if not self.names[i].startswith(RETURN_VALUE)]
            if said and test is not None:
                _check_runs(test(), said)
        return _Start(self.names, values)

    def _tried(self, values: tuple, once: Callable) -> tuple:
        """Runs the body aside, to see what kinds of values it gives."""
        found: list = []

        def run() -> list:
            once()
            found.extend(self.get())
            return []

        tapes, state.tapes = state.tapes, ()
        try:
            if any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten(values)):
                run()
            else:
                with enter_scope(BranchScope(state.scope)):
                    loops().hoisted(run)
        finally:
            state.tapes = tapes
        return tuple(found)


def _none_or_type(value: Any) -> Any:
    return None if value is None else type(value)


def _check_runs(going: Any, names: list) -> None:
    """Makes the program fail when a loop that gives variables their first values does not run."""
    error = InvalidArgumentError(
        f"the loop must run at least once, to give {', '.join(map(repr, names))} a value{at_user_location()}"
    )
    check_later(going, error)


class _Start:
    """The values of a loop's variables before it: tensors, which the loop carries, and what it must leave alone."""

    def __init__(self, names: tuple, values: list) -> None:
        self.names, self.values = names, values
        self.parts = [_Part(name, value) for name, value in zip(names, values, strict=True)]
        self.tensors = [tensor for part in self.parts for tensor in part.tensors]
        self.convertible = [leaf for part in self.parts for leaf in part.convertible]

    @property
    def key(self) -> tuple:
        """What loops of one program share: structures, and the objects that are no tensors, by identity."""
        return tuple([part.key for part in self.parts])

    def rebuilt(self, tensors: list) -> tuple:
        given = iter(tensors)
        return tuple(part.rebuilt(given) for part in self.parts)

    def checked(self, values: tuple) -> list:
        """Returns the tensors of the variables after an iteration."""
        pairs = zip(self.parts, values, strict=True)
        return [tensor for part, value in pairs for tensor in part.checked(value)]


class _Part:
    """One variable of a loop."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value
        self.leaves: list
        self.spec: Any
        self.grows = is_growing(value)
        if self.grows:  # the loop takes it as a whole
            self.leaves, self.spec, self.is_tensor = [value], nest.flatten_spec(0)[1], [True]
            self.convertible = self.tensors = [value]
            return
        self.leaves, self.spec = nest.flatten_spec(value) if is_defined(value) else ([], None)
        self.is_tensor = [is_convertible(leaf) for leaf in self.leaves]
        pairs = zip(self.leaves, self.is_tensor, strict=True)
        self.convertible = [leaf for leaf, convertible in pairs if convertible]
        self.tensors = [convert_to_tensor(leaf) for leaf in self.convertible]

    @property
    def key(self) -> tuple:
        pairs = zip(self.leaves, self.is_tensor, strict=True)
        return (self.spec, *[None if convertible else id(leaf) for leaf, convertible in pairs])

    def rebuilt(self, given: Iterator) -> Any:
        if self.spec is None:
            return self.value
        pairs = zip(self.leaves, self.is_tensor, strict=True)
        return nest.unflatten(
            self.spec, [next(given) if convertible else leaf for leaf, convertible in pairs]
        )

    def checked(self, value: Any) -> list:
        if self.spec is None:
            if is_defined(value):
                raise ValueError(f"{self.name!r} must have a value before the loop{at_user_location()}")
            return []
        if not is_defined(value):
            raise ValueError(f"{self.name!r} has no value after an iteration of the loop{at_user_location()}")
        if self.grows and isinstance(value, TensorArray):
            return [value]
        leaves, spec = nest.flatten_spec(value)
        if spec != self.spec or [is_convertible(leaf) for leaf in leaves] != self.is_tensor:
            raise TypeError(
                f"{self.name!r} changes its structure in the loop: {self.value!r:.80} before, {value!r:.80} after an "
                "iteration. A loop on tensors needs the same structure throughout; collect values in a tf.TensorArray"
                f"{at_user_location()}"
            )
        return self._tensors_of(leaves)

    def _tensors_of(self, leaves: list) -> list:
        before, found = iter(self.tensors), []
        for old, new, convertible in zip(self.leaves, leaves, self.is_tensor, strict=True):
            if convertible:
                found.append(self._same_dtype(next(before), new))
            elif not same(old, new):
                raise TypeError(
                    f"{self.name!r} is {old!r:.60} before the loop and {new!r:.60} after an iteration; a loop on "
                    f"tensors can change tensors and numbers only{at_user_location()}"
                )
        return found

    def _same_dtype(self, old: Any, new: Any) -> Any:
        tensor = convert_to_tensor(new, dtype_hint=old.dtype)
        if tensor.dtype != old.dtype:
            raise TypeError(
                f"{self.name!r} has dtype {old.dtype.name} before the loop, but {tensor.dtype.name} after one "
                f"iteration. A loop on tensors needs the same dtype throughout: cast with tf.cast{at_user_location()}"
            )
        return tensor
