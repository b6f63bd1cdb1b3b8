"""`keras.layers.GroupQueryAttention`: heads of the query share heads of key and value."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.activation.activation import Softmax
from dovetail.keras.layers.attention.heads import DROPOUT, LAST_ARGUMENTS, USE_BIAS, Heads
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.ops.padding import repeat
from dovetail.tensor.shape import TensorShape

__all__ = ["GroupQueryAttention", "GroupedQueryAttention"]


class GroupedQueryAttention(Heads):
    """Multi-head attention in which groups of query heads share one head of key and value.

    Args:
        head_dim: size of a head.
        num_query_heads: heads of the query, a multiple of `num_key_value_heads`.
        num_key_value_heads: heads of key and value; 1: all share one (multi-query attention).
        dropout, use_bias, sliding_window, flash_attention, kernel_initializer, ..., use_gate, seed: as in
            `MultiHeadAttention`.

    Call arguments: as those of `MultiHeadAttention`, of rank 3.

    Weights: kernel and bias of query, key, gate, value and attention_output.

    Source: J. Ainslie et al., 2023, "GQA: training generalized multi-query transformer models from multi-head
    checkpoints".
    """

    _name_in_configs = "GroupQueryAttention"

    _arguments = (
        Argument("head_dim", read=count, hint="int"),
        Argument("num_query_heads", read=count, hint="int"),
        Argument("num_key_value_heads", read=count, hint="int"),
        DROPOUT,
        USE_BIAS,
        *LAST_ARGUMENTS,
    )
    head_dim: int
    num_query_heads: int
    num_key_value_heads: int
    _regularizes_itself = True

    def _begin(self) -> None:
        super()._begin()
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"GroupedQueryAttention: num_query_heads ({self.num_query_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads}){at_user_location()}"
            )

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        key_shape = value_shape if key_shape is None else key_shape
        self._check_lengths(value_shape, key_shape)
        queries, keys = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        self._query_dense = self._project("query", query_shape, 1, queries)
        self._key_dense = self._project("key", key_shape, 1, keys)
        if self.use_gate:
            self._gate_dense = self._project("gate", query_shape, 1, queries, "sigmoid")
        self._value_dense = self._project("value", value_shape, 1, keys)
        self._softmax = Softmax(dtype=self.dtype_policy)
        self._add_dropout()
        self._output_dense = self._project(
            "attention_output", (*query_shape[:-1], *queries), 2, (query_shape[-1],)
        )

    @property
    def _head_size(self) -> int:
        return self.head_dim

    def _for_queries(self, x: Any) -> Any:
        return repeat(x, self.num_query_heads // self.num_key_value_heads, axis=2)

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> TensorShape:
        return TensorShape(query_shape)


GroupQueryAttention = GroupedQueryAttention  # the public name
