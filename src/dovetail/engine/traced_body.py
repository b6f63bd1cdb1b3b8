"""Bodies of ops inside of traces: what one is made of is remembered, and copied into the next trace.

Most of the time of a trace is what JAX needs to find out which primitives a call of `jax.numpy` comes down to.  A body
that has been traced a few times for the same shapes and dtypes gives the same equations again, so these are copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from dovetail.base.bounded import Bounded
from dovetail.engine import jax_private, kernels

_BEFORE_COPYING = 2  # runs in traces before the equations are kept
_MOST_KEPT = 16


class TracedBody:
    """A pure function of arrays, for use inside of traces.

    Args:
        body: the function; returns an array, or a tuple or list of arrays.
    """

    __slots__ = ("_body", "_found")

    def __init__(self, body: Callable) -> None:
        self._body = body
        self._found: Bounded = Bounded(
            _MOST_KEPT
        )  # by signature: number of runs; then a copy, None: there is none

    def __call__(self, *values: Any) -> Any:
        if kernels.MADE_FOR.get():  # copies may hold kernels of this machine
            return self._body(*values)
        signature = jax_private.signature_in_trace(values)
        if signature is None:
            return self._body(*values)
        found = self._found.get(signature, 0)
        if type(found) is int:
            if found < _BEFORE_COPYING:
                self._found.put(signature, found + 1)
                return self._body(*values)
            found = self._found.put(signature, _copy_of(self._body, values))
        return self._body(*values) if found is None else found(values)


class _Copy:
    """The equations of a body for one signature.

    Attributes:
        closed: the closed jaxpr.
        kind: the class of the sequence that the body returns; None: it returns one array.
    """

    __slots__ = ("closed", "kind")

    def __init__(self, closed: Any, kind: type | None) -> None:
        self.closed, self.kind = closed, kind

    def __call__(self, values: tuple) -> Any:
        outputs = jax_private.copied_into_trace(self.closed, values)
        return outputs[0] if self.kind is None else self.kind(outputs)


def _copy_of(body: Callable, values: tuple) -> _Copy | None:
    """Traces a body by itself; None when it prints or checks, holds tensors of a trace, or gives what is known."""
    places = [i for i, value in enumerate(values) if isinstance(value, jax.core.Tracer)]
    results: list = []

    def run(*given: Any) -> list:
        filled = list(values)
        for place, value in zip(places, given, strict=True):
            filled[place] = value
        results[:] = [body(*filled)]
        return list(results[0]) if type(results[0]) in (tuple, list) else results

    closed = jax.make_jaxpr(run)(*[jax.ShapeDtypeStruct(values[i].shape, values[i].dtype) for i in places])
    kind = type(results[0]) if type(results[0]) in (tuple, list) else None
    outputs = results if kind is None else results[0]
    if (
        closed.effects
        or any(isinstance(value, jax.core.Tracer) for value in closed.consts)
        or not all(isinstance(output, jax.core.Tracer) for output in outputs)
        or closed.in_avals != [values[i].aval for i in places]
    ):
        return None
    return _Copy(closed, kind)
