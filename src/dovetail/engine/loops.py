"""Branches, and loops with a trip count known only at run time, with gradients, on flat lists of arrays.

XLA's while loop cannot be differentiated in reverse, because the number of steps to remember is not known when the
program is compiled.  `while_loop` keeps a fixed number of checkpoints when it is differentiated: while they suffice,
every step is kept and the backward pass computes each step once; when they run out, every other one is dropped and the
distance between them doubles, and the backward pass recomputes from the nearest one.  A loop of n steps and K
checkpoints costs about n * max(1, n / 2K) steps backward.  (Online checkpointing as in Griewank and Walther, "Revolve",
ACM TOMS 26, 2000, simplified to equal distances.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.engine import dtypes, jax_private

CHECKPOINTS = 64

switch = lax.switch


def scan(step: Callable, init: list, columns: list, backwards: bool) -> tuple[list, list]:
    """Returns the last carry and the stacked outputs of `carry, output = step(carry, row)` over the first axis."""
    carry, outputs = lax.scan(
        step, [jnp.asarray(x) for x in init], [jnp.asarray(x) for x in columns], reverse=backwards
    )
    return list(carry), list(outputs)


def hoisted(function: Callable, *examples: Any) -> tuple[Callable, list]:
    """Returns `(f, captured)`: `f(captured, *args)` is `function(*args)` without captured tracers.

    A function that closes over tracers cannot be kept for the backward pass, when they are gone.  There, `quiet=True`
    leaves out prints and checks, which the forward pass has made.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*examples)
    tree = jax.tree.structure(shape)

    def pure(captured: list, *args: Any, quiet: bool = False) -> Any:
        program = jax_private.without_callbacks(closed) if quiet else closed
        return jax.tree.unflatten(tree, jax_private.evaluate(program, captured, jax.tree.leaves(args)))

    return pure, list(closed.consts)


def differentiable(function: Callable, values: list) -> tuple[list, Callable, Callable]:
    """Returns `(outputs, pull, f)` of a flat function at flat values: JAX's VJP, and the function for use once more."""
    pure, captured = hoisted(function, *values)

    def again(*args: Any) -> list:
        return pure(captured, *args, quiet=True)

    outputs, pull = jax.vjp(lambda *args: pure(captured, *args), *values)
    return outputs, pull, again


def known_end(step: Callable, init: list, known: list[bool], wanted: list[int]) -> list | None:
    """Runs the part of a loop that does not depend on values that are unknown while a program is traced.

    Args:
        step: `f(*carry) -> [whether to go on, *next carry]`; it may capture tracers.
        init: the first carry: arrays, or tracers.
        known: which of them count as known.
        wanted: positions in the carry.

    Returns:
        the values there after the loop; None when they, or how often it runs, depend on what is unknown.
    """
    part = jax_private.known_part(jax.make_jaxpr(step)(*init), known, wanted)
    if part is None:
        return None
    positions, run = part
    with jax_private.outside_of_traces():
        start = [jnp.asarray(init[i]) for i in positions]
        try:
            end = jax.jit(lambda x: lax.while_loop(lambda c: run(c)[0], lambda c: run(c)[1:], x))(start)
        except TypeError:  # the body changes a shape
            return None
        return [np.asarray(end[positions.index(i)]) for i in wanted]


def while_loop(condition: Callable, body: Callable, init: list, differentiate: bool = True) -> list:
    """Returns what `init` becomes after `while condition(carry): carry = body(carry)`.

    Args:
        condition: `f(carry) -> bool scalar`.
        body: `f(carry) -> carry`, of the same shapes and dtypes.
        init: the first carry, a list of arrays.
        differentiate: False: the loop has no gradient.

    Both functions may capture tracers; gradients reach those, and `init`.
    """
    init = [jnp.asarray(x) for x in init]
    if not differentiate:
        return list(lax.while_loop(condition, body, init))
    pure_condition, of_condition = hoisted(condition, init)
    pure_body, of_body = hoisted(body, init)
    num = len(of_condition)
    return _differentiable_while(
        lambda consts, carry: pure_condition(consts[:num], carry),
        lambda consts, carry, **quiet: pure_body(consts[num:], carry, **quiet),
        [jnp.asarray(x) for x in (*of_condition, *of_body)],
        init,
    )


