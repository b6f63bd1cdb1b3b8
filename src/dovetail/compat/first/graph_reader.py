"""Reading graphs with variables into a graph that a program writes: what `import_meta_graph` and loaders do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import DataLossError, PermissionDeniedError, UnimplementedError, at_user_location
from dovetail.compat.first import applied
from dovetail.compat.first.graph_writer import TOKEN, of_json
from dovetail.compat.first.misc import placeholder_with_default
from dovetail.compat.first.optimizers import OWN_OPS
from dovetail.graph.derivatives import Derivative
from dovetail.graph.hand_variable import GraphVariable, host_call
from dovetail.graph.node import OpCall
from dovetail.ops.reaching import OPS
from dovetail.ops.table import op_named
from dovetail.raw_ops.row import Row
from dovetail.saved_model.frames import BRANCH, LOOP
from dovetail.saved_model.importing import GraphImport
from dovetail.saved_model.library import ImportedFunction, Step, dtype_of, inputs_of, shape_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.wire.json_text import parsed


class _Part(ImportedFunction):
    """A graph with variables in it, and operations that nothing here runs."""

    def __init__(self, graph: Any, *args: Any) -> None:
        super().__init__(*args)
        self._graph = graph
        self._known = {LOOP, BRANCH, *(node.op for node in self._nodes.values() if node.op in self._library)}

    def _step(self, node: Any) -> Step:
        special = SPECIAL.get(node.op)
        if special is None and (self._library.row(node.op) is not None or node.op in self._known):
            return super()._step(node)
        function = (special or _not_run)(self._graph, node)
        return Step(node.name, Row(node.op, ("*inputs",), {}, function), {}, inputs_of(node))


class Reader(GraphImport):
    """A graph on its way into another one.

    Attributes:
        variables: by the names of their handles in the message.
    """

    def part(self, *args: Any) -> ImportedFunction:
        return _Part(self._graph, *args)

    @property
    def variables(self) -> dict[str, GraphVariable]:
        return {
            name: found[0]
            for name, found in self.values.items()
            if found and isinstance(found[0], GraphVariable)
        }


# ---- operations of variables: each row makes the function of a node's inputs


def _handle(graph: Any, node: Any) -> Callable:
    def make(inputs: list) -> Any:
        return GraphVariable.declared(
            graph, graph.names.scope, shape_of(node.attr["shape"].shape), dtype_of(node.attr["dtype"].type)
        )

    return make


def _assigning(method: str, gives: bool) -> Callable:
    def made(graph: Any, node: Any) -> Callable:
        def assign(inputs: list) -> Any:
            variable, value = inputs
            value = convert_to_tensor(value)
            if isinstance(value, Tensor):
                value = graph.constant(value)
            if value.dtype == variable.dtype:
                value.set_shape(variable.shape) if isinstance(value, SymbolicTensor) else None
            found = getattr(variable, method)(value, read_value=gives)
            return found if gives else None

        return assign

    return made


def _is_initialized(graph: Any, node: Any) -> Callable:
    return lambda inputs: inputs[0].is_initialized()


def _with_default(graph: Any, node: Any) -> Callable:
    shape = shape_of(node.attr["shape"].shape) if "shape" in node.attr else None
    return lambda inputs: placeholder_with_default(inputs[0], shape)


def _nothing(graph: Any, node: Any) -> Callable:
    def make(inputs: list) -> None:
        graph.group([], "tf.no_op")

    return make


# ---- operations that are not run


def _specs(node: Any) -> list[TensorSpec]:
    """Returns what a node gives, as far as it tells."""
    attr = node.attr
    types = next((attr[name].list.type for name in ("Tout", "dtypes") if name in attr), None)
    if types is None:
        one = next((attr[name].type for name in ("dtype", "T", "Tout", "out_type") if name in attr), 1)
        types = [one]
    shapes = (
        [shape_of(one) for one in attr["_shapes"].list.shape] if "_shapes" in attr else [None] * len(types)
    )
    known = [dtype_of(one) for one in types]
    return [
        TensorSpec(shape, "float32" if isinstance(kind, str) else kind)
        for shape, kind in zip(shapes, known, strict=False)
    ]


def _not_run(graph: Any, node: Any) -> Callable:
    specs = _specs(node)

    def refuse(*values: Any) -> Any:
        raise UnimplementedError(
            f"the operation {node.name!r} of the imported graph is of the kind {node.op!r}, which is not run here"
            f"{at_user_location()}"
        )

    def make(inputs: list) -> Any:
        given = tuple(x for x in inputs if not isinstance(x, GraphVariable))
        return host_call(refuse, node.op, given, specs, effect=not specs)

    return make


def _python(graph: Any, node: Any) -> Callable:
    """Makes what `graph_writer` wrote again.

    Raises:
        PermissionDeniedError: it is an op that reaches files, or the state of the program.
        DataLossError: what makes it again is damaged.
    """
    token = node.attr["token"].s.decode()
    kind, _, name = token.removeprefix(TOKEN).partition(":")
    if not token.startswith(TOKEN) or kind not in _AGAIN:
        return _not_run(graph, node)
    if kind == "op" and name in OPS:
        raise PermissionDeniedError(
            f"the operation {node.name!r} of the imported graph is the op {name!r}, which reads or writes files, or "
            "changes the state of the program, and is not run. Do that in the program, and feed the result"
            f"{at_user_location()}"
        )
    try:
        facts = parsed(node.attr["_facts"].s)
        _CHECKS[kind](facts, len(inputs_of(node)))
    except ValueError as error:
        raise DataLossError(
            f"the operation {node.name!r} of the imported graph is damaged: {error}"
        ) from error
    return lambda inputs: _AGAIN[kind](name, inputs, facts)


def _check_counts(counts: Any, given: int) -> None:
    """Raises ValueError unless the groups of inputs of a derivative are all of its inputs."""
    if (
        not isinstance(counts, list)
        or len(counts) != 4
        or not all(map(_is_count, counts))
        or sum(counts) != given
    ):
        raise ValueError(f"{given} inputs do not stand in the groups {counts!r:.60}")


def _check_facts(facts: Any, given: int) -> None:
    """Raises ValueError unless each input of an op has a place of its own."""
    if not isinstance(facts, dict) or not isinstance(facts.get("attributes"), dict):
        raise ValueError(f"it has no attributes: {facts!r:.60}")
    count: Any = facts.get("count")
    places = facts.get("places")
    if (
        not _is_count(count)
        or count > _MOST_ARGUMENTS
        or not isinstance(places, list)
        or len(places) != given
    ):
        raise ValueError(f"{given} inputs do not stand in the places {places!r:.60} of {count!r:.60}")
    if not all(_is_count(one) and one < count for one in places) or len(set(places)) < len(places):
        raise ValueError(f"the places {places!r:.60} are not among {count} arguments")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _derivative_again(name: str, inputs: list, counts: list) -> Any:
    groups, place = [], 0
    for count in counts:
        groups.append(inputs[place : place + count])
        place += count
    targets, sources, factors, stops = groups
    return Derivative(name)(targets, sources, factors or None, stops)


def _op_again(name: str, inputs: list, facts: dict) -> Any:
    op = op_named(name) or OWN_OPS.get(name)
    if op is None:
        raise UnimplementedError(
            f"the imported graph has the op {name!r}, which is not known{at_user_location()}"
        )
    args: list[Any] = [None] * facts["count"]
    for place, value in zip(facts["places"], inputs, strict=True):
        args[place] = value
    return OpCall(op, False)(*args, **of_json(facts["attributes"]))


_MOST_ARGUMENTS = 100_000  # of an op that is made again
_CHECKS: dict[str, Callable] = {"derivative": _check_counts, "op": _check_facts}
_AGAIN: dict[str, Callable] = {"derivative": _derivative_again, "op": _op_again}
SPECIAL: dict[str, Callable] = {
    **applied.SPECIAL,
    **dict.fromkeys(("VarHandleOp", "Variable", "VariableV2"), _handle),
    "Assign": _assigning("assign", True),
    "AssignAdd": _assigning("assign_add", True),
    "AssignSub": _assigning("assign_sub", True),
    "AssignVariableOp": _assigning("assign", False),
    "AssignAddVariableOp": _assigning("assign_add", False),
    "AssignSubVariableOp": _assigning("assign_sub", False),
    **dict.fromkeys(("IsVariableInitialized", "VarIsInitializedOp"), _is_initialized),
    **dict.fromkeys(("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"), _not_run),
    "NoOp": _nothing,
    "PlaceholderWithDefault": _with_default,
    "PyFunc": _python,
}
