"""Training throughput of `fit` of a GPT-2-like model, samples (128 tokens each) per second.

Keras' MultiHeadAttention with a causal mask; PyTorch's fused attention. See `fit.py` for what is the same everywhere.
"""

from __future__ import annotations

from benchmarks import data, keras_models
from benchmarks.bars import best
from benchmarks.workloads.fit import Task, workload

GPT = Task(16, 1, 8, data.tokens, lambda fw: keras_models.gpt(fw.keras), "GPT")

WORKLOADS = (
    workload(
        "fit_gpt",
        "fit of the GPT-2-like model: 12 layers, width 256, 128 tokens, batch 8",
        GPT,
        best(1.2),
    ),
)
