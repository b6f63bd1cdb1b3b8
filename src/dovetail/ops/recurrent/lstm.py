"""Long short-term memory over a sequence, with matrices or convolutions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

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


def _split(z: Any) -> tuple:
    size = z.shape[-1] // 4
    return z[..., :size], z[..., size : 2 * size], z[..., 2 * size : 3 * size], z[..., 3 * size :]


class _Gates:
    """The activations of the four gates: as one tangent where they are sigmoids and a tangent, which is the rule."""

    def __init__(self, xp: Any, activation: str, recurrent_activation: str, size: int, dtype: Any) -> None:
        self.xp, self.act, self.gate = (
            xp,
            ACTIVATIONS[activation].value,
            ACTIVATIONS[recurrent_activation].value,
        )
        self.joint = (activation, recurrent_activation) == ("tanh", "sigmoid")
        self.scale: Any = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), size)
        self.offset: Any = np.repeat(np.array([0.5, 0.5, 0, 0.5], dtype), size)

    def __call__(self, z: Any) -> Any:
        """Returns the gates side by side."""
        if self.joint:
            return self.xp.tanh(z * self.scale) * self.scale + self.offset
        i, f, g, o = _split(z)
        xp, act, gate = self.xp, self.act, self.gate
        return xp.concatenate([gate(xp, i), gate(xp, f), act(xp, g), gate(xp, o)], axis=-1)


def _kept(sequence: tuple) -> list:
    return [sequence, (*sequence[:-1], 4 * sequence[-1])]


@op("", same_dtype=5, shape=sequence_shapes(2, 4, _kept), dtype=None, work=sequence_work)
@floating
def lstm(
    xp: Any,
    z: Any,
    kernel: Any,
    h: Any = None,
    c: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    kept: bool = False,
    sequence: bool = True,
) -> Any:
    """Runs an LSTM over time: `i, f, g, o = z + h @ kernel`, `c = f * c + i * g`, `h = o * activation(c)`.

    Args:
        z: the projected inputs with their bias, (time, batch, ..., 4 * size); gates in the order i, f, g, o.
        kernel: (size, 4 * size), or (*window, size, 4 * size) of a convolution.
        h, c: the states before the first step, (batch, ..., size); zeros when None.
        dropped: what `h` is multiplied with before each product, of its shape; None: nothing.
        mask: booleans (time, batch); where False the states stay.
        activation, recurrent_activation: names in `ACTIVATIONS`.
        kept: also return what the gradient needs.
        sequence: the gradient is asked for the last states only when False; the outputs are there all the same.

    Returns:
        (h after each step, last h, last c), and with `kept` (c after each step, gates of each step).

    Source: S. Hochreiter, J. Schmidhuber, 1997, "Long short-term memory"; X. Shi et al., 2015, "Convolutional LSTM
    network".
    """
    first = first_state(xp, h, z, 4), first_state(xp, c, z, 4)
    names = {"activation": activation, "recurrent_activation": recurrent_activation, "kept": kept}
    loop = functools.partial(_loop, xp)
    return xp.by_kernel("lstm", loop, (z, kernel, *first, dropped, mask), names)


def _loop(
    xp: Any,
    z: Any,
    kernel: Any,
    h: Any,
    c: Any,
    dropped: Any,
    mask: Any,
    activation: str,
    recurrent_activation: str,
    kept: bool,
) -> tuple:
    """Computes what `lstm` returns, step by step."""
    product, act = Product(xp, kernel), ACTIVATIONS[activation].value
    activated = _Gates(xp, activation, recurrent_activation, kernel.shape[-2], z.dtype)

    def step(carry: tuple, row: tuple) -> tuple:
        (h, c), (z, seen) = carry, row
        gates = activated(z + product(thinned(h, dropped)))
        i, f, g, o = _split(gates)
        c = pick(xp, seen, f * c + i * g, c)
        h = pick(xp, seen, o * act(xp, c), h)
        return (h, c), ((h, c, gates) if kept else (h,))

    last, outputs = xp.scan(step, (h, c), (z, over(mask, kernel.ndim, xp)))
    return (outputs[0], *last, *outputs[1:])


@in_float32
def _lstm_gradient(
    xp: Any,
    gh: Any,
    gc: Any,
    kernel: Any,
    hs: Any,
    cs: Any,
    gates: Any,
    gs: Any = None,
    h: Any = None,
    c: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str,
    recurrent_activation: str,
) -> Any:
    """Returns the gradients of z, kernel, h and c; one loop gives those of z, one product that of the kernel."""
    h, c = first_state(xp, h, gates, 4), first_state(xp, c, gates, 4)
    names = {"activation": activation, "recurrent_activation": recurrent_activation}
    arrays = (gh, gc, kernel, cs, gates, c, gs, dropped, mask)
    gz, gh, gc = xp.by_kernel("lstm, gradient", functools.partial(_loop_back, xp), arrays, names)
    states = before(xp, h, hs)
    return gz, Product(xp, kernel).of_kernel(thinned(states, dropped), gz), gh, gc


def _loop_back(
    xp: Any,
    gh: Any,
    gc: Any,
    kernel: Any,
    cs: Any,
    gates: Any,
    c: Any,
    gs: Any,
    dropped: Any,
    mask: Any,
    activation: str,
    recurrent_activation: str,
) -> tuple:
    """Computes the gradients of z, h and c, from the last step to the first."""
    product = Product(xp, kernel)
    (act, slope), gate_slope = ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation].slope

    def step(carry: tuple, row: tuple) -> tuple:
        (gh, gc), (gs, gates, c, c_before, seen) = carry, row
        (gh, held_h), (gc, held_c) = parted(xp, seen, plus(gh, gs)), parted(xp, seen, gc)
        i, f, g, o = _split(gates)
        a = act(xp, c)
        gc = gc + gh * o * slope(a)
        parts = [
            gc * g * gate_slope(i),
            gc * c_before * gate_slope(f),
            gc * i * slope(g),
            gh * a * gate_slope(o),
        ]
        gz = xp.concatenate(parts, axis=-1)
        gh = thinned(product.of_state(gz), dropped)
        return (plus(gh, held_h), plus(gc * f, held_c)), (gz,)

    rows = (gs, gates, cs, before(xp, c, cs), over(mask, kernel.ndim, xp))
    (gh, gc), (gz,) = xp.scan(step, (gh, gc), rows, backwards=True)
    return gz, gh, gc


lstm_gradient = gradient_op("lstm_gradient", _lstm_gradient, same_dtype=10, num_states=2)
set_gradient(lstm, lstm_gradient, num_states=2)
