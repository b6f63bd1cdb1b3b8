"""Writers of constructs: loops, branches, and functions along an axis.

They are called with what writes the function, the arguments with recorded graphs in place of functions, and what those
graphs capture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.graph.construct import graphs_in
from dovetail.graph.walking import Written
from dovetail.ops.tensor_array import is_without_rows
from dovetail.saved_model.writing.filling import with_rows
from dovetail.saved_model.writing.nodes import BOOL, INT32, VARIANT, FunctionName, kinds, shapes
from dovetail.tensor.shape import TensorShape

CONSTRUCTS: dict[str, Callable] = {}
_SCALAR = TensorShape([])


def _construct(name: str) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        CONSTRUCTS[name] = _with_captures(function)
        return function

    return decorate


def _with_captures(function: Callable) -> Callable:
    """Returns a writer that gets what its graphs capture by the ids of the graphs."""

    def write(w: Any, arguments: dict, captures: list) -> list:
        held = {id(graph): one for graph, one in zip(graphs_in(arguments), captures, strict=True)}
        return function(w, arguments, held)

    return write


def _tensors(structure: Any) -> list:
    return [leaf for leaf in nest.flat(structure) if leaf is not None]


def _with_handles(w: Any, make: Callable[[list], list], given: list) -> tuple[list, list]:
    """Returns functions that get the same inputs, and those inputs: the handles of all that they use are the last.

    Args:
        make: `make(resources) -> functions`, of which the last inputs are those resources, or more.
    """
    found: list[Any] = []
    while True:
        functions = make(found)
        every = {id(one): one for function in functions for one in (*found, *function.resources)}
        if len(every) == len(found):
            break
        found = list(every.values())
    for function in functions:
        function.finish()
    return functions, [*given, *(w.handle(one) for one in found)]


# ---- branches


def _branches(w: Any, graphs: list, captures: dict, labels: list[str]) -> tuple[list, list]:
    """Returns the functions of branches, and what all are given: the tensors that any of them captures."""
    held = [captures[id(graph)] for graph in graphs]
    given = [w.ref(one) for those in held for one in those]

    def make(resources: list) -> list:
        made = []
        for place, (graph, label) in enumerate(zip(graphs, labels, strict=True)):
            function = w.child(label)
            arguments = [function.argument("capture", one.dtype, one.shape) for one in given]
            for one in resources:
                function.handle(one)
            start = sum(map(len, held[:place]))
            function.write(graph, arguments[start : start + len(held[place])])
            function.give(graph.outputs)
            made.append(function)
        return made

    return _with_handles(w, make, given)


@_construct("tf.cond")
def _cond(w: Any, arguments: dict, captures: dict) -> list:
    graphs = [arguments["true_fn"], arguments["false_fn"]]
    outputs = list(w.outputs)
    functions, given = _branches(w, graphs, captures, ["true", "false"])
    pred = w.op("Reshape", "output", [arguments["pred"], w.no_sizes()], T=BOOL, Tshape=INT32)
    return w.call(
        "If",
        {"output": kinds(outputs)},
        [pred, *given],
        functions,
        Tcond=BOOL,
        Tin=kinds(given),
        Tout=kinds(outputs),
        then_branch=FunctionName(functions[0].name),
        else_branch=FunctionName(functions[1].name),
        output_shapes=shapes(outputs),
    )


@_construct("tf.switch_case")
def _switch(w: Any, arguments: dict, captures: dict) -> list:
    pairs, outputs = arguments["branch_fns"], list(w.outputs)
    graphs = [*(graph for _, graph in pairs), arguments["default"]]
    labels = [*(f"branch_{key}" for key, _ in pairs), "default"]
    functions, given = _branches(w, graphs, captures, labels)
    index = w.ref(arguments["branch_index"])
    place = w.whole(len(pairs))
    for position, (key, _) in enumerate(pairs):
        is_it = w.op("Equal", "z", [index, w.ref(key, index.dtype)], T=index.dtype)
        place = w.op("SelectV2", "output", [is_it, w.whole(position), place], T=INT32)
    return w.call(
        "Case",
        {"output": kinds(outputs)},
        [place, *given],
        functions,
        branches=[FunctionName(one.name) for one in functions],
        Tin=kinds(given),
        Tout=kinds(outputs),
        output_shapes=shapes(outputs),
    )


# ---- loops


class Loop:
    """A loop that is being written.

    Args:
        w: what writes the function around it.
        variables: what changes with each step.
        fixed: what its functions use besides.
        specs: shapes of the variables that hold for all steps; None: their own.
    """

    def __init__(self, w: Any, variables: list, fixed: list, specs: list | None = None) -> None:
        self._w, self._count = w, len(variables)
        refs = [w.ref(one) for one in variables]
        self._given = [
            one if shape is None else one._replace(shape=shape)
            for one, shape in zip(refs, specs or [None] * len(refs), strict=True)
        ] + [w.ref(one) for one in fixed]

    def run(self, cond: Callable, body: Callable) -> list[Written]:
        """Writes the loop, and returns its variables after the last step.

        Args:
            cond, body: `f(writer, variables, fixed) -> output`, `-> outputs`.
        """

        def make(resources: list) -> list:
            return [self._function(name, run, resources) for name, run in (("cond", cond), ("body", body))]

        functions, given = _with_handles(self._w, make, self._given)
        types = kinds(given)
        found = self._w.call(
            "While",
            {"output": types},
            given,
            functions,
            T=types,
            cond=FunctionName(functions[0].name),
            body=FunctionName(functions[1].name),
            output_shapes=shapes(given),
            parallel_iterations=10,
        )
        return [
            one._replace(shape=before.shape) for one, before in zip(found[: self._count], given, strict=False)
        ]

    def _function(self, name: str, run: Callable, resources: list) -> Any:
        function = self._w.child(name)
        arguments = [function.argument("variable", one.dtype, one.shape) for one in self._given]
        handles = [function.handle(one) for one in resources]
        result = run(function, arguments[: self._count], arguments[self._count :])
        if name == "cond":
            function.give([result])
        else:
            function.give([*result, *arguments[self._count :], *handles])
        return function


@_construct("tf.while_loop")
def _while(w: Any, arguments: dict, captures: dict) -> list:
    going, step, limit = arguments["cond"], arguments["body"], arguments["maximum_iterations"]
    leaves = _tensors(arguments["loop_vars"])
    of_cond, of_body = captures[id(going)], captures[id(step)]
    split = len(of_cond)
    specs = [tensor.shape for tensor in going.inputs]
    leaves = [_with_room(w, leaf, shape) for leaf, shape in zip(leaves, specs, strict=True)]
    extra = [] if limit is None else [w.whole(0)._replace(shape=_SCALAR)]
    fixed = [*of_cond, *of_body, *([] if limit is None else [w.as_int32(limit)])]

    def cond(f: Any, variables: list, given: list) -> Any:
        (found,) = f.inline(going, variables[: len(leaves)], given[:split])
        found = f.op("Reshape", "output", [found, f.no_sizes()], T=BOOL, Tshape=INT32)
        if limit is None:
            return found
        below = f.op("Less", "z", [variables[-1], given[-1]], T=INT32)
        return f.op("LogicalAnd", "z", [found, below])

    def body(f: Any, variables: list, given: list) -> list:
        found = f.inline(step, variables[: len(leaves)], given[split : split + len(of_body)])
        return found if limit is None else [*found, f.op("AddV2", "z", [variables[-1], f.whole(1)], T=INT32)]

    loop = Loop(w, [*leaves, *extra], fixed, [*specs, *[one.shape for one in extra]])
    return loop.run(cond, body)[: len(leaves)]


def _with_room(w: Any, value: Any, shape: Any) -> Any:
    """Returns a loop variable; the buffer of an array that gets its first rows in the loop has room for them."""
    known = w.ref(value)
    sizes = known.shape
    if (
        sizes is None
        or not is_without_rows(tuple(sizes))
        or shape.rank is None
        or is_without_rows(tuple(shape))
    ):
        return value
    return with_rows(w, known, shape[1:])


# ---- functions along the first axis


def scan(
    w: Any,
    step: Callable,
    states: list,
    columns: list,
    fixed: list,
    outputs: list,
    backwards: bool = False,
) -> tuple[list, list]:
    """Writes a loop over the first axis, and returns the last states and the outputs of all steps.

    Args:
        step: `step(writer, states, rows, fixed) -> (states, outputs)`.
        states, columns, fixed: tensors.
        outputs: specs of what a step gives.
    """
    columns = [w.ref(one) for one in columns]
    rows = [None if one.shape is None else one.shape[1:] for one in columns]
    count = _first_size(w, columns[0])
    lists = [_list_of(w, column, row) for column, row in zip(columns, rows, strict=True)]
    made = [_empty_list(w, one, count) for one in outputs]
    start = w.whole(0)._replace(shape=_SCALAR)
    num = len(states)

    def cond(f: Any, variables: list, given: list) -> Any:
        return f.op("Less", "z", [variables[0], given[0]], T=INT32)

    def body(f: Any, variables: list, given: list) -> list:
        place = variables[0]
        after = f.op("AddV2", "z", [place, f.whole(1)], T=INT32)
        if backwards:
            place = f.op("Sub", "z", [given[0], after], T=INT32)
        handles, others = given[1 : 1 + len(columns)], given[1 + len(columns) :]
        found = [
            _item(f, handle, place, column.dtype, row)
            for handle, column, row in zip(handles, columns, rows, strict=True)
        ]
        now, gives = step(f, variables[1 : 1 + num], found, others)
        written = [
            _with_item(f, handle, place, value)
            for handle, value in zip(variables[1 + num :], gives, strict=True)
        ]
        return [after, *now, *written]

    last = Loop(w, [start, *states, *made], [count, *lists, *fixed]).run(cond, body)
    stacked = [_stacked(w, handle, one) for handle, one in zip(last[1 + num :], outputs, strict=True)]
    return last[1 : 1 + num], stacked


# ---- lists of tensors


def _first_size(w: Any, tensor: Written) -> Written:
    """Writes the size of a tensor's first axis."""
    sizes = w.op("Shape", "output", [tensor], T=tensor.dtype, out_type=INT32)
    first = [sizes, *(w.whole([one]) for one in (0, 1, 1))]
    size = w.op("StridedSlice", "output", first, T=INT32, Index=INT32, shrink_axis_mask=1)
    return size._replace(shape=_SCALAR)


