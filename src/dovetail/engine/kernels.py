"""The kernel table: which way of computing a primitive serves on which platform.

A row is a function with its platform, the condition on the arguments under which it serves, and what justifies it.
Rows of the platform are asked in the order in which they were written, then those for any platform ("*"), the last of
which has no condition.

    @kernel("convolution", "cpu", when=is_pointwise, why="0003: one product of matrices")
    def as_product(x, kernel, strides, padding, dilations, groups): ...

    platform_kernels.run("convolution", x, kernel, strides, padding, dilations, groups)
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

ANY = "*"

# True while what runs is over too soon for a library to be compiled for it; one that was compiled before may serve.
BRIEF = contextvars.ContextVar("brief", default=False)


@contextlib.contextmanager
def brief(is_so: bool) -> Iterator[None]:
    """Says that no library is to be compiled for what runs."""
    token = BRIEF.set(BRIEF.get() or is_so)
    try:
        yield
    finally:
        BRIEF.reset(token)


# The platform that programs are made for, as in a row; None: the one that JAX computes on.
MADE_FOR: contextvars.ContextVar[str | None] = contextvars.ContextVar("made_for", default=None)


@contextlib.contextmanager
def made_for(platform: str) -> Iterator[None]:
    """Chooses the rows of a platform that need not be there; "*": rows for any, for programs that are written to files.

    Programs made meanwhile are not kept: those of this process may hold kernels of this machine.
    """
    token = MADE_FOR.set(platform)
    try:
        yield
    finally:
        MADE_FOR.reset(token)


class Kernel(NamedTuple):
    """One row of the table.

    Attributes:
        primitive: what it computes.
        platform: "cpu", "gpu", "tpu", "host" (the host engine) or "*".
        when: `when(*arguments) -> bool`; None: always.
        run: the function.
        why: the number of the page in docs/design with the figures, and what they say in short.
    """

    primitive: str
    platform: str
    when: Callable[..., bool] | None
    run: Callable
    why: str


TABLE: dict[tuple[str, str], list[Kernel]] = {}


def kernel(
    primitive: str, platform: str = ANY, when: Callable[..., bool] | None = None, why: str = "XLA's own"
) -> Callable[[Callable], Callable]:
    """Decorator: adds a row to the table."""

    def decorate(function: Callable) -> Callable:
        TABLE.setdefault((primitive, platform), []).append(Kernel(primitive, platform, when, function, why))
        return function

    return decorate


def chosen(primitive: str, platform: str, *arguments: Any) -> Kernel:
    """Returns the row that serves a call on a platform.

    Raises:
        LookupError: the table has no row for it.
    """
    for key in ((primitive, platform), (primitive, ANY)):
        for row in TABLE.get(key, ()):
            if row.when is None or row.when(*arguments):
                return row
    raise LookupError(f"no kernel computes {primitive!r} on {platform!r}")


# The primitives of `by_kernel` stand for a formula in names of the engine, which serves where nothing else does.
@kernel("lstm")
@kernel("lstm, gradient")
@kernel("gru")
@kernel("gru, gradient")
@kernel("depthwise")
@kernel("depthwise, input's gradient")
@kernel("depthwise, kernel's gradient")
@kernel("adam")
@kernel("softmax")
@kernel("softmax, gradient")
@kernel("layer_norm, gradient")
@kernel("label loss")
@kernel("label loss, gradient")
@kernel("log_softmax")
@kernel("layer_norm")
@kernel("batch_norm, known")
@kernel("batch_norm")
@kernel("batch_norm, gradient")
@kernel("group_norm")
@kernel("bias")
@kernel("gelu")
@kernel("gelu, gradient")
@kernel("windows")
@kernel("largest of windows, gradient")
@kernel("dense")
@kernel("attention")
@kernel("resize")
@kernel("resize chain")
@kernel("mirror")
def _as_it_is(formula: Callable, arrays: tuple, names: dict) -> Any:
    return formula(*arrays, **names)
