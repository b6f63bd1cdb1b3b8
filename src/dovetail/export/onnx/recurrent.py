"""Writers of recurrent layers and of loops and branches: as `Scan`, `Loop` and `If`, whose graphs are our own ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.export.onnx.graph import BOOL, CONSTRUCTS, INT64, LAST
from dovetail.export.onnx.table import WRITERS
from dovetail.graph.walking import Written
from dovetail.saved_model.writing.recurrent import writers_of
from dovetail.tensor.shape import TensorShape


def _scan(
    w: Any, step: Callable, states: list, columns: list, outputs: list, backwards: bool = False
) -> tuple:
    """Writes a loop over the first axis, and returns the last states and the outputs of all steps.

    Args:
        step: `step(writer, states, rows) -> (states, outputs)`.
        states, columns: values, with their shapes.
        outputs: the dtypes of what a step gives.
    """
    rows = [
        one._replace(shape=None if one.shape is None else TensorShape(list(one.shape)[1:])) for one in columns
    ]

    def body(f: Any, given: list) -> list:
        now, gives = step(f, given[: len(states)], given[len(states) :])
        return [*now, *gives]

    graph = w.inner([*states, *rows], body)
    count = len(columns)
    given = {"scan_output_directions": [int(backwards)] * len(outputs)} if outputs else {}
    found = w.ops(
        "Scan",
        [*states, *columns],
        [*(one.dtype for one in states), *outputs],
        body=graph,
        num_scan_inputs=count,
        scan_input_directions=[int(backwards)] * count,
        **given,
    )
    return found[: len(states)], found[len(states) :]


def _over_time(w: Any, body: Callable, states: list, columns: list, fixed: list, outputs: list) -> tuple:
    """Writes the loop of a recurrent layer; see `saved_model.writing.recurrent`."""

    def step(f: Any, states: list, rows: list) -> tuple[list, list]:
        return body(f, states, rows, fixed)  # a graph within a node uses the values around it as they are

    return _scan(w, step, states, columns, [one.dtype for one in outputs])


WRITERS.update(writers_of(_over_time))


# ---- loops and branches


def _leaves(structure: Any) -> list:
    return [leaf for leaf in nest.flat(structure) if leaf is not None]


def _scalar(w: Any, value: Any) -> Written:
    return w.reshaped(value, w.ints([]))._replace(shape=TensorShape([]))


def _cond(w: Any, arguments: dict, captures: dict) -> list:
    branches = {}
    for key, name in (("then_branch", "true_fn"), ("else_branch", "false_fn")):
        graph = arguments[name]
        branches[key] = w.inner([], lambda f, _, g=graph: f.inline(g, [], captures[id(g)]))
    dtypes = [one.dtype for one in w.outputs]
    return w.ops("If", [_scalar(w, w.cast(arguments["pred"], BOOL))], dtypes, **branches)


def _while(w: Any, arguments: dict, captures: dict) -> list:
    going, step, limit = arguments["cond"], arguments["body"], arguments["maximum_iterations"]
    start = [
        w.ref(leaf)._replace(shape=tensor.shape)
        for leaf, tensor in zip(_leaves(arguments["loop_vars"]), going.inputs, strict=True)
    ]
    goes_on = _scalar(w, w.inline(going, start, captures[id(going)])[0])
    most = w.ints(LAST) if limit is None else _scalar(w, w.cast(limit, INT64))
    ahead = [Written("step", INT64, TensorShape([])), Written("going", BOOL, TensorShape([]))]

    def body(f: Any, given: list) -> list:
        found = f.inline(step, given[2:], captures[id(step)])
        (more,) = f.inline(going, found, captures[id(going)])
        return [_scalar(f, more), *found]

    graph = w.inner([*ahead, *start], body)
    return w.ops("Loop", [most, goes_on, *start], [one.dtype for one in start], body=graph)


def _along_an_axis(flags: str, backwards: bool = False) -> Callable:
    """Returns the writer of a function along the first axis: its graph takes a state, a row, or both."""

    def write(w: Any, arguments: dict, captures: dict) -> list:
        graph = arguments["fn"]
        columns = [w.ref(one) for one in _leaves(arguments["elems"])]
        start = _leaves(arguments["initializer"]) if "state" in flags else []
        if "state" in flags and not start:
            raise w.not_written("has no initializer")
        states = [
            w.ref(one)._replace(shape=out.shape) for one, out in zip(start, graph.outputs, strict=False)
        ]

        def step(f: Any, states: list, rows: list) -> tuple[list, list]:
            found = f.inline(graph, [*states, *rows], captures[id(graph)])
            return (found if "state" in flags else []), (found if "output" in flags else [])

        dtypes = [one.dtype for one in graph.outputs] if "output" in flags else []
        is_reversed = backwards or bool(arguments.get("reverse"))
        last, stacked = _scan(w, step, states, columns, dtypes, is_reversed)
        return stacked if "output" in flags else last

    return write


CONSTRUCTS.update(
    {
        "tf.cond": _cond,
        "tf.while_loop": _while,
        "tf.map_fn": _along_an_axis("output"),
        "tf.scan": _along_an_axis("state output"),
        "tf.foldl": _along_an_axis("state"),
        "tf.foldr": _along_an_axis("state", True),
    }
)
