"""Concrete functions: a `tf.function` with its signature fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.describe import argument_places, long_form, short_form
from dovetail.function.fitting import as_tensor
from dovetail.function.signature import SpecCall, static_key
from dovetail.function.trace import Program, is_inlined
from dovetail.function.wide import Wide
from dovetail.graph.construct import spec_or_leaf
from dovetail.graph.recording import FunctionGraph
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor

if TYPE_CHECKING:
    from dovetail.function.function import Function

_MISSING = object()


class ConcreteFunction:
    """A `Function` with its signature fixed: Python arguments are baked in, tensors are passed.

    It is called with the arguments of the function (those that are baked in may be left out), by position or by name,
    or with the tensors alone, flat.

    Attributes:
        trace: what runs: a program for exact shapes, or a recording for unknown sizes.
        structured_input_signature: `(args, kwargs)` with a `tf.TensorSpec` for each tensor.
    """

    def __init__(self, owner: Function, call: SpecCall, trace: Program | Wide | None) -> None:
        self._owner, self._call, self.trace = owner, call, trace
        self._graph: FunctionGraph | None = None
        self.structured_input_signature = call.rebuild(call.tensors)
        self._names = argument_places(owner.python_function, self.structured_input_signature[0])

    @property
    def name(self) -> str:
        return self._owner.__name__

    @property
    def function_type(self) -> Any:
        return self._owner.function_spec

    @property
    def graph(self) -> FunctionGraph:
        """The function as a graph; for exact shapes it is recorded when it is first asked for."""
        if isinstance(self.trace, Wide):
            return self.trace.graph
        if self._graph is None:
            self._graph = self._owner.graph_of(self._call)
        return self._graph

    @property
    def inputs(self) -> list:
        """The graph's symbolic inputs; for exact shapes, which have no graph of their own, their specs."""
        return list(self.trace.graph.inputs) if isinstance(self.trace, Wide) else list(self._call.tensors)

    @property
    def outputs(self) -> list:
        """The tensors of the result, flat; for exact shapes their specs."""
        if isinstance(self.trace, Wide):
            return list(self.trace.graph.outputs)
        return [leaf for leaf in nest.flat(self.structured_outputs) if isinstance(leaf, TensorSpec)]

    @property
    def structured_outputs(self) -> Any:
        """The result's structure, tensors as `tf.TensorSpec`; None when the function is not traced as a whole."""
        if isinstance(self.trace, Wide):
            return nest.mapped(spec_or_leaf, self.trace.graph.structured_outputs)
        return None if self.trace is None else outputs_of(self.trace)

    @property
    def output_shapes(self) -> Any:
        return nest.mapped(lambda leaf: getattr(leaf, "shape", None), self.structured_outputs)

    @property
    def output_dtypes(self) -> Any:
        return nest.mapped(lambda leaf: getattr(leaf, "dtype", None), self.structured_outputs)

    @property
    def variables(self) -> tuple:
        if isinstance(self.trace, Wide):
            return tuple(self.trace.graph.variables)
        return () if self.trace is None else tuple(self.trace.reads)

    @property
    def trainable_variables(self) -> tuple:
        return tuple(variable for variable in self.variables if variable.trainable)

    @property
    def captured_inputs(self) -> list:
        """What the function uses besides its arguments: variables."""
        captured = self.trace.graph.captures if isinstance(self.trace, Wide) else []
        return [*self.variables, *captured]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the function.

        Raises:
            TypeError: an argument is missing, is one too many, is of another shape or dtype, or another Python value
                than the one that is baked in.
        """
        leaves = self._bound(args, kwargs)
        names = self._flat_names
        tensors = [
            _checked(spec, leaves[place], f"{self.name}: {names[place]}")
            for place, spec in zip(self._call.places, self._call.tensors, strict=True)
        ]
        inline = is_inlined(tensors)
        if isinstance(self.trace, Wide):
            return self.trace.run(tensors) if inline else self.trace.call(tensors)
        if self.trace is None or inline:
            args, kwargs = self._call.rebuild(tensors)
            return self._owner(*args, **kwargs)
        return self.trace.call(tensors)

    @property
    def _flat_names(self) -> list[str]:
        return ["argument " + "".join(str(part) for part in path[1:]) for path in self._call.spec.paths()]

    def _bound(self, args: tuple, kwargs: dict) -> list:
        """Returns the flat arguments for those of a call."""
        leaves, spec = nest.flatten_spec(self._structured(args, kwargs))
        known = spec == self._call.spec and not any(leaf is _MISSING for leaf in leaves)
        if known and self._bakes(leaves):
            return leaves
        flat = self._flat(args, kwargs)
        if flat is None:
            given = ", ".join(
                [*(f"{value!r:.60}" for value in args), *(f"{k}={v!r:.60}" for k, v in kwargs.items())]
            )
            raise TypeError(
                f"{self.name}: the concrete function takes {self.structured_input_signature}, received ({given})"
                f"{at_user_location()}"
            )
        return flat

    def _structured(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Puts arguments into the places of the signature's; what is not given there is baked in, or missing."""
        expected, by_name = self.structured_input_signature
        given = dict(kwargs)
        filled = [
            args[i] if i < len(args) else given.pop(name, _baked(value))
            for i, (name, value) in enumerate(zip(self._names, expected, strict=True))
        ]
        named = {name: given.pop(name, _baked(value)) for name, value in by_name.items()}
        return (*filled, *args[len(expected) :]), {**named, **given}

    def _bakes(self, leaves: list) -> bool:
        tensors = set(self._call.places)
        pairs = enumerate(zip(leaves, self._call.leaves, strict=True))
        return all(
            i in tensors or new is old or static_key(new) == static_key(old) for i, (new, old) in pairs
        )

    def _flat(self, args: tuple, kwargs: dict) -> list | None:
        """Returns the flat arguments when only tensors are given: by position, or by the names of their specs."""
        given = nest.flat(list(args))
        names = [spec.name for spec in self._call.tensors]
        by_name = dict(kwargs)
        given += [by_name.pop(name) for name in names[len(given) :] if name in by_name]
        if by_name or len(given) != len(self._call.places):
            return None
        leaves = list(self._call.leaves)
        for place, value in zip(self._call.places, given, strict=True):
            leaves[place] = value
        return leaves

    def __repr__(self) -> str:
        args, kwargs = self.structured_input_signature
        shown = short_form(self._owner.python_function, args, kwargs, self.structured_outputs)
        return f"<ConcreteFunction {self.name}{shown}>"

    def __str__(self) -> str:
        args, kwargs = self.structured_input_signature
        return "ConcreteFunction " + long_form(
            self._owner.python_function, args, kwargs, self.structured_outputs, self.variables
        )


def _checked(spec: TensorSpec, value: Any, where: str) -> Any:
    """Returns the argument as a tensor; raises TypeError for another dtype, ValueError for a wrong shape."""
    tensor = value if type(value) is Tensor else as_tensor(spec, value, where)
    if tensor.dtype != spec.dtype or not spec.shape.is_compatible_with(tensor.shape):
        kind = ValueError if tensor.dtype == spec.dtype else TypeError
        raise kind(
            f"{where}: expected {spec.shape} {spec.dtype.name}, received {tensor.shape} {tensor.dtype.name}"
            f"{at_user_location()}"
        )
    return tensor


def _baked(value: Any) -> Any:
    """Returns the argument that the signature holds, `_MISSING` when it describes tensors."""
    return _MISSING if any(isinstance(leaf, TensorSpec) for leaf in nest.flat(value)) else value


def outputs_of(program: Program) -> Any:
    """Returns the structure of a program's results, with a `tf.TensorSpec` for each tensor."""
    values = program.closed.out_avals[: program.num_results]
    return nest.mapped(
        spec_or_leaf, program.rebuild([TensorSpec(value.shape, value.dtype) for value in values])
    )
