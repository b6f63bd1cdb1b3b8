"""Functions of `keras.ops` that take functions: branches, loops, derivatives, vectorization."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from dovetail.autodiff.custom import custom_gradient as _custom_gradient
from dovetail.autodiff.forward import ForwardAccumulator
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function import control
from dovetail.ops.arithmetic import clip_by_value
from dovetail.ops.array import concatenate, stack
from dovetail.ops.mapping import vectorized_map
from dovetail.ops.rules import broadcast, normalized_axis
from dovetail.ops.shapes import broadcast_to, flip, reshape
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor

# ---- branches and loops ----------------------------------------------------------------------------------------------


@export("ops.cond")
def cond(pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """Returns `true_fn()` if the scalar `pred` holds, else `false_fn()`; both return the same structure."""
    return control.cond(pred, true_fn, false_fn)


@export("ops.switch")
def switch(index: Any, branches: Sequence[Callable], *operands: Any) -> Any:
    """Returns `branches[index](*operands)`; an index out of range counts as the nearest one.

    Args:
        index: scalar integer.
        branches: functions that return the same structure.
        operands: what the functions are given.
    """
    functions = [functools.partial(branch, *operands) for branch in branches]
    if not functions:
        raise ValueError(f"keras.ops.switch: pass at least one branch{at_user_location()}")
    index = convert_to_tensor(index)
    return control.switch_case(clip_by_value(index, 0, len(functions) - 1), functions)


@export("ops.while_loop")
def while_loop(cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds.

    Args:
        cond: returns a scalar boolean.
        body: returns new loop variables of the same structure, shapes and dtypes.
        loop_vars: tuple or list of tensors or structures of them, or one tensor.
        maximum_iterations: stop after so many steps.
    """
    several = isinstance(loop_vars, tuple | list)
    given = tuple(loop_vars) if several else (loop_vars,)

    def step(*values: Any) -> tuple:
        result = body(*values)
        return tuple(result) if isinstance(result, tuple | list) else (result,)

    found = control.while_loop(cond, step, given, maximum_iterations=maximum_iterations)
    return tuple(found) if several else found[0]


@export("ops.fori_loop")
def fori_loop(lower: Any, upper: Any, body_fun: Callable, init_val: Any) -> Any:
    """Returns `val` after `val = body_fun(i, val)` for `i` from `lower` up to but without `upper`."""

    def step(i: Any, value: Any) -> tuple:
        return i + 1, body_fun(i, value)

    return control.while_loop(lambda i, _: i < upper, step, (convert_to_tensor(lower), init_val))[1]


@export("ops.associative_scan")
def associative_scan(f: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Returns the running combination of elements along an axis by an associative function.

    Args:
        f: combines two structures like `elems`, of any number of elements along `axis`, pair by pair.
        elems: tensor, or structure of tensors of one size along `axis`.
        reverse: combine from the end.
        axis: the axis.

    The function is called about `2 log2(n)` times, on many pairs at once.

    Source: G. Blelloch, 1990, "Prefix sums and their applications".
    """
    if not callable(f):
        raise TypeError(
            f"keras.ops.associative_scan: f must be callable, received {f!r:.60}{at_user_location()}"
        )
    leaves, spec = nest.flatten_spec(elems)
    tensors = [convert_to_tensor(leaf) for leaf in leaves]
    axes = [normalized_axis(axis, len(tensor.shape)) for tensor in tensors]
    counts = {tensor.shape[place] for tensor, place in zip(tensors, axes, strict=True)}
    if len(counts) != 1 or None in counts:
        raise ValueError(
            f"keras.ops.associative_scan: the elements need one known size along axis {axis}, received shapes "
            f"{[tuple(tensor.shape) for tensor in tensors]}{at_user_location()}"
        )
    if reverse:
        tensors = [flip(tensor, place) for tensor, place in zip(tensors, axes, strict=True)]

    def combined(first: list, second: list) -> list:
        return nest.flat(f(nest.unflatten(spec, first), nest.unflatten(spec, second)))

    found = _scanned(combined, tensors, axes, counts.pop())
    if reverse:
        found = [flip(tensor, place) for tensor, place in zip(found, axes, strict=True)]
    return nest.unflatten(spec, found)


def _every(tensors: list, axes: list[int], *part: Any) -> list:
    """Returns a slice of every tensor along its axis."""
    places = zip(tensors, axes, strict=True)
    return [tensor[(slice(None),) * axis + (slice(*part),)] for tensor, axis in places]


def _scanned(combined: Callable, tensors: list, axes: list[int], count: int) -> list:
    if count < 2:
        return tensors
    pairs = combined(_every(tensors, axes, 0, count - 1, 2), _every(tensors, axes, 1, count, 2))
    odd = _scanned(combined, pairs, axes, count // 2)
    even = _every(tensors, axes, 0, 1)
    if count > 2:
        before = odd if count % 2 else _every(odd, axes, 0, count // 2 - 1)
        rest = combined(before, _every(tensors, axes, 2, count, 2))
        even = [concatenate([a, b], axis) for a, b, axis in zip(even, rest, axes, strict=True)]
    return [_alternating(a, b, axis) for a, b, axis in zip(even, odd, axes, strict=True)]


def _alternating(even: Any, odd: Any, axis: int) -> Any:
    """Joins two tensors so that their elements alternate along an axis."""
    common = odd.shape[axis]
    lead = (slice(None),) * axis
    both = stack(even[(*lead, slice(0, common))], odd, axis=axis + 1)
    sizes = [-1 if size is None else size for size in even.shape]
    sizes[axis] = 2 * common
    joined = reshape(both, shape=tuple(sizes))
    if even.shape[axis] == common:
        return joined
    return concatenate([joined, even[(*lead, slice(common, None))]], axis)


# ---- derivatives -----------------------------------------------------------------------------------------------------


@export("ops.custom_gradient")
def custom_gradient(f: Callable) -> Callable:
    """Decorator: `f(*args)` returns `(outputs, grad)`, where `grad(*upstream)` returns the gradients of `args`.

    The gradient function may name its arguments as Keras does: `def grad(*args, upstream=None)`.
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        outputs, grad = f(*args, **kwargs)
        return outputs, functools.partial(_called_back, grad)

    return _custom_gradient(wrapped)


def _called_back(grad: Callable, *upstream: Any, **kwargs: Any) -> Any:
    code = getattr(grad, "__code__", None)
    if code is not None and "upstream" in code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]:
        return grad(upstream=upstream[0] if len(upstream) == 1 else upstream, **kwargs)
    return grad(*upstream, **kwargs)


