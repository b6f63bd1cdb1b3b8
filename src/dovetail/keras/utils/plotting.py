"""`keras.utils.plot_model`: a picture of a model's graph, drawn with matplotlib.

Layers stand in rows by their distance from the inputs; within a row, each stands near those it takes its inputs from.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from typing import Any

from dovetail.keras.layers.layer import Layer
from dovetail.keras.models.ordering import calls_of

_COLOURS = {"input": ("#e8eef7", "#4a6fa5"), "layer": ("#fdf3e3", "#c98b2b"), "op": ("#e9f5ec", "#3d8b57")}
_LINE = 0.21  # inches a line of text takes
_CHARACTER = 0.088  # inches a character takes
_GAP_X, _GAP_Y = 0.45, 0.5


class _Box:
    """A layer in the picture: its text, its size in inches, its place."""

    def __init__(self, layer: Any, lines: list[str], kind: str) -> None:
        self.layer, self.lines, self.kind = layer, lines, kind
        self.width = max(len(line) for line in lines) * _CHARACTER + 0.3
        self.height = len(lines) * _LINE + 0.18
        self.x = self.y = 0.0
        self.row = 0
        self.sources: list[_Box] = []


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    **kwargs: Any,
) -> None:
    """Draws the graph of a model into a file (png, svg or pdf).

    Args:
        model: a built model.
        to_file: path of the picture.
        show_shapes, show_dtype: write the output's shape and dtype into the boxes.
        show_layer_names: write the layers' names.
        rankdir: "TB": top to bottom, "LR": left to right.
        expand_nested: draw the layers of models inside the model.
        dpi: dots an inch.
        show_layer_activations, show_trainable: write the activation, and what is not trained.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the model is not built.
    """
    kwargs.pop("layer_range", None)
    if kwargs:
        raise TypeError(f"plot_model: unknown arguments {sorted(kwargs)}")
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"plot_model: rankdir must be 'TB' or 'LR', received {rankdir!r}")
    if not model.built:
        raise ValueError(f"plot_model: {model.name!r} is not built yet; call it on data, or build it, first")
    try:
        pyplot = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError("plot_model needs matplotlib: pip install 'dovetail[plot]'") from error
    options = (show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    rows = _rows(_boxes(model, options, expand_nested))
    width, height = _place(rows, horizontal=rankdir == "LR")
    figure = pyplot.Figure(figsize=(width, height), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    for row in rows:
        for box in row:
            _draw(axes, box, rankdir == "LR", rows)
    figure.savefig(str(to_file), dpi=dpi, facecolor="white")


def _boxes(model: Any, options: tuple, expand: bool) -> list[_Box]:
    """Returns the layers as boxes, each after those it takes inputs from."""
    boxes: list[_Box] = []
    made: dict[int, _Box] = {}
    previous: _Box | None = None
    connected = getattr(model, "_graph", None) is not None
    for layer in model.layers if not hasattr(model, "_stack") else model._stack:
        inner = _boxes(layer, options, expand) if expand and hasattr(layer, "layers") and layer.layers else []
        own = inner or [_Box(layer, _lines(layer, _outputs(layer, model), *options), _kind(layer))]
        if connected:
            for tensor in _inputs(layer, model):
                source = made.get(id(tensor.node.operation))
                if source is not None and source not in own[0].sources:
                    own[0].sources.append(source)
        elif previous is not None:
            own[0].sources.append(previous)
        boxes.extend(own)
        previous = own[-1]
        made[id(getattr(layer, "_operation", layer))] = own[-1]
    return boxes


def _inputs(layer: Any, model: Any) -> list:
    """Returns the symbolic tensors a layer is called on in this model."""
    return [tensor for node in calls_of(layer, model._graph) for tensor in node.inputs if tensor.node]


def _outputs(layer: Any, model: Any) -> list:
    """Returns the symbolic tensors that a layer's first call in this model gives."""
    if layer.is_input:
        return [layer.output]
    graph = getattr(model, "_graph", None)
    calls = calls_of(layer, graph) if graph is not None else layer._nodes
    return calls[0].outputs if calls else []


def _kind(layer: Layer) -> str:
    return "input" if layer.is_input else "op" if hasattr(layer, "_operation") else "layer"


