"""What follows a product of many rows, in the product's own call: a bias, a sum, a floor of zero; and sums beside it.

A pass over a large result costs as much as a tenth of the product, and the numbers have just been in registers. What
follows is known when a program has been traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dovetail.engine import jax_private
from dovetail.engine.xla_native import FLOAT32, standing_for

_PRODUCTS = {"dovetail_many_rows": False, "dovetail_many_rows_transposed": True}
_OVER_ROWS = "dovetail_over_rows"
_DENSE, _WITH_SUMS, _BATCH_NORM = "dovetail_dense", "dovetail_over_rows_and_sums", "dovetail_batch_norm"
_CONV, _CONV_FOLLOWED = "dovetail_conv", "dovetail_conv_followed"
_FOLLOWED = frozenset({*_PRODUCTS, _OVER_ROWS, _BATCH_NORM, _CONV})


class _After(NamedTuple):
    """What follows a product, of (rows, width), in this order.

    Attributes:
        shape: of the result, which has as many numbers.
        width: numbers of a row.
        bias: what is added to each row, of so many numbers, or None.
        scale, shift: what each row is multiplied by, and what is added then, likewise, or None.
        other: what is added, of the result's shape, or None.
        keep: numbers become zero where those of this array, of the result's shape, are not positive; None: all stay.
        floor: whether negative numbers become zero.
    """

    shape: tuple
    width: int
    bias: Any = None
    scale: Any = None
    shift: Any = None
    other: Any = None
    keep: Any = None
    floor: bool = False

    @property
    def does_nothing(self) -> bool:
        return not self.operands and not self.floor

    @property
    def operands(self) -> list:
        """The arrays that take part."""
        return [each for each in self._arrays if each is not None]

    @property
    def flags(self) -> list[int]:
        """Which arrays there are, and whether there is a floor: `Follows` of native/following.h."""
        return [*(int(each is not None) for each in self._arrays), int(self.floor)]

    @property
    def _arrays(self) -> tuple:
        return self.bias, self.scale, self.shift, self.other, self.keep

    def computed(self, product: Any, operands: tuple) -> Any:
        """Computes it the long way, given values of the operands."""
        given = iter(operands)
        y = product.reshape(self.shape)
        y = y if self.bias is None else y + next(given)
        y = y if self.scale is None else y * next(given)
        y = y if self.shift is None else y + next(given)
        y = y if self.other is None else y + next(given)
        y = y if self.keep is None else jnp.where(next(given) > 0, y, jnp.zeros((), y.dtype))
        return jnp.maximum(y, 0) if self.floor else y


def with_epilogues(closed: Any) -> Any:
    """Returns a traced program in which products of many rows do what follows, and those over rows the sums of rows."""
    equations = closed.jaxpr.eqns
    calls = [jax_private.custom_call_of(equation) or {} for equation in equations]
    if not any(call.get("target_name") in _FOLLOWED for call in calls):
        return closed
    links = jax_private.Links(closed)
    new: dict[int, Any] = {}  # by the place where it stands
    dropped: set[int] = set()
    for equation, call in zip(equations, calls, strict=True):
        found, target = None, call.get("target_name")
        if target in _PRODUCTS:
            found = _dense(equation, _PRODUCTS[target], links, dropped)
        elif target == _OVER_ROWS:
            found = _with_sums(equation, links, dropped)
        elif target == _CONV:
            found = _conv(equation, call, links, dropped)
        elif target == _BATCH_NORM:
            found = _batch_norm(equation, call, links, dropped)
        if found is not None:
            made, replaced, place = found
            new[links.place_of(place)] = made
            dropped.update(map(id, replaced))
    kept = [
        new.get(place, equation)
        for place, equation in enumerate(equations)
        if place in new or id(equation) not in dropped
    ]
    return jax_private.with_equations(closed, kept)


def _dense(
    equation: Any, transposed: bool, links: jax_private.Links, dropped: set
) -> tuple[Any, list, Any] | None:
    """Returns a product with what follows it, the equations that it replaces, and which of them it stands for."""
    after, result, replaced = _following(equation, _and_then, links, dropped)
    if after.does_nothing:
        return None
    kind, operands = (_DENSE, transposed, after.shape, *after.flags), [*equation.invars, *after.operands]
    made = jax_private.equation_of(_dense_call(after, transposed), operands, [result], kind)
    return None if made is None else (made, replaced, replaced[-1])


def _following(
    equation: Any, and_then: Callable, links: jax_private.Links, dropped: set
) -> tuple[_After, Any, list]:
    """Returns what follows the first result of an equation, the result of that, and the equations of it all."""
    result, replaced = equation.outvars[0], [equation]
    after = _After(result.aval.shape, result.aval.shape[-1])
    while (use := links.only_use(result)) is not None and id(use) not in dropped:
        more = and_then(after, result, use, links)
        if more is None:
            break
        after, result = more, use.outvars[0]
        replaced.append(use)
    return after, result, replaced


def _conv(equation: Any, call: dict, links: jax_private.Links, dropped: set) -> tuple[Any, list, Any] | None:
    """Returns a convolution, or an input's gradient, with what follows it, as `_dense` does."""
    after, result, replaced = _following(equation, _and_then_of_its_shape, links, dropped)
    if after.does_nothing:
        return None
    numbers = np.array([*jax_private.numbers_of(call), *after.flags], np.int64)
    result_kind = jax.ShapeDtypeStruct(after.shape, FLOAT32)

    def own(x: Any, kernel: Any, *added: Any) -> tuple:
        (y,) = jax_private.evaluated(equation, [x, kernel])
        return (after.computed(y, added),)

    def followed(*given: Any) -> tuple:
        return (jax.ffi.ffi_call(_CONV_FOLLOWED, result_kind)(*given, numbers=numbers),)

    made = jax_private.equation_of(
        lambda *given: standing_for(own, followed)(*given)[0],
        [*equation.invars, *after.operands],
        [result],
        (_CONV_FOLLOWED, *numbers.tolist()),
    )
    return None if made is None else (made, replaced, replaced[-1])


