"""Scaled dot-product attention, and the softmax under a mask."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from dovetail.ops.attrs import Axis
from dovetail.ops.core import Joint, Op
from dovetail.ops.families import op, unbroadcast
from dovetail.ops.losses import gradient_of_shares, shares
from dovetail.ops.precision import floating, gradient_op, in_float32
from dovetail.ops.prepared import promoted
from dovetail.ops.rules import broadcast
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


def _shape(query: tuple, key: tuple, value: tuple, *_: Any, **__: Any) -> tuple:
    for name, shape in (("query", query), ("key", key), ("value", value)):
        if len(shape) != 4:
            raise ValueError(f"{name} must have shape (batch, length, heads, size), received {shape}")
    if None not in (query[2], key[2]) and query[2] % key[2]:
        raise ValueError(f"the query's {query[2]} heads must be a multiple of the key's {key[2]}")
    return (*query[:3], value[3])


_MOST_PRODUCTS = 1 << 25  # multiply-adds up to which the host engine's kernel takes no longer than XLA


def _in_one_pass(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, soft_cap: Any = None, **_: Any
) -> bool:
    plain = bias is None and mask is None and soft_cap is None and query.shape[2] == key.shape[2]
    return plain and 2 * query.size * key.shape[1] <= _MOST_PRODUCTS


@op("", same_dtype=3, shape=_shape, one_pass=_in_one_pass)
@floating
def attention(
    xp: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> Any:
    """Returns `softmax(query . key * scale + bias) . value`; see `dot_product_attention`."""
    _shape(query.shape, key.shape, value.shape)
    names = {"scale": scale, "is_causal": is_causal, "soft_cap": soft_cap}
    arrays = (query, key, value, bias, mask)
    return xp.by_kernel("attention", functools.partial(_attention, xp), arrays, names)


def _attention(
    xp: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    scale: float | None,
    is_causal: bool,
    soft_cap: float | None,
) -> Any:
    heads = _Heads(xp, query, key, value, scale)
    weights, _, _ = heads.weights(bias, mask, is_causal, soft_cap)
    return xp.swapaxes(xp.batched_product(weights, heads.v), 1, 2)


class _Heads:
    """The inputs with their heads in front: (batch, heads, length, size).

    Attributes:
        q, k, v: query (scaled), key and value.
        groups: how many heads of the query share one of the key (J. Ainslie et al., 2023).
        factor: what the query was scaled by.
    """

    def __init__(self, xp: Any, query: Any, key: Any, value: Any, scale: float | None) -> None:
        self.xp, self.kind = xp, query.dtype.type
        self.groups = query.shape[2] // key.shape[2]
        if self.groups > 1:
            key, value = xp.repeat(key, self.groups, axis=2), xp.repeat(value, self.groups, axis=2)
        self.factor = self.kind(1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        q, self.k, self.v = (xp.swapaxes(t, 1, 2) for t in (query, key, value))
        self.q = q * self.factor

    def weights(self, bias: Any, mask: Any, is_causal: bool, soft_cap: float | None) -> tuple:
        """Returns the weights, what is allowed (None: everything), and the bounded logits without bias."""
        xp, kind = self.xp, self.kind
        logits = xp.batched_product(self.q, self.k, transpose_b=True)
        bounded = logits if soft_cap is None else xp.tanh(logits / kind(soft_cap))
        logits = logits if soft_cap is None else bounded * kind(soft_cap)
        if bias is not None:
            logits = logits + bias
        allowed = mask
        if is_causal:
            earlier = np.tril(np.ones(logits.shape[-2:], bool))
            allowed = earlier if mask is None else mask & earlier
        if allowed is not None:
            logits = xp.where(allowed, logits, kind(np.finfo(np.float32).min / 2))
        return shares(xp, logits, -1), allowed, bounded

    def restored(self, g: Any, shared: bool) -> Any:
        """Returns a gradient in the layout of its input; `shared` ones are summed over the heads that share."""
        g = self.xp.swapaxes(g, 1, 2)
        if not shared or self.groups == 1:
            return g
        split = self.xp.reshape(g, (*g.shape[:2], g.shape[2] // self.groups, self.groups, g.shape[-1]))
        return self.xp.sum(split, axis=3)


@in_float32
def _attention_gradient(
    xp: Any,
    g: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None,
    is_causal: bool,
    soft_cap: float | None,
) -> Any:
    """Returns the gradients of query, key, value and, before it is summed to the bias' shape, of the bias."""
    heads = _Heads(xp, query, key, value, scale)
    weights, allowed, bounded = heads.weights(bias, mask, is_causal, soft_cap)
    g = xp.swapaxes(g, 1, 2)
    of_weights = xp.batched_product(g, heads.v, transpose_b=True)
    of_biased = gradient_of_shares(xp, of_weights, weights, -1)
    if allowed is not None:  # a row in which nothing is allowed has weights all the same
        of_biased = xp.where(allowed, of_biased, heads.kind(0))
    of_logits = of_biased if soft_cap is None else of_biased * (1 - bounded * bounded)
    return (
        heads.restored(xp.batched_product(of_logits, heads.k) * heads.factor, shared=False),
        heads.restored(xp.batched_product(of_logits, heads.q, transpose_a=True), shared=True),
        heads.restored(xp.batched_product(weights, g, transpose_a=True), shared=True),
        of_biased,
    )


