"""Matrix products and contractions."""

from __future__ import annotations

import functools
import math
import string
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import rules
from dovetail.ops.arithmetic import cast, conj, conjugated
from dovetail.ops.attrs import nested
from dovetail.ops.create import ones
from dovetail.ops.families import op, reshape_to, unbroadcast
from dovetail.ops.prepared import promoted
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.views import export, graph_for_names
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

# ---- matrix products ---------------------------------------------------------------------------------------------


def _flipped(shape: tuple, flip: bool) -> tuple:
    return (*shape[:-2], shape[-1], shape[-2]) if flip and len(shape) >= 2 else shape


def _matmul_shape(a: tuple, b: tuple, transpose_a: bool, transpose_b: bool) -> tuple:
    return rules.matmul(_flipped(a, transpose_a), _flipped(b, transpose_b))


PRODUCTS_PER_ELEMENT = 32  # multiply-adds that cost as much as one element of an elementwise op


def _matmul_work(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> int:
    rows = a.size // max(a.shape[-2 if transpose_a else -1], 1) if a.ndim else 0
    return (
        rows
        * b.size
        // (PRODUCTS_PER_ELEMENT * (b.size // (b.shape[-1] * b.shape[-2]) if b.ndim > 2 and b.size else 1))
    )


@op("", shape=_matmul_shape, work=_matmul_work)
def matmul(xp: Any, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Returns the matrix product `a @ b` over the last two axes; the axes before them broadcast.

    Raises:
        InvalidArgumentError: a rank below 2, or inner sizes that differ.
    """
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"expected matrices (rank 2 or more), received shapes {a.shape} and {b.shape}")
    if transpose_a and not transpose_b and a.ndim == b.ndim == 2 and a.shape[0] == b.shape[0]:
        return xp.product_over_rows(a, b)
    if transpose_b and not transpose_a and b.ndim == 2 and a.shape[-1] == b.shape[-1]:
        return xp.product_with_rows(a, b)
    depth_a, depth_b = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    if depth_a != depth_b:
        _matmul_shape(a.shape, b.shape, transpose_a, transpose_b)
    return xp.batched_product(a, b, transpose_a, transpose_b)


def _matmul_gradient_a(g: Any, y: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    b = conjugated(b)
    if transpose_a:
        return unbroadcast(matmul(b, g, transpose_a=transpose_b, transpose_b=True), a)
    return unbroadcast(matmul(g, b, transpose_b=not transpose_b), a)


def _matmul_gradient_b(g: Any, y: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    a = conjugated(a)
    if len(a.shape) > 2 and len(b.shape) == 2 and not transpose_a:
        # One product over all rows, instead of one a batch and their sum.
        a, g = (reshape_to(t, shape=(-1, t.shape[-1])) for t in (a, g))
    if transpose_b:
        return unbroadcast(matmul(g, a, transpose_a=True, transpose_b=transpose_a), b)
    return unbroadcast(matmul(a, g, transpose_a=not transpose_a), b)


matmul.gradient(_matmul_gradient_a, _matmul_gradient_b)


@export("matmul linalg.matmul", told=False, op=matmul)
def tf_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    grad_a: bool = False,
    grad_b: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the matrix product `a @ b` over the last two axes; the axes before them broadcast.

    Args:
        a: tensor of shape (..., n, k), or (..., k, n) with `transpose_a`.
        b: tensor of shape (..., k, m), or (..., m, k) with `transpose_b`, of the same dtype.
        transpose_a, transpose_b: swap the last two axes first.
        adjoint_a, adjoint_b: swap them and conjugate.
        a_is_sparse, b_is_sparse, grad_a, grad_b: hints; the product is the same with them.
        output_type: dtype that integers are multiplied in.

    Raises:
        InvalidArgumentError: a rank below 2, or inner sizes that differ.
        ValueError: both transposed and adjoint.
    """
    if name is not None and (graph := graph_for_names()) is not None:
        options = (transpose_a, transpose_b, adjoint_a, adjoint_b)
        return graph.named(name, tf_matmul, a, b, *options, output_type=output_type)
    if (transpose_a and adjoint_a) or (transpose_b and adjoint_b):
        raise ValueError(f"tf.matmul: use transpose or adjoint, not both{at_user_location()}")
    if output_type is not None:
        a, b = (cast(x, dtype=output_type) for x in (a, b))
    a, b = conj(a) if adjoint_a else a, conj(b) if adjoint_b else b
    if not (transpose_a or transpose_b or adjoint_a or adjoint_b):
        return matmul(a, b)
    return matmul(a, b, transpose_a=transpose_a or adjoint_a, transpose_b=transpose_b or adjoint_b)


def matmul_operator(a: Any, b: Any) -> Any:
    """Python's `a @ b`."""
    return matmul(a, b)


@export("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the product of matrices of shape (..., n, k) and vectors of shape (..., k)."""
    b = b if isinstance(b, TensorLike) else convert_to_tensor(b, dtype_hint=getattr(a, "dtype", None))
    product = tf_matmul(a, _with_axis(b, axis=len(b.shape)), transpose_a, adjoint_a=adjoint_a)
    return _without_axis(product, axis=len(product.shape) - 1)


@op("", shape=lambda x, axis: (*x[:axis], 1, *x[axis:]))
def _with_axis(xp: Any, x: Any, *, axis: int) -> Any:
    return xp.expand_dims(x, axis)


@op("", shape=lambda x, axis: (*x[:axis], *x[axis + 1 :]))
def _without_axis(xp: Any, x: Any, *, axis: int) -> Any:
    return xp.squeeze(x, axis)


@op("", shape=lambda x: (None if None in x else rules.product(x),))
def flattened(xp: Any, x: Any) -> Any:
    """Returns all elements as one vector."""
    return xp.reshape(x, (-1,))


flattened.gradient(lambda g, y, x: reshape_to(g, shape=tuple(x.shape)))


# ---- contractions ------------------------------------------------------------------------------------------------


def _split(equation: str) -> tuple[list[str], str]:
    left, _, right = equation.partition("->")
    return left.split(","), right


def _explicit(equation: str, num_inputs: int) -> str:
    """Returns the equation without spaces and with its output written out."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != num_inputs:
        raise ValueError(
            f"tf.einsum: {equation!r} names {len(terms)} tensors, {num_inputs} were given{at_user_location()}"
        )
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    for term in (*terms, right):
        if not term.replace("...", "", 1).isalpha() and term.replace("...", "", 1):
            raise ValueError(
                f"tf.einsum: cannot read {term!r} in {equation!r}; write one letter for each axis{at_user_location()}"
            )
    return f"{left}->{right}"


def _lettered(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """Returns the terms with `...` written as letters that are not in use; operands align at the right."""
    terms, output = _split(equation)
    if "..." not in equation:
        return terms, output
    free = [letter for letter in string.ascii_letters if letter not in equation]
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    widest = max(count for term, count in zip(terms, counts, strict=True) if "..." in term)
    names = "".join(free[:widest])
    terms = [
        t.replace("...", names[widest - n :] if n > 0 else "") for t, n in zip(terms, counts, strict=True)
    ]
    return terms, output.replace("...", names)


def _einsum_shape(*shapes: tuple, equation: str) -> tuple:
    terms, output = _lettered(equation, [len(shape) for shape in shapes])
    sizes: dict[str, int | None] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ValueError(f"{equation!r} names {len(term)} axes ({term}) of a tensor of shape {shape}")
        for letter, size in zip(term, shape, strict=True):
            before = sizes.get(letter)
            if None not in (before, size) and before != size and 1 not in (before, size):
                raise ValueError(f"the axis {letter!r} of {equation!r} has the sizes {before} and {size}")
            sizes[letter] = (
                size if letter not in sizes or (before in (None, 1) and size is not None) else before
            )
    return tuple(sizes[letter] for letter in output)


@functools.lru_cache(maxsize=4096)
def _num_products(equation: str, shapes: tuple) -> int:
    """Returns how many products a contraction sums up: the size of all its axes together."""
    terms, _ = _lettered(equation, [len(shape) for shape in shapes])
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=False):
        for letter, size in zip(term, shape, strict=False):
            sizes[letter] = max(size, sizes.get(letter, 0))
    return math.prod(sizes.values())


def _contraction_work(*inputs: Any, equation: str) -> int:
    size = sum(x.size for x in inputs)
    if len(inputs) != 2:
        return size
    return max(_num_products(equation, tuple([x.shape for x in inputs])) // PRODUCTS_PER_ELEMENT, size >> 3)


@op("", shape=_einsum_shape, work=_contraction_work)
def contraction(xp: Any, *inputs: Any, equation: str) -> Any:
    """Returns the sum of products that an explicit einsum equation describes."""
    for term, x in zip(_split(equation)[0], inputs, strict=True):
        if "..." not in term and len(term) != x.ndim:
            raise ValueError(f"{equation!r} names {len(term)} axes ({term}) of a tensor of shape {x.shape}")
    return xp.einsum(equation, *inputs)


def _contraction_gradient(g: Any, y: Any, *inputs: Any, equation: str) -> list:
    """The gradient of one operand is a contraction of `g` with the other operands.

    An axis that only this operand has was summed: a vector of ones spreads `g` along it.  A letter that occurs twice in
    the operand took a diagonal: an identity matrix puts `g` back there.
    """
    terms, output = _lettered(equation, [len(x.shape) for x in inputs])
    result = []
    for position, (term, x) in enumerate(zip(terms, inputs, strict=True)):
        names, tensors = [output], [g]
        for other, (name, tensor) in enumerate(zip(terms, inputs, strict=True)):
            if other != position:
                names.append(name)
                tensors.append(conjugated(tensor))
        target = ""
        for axis, letter in enumerate(term):
            size = x.shape[axis]
            if letter in target:
                fresh = next(c for c in string.ascii_letters if c not in "".join((*names, *terms, target)))
                names.append(letter + fresh)
                tensors.append(convert_to_tensor(np.eye(size, dtype=x.dtype.numpy_dtype)))
                letter = fresh
            elif not any(letter in name for name in names):
                names.append(letter)
                tensors.append(ones((size,), dtype=x.dtype))
            target += letter
        gradient = contraction(*tensors, equation=f"{','.join(names)}->{target}")
        spread = tuple(
            axis for axis, size in enumerate(tuple(x.shape)) if size == 1 and tuple(gradient.shape)[axis] != 1
        )
        result.append(reduce_sum(gradient, axis=spread, keepdims=True) if spread else gradient)
    return result


contraction.gradient(_contraction_gradient)


@export("einsum linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """Returns the sum of products that `equation` describes, such as "bij,bjk->bik".

    Args:
        equation: one letter for each axis; letters that the output has not are summed; `...` stands for further axes.
        inputs: one tensor for each term, all of one dtype.
        kwargs: `optimize` and `name`, which do not change the result.

    Raises:
        ValueError: the equation does not fit the tensors.

    Example:
        >>> tf.einsum("ij,jk->ik", tf.ones((2, 3)), tf.ones((3, 4))).shape
        TensorShape([2, 4])
    """
    unknown = set(kwargs) - {"optimize", "name"}
    if unknown:
        raise TypeError(f"tf.einsum: unknown arguments {sorted(unknown)}{at_user_location()}")
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
        inputs = tuple(inputs[0])
    return contraction(*inputs, equation=_explicit(equation, len(inputs)))


@export("ops.numpy.einsum")
def ops_einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Returns the sum of products that `subscripts` describes; see `tf.einsum`.  Dtypes are promoted."""
    unknown = set(kwargs) - {"optimize"}
    if unknown:
        raise TypeError(f"keras.ops.einsum: unknown arguments {sorted(unknown)}{at_user_location()}")
    operands = promoted(tuple(_wide_bytes(_tensors(*operands))))
    return contraction(*operands, equation=_explicit(subscripts, len(operands)))


def _wide_bytes(tensors: list) -> list:
    """Returns int32 for int8 where all are int8: sums of products of bytes do not fit into bytes."""
    if all(tensor.dtype == "int8" for tensor in tensors):
        return [cast(tensor, dtype="int32") for tensor in tensors]
    return tensors


def _tensors(*values: Any) -> list:
    """Converts; plain values take the dtype of the first tensor among them."""
    hint = next((v.dtype for v in values if isinstance(v, TensorLike)), None)
    return [v if isinstance(v, TensorLike) else convert_to_tensor(v, dtype_hint=hint) for v in values]


def _contract(a: Any, b: Any, axes_a: tuple, axes_b: tuple, batch: int = 0) -> Any:
    """Sums over pairs of axes; the first `batch` axes are shared, the result has those, `a`'s others, `b`'s others."""
    names_a = list(string.ascii_letters[: len(a.shape)])
    names_b = list(string.ascii_letters[len(a.shape) : len(a.shape) + len(b.shape)])
    names_b[:batch] = names_a[:batch]
    for i, j in zip(axes_a, axes_b, strict=True):
        if None not in (a.shape[i], b.shape[j]) and a.shape[i] != b.shape[j]:
            raise ValueError(
                f"cannot contract axis {i} of shape {tuple(a.shape)} with axis {j} of shape {tuple(b.shape)}: "
                f"the sizes differ{at_user_location()}"
            )
        names_b[j] = names_a[i]
    kept_a = [name for i, name in enumerate(names_a) if i not in axes_a]
    kept_b = [name for j, name in enumerate(names_b) if j not in axes_b and j >= batch]
    equation = f"{''.join(names_a)},{''.join(names_b)}->{''.join(kept_a + kept_b)}"
    return contraction(a, b, equation=equation)


def _axis_pairs(axes: Any, rank_a: int, rank_b: int) -> tuple[tuple, tuple]:
    axes = nested(axes)
    if isinstance(axes, int):
        if not 0 <= axes <= min(rank_a, rank_b):
            raise ValueError(
                f"tf.tensordot: axes={axes} must lie in [0, {min(rank_a, rank_b)}] for ranks {rank_a} and {rank_b}"
            )
        return tuple(range(rank_a - axes, rank_a)), tuple(range(axes))
    first, second = (tuple(part) if isinstance(part, tuple) else (part,) for part in axes)
    if len(first) != len(second):
        raise ValueError(f"tf.tensordot: axes {axes} names different numbers of axes{at_user_location()}")
    return rules.normalized_axes(first, rank_a), rules.normalized_axes(second, rank_b)


@export("tensordot linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Any:
    """Sums products of `a` and `b` over pairs of axes.

    Args:
        a, b: tensors of one dtype.
        axes: `n`: the last n axes of `a` with the first n of `b`; or `[axes of a, axes of b]`.
    """
    a, b = _tensors(a, b)
    return _contract(a, b, *_axis_pairs(axes, len(a.shape), len(b.shape)))


@export("ops.numpy.tensordot")
def ops_tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sums products of `x1` and `x2` over pairs of axes; see `tf.tensordot`.  Dtypes are promoted."""
    return tensordot(*promoted((x1, x2)), axes)


# ---- products of Keras -------------------------------------------------------------------------------------------


@export("ops.numpy.matmul")
def ops_matmul(x1: Any, x2: Any) -> Any:
    """Returns the matrix product as NumPy's `matmul`: vectors count as a row on the left, a column on the right."""
    x1, x2 = promoted(tuple(_wide_bytes(_tensors(x1, x2))))
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 > 1 and rank2 > 1:
        return matmul(x1, x2)
    if rank1 == 1 and rank2 == 1:
        return _contract(x1, x2, (0,), (0,))
    if rank2 == 1:
        return _contract(x1, x2, (rank1 - 1,), (0,))
    return _contract(x1, x2, (0,), (rank2 - 2,))


@export("ops.numpy.dot")
def ops_dot(x1: Any, x2: Any) -> Any:
    """Returns NumPy's `dot`: the last axis of `x1` with the last but one of `x2`; scalars multiply."""
    x1, x2 = promoted((x1, x2))
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == 0 or rank2 == 0:
        return x1 * x2
    if rank1 == 2 and rank2 == 2:
        return matmul(x1, x2)
    return _contract(x1, x2, (rank1 - 1,), (max(rank2 - 2, 0),))


@export("K.dot")
def k_dot(x: Any, y: Any) -> Any:
    """Returns the product of the last axis of `x` with the last but one of `y`.

    Example:
        >>> K.dot(tf.ones((2, 3, 4)), tf.ones((4, 5))).shape
        TensorShape([2, 3, 5])
    """
    x, y = _tensors(x, y)
    if len(y.shape) == 2 and len(x.shape) >= 2:
        return matmul(x, y)
    return _contract(x, y, (len(x.shape) - 1,), (max(len(y.shape) - 2, 0),))


@export("K.batch_dot")
def k_batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Contracts one axis of each example of `x` with one of the same example of `y`.

    Args:
        x: tensor of shape (batch, ...), of rank 2 or more.
        y: tensor of shape (batch, ...), of rank 2 or more.
        axes: the axis of `x` and the axis of `y`, or one number for both; None: the last axis of `x` with the last but
            one of `y` (with the last of a `y` of rank 2).
    """
    x, y = _tensors(x, y)
    rank_x, rank_y = len(x.shape), len(y.shape)
    if rank_x < 2 or rank_y < 2:
        raise ValueError(
            f"K.batch_dot: expected rank 2 or more, received {rank_x} and {rank_y}{at_user_location()}"
        )
    if axes is None:
        axes = (rank_x - 1, rank_y - 1 if rank_y == 2 else rank_y - 2)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    first, second = rules.normalized_axis(first, rank_x), rules.normalized_axis(second, rank_y)
    if first == 0 or second == 0:
        raise ValueError(f"K.batch_dot: cannot contract the batch axis (axes={axes}){at_user_location()}")
    out = _contract(x, y, (first,), (second,), batch=1)
    return _with_axis(out, axis=1) if len(out.shape) == 1 else out


@export("ops.numpy.outer")
def ops_outer(x1: Any, x2: Any) -> Any:
    """Returns the products of all elements of `x1` (rows) with all of `x2` (columns)."""
    x1, x2 = (flattened(x) for x in promoted((x1, x2)))
    return _contract(x1, x2, (), ())


@export("ops.numpy.inner")
def ops_inner(x1: Any, x2: Any) -> Any:
    """Returns the sums of products over the last axes of both."""
    x1, x2 = promoted((x1, x2))
    if not len(x1.shape) or not len(x2.shape):
        return x1 * x2
    return _contract(x1, x2, (len(x1.shape) - 1,), (len(x2.shape) - 1,))