@export("ops.linalg.jvp")
def jvp(fun: Callable, primals: Sequence, tangents: Sequence, has_aux: bool = False) -> tuple:
    """Returns `fun(*primals)` and its derivative in the direction of the tangents.

    Args:
        fun: function of tensors.
        primals: where to differentiate.
        tangents: directions, like `primals`.
        has_aux: `fun` returns `(outputs, others)`; the others are returned third, as they are.
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError(f"keras.ops.jvp: primals and tangents must be tuples or lists{at_user_location()}")
    points = nest.mapped(convert_to_tensor, tuple(primals))
    directions = [
        convert_to_tensor(tangent, dtype_hint=point.dtype)
        for point, tangent in zip(nest.flat(points), nest.flat(tuple(tangents)), strict=True)
    ]
    with ForwardAccumulator(nest.flat(points), directions) as accumulator:
        result = fun(*points)
        outputs, aux = result if has_aux else (result, None)
        derivative = accumulator.jvp(outputs, unconnected_gradients="zero")
    return (outputs, derivative, aux) if has_aux else (outputs, derivative)


# ---- vectorization ---------------------------------------------------------------------------------------------------


@export("ops.numpy.vectorize")
def vectorize(pyfunc: Callable, *, excluded: Any = None, signature: str | None = None) -> Callable:
    """Returns a function that applies `pyfunc` to each element of tensors, or to each vector, matrix and so on.

    Args:
        pyfunc: function of tensors without the axes that are looped over.
        excluded: positions and names of arguments that are passed whole.
        signature: the axes that the function keeps: "(m,n),(n)->(m)"; None: none, it takes scalars.

    Example:
        >>> keras.ops.vectorize(keras.ops.dot, signature="(n),(n)->()")(keras.ops.ones((3, 4)), keras.ops.ones(4)).shape
        TensorShape([3])
    """
    if not callable(pyfunc):
        raise TypeError(
            f"keras.ops.vectorize: pyfunc must be callable, received {pyfunc!r:.60}{at_user_location()}"
        )
    skipped = frozenset(() if excluded is None else excluded)

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        looped = [i for i, arg in enumerate(args) if i not in skipped and arg is not None]
        tensors = [convert_to_tensor(args[i]) for i in looped]
        kept = _kept_axes(signature, len(tensors))
        batch = broadcast(
            *(tuple(t.shape)[: len(t.shape) - k] for t, k in zip(tensors, kept, strict=True)), ()
        )

        def one(*rows: Any) -> Any:
            given = list(args)
            for place, row in zip(looped, rows, strict=True):
                given[place] = row
            return pyfunc(*given, **kwargs)

        if not batch:
            return one(*tensors)
        flat = [_rows(t, k, batch) for t, k in zip(tensors, kept, strict=True)]
        found = vectorized_map(lambda rows: one(*rows), tuple(flat))
        return nest.mapped(lambda y: reshape(y, shape=(*batch, *tuple(y.shape)[1:])), found)

    return vectorized


def _rows(tensor: Any, kept: int, batch: tuple) -> Any:
    """Returns the tensor with the axes that are looped over joined to one."""
    inner = tuple(tensor.shape)[len(tensor.shape) - kept :]
    return reshape(broadcast_to(tensor, shape=(*batch, *inner)), shape=(-1, *inner))


def _kept_axes(signature: str | None, count: int) -> list[int]:
    """Returns how many axes the function keeps of each argument."""
    if signature is None:
        return [0] * count
    left, arrow, _ = signature.replace(" ", "").partition("->")
    inputs = re.findall(r"\(([\w,]*)\)", left)
    if not arrow or len(inputs) != count:
        raise ValueError(
            f"keras.ops.vectorize: signature {signature!r} does not fit {count} arguments; write one like "
            f"'(m,n),(n)->(m)'{at_user_location()}"
        )
    return [len([name for name in group.split(",") if name]) for group in inputs]
