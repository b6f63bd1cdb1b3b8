"""Writing ONNX files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.export.onnx.graph import GraphWriter, package
from dovetail.export.pure import Pure
from dovetail.graph.walking import Written

DEFAULT_OPSET, OLDEST_OPSET = 18, 17
_MOST_BYTES = (1 << 31) - 1  # of a message


def write(
    path: str, functions: dict[str, Any], opset_version: int | None = None, one_batch: bool = False
) -> None:
    """Writes a concrete function to a file, which replaces an older one when it is whole.

    Args:
        path: of the file.
        functions: one, under its name: an ONNX file holds one graph.
        opset_version: the version of the operators; 18 when None.
        one_batch: the first axes of all inputs have one size.

    Raises:
        ImportError: the package onnx is not installed.
        NotImplementedError: the function has an operation that is not written.
        ValueError: there are several functions, or the version is not known.
    """
    onnx = package()
    if len(functions) != 1:
        raise ValueError(
            f"export: an ONNX file holds one function, received {', '.join(map(repr, functions))}: write each to a "
            f"file of its own{at_user_location()}"
        )
    newest = onnx.defs.onnx_opset_version()
    opset = DEFAULT_OPSET if opset_version is None else opset_version
    if type(opset) is not int or not OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"export: opset_version is from {OLDEST_OPSET} to {newest}, received {opset_version!r}{at_user_location()}"
        )
    ((name, concrete),) = functions.items()
    model = made(Pure(concrete, name, one_batch), opset)
    content = model.SerializeToString()
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(content)


def made(pure: Pure, opset: int) -> Any:
    """Returns the message of a function.

    Raises:
        NotImplementedError: it has an operation that is not written, or more than 2 GiB of weights.
    """
    onnx = package()
    size = sum(int(one.nbytes) for one in pure.arrays())
    if size > _MOST_BYTES:
        raise pure.refused(
            f"has {size} bytes of weights, and an ONNX file holds {_MOST_BYTES}",
            "write it with format='tf_saved_model' or 'stablehlo', or in parts",
        )
    writer = GraphWriter(opset)
    inputs: list[Any] = []
    batch = "batch" if pure.one_batch else None
    for tensor, label in zip(pure.graph.inputs, pure.names, strict=True):
        value = writer.input(label, tensor.dtype, tensor.shape, tensor)
        inputs.append(writer.described(value, _sizes(value, functools.partial(pure.name, len(inputs)))))
    writer.write(pure.graph)
    outputs = [
        _named(writer, label, writer.ref(tensor)._replace(shape=tensor.shape), batch)
        for label, tensor in zip(pure.output_names, pure.graph.outputs, strict=True)
    ]
    graph = onnx.helper.make_graph(writer.nodes, pure.label, inputs, outputs, writer.initializers)
    versions = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(
        graph,
        opset_imports=versions,
        ir_version=onnx.helper.find_min_ir_version_for(versions),
        producer_name="dovetail",
    )


def _sizes(value: Written, name: Callable[[int], str]) -> list:
    return [name(axis) if size is None else size for axis, size in enumerate(value.shape)]


def _named(writer: GraphWriter, label: str, value: Written, batch: str | None) -> Any:
    """Returns the message of an output, which gets a name of its own; its first axis is the batch, if there is one."""
    name = writer.names.unique(label)
    made = writer.op("Identity", [value])
    writer.nodes[-1].output[0] = name
    sizes = None if value.shape.rank is None else list(value.shape)
    named = [batch if size is None and axis == 0 else size for axis, size in enumerate(sizes or [])]
    return writer.described(made._replace(name=name, shape=value.shape), named if sizes is not None else None)
