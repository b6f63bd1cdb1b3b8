"""Attention over single vectors: `Attention` (dot products) and `AdditiveAttention` (sums)."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.layers.attention.masks import band, merged, over_keys, over_queries
from dovetail.keras.layers.machinery.arguments import one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.random import SeedGenerator
from dovetail.ops import arithmetic, nn, random, reduction
from dovetail.ops.attention import additive_scores, masked_softmax
from dovetail.ops.indexing import where
from dovetail.ops.linalg import matmul
from dovetail.ops.losses import softmax
from dovetail.ops.shapes import expand_dims
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape

__all__ = ["AdditiveAttention", "Attention"]

_SCORES = ("dot", "concat")


def rate(layer: Any, name: str, value: Any) -> float:
    """Reads a probability."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(
            f"{type(layer).__name__}: {name} must be a number from 0 to 1, received {value!r}{at_user_location()}"
        )
    return value


def _score_mode(layer: Any, name: str, value: Any) -> str:
    return one_of(value, f"{type(layer).__name__}: {name}", _SCORES)


class ScoredAttention(Declared):
    """What both kinds share: the value vectors, weighed by the softmax of scores."""

    supports_masking = True
    use_scale: bool
    dropout: float
    seed: Any

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        self._causal = bool(kwargs.pop("causal", False))  # of Keras 2, before there was use_causal_mask
        return super()._passed_on(given, kwargs)

    def _begin(self) -> None:
        self.scale: Any = None
        self.seed_generator = SeedGenerator(self.seed) if self.dropout else None

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns how well the queries fit the keys: (batch, queries, keys).  Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define _calculate_scores(query, key)")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check("inputs", inputs)
        if mask is not None:
            self._check("mask", mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        scores = self._calculate_scores(query, key)
        seen = merged([over_keys(value_mask), band(query, key, use_causal_mask or self._causal, None)])
        outputs, scores = self._apply_scores(scores, value, seen, training)
        if query_mask is not None:
            outputs = where(over_queries(query_mask), outputs, 0.0)
        return (outputs, scores) if return_attention_scores else outputs

    def _apply_scores(self, scores: Any, value: Any, scores_mask: Any = None, training: Any = False) -> tuple:
        """Returns the weighed values, and the weights."""
        if scores_mask is None:
            chosen = softmax(scores)
        else:
            chosen = masked_softmax(scores, scores_mask, zero_hidden=False)
        if training and self.dropout:
            chosen = random.draw_dropout(chosen, rate=self.dropout, seed=self.seed_generator)
        return matmul(chosen, value), chosen

    def _check(self, what: str, value: Any) -> None:
        if not isinstance(value, list | tuple) or len(value) not in (2, 3):
            shapes = nest.map_structure(lambda x: tuple(getattr(x, "shape", ())) or x, value)
            shown = f"a list of {len(value)}: {shapes}" if isinstance(value, list | tuple) else f"{shapes}"
            names = (
                "[query, value] or [query, value, key]" if what == "inputs" else "[query_mask, value_mask]"
            )
            raise ValueError(
                f"{self.name}: expected {what} to be a list, {names}, received {shown}{at_user_location()}"
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None or mask[0] is None else convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape([*input_shape[0][:-1], input_shape[1][-1]])


class Attention(ScoredAttention):
    """Weighs values by the softmax of `query . key`.

    Args:
        use_scale: multiply the scores with a learned number.
        score_mode: "dot", or "concat": `weight * sum(tanh(query + key))`.
        dropout: share of the weights that training drops.
        seed: of the dropout.

    Call arguments:
        inputs: [query (batch, queries, size), value (batch, keys, value size)], and optionally key (batch, keys, size),
            which is the value otherwise.
        mask: [mask of the queries, mask of the values], each (batch, length) or None; those of the inputs when None.
        return_attention_scores: return the weights too, (batch, queries, keys).
        use_causal_mask: no query sees a later key.

    Weights: scale (), concat_score_weight ().

    Source: M. Luong, H. Pham, C. Manning, 2015, "Effective approaches to attention-based neural machine translation".
    """

    _arguments = (
        Argument("use_scale", False, hint="bool"),
        Argument("score_mode", "dot", _score_mode, "str"),
        Argument("dropout", 0.0, rate, "float"),
        Argument("seed", None),
    )
    score_mode: str

    def build(self, input_shape: Any) -> None:
        self._check("inputs", input_shape)
        self.concat_score_weight: Any = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            scores = matmul(query, key, transpose_b=True)
            return scores if self.scale is None else scores * self.scale
        joined = arithmetic.add(expand_dims(query, axis=-2), expand_dims(key, axis=-3))
        joined = joined if self.scale is None else joined * self.scale
        return self.concat_score_weight * reduction.reduce_sum(nn.tanh(joined), axis=-1)


class AdditiveAttention(ScoredAttention):
    """Weighs values by the softmax of `sum(scale * tanh(query + key))`.

    Args:
        use_scale: multiply with a learned vector.
        dropout: share of the weights that training drops.
        seed: of the dropout.

    Call arguments: as those of `Attention`.

    Weights: scale (size,).

    Source: D. Bahdanau, K. Cho, Y. Bengio, 2015, "Neural machine translation by jointly learning to align and
    translate".
    """

    _arguments = (
        Argument("use_scale", True, hint="bool"),
        Argument("dropout", 0.0, rate, "float"),
        Argument("seed", None),
    )

    def build(self, input_shape: Any) -> None:
        self._check("inputs", input_shape)
        if self.use_scale:
            size = (input_shape[0][-1],)
            self.scale = self.add_weight(name="scale", shape=size, initializer="glorot_uniform")

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        return additive_scores(query, key, self.scale)
