"""ONNX files: importing this fills the table of writers."""

from dovetail.export.onnx import arrays, composites, elementwise, neural, recurrent
from dovetail.export.onnx.files import write

__all__ = ["arrays", "composites", "elementwise", "neural", "recurrent", "write"]
