"""Writers of recurrent layers and of loops and branches: as `Scan`, `Loop` and `If`, whose graphs are our own ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.export.onnx.graph import BOOL, CONSTRUCTS, INT64, LAST, Value
from dovetail.export.onnx.table import writes
from dovetail.saved_model.writing.recurrent import gru_step, lstm_step, simple_step
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


def _over_time(
    w: Any,
    step: Callable,
    z: Any,
    states: list,
    size: int,
    mask: Any,
    kernel: Any,
    further: list,
    sequence: bool,
) -> list:
    """Writes the loop of a recurrent layer; arguments as of `saved_model.writing.recurrent`."""
    columns = [w.ref(one) for one in (z, mask) if one is not None]
    shape = TensorShape([*list(z.shape)[1:-1], size])
    first = [(_zeros(w, z, shape) if one is None else w.ref(one))._replace(shape=shape) for one in states]
    fixed = [w.ref(one) for one in (kernel, *further) if one is not None]
    there = [one is not None for one in further]
    num = len(states)

    def body(f: Any, states: list, rows: list) -> tuple[list, list]:
        def run(*given: Any) -> list:
            given_states, rest = given[:num], list(given[num:])
            row, seen = rest[0], rest[1 : len(columns)]
            weights = iter(rest[len(columns) :])
            kernel = next(weights)
            more = [[next(weights)] if is_there else [] for is_there in there]
            return step(*given_states, row, seen, kernel, *more)

        found = f.inline(run, [*states, *rows, *fixed])
        return found, found[:1]

    last, (steps,) = _scan(w, body, first, columns, [w.dtype(z)])
    return [steps, *last]


def _zeros(w: Any, z: Any, shape: Any) -> Value:
    """Writes the first state: zeros for each example of the batch."""
    sizes = w.op("Shape", [z], dtype=INT64)
    lead = w.op("Slice", [sizes, w.ints([1]), w.ints([z.shape.rank - 1])])
    whole = w.op("Concat", [lead, w.ints([shape[-1]])], axis=0)
    return w.op("Expand", [w.ref(0, w.dtype(z)), whole])


@writes("lstm")
def _lstm(
    w: Any,
    z: Any,
    kernel: Any,
    h: Any = None,
    c: Any = None,
    dropped: Any = None,
    mask: Any = None,
    kept: bool = False,
    sequence: bool = True,
    **names: Any,
) -> list:
    return _over_time(w, lstm_step(names), z, [h, c], kernel.shape[-2], mask, kernel, [dropped], sequence)


@writes("gru")
def _gru(
    w: Any,
    z: Any,
    kernel: Any,
    bias: Any = None,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    kept: bool = False,
    sequence: bool = True,
    **names: Any,
) -> list:
    return _over_time(w, gru_step(names), z, [h], kernel.shape[0], mask, kernel, [dropped, bias], sequence)


@writes("simple_rnn")
def _simple_rnn(
    w: Any,
    z: Any,
    kernel: Any,
    h: Any = None,
    dropped: Any = None,
    mask: Any = None,
    kept: bool = False,
    sequence: bool = True,
    **names: Any,
) -> list:
    return _over_time(w, simple_step(names), z, [h], kernel.shape[-2], mask, kernel, [dropped], sequence)


# ---- loops and branches


def _leaves(structure: Any) -> list:
    return [leaf for leaf in nest.flat(structure) if leaf is not None]


def _scalar(w: Any, value: Any) -> Value:
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
    ahead = [Value("step", INT64, TensorShape([])), Value("going", BOOL, TensorShape([]))]

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
