"""What recurrent ops share: activations with their slopes, the product of a state with its kernel, and gradients.

Sequences have the time axis first: (time, batch, ..., size).  A recurrent kernel of rank 2 is a matrix; one of a higher
rank, (*window, size, gates * size), convolves, with zeros around a state that keeps its sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dovetail.base.settings import state
from dovetail.ops.core import Joint, Op
from dovetail.ops.families import is_differentiable
from dovetail.ops.windows import explicit_padding

_WORK_PER_ELEMENT = 1 << 9  # so many products take NumPy as long as one element does in the rule of placement


class Activation(NamedTuple):
    """A function that recurrent ops apply themselves.

    Attributes:
        value: `f(xp, x) -> y`.
        slope: `f(y) -> dy/dx`, from the value alone.
    """

    value: Callable[[Any, Any], Any]
    slope: Callable[[Any], Any]


ACTIVATIONS = {
    "linear": Activation(lambda xp, x: x, lambda y: y * 0 + 1),
    "relu": Activation(lambda xp, x: xp.maximum(x, 0), lambda y: (y > 0).astype(y.dtype)),
    # As a tangent it is a third of the work of `xp.logistic` on the host; the difference is below 1e-7.
    "sigmoid": Activation(lambda xp, x: xp.tanh(x * 0.5) * 0.5 + 0.5, lambda y: y * (1 - y)),
    "tanh": Activation(lambda xp, x: xp.tanh(x), lambda y: 1 - y * y),
}


class Product:
    """The product of states with a recurrent kernel, and its gradients.

    Args:
        xp: the engine.
        kernel: a matrix (size, columns), or a kernel of a convolution (*window, size, columns).
    """

    def __init__(self, xp: Any, kernel: Any) -> None:
        self.xp, self.kernel, self.rank = xp, kernel, kernel.ndim - 2

    def __call__(self, h: Any) -> Any:
        """Returns the product: (batch, ..., size) -> (batch, ..., columns)."""
        if not self.rank:
            return self.xp.matmul(h, self.kernel)
        return self.xp.conv(h, self.kernel, *self._numbers(h))

    def of_state(self, g: Any) -> Any:
        """Returns the gradient of the state, given that of the product."""
        if not self.rank:
            return self.xp.matmul(g, self.kernel.T)
        return self.xp.conv_input_gradient(g, self.kernel, g.shape[1:-1], *self._numbers(g))

    def of_kernel(self, h: Any, g: Any) -> Any:
        """Returns the gradient of the kernel, given the states and the gradients of all steps."""
        h, g = self._together(h), self._together(g)
        if not self.rank:
            return self.xp.product_over_rows(h, g)
        return self.xp.conv_kernel_gradient(h, g, self.kernel.shape[:-2], *self._numbers(h))

    def _together(self, x: Any) -> Any:
        return self.xp.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))

    def _numbers(self, h: Any) -> tuple:
        ones = (1,) * self.rank
        padding = explicit_padding("SAME", h.shape[1:-1], self.kernel.shape[:-2], ones, ones)
        return ones, padding, ones, 1


def sequence_work(z: Any, kernel: Any, *_: Any, **__: Any) -> int:
    """Counts for placement what a sequence costs: NumPy serves short ones of small states."""
    positions = z.size // max(z.shape[-1], 1)
    return positions * kernel.size // _WORK_PER_ELEMENT


def over(mask: Any, rank: int, xp: Any) -> Any:
    """Returns a mask (time, batch) that broadcasts with a sequence of states of a rank; None for None."""
    return None if mask is None else xp.reshape(mask, (*mask.shape, *(1,) * (rank - 1)))


def before(xp: Any, first: Any, sequence: Any) -> Any:
    """Returns the state before each step, given the first one and that after each step."""
    return xp.concatenate([first[None], sequence[:-1]]) if len(sequence) else sequence


def pick(xp: Any, mask: Any, new: Any, old: Any) -> Any:
    """Returns `new` for the examples whose mask holds, `old` for the others; `new` where there is no mask."""
    return new if mask is None else xp.where(mask, new, old)


def thinned(h: Any, dropped: Any) -> Any:
    """Returns states, or their gradients, times a mask of dropout; as they are where there is none."""
    return h if dropped is None else h * dropped


def plus(g: Any, more: Any) -> Any:
    """Returns the sum of two gradients; the first where the second is None."""
    return g if more is None else g + more


def parted(xp: Any, mask: Any, g: Any) -> tuple:
    """Returns the part of a state's gradient that goes through the step, and that which passes it by.

    Where an example's mask does not hold, the state stays, and all of its gradient passes by; without a mask nothing
    does (None).
    """
    if mask is None:
        return g, None
    held = xp.where(mask, 0, g)
    return g - held, held


def first_state(xp: Any, given: Any, z: Any, gates: int) -> Any:
    """Returns the state before the first step: zeros where none is given."""
    if given is not None:
        return given
    return xp.zeros((*z.shape[1:-1], z.shape[-1] // gates), z.dtype)


def gradient_op(name: str, function: Callable, same_dtype: int, num_states: int) -> Op:
    """Returns the op of a recurrent op's gradients; see `set_gradient` for its inputs.

    Args:
        name: of the op.
        function: `f(xp, *inputs, **attributes) -> gradients`.
        same_dtype: how many of its inputs share a dtype.
        num_states: how many states the recurrent op has.
    """

    def work(*inputs: Any, **_: Any) -> int:
        return sequence_work(inputs[num_states + 1], inputs[num_states])  # h after each step, the kernel

    return Op(name, function, same_dtype=same_dtype, several=True, work=work)


def set_gradient(op: Op, gradient: Op, num_states: int) -> None:
    """Gives a recurrent op its gradient.

    Args:
        op: of the inputs z, kernel, ..., dropped and mask, where the last two have no gradients, and the outputs
            h after each step, the last states and, with `kept`, what the gradient needs.
        gradient: of the gradients of the last states, the kernel, h after each step, what was kept, the gradient of h
            after each step (None: nobody asked for it) and the inputs after the kernel; it returns the gradients of
            the inputs in their order.
        num_states: how many states there are.
    """

    def kept_rule(g: Any, out: Any, *inputs: Any, sequence: bool, kept: bool, **names: Any) -> list:
        last, held = g[1 : 1 + num_states], out[1 + num_states :]
        steps = g[0] if sequence else None
        found = gradient(*last, inputs[1], out[0], *held, steps, *inputs[2:], **names)
        return [None if x is None else gx for x, gx in zip(inputs[:-2], found, strict=True)] + [None, None]

    op.gradient(*[Joint(rule(op, kept_rule))] * (len(op.tensors) - 2), None, None)


def rule(op: Op, gradient: Callable) -> Callable:
    """Returns the rule for all inputs of a recurrent op.

    Where a tape follows the gradient itself, what the forward pass has kept would be taken for constants; there the
    gradient is JAX's, of the inputs alone.

    Args:
        op: the op, with an attribute `kept` that says whether it gives what its gradient needs.
        gradient: `f(g, out, *inputs, **attributes) -> [gradient of each input]`, for a call with `kept`.
    """

    def joint(g: Any, out: Any, *inputs: Any, **attributes: Any) -> list:
        if not state.tapes:
            if not attributes["kept"]:
                out = op(*inputs, **attributes | {"kept": True})
            absent = [None] * (len(op.tensors) - len(inputs))
            return gradient(g, out, *inputs, *absent, **attributes)[: len(inputs)]
        smooth = tuple(i for i, x in enumerate(inputs) if x is not None and is_differentiable(x))
        found = op.bind(attributes).vjp_op(smooth, len(inputs)).call((*inputs, *g), {})
        by_place = dict(zip(smooth, found if len(smooth) > 1 else [found], strict=True))
        return [by_place.get(i) for i in range(len(inputs))]

    return joint


def sequence_shapes(num_states: int, gates: int, kept: Callable) -> Callable:
    """Returns the shape rule of a recurrent op: outputs, last states, then what the gradient needs.

    Args:
        num_states: how many states there are.
        gates: how many gates the first input holds side by side.
        kept: `f(shape of a sequence of one gate) -> shapes`, of what the gradient needs.
    """

    def shapes(z: tuple, kernel: tuple, *_: Any, **attributes: Any) -> list:
        size = kernel[-2]
        if z[-1] is not None and z[-1] != gates * size:
            raise ValueError(f"the first input holds {gates} gates of size {size}, received shape {z}")
        sequence = (*z[:-1], size)
        return [sequence, *[sequence[1:]] * num_states, *(kept(sequence) if attributes["kept"] else [])]

    return shapes