attention_gradient = Op("attention_gradient", _attention_gradient, same_dtype=4, several=True)


def _attention_rule(g: Any, y: Any, *inputs: Any, **attributes: Any) -> list:
    *found, of_bias = attention_gradient(g, *inputs, **attributes)
    bias = inputs[3] if len(inputs) > 3 else None
    return [*found, None if bias is None else unbroadcast(of_bias, bias)._astype(bias.dtype), None]


attention.gradient(*[Joint(_attention_rule)] * 4, None)


_HIDDEN = 1e9  # what is taken off the logits of hidden places


def _masked_shape(logits: tuple, mask: tuple, **_: Any) -> tuple:
    broadcast(logits, mask)
    return logits


@op("", same_dtype=1, shape=_masked_shape)
@floating
def masked_softmax(xp: Any, logits: Any, mask: Any, *, axis: Axis = -1, zero_hidden: bool = True) -> Any:
    """Returns the softmax of the logits over the places where the mask holds.

    Args:
        logits: floating tensor.
        mask: booleans, or numbers of which those above 0.5 count, that broadcast to it: False hides a place.
        axis: the axis, or several that are taken together.
        zero_hidden: hidden places have weight 0 also where all of a row are hidden; otherwise such a row is uniform.
    """
    allowed = mask if mask.dtype.kind == "b" else mask > 0.5
    logits = xp.where(allowed, logits, logits - logits.dtype.type(_HIDDEN))
    weights = xp.exp(logits - xp.max(logits, axis=axis, keepdims=True))
    weights = weights / xp.sum(weights, axis=axis, keepdims=True)
    return xp.where(allowed, weights, weights.dtype.type(0)) if zero_hidden else weights


@gradient_op
def _masked_softmax_gradient(xp: Any, g: Any, y: Any, *, axis: Axis) -> Any:
    return y * (g - xp.sum(g * y, axis=axis, keepdims=True))


masked_softmax.gradient(
    lambda g, y, logits, mask, axis, zero_hidden: _masked_softmax_gradient(g, y, axis=axis), None
)


def _scores_shape(query: tuple, key: tuple, scale: Any = None) -> tuple:
    return (*broadcast(query[:-2], key[:-2]), query[-2], key[-2])


def _num_sums(query: Any, key: Any, scale: Any = None) -> int:
    return query.size * key.shape[-2]


@op("", shape=_scores_shape, work=_num_sums)
@floating
def additive_scores(xp: Any, query: Any, key: Any, scale: Any = None) -> Any:
    """Returns `sum(scale * tanh(query + key))` for each query and key.

    Args:
        query: (..., queries, size).
        key: (..., keys, size).
        scale: (size,); None: 1.
    """
    fits = xp.tanh(xp.expand_dims(query, -2) + xp.expand_dims(key, -3))
    return xp.sum(fits if scale is None else fits * scale, axis=-1)


@export("ops.nn.dot_product_attention")
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Returns `softmax(query . key * scale + bias) . value`, for each head.

    Args:
        query: tensor of shape (batch, length, heads, size).
        key, value: tensors of shape (batch, source length, key heads, size); heads is a multiple of key heads.
        bias: added to the logits, (batch, heads, length, source length) or what broadcasts to it.
        mask: boolean, of the same shape: False hides a position.
        scale: factor of the logits; 1 / sqrt(size) by default.
        is_causal: position i sees no position after i.
        flash_attention: must not be True: XLA chooses the kernel.
        attn_logits_soft_cap: keeps logits within plus or minus this number.

    Source: A. Vaswani et al., 2017, "Attention is all you need".
    """
    if flash_attention:
        raise ValueError(
            "dot_product_attention: flash_attention=True is not supported; leave it to XLA (None)"
        )
    if mask is not None and not as_tensor(mask).dtype.is_bool:
        raise TypeError(
            f"mask must be boolean (False hides a position), received {as_tensor(mask).dtype.name}"
        )
    query, key, value = promoted((query, key, value))
    return attention(
        query, key, value, bias, mask, scale=scale, is_causal=is_causal, soft_cap=attn_logits_soft_cap
    )
