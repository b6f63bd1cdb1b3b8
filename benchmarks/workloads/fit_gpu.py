"""Training throughput of `fit` in mixed_bfloat16 on a GPU, samples per second: ResNet-50, GPT-2 and an LSTM.

`make bench-gpu` measures these, where there is a GPU that JAX and PyTorch see; figures go to benchmarks/results/gpu. In
PyTorch the data lie on the GPU, images with their channels last. See `fit.py` for what is the same everywhere.
"""

from __future__ import annotations

from functools import partial

from benchmarks import data, keras_images, keras_models, sizes
from benchmarks.bars import best
from benchmarks.kinds import Side, Workload
from benchmarks.workloads.fit import HAS_COMPILER, Task, channels_first, fit_keras, fit_torch

POLICY = "mixed_bfloat16"
SIZE = 224

RESNET = Task(
    1024,
    1,
    64,
    partial(data.pictures, size=SIZE),
    lambda fw: keras_images.application(fw.keras, "ResNet50", SIZE),
    "ResNet50",
    channels_first,
)
GPT2 = Task(
    64,
    1,
    8,
    partial(data.tokens, steps=sizes.GPT2.steps, vocabulary=sizes.GPT2.vocabulary),
    lambda fw: keras_models.gpt(fw.keras, sizes.GPT2),
    "gpt2",
)
LSTM = Task(
    2048,
    1,
    64,
    partial(data.sequences, size=sizes.RECURRENT_GPU),
    lambda fw: keras_models.recurrent(fw.keras, "LSTM", sizes.RECURRENT_GPU),
    "lstm_gpu",
    compiles=False,
)


def workload(name: str, about: str, task: Task) -> Workload:
    """Return the workload that trains `task` on a GPU."""
    sides = [
        *(Side(label, label, fit_keras(task, POLICY)) for label in ("dovetail", "keras_jax")),
        Side("torch", "torch", fit_torch(task, mixed=True, device="cuda")),
    ]
    if task.compiles and HAS_COMPILER:
        sides.append(
            Side("torch compiled", "torch", fit_torch(task, compiled=True, mixed=True, device="cuda"))
        )
    return Workload(
        name=name, about=about, unit="samples/s", sides=tuple(sides), bars=(best(),), device="gpu"
    )


WORKLOADS = (
    workload("gpu_fit_resnet50", "fit of ResNet-50 on 224x224x3 in mixed_bfloat16, batch 64", RESNET),
    workload("gpu_fit_gpt2", "fit of GPT-2 124M on 1,024 tokens in mixed_bfloat16, batch 8", GPT2),
    workload(
        "gpu_fit_lstm",
        "fit of an LSTM in mixed_bfloat16: 128 steps, 256 features, 1,024 units, batch 64",
        LSTM,
    ),
)