def _list_of(w: Any, tensor: Written, row: Any) -> Written:
    """Writes the list of a tensor's rows, which have the shape `row`."""
    given, names = [tensor, _element_shape(w, row)], {"output_handle": VARIANT}
    made = w.ops("TensorListFromTensor", names, given, element_dtype=tensor.dtype, shape_type=INT32)
    return made[0]._replace(shape=_SCALAR)


def _empty_list(w: Any, spec: Any, count: Written) -> Written:
    """Writes a list with room for `count` tensors."""
    given, names = [_element_shape(w, spec.shape), count], {"handle": VARIANT}
    made = w.ops("TensorListReserve", names, given, element_dtype=spec.dtype, shape_type=INT32)
    return made[0]._replace(shape=_SCALAR)


def _item(w: Any, handle: Written, place: Written, dtype: Any, shape: Any) -> Written:
    given = [handle, place, _element_shape(w, shape)]
    return w.ops("TensorListGetItem", {"item": dtype}, given, element_dtype=dtype)[0]._replace(shape=shape)


def _with_item(w: Any, handle: Written, place: Written, value: Written) -> Written:
    given, names = [handle, place, value], {"output_handle": VARIANT}
    return w.ops("TensorListSetItem", names, given, element_dtype=value.dtype)[0]


