"""Checks for infinity and NaN, of one tensor or of everything that is computed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import dtypes, effects, is_tracer, xla
from dovetail.ops.dispatch import dispatchable
from dovetail.ops.table import NAMESPACES
from dovetail.runtime.checks import in_dry_run, tensor_of, verify
from dovetail.tensor.symbolic import SymbolicTensor

_tf, _math = NAMESPACES["tf"], NAMESPACES["tf.math"]


@dispatchable("tf.debugging.check_numerics")
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Any:
    """Returns the tensor; raises InvalidArgumentError when an element is NaN or infinite.

    Example:
        >>> tf.debugging.check_numerics(tf.math.log(x), "log of x")
    """
    tensor = tensor_of(tensor)
    if not tensor.dtype.is_floating:
        raise InvalidArgumentError(
            f"check_numerics: expected a floating-point tensor, received {tensor.dtype.name}{at_user_location()}"
        )
    if not isinstance(tensor, SymbolicTensor):
        finite = _tf["reduce_all"](_math["is_finite"](tensor))
        verify(finite, lambda values: f"{message} : Tensor had {_faults(values)} values", tensor)
    return tensor


@dispatchable("tf.debugging.assert_all_finite")
def assert_all_finite(x: Any, message: str, name: str | None = None) -> Any:
    """Returns `x`; raises InvalidArgumentError when an element is NaN or infinite."""
    return check_numerics(x, message)


def _faults(values: np.ndarray) -> str:
    has_inf, has_nan = bool(np.isinf(values).any()), bool(np.isnan(values).any())
    return " and ".join([*(["Inf"] if has_inf else []), *(["NaN"] if has_nan else [])])


class NumericsWatch(Observer):
    """Looks at the result of every op.  It stands where tapes stand, and in compiled functions too."""

    stays_in_traces = True

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        name = getattr(getattr(call, "op", None), "name", "a call with a gradient of its own")
        for i, out in enumerate(outputs):
            if out is not None and dtypes.is_floating(np.dtype(out._value.dtype)) and not in_dry_run():
                self._look(name, i, len(outputs), out._value)

    def _look(self, name: str, index: int, count: int, value: Any) -> None:
        where = at_user_location()

        def failure(finite: Any, nan: Any, positive: Any, negative: Any) -> Exception | None:
            if finite:
                return None
            found = {"NaN": int(nan), "+Inf": int(positive), "-Inf": int(negative)}
            return InvalidArgumentError(
                f"{name}: infinity or NaN in output {index} (of {count}), shape {tuple(value.shape)} {value.dtype}: "
                f"{', '.join(f'{n} {kind}' for kind, n in found.items() if n)}{where}"
            )

        if is_tracer(value):
            effects.check(failure, *_counts(xla("check_numerics"), value))
            return
        error = failure(*_counts(np, np.asarray(value)))
        if error is not None:
            raise error


def _counts(xp: Any, value: Any) -> tuple:
    finite = xp.isfinite(value)
    nan = xp.isnan(value)
    positive = ~finite & ~nan & (value > 0)
    return xp.all(finite), nan.sum(), positive.sum(), (~finite & ~nan & ~positive).sum()


class PlacementLog(NumericsWatch):
    """Prints the op and the device of every eager result."""

    stays_in_traces = False

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        name = getattr(getattr(call, "op", None), "name", "call")
        for out in outputs[:1]:
            if out is not None and not is_tracer(out._value):
                print(f"Executing op {name} in device {out.device}", file=sys.stderr)


def switch(kind: type, on: bool) -> None:
    """Starts or ends watching in this thread."""
    others = tuple(tape for tape in state.tapes if type(tape) is not kind)
    state.tapes = (kind(), *others) if on else others


def enable_check_numerics(stack_height_limit: int = 30, path_length_limit: int = 50) -> None:
    """Makes every op whose result holds NaN or infinity raise InvalidArgumentError naming the op and the line.

    It works for the thread that calls it, in eager code and in functions traced afterwards; gradients are checked too.
    Everything runs slower.

    Args:
        stack_height_limit, path_length_limit: bounds of TensorFlow's report; this one is one line.
    """
    switch(NumericsWatch, True)


def disable_check_numerics() -> None:
    """Ends what `enable_check_numerics` began.  Functions that were traced meanwhile keep their checks."""
    switch(NumericsWatch, False)


def set_log_device_placement(enabled: bool) -> None:
    """Makes every eager differentiable op print its device to stderr (True), or not."""
    switch(PlacementLog, bool(enabled))


def get_log_device_placement() -> bool:
    """True while ops print their devices."""
    return any(type(tape) is PlacementLog for tape in state.tapes)
