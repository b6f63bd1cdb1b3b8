"""Training throughput of `fit` in mixed_bfloat16: the CNN and the transformer of `fit.py`, beside our own float32.

The peers are mixed too: each Keras under its policy, PyTorch by hand under autocast. On a processor that multiplies
bfloat16 itself, mixed has to pay; where it has none, it must not cost much.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.bars import MEMORY, best
from benchmarks.kinds import Bar, Side, Workload
from benchmarks.workloads.fit import CNN, HAS_COMPILER, KERAS_PEERS, TRANSFORMER, Task, fit_keras, fit_torch

POLICY = "mixed_bfloat16"
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}  # the last one: arm64


def has_bfloat16() -> bool:
    """Return whether the processor says that it has products of bfloat16; False where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and not BFLOAT16_FLAGS.isdisjoint(cpuinfo.read_text().split())


def against_float32() -> Bar:
    """Return the bar beside our own float32, by what the processor has."""
    if has_bfloat16():
        return Bar("at least 1.3x our own float32", than="dovetail float32", at_least=1.3)
    return Bar("at most 1.1x slower than our own float32", than="dovetail float32", at_least=1 / 1.1)


def workload(name: str, about: str, task: Task) -> Workload:
    """Return the workload that trains `task` in mixed precision everywhere."""
    compiled = [Side("torch compiled", "torch", fit_torch(task, compiled=True, mixed=True))]
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(
            Side("dovetail", "dovetail", fit_keras(task, POLICY)),
            Side("dovetail float32", "dovetail", fit_keras(task)),
            *(Side(label, label, fit_keras(task, POLICY)) for label in KERAS_PEERS),
            Side("torch", "torch", fit_torch(task, mixed=True)),
            *(compiled if HAS_COMPILER else []),
        ),
        bars=(against_float32(), best(), MEMORY),
    )


WORKLOADS = (
    workload("fit_cnn_mixed", "fit of the CNN in mixed_bfloat16, 28x28x1, batch 128", CNN),
    workload(
        "fit_transformer_mixed", "fit of the transformer in mixed_bfloat16, 128 tokens, batch 16", TRANSFORMER
    ),
)