def _stacked(w: Any, handle: Written, spec: Any) -> Written:
    """Writes the tensor whose rows are the tensors of a list."""
    given = [handle, _element_shape(w, spec.shape)]
    made = w.ops("TensorListStack", {"tensor": spec.dtype}, given, element_dtype=spec.dtype, num_elements=-1)
    return made[0]._replace(shape=None if spec.shape.rank is None else TensorShape([None, *spec.shape]))


def _element_shape(w: Any, shape: Any) -> Written:
    if shape is None or shape.rank is None:
        return w.whole(-1)
    return w.whole([-1 if size is None else size for size in shape])


def _row_step(graph: Any, flags: str) -> Callable:
    """Returns the step of a function along an axis: its graph takes a state, a row, or both."""

    def step(f: Any, states: list, rows: list, fixed: list) -> tuple[list, list]:
        given = [*(states if "state" in flags else []), *rows]
        found = f.inline(graph, given, fixed)
        return (found if "state" in flags else []), (found if "output" in flags else [])

    return step


@_construct("tf.map_fn")
def _map(w: Any, arguments: dict, captures: dict) -> list:
    graph = arguments["fn"]
    fixed = captures[id(graph)]
    elems = _tensors(arguments["elems"])
    _require_dense(w, arguments["elems"])
    return scan(w, _row_step(graph, "output"), [], elems, fixed, list(graph.outputs))[1]


def _fold(flags: str, backwards: bool) -> Callable:
    def write(w: Any, arguments: dict, captures: dict) -> list:
        graph = arguments["fn"]
        fixed = captures[id(graph)]
        elems, start = _tensors(arguments["elems"]), arguments["initializer"]
        _require_dense(w, arguments["elems"])
        if start is None:
            raise w.not_written("tf.scan, tf.foldl and tf.foldr without an initializer")
        states = [
            w.ref(one)._replace(shape=out.shape)
            for one, out in zip(_tensors(start), graph.outputs, strict=True)
        ]
        is_reversed = backwards or bool(arguments.get("reverse"))
        outputs = list(graph.outputs) if "output" in flags else []
        last, stacked = scan(w, _row_step(graph, flags), states, elems, fixed, outputs, is_reversed)
        return stacked if "output" in flags else last

    return write


_construct("tf.scan")(_fold("state output", False))
_construct("tf.foldl")(_fold("state", False))
_construct("tf.foldr")(_fold("state", True))


def _require_dense(w: Any, elems: Any) -> None:
    if any(not hasattr(leaf, "dtype") or not hasattr(leaf, "op") for leaf in nest.flatten(elems)):
        raise w.not_written("a map over ragged or sparse tensors")


# ---- calls


@_construct("tf.function")
def _call(w: Any, arguments: dict, captures: dict) -> list:
    graph = arguments["function"]
    return w.inline(graph, arguments["args"], captures[id(graph)])


@_construct("tf.custom_gradient")
def _with_gradient(w: Any, arguments: dict, captures: dict) -> list:
    """Writes what the function computes; its own gradient is not kept."""
    graph = arguments["forward"]
    return w.inline(graph, arguments["inputs"], captures[id(graph)])
