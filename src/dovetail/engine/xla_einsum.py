"""Einsum on the XLA engine: the product of matrices that an equation is, where it is one; JAX's elsewhere."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from dovetail.engine.host_einsum import Product, product_of
from dovetail.engine.native_batched import batched_product
from dovetail.engine.xla_native import product, product_over_rows, product_with_rows


def einsum(equation: str, *operands: Any) -> Any:
    """Returns the sum of products that an explicit equation describes."""
    if len(operands) == 2:
        a, b = operands
        found = product_of(equation, a.ndim, b.ndim) if a.dtype == b.dtype else None
        result = None if found is None else _multiplied(found, a, b)
        if result is not None:
            return result
    return jnp.einsum(equation, *operands)


def _multiplied(found: Product, a: Any, b: Any) -> Any:
    """Returns the product; None where its sizes do not agree, which an axis of size 1 may, or where JAX is as good."""
    num_batch, num_summed = found.batch, found.summed
    num_rows, num_columns = (
        len(found.first) - num_batch - num_summed,
        len(found.second) - num_batch - num_summed,
    )
    summed = [a.shape[axis] for axis in found.first[num_batch + num_rows :]]
    shared = [a.shape[axis] for axis in found.first[:num_batch]] + summed
    if [b.shape[axis] for axis in found.second[: num_batch + num_summed]] != shared:
        return None
    if num_batch:
        if not num_rows == num_columns == num_summed == 1:
            return None
        made = batched_product(a.transpose(found.first), b.transpose(found.second))
        return made.transpose(found.output)
    if not num_rows or not num_columns or not num_summed:
        return None
    rows = [a.shape[axis] for axis in found.first[:num_rows]]
    columns = [b.shape[axis] for axis in found.second[num_summed:]]
    first = _matrix(a, found.first[:num_rows], found.first[num_rows:])
    second = _matrix(b, found.second[num_summed:], found.second[:num_summed])
    if found.output == (*range(num_rows, num_rows + num_columns), *range(num_rows)):
        return _product(second, first).reshape((*columns, *rows))
    return _product(first, second).reshape((*rows, *columns)).transpose(found.output)


def _matrix(x: Any, rows: tuple, summed: tuple) -> tuple[Any, bool]:
    """Returns an array as a matrix of rows and what is summed, and whether it is the other way around: as it lies."""
    height, depth = (math.prod(x.shape[axis] for axis in axes) for axes in (rows, summed))
    if (*summed, *rows) == tuple(range(x.ndim)):
        return x.reshape(depth, height), True
    return x.transpose((*rows, *summed)).reshape(height, depth), False


def _product(first: tuple[Any, bool], second: tuple[Any, bool]) -> Any:
    """Returns the product of the rows of two matrices over what is summed."""
    (a, turned_a), (b, turned_b) = first, second
    if turned_b:
        return product_over_rows(a, b) if turned_a else product(a, b)
    return product_with_rows(a.T if turned_a else a, b)
