"""`keras.layers.MultiHeadAttention`."""

from __future__ import annotations

import string
from typing import Any, ClassVar

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.activation.activation import Softmax
from dovetail.keras.layers.attention.heads import DROPOUT, LAST_ARGUMENTS, USE_BIAS, Heads, _count_or_none
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.machinery.weights import ANY
from dovetail.tensor.shape import TensorShape

__all__ = ["MultiHeadAttention"]


def _axes(layer: Any, name: str, value: Any) -> tuple | None:
    axes = (value,) if isinstance(value, int) else value
    if axes is not None and not (isinstance(axes, list | tuple) and all(isinstance(a, int) for a in axes)):
        raise ValueError(
            f"{type(layer).__name__}: attention_axes must be an int or a list of ints, received {value!r:.60}"
            f"{at_user_location()}"
        )
    return None if axes is None else tuple(axes)


def _output_sizes(layer: Any, name: str, value: Any) -> tuple | None:
    if value is None:
        return None
    sizes = (value,) if isinstance(value, int) else value
    if not isinstance(sizes, list | tuple | TensorShape):
        raise ValueError(
            f"{type(layer).__name__}: output_shape must be an int or several, received {value!r:.60}"
            f"{at_user_location()}"
        )
    return tuple(count(layer, name, size) for size in sizes)


class MultiHeadAttention(Heads):
    """Lets each position of `query` collect from all positions of `value`, in several heads.

    Args:
        num_heads: number of heads.
        key_dim: size of a head's queries and keys.
        value_dim: size of a head's values; `key_dim` when None.
        dropout: share of the weights that training drops.
        use_bias: whether the projections have biases.
        output_shape: size (or sizes) of the outputs' last axis; that of the query when None.
        attention_axes: axes over which positions attend; all but the batch and the last when None.
        sliding_window: positions attend to those less than so many away; None: to all.
        flash_attention: leave it None: XLA chooses the kernel.
        kernel_initializer, bias_initializer, kernel_regularizer, ...: of all projections.
        use_gate: multiply what a head collects with a sigmoid of a projection of the query.
        seed: of the dropout.
        softmax_robust_masking: of Keras 2; masked positions have weight 0 either way.

    Call arguments:
        query: (batch, queries, ..., size).
        value, key: (batch, keys, ..., size); the key is the value when None.
        query_mask, value_mask, key_mask: (batch, length); those of the tensors when None.
        attention_mask: booleans (batch, queries, keys), or with an axis for the heads after the batch's.
        return_attention_scores: return the weights too, (batch, heads, queries, keys).
        use_causal_mask: no position sees a later one.

    Weights: kernel and bias of query, key, gate, value and attention_output.

    Source: A. Vaswani et al., 2017, "Attention is all you need".

    Example:
        >>> keras.layers.MultiHeadAttention(num_heads=2, key_dim=8)(tf.ones((4, 10, 16)), tf.ones((4, 7, 16))).shape
        TensorShape([4, 10, 16])
    """

    # Keras 2 lists the shapes it was built for; its files have the projections under these names.
    _facts_in_configs: ClassVar[dict] = dict.fromkeys(("query_shape", "key_shape", "value_shape"), ANY)
    _names_in_files: ClassVar[dict] = {
        f"_{part}_dense": f"{part}_dense" for part in ("query", "key", "value", "output")
    }

    _arguments = (
        Argument("num_heads", read=count, hint="int"),
        Argument("key_dim", read=count, hint="int"),
        Argument("value_dim", None, _count_or_none),
        DROPOUT,
        USE_BIAS,
        Argument("output_shape", None, _output_sizes, attribute="_output_sizes"),
        Argument("attention_axes", None, _axes),
        *LAST_ARGUMENTS,
        Argument("softmax_robust_masking", False, hint="bool", kept=False),
    )
    num_heads: int
    key_dim: int
    value_dim: int
    attention_axes: tuple | None
    _output_sizes: tuple | None

    def _begin(self) -> None:
        super()._begin()
        if self.value_dim is None:
            self.value_dim = self.key_dim

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        key_shape = value_shape if key_shape is None else key_shape
        self._check_lengths(value_shape, key_shape)
        keys, values = (self.num_heads, self.key_dim), (self.num_heads, self.value_dim)
        self._query_dense = self._project("query", query_shape, 1, keys)
        self._key_dense = self._project("key", key_shape, 1, keys)
        if self.use_gate:
            self._gate_dense = self._project("gate", query_shape, 1, values, "sigmoid")
        self._value_dense = self._project("value", value_shape, 1, values)
        self._build_attention(len(value_shape) + 1)
        attended = (*query_shape[:-1], *values)
        outputs = (query_shape[-1],) if self._output_sizes is None else self._output_sizes
        self._output_dense = self._project("attention_output", attended, 2, outputs)

    @property
    def query_dense(self) -> Any:
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        return self._output_dense

    def _build_attention(self, rank: int) -> None:
        """Prepares the attention of projected tensors of some rank, (batch, ..., heads, size)."""
        given = range(1, rank - 2) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis if axis >= 0 else rank - 1 + axis for axis in given)
        self._score_equation, self._combine_equation, scores_rank = _equations(rank, self.attention_axes)
        self._scores_rank, self._num_attended = scores_rank, len(self.attention_axes)
        self._softmax = Softmax(
            axis=[scores_rank - 1 - i for i in reversed(range(len(self.attention_axes)))],
            dtype=self.dtype_policy,
        )
        self._add_dropout()

    @property
    def _head_size(self) -> int:
        return self.key_dim

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> TensorShape:
        if value_shape is not None and key_shape is not None:
            self._check_lengths(value_shape, key_shape)
        sizes = (query_shape[-1],) if self._output_sizes is None else self._output_sizes
        return TensorShape([*query_shape[:-1], *sizes])


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str, int]:
    """Returns the equations of scores and of values for projected tensors, and the rank of the scores.

    Scores are (batch axes, heads, query axes that attend, key axes that attend); an axis that does not attend is one of
    the batch.

    Args:
        rank: of the projected query, key and value: (batch, ..., heads, size).
        axes: those that attend.
    """
    query = string.ascii_lowercase[:rank]
    batch = "".join(
        query[axis] for axis in range(rank - 1) if axis not in axes
    )  # the heads are the last of them
    fresh = iter(string.ascii_lowercase[rank:])
    key = "".join(next(fresh) if axis in axes else query[axis] for axis in range(rank))
    value = key[:-1] + next(fresh)
    scores = batch + "".join(query[axis] for axis in axes) + "".join(key[axis] for axis in axes)
    return f"{key},{query}->{scores}", f"{scores},{value}->{query[:-1]}{value[-1]}", len(scores)
