"""`if`, conditional expressions, `and`, `or`, `not`, `assert` on tensors whose values are not known yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.function.autograph.checks import check_later
from dovetail.function.autograph.values import (
    is_convertible,
    is_defined,
    is_later,
    same,
    zeros_of,
)
from dovetail.function.control import cond as tf_cond
from dovetail.ops.table import NAMESPACES
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor

# How the names of variables begin that conversion adds: what is returned, and whether something was.
RETURN_VALUE = "retval_"
_RETURNED = ("do_return", RETURN_VALUE)
_OWN = (*_RETURNED, "break_", "continue_")


def if_stmt(
    test: Any,
    body: Callable,
    orelse: Callable,
    get_state: Callable,
    set_state: Callable,
    names: tuple,
    nouts: int,
) -> None:
    """Runs `body()` or `orelse()`; they change the variables that `get_state` reads and `set_state` writes."""
    if not is_later(test):
        body() if test else orelse()
        return
    before = get_state()

    def run(branch: Callable) -> Callable:
        def outcome() -> tuple:
            set_state(before)
            branch()
            return get_state()[:nouts]

        return outcome

    after = choose(test, run(body), run(orelse), names[:nouts])
    set_state((*after, *before[nouts:]))


def if_exp(test: Any, yes: Callable, no: Callable, text: str) -> Any:
    """Returns `yes() if test else no()`."""
    if not is_later(test):
        return yes() if test else no()
    return choose(test, lambda: (yes(),), lambda: (no(),), (f"... if {text} else ...",))[0]


def choose(test: Any, yes: Callable, no: Callable, names: tuple) -> list:
    """Returns the values that one of two functions gives, chosen at run time.

    Args:
        test: scalar bool.
        yes, no: return a tuple of values, one for each of `names`.

    Raises:
        ValueError: a value is there in one of them only.
        TypeError: the values differ in structure or dtype.
    """
    seen: dict[bool, list[_Outcome]] = {}
    fillings: dict[int, Any] = {}

    def branch(function: Callable, which: bool) -> Callable:
        def run() -> list:
            values = function()
            seen[which] = [
                _Outcome(fillings.get(i, v) if not is_defined(v) else v) for i, v in enumerate(values)
            ]
            if len(seen) == 2:
                _fill_returned(names, seen[True], seen[False], fillings)
                for name, a, b in zip(names, seen[True], seen[False], strict=True):
                    _check(name, a, b)
            return [tensor for outcome in seen[which] for tensor in outcome.tensors]

        return run

    try:
        results = tf_cond(test, branch(yes, True), branch(no, False))
    except _Filled:
        seen.clear()
        results = tf_cond(test, branch(yes, True), branch(no, False))
    given = iter(results)
    pairs = zip(names, seen[True], seen[False], strict=True)
    return [_merged(name, a, b, [next(given) for _ in a.tensors], test) for name, a, b in pairs]


def _merged(name: str, yes: _Outcome, no: _Outcome, tensors: list, test: Any) -> Any:
    """Returns the value of a variable after a branch; what conversion has added stays Python's where it can."""
    if name.startswith(_OWN) and isinstance(yes.value, bool):
        returned_before = _negated.result is test and _negated.operand is no.value
        if yes.value is no.value or (yes.value and returned_before):
            return yes.value
    return yes.rebuilt(tensors)


class _Filled(Exception):
    """A branch that does not return has got a value to stand for what it would return."""


def _fill_returned(names: tuple, yes: list[_Outcome], no: list[_Outcome], fillings: dict[int, Any]) -> None:
    """Gives a returned value to the branch that goes on instead: nobody looks at it."""
    before = len(fillings)
    for i, name in enumerate(names):
        values = yes[i].value, no[i].value
        if name.startswith(RETURN_VALUE) and is_defined(values[0]) != is_defined(values[1]):
            fillings[i] = nest.map_structure(zeros_of, values[0] if is_defined(values[0]) else values[1])
    if len(fillings) > before:
        raise _Filled


