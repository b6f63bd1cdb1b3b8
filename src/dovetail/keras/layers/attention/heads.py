"""What layers with several heads of attention share: projections, masks, and both ways to compute it."""

from __future__ import annotations

import math
import string
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import regularizers
from dovetail.keras.layers.attention.attention import rate
from dovetail.keras.layers.attention.masks import band, boolean, for_heads, merged, over_keys, over_queries
from dovetail.keras.layers.core.einsum_dense import EinsumDense
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument, Declared, Weight, weights
from dovetail.keras.layers.regularization.dropout import Dropout
from dovetail.ops import arithmetic
from dovetail.ops.attention import dot_product_attention
from dovetail.ops.linalg import contraction


def _count_or_none(layer: Any, name: str, value: Any) -> int | None:
    return None if value is None else count(layer, name, value)


DROPOUT = Argument("dropout", 0.0, rate, "float")
USE_BIAS = Argument("use_bias", True, hint="bool")
# Those after the layers' own, in Keras' order.
LAST_ARGUMENTS = (
    Argument("sliding_window", None, _count_or_none),
    Argument("flash_attention", None),
    *weights(Weight("kernel", "glorot_uniform"), Weight("bias", "zeros"), activity=True),
    Argument("use_gate", False, hint="bool"),
    Argument("seed", None),
)


class Heads(Declared):
    """A layer that projects query, key and value for several heads, lets them attend, and projects the result back.

    Its projections are layers; their names, and the order of the weights, are Keras'.
    """

    _holds_layers = True
    _calls_own_alone = True
    supports_masking = True
    dropout: float
    use_bias: bool
    sliding_window: int | None
    flash_attention: Any
    use_gate: bool
    seed: Any
    _query_dense: Any
    _key_dense: Any
    _value_dense: Any
    _gate_dense: Any
    _output_dense: Any
    _softmax: Any
    # Those of projections (batch, positions, heads, size), and how many axes of them attend.
    _score_equation, _combine_equation, _num_attended = "bkuh,bquh->buqk", "buqk,bkuh->bquh", 1
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    _regularizes_itself = (
        False  # whether the penalty on activity is put on the outputs too, beside the projections'
    )

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        passed = super()._passed_on(given, kwargs)
        self._activity_regularizer = regularizers.get(passed.pop("activity_regularizer", None))
        return passed

    def _begin(self) -> None:
        if self._regularizes_itself:
            self.activity_regularizer = self._activity_regularizer
        if self.flash_attention and self.dropout:
            raise ValueError(
                f"{type(self).__name__}: flash_attention=True knows no dropout; pass dropout=0.0{at_user_location()}"
            )

    def _project(
        self, name: str, input_shape: Any, num_summed: int, sizes: tuple, activation: Any = None
    ) -> Any:
        """Returns a built projection of the last axes of an input onto axes of other sizes.

        Args:
            name: of the layer.
            input_shape: of its input.
            num_summed: how many axes, counted from the last, it sums over.
            sizes: of the new axes.
            activation: of the result.
        """
        letters = iter(string.ascii_lowercase)
        free = "".join(next(letters) for _ in range(len(input_shape) - num_summed))
        summed = "".join(next(letters) for _ in range(num_summed))
        made = "".join(next(letters) for _ in sizes)
        layer = EinsumDense(
            f"{free}{summed},{summed}{made}->{free}{made}",
            output_shape=(*(None,) * (len(free) - 1), *sizes),
            bias_axes=made if self.use_bias else None,
            activation=activation,
            name=name,
            dtype=self.dtype_policy,
            kernel_initializer=_copy(self.kernel_initializer),
            bias_initializer=_copy(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
        )
        layer.build(tuple(input_shape))
        return layer

    def _add_dropout(self) -> None:
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)

    def _check_lengths(self, value_shape: Any, key_shape: Any) -> None:
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"{self.name}: value and key must agree in all sizes but the last, received value of shape "
                f"{tuple(value_shape)} and key of shape {tuple(key_shape)}{at_user_location()}"
            )

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        if self.flash_attention and return_attention_scores:
            raise ValueError(
                f"{self.name}: flash_attention=True has no scores to return; make the layer without it"
                f"{at_user_location()}"
            )
        key = value if key is None else key
        mask = self._compute_attention_mask(
            query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        gate = self._gate_dense(query) if self.use_gate else None
        outputs, scores = self._compute_attention(
            self._query_dense(query),
            self._key_dense(key),
            self._value_dense(value),
            mask,
            training,
            return_attention_scores,
        )
        outputs = self._output_dense(outputs if gate is None else arithmetic.multiply(outputs, gate))
        return (outputs, scores) if return_attention_scores else outputs

    def _compute_attention_mask(
        self,
        query: Any,
        value: Any,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns where queries may attend: (batch or 1, queries or 1, keys or 1); None: everywhere."""
        given = [over_queries(query_mask), over_keys(value_mask), over_keys(key_mask)]
        given.append(band(query, value, use_causal_mask, self.sliding_window))
        given.append(None if attention_mask is None else boolean(attention_mask))
        return merged(given)

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
    ) -> tuple:
        """Returns the weighed values, and the weights (None where they are not computed).

        Args:
            query, key, value: projected, (batch, ..., heads, size).
            attention_mask: as `_compute_attention_mask` gives it.
            training: whether dropout acts.
            return_attention_scores: whether the weights are wanted.
        """
        scale = 1 / math.sqrt(self._head_size)
        if not self.dropout and not return_attention_scores and len(query.shape) == 4:
            mask = None if attention_mask is None else for_heads(attention_mask, 4, 1)
            flash = self.flash_attention
            return dot_product_attention(query, key, value, None, mask, scale, flash_attention=flash), None
        key, value = self._for_queries(key), self._for_queries(value)
        scores = contraction(key, query * scale, equation=self._score_equation)
        scores = self._masked_softmax(scores, attention_mask)
        used = self._dropout_layer(scores, training=training) if self.dropout else scores
        return contraction(used, value, equation=self._combine_equation), scores

    def _masked_softmax(self, attention_scores: Any, attention_mask: Any = None) -> Any:
        if attention_mask is not None:
            attention_mask = for_heads(attention_mask, len(attention_scores.shape), self._num_attended)
        return self._softmax(attention_scores, mask=attention_mask)

    @property
    def _head_size(self) -> int:
        """Size of a head's queries and keys.  Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define _head_size")

    def _for_queries(self, x: Any) -> Any:
        """Returns projected keys or values with one head for each head of the query."""
        return x

    def compute_mask(self, query: Any, previous_mask: Any = None) -> Any:
        return previous_mask

    def get_config(self) -> dict:
        return super().get_config() | {
            "activity_regularizer": regularizers.serialize(self._activity_regularizer)
        }


def _copy(initializer: Any) -> Any:
    """Returns an initializer that draws by itself; a function is taken as it is."""
    return (
        type(initializer).from_config(initializer.get_config())
        if hasattr(initializer, "get_config")
        else initializer
    )
