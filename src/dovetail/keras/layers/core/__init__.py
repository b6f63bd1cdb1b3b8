"""Inputs, products, look-ups, functions, wrappers: what models of every kind use."""

from __future__ import annotations

from dovetail.keras.layers.core.dense import *
from dovetail.keras.layers.core.dense_features import *
from dovetail.keras.layers.core.einsum_dense import *
from dovetail.keras.layers.core.embedding import *
from dovetail.keras.layers.core.identity import *
from dovetail.keras.layers.core.input_layer import *
from dovetail.keras.layers.core.jax_layer import *
from dovetail.keras.layers.core.lambda_layer import *
from dovetail.keras.layers.core.op_layer import *
from dovetail.keras.layers.core.reversible_embedding import *
from dovetail.keras.layers.core.tfsm_layer import *
from dovetail.keras.layers.core.torch_module import *
from dovetail.keras.layers.core.wrapper import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
