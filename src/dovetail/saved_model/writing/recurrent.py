"""Writers of recurrent layers: loops over the time axis, a step of which is written in our own operations.

Other formats have loops of their own: `writers_of` gives their writers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.raw_ops.row import public
from dovetail.saved_model.writing.constructs import scan
from dovetail.saved_model.writing.table import WRITERS
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec

_ACTIVATIONS = {"linear": "identity", "relu": "nn.relu", "sigmoid": "sigmoid", "tanh": "tanh"}


def _product(h: Any, kernel: Any) -> Any:
    """Returns a state times its kernel, which convolves when it has more than two axes."""
    if kernel.shape.rank == 2:
        return public("matmul")(h, kernel)
    return public("nn.convolution")(h, kernel, padding="SAME")


def _thinned(h: Any, dropped: list) -> Any:
    return h * dropped[0] if dropped else h


def _pick(seen: list, new: Any, old: Any) -> Any:
    """Returns `new` for the examples whose mask holds, `old` for the others."""
    if not seen:
        return new
    mask = seen[0]
    for _ in range(new.shape.rank - 1):
        mask = public("expand_dims")(mask, -1)
    return public("where")(mask, new, old)


def lstm_step(names: dict) -> Callable:
    act, gate = (public(_ACTIVATIONS[names[one]]) for one in ("activation", "recurrent_activation"))

    def step(h: Any, c: Any, z: Any, seen: list, kernel: Any, dropped: list) -> list:
        gates = z + _product(_thinned(h, dropped), kernel)
        i, f, g, o = public("split")(gates, 4, axis=-1)
        new = gate(f) * c + gate(i) * act(g)
        c = _pick(seen, new, c)
        return [_pick(seen, gate(o) * act(c), h), c]

    return step


def gru_step(names: dict) -> Callable:
    act, gate = (public(_ACTIVATIONS[names[one]]) for one in ("activation", "recurrent_activation"))
    after = names["reset_after"]

    def step(h: Any, z: Any, seen: list, kernel: Any, dropped: list, bias: list) -> list:
        size = kernel.shape[0]
        given = _thinned(h, dropped)
        inner = public("matmul")(given, kernel if after else kernel[:, : 2 * size])
        if bias:
            inner = inner + (bias[0] if after else bias[0][: 2 * size])
        gates = gate(z[..., : 2 * size] + inner[..., : 2 * size])
        u, r = gates[..., :size], gates[..., size:]
        if after:
            rest = r * inner[..., 2 * size :]
        else:
            rest = public("matmul")(r * given, kernel[:, 2 * size :])
        new = u * h + (1 - u) * act(z[..., 2 * size :] + rest)
        return [_pick(seen, new, h)]

    return step


def simple_step(names: dict) -> Callable:
    act = public(_ACTIVATIONS[names["activation"]])

    def step(h: Any, z: Any, seen: list, kernel: Any, dropped: list) -> list:
        return [_pick(seen, act(z + _product(_thinned(h, dropped), kernel)), h)]

    return step


class _Loop:
    """Writes the loop of a recurrent layer.

    Args:
        scan: see `writers_of`.
    """

    def __init__(self, scan: Callable) -> None:
        self._scan = scan

    def write(
        self, w: Any, step: Callable, z: Any, states: list, size: int, mask: Any, kernel: Any, further: list
    ) -> list:
        """Returns the outputs of all steps and the last states.

        Args:
            step: `step(*states, z, seen, kernel, *further) -> states`; a list where something may be absent.
            z: (time, batch, ...), what the steps get.
            states: before the first step, None: zeros.
            size: of the last axis of a state.
            mask: (time, batch), or None.
            further: what the step uses besides, None where it is absent.
        """
        columns = [w.ref(one) for one in (z, mask) if one is not None]
        shape = TensorShape([*z.shape[1:-1], size])
        first = [_zeros(w, z, shape) if one is None else w.ref(one) for one in states]
        first = [one._replace(shape=shape) for one in first]
        fixed = [w.ref(one) for one in (kernel, *further) if one is not None]
        there = [one is not None for one in further]
        num = len(states)

        def body(f: Any, states: list, rows: list, fixed: list) -> tuple[list, list]:
            def run(*given: Any) -> list:
                given_states, rest = given[:num], list(given[num:])
                row, seen = rest[0], rest[1 : len(columns)]
                weights = iter(rest[len(columns) :])
                first_weight = next(weights)
                more = [[next(weights)] if is_there else [] for is_there in there]
                return step(*given_states, row, seen, first_weight, *more)

            found = f.inline(run, [*states, *rows, *fixed])
            return found, found[:1]

        last, (steps,) = self._scan(w, body, first, columns, fixed, [TensorSpec(shape, z.dtype)])
        return [steps, *last]


def _zeros(w: Any, z: Any, shape: Any) -> Any:
    """Writes the first state: zeros for each example of the batch."""
    found = w.inline(
        lambda x: public("zeros")([*_leading(public("shape")(x), shape), shape[-1]], x.dtype), [z]
    )
    return found[0]


def _leading(sizes: Any, shape: Any) -> list:
    return [sizes[1 + axis] if size is None else size for axis, size in enumerate(shape[:-1])]


def writers_of(scan: Callable) -> dict[str, Callable]:
    """Returns the writers of recurrent layers by the names of their ops.

    Args:
        scan: `scan(w, body, states, columns, fixed, outputs) -> (last states, outputs of all steps)` writes a loop
            over the first axis of the `columns`, a step of which is written by
            `body(w, states, rows, fixed) -> (states, outputs)`; `outputs` are specs of what a step gives.
    """
    write = _Loop(scan).write

    def lstm(
        w: Any,
        z: Any,
        kernel: Any,
        h: Any = None,
        c: Any = None,
        dropped: Any = None,
        mask: Any = None,
        **names: Any,
    ) -> list:
        return write(w, lstm_step(names), z, [h, c], kernel.shape[-2], mask, kernel, [dropped])

    def gru(
        w: Any,
        z: Any,
        kernel: Any,
        bias: Any = None,
        h: Any = None,
        dropped: Any = None,
        mask: Any = None,
        **names: Any,
    ) -> list:
        return write(w, gru_step(names), z, [h], kernel.shape[0], mask, kernel, [dropped, bias])

    def simple_rnn(
        w: Any, z: Any, kernel: Any, h: Any = None, dropped: Any = None, mask: Any = None, **names: Any
    ) -> list:
        return write(w, simple_step(names), z, [h], kernel.shape[-2], mask, kernel, [dropped])

    return {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}


WRITERS.update(writers_of(scan))
