"""What a fresh process costs: the import alone, and the way to the first finished training step.

`import_time` times `python -c "import X"` from start to exit. `first_step` times the CNN's first step of
`fit`, on one batch of 128, from the start of the process to a finished loss; Dovetail once with an empty
compilation cache on disk and once with the one that an earlier process filled. Keras on JAX runs as it is
installed, without a cache on disk.
"""

from __future__ import annotations

from benchmarks.first_step import FINISHED
from benchmarks.kinds import Bar, Side, Workload


def importing(module: str, symbol: str, silent: bool = False) -> Side:
    """Return the side that imports `module`; touching a symbol fails when the package is empty."""
    return Side(module, module, command=("-c", f"import {module}; {module}.{symbol}"), silent=silent)


def first_step(label: str, framework: str, cache: str | None = None) -> Side:
    """Return the side that trains one step of the CNN."""
    command = ("-m", "benchmarks.first_step", framework)
    return Side(label, framework, command=command, until=FINISHED, cache=cache)


WORKLOADS = (
    Workload(
        name="import_time",
        about="a fresh process that imports the package and ends",
        unit="s",
        sides=(
            importing("dovetail", "constant", silent=True),
            importing("jax", "numpy"),
            importing("tensorflow", "constant"),
            importing("torch", "tensor"),
        ),
        bars=(Bar("import at most JAX's own plus 0.3 s, printing nothing", than="jax", at_most=0.3),),
    ),
    Workload(
        name="first_step",
        about="from the start of a process to the first finished training step of the CNN",
        unit="s",
        sides=(
            first_step("dovetail", "dovetail", cache="empty"),
            first_step("dovetail again", "dovetail", cache="filled"),
            first_step("keras_jax", "keras_jax"),
            first_step("keras_tf", "keras_tf"),
            first_step("tf_keras", "tf_keras"),
        ),
        bars=(
            Bar("first step faster than Keras on JAX", than="keras_jax", at_least=1.0),
            Bar("the cache on disk makes the second process faster", "dovetail", 1.0, ours="dovetail again"),
        ),
    ),
)
