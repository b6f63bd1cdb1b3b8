"""The 100 ops that programs use most and that compute on tensors, as each framework says them.

They are those of a count over 52 public repositories, in its order, without what draws in an order of its own. NumPy's
way is the one that results are compared with, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

Input = Callable[[np.random.Generator, bool], Any]


@dataclass(frozen=True)
class Operation:
    """An op, and how it is said.

    Args:
        name: TensorFlow's name of it.
        tf: `f(module with TensorFlow's API, *tensors)`.
        torch: `f(torch, *tensors)`.
        numpy: `f(*arrays)`.
        inputs: what draws the arrays, `f(generator, large)`.
        views: PyTorch and NumPy compute nothing of large tensors, they look at them in another way.
        raw: the arrays are given as they are.
        drawn: the result is random: only its kind is compared.
    """

    name: str
    tf: Callable[..., Any]
    torch: Callable[..., Any]
    numpy: Callable[..., Any]
    inputs: tuple[Input, ...]
    views: bool = False
    raw: bool = False
    drawn: bool = False


def of(small: Any, large: Any, kind: str = "normal") -> Input:
    """Return what draws an array of either shape, or of either number of ints below a bound."""
    draw: dict[str, Callable[..., Any]] = {
        "normal": lambda rng, shape: rng.normal(size=shape).astype(np.float32),
        "positive": lambda rng, shape: (rng.random(shape) + 0.5).astype(np.float32),
        "bool": lambda rng, shape: rng.random(shape) < 0.5,
        "true": lambda rng, shape: np.ones(shape, bool),
        "false": lambda rng, shape: np.zeros(shape, bool),
        "bytes": lambda rng, shape: rng.integers(0, 256, shape, np.uint8),
        "whole": lambda rng, shape: rng.integers(-3, 4, shape).astype(np.float32),
        "distinct": lambda rng, shape: rng.permuted(
            np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1
        ).astype(np.float32),
        "below": lambda rng, shape: rng.integers(0, shape[1], shape[0]).astype(np.int32),
        "places": lambda rng, shape: rng.permutation(shape[1])[: shape[0], None].astype(np.int32),
        "number": lambda rng, number: number,
        "gray": lambda rng, shape: np.array([[0.2989], [0.587], [0.114]], np.float32),
    }
    return lambda rng, is_large: draw[kind](rng, large if is_large else small)


S, L = (32, 128), (2048, 2048)
X, P, W, B = of(S, L), of(S, L, "positive"), of(S, L, "whole"), of(S, L, "bool")
D, V, N = of(S, L, "distinct"), of((128,), (2048,)), of(128, 1 << 22, "number")
IMAGES, GRAY = of((2, 16, 16, 3), (8, 400, 400, 3), "positive"), of(None, None, "gray")
SHAPE = of(S, L, "number")
NUMBERS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def resized(x: np.ndarray) -> np.ndarray:
    """Doubles images (bilinear, half-pixel centers)."""
    for axis in (1, 2):
        size = x.shape[axis]
        at = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
        low = np.floor(at).astype(int)
        share = (at - low).astype(np.float32).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
        high = np.minimum(low + 1, size - 1)
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


def resized_by_torch(torch: Any, x: Any) -> Any:
    """The same in PyTorch, whose channels come second."""
    sizes = (2 * x.shape[1], 2 * x.shape[2])
    found = torch.nn.functional.interpolate(x.permute(0, 3, 1, 2), sizes, mode="bilinear")
    return found.permute(0, 2, 3, 1)


def softmax(x: np.ndarray) -> np.ndarray:
    """Returns the softmax of rows."""
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """Returns its logarithm."""
    centered = x - x.max(-1, keepdims=True)
    return centered - np.log(np.exp(centered).sum(-1, keepdims=True))


def gelu(x: np.ndarray) -> np.ndarray:
    """Returns gelu by a table of erf."""
    few = np.array([math.erf(v * math.sqrt(0.5)) for v in np.linspace(-6, 6, 1 << 14)])
    return (x * 0.5 * (1 + np.interp(x, np.linspace(-6, 6, 1 << 14), few))).astype(np.float32)


def updated(x: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns `x` with other rows at some places."""
    x = x.copy()
    x[places[:, 0]] = rows
    return x


def spread(places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Adds rows up at their places."""
    made = np.zeros_like(rows)
    np.add.at(made, places[:, 0], rows)
    return made


def divided(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns `x / y`, 0 where `y` is."""
    return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the cross-entropy of labels."""
    return -np.take_along_axis(log_softmax(x), labels[:, None], 1)[:, 0]


def updated_by_torch(torch: Any, x: Any, places: Any, rows: Any) -> Any:
    """Returns `x` with other rows at some places."""
    return x.index_copy(0, places[:, 0], rows)


def by_name(name: str, torch_name: str = "", numpy_name: str = "", inputs: tuple = (X,)) -> Operation:
    """Return an op that all three call by a name of its arrays alone."""
    last = name.rsplit(".", 1)[-1]
    tf_function, torch_function = attrgetter(name), attrgetter(torch_name or last)
    return Operation(
        name,
        lambda tf, *tensors: tf_function(tf)(*tensors),  # looked up at each call, as programs do
        lambda torch, *tensors: torch_function(torch)(*tensors),
        getattr(np, numpy_name or torch_name or last),
        inputs,
    )


F: Any = lambda torch: torch.nn.functional  # noqa: E731 - short, as the table wants it
