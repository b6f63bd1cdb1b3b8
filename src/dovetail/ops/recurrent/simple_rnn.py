"""The simplest recurrent network over a sequence."""

from __future__ import annotations

from typing import Any

from dovetail.ops.families import op
from dovetail.ops.precision import floating, in_float32
from dovetail.ops.recurrent.common import (
    ACTIVATIONS,
    Product,
    before,
    first_state,
    gradient_op,
    over,
    parted,
    pick,
    plus,
    sequence_shapes,
    sequence_work,
    set_gradient,
    thinned,
)


@op("", same_dtype=4, shape=sequence_shapes(1, 1, lambda sequence: []), work=sequence_work)
@floating
def simple_rnn(
    xp: Any,
    z: Any,
    kernel: Any,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str = "tanh",
    kept: bool = False,
    sequence: bool = True,
) -> Any:
    """Runs `h = activation(z + h @ kernel)` over time.

    Args:
        z: the projected inputs with their bias, (time, batch, size).
        kernel: (size, size).
        h: the state before the first step, (batch, size); zeros when None.
        dropped: what `h` is multiplied with before each product, of its shape; None: nothing.
        mask: booleans (time, batch); where False the state stays.
        activation: a name in `ACTIVATIONS`.
        kept, sequence: as in `lstm`; the gradient needs nothing but the outputs.

    Returns:
        (h after each step, last h).
    """
    product, act = Product(xp, kernel), ACTIVATIONS[activation].value

    def step(carry: tuple, row: tuple) -> tuple:
        (h,), (z, seen) = carry, row
        h = pick(xp, seen, act(xp, z + product(thinned(h, dropped))), h)
        return (h,), (h,)

    (h,), (hs,) = xp.scan(step, (first_state(xp, h, z, 1),), (z, over(mask, 2, xp)))
    return hs, h


@in_float32
def _simple_rnn_gradient(
    xp: Any,
    gh: Any,
    kernel: Any,
    hs: Any,
    gs: Any = None,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str,
) -> Any:
    """Returns the gradients of z, kernel and h."""
    product, slope = Product(xp, kernel), ACTIVATIONS[activation].slope

    def step(carry: tuple, row: tuple) -> tuple:
        (gh,), (gs, h, seen) = carry, row
        gh, held = parted(xp, seen, plus(gh, gs))
        gz = gh * slope(h)
        return (plus(thinned(product.of_state(gz), dropped), held),), (gz,)

    (gh,), (gz,) = xp.scan(step, (gh,), (gs, hs, over(mask, 2, xp)), backwards=True)
    states = before(xp, first_state(xp, h, hs, 1), hs)
    return gz, product.of_kernel(thinned(states, dropped), gz), gh


simple_rnn_gradient = gradient_op("simple_rnn_gradient", _simple_rnn_gradient, same_dtype=6, num_states=1)
set_gradient(simple_rnn, simple_rnn_gradient, num_states=1)
