"""`tf.autograph.experimental.set_loop_options`."""

from __future__ import annotations

from typing import Any


def set_loop_options(
    parallel_iterations: Any = None,
    swap_memory: Any = None,
    maximum_iterations: Any = None,
    shape_invariants: Any = None,
) -> None:
    """Says how the loop around it runs; a statement in the body of a loop of a converted function.

    Args:
        maximum_iterations: the loop ends after so many.
        shape_invariants: list of pairs of a variable and the `tf.TensorShape` that holds for it in all iterations.
        parallel_iterations, swap_memory: TensorFlow's scheduling hints; XLA decides by itself.

    Outside of converted loops it does nothing, as in TensorFlow.
    """
