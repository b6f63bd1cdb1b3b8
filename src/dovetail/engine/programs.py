"""Programs in JAX's own form: what `jax.export` serializes and reads, which holds a StableHLO module.

A program is a function `f(weights, *args, **kwargs)` of a list of arrays and structures of them, for any sizes where
the shapes of its arguments have names in place of numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.engine import kernels
from dovetail.engine.modules import unreadable
from dovetail.engine.platforms import serve


class Sized:
    """Stands for an array in the arguments of a program that is made.

    Args:
        shape: as text, with names or numbers for sizes: "batch, 3".
        dtype: of it.
    """

    def __init__(self, shape: str, dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype


class Described(NamedTuple):
    """An array that a program takes or gives; sizes that are not known are texts."""

    shape: tuple
    dtype: np.dtype


class NotPortableError(NotImplementedError):
    """A program needs what only this machine has."""


def serialized(
    function: Callable, weights: list[Any], arguments: tuple[tuple, dict], platforms: Sequence[str]
) -> bytes:
    """Returns a function as a serialized program.

    Args:
        function: `function(weights, *args, **kwargs)` of arrays.
        weights: what has the shapes and dtypes of the weights.
        arguments: `(args, kwargs)` with a `Sized` for each array.
        platforms: the kinds of devices that it is for.

    Raises:
        NotPortableError: it calls kernels of this process, or has effects.
        Exception: it depends on sizes in a way that is not known for names, whose errors have many kinds.
    """
    scope = export.SymbolicScope()

    def example(one: Sized) -> Any:
        return jax.ShapeDtypeStruct(export.symbolic_shape(one.shape, scope=scope), one.dtype)

    args, kwargs = jax.tree_util.tree_map(example, arguments)
    held = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in weights]
    with kernels.made_for(kernels.ANY), _without_paths():
        made = export.export(jax.jit(function), platforms=tuple(platforms))(held, *args, **kwargs)
    targets = unreadable(made)
    if targets:
        raise NotPortableError(f"it calls {', '.join(targets)}, which only programs on this machine have")
    if made.ordered_effects or made.unordered_effects:
        raise NotPortableError("it has effects, such as prints or checks")
    return bytes(made.serialize())


@contextlib.contextmanager
def _without_paths() -> Iterator[None]:
    """Leaves out of a program in which files of this machine its operations were written."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


class Program:
    """A program that was read.

    Args:
        content: what `serialized` gave, or `jax.export` itself.

    Attributes:
        num_weights: how many arrays the list has that is its first argument.
        inputs, outputs: what it takes besides the weights and what it gives, flat.
        platforms: the kinds of devices that it is for.

    Raises:
        ValueError: it is damaged, or no such program.
        UnimplementedError: it calls other functions in the process.
    """

    def __init__(self, content: bytes) -> None:
        try:
            made = export.deserialize(bytearray(content))
            tree = jax.tree_util.tree_unflatten(made.in_tree, made.in_avals)
            (weights, *args), kwargs = tree
            outputs = [_described(one) for one in made.out_avals]
            inputs = [_described(one) for one in jax.tree_util.tree_leaves((args, kwargs))]
            targets = unreadable(made)
        except Exception as error:  # flatbuffers and MLIR have errors of all kinds
            raise ValueError(f"the program is damaged: {error!r:.200}") from error
        if targets:
            raise UnimplementedError(
                f"the program calls {', '.join(map(repr, targets))} in this process, which is not its own operation, "
                f"and is not run{at_user_location()}"
            )
        self._made = made
        self.num_weights = len(jax.tree_util.tree_leaves(weights))
        self.inputs, self.outputs, self.platforms = inputs, outputs, tuple(made.platforms)
        self._structure = jax.tree_util.tree_structure((tuple(args), kwargs))

    def flat(self, args: tuple, kwargs: dict) -> list | None:
        """Returns the leaves of the arguments of a call; None where they have another structure than is expected."""
        leaves, structure = jax.tree_util.tree_flatten((args, kwargs))
        return leaves if structure == self._structure else None

    def structured(self, outputs: list) -> Any:
        """Returns flat outputs in the structure that the program gives."""
        return jax.tree_util.tree_unflatten(self._made.out_tree, outputs)

    @property
    def signature(self) -> str:
        """The arguments as text."""
        args, kwargs = jax.tree_util.tree_unflatten(
            self._structure, [f"{one.dtype}[{', '.join(map(str, one.shape))}]" for one in self.inputs]
        )
        parts = [*map(_shown, args), *(f"{name}={_shown(one)}" for name, one in kwargs.items())]
        return f"({', '.join(parts)})"

    def require_platform(self) -> None:
        """Raises UnimplementedError where the program is for other devices than those of this process."""
        backend = jax.default_backend()
        if not serve(self.platforms, backend):
            raise UnimplementedError(
                f"the program was written for {', '.join(self.platforms)}, and this process runs on {backend}: write "
                f"it with platforms=[...]{at_user_location()}"
            )

    def run(self, *arrays: Any) -> list:
        """Returns the flat outputs for the weights and the flat inputs."""
        (weights, *args), kwargs = jax.tree_util.tree_unflatten(self._made.in_tree, list(arrays))
        return jax.tree_util.tree_leaves(self._made.call(weights, *args, **kwargs))


def _described(one: Any) -> Described:
    sizes = tuple(size if isinstance(size, int) else str(size) for size in one.shape)
    return Described(sizes, np.dtype(one.dtype))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value).replace("'", "")