def _differentiable_while(condition: Callable, body: Callable, consts: list, init: list) -> list:
    """A loop that can be differentiated any number of times.

    The checkpoints only help to compute the first derivative, which is a function of `consts`, `init` and the
    cotangents alone: neither what records them nor what uses them is differentiated through.  The second derivative is
    the first derivative of the loop that carries tangents along (see `_derivative_of_pull`).
    """

    @jax.custom_vjp
    def loop(consts: list, init: list) -> list:
        return lax.while_loop(lambda carry: condition(consts, carry), lambda carry: body(consts, carry), init)

    @jax.custom_vjp
    def recorded(consts: list, init: list) -> tuple:
        return _recorded(condition, body, consts, init)

    @jax.custom_vjp
    def pulled(consts: list, init: list, cotangents: list, record: tuple) -> tuple:
        return _pulled(body, consts, record, cotangents)

    def forward(consts: list, init: list) -> tuple:
        carry, record = recorded(consts, init)
        return carry, (consts, init, record)

    def recorded_forward(consts: list, init: list) -> tuple:
        found = recorded(consts, init)
        return found, (consts, init, found[1])

    def backward(residuals: tuple, cotangents: list) -> tuple:
        consts, init, record = residuals
        smooth_consts, smooth_init = _smooth(consts), _smooth(init)
        of_consts, of_init = pulled(consts, init, [cotangents[j] for j in smooth_init], record)
        return _spread(consts, smooth_consts, of_consts), _spread(init, smooth_init, of_init)

    def pulled_forward(consts: list, init: list, cotangents: list, record: tuple) -> tuple:
        return pulled(consts, init, cotangents, record), (consts, init, cotangents, record)

    def pulled_backward(residuals: tuple, tangents: tuple) -> tuple:
        consts, init, cotangents, record = residuals
        of_consts, of_init, of_cotangents = _derivative_of_pull(
            condition, body, consts, init, cotangents, tangents
        )
        nothing = jax.tree.map(_no_cotangent, record)
        return (
            _spread(consts, _smooth(consts), of_consts),
            _spread(init, _smooth(init), of_init),
            of_cotangents,
            nothing,
        )

    loop.defvjp(forward, backward)
    recorded.defvjp(recorded_forward, lambda residuals, cotangents: backward(residuals, cotangents[0]))
    pulled.defvjp(pulled_forward, pulled_backward)
    return loop(consts, init)


