"""Discrete Fourier transforms along any axes: four ops, and the public names that are cases of them.

With `backward`, the default norm, a transform is the plain sum and its inverse is divided by the number n of elements;
with `forward` it is the other way round, and with `ortho` both are divided by sqrt(n).  The adjoint of a transform is
then the inverse transform with the other norm, which is what the gradient rules say.

Source: J. W. Cooley, J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import math as math_ops
from dovetail.ops import rules
from dovetail.ops.arithmetic import multiply
from dovetail.ops.attrs import Axis, Shape, sizes
from dovetail.ops.families import op
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike

REAL = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.float64)}
COMPLEX = {real: kind for kind, real in REAL.items()}
_ADJOINT = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
_MOST_AXES = 3  # that XLA transforms at once


def _checked(x: Any, kinds: dict, axes: tuple, norm: str) -> None:
    if x.dtype not in kinds:
        expected = " or ".join(kind.name for kind in kinds)
        raise TypeError(f"expected {expected}, received {x.dtype.name}")
    if norm not in _ADJOINT:
        raise ValueError(f"norm must be None, 'backward', 'ortho' or 'forward', received {norm!r}")
    if len(set(rules.normalized_axes(axes, x.ndim))) != len(axes):
        raise ValueError(f"the axes {axes} repeat an axis of shape {x.shape}")


def _resized(shape: tuple, sizes: Any, axes: tuple) -> tuple:
    """Returns a shape with other sizes along the axes; None: the same ones."""
    result = list(shape)
    for axis, size in zip(axes, sizes or (), strict=bool(sizes)):
        result[rules.normalized_axis(axis, len(shape))] = None if size == -1 else size
    return tuple(result)


def _fitted(xp: Any, x: Any, sizes: Any, axes: tuple) -> Any:
    """Cuts off what is too long along the axes, and puts zeros behind what is too short."""
    wanted = _resized(x.shape, sizes, axes)
    if wanted == x.shape:
        return x
    x = x[tuple(slice(0, size) for size in wanted)]
    return xp.pad(x, [(0, size - old) for size, old in zip(wanted, x.shape, strict=True)])


@op("", shape=_resized)
def fitted(xp: Any, x: Any, *, sizes: Shape, axes: Axis) -> Any:
    """Returns the first elements along the axes, zeros behind them where there are too few."""
    return _fitted(xp, x, sizes, axes)


def _fit(x: Any, shape: tuple) -> Any:
    return x if tuple(x.shape) == shape else fitted(x, sizes=shape, axes=tuple(range(len(shape))))


fitted.gradient(lambda g, y, x, sizes, axes: _fit(g, tuple(x.shape)))


def _complex(xp: Any, transform: Callable, x: Any, axes: tuple, norm: str) -> Any:
    for start in range(0, len(axes), _MOST_AXES):
        x = transform(x, axes=axes[start : start + _MOST_AXES], norm=norm)
    return x


def _complex_shape(x: tuple, lengths: Any, axes: tuple, norm: str) -> tuple:
    return _resized(x, lengths, axes)


@op("", shape=_complex_shape)
def fourier(xp: Any, x: Any, *, lengths: Shape = None, axes: Axis = (-1,), norm: str = "backward") -> Any:
    """Returns the discrete Fourier transform of complex numbers along the axes.

    `y[k] = sum_j x[j] exp(-2 pi i j k / n)`

    Args:
        x: complex tensor.
        lengths: elements along each of the axes: others are cut off, missing ones are 0; None: as many as there are.
        axes: different axes of `x`.
        norm: see the top of this file.
    """
    _checked(x, REAL, axes, norm)
    x = _fitted(xp, x, lengths, axes)
    return _complex(xp, xp.fft.fftn, x, axes, norm) if x.size else x


@op("", shape=_complex_shape)
def inverse_fourier(
    xp: Any, x: Any, *, lengths: Shape = None, axes: Axis = (-1,), norm: str = "backward"
) -> Any:
    """Returns the inverse of the discrete Fourier transform along the axes; see `fourier`."""
    _checked(x, REAL, axes, norm)
    x = _fitted(xp, x, lengths, axes)
    return _complex(xp, xp.fft.ifftn, x, axes, norm) if x.size else x


def _half_size(size: int | None) -> int | None:
    return None if size in (None, -1) else size // 2 + 1 if size else 0  # type: ignore[operator]


def _half_shape(x: tuple, lengths: Any, axes: tuple, norm: str) -> tuple:
    last = rules.normalized_axis(axes[-1], len(x))
    shape = _resized(x, lengths, axes)
    return (*shape[:last], _half_size(shape[last]), *shape[last + 1 :])


@op("", shape=_half_shape, dtype=lambda kind, **_: COMPLEX.get(kind, np.dtype(np.complex64)))
def real_fourier(
    xp: Any, x: Any, *, lengths: Shape = None, axes: Axis = (-1,), norm: str = "backward"
) -> Any:
    """Returns the half of the discrete Fourier transform of real numbers that tells all.

    Along the last of the axes there are `n // 2 + 1` frequencies; the others are their conjugates.

    Args:
        x: float32 or float64.
        lengths, axes, norm: as for `fourier`.
    """
    _checked(x, COMPLEX, axes, norm)
    x = _fitted(xp, x, lengths, axes)
    if not x.size:
        return xp.zeros(_half_shape(x.shape, None, axes, norm), COMPLEX[x.dtype])
    y = xp.fft.rfft(x, axis=axes[-1], norm=norm)
    return _complex(xp, xp.fft.fftn, y, axes[:-1], norm)


def _whole_lengths(x: tuple, lengths: Any, axes: tuple) -> tuple:
    """Returns how many real numbers there are along each of the axes."""
    if lengths is not None:
        return tuple(lengths)
    own = [x[rules.normalized_axis(axis, len(x))] for axis in axes]
    last = None if own[-1] is None else max(2 * (own[-1] - 1), 0)
    return tuple(-1 if size is None else size for size in (*own[:-1], last))


def _whole_shape(x: tuple, lengths: Any, axes: tuple, norm: str) -> tuple:
    return _resized(x, _whole_lengths(x, lengths, axes), axes)


@op("", shape=_whole_shape, dtype=lambda kind, **_: REAL.get(kind, np.dtype(np.float32)))
def inverse_real_fourier(
    xp: Any, x: Any, *, lengths: Shape = None, axes: Axis = (-1,), norm: str = "backward"
) -> Any:
    """Returns the real numbers whose half of a Fourier transform is given; see `real_fourier`.

    Args:
        x: complex tensor.
        lengths: real numbers along each of the axes; None: `2 * (frequencies - 1)` along the last of them.
        axes, norm: as for `fourier`.
    """
    _checked(x, REAL, axes, norm)
    wanted = _whole_lengths(x.shape, lengths, axes)
    shape = _resized(x.shape, wanted, axes)
    if not (x.size and math.prod(shape)):
        return xp.zeros(shape, REAL[x.dtype])
    x = _fitted(xp, x, (*wanted[:-1], wanted[-1] // 2 + 1), axes)
    return xp.fft.irfft(_complex(xp, xp.fft.ifftn, x, axes[:-1], norm), wanted[-1], axis=axes[-1], norm=norm)


# ---- gradients -------------------------------------------------------------------------------------------------------


def _fourier_gradient(adjoint: Callable) -> Callable:
    def gradient(g: Any, y: Any, x: Any, lengths: Any, axes: tuple, norm: str) -> Any:
        return _fit(adjoint(g, axes=axes, norm=_ADJOINT[norm]), tuple(x.shape))

    return gradient


def _real_gradient(g: Any, y: Any, x: Any, lengths: Any, axes: tuple, norm: str) -> Any:
    """The adjoint of leaving frequencies out is putting zeros there."""
    shape = _resized(tuple(x.shape), lengths, axes)
    whole = _fit(g, shape)
    return _fit(math_ops.real(inverse_fourier(whole, axes=axes, norm=_ADJOINT[norm])), tuple(x.shape))


def _inverse_real_gradient(g: Any, y: Any, x: Any, lengths: Any, axes: tuple, norm: str) -> Any:
    """Each frequency but the first, and the last of an even number, stands for two."""
    back = real_fourier(g, axes=axes, norm=_ADJOINT[norm])
    last = rules.normalized_axis(axes[-1], len(x.shape))
    size = g.shape[last]
    counts = np.full(back.shape[last], 2, back.dtype.numpy_dtype)
    counts[:1] = 1
    if size % 2 == 0:
        counts[size // 2 :] = 1
    counts = counts.reshape((-1,) + (1,) * (len(x.shape) - last - 1))
    return _fit(multiply(back, Tensor(counts)), tuple(x.shape))


fourier.gradient(_fourier_gradient(inverse_fourier))
inverse_fourier.gradient(_fourier_gradient(fourier))
real_fourier.gradient(_real_gradient)
inverse_real_fourier.gradient(_inverse_real_gradient)


# ---- public names ----------------------------------------------------------------------------------------------------


def _given(x: Any, kind: Any) -> Any:
    """Returns the tensor; what is none yet has the dtype that the transform takes."""
    return x if isinstance(x, TensorLike) else convert_to_tensor(x, dtype_hint=kind)


def _fixed(name: str, transform: Callable, rank: int, inverse: bool) -> None:
    """Publishes a transform of complex numbers along the last axes."""
    axes = tuple(range(-rank, 0))

    def public(input: Any, name: str | None = None) -> Any:
        return transform(_given(input, "complex64"), axes=axes)

    public.__name__ = name
    public.__doc__ = (
        f"Returns the {'inverse ' if inverse else ''}discrete Fourier transform over the last "
        f"{'axis' if rank == 1 else f'{rank} axes'} of a complex tensor, with the same shape and dtype."
    )
    export(f"signal.{name}")(public)


def _fixed_real(name: str, transform: Callable, rank: int, inverse: bool) -> None:
    """Publishes a transform from or to real numbers along the last axes."""
    axes, kind = tuple(range(-rank, 0)), "complex64" if inverse else "float32"

    def public(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
        return transform(_given(input_tensor, kind), lengths=_lengths(fft_length, rank), axes=axes)

    public.__name__ = name
    public.__doc__ = (
        f"Returns the {'inverse ' if inverse else ''}discrete Fourier transform of real numbers over the last "
        f"{'axis' if rank == 1 else f'{rank} axes'}.\n\n"
        "Args:\n"
        f"    input_tensor: {'complex' if inverse else 'float32 or float64'}.\n"
        f"    fft_length: {rank} integers, the real numbers along each axis: others are cut off, missing ones are 0.\n"
        f"        None: {'2 * (frequencies - 1) along the last axis' if inverse else 'as many as there are'}."
    )
    export(f"signal.{name}")(public)


def _lengths(fft_length: Any, rank: int) -> Any:
    if fft_length is None or not isinstance(fft_length, list | tuple | np.ndarray):
        return fft_length
    if len(fft_length) != rank:
        raise ValueError(f"fft_length must have shape [{rank}], received {fft_length}{at_user_location()}")
    return list(fft_length)


_RANKS = {1: "", 2: "2d", 3: "3d"}
for _rank, _suffix in _RANKS.items():
    for _name, _transform, _inverse in (("fft", fourier, False), ("ifft", inverse_fourier, True)):
        _name += _suffix
        _fixed(_name, _transform, _rank, _inverse)
    for _name, _transform, _inverse in (
        ("rfft", real_fourier, False),
        ("irfft", inverse_real_fourier, True),
    ):
        _name += _suffix
        _fixed_real(_name, _transform, _rank, _inverse)


def _along_any(name: str, transform: Callable, kind: str, outline: str) -> None:
    """Publishes a transform along any axes."""

    def public(
        input_tensor: Any, fft_length: Any = None, axes: Any = None, norm: Any = None, name: str | None = None
    ) -> Any:
        x = _given(input_tensor, kind)
        chosen = _axes(axes, fft_length, len(x.shape))
        lengths = None if fft_length is None else _lengths(fft_length, len(chosen))
        return transform(x, lengths=lengths, axes=chosen, norm=norm or "backward")

    public.__name__ = name
    public.__doc__ = (
        f"Returns the {outline} along any axes.\n\n"
        "Args:\n"
        f"    input_tensor: {'complex' if kind[0] == 'c' else 'float32 or float64'}.\n"
        "    fft_length: elements along each of the axes: others are cut off, missing ones are 0.\n"
        "    axes: different axes; None: the last, as many as there are lengths; without these, all.\n"
        '    norm: what is divided by the number n of elements: "backward" (None) the inverse transform, "forward"\n'
        '        the other, "ortho" both, by sqrt(n).'
    )
    export(f"signal.{name} {name}")(public)


def _axes(axes: Any, fft_length: Any, rank: int) -> tuple:
    if axes is not None:
        return sizes(axes)  # type: ignore[return-value]
    lengths = sizes(fft_length)
    return tuple(range(-(rank if lengths is None else len(lengths)), 0))


_along_any("fftnd", fourier, "complex64", "discrete Fourier transform")
_along_any("ifftnd", inverse_fourier, "complex64", "inverse discrete Fourier transform")
_along_any("rfftnd", real_fourier, "float32", "discrete Fourier transform of real numbers")
_along_any("irfftnd", inverse_real_fourier, "complex64", "real numbers of a discrete Fourier transform")


# ---- the zero frequency in the middle --------------------------------------------------------------------------------


@op("signal.fftshift", shape=lambda x, axes: x)
def fftshift(xp: Any, x: Any, *, axes: Axis = None) -> Any:
    """Moves the zero frequency to the middle of the axes: the halves change places.

    Args:
        x: tensor of any dtype.
        axes: an axis, several, or None for all.
    """
    return xp.fft.fftshift(x, axes)


@op("signal.ifftshift", shape=lambda x, axes: x)
def ifftshift(xp: Any, x: Any, *, axes: Axis = None) -> Any:
    """Takes `fftshift` back; along an axis of odd size the two differ by one place.

    Args:
        x: tensor of any dtype.
        axes: an axis, several, or None for all.
    """
    return xp.fft.ifftshift(x, axes)


fftshift.gradient(lambda g, y, x, axes: ifftshift(g, axes=axes))
ifftshift.gradient(lambda g, y, x, axes: fftshift(g, axes=axes))
