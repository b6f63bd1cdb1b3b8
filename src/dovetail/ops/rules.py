"""Shape rules with unknown sizes (`None`), shared by families of ops.  Shapes are plain tuples here."""

from __future__ import annotations

from typing import Any

from dovetail.engine import dtypes


def broadcast(*shapes: tuple) -> tuple:
    """Returns the shape that the shapes broadcast to; an unknown size yields to a known one larger than 1."""
    rank = max(len(shape) for shape in shapes)
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True):
        known = {size for size in sizes if size not in (1, None)}
        if len(known) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not broadcast together")
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(result)


def refuse_strings(x: Any) -> None:
    """Raises TypeError for tensors of strings, which NumPy would add and compare.

    Arrays of objects are also the partly known shapes of symbolic tensors (see `ops/infer.py`); those pass.
    """
    if dtypes.is_host_only(x.dtype) and x.size and isinstance(x.flat[0], bytes):
        raise TypeError("expected numbers, received a tensor of strings")


def normalized_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Returns the axes as non-negative ints; None means all of them."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(normalized_axis(one, rank) for one in axes)


def normalized_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < max(rank, 1):
        raise ValueError(f"axis {axis} is out of range for a tensor of rank {rank}")
    return axis % rank if rank else 0


def reduced(shape: tuple, axis: Any = None, keepdims: bool = False, **_: Any) -> tuple:
    """Returns the shape after reducing over `axis`."""
    axes = normalized_axes(axis, len(shape))
    if keepdims:
        return tuple(1 if i in axes else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def reshaped(shape: tuple, new: tuple) -> tuple:
    """Returns `new` with its -1 worked out where that is possible; several -1 stand for unknown sizes."""
    unknown = [i for i, size in enumerate(new) if size == -1]
    if not unknown:
        _check_counts(shape, new)
        return new
    if len(unknown) == 1 and None not in shape:
        known = product(size for size in new if size != -1)
        total = product(shape)
        if known == 0 or total % known:
            raise ValueError(f"cannot reshape {shape} ({total} elements) to {new}")
        return tuple(total // known if size == -1 else size for size in new)
    return tuple(None if size == -1 else size for size in new)


def _check_counts(shape: tuple, new: tuple) -> None:
    if None in shape:
        known, total = product(size for size in shape if size is not None), product(new)
        if known and total % known:
            raise ValueError(f"cannot reshape {shape} to {new}: {total} elements is no multiple of {known}")
    elif product(shape) != product(new):
        raise ValueError(
            f"cannot reshape {shape} ({product(shape)} elements) to {new} ({product(new)} elements)"
        )


def product(sizes: Any) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result


def added(*sizes: int | None) -> int | None:
    """Returns the sum, unknown when a part is."""
    return None if None in sizes else sum(sizes)  # type: ignore[arg-type]


def matmul(a: tuple, b: tuple) -> tuple:
    """Returns the shape of a (batched) matrix product."""
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"expected matrices (rank 2 or more), received shapes {a} and {b}")
    if a[-1] is not None and b[-2] is not None and a[-1] != b[-2]:
        raise ValueError(
            f"the inner sizes differ: {a[-1]} (last axis of {a}) and {b[-2]} (next-to-last axis of {b})"
        )
    return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])


def window(size: int | None, kernel: int, stride: int, padding: str, dilation: int = 1) -> int | None:
    """Returns the number of windows along an axis, for "VALID" and "SAME" padding."""
    if size is None:
        return None
    if padding == "SAME":
        return -(-size // stride)
    span = (kernel - 1) * dilation + 1
    if size < span:
        raise ValueError(f"a window of {span} does not fit into an axis of size {size}; use padding='SAME'")
    return (size - span) // stride + 1