def _recorded(condition: Callable, body: Callable, consts: list, init: list) -> tuple[list, tuple]:
    """Runs the loop; returns its result and `(number of steps, distance between checkpoints, checkpoints)`."""
    saved = [jnp.zeros((CHECKPOINTS, *x.shape), x.dtype) for x in init]

    def step(state: tuple) -> tuple:
        i, stride, carry, saved = state
        full = i // stride == CHECKPOINTS
        saved = lax.cond(full, _thinned, lambda s: s, saved)
        stride = jnp.where(full, stride * 2, stride)
        saved = [
            lax.cond(i % stride == 0, lambda b, x, at: b.at[at].set(x), lambda b, x, at: b, b, x, i // stride)
            for b, x in zip(saved, carry, strict=True)
        ]
        return i + 1, stride, body(consts, carry), saved

    start = (jnp.int32(0), jnp.int32(1), init, saved)
    count, stride, carry, saved = lax.while_loop(lambda s: condition(consts, s[2]), step, start)
    return carry, (count, stride, saved)


def _pulled(body: Callable, consts: list, record: tuple, cotangents: list) -> tuple[list, list]:
    """Returns the cotangents of the smooth ones of `consts` and of the first carry."""
    count, stride, saved = record
    smooth_consts, smooth_carry = _smooth(consts), _smooth(saved)

    def carry_at(i: Any) -> list:
        slot = i // stride
        first = (slot * stride, [b[slot] for b in saved])
        return lax.while_loop(
            lambda s: s[0] < i, lambda s: (s[0] + 1, body(consts, s[1], quiet=True)), first
        )[1]

    def step(state: tuple) -> tuple:
        i, of_consts, of_carry = state
        smooth = _smooth_part(body, consts, carry_at(i), smooth_consts, smooth_carry)
        _, pull = jax.vjp(*smooth)
        more, of_carry = pull(of_carry)
        return i - 1, [a + b for a, b in zip(of_consts, more, strict=True)], of_carry

    zeros = [jnp.zeros_like(consts[j]) for j in smooth_consts]
    _, of_consts, of_carry = lax.while_loop(lambda s: s[0] >= 0, step, (count - 1, zeros, cotangents))
    return of_consts, of_carry


def _derivative_of_pull(
    condition: Callable, body: Callable, consts: list, init: list, cotangents: list, tangents: tuple
) -> tuple[list, list, list]:
    """Pulls back through a loop's pullback.

    The pullback is the gradient of `sum(cotangents * loop(consts, init))`.  Its own pullback of `(u, v)` is therefore
    the gradient of `sum(cotangents * the loop's derivative in the direction (u, v))`, and that derivative is a loop
    that carries the tangents along.
    """
    smooth_consts, smooth_init = _smooth(consts), _smooth(init)
    num_consts, num_init = len(consts), len(init)

    def along(some_consts: list, some_init: list) -> list:
        first = [*_with(init, smooth_init, some_init), *tangents[1]]
        fixed = [*_with(consts, smooth_consts, some_consts), *tangents[0]]

        def step(consts: list, carry: list, quiet: bool = False) -> list:
            own = consts[:num_consts], carry[:num_init]
            part = _smooth_part(body, *own, smooth_consts, smooth_init)
            moved = body(*own, quiet=quiet)
            return [*moved, *_derivative(*part, (consts[num_consts:], carry[num_init:]))]

        result = _differentiable_while(
            lambda consts, carry: condition(consts[:num_consts], carry[:num_init]), step, fixed, first
        )
        return result[num_init:]

    change, pull = jax.vjp(along, [consts[j] for j in smooth_consts], [init[j] for j in smooth_init])
    return (*pull(list(cotangents)), change)


def _smooth_part(body: Callable, consts: list, carry: list, smooth_consts: list, smooth_carry: list) -> tuple:
    """Returns `(f, its arguments)`: the body as a function of what may be differentiated by, and of nothing else."""

    def smooth(some_consts: list, some_carry: list) -> list:
        moved = _with(consts, smooth_consts, some_consts), _with(carry, smooth_carry, some_carry)
        result = body(*moved, quiet=True)
        return [result[j] for j in smooth_carry]

    return smooth, [consts[j] for j in smooth_consts], [carry[j] for j in smooth_carry]


def _derivative(function: Callable, *given: Any) -> Any:
    """Returns the derivative of `function(*arguments)` in a direction, `given = (*arguments, direction)`.

    It transposes the pullback, which is linear, instead of asking JAX for a forward derivative: loops and users'
    gradients inside have none.
    """
    *arguments, direction = given
    outputs, pull = jax.vjp(function, *arguments)
    _, push = jax.vjp(pull, jax.tree.map(jnp.zeros_like, outputs))
    return push(tuple(direction))[0]


def _smooth(arrays: list) -> list[int]:
    """Returns the positions of the arrays of floating or complex dtype."""
    return [i for i, x in enumerate(arrays) if x.dtype in dtypes.DIFFERENTIABLE]


def _no_cotangent(x: Any) -> Any:
    return jnp.zeros_like(x) if x.dtype in dtypes.DIFFERENTIABLE else np.zeros(x.shape, jax.dtypes.float0)


def _thinned(saved: list) -> list:
    half = CHECKPOINTS // 2
    return [b.at[:half].set(b[::2]) for b in saved]


def _with(values: list, positions: list[int], new: list) -> list:
    result = list(values)
    for position, value in zip(positions, new, strict=True):
        result[position] = value
    return result


def _spread(like: list, positions: list[int], values: list) -> list:
    """Puts gradients at their positions; integers get JAX's empty cotangent."""
    result: list[Any] = [np.zeros(x.shape, jax.dtypes.float0) for x in like]
    for position, value in zip(positions, values, strict=True):
        result[position] = value
    return result


def with_gradient(inputs: list, outputs: list, gradient: Callable) -> list:
    """Returns `outputs` as functions of `inputs` whose gradient is the user's, and nothing else.

    Args:
        inputs: what the gradient is by.
        outputs: computed from them in any way.
        gradient: `f(*cotangents of the outputs) -> list of arrays or None, one an input`.  What it captures keeps its
            own connection to the inputs, so that the gradient can be differentiated.  It runs here, once, traced; what
            it raises is raised when a gradient is asked for.
    """
    given: list[bool] = []

    def present(*cotangents: Any) -> list:
        found = gradient(*cotangents)
        given[:] = [g is not None for g in found]
        return [g for g in found if g is not None]

    try:
        pure, captured = hoisted(present, *[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in outputs])
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises
        pure, captured = _raising(error), []

    @jax.custom_vjp
    def attach(inputs: list, outputs: list, captured: list) -> list:
        return outputs

    def backward(captured: list, cotangents: list) -> tuple:
        filled = [
            g if g.dtype in dtypes.DIFFERENTIABLE else jnp.zeros(x.shape, x.dtype)
            for g, x in zip(cotangents, outputs, strict=True)
        ]
        found = iter(pure(captured, *filled))
        every = [next(found) if there else None for there in given]
        return [_as_cotangent(g, x) for g, x in zip(every, inputs, strict=True)], None, None

    attach.defvjp(lambda inputs, outputs, captured: (outputs, captured), backward)
    return attach(inputs, [lax.stop_gradient(x) for x in outputs], captured)


def _raising(error: Exception) -> Callable:
    def raises(*_: Any) -> list:
        raise error

    return raises


def _as_cotangent(gradient: Any, x: Any) -> Any:
    if gradient is None or x.dtype not in dtypes.DIFFERENTIABLE:
        return _no_cotangent(x)
    return jnp.broadcast_to(gradient, x.shape).astype(x.dtype)
