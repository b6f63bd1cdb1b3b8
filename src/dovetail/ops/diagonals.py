"""Diagonals of matrices, and bands of them: made, read and replaced.  The axes before the last two are a batch.

A band is what lies between two diagonals, both included.  Its diagonals stand in rows, the uppermost first, which are
as long as the longest; shorter ones stand at the left or at the right of theirs, as `align` says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.attrs import Axis, Number, nested
from dovetail.ops.families import op
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.rules import refuse_strings
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export

_ALIGNMENTS = tuple(f"{a}_{b}" for a in ("LEFT", "RIGHT") for b in ("LEFT", "RIGHT"))
_USUAL = "RIGHT_LEFT"


def _ends(k: Any) -> tuple[int, int]:
    """Returns the lowest and the uppermost diagonal."""
    return (k, k) if isinstance(k, int) else (k[0], k[-1])


def _longest(rows: int | None, columns: int | None, k: Any) -> int | None:
    """Returns the length of the longest diagonal among those of a band, or of the only one."""
    if rows is None or columns is None:
        return None
    lower, upper = _ends(k)
    return max(min(rows + min(upper, 0), columns - max(lower, 0)), 0)


def _entries(rows: Any, columns: Any, k: Any, align: str) -> list:
    """Returns where the entries of a band are: among the diagonals, in their rows, and in the matrix (two arrays)."""
    lower, upper = _ends(k)
    longest: Any = _longest(rows, columns, k)
    above, below = (side == "LEFT" for side in align.split("_"))
    parts: list[tuple] = []
    for which, diagonal in enumerate(range(upper, lower - 1, -1)):
        length: Any = _longest(rows, columns, diagonal)
        is_left = (diagonal >= 0 and above) or (diagonal <= 0 and below)
        steps = np.arange(length)
        place = steps if is_left else steps + (longest - length)
        parts.append((np.full(length, which), place, steps + max(-diagonal, 0), steps + max(diagonal, 0)))
    return [np.concatenate(one) for one in zip(*parts, strict=True)]


def _is_band(k: Any) -> bool:
    return len(set(_ends(k))) > 1


def _diag_shape(d: tuple, k: Any, rows: int, columns: int, **_: Any) -> tuple:
    lower, upper = _ends(k)
    size, lead = d[-1], d[:-2] if _is_band(k) else d[:-1]
    tall, wide = (None, None) if size is None else (size - min(upper, 0), size + max(lower, 0))
    if rows < 0 and columns < 0 and size is not None:  # they are square
        tall = wide = max(tall, wide)  # type: ignore[type-var]
    return (*lead, rows if rows >= 0 else tall, columns if columns >= 0 else wide)


@op("", shape=_diag_shape)
def diag_matrix(
    xp: Any,
    diagonal: Any,
    *,
    k: Axis = 0,
    rows: int = -1,
    columns: int = -1,
    padding: Number = 0,
    align: str = _USUAL,
) -> Any:
    """Returns matrices with `diagonal` on the diagonal `k`, or on those of a band, and `padding` elsewhere."""
    refuse_strings(diagonal)
    shape, band = _diag_shape(diagonal.shape, k, rows, columns), _is_band(k)
    lower, upper = _ends(k)
    if band and (diagonal.ndim < 2 or diagonal.shape[-2] != upper - lower + 1):
        raise ValueError(
            f"the diagonals {lower} to {upper} are {upper - lower + 1} rows, received the shape {diagonal.shape}"
        )
    length = _longest(shape[-2], shape[-1], k)
    if length != diagonal.shape[-1]:
        what = f"diagonals {lower} to {upper}" if band else f"diagonal {lower}"
        raise ValueError(
            f"{what} of {shape[-2]} x {shape[-1]} matrices: {length} elements, {diagonal.shape[-1]} were given"
        )
    which, place, row, column = _entries(shape[-2], shape[-1], k, align)
    values = diagonal[..., which, place] if band else diagonal
    return xp.index_set(xp.full(shape, padding, diagonal.dtype), (Ellipsis, row, column), values)


def _diagonal_shape(x: tuple, k: Any, **_: Any) -> tuple:
    lower, upper = _ends(k)
    count = (upper - lower + 1,) if _is_band(k) else ()
    return (*x[:-2], *count, _longest(x[-2], x[-1], k))


@op("", shape=_diagonal_shape)
def diagonal_of(xp: Any, x: Any, *, k: Axis = 0, padding: Number = 0, align: str = _USUAL) -> Any:
    """Returns the diagonal `k` of the matrices, or those of a band, which `padding` makes as long as the longest."""
    which, place, row, column = _entries(x.shape[-2], x.shape[-1], k, align)
    values = x[..., row, column]
    if not _is_band(k):
        return values
    return xp.index_set(
        xp.full(_diagonal_shape(x.shape, k), padding, x.dtype), (Ellipsis, which, place), values
    )


@op("", shape=lambda x, diagonal, **_: x)
def with_diagonal(xp: Any, x: Any, diagonal: Any, *, k: Axis = 0, align: str = _USUAL) -> Any:
    """Returns the matrices with the diagonal `k`, or those of a band, replaced."""
    expected = _diagonal_shape(x.shape, k)
    if tuple(diagonal.shape) != expected:
        raise ValueError(
            f"the diagonals k={k} of matrices of the shape {tuple(x.shape)} have the shape {expected}, received "
            f"{tuple(diagonal.shape)}"
        )
    which, place, row, column = _entries(x.shape[-2], x.shape[-1], k, align)
    values = diagonal[..., which, place] if _is_band(k) else diagonal
    return xp.index_set(x, (Ellipsis, row, column), values)


diag_matrix.gradient(lambda g, y, x, k, rows, columns, padding, align: diagonal_of(g, k=k, align=align))
diagonal_of.gradient(lambda g, y, x, k, padding, align: with_diagonal(x * 0, g, k=k, align=align))
with_diagonal.gradient(
    lambda g, y, x, diagonal, k, align: with_diagonal(g, diagonal * 0, k=k, align=align),
    lambda g, y, x, diagonal, k, align: diagonal_of(g, k=k, align=align),
)


# ---- the public functions ----------------------------------------------------------------------------------------


def _band(k: Any, label: str, align: str) -> Any:
    """Returns a diagonal, or the lowest and the uppermost of several.

    Raises:
        ValueError: these are no such, or `align` is no alignment.
    """
    if align not in _ALIGNMENTS:
        raise ValueError(f"{label}: align must be one of {', '.join(_ALIGNMENTS)}, received {align!r:.80}")
    found = nested(k)
    ends = found if isinstance(found, tuple) else (found,)
    if len(ends) not in (1, 2) or None in ends or ends[0] > ends[-1]:
        raise ValueError(
            f"{label}: k must be a diagonal, or the lowest and the uppermost of a band, received {k!r:.60}"
            f"{at_user_location()}"
        )
    return ends[0] if ends[0] == ends[-1] else ends


def _check_band(matrices: Any, k: Any, label: str) -> None:
    """Raises ValueError for a diagonal that the matrices do not have."""
    shape = tuple(as_tensor(matrices).shape)
    if len(shape) < 2 or None in shape[-2:]:
        return
    if not all(-max(shape[-2], 1) < one < max(shape[-1], 1) for one in _ends(k)):
        raise ValueError(
            f"{label}: k={k} is no diagonal of matrices of shape {shape[-2]} x {shape[-1]}{at_user_location()}"
        )


@export("linalg.diag")
def diag(
    diagonal: Any,
    name: str | None = "diag",
    k: Any = 0,
    num_rows: int = -1,
    num_cols: int = -1,
    padding_value: Any = 0,
    align: str = _USUAL,
) -> Any:
    """Returns matrices with the given diagonal, or the given diagonals of a band.

    Args:
        diagonal: tensor of shape (..., n); of a band (..., number of diagonals, n), the uppermost first.
        k: which diagonal: 0 the main one, positive above it; `(lowest, uppermost)` for a band.
        num_rows, num_cols: size of the matrices; -1: as small as possible, square when both are.
        padding_value: what stands elsewhere.
        align: where diagonals above the main one, and those below it, stand in rows that are longer than they are:
            "RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT" or "RIGHT_RIGHT".

    Returns:
        a tensor of shape (..., num_rows, num_cols).

    Raises:
        ValueError: the sizes do not fit the diagonals.

    Example:
        >>> tf.linalg.diag([[0, 8, 9], [1, 2, 3], [4, 5, 0]], k=(-1, 1))
        [[1, 8, 0], [4, 2, 9], [0, 5, 3]]
    """
    band = _band(k, "tf.linalg.diag", align)
    return diag_matrix(diagonal, k=band, rows=num_rows, columns=num_cols, padding=padding_value, align=align)


@export("linalg.diag_part")
def diag_part(
    input: Any,
    name: str | None = "diag_part",
    k: Any = 0,
    padding_value: Any = 0,
    align: str = _USUAL,
) -> Any:
    """Returns the diagonal `k` of the matrices, or the diagonals of a band in rows: see `tf.linalg.diag`.

    Args:
        input: tensor of shape (..., rows, columns).
        k: a diagonal, or `(lowest, uppermost)`.
        padding_value: what fills the rows of shorter diagonals.
        align: where these stand in their rows.

    Returns:
        a tensor of shape (..., n); of a band (..., number of diagonals, n), the uppermost first.
    """
    band = _band(k, "tf.linalg.diag_part", align)
    _check_band(input, band, "tf.linalg.diag_part")
    return diagonal_of(input, k=band, padding=padding_value, align=align)


@export("linalg.set_diag")
def set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0, align: str = _USUAL
) -> Any:
    """Returns the matrices with the diagonal `k`, or the diagonals of a band, replaced: see `tf.linalg.diag_part`."""
    band = _band(k, "tf.linalg.set_diag", align)
    _check_band(input, band, "tf.linalg.set_diag")
    return with_diagonal(input, diagonal, k=band, align=align)


@export("linalg.trace")
def trace(x: Any, name: str | None = None) -> Any:
    """Returns the sum of the main diagonal."""
    return reduce_sum(diagonal_of(x), axis=-1)


@op("linalg.band_part", shape=lambda x, **_: x)
def band_part(xp: Any, input: Any, *, num_lower: int, num_upper: int) -> Any:
    """Keeps `num_lower` diagonals below the main one and `num_upper` above it (-1: all), and sets the others to 0.

    Example:
        >>> tf.linalg.band_part(x, -1, 0)  # the lower triangle
    """
    rows, columns = np.arange(input.shape[-2])[:, None], np.arange(input.shape[-1])[None, :]
    keep = np.ones(input.shape[-2:], bool)
    if num_lower >= 0:
        keep &= rows - columns <= num_lower
    if num_upper >= 0:
        keep &= columns - rows <= num_upper
    return xp.where(keep, input, xp.zeros((), input.dtype))


band_part.gradient(
    lambda g, y, x, num_lower, num_upper: band_part(g, num_lower=num_lower, num_upper=num_upper)
)
