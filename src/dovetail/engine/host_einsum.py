"""Einsum on the host engine: as one matrix product wherever the equation is one, NumPy's loops elsewhere."""

from __future__ import annotations

import functools
import math
import string
from typing import Any, NamedTuple

import numpy as np

from dovetail.engine import dtypes

_BY_LOOP = 1 << 8  # elements, up to which NumPy's plain loop is faster than a product with its reshapes
_IN_ORDER = 1 << 12  # elements, up to which NumPy's plain loop is faster than the search for a good order


class Product(NamedTuple):
    """How a contraction of two arrays is a stack of matrix products.

    Attributes:
        first, second: the axes of each: (batch, rows, summed) and (batch, summed, columns).
        output: the axes of (batch, rows, columns) in the order of the output.
        batch, summed: how many axes of the first are of those kinds.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    output: tuple[int, ...]
    batch: int
    summed: int


def einsum(equation: str, *operands: Any) -> Any:
    """Returns the sum of products that an explicit equation describes."""
    dtype = operands[0].dtype
    if dtypes.is_half(dtype):
        return einsum(equation, *[x.astype(np.float32) for x in operands]).astype(dtype)
    size = sum(x.size for x in operands)
    if len(operands) == 2 and size > _BY_LOOP:
        found = product_of(equation, operands[0].ndim, operands[1].ndim)
        if found is not None:
            result = _multiplied(found, *operands)
            if result is not None:
                return result
    return np.einsum(equation, *operands, optimize=size >= _IN_ORDER and len(operands) > 1)


@functools.lru_cache(maxsize=1024)
def product_of(equation: str, first_rank: int, second_rank: int) -> Product | None:
    """Returns the matrix product that an equation of two terms is; None: it takes diagonals, or sums one term alone."""
    left, _, output = equation.partition("->")
    terms = left.split(",")
    if "..." in equation:
        free = iter([letter for letter in string.ascii_letters if letter not in equation])
        counts = [
            rank - len(term.replace("...", ""))
            for term, rank in zip(terms, (first_rank, second_rank), strict=True)
        ]
        names = "".join(next(free) for _ in range(max([0, *counts])))
        terms = [
            term.replace("...", names[len(names) - count :]) if count > 0 else term.replace("...", "")
            for term, count in zip(terms, counts, strict=True)
        ]
        output = output.replace("...", names)
    a, b = terms
    if (len(a), len(b)) != (first_rank, second_rank):
        return None  # NumPy says what is wrong
    shared = set(a) & set(b)
    if any(len(set(term)) != len(term) for term in (a, b, output)):
        return None
    if not set(a) ^ set(b) <= set(output) <= set(a) | set(b):
        return None
    batch = [letter for letter in output if letter in shared]
    summed = [letter for letter in a if letter in shared and letter not in output]
    rows = [letter for letter in output if letter not in b]
    columns = [letter for letter in output if letter not in a]
    made = [*batch, *rows, *columns]
    return Product(
        tuple(a.index(letter) for letter in (*batch, *rows, *summed)),
        tuple(b.index(letter) for letter in (*batch, *summed, *columns)),
        tuple(made.index(letter) for letter in output),
        len(batch),
        len(summed),
    )


def _multiplied(product: Product, a: Any, b: Any) -> Any:
    """Returns the product; None where the sizes do not agree, which an axis of size 1 may."""
    a, b = a.transpose(product.first), b.transpose(product.second)
    num_batch, num_summed = product.batch, product.summed
    rows_end = a.ndim - num_summed
    batch, rows, summed = a.shape[:num_batch], a.shape[num_batch:rows_end], a.shape[rows_end:]
    columns = b.shape[num_batch + num_summed :]
    if b.shape[: num_batch + num_summed] != (*batch, *summed):
        return None
    inner = math.prod(summed)
    made = np.matmul(
        a.reshape((*batch, math.prod(rows), inner)), b.reshape((*batch, inner, math.prod(columns)))
    )
    return made.reshape((*batch, *rows, *columns)).transpose(product.output)
