"""Inputs, products, look-ups, functions, wrappers: what models of every kind use."""

from __future__ import annotations

from dovetail.keras.layers.core.dense import (
    Dense,
)
from dovetail.keras.layers.core.embedding import (
    Embedding,
    Masking,
)
from dovetail.keras.layers.core.input_layer import (
    Input,
    InputLayer,
)
from dovetail.keras.layers.core.lambda_layer import (
    Lambda,
)
from dovetail.keras.layers.core.op_layer import (
    TFOpLambda,
)
from dovetail.keras.layers.core.rescaling import (
    Identity,
    Rescaling,
)
from dovetail.keras.layers.core.wrapper import (
    TimeDistributed,
    Wrapper,
)

__all__ = [
    "Dense",
    "Embedding",
    "Identity",
    "Input",
    "InputLayer",
    "Lambda",
    "Masking",
    "Rescaling",
    "TFOpLambda",
    "TimeDistributed",
    "Wrapper",
]
