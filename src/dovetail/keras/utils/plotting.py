"""`keras.utils.plot_model`: a picture of a model's graph, drawn with matplotlib."""

from __future__ import annotations

import importlib
import re
from typing import Any

from dovetail.base.told import told_function
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.utils.plot_layout import Layout, Spot

_COLOURS = {"input": ("#e8eef7", "#4a6fa5"), "layer": ("#fdf3e3", "#c98b2b"), "op": ("#e9f5ec", "#3d8b57")}
# Graphviz' words for the form of arrows: how they are drawn here.
_SPLINES = {
    **dict.fromkeys(("curved", "spline", "true"), "curved"),
    **dict.fromkeys(("line", "polyline", "false"), "line"),
    "ortho": "ortho",
}
_LINE = 0.21  # inches a line of text takes
_CHARACTER = 0.088  # inches a character takes


class _Box:
    """A layer in the picture.

    Attributes:
        lines: its text.
        kind: "input", "layer" or "op".
        width, height: its size in inches.
        across, along: the same in the direction of the rows, and across it.
        x, y: its centre.
        sources: the boxes that arrows come from.
        within: names of the nested models around the layer, outermost first.
    """

    def __init__(self, layer: Any, lines: list[str], kind: str) -> None:
        self.layer, self.lines, self.kind = layer, lines, kind
        self.within: tuple[str, ...] = ()
        self.width = max(len(line) for line in lines) * _CHARACTER + 0.3
        self.height = len(lines) * _LINE + 0.18
        self.across, self.along = self.width, self.height
        self.x = self.y = 0.0
        self.sources: list[_Box] = []


@told_function("keras.utils.plot_model")
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
    splines: str = "curved",
    layer_range: Any = None,
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
        splines: "curved" ("spline"), "ortho" with right angles, or "line" ("polyline"): how the arrows run.
        layer_range: (first, last) names of layers, or patterns (`re`) for them: only these and those between are drawn.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the model is not built.
    """
    if splines not in _SPLINES:
        raise ValueError(f"plot_model: splines must be one of {', '.join(_SPLINES)}, received {splines!r}")
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"plot_model: rankdir must be 'TB' or 'LR', received {rankdir!r}")
    try:
        pyplot = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError("plot_model needs matplotlib: pip install 'dovetail[plot]'") from error
    options = (show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    boxes = boxes_of(model, options, expand_nested, layer_range, "plot_model")
    layout = _laid_out(boxes, rankdir == "LR")
    width, height = _turned(layout.across, layout.along, rankdir == "LR")
    figure = pyplot.Figure(figsize=(width, height), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    for source, box, passed in layout.lines:
        _draw_line(axes, layout, source, box, passed, rankdir == "LR", _SPLINES[splines])
    for row in layout.rows:
        for spot in row:
            if spot.box is not None:
                _draw_box(axes, spot.box)
    figure.savefig(str(to_file), dpi=dpi, facecolor="white")


def boxes_of(model: Any, options: tuple, expand: bool, layer_range: Any, caller: str) -> list[_Box]:
    """Returns the layers in a range as boxes, each after those it takes inputs from."""
    if not model.built:
        raise ValueError(f"{caller}: {model.name!r} is not built yet; call it on data, or build it, first")
    boxes = _boxes(model, options, expand)
    if layer_range is None:
        return boxes
    chosen = boxes[_range(boxes, layer_range, caller)]
    shown = set(map(id, chosen))
    for box in chosen:
        box.sources = [source for source in box.sources if id(source) in shown]
    return chosen


def _range(boxes: list[_Box], layer_range: Any, caller: str) -> slice:
    """Returns the places from the first layer that one pattern matches to the last one for the other."""
    if not isinstance(layer_range, list | tuple) or len(layer_range) != 2:
        raise ValueError(
            f"{caller}: layer_range must be two names of layers, the first and the last, received {layer_range!r}"
        )
    places = [
        [i for i, box in enumerate(boxes) if re.match(str(pattern), box.layer.name)]
        for pattern in layer_range
    ]
    for pattern, found in zip(layer_range, places, strict=True):
        if not found:
            raise ValueError(f"{caller}: layer_range={layer_range!r}: no layer is called {pattern!r}")
    ends = [place for found in places for place in found]
    return slice(min(ends), max(ends) + 1)


def _boxes(model: Any, options: tuple, expand: bool) -> list[_Box]:
    """Returns the layers as boxes, each after those it takes inputs from."""
    boxes: list[_Box] = []
    made: dict[int, _Box] = {}
    previous: _Box | None = None
    connected = getattr(model, "_graph", None) is not None
    for layer in model.layers if not hasattr(model, "_stack") else model._stack:
        inner = _boxes(layer, options, expand) if expand and hasattr(layer, "layers") and layer.layers else []
        for box in inner:
            box.within = (layer.name, *box.within)
        own = inner or [_Box(layer, _lines(layer, _outputs(layer, model), *options), _kind(layer))]
        if connected:
            for tensor in _inputs(layer, model):
                place = model._members.place(tensor)
                source = None if place is None else made.get(id(place.layer))
                if source is not None and source not in own[0].sources:
                    own[0].sources.append(source)
        elif previous is not None:
            own[0].sources.append(previous)
        boxes.extend(own)
        previous = own[-1]
        made[id(layer)] = own[-1]
    return boxes


def _inputs(layer: Any, model: Any) -> list:
    """Returns the symbolic tensors a layer is called on in this model."""
    return [tensor for node in model._members.calls(layer) for tensor in node.inputs]


def _outputs(layer: Any, model: Any) -> list:
    """Returns the symbolic tensors that a layer's first call in this model gives."""
    if layer.is_input:
        return [layer.output]
    functional = getattr(model, "_graph", None) is not None
    calls = model._members.calls(layer) if functional else layer._nodes
    return calls[0].outputs if calls else []


