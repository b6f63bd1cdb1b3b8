"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.ops.families import op
from dovetail.ops.precision import floating
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


def _shape(query: tuple, key: tuple, value: tuple, *_: Any, **__: Any) -> tuple:
    for name, shape in (("query", query), ("key", key), ("value", value)):
        if len(shape) != 4:
            raise ValueError(f"{name} must have shape (batch, length, heads, size), received {shape}")
    if None not in (query[2], key[2]) and query[2] % key[2]:
        raise ValueError(f"the query's {query[2]} heads must be a multiple of the key's {key[2]}")
    return (*query[:3], value[3])


@op("", same_dtype=3, shape=_shape)
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
    kind = query.dtype.type
    groups = query.shape[2] // key.shape[2]
    if groups > 1:  # several heads of the query share one of the key (J. Ainslie et al., 2023)
        key, value = xp.repeat(key, groups, axis=2), xp.repeat(value, groups, axis=2)
    q, k, v = (xp.swapaxes(t, 1, 2) for t in (query, key, value))  # (batch, heads, length, size)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    logits = xp.matmul(q * kind(factor), xp.swapaxes(k, 2, 3))
    if soft_cap is not None:
        logits = xp.tanh(logits / kind(soft_cap)) * kind(soft_cap)
    if bias is not None:
        logits = logits + bias
    allowed = mask
    if is_causal:
        earlier = np.tril(np.ones(logits.shape[-2:], bool))
        allowed = earlier if mask is None else mask & earlier
    if allowed is not None:
        logits = xp.where(allowed, logits, kind(np.finfo(np.float32).min / 2))
    weights = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    weights = weights / xp.sum(weights, axis=-1, keepdims=True)
    return xp.swapaxes(xp.matmul(weights, v), 1, 2)


@export("ops.dot_product_attention")
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
    return attention(
        query, key, value, bias, mask, scale=scale, is_causal=is_causal, soft_cap=attn_logits_soft_cap
    )
