"""Recorded functions as pure functions of arrays: variables are arguments, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes, programs, xla
from dovetail.export import sizes
from dovetail.graph.replay import Steps
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import StatelessScope, enter_scope


class Pure:
    """A concrete function that takes its variables, and is written for any sizes where it has any.

    Args:
        concrete: the function.
        label: what it is called, for messages.
        one_batch: the first axes of all inputs have one size, where they are open.

    Attributes:
        variables: those that it reads, in the order of the weights.
        inputs: specs of the tensors that it takes, flat.
        names: of these.

    Raises:
        NotImplementedError: it changes variables, works on texts or on tensors of an unknown rank, or takes composite
            tensors.
    """

    def __init__(self, concrete: Any, label: str, one_batch: bool = False) -> None:
        self.label, self.graph = label, concrete.graph
        self.variables = list(self.graph.variables)
        self._arguments = concrete.structured_input_signature
        leaves = nest.flat(self._arguments)
        self.inputs = [leaf for leaf in leaves if isinstance(leaf, TensorSpec)]
        self.names = [tensor.name.partition(":")[0] for tensor in self.graph.inputs]
        self._check(leaves)
        open_batches = [one for one in self.inputs if one.shape[:1].as_list() == [None]]
        self.one_batch = one_batch or len(open_batches) < 2
        values = [leaf for leaf in nest.flat(self.graph.structured_outputs) if type(leaf) is SymbolicTensor]
        self._steps = Steps([*self.graph.inputs], self.graph.nodes, values)

    def _check(self, leaves: list) -> None:
        for leaf in leaves:
            if not isinstance(leaf, TensorSpec):
                raise self.refused(f"takes {leaf!r:.60}, which is no dense tensor", "pass its components")
            if leaf.shape.rank is None:
                raise self.refused(f"takes {leaf.name or 'a tensor'} of an unknown rank", "state its shape")
        if self.graph.captures:
            raise self.refused("uses a tensor of another function", "pass it as an argument")
        if self.graph.writes:
            names = ", ".join(sorted({one.name for one in self.graph.writes}))
            raise self.refused(
                f"assigns {names}, and a program keeps nothing between calls", "return the values"
            )
        every = [*self.inputs, *self.variables, *self.graph.outputs]
        if any(dtypes.is_host_only(np.dtype(one.dtype.numpy_dtype)) for one in every):
            raise self.refused("works on texts, which the format has not", "export what comes after them")

    @property
    def name(self) -> Callable[[int, int], str]:
        """What gives an input's axis, whose size is open, a name."""
        return _apart if self.one_batch else _of_input

    def arrays(self) -> list:
        """Returns the values of the variables."""
        return [np.asarray(one._plain()._value) for one in self.variables]

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: the keys of a dict of tensors, else numbers."""
        structure = self.graph.structured_outputs
        if isinstance(structure, dict) and len(structure) == len(self.graph.outputs):
            return [str(key) for key in sorted(structure)]
        return [f"output_{place}" for place in range(len(self.graph.outputs))]

    def refused(self, what: str, way_out: str) -> NotImplementedError:
        """Returns the error for what a program cannot do."""
        return NotImplementedError(f"export: {self.label!r} {what}: {way_out}{at_user_location()}")

    def __call__(self, weights: list, *args: Any, **kwargs: Any) -> Any:
        """Returns the arrays that the function gives for arrays; runs in a trace."""
        values = zip(self.variables, map(Tensor, weights), strict=True)
        with enter_scope(StatelessScope(values=values)):
            tensors = [Tensor(leaf) for leaf in nest.flat((args, kwargs))]
            found = iter(map(sizes.result, self._steps.run(tensors, sizes.call)))
            structure = self.graph.structured_outputs
            leaves = [next(found) if type(leaf) is SymbolicTensor else leaf for leaf in nest.flat(structure)]
            arrays = [None if leaf is None else _array(leaf) for leaf in leaves]
        return plain(structure, iter(arrays), self)

    def serialized(self, platforms: Sequence[str]) -> bytes:
        """Returns the function as a serialized program.

        Sizes that are not known have names of their own.  Where the function needs some to be equal, the first axes of
        all inputs are, as "batch"; where it needs more, those of one axis are.

        Raises:
            NotImplementedError: it depends on sizes, or has parts, that no program has.
        """
        engine, faults = programs(), []
        described = xla("export").ShapeDtypeStruct
        weights = [described(tuple(one.shape), one._numpy_dtype) for one in self.variables]
        for name in dict.fromkeys((self.name, _apart, _by_axis)):
            specs = iter(enumerate(self.inputs))
            arguments = nest.mapped(lambda _, n=name, s=specs: _sized(engine, n, *next(s)), self._arguments)
            try:
                return engine.serialized(
                    self, weights, plain(arguments, iter(nest.flat(arguments)), self), platforms
                )
            except engine.NotPortableError as error:
                raise self.refused(f"cannot be written for other machines: {error}", _WITHOUT) from error
            except Exception as error:  # noqa: BLE001 - of many kinds: what is made for numbers meets names
                faults.append(error)
            if not any(None in tuple(one.shape) for one in self.inputs):
                raise faults[0]
        fixed = ", ".join(f"tf.TensorSpec({_fixed(one.shape)}, {one.dtype.name!r})" for one in self.inputs)
        reason = " ".join(str(faults[0]).split())
        raise self.refused(
            f"cannot be written for any size ({type(faults[0]).__name__}: {reason:.160})",
            f"state the sizes, such as input_signature=[{fixed}]",
        ) from faults[0]


_WITHOUT = "leave that operation out of what is exported"


def _array(leaf: Any) -> Any:
    """Returns the array of a tensor or variable."""
    return leaf._tensor()._value if hasattr(leaf, "_tensor") else leaf._value


def _of_input(place: int, axis: int) -> str:
    return f"size_{place}_{axis}"


def _apart(place: int, axis: int) -> str:
    return "batch" if axis == 0 else f"size_{place}_{axis}"


def _by_axis(place: int, axis: int) -> str:
    return "batch" if axis == 0 else f"size_{axis}"


def _sized(engine: Any, name: Any, place: int, spec: TensorSpec) -> Any:
    shape = [name(place, axis) if size is None else str(size) for axis, size in enumerate(spec.shape)]
    return engine.Sized(", ".join(shape), spec.dtype.numpy_dtype)


def _fixed(shape: Any) -> list:
    return [1 if size is None else size for size in shape]


def plain(structure: Any, leaves: Any, pure: Pure) -> Any:
    """Returns leaves in a structure of dicts, lists and tuples alone, which any program reads.

    Raises:
        NotImplementedError: the structure has parts of other kinds.
    """
    if isinstance(structure, dict):
        return {key: plain(structure[key], leaves, pure) for key in sorted(structure)}
    if isinstance(structure, tuple):
        return tuple(plain(one, leaves, pure) for one in structure)
    if isinstance(structure, list):
        return [plain(one, leaves, pure) for one in structure]
    if nest.is_nested(structure):
        raise pure.refused(f"takes or gives {structure!r:.60}", "use dicts, lists and tuples of tensors")
    return next(leaves)
