"""Many training steps in one compiled program, over data that lives on the device."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.engine import kernels, xla_native
from dovetail.engine.platforms import backend_of

MAX_BYTES_ON_DEVICE = 2 << 30


def put(arrays: list) -> list:
    """Brings arrays to the device; on the CPU, aligned ones are used where they are.

    They stay uncommitted: an array tied to a device would tie the results to it too, and the next call, whose inputs
    are those results, would be compiled again.
    """
    return [jax.device_put(array, may_alias=True) for array in arrays]


def steps_program(
    run: Callable,
    num_results: int,
    written: list[int],
    batch_size: int | None,
    options: dict | None = None,
    when_compiled: Callable[[], None] = lambda: None,
    laid_out: Callable[[list, list], tuple[list, list]] = lambda batch, state: (batch, state),
) -> Callable:
    """Returns a compiled `f(given, kept, data, order, start, stop) -> (new given, results of the last step)`.

    The state that steps write is `given`: the program reuses its memory, which XLA would copy in every call otherwise.
    The rest of the state is `kept`.

    Args:
        run: one step, `(*batch, *state) -> (*results, *new values of the written state)`.
        num_results: how many results a step has.
        written: positions in the state that a step writes.
        batch_size: rows of `data` a step takes; `order[i * batch_size : (i + 1) * batch_size]` are those of step i.
            None: `data` are stacked batches, step i takes `data[i]`; `order` is None too.
        options: for XLA's compiler.
        when_compiled: called each time the program is compiled for data of another size.
        laid_out: `f(batch, state) -> (batch, state)`, says how they are divided over devices.
    """

    def batch_at(i: Any, data: list, order: Any) -> list:
        if batch_size is None:
            return [lax.dynamic_index_in_dim(array, i, keepdims=False) for array in data]
        rows = lax.dynamic_slice_in_dim(order, i * batch_size, batch_size)
        return [xla_native.rows_of(array, rows) for array in data]

    def state_of(given: list, kept: list) -> list:
        state = list(kept)
        for position, value in sorted(zip(written, given, strict=True), key=operator.itemgetter(0)):
            state.insert(position, value)
        return state

    def steps(given: list, kept: list, data: list, order: Any, start: Any, stop: Any) -> tuple:
        when_compiled()

        def step(i: Any, carry: tuple) -> tuple:
            batch, state = laid_out(batch_at(i, data, order), state_of(carry[0], kept))
            outputs = run(*batch, *state)
            return list(outputs[num_results:]), list(outputs[:num_results])

        results = jax.eval_shape(lambda: run(*batch_at(0, data, order), *state_of(given, kept))[:num_results])
        empty = [jnp.zeros(r.shape, r.dtype) for r in results]
        return lax.fori_loop(start, stop, step, (given, empty))

    return jax.jit(steps, donate_argnums=0, compiler_options=options)


def made_for(platform: str) -> contextlib.AbstractContextManager:
    """Makes programs for "cpu", "cuda", "rocm" or "tpu", whatever is there; they are not kept."""
    return kernels.made_for(backend_of(platform))


def lowered(steps: Any, given: list, kept: list, data: list, num_samples: int, platform: str) -> Any:
    """Returns what `steps_program` gave, lowered for a platform that need not be there: JAX's `Lowered`.

    Args:
        steps: takes its batches by their numbers in an order.
        given, kept, data: shapes and dtypes of what it takes.
        num_samples: length of the order.
        platform: "cpu", "cuda", "rocm" or "tpu".
    """
    given, kept, data = ([jax.ShapeDtypeStruct(*each) for each in some] for some in (given, kept, data))
    order = jax.ShapeDtypeStruct((num_samples,), jnp.int32)
    with made_for(platform):
        traced = steps.trace(given, kept, data, order, np.int32(0), np.int32(1))
        return traced.lower(lowering_platforms=(platform,))