def _kind(layer: Layer) -> str:
    return "input" if layer.is_input else "op" if layer.is_op else "layer"


def _lines(
    layer: Layer, outputs: list, shapes: bool, dtype: bool, names: bool, activations: bool, trainable: bool
) -> list[str]:
    title = layer.name if layer.is_op else type(layer).__name__
    lines = [f"{layer.name} ({title})" if names and not layer.is_op else title]
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


def _turned(across: float, along: float, horizontal: bool) -> tuple[float, float]:
    """Returns (x, y) for a place in a row and along the rows."""
    return (along, across) if horizontal else (across, along)


def _laid_out(boxes: list[_Box], horizontal: bool) -> Layout:
    """Gives every box its place."""
    for box in boxes:
        box.across, box.along = (box.height, box.width) if horizontal else (box.width, box.height)
    layout = Layout(boxes)
    for row, start, stop in zip(layout.rows, layout.starts, layout.stops, strict=True):
        for spot in row:
            if spot.box is not None:
                spot.box.x, spot.box.y = _turned(spot.centre, (start + stop) / 2, horizontal)
    return layout


def _draw_box(axes: Any, box: _Box) -> None:
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


def _draw_line(
    axes: Any, layout: Layout, source: _Box, box: _Box, passed: list[Spot], horizontal: bool, spline: str
) -> None:
    """Draws an arrow: straight through the rows it passes, as `spline` says between them."""
    patches, paths = importlib.import_module("matplotlib.patches"), importlib.import_module("matplotlib.path")
    points = [_turned(*_end(source, horizontal, 0.5), horizontal)]
    codes = [paths.Path.MOVETO]
    at = _end(source, horizontal, 0.5)
    stops = [(spot.centre, layout.starts[spot.row], layout.stops[spot.row]) for spot in passed]
    final = _end(box, horizontal, -0.5)
    for centre, start, stop in [*stops, (*final, final[1])]:
        middle = (at[1] + start) / 2
        curve = [(at[0], middle), (centre, middle), (centre, start)]
        curve = curve[-1:] if spline == "line" else curve
        points += [_turned(*point, horizontal) for point in curve]
        codes += [paths.Path.CURVE4 if spline == "curved" else paths.Path.LINETO] * len(curve)
        if stop > start:
            points.append(_turned(centre, stop, horizontal))
            codes.append(paths.Path.LINETO)
        at = (centre, stop)
    axes.add_patch(
        patches.FancyArrowPatch(
            path=paths.Path(points, codes),
            arrowstyle="-|>,head_length=4,head_width=2",
            color="#8a8a8a",
            linewidth=1.0,
            zorder=2,
        )
    )


def _end(box: _Box, horizontal: bool, side: float) -> tuple[float, float]:
    """Returns the middle of a box's side, as (place in the row, place along the rows)."""
    if horizontal:
        return box.y, box.x + side * box.width
    return box.x, box.y + side * box.height
