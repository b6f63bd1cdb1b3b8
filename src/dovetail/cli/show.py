"""`dovetail show FILE`: the layers, weights, custom objects of a model file, and whether it is safe to load."""

from __future__ import annotations

import argparse
import sys

from dovetail.base.errors import OpError
from dovetail.keras.saving.describing import Description, describe

_MOST_ROWS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `dovetail show` takes to its parser."""
    parser.description = (
        "Show what is in a model file: .keras, .h5, .weights.h5, .weights.json, .safetensors, .stablehlo, .onnx, a "
        "checkpoint (its prefix), or the directory of a SavedModel or of Orbax' checkpoints. Nothing of it is run. The "
        "exit status is 3 when loading it could run code."
    )
    parser.add_argument("file", help="the file")
    parser.add_argument("--all", action="store_true", help="all weights, however many")


def run(options: argparse.Namespace) -> int:
    """Prints the description; returns 0 for a file that is safe to load, 3 for one that is not, 1 for no such file."""
    try:
        found = describe(options.file)
    except (ValueError, OSError, ImportError, OpError) as error:
        print(f"dovetail show: {error}", file=sys.stderr)
        return 1
    print(report(found, None if options.all else _MOST_ROWS))
    return 3 if found.unsafe else 0


def report(found: Description, most: int | None = None) -> str:
    """Returns the text that `dovetail show` prints, with at most that many weights."""
    shown = found.weights if most is None else found.weights[:most]
    width = max((len(name) for name, _, _ in shown), default=0)
    by = f", written by {found.written_by}" if found.written_by else ""
    lines = [f"{found.kind}{by}", f"verdict    {found.verdict}"]
    lines += [f"custom     {name}" for name in found.custom]
    lines += [f"note       {note}" for note in found.notes]
    lines += [f"layer      {'  ' * depth}{kind} {name!r}" for depth, kind, name in found.layers]
    lines += [f"weight     {name:<{width}}  {shape} {dtype}" for name, shape, dtype in shown]
    if len(shown) < len(found.weights):
        lines.append(f"           and {len(found.weights) - len(shown)} more (--all)")
    return "\n".join([*lines, f"total      {found.num_parameters:,} numbers in {len(found.weights)} arrays"])
