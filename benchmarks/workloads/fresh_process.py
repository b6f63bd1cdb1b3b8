"""What a fresh process costs: the import alone, and the way to the first finished training step.

`first_step_MODEL` does so for ResNet-50, a transformer of 12 layers and an LSTM, beside every peer.

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


def first_step(label: str, framework: str, cache: str | None = None, model: str = "cnn") -> Side:
    """Return the side that trains one step of a model."""
    command = ("-m", "benchmarks.first_step", framework, model)
    return Side(label, framework, command=command, until=FINISHED, cache=cache)


PEERS = ("tf_keras", "keras_tf", "keras_jax", "keras_torch", "torch")


def first_step_of(model: str, about: str) -> Workload:
    """Return the workload of the first step of a model, beside every peer."""
    return Workload(
        name=f"first_step_{model}",
        about=f"from the start of a process to the first finished training step of {about}",
        unit="s",
        sides=(
            first_step("dovetail", "dovetail", "empty", model),
            first_step("dovetail again", "dovetail", "filled", model),
            *(first_step(peer, peer, model=model) for peer in PEERS),
        ),
        bars=(
            Bar("at least 1.5x faster than every peer", than=PEERS, at_least=1.5),
            Bar("at least 3x in a second process", than=PEERS, at_least=3.0, ours="dovetail again"),
        ),
    )


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
    first_step_of("resnet50", "ResNet-50 on 32 images of 32x32x3"),
    first_step_of(
        "transformer", "a GPT-2-like transformer of 12 layers, width 256, on 8 sequences of 128 tokens"
    ),
    first_step_of("lstm", "an LSTM of 128 units on 32 sequences of 64 steps"),
)
