"""Gated recurrent units over a sequence, in both conventions of the reset gate."""

from __future__ import annotations

import functools
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


def _kept(sequence: tuple) -> list:
    return [(*sequence[:-1], 4 * sequence[-1])]


def _parts(x: Any, size: int) -> tuple:
    return tuple(x[..., i : i + size] for i in range(0, x.shape[-1], size))


class _Unit:
    """The arithmetic of one step.

    Args:
        xp: the engine.
        kernel: (size, 3 * size), columns in the order update, reset, candidate.
        bias: of the recurrent product, (3 * size,); None: none.
        reset_after: whether the reset gate acts on the product instead of on the state.
    """

    def __init__(self, xp: Any, kernel: Any, bias: Any, reset_after: bool) -> None:
        self.xp, self.bias, self.size, self.after = xp, bias, kernel.shape[0], reset_after
        split = kernel.shape[-1] if reset_after else 2 * self.size
        self.gates, self.candidate = Product(xp, kernel[:, :split]), Product(xp, kernel[:, split:])

    def recurrent(self, h: Any) -> Any:
        """Returns the product of the state: all three columns, or those of the gates alone."""
        y = self.gates(h)
        return y if self.bias is None else y + self.bias[: y.shape[-1]]


@op("", same_dtype=5, shape=sequence_shapes(1, 3, _kept), work=sequence_work)
@floating
def gru(
    xp: Any,
    z: Any,
    kernel: Any,
    bias: Any = None,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    kept: bool = False,
    sequence: bool = True,
) -> Any:
    """Runs a GRU over time: `h = u * h + (1 - u) * candidate`, u the update gate.

    Args:
        z: the projected inputs with their bias, (time, batch, 3 * size): update, reset, candidate.
        kernel: (size, 3 * size).
        bias: of the recurrent product with `reset_after`, (3 * size,); None: none.
        h: the state before the first step, (batch, size); zeros when None.
        dropped: what `h` is multiplied with before each product, of its shape; None: nothing.
        mask: booleans (time, batch); where False the state stays.
        activation, recurrent_activation: names in `ACTIVATIONS`.
        reset_after: the reset gate multiplies the product of the state (True), or the state before it.
        kept, sequence: as in `lstm`.

    Returns:
        (h after each step, last h), and with `kept` (the gates, the candidate and what was reset, of each step).

    Source: K. Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder"; with `reset_after`, the
    variant of NVIDIA's cuDNN.
    """
    names = {
        "activation": activation,
        "recurrent_activation": recurrent_activation,
        "reset_after": reset_after,
        "kept": kept,
    }
    arrays = (z, kernel, bias, first_state(xp, h, z, 3), dropped, mask)
    return xp.by_kernel("gru", functools.partial(_loop, xp), arrays, names)


def _loop(
    xp: Any,
    z: Any,
    kernel: Any,
    bias: Any,
    h: Any,
    dropped: Any,
    mask: Any,
    activation: str,
    recurrent_activation: str,
    reset_after: bool,
    kept: bool,
) -> tuple:
    """Computes what `gru` returns, step by step."""
    unit, size = _Unit(xp, kernel, bias, reset_after), kernel.shape[0]
    act, gate = ACTIVATIONS[activation].value, ACTIVATIONS[recurrent_activation].value

    def step(carry: tuple, row: tuple) -> tuple:
        (h,), (z, seen) = carry, row
        given = thinned(h, dropped)
        inner = unit.recurrent(given)
        gates = gate(xp, z[..., : 2 * size] + inner[..., : 2 * size])
        u, r = gates[..., :size], gates[..., size:]
        reset = inner[..., 2 * size :] if reset_after else given
        candidate = act(xp, z[..., 2 * size :] + (r * reset if reset_after else unit.candidate(r * reset)))
        h = pick(xp, seen, u * h + (1 - u) * candidate, h)
        return (h,), ((h, xp.concatenate([gates, candidate, reset], axis=-1)) if kept else (h,))

    last, outputs = xp.scan(step, (h,), (z, over(mask, 2, xp)))
    return (outputs[0], *last, *outputs[1:])


@in_float32
def _gru_gradient(
    xp: Any,
    gh: Any,
    kernel: Any,
    hs: Any,
    gates: Any,
    gs: Any = None,
    bias: Any = None,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    *,
    activation: str,
    recurrent_activation: str,
    reset_after: bool,
) -> Any:
    """Returns the gradients of z, kernel, bias and h."""
    unit, size = _Unit(xp, kernel, bias, reset_after), kernel.shape[0]
    states = before(xp, first_state(xp, h, gates, 4), hs)
    names = {
        "activation": activation,
        "recurrent_activation": recurrent_activation,
        "reset_after": reset_after,
    }
    arrays = (gh, kernel, gates, states, gs, dropped, mask)
    gz, inner, gh = xp.by_kernel("gru, gradient", functools.partial(_loop_back, xp), arrays, names)
    given = thinned(states, dropped)
    if reset_after:
        return gz, unit.gates.of_kernel(given, inner), xp.sum(inner, axis=(0, 1)), gh
    r = gates[..., size : 2 * size]
    of_gates = unit.gates.of_kernel(given, inner)
    of_candidate = unit.candidate.of_kernel(r * given, gz[..., 2 * size :])
    of_kernel = xp.concatenate([of_gates, of_candidate], axis=-1)
    return gz, of_kernel, xp.zeros(kernel.shape[-1:], kernel.dtype), gh


def _loop_back(
    xp: Any,
    gh: Any,
    kernel: Any,
    gates: Any,
    states: Any,
    gs: Any,
    dropped: Any,
    mask: Any,
    activation: str,
    recurrent_activation: str,
    reset_after: bool,
) -> tuple:
    """Computes the gradients of z, of the product of the state and of h, from the last step to the first."""
    unit, size = _Unit(xp, kernel, None, reset_after), kernel.shape[0]
    slope, gate_slope = ACTIVATIONS[activation].slope, ACTIVATIONS[recurrent_activation].slope

    def step(carry: tuple, row: tuple) -> tuple:
        (gh,), (gs, gates, h, seen) = carry, row
        gh, held = parted(xp, seen, plus(gh, gs))
        u, r, candidate, reset = _parts(gates, size)
        of_u = gh * (h - candidate) * gate_slope(u)
        of_candidate = gh * (1 - u) * slope(candidate)
        of_reset = of_candidate if reset_after else unit.candidate.of_state(of_candidate)
        of_r = of_reset * reset * gate_slope(r)
        inner = [of_u, of_r, of_candidate * r] if reset_after else [of_u, of_r]
        back = unit.gates.of_state(xp.concatenate(inner, axis=-1))
        back = back if reset_after else back + of_reset * r
        gh = gh * u + thinned(back, dropped)
        return (plus(gh, held),), (xp.concatenate([of_u, of_r, of_candidate], axis=-1),)

    (gh,), (gz,) = xp.scan(step, (gh,), (gs, gates, states, over(mask, 2, xp)), backwards=True)
    inner = gz[..., : 2 * size]
    if reset_after:
        r = gates[..., size : 2 * size]
        inner = xp.concatenate([inner, gz[..., 2 * size :] * r], axis=-1)
    return gz, inner, gh


gru_gradient = gradient_op("gru_gradient", _gru_gradient, same_dtype=8, num_states=1)
set_gradient(gru, gru_gradient, num_states=1)
