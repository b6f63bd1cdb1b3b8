"""The table that `model.summary()` prints."""

from __future__ import annotations

import io
import math
from typing import Any

from rich.box import SQUARE
from rich.console import Console
from rich.table import Table

from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.models.members import Members

_MIN_WIDTH = 78


def summary_text(
    model: Any, line_length: int | None, expand_nested: bool, show_trainable: bool, layer_range: Any = None
) -> str:
    """Returns the summary of a model as text."""
    connected = _has_branches(model)
    table = Table(box=SQUARE, show_lines=True, title=None, expand=False, width=line_length)
    for title in ("Layer (type)", "Output Shape", "Param #"):
        table.add_column(title, justify="right" if title == "Param #" else "left", overflow="fold")
    if connected:
        table.add_column("Connected to", overflow="fold")
    if show_trainable:
        table.add_column("Trainable")
    for layer, owner, depth in _rows(model, expand_nested, 0, layer_range):
        graph = getattr(owner, "_graph", None)
        calls = [] if graph is None else owner._members.calls(layer)
        cells = [
            f"{'  ' * depth}{layer.name} ({type(layer).__name__})",
            _shape_text(layer, calls),
            _count_text(layer),
        ]
        if connected:
            cells.append("\n".join(_sources(calls, owner._members)) or "-")
        if show_trainable:
            cells.append("Y" if layer.trainable else "N")
        table.add_row(*cells)
    out = io.StringIO()
    width = line_length or max(_MIN_WIDTH, 100 if connected else _MIN_WIDTH)
    Console(file=out, width=width, color_system=None, highlight=False, markup=False).print(table)
    return f'Model: "{model.name}"\n{out.getvalue().rstrip()}\n{_totals(model)}'


def _rows(model: Any, expand: bool, depth: int, layer_range: Any) -> Any:
    layers = model.layers
    if layer_range is not None:
        names = [layer.name for layer in layers]
        for name in layer_range:
            if name not in names:
                raise ValueError(f"summary: layer_range names {name!r}, which is no layer of {model.name!r}")
        layers = layers[names.index(layer_range[0]) : names.index(layer_range[1]) + 1]
    for layer in layers:
        yield layer, model, depth
        if expand and hasattr(layer, "layers"):
            yield from _rows(layer, expand, depth + 1, None)


def _shape_text(layer: Layer, calls: list) -> str:
    """Returns the shape of the outputs of a layer's first call in the model."""
    if calls:
        shapes = [str(tuple(tensor.shape)) for tensor in calls[0].outputs]
        return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"
    try:
        return str(layer.output_shape)
    except AttributeError:
        return "?" if layer.built or not layer._build_shapes else str(layer._build_shapes)


def _count_text(layer: Layer) -> str:
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _has_branches(model: Any) -> bool:
    """True when the layers are not one chain."""
    graph = getattr(model, "_graph", None)
    if graph is None:
        return False
    return any(len(node.inputs) != 1 for node in graph.nodes) or len(graph.inputs) > 1


def _sources(calls: list, members: Members) -> list[str]:
    """Returns the inputs of a layer's calls as "layer[call][output]"."""
    places = [members.place(tensor) for node in calls for tensor in node.inputs]
    return [f"{place.layer.name}[{place.call}][{place.output}]" for place in places if place is not None]


def _totals(model: Any) -> str:
    if not model.built:
        return "The model is not built yet: call it on data, or build it, to see its parameters.\n"
    trained = {id(v) for v in model.trainable_weights}
    counts = {True: 0, False: 0}
    bytes_ = {True: 0, False: 0}
    for variable in model.weights:
        size = math.prod(variable.shape)
        counts[id(variable) in trained] += size
        bytes_[id(variable) in trained] += size * variable._numpy_dtype.itemsize
    total, total_bytes = counts[True] + counts[False], bytes_[True] + bytes_[False]
    return (
        f" Total params: {total:,} ({_bytes_text(total_bytes)})\n"
        f" Trainable params: {counts[True]:,} ({_bytes_text(bytes_[True])})\n"
        f" Non-trainable params: {counts[False]:,} ({_bytes_text(bytes_[False])})\n"
    )


def _bytes_text(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"