def _lines(
    layer: Layer, outputs: list, shapes: bool, dtype: bool, names: bool, activations: bool, trainable: bool
) -> list[str]:
    title = layer.name if hasattr(layer, "_operation") else type(layer).__name__
    lines = [f"{layer.name} ({title})" if names and not hasattr(layer, "_operation") else title]
    activation = getattr(layer, "activation", None)
    if activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
    if trainable and layer.weights and not layer.trainable:
        lines.append("not trainable")
    if shapes:
        lines.extend(str(tuple(tensor.shape)) for tensor in outputs)
    if dtype:
        lines.extend(sorted({tensor.dtype.name for tensor in outputs}))
    return lines


def _rows(boxes: list[_Box]) -> list[list[_Box]]:
    """Sorts the boxes into rows: each below all of its sources, inputs just above their first reader."""
    depth: dict[int, int] = {}
    for box in boxes:
        depth[id(box)] = 1 + max((depth[id(source)] for source in box.sources), default=-1)
    for box in boxes:
        readers = [depth[id(other)] for other in boxes if box in other.sources]
        if not box.sources and readers:
            depth[id(box)] = min(readers) - 1
    rows: dict[int, list[_Box]] = defaultdict(list)
    for box in boxes:
        box.row = depth[id(box)]
        rows[box.row].append(box)
    return [rows[key] for key in sorted(rows)]


def _place(rows: list[list[_Box]], horizontal: bool) -> tuple[float, float]:
    """Gives every box its place; returns the size of the picture in inches."""
    across, along = ("height", "width") if horizontal else ("width", "height")
    spans = [sum(getattr(box, across) for box in row) + _GAP_X * (len(row) - 1) for row in rows]
    total = max(spans) + 0.8
    position = 0.4
    for row in rows:
        thick = max(getattr(box, along) for box in row)
        row.sort(key=lambda box: _wish(box, horizontal))
        _spread(row, total, across, horizontal)
        for box in row:
            _set(box, not horizontal, position + thick / 2)
        position += thick + _GAP_Y
    position += 0.4 - _GAP_Y
    return (position, total) if horizontal else (total, position)


def _wish(box: _Box, horizontal: bool) -> float:
    centres = [source.y if horizontal else source.x for source in box.sources]
    return sum(centres) / len(centres) if centres else 0.0


def _spread(row: list[_Box], total: float, across: str, horizontal: bool) -> None:
    """Puts the boxes of a row where they wish to be, then pushes them apart."""
    span = sum(getattr(box, across) for box in row) + _GAP_X * (len(row) - 1)
    start = (total - span) / 2
    for box in row:
        centre = start + getattr(box, across) / 2
        wish = _wish(box, horizontal)
        _set(box, horizontal, wish if box.sources and len(row) == 1 and wish else centre)
        start += getattr(box, across) + _GAP_X


def _set(box: _Box, vertical: bool, value: float) -> None:
    if vertical:
        box.y = value
    else:
        box.x = value


def _draw(axes: Any, box: _Box, horizontal: bool, rows: list[list[_Box]]) -> None:
    patches = importlib.import_module("matplotlib.patches")
    fill, edge = _COLOURS[box.kind]
    axes.add_patch(
        patches.FancyBboxPatch(
            (box.x - box.width / 2, box.y - box.height / 2),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=fill,
            edgecolor=edge,
            linewidth=1.1,
            zorder=3,
        )
    )
    for i, line in enumerate(box.lines):
        y = box.y + (i - (len(box.lines) - 1) / 2) * _LINE
        style = {"fontsize": 9.5, "fontweight": "bold"} if i == 0 else {"fontsize": 8.5, "color": "#555555"}
        axes.text(box.x, y, line, ha="center", va="center", zorder=4, family="DejaVu Sans", **style)
    for source in box.sources:
        if horizontal:
            start, end = (source.x + source.width / 2, source.y), (box.x - box.width / 2, box.y)
        else:
            start, end = (source.x, source.y + source.height / 2), (box.x, box.y - box.height / 2)
        axes.annotate(
            "",
            xy=end,
            xytext=start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#8a8a8a",
                "linewidth": 1.0,
                "shrinkA": 0,
                "shrinkB": 0,
                "connectionstyle": f"arc3,rad={_bend(source, box, rows, horizontal)}",
            },
            zorder=2,
        )


def _bend(source: _Box, box: _Box, rows: list[list[_Box]], horizontal: bool) -> float:
    """Returns how much an arrow bends: long ones go around the boxes between, on the side where fewer stand."""
    between = [other for row in rows[source.row + 1 : box.row] for other in row]
    if not between:
        return 0.0
    middle = (source.y + box.y) / 2 if horizontal else (source.x + box.x) / 2
    before = sum((other.y if horizontal else other.x) < middle for other in between)
    towards_start = before * 2 < len(between)
    return 0.18 if towards_start != horizontal else -0.18