def _batch_norm(
    equation: Any, call: dict, links: jax_private.Links, dropped: set
) -> tuple[Any, list, Any] | None:
    """Returns a batch normalization that adds what is added to it and ends at zero, as `_dense` does."""
    after, result, replaced = _following(equation, _and_then_without_bias, links, dropped)
    if after.does_nothing:
        return None
    place = equation if after.other is None or links.is_made_before(after.other, equation) else replaced[-1]
    if any(_comes_before(out, place, links) for out in equation.outvars[1:]):
        return None
    numbers = jax_private.numbers_of(call)
    numbers[4:6] = [int(after.other is not None), int(after.floor)]
    kinds = [jax.ShapeDtypeStruct(out.aval.shape, FLOAT32) for out in equation.outvars]
    count = len(equation.invars)

    def own(*given: Any) -> tuple:
        y, *statistics = jax_private.evaluated(equation, list(given[:count]))
        return after.computed(y, given[count:]), *statistics

    def kernel(*given: Any) -> tuple:
        return tuple(jax.ffi.ffi_call(_BATCH_NORM, kinds)(*given, numbers=np.array(numbers, np.int64)))

    outputs = [result, *equation.outvars[1:]]
    kind = (_BATCH_NORM, *numbers)
    made = jax_private.equation_of(
        standing_for(own, kernel), [*equation.invars, *after.operands], outputs, kind
    )
    return None if made is None else (made, replaced, place)


def _comes_before(variable: Any, equation: Any, links: jax_private.Links) -> bool:
    """Whether another equation than the last of a group uses a variable before it."""
    return any(
        use is not None and links.place_of(use) < links.place_of(equation) for use in links.users(variable)
    )


def _and_then_without_bias(after: _After, result: Any, use: Any, links: jax_private.Links) -> _After | None:
    """As `_and_then_of_its_shape`, for what can do no more than add an array and end at zero."""
    more = _and_then_of_its_shape(after, result, use, links)
    fits = more is not None and more.operands == [each for each in (more.other,) if each is not None]
    return more if fits else None


def _and_then_of_its_shape(after: _After, result: Any, use: Any, links: jax_private.Links) -> _After | None:
    """As `_and_then`, for what has a shape of its own."""
    return None if use.primitive.name == "reshape" else _and_then(after, result, use, links)


def _and_then(after: _After, result: Any, use: Any, links: jax_private.Links) -> _After | None:
    """Returns what follows together with one equation more; None: that is nothing that products do."""
    kind = use.primitive.name
    if kind == "reshape" and after.does_nothing:
        return after._replace(shape=use.params["new_sizes"])
    if after.floor or use.outvars[0].aval.shape != after.shape:
        return None
    if kind == "max" and jax_private.is_number(use.invars[1], 0):
        return after._replace(floor=True)
    if after.keep is not None:
        return None
    kept = _kept_where_positive(result, use, links)
    if kept is not None:
        return after._replace(keep=kept) if kept.aval.shape == after.shape else None
    if kind not in ("add", "mul") or after.other is not None:
        return None
    (added,) = [each for each in use.invars if each is not result] or [None]
    if added is None or jax_private.is_literal(added):
        return None
    row = _row(added, after.width, links)
    if row is not None and (place := _place_of_row(after, kind)):
        return after._replace(**{place: row})
    return after._replace(other=added) if kind == "add" and added.aval.shape == after.shape else None