class _Outcome:
    """The value of one variable at the end of a branch: tensors, and what cannot be a tensor."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.leaves: list
        self.spec: Any
        if not is_defined(value):
            self.spec, self.leaves = None, []
        else:
            self.leaves, self.spec = nest.flatten_spec(value)
        self.is_tensor = [is_convertible(leaf) for leaf in self.leaves]
        pairs = zip(self.leaves, self.is_tensor, strict=True)
        self.tensors = [convert_to_tensor(leaf) for leaf, convertible in pairs if convertible]

    def rebuilt(self, tensors: list) -> Any:
        if self.spec is None:
            return self.value
        given = iter(tensors)
        pairs = zip(self.leaves, self.is_tensor, strict=True)
        return nest.unflatten(
            self.spec, [next(given) if convertible else leaf for leaf, convertible in pairs]
        )


def _check(name: str, yes: _Outcome, no: _Outcome) -> None:
    if is_defined(yes.value) != is_defined(no.value):
        lacking = "else" if is_defined(yes.value) else "if"
        raise ValueError(_undefined(name, lacking) + at_user_location())
    if yes.spec != no.spec or yes.is_tensor != no.is_tensor:
        raise TypeError(
            f"{_said(name)} has another structure in each branch: {_shown(yes.value)} and {_shown(no.value)}. Both "
            f"branches of an `if` on a tensor must give the same structure{at_user_location()}"
        )
    for a, b, convertible in zip(yes.leaves, no.leaves, yes.is_tensor, strict=True):
        if not convertible and not same(a, b):
            raise TypeError(
                f"{_said(name)} is {a!r:.60} in one branch and {b!r:.60} in the other. Only tensors and numbers "
                f"can be chosen by a tensor{at_user_location()}"
            )
    for a, b in zip(yes.tensors, no.tensors, strict=True):
        if a.dtype != b.dtype:
            raise TypeError(
                f"{_said(name)} has dtype {a.dtype.name} in the main branch and {b.dtype.name} in the else branch "
                f"of an `if` on a tensor. Cast one of them with tf.cast{at_user_location()}"
            )


def _undefined(name: str, lacking: str) -> str:
    return (
        f"{name!r} must also be given a value in the {lacking} branch, or before the `if`: which branch of an `if` "
        "on a tensor runs is known only at run time"
    )


def _said(name: str) -> str:
    return "the return value" if name.startswith(_RETURNED) else repr(name)


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | SymbolicTensor):
        return f"a tensor of shape {value.shape}"
    return (
        f"{type(value).__name__} of {len(nest.flatten(value))} values"
        if nest.is_nested(value)
        else f"{value!r:.60}"
    )


def and_(a: Callable, b: Callable) -> Any:
    """Returns `a() and b()`."""
    left = a()
    if not is_later(left):
        return left and b()
    return _lazily(left, b, lambda: left)


def or_(a: Callable, b: Callable) -> Any:
    """Returns `a() or b()`."""
    left = a()
    if not is_later(left):
        return left or b()
    return _lazily(left, lambda: left, b)


def _lazily(test: Any, yes: Callable, no: Callable) -> Any:
    def truth(function: Callable) -> Callable:
        return lambda: NAMESPACES["tf"]["cast"](convert_to_tensor(function()), "bool")

    return tf_cond(test, truth(yes), truth(no))


def not_(value: Any) -> Any:
    """Returns `not value`."""
    if not is_later(value):
        return not value
    _negated.operand, _negated.result = value, NAMESPACES["tf"]["logical_not"](value)
    return _negated.result


class _Negated(threading.local):
    """The last `not` of a tensor: `if not returned: ...; return` leaves no way that does not return."""

    operand: Any = None
    result: Any = None


_negated = _Negated()


def returned(value: Any, did_return: Any) -> Any:
    """Returns what a converted function returns.

    Raises:
        ValueError: whether it returns a value or nothing is known only at run time.
    """
    _negated.operand = _negated.result = None
    if not is_defined(value):
        return None
    if is_later(did_return):
        raise ValueError(
            "a value must be returned from all branches: when a `return` stands under an `if` or in a loop on tensors, "
            f"the function cannot return None otherwise{at_user_location()}"
        )
    return value


def assert_stmt(test: Callable, message: Callable) -> None:
    """Checks `test()`: now if it has a value, else at run time.

    Raises:
        AssertionError: it is false now.
        InvalidArgumentError: it is false when the program runs.
    """
    value = test()
    if not is_later(value):
        if not value:
            said = message()
            raise AssertionError() if said is None else AssertionError(said)
        return
    said = message()
    error = InvalidArgumentError(f"assertion failed: {'' if said is None else said}{at_user_location()}")
    check_later(value, error)
