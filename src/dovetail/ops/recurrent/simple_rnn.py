"""The simplest recurrent network over a sequence."""

from __future__ import annotations

from typing import Any

from dovetail.ops.core import Joint, Op
from dovetail.ops.families import op
from dovetail.ops.precision import floating, in_float32
from dovetail.ops.recurrent.common import (
    ACTIVATIONS,
    Product,
    before,
    first_state,
    over,
    pick,
    rule,
    sequence_shapes,
    sequence_work,
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
        h = pick(xp, seen, act(xp, z + product(h if dropped is None else h * dropped)), h)
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
        gh = gh if gs is None else gh + gs
        held = None if seen is None else xp.where(seen, 0, gh)
        gz = (gh if held is None else gh - held) * slope(h)
        gh = product.of_state(gz)
        gh = gh if dropped is None else gh * dropped
        return (gh if held is None else gh + held,), (gz,)

    (gh,), (gz,) = xp.scan(step, (gh,), (gs, hs, over(mask, 2, xp)), backwards=True)
    states = before(xp, first_state(xp, h, hs, 1), hs)
    return gz, product.of_kernel(states if dropped is None else states * dropped, gz), gh


simple_rnn_gradient = Op(
    "simple_rnn_gradient",
    _simple_rnn_gradient,
    same_dtype=6,
    several=True,
    work=lambda *a, **_: sequence_work(a[2], a[1]),
)


def _rule(
    g: Any,
    out: Any,
    z: Any,
    kernel: Any,
    h: Any,
    dropped: Any,
    mask: Any,
    *,
    sequence: bool,
    kept: bool,
    activation: str,
) -> list:
    gz, gk, gh = simple_rnn_gradient(
        g[1], kernel, out[0], g[0] if sequence else None, h, dropped, mask, activation=activation
    )
    return [gz, gk, None if h is None else gh, None, None]


simple_rnn.gradient(*[Joint(rule(simple_rnn, _rule))] * 3, None, None)