def _place_of_row(after: _After, kind: str) -> str | None:
    """Returns where a row goes that is added, or that a result is multiplied by; None: nowhere."""
    if kind == "mul":
        return "scale" if after.scale is None and after.shift is None else None
    if after.bias is None and after.scale is None:
        return "bias"
    return "shift" if after.shift is None else None


def _kept_where_positive(result: Any, use: Any, links: jax_private.Links) -> Any:
    """Returns the array that an equation keeps a result by, where it is positive; None for other equations."""
    if use.params.get("name") != "_where" or len(use.invars) != 3 or use.invars[1] is not result:
        return None
    asked = links.made_by(use.invars[0])
    is_it = asked is not None and asked.primitive.name == "gt" and jax_private.is_number(asked.invars[1], 0)
    if not is_it or not jax_private.is_number(use.invars[2], 0) or jax_private.is_literal(asked.invars[0]):
        return None
    return asked.invars[0] if asked.invars[0].aval.dtype == FLOAT32 else None


def _row(added: Any, width: int, links: jax_private.Links) -> Any:
    """Returns the array of one row that was made into one that is added to rows of a width, None where it is none."""
    made = links.made_by(added)
    if made is None or made.primitive.name not in ("broadcast_in_dim", "reshape"):
        return None
    row = made.invars[0]
    if jax_private.is_literal(row) or row.aval.size != width or added.aval.size != width or not row.aval.ndim:
        return None
    return row if added.aval.shape[-row.aval.ndim :] == row.aval.shape else None


def _dense_call(after: _After, transposed: bool) -> Callable:
    """Returns the product with what follows it as a function of the matrices and what is added."""

    def own(x: Any, y: Any, *added: Any) -> tuple:
        return (after.computed(jnp.matmul(x, y.T if transposed else y), added),)

    def call(x: Any, y: Any, *added: Any) -> tuple:
        width = y.shape[0 if transposed else 1]
        numbers = np.array([*x.shape, width, transposed, *after.flags], np.int64)
        kernel = jax.ffi.ffi_call(_DENSE, jax.ShapeDtypeStruct(after.shape, FLOAT32))
        return (kernel(x, y, *added, numbers=numbers),)

    return lambda *arrays: standing_for(own, call)(*arrays)[0]


def _with_sums(equation: Any, links: jax_private.Links, dropped: set) -> tuple[Any, list, Any] | None:
    """Returns a product over rows that sums the rows of its second matrix too, as `_dense` does."""
    matrix = equation.invars[1]
    reshaped = links.made_by(matrix)
    whole = reshaped.invars[0] if reshaped is not None and reshaped.primitive.name == "reshape" else None
    for source in (matrix, whole):
        for use in [] if source is None else links.users(source):
            if use is None or id(use) in dropped or not _sums_rows(use, matrix.aval.shape[-1]):
                continue
            (sums,) = use.outvars
            if not _comes_before(sums, equation, links):
                outputs = [equation.outvars[0], sums]
                shape = sums.aval.shape
                made = jax_private.equation_of(
                    _with_sums_call(equation, shape), list(equation.invars), outputs, (_WITH_SUMS, shape)
                )
                return None if made is None else (made, [equation, use], equation)
    return None


def _sums_rows(equation: Any, width: int) -> bool:
    """True for a sum over leading axes, behind which there are so many numbers."""
    if equation.primitive.name != "reduce_sum" or equation.outvars[0].aval.dtype != FLOAT32:
        return False
    axes = tuple(equation.params["axes"])
    return axes == tuple(range(len(axes))) and equation.outvars[0].aval.size == width


def _with_sums_call(equation: Any, shape: tuple) -> Callable:
    """Returns a product over rows, and the sums of rows in a shape, as a function of the matrices."""
    kinds = [jax.ShapeDtypeStruct(each, FLOAT32) for each in (equation.outvars[0].aval.shape, shape)]

    def own(x: Any, y: Any) -> tuple:
        return jnp.matmul(x.T, y), y.sum(0).reshape(shape)

    return standing_for(own, lambda x, y: tuple(jax.ffi.ffi_call(_WITH_SUMS, kinds)(x, y)))
